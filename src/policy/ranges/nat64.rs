//! IPv6 addresses that a translator turns into IPv4 ones (NAT64), by the prefixes that the operator names: which IPv4
//! address one carries (RFC 6052, section 2.2). Judges neither.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

/// Bits 64 to 71, which are zero in every address of a NAT64: the octet that RFC 6052 calls u.
const U_OCTET: u128 = 0xff << 56;

/// What stands behind it.
const BEHIND_U: u128 = (1 << 56) - 1;

/// What is accepted as one, in words that complete "accepted is ...".
pub const ACCEPTED: &str = "an IPv6 prefix of /32, /40, /48, /56, /64 or /96 such as 64:ff9b::/96, nothing set behind it \
     nor in bits 64 to 71, and neither link-local, multicast nor below ::/32";

/// A prefix that IPv4 addresses stand behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nat64Prefix(Ipv6Net);

impl Nat64Prefix {
    /// Reads a prefix; none is what [`ACCEPTED`] leaves out. Behind one that is link-local, multicast, loopback or another
    /// spelling of IPv4 there is no translator, and its addresses must stay what they are.
    pub fn parse(text: &str) -> Option<Nat64Prefix> {
        let (address, length) = text.split_once('/')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let is_length = matches!(length, "32" | "40" | "48" | "56" | "64" | "96");
        let net = Ipv6Net::new(address, length.parse().ok().filter(|_| is_length)?).ok()?;
        let is_elsewhere =
            address.to_bits() >> 96 == 0 || address.is_unicast_link_local() || address.is_multicast();
        let is_whole = net.trunc() == net && address.to_bits() & U_OCTET == 0;
        (is_whole && !is_elsewhere).then_some(Nat64Prefix(net))
    }

    /// Is there an address behind both?
    pub fn overlaps(&self, other: &Nat64Prefix) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    fn carried(&self, address: Ipv6Addr) -> Option<Carried> {
        if !self.0.contains(&address) {
            return None;
        }
        let bits = address.to_bits();
        if bits & U_OCTET != 0 {
            return Some(Carried::Malformed);
        }
        // Without that octet the address stands in one piece.
        let joined = bits & !(U_OCTET | BEHIND_U) | (bits & BEHIND_U) << 8;
        let ipv4 = match self.0.prefix_len() {
            96 => bits,
            length => joined >> (96 - u32::from(length)),
        };
        let [.., a, b, c, d] = ipv4.to_be_bytes();
        Some(Carried::Address(Ipv4Addr::new(a, b, c, d)))
    }
}

/// What stands behind a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Carried {
    /// The address that a translator would turn it into.
    Address(Ipv4Addr),
    /// Nothing that RFC 6052 lets stand there.
    Malformed,
}

impl Carried {
    pub(super) fn address(self) -> Option<Ipv4Addr> {
        match self {
            Carried::Address(address) => Some(address),
            Carried::Malformed => None,
        }
    }
}

/// What an address carries; nothing, where it stands behind no prefix.
pub(super) fn carried(prefixes: &[Nat64Prefix], address: IpAddr) -> Option<Carried> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => prefixes.iter().find_map(|prefix| prefix.carried(address)),
    }
}

impl std::fmt::Display for Nat64Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> Nat64Prefix {
        Nat64Prefix::parse(text).unwrap()
    }

    /// The table of RFC 6052, section 2.4, all of it.
    #[test]
    fn rfc_6052_section_2_4() {
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let parsed = self::prefix(prefix);
            assert_eq!(parsed.to_string(), prefix);
            let expected = Some(Carried::Address(Ipv4Addr::new(192, 0, 2, 33)));
            assert_eq!(carried(&[parsed], address.parse().unwrap()), expected, "{prefix}");
        }
    }

    proptest! {
        /// As the RFC draws it, octet by octet; what stands behind the IPv4 address does not count.
        #[test]
        fn any_address_is_found_behind_any_prefix(ipv4 in any::<[u8; 4]>(), suffix in any::<[u8; 8]>(), u in any::<u8>()) {
            for (text, places) in [
                ("2001:db8::/32", [4, 5, 6, 7]),
                ("2001:db8:100::/40", [5, 6, 7, 9]),
                ("2001:db8:122::/48", [6, 7, 9, 10]),
                ("2001:db8:122:300::/56", [7, 9, 10, 11]),
                ("2001:db8:122:344::/64", [9, 10, 11, 12]),
                ("2001:db8:122:344::/96", [12, 13, 14, 15]),
            ] {
                let prefix = self::prefix(text);
                let mut octets = prefix.0.addr().octets();
                for (place, octet) in (places[3] + 1..16).zip(suffix) {
                    octets[place] = octet;
                }
                for (place, octet) in places.iter().zip(ipv4) {
                    octets[*place] = octet;
                }
                octets[8] = 0;
                let expected = Some(Carried::Address(ipv4.into()));
                prop_assert_eq!(carried(&[prefix], octets.into()), expected, "{}", text);
                octets[8] = u;
                let is_inside = prefix.0.contains(&Ipv6Addr::from(octets));
                let expected = match (u, is_inside) {
                    (0, _) => expected,
                    (_, true) => Some(Carried::Malformed),
                    (_, false) => None,
                };
                prop_assert_eq!(carried(&[prefix], octets.into()), expected, "{} {}", text, u);
            }
        }
    }

    #[test]
    fn what_stands_behind_no_prefix_carries_nothing() {
        let prefixes = [prefix("64:ff9b::/96"), prefix("2001:db8:100::/40")];
        for address in [
            "64:ff9b::1:0:0",
            "64:ff9b:1::1",
            "2001:db8:200::",
            "10.0.0.1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(carried(&prefixes, address.parse().unwrap()), None, "{address}");
        }
        assert_eq!(carried(&[], "64:ff9b::1".parse().unwrap()), None);
    }

    #[test]
    fn which_prefixes_there_may_be() {
        for text in [
            "64:ff9b::/96",
            "64:ff9b:1::/48",
            "2001:db8::/32",
            "2001:db8:100::/40",
            "2001:db8:122:300::/56",
            "2001:db8:122:344::/64",
            "2001:db8:122:344::/96",
            "fd00:64::/96",
        ] {
            assert!(Nat64Prefix::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "64:ff9b::",
            "64:ff9b::/95",
            "64:ff9b::/0",
            "64:ff9b::/128",
            "64:ff9b::/096",
            "64:ff9b::/+96",
            "64:ff9b::1/96",
            "2001:db8:1::/32",
            "2001:db8:0:0:100::/96",
            "10.0.0.0/32",
            "::ffff:0:0/96",
            "::/96",
            "::/32",
            "fe80::/64",
            "ff0e::/32",
            "::ffff:0:0/96/96",
            "[64:ff9b::]/96",
        ] {
            assert_eq!(Nat64Prefix::parse(text), None, "{text:?}");
        }
        let overlap = |one: &str, other: &str| prefix(one).overlaps(&prefix(other));
        assert!(
            overlap("2001:db8::/32", "2001:db8:122::/48") && overlap("2001:db8:122::/48", "2001:db8::/32")
        );
        assert!(overlap("64:ff9b::/96", "64:ff9b::/96"));
        assert!(!overlap("64:ff9b::/96", "64:ff9b:1::/96"));
    }
}
