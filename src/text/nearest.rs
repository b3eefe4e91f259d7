//! Which of several names somebody meant who wrote another one, told by how much two names look alike. It words hints;
//! nothing is accepted because of it.

/// Below both, two names have nothing to do with each other.
const EDITED_MIN: f64 = 0.6;
const BEGINNING_MIN: f64 = 0.88;

/// What comes with the known name that looks most like this one, the last of several that look so equally; none where
/// all are strangers.
pub(crate) fn nearest<K: AsRef<str>, T>(known: impl Iterator<Item = (K, T)>, name: &str) -> Option<T> {
    known
        .map(|(known, meant)| (likeness(known.as_ref(), name), meant))
        .filter(|(likeness, _)| *likeness > 0.0)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, meant)| meant)
}

/// 0 where two names are strangers; the greater, the closer.
fn likeness(known: &str, name: &str) -> f64 {
    let edited = strsim::normalized_damerau_levenshtein(known, name);
    let beginning = strsim::jaro_winkler(known, name);
    if name.len() > 2 && (edited >= EDITED_MIN || beginning >= BEGINNING_MIN) {
        edited + beginning
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_strangers_are_none() {
        let nearest = |name| {
            let known = ["allowed_domains", "allowed_external_proxies", "action"];
            nearest(known.into_iter().zip(1..), name)
        };
        assert_eq!(nearest("allowed_domain"), Some(1));
        assert_eq!(nearest("allowed_external_proxy"), Some(2));
        assert_eq!(nearest("owner"), None);
        assert_eq!(nearest(""), None);
    }
}
