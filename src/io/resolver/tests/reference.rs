//! Our reading of answers against another one, by hickory-proto, which takes whole messages apart; and how much work
//! the worst messages are.

use std::net::IpAddr;

use hickory_proto::op::{Header, Query as QuestionRecord};
use hickory_proto::rr::{DNSClass, Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use proptest::prelude::*;

use crate::io::resolver::answer::{self, CHAIN_MAX};
use crate::io::resolver::message::{Entropy, Query};
use crate::io::resolver::name::Work;
use crate::io::resolver::reply::{CHAIN_TOO_LONG, Kind, Reply};

use super::servers::{A, AAAA, Build, CNAME};

const ASKED: &str = "www.a.test";
const ENOUGH: u32 = 100_000_000;

/// What hickory makes of the answer section; `None` when it can't be read.
fn reference(kind: Kind, message: &[u8]) -> Option<Reply> {
    let mut decoder = BinDecoder::new(message);
    let header = Header::read(&mut decoder).ok()?;
    let asked = QuestionRecord::read(&mut decoder).ok()?.name;
    let mut records = Vec::new();
    for _ in 0..header.counts.answers {
        let record = Record::read(&mut decoder).ok()?;
        if record.dns_class == DNSClass::IN {
            records.push(record);
        }
    }
    Some(follow(kind, asked, &records))
}

fn follow(kind: Kind, mut name: Name, records: &[Record]) -> Reply {
    let sane = |ttl: u32| if ttl > 0x7fff_ffff { 0 } else { ttl };
    let mut ttl_seconds = u32::MAX;
    for aliases in 0..=CHAIN_MAX {
        let of_name: Vec<&Record> = records.iter().filter(|record| record.name == name).collect();
        let mut addresses: Vec<IpAddr> = Vec::new();
        for record in &of_name {
            let address: IpAddr = match (&record.data, kind) {
                (RData::A(a), Kind::A) => a.0.into(),
                (RData::AAAA(aaaa), Kind::Aaaa) => aaaa.0.into(),
                _ => continue,
            };
            ttl_seconds = ttl_seconds.min(sane(record.ttl));
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if !addresses.is_empty() {
            return Reply::Found {
                addresses,
                ttl_seconds,
                aliases,
            };
        }
        let alias = of_name.iter().find_map(|record| match &record.data {
            RData::CNAME(target) => Some((target.0.clone(), sane(record.ttl))),
            _ => None,
        });
        let Some((target, ttl)) = alias else {
            return match plain(&name).filter(|_| aliases > 0) {
                Some(target) => Reply::Alias {
                    target,
                    ttl_seconds,
                    aliases,
                },
                None => Reply::Absent,
            };
        };
        ttl_seconds = ttl_seconds.min(ttl);
        name = target;
    }
    Reply::Failed(CHAIN_TOO_LONG)
}

fn plain(name: &Name) -> Option<Box<str>> {
    let fits = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let labels: Option<Vec<String>> = name
        .iter()
        .map(|label| {
            let text = String::from_utf8_lossy(label).to_ascii_lowercase();
            label.iter().all(fits).then_some(text)
        })
        .collect();
    labels
        .filter(|labels| !labels.is_empty())
        .map(|labels| labels.join(".").into())
}

/// A name in a message: some labels, and then the root or a pointer to one of the labels or names before it.
#[derive(Clone, Debug)]
struct Written {
    labels: Vec<&'static str>,
    pointer: Option<usize>,
}

fn written() -> impl Strategy<Value = Written> {
    let label = prop::sample::select(vec!["www", "WWW", "a", "A", "test", "b", "b_1", "c d"]);
    let pointer = prop::option::weighted(0.7, any::<usize>());
    (prop::collection::vec(label, 0..4), pointer).prop_map(|(labels, pointer)| Written { labels, pointer })
}

#[derive(Clone, Debug)]
enum Content {
    V4(u8),
    V6(u8),
    Alias(Written),
    Text(Vec<u8>),
    Empty(u16),
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        3 => (0u8..4).prop_map(Content::V4),
        2 => (0u8..4).prop_map(Content::V6),
        4 => written().prop_map(Content::Alias),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Content::Text),
        1 => prop::sample::select(vec![A, AAAA, CNAME]).prop_map(Content::Empty),
    ]
}

/// Writes a name, and notes where its labels stand.
fn write_name(message: &mut Vec<u8>, name: &Written, places: &mut Vec<usize>) {
    let target = name
        .pointer
        .and_then(|nth| places.get(nth % places.len().max(1)).copied());
    let start = message.len();
    let mut new = vec![start];
    for label in &name.labels {
        new.push(message.len());
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.bytes());
    }
    match target {
        Some(target) => message.extend((0xc000 | u16::try_from(target).unwrap()).to_be_bytes()),
        None => message.push(0),
    }
    places.extend(new);
}

fn message(query: &Query, records: &[(Written, bool, u32, Content)]) -> Vec<u8> {
    let mut message = Build::to(query.bytes()).0;
    message[7] = u8::try_from(records.len()).unwrap();
    // www, a, test and the root of the question.
    let mut places = vec![12, 16, 18, 23];
    for (owner, is_in, ttl, content) in records {
        write_name(&mut message, owner, &mut places);
        let (kind, mut bytes): (u16, Vec<u8>) = match content {
            Content::V4(last) => (A, vec![192, 0, 2, *last]),
            Content::V6(last) => (AAAA, [&[0x20; 15][..], &[*last]].concat()),
            Content::Alias(_) => (CNAME, Vec::new()),
            Content::Text(text) => (99, text.clone()),
            Content::Empty(kind) => (*kind, Vec::new()),
        };
        message.extend(kind.to_be_bytes());
        message.extend([0, if *is_in { 1 } else { 3 }]);
        message.extend(ttl.to_be_bytes());
        let length_at = message.len();
        message.extend([0, 0]);
        if let Content::Alias(target) = content {
            write_name(&mut message, target, &mut places);
        }
        message.append(&mut bytes);
        let length = u16::try_from(message.len() - length_at - 2).unwrap();
        message[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }
    message
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn small_messages_are_read_as_hickory_reads_them(
        records in prop::collection::vec((written(), prop::bool::weighted(0.95), any::<u32>(), content()), 0..8),
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 0..3),
        v6 in any::<bool>(),
    ) {
        let kind = if v6 { Kind::Aaaa } else { Kind::A };
        let query = Query::new(ASKED, kind, Entropy::given(7), false, false).unwrap();
        let mut reply = message(&query, &records);
        let start = query.bytes().len();
        for (at, byte) in damage {
            let length = reply.len() - start;
            if length > 0 {
                reply[start + at % length] = byte;
            }
        }
        let ours = query.read(&reply);
        // What hickory can't read may be in records that we don't look into.
        if let Some(theirs) = reference(kind, &reply) {
            prop_assert_eq!(ours, theirs);
        }
    }
}

/// Names of 124 labels that differ in their last ones only, so that every comparison goes to the end.
fn long_name(last: &str) -> Vec<u8> {
    let mut name = [1, b'a'].repeat(124 - last.len());
    for letter in last.bytes() {
        name.extend([1, letter]);
    }
    name.push(0);
    name
}

/// The units of work that a reply takes.
fn work(query: &Query, reply: &[u8]) -> u32 {
    let mut work = Work::new(ENOUGH);
    let count = u16::from_be_bytes([reply[6], reply[7]]);
    let start = query.bytes().len();
    let _ = answer::read_within(&mut work, reply, 12, start, count, Kind::A);
    ENOUGH - work.left()
}

/// Adds a record whose owner is written as it is given.
fn record(reply: &mut Vec<u8>, owner: &[u8], kind: u16, rdata: &[u8]) {
    let count = u16::from_be_bytes([reply[6], reply[7]]) + 1;
    reply[6..8].copy_from_slice(&count.to_be_bytes());
    reply.extend(owner);
    reply.extend(kind.to_be_bytes());
    reply.extend([0, 1, 0, 0, 0, 9]);
    reply.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
    reply.extend(rdata);
}

fn pointer_to(place: usize) -> [u8; 2] {
    (0xc000 | u16::try_from(place).unwrap()).to_be_bytes()
}

/// The messages that took longest: whatever they are, what they cost is a matter of their size.
fn hard_messages(query: &Query) -> Vec<(&'static str, Vec<u8>)> {
    let start = || Build::to(query.bytes()).0;
    let address = |n: usize| {
        let [high, low] = u16::try_from(n).unwrap().to_be_bytes();
        [192, 0, high, low]
    };
    let mut all = Vec::new();

    // A chain of CNAMEs to the name that 505 addresses have, each written as a pointer.
    let mut chained = start();
    let mut places = vec![12];
    for link in 0..7 {
        let owner = pointer_to(*places.last().unwrap());
        places.push(chained.len() + 2 + 10);
        record(&mut chained, &owner, CNAME, &long_name(&format!("n{link}")));
    }
    let mut scattered = chained.clone();
    for n in 0..505 {
        record(&mut chained, &pointer_to(places[7]), A, &address(n));
        // The same name, with its first label spelled out.
        let mut owner = vec![1, b'a'];
        owner.extend(pointer_to(places[7] + 2));
        record(&mut scattered, &owner, A, &address(n));
    }
    all.push(("7 CNAMEs and 505 addresses", chained));
    all.push(("7 CNAMEs and 505 addresses, each owner spelled anew", scattered));

    // Owners that have nothing to do with the question, in full and as pointers to two of them in turn.
    let mut unrelated = start();
    let mut full = Vec::new();
    for n in 0..512usize {
        if n < 64 {
            full.push(unrelated.len());
            record(&mut unrelated, &long_name(&format!("u{n}")), A, &address(n));
        } else {
            record(&mut unrelated, &pointer_to(full[n % 2]), A, &address(n));
        }
    }
    all.push(("512 unrelated owners", unrelated));

    // As many copies of the longest name as there is room for, each with the same address, and pointers to them.
    let mut copies = start();
    record(&mut copies, &pointer_to(12), CNAME, &long_name("c"));
    let mut places = Vec::new();
    for n in 0..511 {
        match n {
            0..220 => {
                places.push(copies.len());
                record(&mut copies, &long_name("C"), A, &address(1));
            }
            _ => record(&mut copies, &pointer_to(places[n % 60]), A, &address(1)),
        }
    }
    all.push(("copies of a name", copies));

    // A chain as long as is followed, and every record of each name a CNAME to the next.
    let mut round = start();
    let mut places = vec![12];
    for link in 0..16 {
        let owner = pointer_to(*places.last().unwrap());
        places.push(round.len() + 2 + 10);
        record(&mut round, &owner, CNAME, &long_name(&format!("r{link}")));
    }
    for n in 16..512 {
        let owner = pointer_to(places[n % 16]);
        record(&mut round, &owner, CNAME, &pointer_to(places[(n + 1) % 16]));
    }
    all.push(("a thicket of CNAMEs", round));

    // Pointers to pointers, as many as there is room for.
    let mut pointers = start();
    let first = pointers.len() + 1 + 10;
    let mut ladder = pointer_to(12).to_vec();
    while ladder.len() < 15_000 {
        ladder.extend(pointer_to(first + ladder.len() - 2));
    }
    let top = first + ladder.len() - 2;
    record(&mut pointers, &[0], 99, &ladder);
    for n in 0..511 {
        record(&mut pointers, &pointer_to(top - 2 * (n % 2)), A, &address(n));
    }
    all.push(("a ladder of pointers", pointers));
    all
}

#[test]
fn no_answer_costs_more_than_its_size_allows() {
    let query = Query::new(ASKED, Kind::A, Entropy::given(7), false, false).unwrap();
    for (what, reply) in hard_messages(&query) {
        assert!(reply.len() <= 65_535, "{what}: {} bytes", reply.len());
        let units = work(&query, &reply);
        assert!(units <= 200_000, "{what}: {units} units");
        assert_ne!(query.read(&reply), Reply::Foreign, "{what}");
    }
}

/// By hand, in a release build: `cargo test --release --lib -- --ignored --nocapture no_answer_takes_long`.
#[test]
#[ignore = "times, to be looked at"]
fn no_answer_takes_long() {
    let query = Query::new(ASKED, Kind::A, Entropy::given(7), false, false).unwrap();
    for (what, reply) in hard_messages(&query) {
        let best = (0..200).map(|_| {
            let start = std::time::Instant::now();
            std::hint::black_box(query.read(std::hint::black_box(&reply)));
            start.elapsed()
        });
        let (best, units) = (best.min().unwrap(), work(&query, &reply));
        println!("{what}: {} bytes, {units} units, {best:?}", reply.len());
    }
}

#[test]
fn names_that_cost_too_much_are_failures() {
    let mut work = Work::new(100);
    let query = Query::new(ASKED, Kind::A, Entropy::given(7), false, false).unwrap();
    let (_, reply) = hard_messages(&query).remove(0);
    let start = query.bytes().len();
    assert_eq!(
        answer::read_within(&mut work, &reply, 12, start, 9, Kind::A),
        None
    );
}
