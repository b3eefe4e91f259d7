//! One rule of the operator's: a range or an address, for all ports or one. Parsing and showing only.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::net::parse_port;

/// Addresses that the operator allows or denies.
///
/// IPv4-mapped IPv6 ranges (`::ffff:0:0/96` and inside it) are the IPv4 ranges they stand for. A shorter IPv6
/// prefix, `::/0` too, means IPv6 addresses alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    pub(super) net: IpNet,
    pub(super) port: Option<u16>,
}

impl Rule {
    /// Parses a range in CIDR notation (RFC 4632), e.g. `10.0.0.0/8`; bits beyond the prefix are cleared.
    ///
    /// # Errors
    /// A sentence that quotes the text and says what is accepted; a bare address is an error too.
    pub fn range(text: &str) -> Result<Rule, String> {
        let net = parse_net(text).ok_or_else(|| {
            let text = text.escape_debug();
            format!("'{text}' is not a range: give ADDRESS/PREFIX-LENGTH, e.g. 10.0.0.0/8 or 2001:db8::/32")
        })?;
        Ok(Rule { net, port: None })
    }

    /// Parses an address for all ports (`10.0.0.1`, `2001:db8::1`) or one (`10.0.0.1:80`, `[2001:db8::1]:80`).
    ///
    /// # Errors
    /// A sentence that quotes the text and says what is accepted.
    pub fn address(text: &str) -> Result<Rule, String> {
        if let Ok(addr) = text.parse::<IpAddr>() {
            return Ok(Rule {
                net: addr.to_canonical().into(),
                port: None,
            });
        }
        let Some((addr, port)) = split_address(text) else {
            let text = text.escape_debug();
            return Err(format!(
                "'{text}' is not an address: give IP, IPV4:PORT or [IPV6]:PORT"
            ));
        };
        let Some(port) = parse_port(port) else {
            let (text, port) = (text.escape_debug(), port.escape_debug());
            return Err(format!("'{text}': port '{port}' is not a number from 1 to 65535"));
        };
        Ok(Rule {
            net: addr.to_canonical().into(),
            port: Some(port),
        })
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
    if !prefix_len.bytes().all(|b| b.is_ascii_digit()) {
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
