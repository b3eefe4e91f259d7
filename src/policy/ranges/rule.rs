//! One rule of the operator's: a range or an address, for all ports or one. Parsing and showing only.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

use crate::net::parse_port;
use crate::policy::Place;
use crate::text::digits;

/// Addresses that the operator allows or denies.
///
/// IPv4-mapped IPv6 ranges (`::ffff:0:0/96` and inside it) are the IPv4 ranges they stand for. A shorter IPv6
/// prefix, `::/0` too, means IPv6 addresses alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    pub(super) net: IpNet,
    pub(super) port: Option<u16>,
}

/// A rule and where it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacedRule {
    /// The rule.
    pub rule: Rule,
    /// Where it is written.
    pub place: Place,
}

impl Rule {
    /// Parses a range in CIDR notation (RFC 4632), e.g. `10.0.0.0/8`; bits beyond the prefix are cleared. A bare
    /// address is none.
    pub fn range(text: &str) -> Option<Rule> {
        let net = parse_net(text)?;
        Some(Rule { net, port: None })
    }

    /// Parses an address for all ports (`10.0.0.1`, `2001:db8::1`) or one (`10.0.0.1:80`, `[2001:db8::1]:80`).
    pub fn address(text: &str) -> Option<Rule> {
        let (addr, port) = match text.parse::<IpAddr>() {
            Ok(addr) => (addr, None),
            Err(_) => {
                let (addr, port) = split_address(text)?;
                (addr, Some(parse_port(port)?))
            }
        };
        Some(Rule {
            net: addr.to_canonical().into(),
            port,
        })
    }

    /// The addresses that it holds; bits beyond the prefix are cleared.
    pub fn net(&self) -> IpNet {
        self.net
    }

    /// The rule as it is written there.
    pub fn at(self, place: Place) -> PlacedRule {
        PlacedRule { rule: self, place }
    }

    /// The addresses it names.
    pub fn network(&self) -> IpNet {
        self.net
    }

    /// What names this address at this port and nothing else. An IPv4-mapped one has to be unmapped before.
    pub(super) fn exactly(address: SocketAddr) -> Rule {
        Rule {
            net: address.ip().into(),
            port: Some(address.port()),
        }
    }
}

/// As the options spell it: a range with its prefix length, an address without.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (
            self.net.prefix_len() == self.net.max_prefix_len(),
            self.net.addr(),
            self.port,
        ) {
            (false, _, _) => write!(f, "{}", self.net),
            (true, addr, None) => write!(f, "{addr}"),
            (true, IpAddr::V4(addr), Some(port)) => write!(f, "{addr}:{port}"),
            (true, IpAddr::V6(addr), Some(port)) => write!(f, "[{addr}]:{port}"),
        }
    }
}

/// ipnet's own parser takes `010.0.0.0/8` for decimal; std's refuses what others read as octal.
fn parse_net(text: &str) -> Option<IpNet> {
    let (addr, prefix_len) = text.split_once('/')?;
    let addr: IpAddr = addr.parse().ok()?;
    if !digits::is_plain(prefix_len) {
        return None;
    }
    Some(unmapped(IpNet::new(addr, prefix_len.parse().ok()?).ok()?.trunc()))
}

fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let v4 = v6.addr().to_ipv4_mapped();
    let prefix_len = v6.prefix_len().checked_sub(96);
    match v4
        .zip(prefix_len)
        .and_then(|(addr, len)| Ipv4Net::new(addr, len).ok())
    {
        Some(v4) => IpNet::V4(v4),
        None => net,
    }
}

/// Parts `IPV4:PORT` and `[IPV6]:PORT`; the port is not looked at.
fn split_address(text: &str) -> Option<(IpAddr, &str)> {
    let (addr, port) = text.rsplit_once(':')?;
    let addr = match addr.strip_prefix('[') {
        Some(rest) => IpAddr::V6(rest.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(addr.parse().ok()?),
    };
    Some((addr, port))
}
