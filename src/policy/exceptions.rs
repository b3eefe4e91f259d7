//! Ranges that a role may reach although their class denies them (`allow_private`). Which requests they hold for is the
//! ACL's affair; what of an address they lift, [`Policy::vet`]'s.
//!
//! [`Policy::vet`]: super::Policy::vet

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::yaml::Line;

use super::ports::Ports;
use super::ranges::Rule;

/// Most exceptions of one rule: each address that is denied is compared with all of them.
const EXCEPTIONS_MAX: usize = 256;

/// What is accepted as a range, for errors.
const ACCEPTED: &str = "accepted are ranges such as 10.1.0.0/16 or fd00:1::/64 and single addresses";

/// A range, at some ports or all.
#[derive(Clone, Debug)]
pub struct Exception {
    net: IpNet,
    /// None: all.
    ports: Option<Ports>,
    line: Line,
}

/// The exceptions of one rule, in the order of the file.
#[derive(Clone, Default, Debug)]
pub struct Exceptions(Vec<Exception>);

impl Exception {
    /// The range.
    pub fn net(&self) -> IpNet {
        self.net
    }

    /// Its ports; none: all.
    pub fn ports(&self) -> Option<&Ports> {
        self.ports.as_ref()
    }

    /// Where it stands.
    pub fn line(&self) -> Line {
        self.line
    }

    /// Does it hold whatever the other one holds?
    pub(super) fn covers(&self, other: &Exception) -> bool {
        let ports = match (&self.ports, &other.ports) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => own.cover(others),
        };
        ports && self.net.contains(&other.net)
    }

    fn names(&self, port: u16) -> bool {
        self.ports.as_ref().is_none_or(|ports| ports.contains(port))
    }
}

/// As a file would have it, wherever it stands.
impl std::fmt::Display for Exception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.ports {
            None => write!(f, "{}", self.net),
            Some(ports) => write!(f, "{} at {ports}", self.net),
        }
    }
}

impl PartialEq for Exception {
    fn eq(&self, other: &Exception) -> bool {
        (self.net, &self.ports) == (other.net, &other.ports)
    }
}

impl Eq for Exception {}

impl Exceptions {
    /// Adds one, its range as the file spells it.
    ///
    /// # Errors
    /// In a few words: what is no range or address, one with bits behind its prefix, IPv6 that stands for IPv4, a range
    /// that is there already, or one too many.
    pub(super) fn add(&mut self, cidr: &str, ports: Option<Ports>, line: Line) -> Result<(), String> {
        if self.0.len() == EXCEPTIONS_MAX {
            return Err(format!("more than {EXCEPTIONS_MAX} entries; write wider ranges"));
        }
        let net = range(cidr)?;
        if self.0.iter().any(|other| other.net == net) {
            return Err(format!("a second entry for {net}; list its ports in one"));
        }
        self.0.push(Exception { net, ports, line });
        Ok(())
    }

    /// The first one that holds an address at a port. An IPv4-mapped one has to be unmapped before.
    pub(super) fn holding(&self, address: SocketAddr) -> Option<&Exception> {
        self.of(address.ip())
            .find(|exception| exception.names(address.port()))
    }

    /// Does one of them hold all of that range, at a port?
    pub(super) fn hold_all_of(&self, range: IpNet, port: u16) -> bool {
        self.each()
            .any(|exception| exception.net.contains(&range) && exception.names(port))
    }

    /// Those that hold an address, at whatever port.
    pub(super) fn of(&self, address: IpAddr) -> impl Iterator<Item = &Exception> {
        self.0
            .iter()
            .filter(move |exception| exception.net.contains(&address))
    }

    /// All of them.
    pub(super) fn each(&self) -> impl Iterator<Item = &Exception> {
        self.0.iter()
    }

    /// Are there none?
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn range(cidr: &str) -> Result<IpNet, String> {
    let rule = match cidr.contains('/') {
        true => Rule::range(cidr),
        false => Rule::address(cidr),
    };
    let spelled = cidr.split_once('/').map_or(cidr, |(address, _)| address);
    let (Some(rule), Ok(spelled)) = (rule, spelled.parse::<IpAddr>()) else {
        return Err(format!("'{cidr}' is no address range; {ACCEPTED}"));
    };
    let net = rule.net();
    if spelled.to_canonical() != spelled {
        return Err(format!("'{cidr}' spells IPv4 as IPv6; write '{net}'"));
    }
    if net.addr() != spelled {
        return Err(format!(
            "'{cidr}' has bits behind its prefix; write '{net}' for the range, or '{spelled}' for the one address"
        ));
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exceptions(entries: &[(&str, &str)]) -> Exceptions {
        let mut exceptions = Exceptions::default();
        for ((cidr, ports), line) in entries.iter().zip(1..) {
            let ports = (!ports.is_empty()).then(|| Ports::parse(ports.split(',')).unwrap());
            exceptions.add(cidr, ports, line).unwrap();
        }
        exceptions
    }

    #[test]
    fn an_exception_is_a_range_at_its_ports() {
        let exceptions = exceptions(&[
            ("10.1.0.0/16", "443,8000-8999"),
            ("10.1.2.3", ""),
            ("fd00:1::/64", "5432"),
            ("::1", ""),
        ]);
        for (address, line) in [
            ("10.1.0.0:443", 1),
            ("10.1.255.255:8999", 1),
            ("10.1.2.3:443", 1),
            ("10.1.2.3:80", 2),
            ("10.1.2.4:80", 0),
            ("10.2.0.0:443", 0),
            ("[fd00:1::7]:5432", 3),
            ("[fd00:1::7]:5433", 0),
            ("[fd00:1:0:1::]:5432", 0),
            ("[::1]:1", 4),
            ("127.0.0.1:443", 0),
        ] {
            let found = exceptions.holding(address.parse().unwrap());
            assert_eq!(found.map_or(0, Exception::line), line, "{address}");
        }
        assert_eq!(exceptions.of("10.1.2.3".parse().unwrap()).count(), 2);
        assert!(Exceptions::default().is_empty() && !exceptions.is_empty());
    }

    #[test]
    fn one_covers_another_by_range_and_ports() {
        let one = |cidr, ports| exceptions(&[(cidr, ports)]).0.remove(0);
        for (wide, narrow, covers) in [
            (("10.0.0.0/8", ""), ("10.1.0.0/16", "443"), true),
            (("10.0.0.0/8", "443-445"), ("10.1.0.0/16", "443"), true),
            (("10.0.0.0/8", "443"), ("10.1.0.0/16", ""), false),
            (("10.0.0.0/8", "443"), ("10.1.0.0/16", "443,80"), false),
            (("10.1.0.0/16", ""), ("10.0.0.0/8", ""), false),
            (("::/0", ""), ("10.0.0.0/8", ""), false),
        ] {
            let (wide, narrow) = (one(wide.0, wide.1), one(narrow.0, narrow.1));
            assert_eq!(wide.covers(&narrow), covers, "{wide} {narrow}");
        }
    }

    #[test]
    fn what_is_no_exception() {
        for (cidr, said) in [
            ("", "'' is no address range; accepted are"),
            ("10.0.0.0/33", "'10.0.0.0/33' is no address range"),
            ("10.0.0.0/08", "is no address range"),
            ("10.0.0/8", "is no address range"),
            ("010.0.0.0/8", "is no address range"),
            ("10.0.0.1:80", "is no address range"),
            ("db.internal", "is no address range"),
            ("[fd00::]/8", "is no address range"),
            (
                "10.1.2.3/8",
                "has bits behind its prefix; write '10.0.0.0/8' for the range, or '10.1.2.3'",
            ),
            ("fd00::1/8", "write 'fd00::/8' for the range"),
            ("::ffff:10.0.0.0/104", "spells IPv4 as IPv6; write '10.0.0.0/8'"),
            ("::ffff:10.0.0.1", "spells IPv4 as IPv6; write '10.0.0.1/32'"),
            ("10.1.2.3/32", "a second entry for 10.1.2.3/32"),
        ] {
            let error = exceptions(&[("10.1.2.3", "80")]).add(cidr, None, 2).unwrap_err();
            assert!(error.contains(said), "{cidr:?}: {error}");
        }
        let mut many = Exceptions::default();
        for n in 0..=255 {
            many.add(&format!("10.0.{n}.0/24"), None, 1).unwrap();
        }
        assert!(
            many.add("10.1.0.0/24", None, 1)
                .unwrap_err()
                .contains("more than 256")
        );
    }
}
