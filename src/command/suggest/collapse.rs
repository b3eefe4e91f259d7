//! Many names below one domain become a glob: the narrowest that holds enough of them, and never one over a public suffix,
//! below which everybody's names are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// How many of the names behind a glob are told.
const NAMED_MAX: usize = 3;

/// An entry of `allowed_domains`, without its ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// The name, or `*.DOMAIN`.
    pub(super) pattern: String,
    /// How many requests it would let out.
    pub(super) count: u64,
    /// How many names it stands for,
    pub(super) names: usize,
    /// and some of these, where it is a glob.
    pub(super) examples: Vec<String>,
}

/// Entries below a domain that may still become a glob.
type Below = BTreeMap<String, Vec<Entry>>;

/// Puts names together from `min` on below one domain. What comes out is sorted.
pub(super) fn collapse(names: &[(&str, u64)], min: usize) -> Vec<Entry> {
    let mut done = Vec::new();
    // The longest domains first: what stays apart there may come together above.
    let mut levels: BTreeMap<Reverse<usize>, Below> = BTreeMap::new();
    for (name, count) in names {
        let entry = Entry {
            pattern: (*name).to_owned(),
            count: *count,
            names: 1,
            examples: Vec::new(),
        };
        place(name, vec![entry], &mut levels, &mut done);
    }
    while let Some((_, below)) = levels.pop_first() {
        for (domain, entries) in below {
            let entries = match entries.len() >= min {
                true => vec![joined(&domain, &entries)],
                false => entries,
            };
            place(&domain, entries, &mut levels, &mut done);
        }
    }
    done.sort_by(|a, b| a.pattern.cmp(&b.pattern));
    done
}

/// Puts entries at or below `name` where they may come together with others: the domain above it, unless that is nobody's.
fn place(
    name: &str,
    mut entries: Vec<Entry>,
    levels: &mut BTreeMap<Reverse<usize>, Below>,
    done: &mut Vec<Entry>,
) {
    match above(name) {
        None => done.append(&mut entries),
        Some(domain) => {
            let depth = domain.bytes().filter(|byte| *byte == b'.').count();
            let below = levels.entry(Reverse(depth)).or_default();
            below.entry(domain.to_owned()).or_default().append(&mut entries);
        }
    }
}

/// The domain above a name, where it belongs to one owner: it is registered itself, or below what is.
fn above(name: &str) -> Option<&str> {
    let (_, domain) = name.split_once('.')?;
    let registered = psl::domain_str(name)?;
    (domain.len() >= registered.len()).then_some(domain)
}

fn joined(domain: &str, entries: &[Entry]) -> Entry {
    let examples = entries.iter().flat_map(|entry| match entry.examples.is_empty() {
        true => std::slice::from_ref(&entry.pattern),
        false => entry.examples.as_slice(),
    });
    Entry {
        pattern: format!("*.{domain}"),
        count: entries.iter().map(|entry| entry.count).sum(),
        names: entries.iter().map(|entry| entry.names).sum(),
        examples: examples.take(NAMED_MAX).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(names: &[&str], min: usize) -> Vec<(String, u64, usize)> {
        let names: Vec<(&str, u64)> = names.iter().map(|name| (*name, 2)).collect();
        let entries = collapse(&names, min).into_iter();
        entries
            .map(|entry| (entry.pattern, entry.count, entry.names))
            .collect()
    }

    fn only(patterns: &[(String, u64, usize)]) -> Vec<&str> {
        patterns.iter().map(|(pattern, ..)| pattern.as_str()).collect()
    }

    #[test]
    fn enough_names_below_one_domain_become_a_glob_and_the_apex_stays() {
        let names = ["a.example.com", "b.example.com", "c.example.com", "example.com"];
        let found = patterns(&names, 3);
        assert_eq!(
            found,
            [("*.example.com".into(), 6, 3), ("example.com".into(), 2, 1)]
        );
        assert_eq!(patterns(&names, 4).len(), 4);
    }

    #[test]
    fn the_narrowest_glob_is_taken() {
        let names = [
            "a.s3.example.com",
            "b.s3.example.com",
            "c.s3.example.com",
            "www.example.com",
        ];
        assert_eq!(
            only(&patterns(&names, 3)),
            ["*.s3.example.com", "www.example.com"]
        );
        let deep = ["a.x.example.com", "b.y.example.com", "c.z.example.com"];
        assert_eq!(only(&patterns(&deep, 3)), ["*.example.com"]);
    }

    #[test]
    fn nothing_is_put_together_across_owners() {
        for suffix in [
            "co.uk",
            "github.io",
            "com",
            "s3.amazonaws.com",
            "internal",
            "kawasaki.jp",
        ] {
            let names: Vec<String> = ('a'..='h').map(|c| format!("own{c}.{suffix}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert_eq!(patterns(&names, 2).len(), 8, "{suffix}");
        }
        let own = ["a.me.github.io", "b.me.github.io"];
        assert_eq!(only(&patterns(&own, 2)), ["*.me.github.io"]);
        assert_eq!(only(&patterns(&["localhost", "com"], 1)), ["com", "localhost"]);
        assert_eq!(only(&patterns(&["a.example.com"], 1)), ["*.example.com"]);
    }

    #[test]
    fn many_names_take_no_long_time() {
        let names: Vec<String> = (0..20_000)
            .map(|n| format!("a.b.c.d.n{n}.h{}.example.com", n % 100))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(patterns(&names, 5), [("*.example.com".into(), 40_000, 20_000)]);
    }
}
