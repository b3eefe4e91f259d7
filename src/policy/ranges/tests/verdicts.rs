//! Tables of addresses in every spelling and their verdicts, our own listeners, and the verdicts' labels. Where ranges
//! begin and end is in `edges`.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddrV6};

use crate::net::Host;
use crate::policy::ranges::registry::{Class, classify};

use super::*;

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
