//! The hosts file: names the administrator gave addresses to, which are not asked for. Reading the file is
//! `watched`'s business.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::Network;

/// How many names, and how many addresses of one, are kept.
const NAMES_MAX: usize = 262_144;
const ADDRESSES_MAX: usize = 64;

/// What a hosts file says: addresses by lower-case name, in the file's order.
pub(super) struct Hosts {
    names: HashMap<Box<str>, Arc<[IpAddr]>>,
    loopback: Arc<[IpAddr]>,
}

impl Hosts {
    /// Reads hosts(5): per line an address and its names, `#` starts a comment. Other lines are passed over, and
    /// so are addresses with a zone: they can't be dialled without it.
    pub(super) fn parse(text: &str) -> Hosts {
        let mut hosts: HashMap<Box<str>, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
                continue;
            };
            for name in words {
                let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
                if hosts.len() >= NAMES_MAX && !hosts.contains_key(name.as_str()) {
                    continue;
                }
                let addresses = hosts.entry(name.into_boxed_str()).or_default();
                if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        let names = hosts.into_iter().map(|(name, found)| (name, found.into()));
        Hosts {
            names: names.collect(),
            loopback: [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into(),
        }
    }

    /// The addresses of `name` in the wanted families, never none; `None` when the file doesn't know it. `localhost`
    /// and the names below it that the file leaves out are loopback, and never asked for (RFC 6761, 6.3).
    pub(super) fn find(&self, name: &str, network: Network) -> Option<Arc<[IpAddr]>> {
        let known = self.names.get(name).and_then(|known| admitted(known, network));
        known.or_else(|| {
            is_localhost(name)
                .then(|| admitted(&self.loopback, network))
                .flatten()
        })
    }
}

fn admitted(all: &Arc<[IpAddr]>, network: Network) -> Option<Arc<[IpAddr]>> {
    if all.iter().all(|&address| network.admits(address)) {
        return Some(Arc::clone(all));
    }
    let admitted: Arc<[IpAddr]> = all
        .iter()
        .copied()
        .filter(|&address| network.admits(address))
        .collect();
    (!admitted.is_empty()).then_some(admitted)
}

fn is_localhost(name: &str) -> bool {
    name.strip_suffix("localhost")
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(all: &[&str]) -> Vec<IpAddr> {
        all.iter().map(|address| address.parse().unwrap()).collect()
    }

    fn found(hosts: &Hosts, name: &str, network: Network) -> Vec<IpAddr> {
        hosts
            .find(name, network)
            .map_or(Vec::new(), |found| found.to_vec())
    }

    #[test]
    fn names_are_found_in_the_files_order() {
        let hosts = Hosts::parse(
            "# comment\n10.0.0.1 a.test  B.Test. # b\n\n\t10.0.0.2\ta.test\n::2 a.test\n10.0.0.1 a.test\n",
        );
        assert_eq!(
            found(&hosts, "a.test", Network::Any),
            addresses(&["10.0.0.1", "10.0.0.2", "::2"])
        );
        assert_eq!(found(&hosts, "a.test", Network::V6), addresses(&["::2"]));
        assert_eq!(found(&hosts, "b.test", Network::Any), addresses(&["10.0.0.1"]));
        assert_eq!(found(&hosts, "b.test", Network::V6), addresses(&[]));
        assert_eq!(found(&hosts, "#", Network::Any), addresses(&[]));
    }

    #[test]
    fn odd_lines_are_passed_over() {
        let hosts =
            Hosts::parse("127.1 a.test\n0x7f.0.0.1 b.test\n012.1.2.3 c.test\nfe80::1%lo d.test\n9.9.9.9\n");
        for name in ["a.test", "b.test", "c.test", "d.test", ""] {
            assert!(found(&hosts, name, Network::Any).is_empty(), "{name}");
        }
    }

    #[test]
    fn localhost_is_loopback_whatever_the_file_leaves_out() {
        let hosts = Hosts::parse("127.0.0.9 localhost\n");
        assert_eq!(
            found(&hosts, "localhost", Network::Any),
            addresses(&["127.0.0.9"])
        );
        assert_eq!(found(&hosts, "localhost", Network::V6), addresses(&["::1"]));
        assert_eq!(
            found(&hosts, "x.localhost", Network::Any),
            addresses(&["127.0.0.1", "::1"])
        );
        assert!(found(&hosts, "notlocalhost", Network::Any).is_empty());
        assert!(found(&hosts, "localhost.test", Network::Any).is_empty());
    }

    #[test]
    fn the_number_of_names_and_addresses_is_bounded() {
        let mut text = String::new();
        for n in 0..200 {
            text.push_str(&format!("10.0.0.{n} many.test\n"));
        }
        for n in 0..NAMES_MAX + 10 {
            text.push_str(&format!("10.1.1.1 n{n}.test\n"));
        }
        let hosts = Hosts::parse(&text);
        assert_eq!(found(&hosts, "many.test", Network::Any).len(), ADDRESSES_MAX);
        assert_eq!(hosts.names.len(), NAMES_MAX);
    }
}
