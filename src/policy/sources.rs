//! Which role a client has by where it connects from. Of the ranges that hold an address the longest prefix counts.
//! Where the address comes from, and what else names a role, is not asked here.

use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::ranges::Rule;

type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// Roles by client address. A lookup costs a search in a hash table for each length of prefix that there is, however many
/// ranges have it.
#[derive(Clone, Default, Debug)]
pub struct Sources {
    roles: HashMap<IpNet, Arc<str>>,
    /// The lengths of the prefixes of each family, the longest first.
    lengths_v4: Vec<u8>,
    lengths_v6: Vec<u8>,
}

/// A range of client addresses, and the role of those inside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceRole {
    /// The range, for all ports.
    pub range: Rule,
    /// Not empty.
    pub role: Arc<str>,
}

impl Sources {
    /// Of two roles for the same range the later one counts: whoever reads them lets that not happen.
    pub fn new(entries: &[SourceRole]) -> Sources {
        let mut sources = Sources::default();
        for SourceRole { range, role } in entries {
            let net = range.net();
            let lengths = match net {
                IpNet::V4(_) => &mut sources.lengths_v4,
                IpNet::V6(_) => &mut sources.lengths_v6,
            };
            lengths.push(net.prefix_len());
            sources.roles.insert(net, Arc::clone(role));
        }
        for lengths in [&mut sources.lengths_v4, &mut sources.lengths_v6] {
            lengths.sort_unstable_by(|one, other| other.cmp(one));
            lengths.dedup();
        }
        sources
    }

    /// Is there no range?
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// Is this the role of a range?
    pub fn name(&self, role: &str) -> bool {
        self.roles.values().any(|name| &**name == role)
    }

    /// The role of a client at this address; an IPv4-mapped one is the IPv4 address it stands for.
    pub fn role_of(&self, address: IpAddr) -> Option<&Arc<str>> {
        let address = address.to_canonical();
        let lengths = match address {
            IpAddr::V4(_) => &self.lengths_v4,
            IpAddr::V6(_) => &self.lengths_v6,
        };
        let nets = lengths
            .iter()
            .filter_map(|length| IpNet::new(address, *length).ok());
        nets.map(|net| net.trunc()).find_map(|net| self.roles.get(&net))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(entries: &[(&str, &str)]) -> Sources {
        let entries = entries.iter().map(|&(range, role)| SourceRole {
            range: Rule::range(range).or_else(|| Rule::address(range)).unwrap(),
            role: role.into(),
        });
        Sources::new(&entries.collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_prefix_counts_whatever_the_order() {
        let entries = [
            ("10.0.0.0/8", "eight"),
            ("10.1.2.3", "host"),
            ("0.0.0.0/0", "any"),
            ("10.1.0.0/16", "sixteen"),
            ("2001:db8::/32", "six"),
            ("2001:db8::7/128", "seven"),
        ];
        let reversed: Vec<_> = entries.iter().rev().copied().collect();
        for sources in [sources(&entries), sources(&reversed)] {
            for (address, role) in [
                ("10.1.2.3", Some("host")),
                ("::ffff:10.1.2.3", Some("host")),
                ("10.1.2.4", Some("sixteen")),
                ("10.2.0.0", Some("eight")),
                ("10.255.255.255", Some("eight")),
                ("11.0.0.0", Some("any")),
                ("2001:db8::7", Some("seven")),
                ("2001:db8::8", Some("six")),
                ("2001:db9::", None),
                ("::1", None),
            ] {
                let found = sources.role_of(address.parse().unwrap());
                assert_eq!(found.map(|role| &**role), role, "{address}");
            }
            assert!(sources.name("sixteen") && !sources.name("seventeen") && !sources.is_empty());
        }
    }

    #[test]
    fn without_ranges_nobody_has_a_role() {
        let sources = Sources::new(&[]);
        assert!(sources.is_empty() && sources.role_of([10, 0, 0, 1].into()).is_none());
    }
}
