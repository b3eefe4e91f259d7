//! A set's patterns one by one, for telling two sets apart and finding where they overlap. Requests ask the set itself.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use crate::policy::ports::Ports;

use super::listed::Listed;
use super::{Glob, GlobSet, parents};

/// A glob, borrowed. Ordered by kind and name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum GlobRef<'a> {
    /// Exactly this host name.
    Name(&'a str),
    /// Every host name below this one.
    Below(&'a str),
    /// Exactly this address.
    Address(IpAddr),
}

/// One pattern of a set, borrowed. Ordered by glob, then by ports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry<'a> {
    /// Its hosts.
    pub glob: GlobRef<'a>,
    /// Its ports, where it names some.
    pub ports: Option<&'a Ports>,
}

impl<'a> From<&'a Glob> for GlobRef<'a> {
    fn from(glob: &'a Glob) -> GlobRef<'a> {
        match glob {
            Glob::Name(name) => GlobRef::Name(name),
            Glob::Below(name) => GlobRef::Below(name),
            Glob::Address(address) => GlobRef::Address(*address),
        }
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.glob, self.ports) {
            (GlobRef::Name(name), _) => f.write_str(name)?,
            (GlobRef::Below(name), _) => write!(f, "*.{name}")?,
            (GlobRef::Address(IpAddr::V6(address)), Some(_)) => write!(f, "[{address}]")?,
            (GlobRef::Address(address), _) => write!(f, "{address}")?,
        }
        match self.ports {
            Some(ports) => write!(f, ":{ports}"),
            None => Ok(()),
        }
    }
}

impl GlobSet {
    /// All patterns, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let names = self
            .names
            .iter()
            .map(|(name, listed)| (GlobRef::Name(name), listed));
        let below = self
            .below
            .iter()
            .map(|(name, listed)| (GlobRef::Below(name), listed));
        let addresses = self.addresses.iter();
        let addresses = addresses.map(|(address, listed)| (GlobRef::Address(*address), listed));
        names.chain(below).chain(addresses).flat_map(|(glob, listed)| {
            let ports = listed.each().map(|single| single.ports);
            ports.map(move |ports| Entry { glob, ports })
        })
    }

    /// Is this very pattern in the set?
    pub fn has(&self, entry: Entry<'_>) -> bool {
        self.listed(entry.glob)
            .is_some_and(|listed| listed.has(entry.ports))
    }

    /// Is this very glob in the set, with ports or without?
    pub fn has_glob(&self, glob: GlobRef<'_>) -> bool {
        self.listed(glob).is_some()
    }

    fn listed(&self, glob: GlobRef<'_>) -> Option<&Listed> {
        match glob {
            GlobRef::Name(name) => self.names.get(name),
            GlobRef::Below(name) => self.below.get(name),
            GlobRef::Address(address) => self.addresses.get(&address),
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
        let names = set.names.iter().chain(set.below.iter()).map(|(name, _)| name);
        Overlaps {
            set,
            above: names.flat_map(parents).collect(),
        }
    }

    /// Is there a host that both the glob and the set match? Their ports are not compared: that one that could be left out
    /// is told is better than the other way round.
    pub fn at(&self, glob: GlobRef<'_>) -> bool {
        let is_below = |name| parents(name).any(|parent| self.set.below.get(parent).is_some());
        let is_listed = self.set.has_glob(glob);
        match glob {
            GlobRef::Name(name) => is_listed || is_below(name),
            GlobRef::Below(name) => is_listed || is_below(name) || self.above.contains(name),
            GlobRef::Address(_) => is_listed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::*;

    fn set(patterns: &[&str]) -> GlobSet {
        let parsed = patterns.iter().map(|pattern| Pattern::parse(pattern).unwrap());
        parsed.map(|pattern| (pattern, 1)).collect()
    }

    fn bare(glob: GlobRef<'_>) -> Entry<'_> {
        Entry { glob, ports: None }
    }

    #[test]
    fn entries_are_those_of_the_set() {
        let set = set(&[
            "b.test",
            "*.a.test",
            "10.0.0.1",
            "[::1]:2",
            "a.test:80",
            "a.test",
            "a.test:22,443",
        ]);
        let mut entries: Vec<Entry<'_>> = set.entries().collect();
        entries.sort_unstable();
        let shown: Vec<String> = entries.iter().map(Entry::to_string).collect();
        assert_eq!(
            shown,
            [
                "a.test",
                "a.test:22,443",
                "a.test:80",
                "b.test",
                "*.a.test",
                "10.0.0.1",
                "[::1]:2"
            ]
        );
        assert!(entries.iter().all(|entry| set.has(*entry)));
        assert!(!set.has(bare(GlobRef::Name("c.test"))) && !set.has(bare(GlobRef::Below("b.test"))));
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
                one.entries().all(|entry| overlaps.at(entry.glob) == expected),
                "{glob}"
            );
        }
    }
}
