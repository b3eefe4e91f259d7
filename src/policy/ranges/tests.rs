//! Classification: every range at its edges, every spelling, our own listeners.

use std::cell::Cell;
use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::net::Host;
use crate::policy::Place;

use super::registry::{Class, V4, V6, classify};
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn plain() -> Ranges {
    ranges(&[], &[])
}

/// Rules with a `/` are ranges, the others addresses.
pub(super) fn ranges(allow: &[&str], deny: &[&str]) -> Ranges {
    Ranges::new(placed(allow), placed(deny), false, Vec::new())
}

/// Rules that are written one on a line.
pub(super) fn placed(texts: &[&str]) -> Vec<PlacedRule> {
    let lines = rules(texts).into_iter().zip(1..);
    lines
        .map(|(rule, line)| rule.at(Place::in_file("rules".into(), line)))
        .collect()
}

pub(super) fn rules(texts: &[&str]) -> Vec<Rule> {
    let rule = |text: &&str| {
        if text.contains('/') {
            Rule::range(text)
        } else {
            Rule::address(text)
        }
    };
    texts.iter().map(|text| rule(text).unwrap()).collect()
}

fn nobody(_: IpAddr) -> bool {
    panic!("the port is not ours: nobody should ask whose the address is")
}

pub(super) fn verdict(ranges: &Ranges, addr: &str) -> Verdict {
    verdict_at(ranges, addr, 80)
}

pub(super) fn verdict_at(ranges: &Ranges, addr: &str, port: u16) -> Verdict {
    ranges.judge(SocketAddr::new(ip(addr), port), &nobody).1
}

pub(super) fn assert_verdicts(ranges: &Ranges, expected: Verdict, addrs: &[&str]) {
    for addr in addrs {
        assert_eq!(verdict(ranges, addr), expected, "{addr}");
    }
}

/// The registries as ranges in order with what is expected of all their addresses; an independent list, so
/// that a slip in the tables doesn't go unseen. Lines between are public.
#[rustfmt::skip]
const EXPECTED: &[(&str, &str, Verdict)] = {
    use Verdict::*;
    &[
        ("0.0.0.0", "0.0.0.0", DenyNotGlobalUnicast),
        ("0.0.0.1", "0.255.255.255", DenySpecialPurpose),
        ("10.0.0.0", "10.255.255.255", DenyPrivate),
        ("100.64.0.0", "100.127.255.255", DenyCgnat),
        ("127.0.0.0", "127.255.255.255", DenyNotGlobalUnicast),
        ("168.63.129.16", "168.63.129.16", DenySpecialPurpose),
        ("169.254.0.0", "169.254.255.255", DenyNotGlobalUnicast),
        ("172.16.0.0", "172.31.255.255", DenyPrivate),
        ("192.0.0.0", "192.0.0.8", DenySpecialPurpose),
        ("192.0.0.11", "192.0.0.255", DenySpecialPurpose),
        ("192.0.2.0", "192.0.2.255", DenySpecialPurpose),
        ("192.88.99.0", "192.88.99.255", DenySpecialPurpose),
        ("192.168.0.0", "192.168.255.255", DenyPrivate),
        ("198.18.0.0", "198.19.255.255", DenySpecialPurpose),
        ("198.51.100.0", "198.51.100.255", DenySpecialPurpose),
        ("203.0.113.0", "203.0.113.255", DenySpecialPurpose),
        ("224.0.0.0", "239.255.255.255", DenyNotGlobalUnicast),
        ("240.0.0.0", "255.255.255.254", DenySpecialPurpose),
        ("255.255.255.255", "255.255.255.255", DenyNotGlobalUnicast),
        ("::", "::1", DenyNotGlobalUnicast),
        ("::2", "::ffff:ffff", DenySpecialPurpose),
        ("::ffff:0:0:0", "::ffff:0:ffff:ffff", DenySpecialPurpose),
        ("64:ff9b::", "64:ff9b::ffff:ffff", DenyEmbedding),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("100::", "100::1:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", DenyEmbedding),
        ("2001:1::", "2001:1::", DenySpecialPurpose),
        ("2001:1::4", "2001:2:ffff:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("2001:4::", "2001:4:111:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("2001:4:113::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("2001:40::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", DenyEmbedding),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", DenyPrivate),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", DenyNotGlobalUnicast),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", DenySpecialPurpose),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", DenyNotGlobalUnicast),
    ]
};

/// An address as family and number.
fn number(addr: IpAddr) -> (bool, u128) {
    match addr {
        IpAddr::V4(addr) => (false, addr.to_bits().into()),
        IpAddr::V6(addr) => (true, addr.to_bits()),
    }
}

fn neighbour(addr: IpAddr, step: i8) -> Option<IpAddr> {
    let (is_v6, bits) = number(addr);
    let bits = bits.checked_add_signed(step.into())?;
    match is_v6 {
        true => Some(Ipv6Addr::from_bits(bits).into()),
        false => Some(Ipv4Addr::from_bits(u32::try_from(bits).ok()?).into()),
    }
}

fn expected(addr: IpAddr) -> Verdict {
    let within = |first: &str, last: &str| (number(ip(first))..=number(ip(last))).contains(&number(addr));
    let row = EXPECTED.iter().find(|(first, last, _)| within(first, last));
    let global = match addr {
        IpAddr::V4(_) => true,
        IpAddr::V6(addr) => addr.to_bits() >> 125 == 1,
    };
    match row {
        Some(row) => row.2,
        None if global => Verdict::AllowDefault,
        None => Verdict::DenySpecialPurpose,
    }
}

#[test]
fn every_range_at_its_edges() {
    let ranges = plain();
    let mut seen = 0;
    for (first, last, want) in EXPECTED {
        for (edge, outward) in [(ip(first), -1), (ip(last), 1)] {
            assert_eq!(verdict(&ranges, &edge.to_string()), *want, "{edge}");
            let Some(outside) = neighbour(edge, outward) else {
                continue;
            };
            assert_eq!(
                verdict(&ranges, &outside.to_string()),
                expected(outside),
                "{outside}"
            );
            seen += 1;
        }
    }
    assert_eq!(
        seen,
        2 * EXPECTED.len() - 4,
        "all but the four ends of the two spaces have a neighbour"
    );
}

#[test]
fn every_row_of_the_registries_at_its_edges() {
    let nets = V4
        .iter()
        .map(|row| IpNet::V4(row.0))
        .chain(V6.iter().map(|row| IpNet::V6(row.0)));
    for net in nets {
        let (first, last) = (net.network(), net.broadcast());
        for addr in [Some(first), Some(last), neighbour(first, -1), neighbour(last, 1)]
            .into_iter()
            .flatten()
        {
            assert_eq!(
                verdict(&plain(), &addr.to_string()),
                expected(addr),
                "{addr} at the edge of {net}"
            );
        }
    }
}

#[test]
fn rows_inside_others_come_first_and_none_is_given_twice() {
    fn check<Net: Copy + Debug>(rows: &[(Net, Class, &str)], contains: impl Fn(Net, Net) -> bool) {
        for (place, later) in rows.iter().enumerate() {
            for earlier in &rows[..place] {
                assert!(
                    !contains(earlier.0, later.0),
                    "{:?} hides {:?}",
                    earlier.0,
                    later.0
                );
            }
        }
    }
    check(V4, |wide: Ipv4Net, narrow| wide.contains(&narrow));
    check(V6, |wide: Ipv6Net, narrow| wide.contains(&narrow));
    assert!(V4.iter().all(|row| row.0 == row.0.trunc()) && V6.iter().all(|row| row.0 == row.0.trunc()));
}

#[test]
fn globally_reachable_exceptions_are_allowed() {
    assert_verdicts(
        &plain(),
        Verdict::AllowDefault,
        &[
            "192.0.0.9",
            "192.0.0.10",
            "192.31.196.1",
            "192.52.193.1",
            "192.175.48.1",
            "2001:1::1",
            "2001:1::2",
            "2001:1::3",
            "2001:3::1",
            "2001:4:112::1",
            "2001:20::1",
            "2001:2f::1",
            "2001:30::1",
            "2001:3f::1",
            "2620:4f:8000::1",
        ],
    );
}

#[test]
fn public_addresses_are_allowed() {
    assert_verdicts(
        &plain(),
        Verdict::AllowDefault,
        &[
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "172.15.255.255",
            "172.32.0.0",
            "::ffff:8.8.8.8",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "2001:200::1",
        ],
    );
}

#[test]
fn unallocated_ipv6_is_not_public() {
    let unallocated = [
        "1::",
        "200::1",
        "400::1",
        "64:ff9b:2::1",
        "64:ff9c::1",
        "1fff:ffff::1",
        "4000::1",
        "5eff::1",
        "5f01::1",
        "6000::1",
        "9000::1",
        "c000::1",
        "e000::1",
        "fbff::1",
        "fe00::1",
        "fe7f::1",
    ];
    assert_verdicts(&plain(), Verdict::DenySpecialPurpose, &unallocated);
    // The operator's rules are asked as for any other class but the first.
    let denied = Ranges::new(Vec::new(), placed(&["::/0"]), true, Vec::new());
    assert_verdicts(&denied, Verdict::DenyUser, &unallocated);
    let allowed = Ranges::new(placed(&["::/0"]), placed(&["::/0"]), false, Vec::new());
    assert_verdicts(&allowed, Verdict::AllowUser, &unallocated);
}

#[test]
fn internal_ipv4_is_denied_in_every_spelling() {
    use Verdict::*;
    let cases: &[(Verdict, &[&str])] = &[
        (
            DenyNotGlobalUnicast,
            &[
                "0.0.0.0",
                "127.0.0.1",
                "127.255.0.1",
                "169.254.169.254",
                "169.254.170.2",
            ],
        ),
        (
            DenyNotGlobalUnicast,
            &["224.0.0.1", "239.1.1.1", "255.255.255.255"],
        ),
        (
            DenyPrivate,
            &["10.0.0.1", "172.16.0.1", "172.31.0.1", "192.168.0.1"],
        ),
        (DenyCgnat, &["100.64.0.1", "100.100.100.200"]),
        (
            DenySpecialPurpose,
            &[
                "0.1.2.3",
                "192.0.0.1",
                "192.0.0.170",
                "192.0.0.192",
                "192.0.2.1",
                "192.88.99.1",
            ],
        ),
        (
            DenySpecialPurpose,
            &[
                "192.88.99.2",
                "198.18.0.1",
                "198.51.100.1",
                "203.0.113.1",
                "240.0.0.1",
            ],
        ),
        (DenySpecialPurpose, &["168.63.129.16"]),
    ];
    for (want, addrs) in cases {
        assert_verdicts(&plain(), *want, addrs);
        for addr in *addrs {
            assert_every_spelling(addr.parse().unwrap(), *want);
        }
    }
}

/// The address as a literal, mapped, and embedded in every way that is known.
fn assert_every_spelling(addr: Ipv4Addr, want: Verdict) {
    use Verdict::*;
    let hex = {
        let [a, b, c, d] = addr.octets();
        format!(
            "{:x}:{:x}",
            u16::from_be_bytes([a, b]),
            u16::from_be_bytes([c, d])
        )
    };
    // ::0.0.0.0 is the unspecified address itself.
    let compatible = if addr.is_unspecified() {
        DenyNotGlobalUnicast
    } else {
        DenySpecialPurpose
    };
    for (text, want) in [
        (addr.to_string(), want),
        (format!("[::ffff:{addr}]"), want),
        (format!("[::ffff:{hex}]"), want),
        (format!("[::{addr}]"), compatible),
        (format!("[::{hex}]"), compatible),
        (format!("[::ffff:0:{addr}]"), DenySpecialPurpose),
        (format!("[64:ff9b::{addr}]"), DenyEmbedding),
        (format!("[64:ff9b:1::{hex}]"), DenySpecialPurpose),
        (format!("[2002:{hex}::]"), DenyEmbedding),
        (format!("[2001:0:{hex}::1]"), DenyEmbedding),
        (format!("[2600::5efe:{addr}]"), DenySpecialPurpose),
        (format!("[2600::200:5efe:{addr}]"), DenySpecialPurpose),
        (format!("[fe80::5efe:{addr}]"), DenyNotGlobalUnicast),
    ] {
        let Host::Addr(literal) = Host::parse(text.as_bytes()).unwrap() else {
            panic!("{text} is a name")
        };
        assert_eq!(verdict(&plain(), &literal.to_string()), want, "{text}");
    }
}

#[test]
fn internal_ipv6_is_denied() {
    use Verdict::*;
    assert_verdicts(
        &plain(),
        DenyNotGlobalUnicast,
        &[
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "fe80::1",
            "ff02::1",
        ],
    );
    assert_verdicts(
        &plain(),
        DenyEmbedding,
        &[
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::808:808",
            "2001::1",
            "2002:7f00:1::",
            "2002::",
        ],
    );
    assert_verdicts(&plain(), DenyPrivate, &["fc00::1", "fdaa::3", "fd00:ec2::254"]);
    assert_verdicts(
        &plain(),
        DenySpecialPurpose,
        &[
            "::127.0.0.1",
            "::169.254.169.254",
            "::7f00:1",
            "::ffff:0:127.0.0.1",
            "64:ff9b:1::7f00:1",
            "100::1",
            "100:0:0:1::1",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
            "fec0::1",
            "2600:1:2:3:0:5efe:10.0.0.1",
            "2600:1:2:3:200:5efe:10.0.0.1",
        ],
    );
}

#[test]
fn issues_265_and_277() {
    assert_verdicts(&plain(), Verdict::DenyCgnat, &["100.64.0.1"]);
    assert_verdicts(
        &plain(),
        Verdict::DenyEmbedding,
        &["64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:53aa:64c::1"],
    );
}

#[test]
fn cve_2023_24623_wildcard_addresses() {
    assert_verdicts(
        &plain(),
        Verdict::DenyNotGlobalUnicast,
        &["::", "0.0.0.0", "::ffff:0.0.0.0"],
    );
}

#[test]
fn mapped_addresses_are_dialled_unmapped() {
    let mapped = SocketAddr::new(ip("::ffff:8.8.8.8"), 443);
    assert_eq!(
        plain().judge(mapped, &nobody),
        ("8.8.8.8:443".parse().unwrap(), Verdict::AllowDefault)
    );
}

#[test]
fn scopes_are_kept() {
    let scoped = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0, 7));
    assert_eq!(
        ranges(&["fe80::/10"], &[]).judge(scoped, &nobody),
        (scoped, Verdict::AllowUser)
    );
}

#[test]
fn unsafe_allow_private_ranges_frees_private_ranges_alone() {
    let ranges = Ranges::new(Vec::new(), placed(&["10.1.0.0/16"]), true, Vec::new());
    assert_verdicts(
        &ranges,
        Verdict::AllowDefault,
        &[
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ],
    );
    assert_verdicts(&ranges, Verdict::DenyUser, &["10.1.0.1"]);
    assert_verdicts(
        &ranges,
        Verdict::DenyNotGlobalUnicast,
        &["127.0.0.1", "::1", "169.254.169.254", "fe80::1"],
    );
    assert_verdicts(&ranges, Verdict::DenyCgnat, &["100.64.0.1"]);
    assert_verdicts(
        &ranges,
        Verdict::DenyEmbedding,
        &["64:ff9b::a00:1", "2002:a00:1::"],
    );
    assert_verdicts(
        &ranges,
        Verdict::DenySpecialPurpose,
        &["192.0.2.1", "fec0::1", "::10.0.0.1", "fd00::5efe:10.0.0.1"],
    );
    assert_eq!(classify(ip("fd00::5efe:10.0.0.1"), false), Class::Private);
}

#[test]
fn issues_282_and_301_own_listeners_are_denied_whatever_the_rules_say() {
    let ranges = Ranges::new(placed(&["0.0.0.0/0", "::/0"]), Vec::new(), true, vec![4750, 9810]);
    let own = ["198.51.100.7", "fdaa::3", "8.8.4.4", "fe80::7"].map(ip);
    let local = |address| own.contains(&address);
    for addr in [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:0.0.0.0",
        "198.51.100.7",
        "fdaa::3",
        "::ffff:198.51.100.7",
        "8.8.4.4",
        "fe80::7",
    ] {
        for port in [4750, 9810] {
            assert_eq!(
                ranges.judge(SocketAddr::new(ip(addr), port), &local).1,
                Verdict::DenySelf,
                "{addr} {port}"
            );
        }
        assert_eq!(verdict_at(&ranges, addr, 4751), Verdict::AllowUser, "{addr}");
    }
    assert_eq!(
        ranges.judge("198.51.100.8:4750".parse().unwrap(), &local).1,
        Verdict::AllowUser
    );
}

#[test]
fn whose_an_address_is_is_asked_only_for_own_ports() {
    let ranges = Ranges::new(Vec::new(), Vec::new(), false, vec![4750]);
    let asked = Cell::new(0);
    let is_local = |address| {
        asked.set(asked.get() + 1);
        address == ip("9.9.9.9")
    };
    let judge = |address: &str| ranges.judge(address.parse().unwrap(), &is_local).1;
    assert_eq!(judge("9.9.9.9:80"), Verdict::AllowDefault);
    assert_eq!(judge("127.0.0.1:4750"), Verdict::DenySelf);
    assert_eq!(asked.get(), 0);
    assert_eq!(judge("9.9.9.9:4750"), Verdict::DenySelf);
    assert_eq!(judge("[::ffff:9.9.9.9]:4750"), Verdict::DenySelf);
    assert_eq!(judge("9.9.9.8:4750"), Verdict::AllowDefault);
    assert_eq!(asked.get(), 3);
}

/// Makes the test out of the list, with a match, so that a verdict that is not in the list does not compile.
macro_rules! labels_are {
    ($($verdict:ident => $label:literal,)*) => {
        #[test]
        fn every_verdict_has_its_label() {
            let in_the_list = |verdict| match verdict {
                $(Verdict::$verdict => $label,)*
            };
            for verdict in [$(Verdict::$verdict),*] {
                let label = in_the_list(verdict);
                assert_eq!(verdict.label(), label);
                assert_eq!(verdict.allows(), label.starts_with("Allow"), "{label}");
            }
        }
    };
}

labels_are! {
    AllowDefault => "Allow: Default",
    AllowUser => "Allow: User Configured",
    DenySelf => "Deny: Self Connection",
    DenyNotGlobalUnicast => "Deny: Not Global Unicast",
    DenyUser => "Deny: User Configured",
    DenyEmbedding => "Deny: IPv6 Embedding",
    DenyPrivate => "Deny: Private Range",
    DenyCgnat => "Deny: CGNAT Range",
    DenySpecialPurpose => "Deny: Special Purpose Range",
}

/// Port 4750 is our own, and 44.9.9.9 this machine's.
fn behind_nat64(allow: &[&str], deny: &[&str], unsafe_allow_private: bool) -> Ranges {
    let prefixes = ["64:ff9b::/96", "2001:db8:100::/40"];
    Ranges::new(placed(allow), placed(deny), unsafe_allow_private, vec![4750]).with_nat64(
        prefixes
            .iter()
            .filter_map(|text| Nat64Prefix::parse(text))
            .collect(),
    )
}

fn judged(ranges: &Ranges, address: &str) -> Verdict {
    let address: SocketAddr = address.parse().unwrap();
    let (dialled, verdict) = ranges.judge(address, &|ip| ip == IpAddr::from([44, 9, 9, 9]));
    assert_eq!(dialled, address, "it is dialled as it is");
    verdict
}

#[test]
fn behind_a_nat64_the_ipv4_address_counts() {
    let ranges = behind_nat64(&[], &[], false);
    for (address, verdict) in [
        ("[64:ff9b::8.8.8.8]:443", Verdict::AllowDefault),
        ("[64:ff9b::10.0.0.1]:443", Verdict::DenyPrivate),
        ("[64:ff9b::127.0.0.1]:443", Verdict::DenyNotGlobalUnicast),
        ("[64:ff9b::169.254.169.254]:443", Verdict::DenyNotGlobalUnicast),
        ("[64:ff9b::0.0.0.0]:443", Verdict::DenyNotGlobalUnicast),
        ("[64:ff9b::255.255.255.255]:443", Verdict::DenyNotGlobalUnicast),
        ("[64:ff9b::100.64.0.1]:443", Verdict::DenyCgnat),
        ("[64:ff9b::192.0.2.1]:443", Verdict::DenySpecialPurpose),
        ("[64:ff9b::168.63.129.16]:443", Verdict::DenySpecialPurpose),
        // 8.8.8.8, 10.0.0.1; a u octet; something behind the address, which no translator looks at.
        ("[2001:db8:108:808:8::]:443", Verdict::AllowDefault),
        ("[2001:db8:10a::1:0:0:0]:443", Verdict::DenyPrivate),
        ("[2001:db8:108:808:108::]:443", Verdict::DenyEmbedding),
        ("[2001:db8:10a:0:101::]:443", Verdict::DenyEmbedding),
        ("[2001:db8:108:808:8:5efe::]:443", Verdict::AllowDefault),
        // Ourselves, by the address that it stands for.
        ("[64:ff9b::44.9.9.9]:4750", Verdict::DenySelf),
        ("[64:ff9b::127.0.0.1]:4750", Verdict::DenySelf),
        ("[64:ff9b::44.9.9.9]:443", Verdict::AllowDefault),
        // Other prefixes are what they were.
        ("[64:ff9b:1::8.8.8.8]:443", Verdict::DenySpecialPurpose),
        ("[2002:808:808::1]:443", Verdict::DenyEmbedding),
        ("[2001:db8:200::1]:443", Verdict::DenySpecialPurpose),
        ("8.8.8.8:443", Verdict::AllowDefault),
    ] {
        assert_eq!(judged(&ranges, address), verdict, "{address}");
    }
    let without = Ranges::new(Vec::new(), Vec::new(), false, Vec::new());
    assert_eq!(judged(&without, "[64:ff9b::8.8.8.8]:443"), Verdict::DenyEmbedding);
    let private = behind_nat64(&[], &[], true);
    assert_eq!(judged(&private, "[64:ff9b::10.0.0.1]:443"), Verdict::AllowDefault);
}

#[test]
fn behind_a_nat64_rules_on_either_address_hold() {
    let ranges = behind_nat64(
        &["10.1.0.0/16", "64:ff9b::10.2.0.0/112", "127.0.0.1:80"],
        &[
            "8.8.8.0/24",
            "64:ff9b::9.9.9.9",
            "10.1.0.0/16",
            "64:ff9b::10.3.0.0/112",
            "9.9.9.8:53",
        ],
        false,
    );
    for (address, verdict, rule) in [
        ("[64:ff9b::10.1.2.3]:443", Verdict::AllowUser, "rules:1"),
        ("[64:ff9b::10.2.2.3]:443", Verdict::AllowUser, "rules:2"),
        ("[64:ff9b::127.0.0.1]:80", Verdict::AllowUser, "rules:3"),
        ("[64:ff9b::127.0.0.1]:81", Verdict::DenyNotGlobalUnicast, ""),
        ("10.2.2.3:443", Verdict::DenyPrivate, ""),
        ("[64:ff9b::8.8.8.8]:443", Verdict::DenyUser, "rules:1"),
        ("[64:ff9b::9.9.9.9]:443", Verdict::DenyUser, "rules:2"),
        ("9.9.9.9:443", Verdict::AllowDefault, ""),
        ("[64:ff9b::10.3.2.3]:443", Verdict::DenyUser, "rules:4"),
        ("[64:ff9b::9.9.9.8]:53", Verdict::DenyUser, "rules:5"),
        ("[64:ff9b::9.9.9.8]:443", Verdict::AllowDefault, ""),
    ] {
        assert_eq!(judged(&ranges, address), verdict, "{address}");
        let placed = ranges.rule_of(address.parse().unwrap(), verdict);
        let place = placed.map_or_else(String::new, |placed| placed.place.to_string());
        assert_eq!(place, rule, "{address}");
    }
    let metadata = "[64:ff9b::169.254.169.254]:80".parse().unwrap();
    let hint = ranges.grounds(metadata, Verdict::DenyNotGlobalUnicast).hint;
    assert!(
        hint.contains("metadata") && hint.starts_with("--allow-address [64:ff9b::a9fe:a9fe]:80"),
        "{hint}"
    );
}
