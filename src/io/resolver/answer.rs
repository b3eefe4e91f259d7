//! The answer section of a reply: its addresses, and the CNAMEs that lead to them. Read where it stands, in time that
//! is bounded by its size. Whether the reply is one to our question was seen before.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::{self, Digests, Unreadable, Work};
use super::reply::{CHAIN_TOO_LONG, Kind, Reply};

/// How long a chain of CNAMEs is followed.
pub(super) const CHAIN_MAX: usize = 16;
/// How many records of an answer are looked at; an answer that claims more is refused.
const RECORDS_MAX: u16 = 512;
/// How many addresses of a family are kept; the rest is cut off.
const ADDRESSES_MAX: usize = 64;
/// How much may be read of names. What is in a message is read once, and compared once; only names that were made to
/// look equal without being it may need more.
const WORK_MAX: u32 = 250_000;

const CLASS_IN: u16 = 1;
const TYPE_CNAME: u16 = 5;

/// A record that may say something: where its owner's name stands, and that name's number.
struct Record {
    owner: usize,
    digest: u64,
    ttl_seconds: u32,
    says: Says,
}

/// What a record says of its owner.
#[derive(Clone, Copy)]
enum Says {
    Address(IpAddr),
    /// Another name, which stands there.
    Alias(usize),
}

/// What the records of one name say of it together.
struct Said {
    addresses: Vec<IpAddr>,
    /// The least of the addresses'.
    ttl_seconds: u32,
    /// Where another name stands, and for how long it counts.
    alias: Option<(usize, u32)>,
}

/// Reads `count` records that begin at `start` as an answer for `kind` and the name at `asked`; `None` when they can't
/// be read. Records that don't belong to the chain of CNAMEs from that name say nothing.
pub(super) fn read(message: &[u8], asked: usize, start: usize, count: u16, kind: Kind) -> Option<Reply> {
    let mut work = Work::new(WORK_MAX);
    read_within(&mut work, message, asked, start, count, kind)
}

/// [`read`], within a budget of the caller's.
pub(super) fn read_within(
    work: &mut Work,
    message: &[u8],
    asked: usize,
    start: usize,
    count: u16,
    kind: Kind,
) -> Option<Reply> {
    if count > RECORDS_MAX {
        return None;
    }
    let mut digests = Digests::default();
    let records = records(message, start, count, kind, &mut digests, work).ok()?;
    follow(message, asked, &records, &mut digests, work).ok()
}

fn records(
    message: &[u8],
    start: usize,
    count: u16,
    kind: Kind,
    digests: &mut Digests,
    work: &mut Work,
) -> Result<Vec<Record>, Unreadable> {
    let mut records: Vec<Record> = Vec::new();
    let mut at = start;
    for _ in 0..count {
        let owner = at;
        let fixed = name::end(message, owner).ok_or(Unreadable)?;
        let &[
            type_high,
            type_low,
            class_high,
            class_low,
            a,
            b,
            c,
            d,
            length_high,
            length_low,
        ] = message
            .get(fixed..)
            .and_then(|rest| rest.first_chunk())
            .ok_or(Unreadable)?;
        let content = fixed + 10;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        at = content + length;
        let bytes = message.get(content..at).ok_or(Unreadable)?;
        let is_in = u16::from_be_bytes([class_high, class_low]) == CLASS_IN;
        let code = u16::from_be_bytes([type_high, type_low]);
        // A record without content says nothing (RFC 2136 has such).
        if !is_in || bytes.is_empty() || !(code == kind.code() || code == TYPE_CNAME) {
            continue;
        }
        let says = if code == TYPE_CNAME {
            let ends = name::end(message, content) == Some(at);
            Says::Alias(ends.then_some(content).ok_or(Unreadable)?)
        } else {
            Says::Address(address(bytes, kind).ok_or(Unreadable)?)
        };
        records.push(Record {
            owner: name::place(message, owner),
            digest: digests.of(message, owner, work)?,
            ttl_seconds: sane_ttl(u32::from_be_bytes([a, b, c, d])),
            says,
        });
    }
    Ok(records)
}

fn address(bytes: &[u8], kind: Kind) -> Option<IpAddr> {
    match kind {
        Kind::A => <[u8; 4]>::try_from(bytes)
            .ok()
            .map(|octets| Ipv4Addr::from(octets).into()),
        Kind::Aaaa => <[u8; 16]>::try_from(bytes)
            .ok()
            .map(|octets| Ipv6Addr::from(octets).into()),
    }
}

/// Follows the CNAMEs from the name that was asked for.
fn follow(
    message: &[u8],
    asked: usize,
    records: &[Record],
    digests: &mut Digests,
    work: &mut Work,
) -> Result<Reply, Unreadable> {
    let mut name = asked;
    let mut ttl_seconds = u32::MAX;
    for aliases in 0..=CHAIN_MAX {
        let said = said_of(message, name, records, digests, work)?;
        ttl_seconds = ttl_seconds.min(said.ttl_seconds);
        if !said.addresses.is_empty() {
            return Ok(Reply::Found {
                addresses: said.addresses,
                ttl_seconds,
                aliases,
            });
        }
        let Some((target, ttl)) = said.alias else {
            let target = match aliases {
                0 => None,
                _ => name::plain(message, name, work)?,
            };
            return Ok(target.map_or(Reply::Absent, |target| Reply::Alias {
                target,
                ttl_seconds,
                aliases,
            }));
        };
        ttl_seconds = ttl_seconds.min(ttl);
        name = target;
    }
    Ok(Reply::Failed(CHAIN_TOO_LONG))
}

/// What the records say of the name that stands there.
fn said_of(
    message: &[u8],
    name: usize,
    records: &[Record],
    digests: &mut Digests,
    work: &mut Work,
) -> Result<Said, Unreadable> {
    let digest = digests.of(message, name, work)?;
    let mut said = Said {
        addresses: Vec::new(),
        ttl_seconds: u32::MAX,
        alias: None,
    };
    // Where this name stands too: each place is compared once.
    let mut equal = HashSet::new();
    for record in records.iter().filter(|record| record.digest == digest) {
        if said.addresses.len() >= ADDRESSES_MAX {
            break;
        }
        // Of several CNAMEs the first counts, and none beside addresses.
        let is_moot = matches!(record.says, Says::Alias(_)) && said.alias.is_some();
        if is_moot {
            continue;
        }
        if !equal.contains(&record.owner) {
            if !name::same(message, record.owner, name, work)? {
                continue;
            }
            equal.insert(record.owner);
        }
        match record.says {
            Says::Alias(target) => said.alias = Some((target, record.ttl_seconds)),
            Says::Address(address) => {
                said.ttl_seconds = said.ttl_seconds.min(record.ttl_seconds);
                if !said.addresses.contains(&address) {
                    said.addresses.push(address);
                }
            }
        }
    }
    Ok(said)
}

/// A TTL with its high bit set counts as zero (RFC 2181, 8).
fn sane_ttl(ttl_seconds: u32) -> u32 {
    if ttl_seconds > i32::MAX.unsigned_abs() {
        0
    } else {
        ttl_seconds
    }
}
