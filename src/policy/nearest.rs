//! How much two names look alike: words the hints of whoever reads what people write, the ACL's keys here, options in
//! `config`. Nothing is accepted because of it.

/// Below both, two names have nothing to do with each other.
const EDITED_MIN: f64 = 0.6;
const BEGINNING_MIN: f64 = 0.88;

/// 0 where two names are strangers; the greater, the closer.
pub fn likeness(known: &str, name: &str) -> f64 {
    let edited = strsim::normalized_damerau_levenshtein(known, name);
    let beginning = strsim::jaro_winkler(known, name);
    if name.len() > 2 && (edited >= EDITED_MIN || beginning >= BEGINNING_MIN) {
        edited + beginning
    } else {
        0.0
    }
}

/// The one of the known names that looks most like this one; none where all are strangers.
pub fn nearest<'a>(known: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    known
        .map(|known| (likeness(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.0)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_strangers_are_none() {
        let known = || ["allowed_domains", "allowed_external_proxies", "action"].into_iter();
        assert_eq!(nearest(known(), "allowed_domain"), Some("allowed_domains"));
        assert_eq!(
            nearest(known(), "allowed_external_proxy"),
            Some("allowed_external_proxies")
        );
        assert_eq!(nearest(known(), "owner"), None);
        assert_eq!(nearest(known(), ""), None);
    }
}
