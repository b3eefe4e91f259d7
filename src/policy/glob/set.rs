//! Sets of patterns, as one question: does a host match any of them, at a port? Searched by hash, so that it costs the
//! same however many there are.

use std::net::IpAddr;

use foldhash::HashMap;

use crate::net::Host;
use crate::policy::ports::Ports;
use crate::yaml::Line;

use super::listed::{Listed, Single};
use super::names::Names;
use super::{Glob, Pattern, parents};

/// A list of patterns. An empty set matches nothing. Each pattern knows the line of its file that it stands on; sets of
/// the same patterns are equal, wherever these stand.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct GlobSet {
    pub(super) names: Names,
    pub(super) below: Names,
    pub(super) addresses: HashMap<IpAddr, Listed>,
}

/// The port that is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AtPort<'a> {
    /// It.
    pub port: u16,
    /// The ports that patterns without ports are for; none: every port.
    pub default_ports: Option<&'a Ports>,
}

impl AtPort<'_> {
    /// Do patterns without ports count?
    pub fn is_default(self) -> bool {
        self.default_ports.is_none_or(|ports| ports.contains(self.port))
    }

    fn is_in(self, listed: &Listed) -> bool {
        (listed.is_bare() && self.is_default()) || listed.names(self.port)
    }

    fn of(self, listed: &Listed) -> Option<Single<'_>> {
        match listed.is_bare() && self.is_default() {
            true => listed.each().next(),
            false => listed.naming(self.port),
        }
    }
}

/// The pattern of a set that a host matched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matched {
    /// The pattern.
    pub pattern: Pattern,
    /// Where it stands.
    pub line: Line,
}

impl GlobSet {
    /// Adds a pattern. Of one that is listed twice the first line counts.
    pub fn insert(&mut self, pattern: Pattern, line: Line) {
        let Pattern { glob, ports } = pattern;
        match glob {
            Glob::Name(name) => self.names.add(&name, ports, line),
            Glob::Below(name) => self.below.add(&name, ports, line),
            Glob::Address(address) => self.addresses.entry(address).or_default().add(ports, line),
        }
    }

    /// Does the host match any glob, at whatever port? One hash at most per label of the host, however many
    /// globs there are.
    pub fn contains(&self, host: &Host) -> bool {
        self.any(host, |_| true)
    }

    /// Does the host match any pattern, at this port?
    pub fn contains_at(&self, host: &Host, at: AtPort<'_>) -> bool {
        self.any(host, |listed| at.is_in(listed))
    }

    fn any(&self, host: &Host, counts: impl Fn(&Listed) -> bool) -> bool {
        match host {
            Host::Name(name) => {
                let exactly = self.names.get_parsed(name);
                exactly.is_some_and(&counts) || self.below.above(name).any(counts)
            }
            Host::Addr(address) => self.addresses.get(&address.to_canonical()).is_some_and(counts),
        }
    }

    /// The pattern that the host matches at this port, the closest one where there are several. Slower than
    /// [`GlobSet::contains_at`].
    pub fn find(&self, host: &Host, at: AtPort<'_>) -> Option<Matched> {
        self.closest(host, |listed| at.of(listed))
    }

    /// The pattern that the host matches at whatever port, the closest one.
    pub fn find_at_any_port(&self, host: &Host) -> Option<Matched> {
        self.closest(host, |listed| listed.each().next())
    }

    fn closest<'a>(
        &'a self,
        host: &Host,
        single: impl Fn(&'a Listed) -> Option<Single<'a>>,
    ) -> Option<Matched> {
        let matched = |glob, Single { ports, line }| Matched {
            pattern: Pattern {
                glob,
                ports: ports.cloned(),
            },
            line,
        };
        match host {
            Host::Name(name) => match self.names.get(name.as_str()).and_then(&single) {
                Some(found) => Some(matched(Glob::Name(name.as_str().into()), found)),
                None => parents(name.as_str()).find_map(|parent| {
                    let found = self.below.get(parent).and_then(&single)?;
                    Some(matched(Glob::Below(parent.into()), found))
                }),
            },
            Host::Addr(address) => {
                let address = address.to_canonical();
                let found = self.addresses.get(&address).and_then(single)?;
                Some(matched(Glob::Address(address), found))
            }
        }
    }

    /// How many different patterns there are.
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// Is there no pattern, so that no host matches?
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.below.is_empty() && self.addresses.is_empty()
    }
}

#[cfg(test)]
impl FromIterator<(Pattern, Line)> for GlobSet {
    fn from_iter<I: IntoIterator<Item = (Pattern, Line)>>(patterns: I) -> GlobSet {
        let mut set = GlobSet::default();
        for (pattern, line) in patterns {
            set.insert(pattern, line);
        }
        set
    }
}
