//! On whose account a client's work is: what of its address counts where clients share something. Nothing here counts.

use std::net::IpAddr;

/// Who a client is when things are shared out: its IPv4 address, or the /64 of its IPv6 address, of which one host has
/// all. In fc00::/7 (RFC 4193) it is the whole address: there many hosts share a /64, as in a container network.
///
/// As one number, which is compared and hashed at once; an IPv4 address is an IPv4-mapped one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ClientKey(u128);

impl ClientKey {
    /// The key of a client with this address; an IPv4-mapped one is the IPv4 address it stands for.
    pub fn of(address: IpAddr) -> ClientKey {
        ClientKey(match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) if v6.is_unique_local() => v6.to_bits(),
            IpAddr::V6(v6) => v6.to_bits() & u128::MAX << 64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        ClientKey::of(a.parse().unwrap()) == ClientKey::of(b.parse().unwrap())
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network_of_64_bits() {
        assert!(same("192.0.2.1", "192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(!same("2001:db8::1", "192.0.2.1"));
    }

    #[test]
    fn in_private_networks_the_whole_address_counts() {
        assert!(!same("fdaa:0:1::3", "fdaa:0:1::5"));
        assert!(!same("fc00::1", "fc00::2"));
        assert!(same("fdaa:0:1::3", "fdaa:0:1::3"));
        assert!(same("fe80::1", "fe80::2") && same("fbff::1", "fbff::2"));
    }
}
