//! A list of the operator's rules, made for lookups that stay fast with thousands of them.

use std::net::{IpAddr, SocketAddr};

use foldhash::HashMap;
use ipnet::IpNet;

use super::rule::{PlacedRule, Rule};

/// The rules for one network, by their ports. Of two that say the same the first counts.
#[derive(Clone, Debug, Default)]
struct Ports {
    /// The rule for all ports, as its index in the list.
    all: Option<usize>,
    some: Vec<(u16, usize)>,
}

/// Rules by network. A lookup costs one hash per prefix length in use, however many rules there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    list: Vec<PlacedRule>,
    ports: HashMap<IpNet, Ports>,
    /// The prefix lengths in use, shortest first.
    v4_prefix_lens: Vec<u8>,
    v6_prefix_lens: Vec<u8>,
}

impl Rules {
    pub(super) fn new(list: Vec<PlacedRule>) -> Rules {
        let mut rules = Rules::default();
        for (index, PlacedRule { rule, .. }) in list.iter().enumerate() {
            let ports = rules.ports.entry(rule.net).or_default();
            match rule.port {
                None => ports.all = ports.all.or(Some(index)),
                Some(port) => ports.some.push((port, index)),
            }
            let lens = match rule.net {
                IpNet::V4(_) => &mut rules.v4_prefix_lens,
                IpNet::V6(_) => &mut rules.v6_prefix_lens,
            };
            if let Err(place) = lens.binary_search(&rule.net.prefix_len()) {
                lens.insert(place, rule.net.prefix_len());
            }
        }
        rules.list = list;
        rules
    }

    /// Every rule, in the order given.
    pub(super) fn list(&self) -> impl Iterator<Item = Rule> {
        self.list.iter().map(|placed| placed.rule)
    }

    /// The widest rule that names this address and port. An IPv4-mapped address has to be unmapped before.
    pub(super) fn naming(&self, addr: SocketAddr) -> Option<&PlacedRule> {
        self.covering(Rule::exactly(addr))
    }

    /// The widest rule that alone covers the given one; with the given one in the list, maybe itself.
    pub(super) fn covering(&self, rule: Rule) -> Option<&PlacedRule> {
        let lens = match rule.net {
            IpNet::V4(_) => &self.v4_prefix_lens,
            IpNet::V6(_) => &self.v6_prefix_lens,
        };
        lens.iter()
            .take_while(|len| **len <= rule.net.prefix_len())
            .find_map(|len| {
                let ports = self.ports.get(&widened(rule.net.addr(), *len)?)?;
                let at_its_port = |port| ports.some.iter().find(|(some, _)| *some == port);
                let index = match ports.all {
                    Some(index) => index,
                    None => at_its_port(rule.port?)?.1,
                };
                self.list.get(index)
            })
    }
}

fn widened(addr: IpAddr, prefix_len: u8) -> Option<IpNet> {
    IpNet::new(addr, prefix_len).ok().map(|net| net.trunc())
}
