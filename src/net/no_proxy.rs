//! Which targets go straight although there is an upstream proxy: the list that `NO_PROXY` holds, read as Go's programs
//! read it (golang.org/x/net/http/httpproxy). Judges nothing else: who goes straight is vetted as ever.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Host, Target, parse_port};

/// Longest list that is read, in entries; none that people write comes near it.
const ENTRIES_MAX: usize = 1024;

/// The list. Empty: it names nobody.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct NoProxy(Vec<Entry>);

/// One of its entries; a port of none is every port.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Entry {
    /// `*`.
    Everything,
    /// `10.0.0.0/8`.
    Range(IpNet),
    /// `10.0.0.1`, `[2001:db8::1]:443`.
    Address(IpAddr, Option<u16>),
    /// `example.com` is it and what is below it, `.example.com` and `*.example.com` only what is below.
    Name {
        /// With the dot before it.
        suffix: Box<str>,
        itself: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    /// Reads a list that is separated by commas. What is no entry names nobody, as in Go: the variable is other programs'
    /// too.
    pub fn parse(list: &str) -> NoProxy {
        let entries = list.split(',').filter_map(|entry| Entry::parse(entry.trim()));
        NoProxy(entries.take(ENTRIES_MAX).collect())
    }

    /// Does this target go straight? Beside those of the list, `localhost` and loopback addresses always do, as in Go: an
    /// upstream would take itself to be meant.
    pub fn names(&self, target: &Target) -> bool {
        is_this_machine(&target.host) || self.0.iter().any(|entry| entry.names(target))
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Name(name) => name.as_str() == "localhost",
        Host::Addr(address) => address.is_loopback(),
    }
}

impl Entry {
    fn parse(entry: &str) -> Option<Entry> {
        if entry == "*" {
            return Some(Entry::Everything);
        }
        if let Ok(range) = entry.parse::<IpNet>() {
            return Some(Entry::Range(range));
        }
        let (host, port) = match split_port(entry) {
            // What is no port is that of no target.
            Some((host, port)) => (host, Some(parse_port(port)?)),
            None => (entry, None),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Entry::Address(address.to_canonical(), port));
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        // As it is compared: mapped, in lower case, without a dot at its end.
        let Ok(Host::Name(name)) = Host::parse(below.unwrap_or(host).as_bytes()) else {
            return None;
        };
        Some(Entry::Name {
            suffix: format!(".{name}").into(),
            itself: below.is_none(),
            port,
        })
    }

    fn names(&self, target: &Target) -> bool {
        let at = |port: &Option<u16>| port.is_none_or(|port| port == target.port);
        match (self, &target.host) {
            (Entry::Everything, _) => true,
            (Entry::Range(range), Host::Addr(address)) => range.contains(address),
            (Entry::Address(own, port), Host::Addr(address)) => own == address && at(port),
            (Entry::Name { suffix, itself, port }, Host::Name(name)) => {
                let name = name.as_str();
                let fits = name.ends_with(&**suffix) || *itself && suffix.strip_prefix('.') == Some(name);
                fits && at(port)
            }
            _ => false,
        }
    }
}

/// Parts `HOST:PORT`; an IPv6 address must stand in brackets for that.
fn split_port(entry: &str) -> Option<(&str, &str)> {
    let (host, port) = entry.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inner) => Some((inner.strip_suffix(']')?, port)),
        None => (!host.contains(':')).then_some((host, port)),
    }
}

#[cfg(test)]
#[path = "no_proxy_tests.rs"]
mod tests;
