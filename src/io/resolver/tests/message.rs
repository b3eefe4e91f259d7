//! What is read out of single replies, byte by byte.

use proptest::prelude::*;

use crate::io::resolver::answer::CHAIN_MAX;
use crate::io::resolver::message::{Entropy, Query};
use crate::io::resolver::reply::{Kind, Reply};

use super::addresses;
use super::servers::{A, AAAA, Build, wire_name};

fn query(kind: Kind) -> Query {
    Query::new("www.example.test", kind, Entropy::draw().unwrap(), true, true).unwrap()
}

fn found(all: &[&str], ttl_seconds: u32) -> Reply {
    found_behind(0, all, ttl_seconds)
}

fn found_behind(aliases: usize, all: &[&str], ttl_seconds: u32) -> Reply {
    Reply::Found {
        addresses: addresses(all),
        ttl_seconds,
        aliases,
    }
}

const FAILED: Reply = Reply::Failed("server misbehaving");

#[test]
fn a_question_looks_as_rfc_1035_and_6891_say() {
    let query = Query::new("a.b-c.test", Kind::Aaaa, Entropy::draw().unwrap(), true, false).unwrap();
    let rest = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x03b-c\x04test\x00\x00\x1c\x00\x01\
        \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
    assert_eq!(&query.bytes()[2..], rest);
    let plain = Query::new("a.b-c.test", Kind::A, Entropy::draw().unwrap(), false, false).unwrap();
    assert_eq!(plain.bytes().len(), rest.len() + 2 - 11);
}

#[test]
fn ids_and_case_are_drawn() {
    let all: Vec<Vec<u8>> = (0..8).map(|_| query(Kind::A).bytes().to_vec()).collect();
    assert!(all.iter().any(|one| one[..2] != all[0][..2]));
    assert!(all.iter().any(|one| one[12..30] != all[0][12..30]));
    assert!(
        all.iter()
            .all(|one| one[12..30].eq_ignore_ascii_case(&all[0][12..30]))
    );
}

#[test]
fn what_is_no_name_is_not_asked_for() {
    let long = format!("{}.test", "a".repeat(64));
    let longer = "a.".repeat(127) + "test";
    for name in ["", "a..b", ".a", "a.", &long, &longer] {
        assert!(
            Query::new(name, Kind::A, Entropy::draw().unwrap(), true, true).is_none(),
            "{name}"
        );
    }
}

#[test]
fn addresses_of_the_asked_type_are_found() {
    let query = query(Kind::A);
    let reply = Build::to(query.bytes())
        .address("", 30, "192.0.2.2")
        .address("", 20, "2001:db8::1")
        .address("", 40, "192.0.2.1")
        .address("", 30, "192.0.2.2");
    assert_eq!(query.read(&reply.0), found(&["192.0.2.2", "192.0.2.1"], 30));
}

#[test]
fn odd_addresses_are_passed_on_as_they_are() {
    let query = query(Kind::Aaaa);
    let odd = [
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "fe80::1",
        "::",
        "64:ff9b::7f00:1",
    ];
    let mut reply = Build::to(query.bytes());
    for address in odd {
        reply = reply.record(
            "",
            AAAA,
            9,
            &address.parse::<std::net::Ipv6Addr>().unwrap().octets(),
        );
    }
    assert_eq!(query.read(&reply.0), found(&odd, 9));
}

#[test]
fn a_reply_to_something_else_is_foreign() {
    let query = query(Kind::A);
    let good = Build::to(query.bytes()).address("", 30, "192.0.2.1").0;
    assert_eq!(query.read(&good), found(&["192.0.2.1"], 30));
    let letter = good[12..].iter().position(u8::is_ascii_alphabetic).unwrap() + 12;
    let type_at = 12 + wire_name("www.example.test").len() + 1;
    // Id, direction, opcode, number of questions, case, another letter, type, class.
    for (at, flip) in [
        (0, 1),
        (1, 0x80),
        (2, 0x80),
        (2, 8),
        (5, 2),
        (letter, 0x20),
        (letter, 1),
        (type_at, 2),
        (type_at + 2, 2),
    ] {
        let mut bad = good.clone();
        bad[at] ^= flip;
        assert_eq!(query.read(&bad), Reply::Foreign, "byte {at}");
    }
    for length in 0..type_at + 3 {
        assert_eq!(query.read(&good[..length]), Reply::Foreign, "{length} bytes");
    }
    assert_eq!(query.read(query.bytes()), Reply::Foreign);
}

#[test]
fn response_codes_are_told_apart() {
    let query = query(Kind::A);
    let reply = Build::to(query.bytes());
    assert_eq!(query.read(&reply.0), Reply::Absent);
    assert_eq!(query.read(&reply.clone().rcode(3).0), Reply::Absent);
    for rcode in [2, 5, 6, 9, 15] {
        assert_eq!(query.read(&reply.clone().rcode(rcode).0), FAILED, "{rcode}");
    }
    assert_eq!(query.read(&reply.clone().truncated().0), Reply::Truncated);
    for rcode in [1, 4] {
        assert_eq!(query.read(&reply.clone().rcode(rcode).0), Reply::EdnsRefused);
        let mut bare = reply.clone().rcode(rcode).0[..12].to_vec();
        bare[5] = 0;
        assert_eq!(query.read(&bare), Reply::EdnsRefused);
        bare[0] ^= 1;
        assert_eq!(query.read(&bare), Reply::Foreign);
    }
    let mut lame = reply.0;
    lame[3] = 0;
    assert_eq!(query.read(&lame), Reply::Failed("lame referral"));
}

#[test]
fn without_edns_a_formerr_is_a_failure() {
    let query = Query::new("a.test", Kind::A, Entropy::draw().unwrap(), false, true).unwrap();
    assert_eq!(query.read(&Build::to(query.bytes()).rcode(1).0), FAILED);
}

#[test]
fn aliases_are_followed_whatever_the_order_and_case() {
    let query = query(Kind::A);
    let reply = Build::to(query.bytes())
        .address("c.test", 40, "192.0.2.1")
        .alias("B.test", 10, "C.TEST")
        .alias("", 50, "b.TEST");
    assert_eq!(query.read(&reply.0), found_behind(2, &["192.0.2.1"], 10));
}

#[test]
fn records_off_the_chain_say_nothing() {
    let query = query(Kind::A);
    let reply = Build::to(query.bytes())
        .address("example.test", 40, "127.0.0.1")
        .alias("other.test", 40, "evil.test")
        .address("evil.test", 1, "127.0.0.2");
    assert_eq!(query.read(&reply.0), Reply::Absent);
    let reply = reply.alias("", 50, "b.test").address("b.test", 50, "192.0.2.1");
    assert_eq!(query.read(&reply.0), found_behind(1, &["192.0.2.1"], 50));
}

#[test]
fn records_of_another_class_say_nothing() {
    let query = query(Kind::A);
    let mut reply = Build::to(query.bytes()).address("", 40, "127.0.0.1").0;
    let class_low = reply.len() - 4 - 2 - 4 - 1;
    reply[class_low] = 3;
    assert_eq!(query.read(&reply), Reply::Absent);
}

#[test]
fn an_alias_without_address_is_to_be_asked_for() {
    let query = query(Kind::A);
    let reply = Build::to(query.bytes())
        .alias("", 50, "b.test")
        .alias("b.test", 20, "C.test");
    assert_eq!(
        query.read(&reply.0),
        Reply::Alias {
            target: "c.test".into(),
            ttl_seconds: 20,
            aliases: 2,
        }
    );
    let odd = Build::to(query.bytes()).alias("", 50, "a b\u{7f}.test");
    assert_eq!(query.read(&odd.0), Reply::Absent);
    let mut dotted = wire_name("aXb.test");
    dotted[2] = b'.';
    let dotted = Build::to(query.bytes()).record("", super::servers::CNAME, 9, &dotted);
    assert_eq!(query.read(&dotted.0), Reply::Absent);
}

#[test]
fn chains_are_bounded_and_loops_refused() {
    let query = query(Kind::A);
    let chain = |links: usize| {
        let mut reply = Build::to(query.bytes()).alias("", 9, "n1.test");
        for n in 1..links {
            reply = reply.alias(&format!("n{n}.test"), 9, &format!("n{}.test", n + 1));
        }
        reply.address(&format!("n{links}.test"), 9, "192.0.2.1").0
    };
    let sixteen = found_behind(16, &["192.0.2.1"], 9);
    assert_eq!((CHAIN_MAX, query.read(&chain(16))), (16, sixteen));
    assert_eq!(
        query.read(&chain(CHAIN_MAX + 1)),
        Reply::Failed("CNAME chain too long")
    );
    assert_eq!(query.read(&chain(20)), Reply::Failed("CNAME chain too long"));
    let to_itself = Build::to(query.bytes()).alias("", 9, "www.example.test");
    assert_eq!(query.read(&to_itself.0), Reply::Failed("CNAME chain too long"));
    let round = Build::to(query.bytes())
        .alias("", 9, "b.test")
        .alias("b.test", 9, "www.example.test");
    assert_eq!(query.read(&round.0), Reply::Failed("CNAME chain too long"));
}

#[test]
fn a_ttl_beyond_31_bits_is_zero() {
    let query = query(Kind::A);
    let reply = |ttl| query.read(&Build::to(query.bytes()).address("", ttl, "192.0.2.1").0);
    assert_eq!(reply(0x8000_0000), found(&["192.0.2.1"], 0));
    assert_eq!(reply(0x7fff_ffff), found(&["192.0.2.1"], 0x7fff_ffff));
}

#[test]
fn compression_loops_end() {
    let query = query(Kind::A);
    let start = Build::to(query.bytes()).0.len();
    for pointer in [start, start + 2, start + 1, 0x3fff, 0] {
        let mut reply = Build::to(query.bytes()).address("", 9, "192.0.2.1").0;
        let pointer = u16::try_from(pointer).unwrap() | 0xc000;
        reply[start..start + 2].copy_from_slice(&pointer.to_be_bytes());
        assert_ne!(query.read(&reply), found(&["192.0.2.1"], 9), "{pointer:x}");
    }
}

#[test]
fn claimed_counts_are_bounded() {
    let query = query(Kind::A);
    let mut reply = Build::to(query.bytes()).address("", 9, "192.0.2.1").0;
    reply[6..8].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(query.read(&reply), FAILED);
    reply[6..8].copy_from_slice(&[0, 2]);
    assert_eq!(query.read(&reply), FAILED);
    let mut many = Build::to(query.bytes());
    for n in 0..500u16 {
        let [high, low] = n.to_be_bytes();
        many = many.record("", A, 9, &[192, 0, high, low]);
    }
    let Reply::Found { addresses, .. } = query.read(&many.0) else {
        panic!("not found")
    };
    assert_eq!(addresses.len(), 64);
}

/// Go's resolver looped over a malformed OPT record to find the extended RCODE. Here the additional section is
/// not read at all, whatever it claims to hold.
#[test]
fn cve_2024_24788_a_malformed_additional_section_is_not_read() {
    let query = query(Kind::A);
    let good = Build::to(query.bytes()).address("", 30, "192.0.2.1").0;
    for additional in [
        &b"\x00\x00\x29"[..],
        b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\xff\xff",
        b"\xc0\xff\xc0",
        b"",
    ] {
        let mut reply = good.clone();
        reply[8..12].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        reply.extend(additional);
        assert_eq!(query.read(&reply), found(&["192.0.2.1"], 30));
    }
}

/// hickory trusted a whole set of DNSKEYs for one of them. Here nothing is validated, so nothing is believed for
/// being signed: AD changes no verdict, and DNSSEC's records are records off the chain.
#[test]
fn rustsec_2025_0006_signatures_change_nothing() {
    let query = query(Kind::A);
    let mut reply = Build::to(query.bytes())
        .record("", 48, 30, b"\x01\x01\x03\x08key")
        .record(
            "",
            46,
            30,
            &[
                &b"\x00\x01\x08\x03\x00\x00\x00\x1e"[..],
                &[0; 10],
                &wire_name("test"),
                b"sig",
            ]
            .concat(),
        )
        .address("", 30, "192.0.2.1");
    reply.0[3] |= 0x20;
    assert_eq!(query.read(&reply.0), found(&["192.0.2.1"], 30));
    assert_eq!(query.bytes()[3] & 0x30, 0, "neither AD nor CD is asked for");
}

/// hickory spent quadratic time on compressing names. A question has one name, and it is not compressed.
#[test]
fn rustsec_2026_0119_a_question_is_small() {
    let name = "a.".repeat(126) + "b";
    let query = Query::new(&name, Kind::A, Entropy::draw().unwrap(), true, true).unwrap();
    assert_eq!(query.bytes().len(), 12 + name.len() + 2 + 4 + 11);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(tail in proptest::collection::vec(any::<u8>(), 0..600), answers in any::<u16>()) {
        let query = query(Kind::A);
        let mut reply = Build::to(query.bytes()).0;
        reply[6..8].copy_from_slice(&answers.to_be_bytes());
        reply.extend(&tail);
        prop_assert_ne!(query.read(&reply), Reply::Foreign);
        query.read(&tail);
    }
}
