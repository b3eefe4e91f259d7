//! A set's globs one by one, for telling two sets apart and finding where they overlap. Requests ask the set itself.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use super::{Glob, GlobSet, parents};

/// One glob of a set, borrowed. Ordered by kind and name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Entry<'a> {
    /// Exactly this host name.
    Name(&'a str),
    /// Every host name below this one.
    Below(&'a str),
    /// Exactly this address.
    Address(IpAddr),
}

impl<'a> From<&'a Glob> for Entry<'a> {
    fn from(glob: &'a Glob) -> Entry<'a> {
        match glob {
            Glob::Name(name) => Entry::Name(name),
            Glob::Below(name) => Entry::Below(name),
            Glob::Address(address) => Entry::Address(*address),
        }
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entry::Name(name) => f.write_str(name),
            Entry::Below(name) => write!(f, "*.{name}"),
            Entry::Address(address) => write!(f, "{address}"),
        }
    }
}

impl GlobSet {
    /// All globs, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let names = self.names.keys().map(|name| Entry::Name(name));
        let below = self.below.keys().map(|name| Entry::Below(name));
        let addresses = self.addresses.keys().map(|address| Entry::Address(*address));
        names.chain(below).chain(addresses)
    }

    /// Is this very glob in the set?
    pub fn has(&self, entry: Entry<'_>) -> bool {
        match entry {
            Entry::Name(name) => self.names.contains_key(name),
            Entry::Below(name) => self.below.contains_key(name),
            Entry::Address(address) => self.addresses.contains_key(&address),
        }
    }
}

/// Answers which globs have hosts in common with a set.
pub struct Overlaps<'a> {
    set: &'a GlobSet,
    /// All names that something in the set stands below.
    above: HashSet<&'a str>,
}

impl<'a> Overlaps<'a> {
    /// Prepares the question; takes time as the set is large.
    pub fn with(set: &'a GlobSet) -> Overlaps<'a> {
        let names = set.names.keys().chain(set.below.keys());
        Overlaps {
            set,
            above: names.flat_map(|name| parents(name)).collect(),
        }
    }

    /// Is there a host that both the glob and the set match?
    pub fn at(&self, entry: Entry<'_>) -> bool {
        let is_below = |name| parents(name).any(|parent| self.set.below.contains_key(parent));
        match entry {
            Entry::Name(name) => self.set.has(entry) || is_below(name),
            Entry::Below(name) => self.set.has(entry) || is_below(name) || self.above.contains(name),
            Entry::Address(_) => self.set.has(entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Glob;
    use super::*;

    fn set(globs: &[&str]) -> GlobSet {
        globs.iter().map(|glob| (Glob::parse(glob).unwrap(), 1)).collect()
    }

    #[test]
    fn entries_are_those_of_the_set() {
        let set = set(&["b.test", "*.a.test", "10.0.0.1", "a.test"]);
        let mut entries: Vec<Entry<'_>> = set.entries().collect();
        entries.sort_unstable();
        let shown: Vec<String> = entries.iter().map(Entry::to_string).collect();
        assert_eq!(shown, ["a.test", "b.test", "*.a.test", "10.0.0.1"]);
        assert!(entries.iter().all(|entry| set.has(*entry)));
        assert!(!set.has(Entry::Name("c.test")) && !set.has(Entry::Below("b.test")));
    }

    #[test]
    fn overlaps_are_found_in_both_directions() {
        let denied = set(&["*.internal", "one.a.test", "*.b.a.test", "10.0.0.1"]);
        let overlaps = Overlaps::with(&denied);
        for (glob, expected) in [
            ("*.internal", true),
            ("x.internal", true),
            ("*.x.internal", true),
            ("internal", false),
            ("one.a.test", true),
            ("*.one.a.test", false),
            ("*.a.test", true),
            ("*.test", true),
            ("two.a.test", false),
            ("x.b.a.test", true),
            ("b.a.test", false),
            ("other.test", false),
            ("10.0.0.1", true),
            ("10.0.0.2", false),
        ] {
            let one = set(&[glob]);
            assert!(
                one.entries().all(|entry| overlaps.at(entry) == expected),
                "{glob}"
            );
        }
    }
}
