//! Every range at its edges, and the order of the registries' rows, against a list of its own. Single addresses, and
//! their spellings, are in `verdicts`.

use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::policy::ranges::registry::{Class, V4, V6};

use super::*;

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
