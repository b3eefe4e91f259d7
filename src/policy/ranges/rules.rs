//! A list of the operator's rules, made for lookups that stay fast with thousands of them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::rule::Rule;

/// The ports that the rules for one network name.
#[derive(Clone, Debug, Default)]
struct Ports {
    all: bool,
    some: Vec<u16>,
}

/// Rules by network. A lookup costs one hash per prefix length in use, however many rules there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    list: Vec<Rule>,
    ports: HashMap<IpNet, Ports>,
    /// The prefix lengths in use, shortest first.
    v4_prefix_lens: Vec<u8>,
    v6_prefix_lens: Vec<u8>,
}

impl Rules {
    pub(super) fn new(list: Vec<Rule>) -> Rules {
        let mut rules = Rules::default();
        for rule in &list {
            let ports = rules.ports.entry(rule.net).or_default();
            match rule.port {
                None => ports.all = true,
                Some(port) => ports.some.push(port),
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
    pub(super) fn list(&self) -> &[Rule] {
        &self.list
    }

    /// Does any rule name this address and port? An IPv4-mapped address has to be unmapped before.
    pub(super) fn contain(&self, addr: SocketAddr) -> bool {
        self.covering(Rule::exactly(addr)).is_some()
    }

    /// The widest rule that alone covers the given one; with the given one in the list, maybe itself.
    pub(super) fn covering(&self, rule: Rule) -> Option<Rule> {
        let lens = match rule.net {
            IpNet::V4(_) => &self.v4_prefix_lens,
            IpNet::V6(_) => &self.v6_prefix_lens,
        };
        lens.iter()
            .take_while(|len| **len <= rule.net.prefix_len())
            .find_map(|len| {
                let net = widened(rule.net.addr(), *len)?;
                let ports = self.ports.get(&net)?;
                let port = if ports.all {
                    None
                } else {
                    Some(rule.port.filter(|p| ports.some.contains(p))?)
                };
                Some(Rule { net, port })
            })
    }
}

fn widened(addr: IpAddr, prefix_len: u8) -> Option<IpNet> {
    IpNet::new(addr, prefix_len).ok().map(|net| net.trunc())
}
