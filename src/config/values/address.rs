//! Addresses to listen on or to ask, host names and roles by source, as syntax.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::net::label::{is_label, is_number};
use crate::policy::SourceRole;
use crate::policy::ranges::Rule;

/// Longest host name, in bytes (RFC 1035, section 2.3.4, without the root's empty label).
const NAME_BYTES_MAX: usize = 253;

/// Longest name of a role, in bytes.
const ROLE_BYTES_MAX: usize = 256;

/// An address (IPv6 also in brackets) or a host name; brackets are taken off.
pub(super) fn listen_host(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    is_host_name(text).then(|| text.to_owned())
}

/// `IP:PORT`, IPv6 in brackets, the port not 0.
pub(super) fn socket(text: &str) -> Option<SocketAddr> {
    // A zone would be dropped silently by whoever compares addresses.
    if text.contains('%') {
        return None;
    }
    text.parse::<SocketAddr>()
        .ok()
        .filter(|address| address.port() != 0)
}

/// `CIDR: ROLE` or `IP: ROLE`. A range that spells IPv4 as IPv6 is none: clients' addresses never do.
pub(in crate::config) fn source_role(text: &str) -> Option<SourceRole> {
    let (source, role) = text.split_once(": ")?;
    if role.is_empty() || role.len() > ROLE_BYTES_MAX || role.chars().any(char::is_control) {
        return None;
    }
    let (address, range) = match source.split_once('/') {
        Some((address, _)) => (address, Rule::range(source)?),
        None => (source, Rule::address(source)?),
    };
    match address.parse().ok()? {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => None,
        IpAddr::V4(_) | IpAddr::V6(_) => Some(SourceRole {
            range,
            role: role.into(),
        }),
    }
}

/// Is this a DNS name? One whose last label is a number is none: resolvers would take it for an address.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return false;
    }
    !name.rsplit('.').next().is_none_or(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_hosts() {
        for (text, host) in [
            ("127.0.0.1", "127.0.0.1"),
            ("::", "::"),
            ("[::]", "::"),
            ("[::1]", "::1"),
            ("0.0.0.0", "0.0.0.0"),
            ("fly-local-6pn", "fly-local-6pn"),
            ("localhost", "localhost"),
            ("a.example.", "a.example."),
        ] {
            assert_eq!(listen_host(text).as_deref(), Some(host), "{text}");
        }
    }

    #[test]
    fn cve_2021_29922_octal_quads() {
        for text in [
            "0127.0.0.1",
            "010.8.8.8",
            "0177.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
        ] {
            assert_eq!(listen_host(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_listened_on() {
        for text in [
            "",
            "999.1.1.1",
            "1.2.3",
            "[127.0.0.1]",
            "[::1",
            "::1]",
            "a b",
            "a..b",
            "-a",
            "a-",
            "127.0.0.1:80",
            "[::1]:80",
            "fe80::1%eth0",
            "é.example",
        ] {
            assert_eq!(listen_host(text), None, "{text:?}");
        }
        assert_eq!(listen_host(&format!("{}.example", "a".repeat(64))), None);
        assert_eq!(listen_host(&"abc.".repeat(64)), None);
    }

    #[test]
    fn sockets_have_a_port() {
        for text in ["10.0.0.1:53", "[::1]:53"] {
            assert!(socket(text).is_some(), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.0.0.1:domain",
            "example.com:53",
            "10.0.0.1:0",
            "10.0.0.1:65536",
            "[fe80::1%2]:53",
            "",
        ] {
            assert_eq!(socket(text), None, "{text:?}");
        }
    }

    #[test]
    fn roles_by_source() {
        let range = |text: &str| source_role(text).map(|source| source.range.to_string());
        for (text, expected) in [
            ("10.1.2.3/8: web", "10.0.0.0/8"),
            ("10.0.0.1: web", "10.0.0.1"),
            ("10.0.0.1/32: web", "10.0.0.1"),
            ("::1: web", "::1"),
            ("::/0: web", "::/0"),
        ] {
            assert_eq!(range(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(&*source_role("10.0.0.0/8: a: b").unwrap().role, "a: b");
        let long = format!("10.0.0.0/8: {}", "x".repeat(257));
        for text in [
            "10.0.0.0/8: ",
            "10.0.0.0/8: a\nb",
            &long,
            "web: 10.0.0.0/8",
            "::ffff:10.0.0.1: web",
            "::ffff:10.0.0.0/104: web",
            "10.0.0.1:80: web",
            "10.0.0.0/33: web",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
