//! DNS replies: only an answer to our question is read, and what is read out of it stands in it.

use std::net::IpAddr;

use smokescreen::io::resolver::fuzzing::{Told, question, read_reply};

use super::Script;

const NAMES: [&str; 3] = ["a.test", "www.example.test", "x"];
const ID: u16 = 0x1234;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script(input);
    let shape = script.byte();
    let name = NAMES[usize::from(shape & 3).min(2)];
    let (v6, edns, ours) = (shape & 4 != 0, shape & 8 != 0, shape & 16 != 0);
    let asked = question(name, v6, ID, edns).expect("a name");
    let reply = if ours {
        addressed(&mut script, &asked, edns)
    } else {
        script.0.to_vec()
    };
    match read_reply(name, v6, ID, edns, &reply) {
        Told::Foreign | Told::Nothing => {}
        Told::Addresses(addresses) => {
            is_an_answer(&asked, edns, &reply);
            assert!((1..=64).contains(&addresses.len()));
            for (nth, address) in addresses.iter().enumerate() {
                assert_eq!(address.is_ipv6(), v6, "of the family asked for");
                assert!(!addresses[..nth].contains(address), "no repeats");
                assert!(stands_in(&reply, address), "{address} is not in the reply");
            }
        }
        Told::Alias(target) => {
            is_an_answer(&asked, edns, &reply);
            assert!(
                question(&target, v6, ID, edns).is_some(),
                "{target} can be asked for"
            );
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            assert!(target.bytes().all(fits), "{target}");
        }
    }
}

/// A reply with our id and question: flags, counts and what follows are the input's.
fn addressed(script: &mut Script<'_>, asked: &[u8], edns: bool) -> Vec<u8> {
    let mut reply = asked[..2].to_vec();
    reply.extend([0x80 | script.byte(), script.byte(), 0, 1]);
    reply.extend([0, script.byte(), 0, script.byte() & 3, 0, script.byte() & 3]);
    let question_end = asked.len() - if edns { 11 } else { 0 };
    reply.extend(&asked[12..question_end]);
    reply.extend(script.0);
    reply
}

/// RFC 1035, 4.1.1: our id, QR set, QDCOUNT 1, no error, not truncated; and the question to the byte.
fn is_an_answer(asked: &[u8], edns: bool, reply: &[u8]) {
    assert_eq!(reply[..2], asked[..2]);
    assert_eq!(reply[2] & 0xfa, 0x80, "a response to a query, not truncated");
    assert_eq!(reply[3] & 0x0f, 0, "no error");
    assert_eq!(reply[4..6], [0, 1]);
    let question_end = asked.len() - if edns { 11 } else { 0 };
    assert_eq!(reply[12..question_end], asked[12..question_end]);
}

/// Type, class, TTL, length and address, as in a record.
fn stands_in(reply: &[u8], address: &IpAddr) -> bool {
    let (kind, octets) = match address {
        IpAddr::V4(v4) => (1, v4.octets().to_vec()),
        IpAddr::V6(v6) => (28, v6.octets().to_vec()),
    };
    reply.windows(10 + octets.len()).any(|record| {
        record[..4] == [0, kind, 0, 1]
            && usize::from(u16::from_be_bytes([record[8], record[9]])) == octets.len()
            && record[10..] == octets
    })
}
