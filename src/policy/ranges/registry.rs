//! What an address is by itself, from the two special-purpose registries of IANA (RFC 6890) and a few ranges
//! beside them. One table per family, the first matching row decides. No user rules here (that is `rules`).
//!
//! Rows as of the registries' state of 2025. "Globally reachable" there becomes [`Class::Global`] here, "no"
//! and "not applicable" become [`Class::SpecialPurpose`] unless the row has a class of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What kind of address it is: one kind. Where rows of a table overlap, the earlier row says which: 192.0.0.9 is
/// [`Class::Global`] inside a range of [`Class::SpecialPurpose`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// Unspecified, loopback, link-local, multicast or broadcast.
    NotGlobalUnicast,
    /// IPv6 that carries an IPv4 address to a translator or tunnel: NAT64, 6to4, Teredo.
    Embedding,
    /// RFC 1918 and unique local addresses.
    Private,
    /// Carrier-grade NAT.
    Cgnat,
    /// Not globally reachable for another reason.
    SpecialPurpose,
    /// Public.
    Global,
}

use Class::{Cgnat, Embedding, Global, NotGlobalUnicast, Private, SpecialPurpose};

/// A range, its class, and its name in the registry or, in brackets, why it is here nevertheless.
pub(super) type Row<Net> = (Net, Class, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix_len: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix_len)
}

const fn v6(segments: [u16; 8], prefix_len: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix_len)
}

/// IPv4: a row that lies inside another comes before it.
#[rustfmt::skip]
pub(super) const V4: &[Row<Ipv4Net>] = &[
    (v4(0, 0, 0, 0, 32), NotGlobalUnicast, "This host on this network"),
    (v4(0, 0, 0, 0, 8), SpecialPurpose, "This network"),
    (v4(10, 0, 0, 0, 8), Private, "Private-Use"),
    (v4(100, 64, 0, 0, 10), Cgnat, "Shared Address Space"),
    (v4(127, 0, 0, 0, 8), NotGlobalUnicast, "Loopback"),
    (v4(168, 63, 129, 16, 32), SpecialPurpose, "(Azure's host: DNS, agents, health)"),
    (v4(169, 254, 0, 0, 16), NotGlobalUnicast, "Link Local"),
    (v4(172, 16, 0, 0, 12), Private, "Private-Use"),
    (v4(192, 0, 0, 9, 32), Global, "Port Control Protocol Anycast"),
    (v4(192, 0, 0, 10, 32), Global, "Traversal Using Relays around NAT Anycast"),
    (v4(192, 0, 0, 0, 24), SpecialPurpose, "IETF Protocol Assignments"),
    (v4(192, 0, 2, 0, 24), SpecialPurpose, "Documentation (TEST-NET-1)"),
    (v4(192, 31, 196, 0, 24), Global, "AS112-v4"),
    (v4(192, 52, 193, 0, 24), Global, "AMT"),
    (v4(192, 88, 99, 0, 24), SpecialPurpose, "Deprecated (6to4 Relay Anycast)"),
    (v4(192, 168, 0, 0, 16), Private, "Private-Use"),
    (v4(192, 175, 48, 0, 24), Global, "Direct Delegation AS112 Service"),
    (v4(198, 18, 0, 0, 15), SpecialPurpose, "Benchmarking"),
    (v4(198, 51, 100, 0, 24), SpecialPurpose, "Documentation (TEST-NET-2)"),
    (v4(203, 0, 113, 0, 24), SpecialPurpose, "Documentation (TEST-NET-3)"),
    (v4(224, 0, 0, 0, 4), NotGlobalUnicast, "(multicast, RFC 5771)"),
    (v4(255, 255, 255, 255, 32), NotGlobalUnicast, "Limited Broadcast"),
    (v4(240, 0, 0, 0, 4), SpecialPurpose, "Reserved"),
];

/// IPv6: a row that lies inside another comes before it. The last one has all that is not yet given to anybody: what a
/// network does with such an address is its own affair, and so nobody's public service. `::ffff:0:0/96` is not here:
/// such an address is unmapped before it is classified.
#[rustfmt::skip]
pub(super) const V6: &[Row<Ipv6Net>] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), NotGlobalUnicast, "Unspecified Address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), NotGlobalUnicast, "Loopback Address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), SpecialPurpose, "(IPv4-compatible, RFC 4291)"),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), SpecialPurpose, "(IPv4-translated, RFC 2765)"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), Embedding, "IPv4-IPv6 Translat."),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), SpecialPurpose, "IPv4-IPv6 Translat."),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), SpecialPurpose, "Discard-Only Address Block"),
    (v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64), SpecialPurpose, "Dummy IPv6 Prefix"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), Embedding, "TEREDO"),
    (v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128), Global, "Port Control Protocol Anycast"),
    (v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128), Global, "Traversal Using Relays around NAT Anycast"),
    (v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128), Global, "DNS-SD Service Registration Protocol Anycast"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), SpecialPurpose, "Benchmarking"),
    (v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32), Global, "AMT"),
    (v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48), Global, "AS112-v6"),
    (v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28), SpecialPurpose, "Deprecated (previously ORCHID)"),
    (v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), Global, "ORCHIDv2"),
    (v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28), Global, "Drone Remote ID Protocol Entity Tags"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), SpecialPurpose, "IETF Protocol Assignments"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), SpecialPurpose, "Documentation"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), Embedding, "6to4"),
    (v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), Global, "Direct Delegation AS112 Service"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), SpecialPurpose, "Documentation"),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), SpecialPurpose, "Segment Routing (SRv6) SIDs"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), Private, "Unique-Local"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), NotGlobalUnicast, "Link-Local Unicast"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), SpecialPurpose, "(site-local, deprecated by RFC 3879)"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), NotGlobalUnicast, "(multicast, RFC 4291)"),
    (v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3), Global, "(global unicast, RFC 4291)"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 0), SpecialPurpose, "(reserved by the IETF: assigned to nobody)"),
];

/// The class of an address that is not IPv4-mapped. `private_is_public` is --unsafe-allow-private-ranges.
pub(super) fn classify(addr: IpAddr, private_is_public: bool) -> Class {
    let class = match addr {
        IpAddr::V4(addr) => V4.iter().find(|row| row.0.contains(&addr)).map(|row| row.1),
        IpAddr::V6(addr) => V6.iter().find(|row| row.0.contains(&addr)).map(|row| row.1),
    };
    match class {
        None | Some(Global) if is_isatap(addr) => SpecialPurpose,
        Some(Private) if private_is_public && is_isatap(addr) => SpecialPurpose,
        Some(Private) if private_is_public => Global,
        Some(class) => class,
        None => Global,
    }
}

/// Is every address of the range [`Class::NotGlobalUnicast`]?
pub(super) fn is_never_global_unicast(net: IpNet) -> bool {
    match net {
        IpNet::V4(net) => V4
            .iter()
            .any(|row| row.1 == NotGlobalUnicast && row.0.contains(&net)),
        IpNet::V6(net) => V6
            .iter()
            .any(|row| row.1 == NotGlobalUnicast && row.0.contains(&net)),
    }
}

/// ISATAP (RFC 5214, section 6.1): an interface identifier that ends in an IPv4 address, under any prefix.
fn is_isatap(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => false,
        IpAddr::V6(addr) => matches!(addr.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _]),
    }
}
