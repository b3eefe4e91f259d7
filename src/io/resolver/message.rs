//! One DNS question, and what a reply says to it. A reply is first compared byte by byte with what was asked;
//! only what passes is parsed, and of that only the answer section. Sends and waits for nothing.

use hickory_proto::op::{Header, MessageType, OpCode, Query as QuestionRecord, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;
use std::net::IpAddr;

/// How long a chain of CNAMEs is followed.
pub(super) const CHAIN_MAX: usize = 8;
/// How many records of an answer are looked at; an answer that claims more is refused.
const RECORDS_MAX: u16 = 512;
/// How many addresses of a family are kept; the rest is cut off.
const ADDRESSES_MAX: usize = 64;
/// What we say we can take over UDP (RFC 9715: fits an Ethernet frame whatever is in between).
const EDNS_SIZE: u16 = 1232;
const HEADER_BYTES: usize = 12;
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 253;

/// The two record types that hold addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// IPv4, type A.
    A,
    /// IPv6, type AAAA.
    Aaaa,
}

/// What makes a question hard to guess: its id and the case of its letters (draft-vixie-dnsext-dns0x20).
#[derive(Clone, Copy)]
pub(super) struct Entropy {
    id: u16,
    case: [u8; 32],
}

/// A question as it is sent.
pub(super) struct Query {
    message: Vec<u8>,
    question_bytes: usize,
    kind: Kind,
    edns: bool,
}

/// What a reply says.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Reply {
    /// No answer to this question: another id, question or direction, or no DNS message at all.
    Foreign,
    /// The answer didn't fit; ask over TCP.
    Truncated,
    /// The server doesn't know EDNS; ask without.
    EdnsRefused,
    /// The server failed; the words say how. Another one may do better.
    Failed(&'static str),
    /// The name does not exist, or has no such address.
    Absent,
    /// Addresses, and for how many seconds they may be kept.
    Found {
        /// At least one, without repeats, in the reply's order.
        addresses: Vec<IpAddr>,
        /// The least TTL of the chain that led to them.
        ttl_seconds: u32,
    },
    /// The name is an alias, and the reply doesn't say where that leads.
    Alias {
        /// The name to ask for now: lower case, letters, digits, `-` and `_`.
        target: Box<str>,
        /// The least TTL of the chain so far.
        ttl_seconds: u32,
    },
}

impl Kind {
    const fn code(self) -> u16 {
        match self {
            Kind::A => 1,
            Kind::Aaaa => 28,
        }
    }
}

impl Entropy {
    /// None at all: a known id and lower case, for the fuzz targets.
    pub(super) fn given(id: u16) -> Entropy {
        Entropy { id, case: [0; 32] }
    }

    /// Fresh from the system.
    pub(super) fn draw() -> io::Result<Entropy> {
        let mut bytes = [0; 34];
        let got = getrandom(&mut bytes[..], GetRandomFlags::empty())?;
        // The system promises whole answers up to 256 bytes.
        if got != bytes.len() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let [high, low, case @ ..] = bytes;
        Ok(Entropy {
            id: u16::from_be_bytes([high, low]),
            case,
        })
    }

    /// Is the letter at this place of the name upper case?
    fn upper(&self, place: usize) -> bool {
        self.case
            .get(place / 8)
            .is_some_and(|byte| byte >> (place % 8) & 1 == 1)
    }
}

impl Query {
    /// A recursive question for addresses of `name`, which is a full name without its trailing dot. `mixed_case`
    /// says whether the case is drawn too; some servers don't give it back as they got it. `None` for what is no
    /// name (RFC 1035, 2.3.4: labels of 1 to 63 bytes, at most 253 in all).
    pub(super) fn new(
        name: &str,
        kind: Kind,
        entropy: Entropy,
        edns: bool,
        mixed_case: bool,
    ) -> Option<Query> {
        let mut message = Vec::with_capacity(HEADER_BYTES + name.len() + 2 + 4 + 11);
        message.extend(entropy.id.to_be_bytes());
        // RD; one question; with EDNS one additional record.
        message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)]);
        push_name(&mut message, name, |place| mixed_case && entropy.upper(place))?;
        message.extend(kind.code().to_be_bytes());
        message.extend([0, 1]);
        let question_bytes = message.len() - HEADER_BYTES;
        if edns {
            // OPT (RFC 6891, 6.1.2): root, type 41, our size, no extended RCODE, version 0, no flags, no options.
            message.extend([0, 0, 41]);
            message.extend(EDNS_SIZE.to_be_bytes());
            message.extend([0; 6]);
        }
        Some(Query {
            message,
            question_bytes,
            kind,
            edns,
        })
    }

    /// The message to send; over TCP with its length in front.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.message
    }

    /// Reads a reply. Never fails: what is no reply to this is [`Reply::Foreign`].
    pub(super) fn read(&self, reply: &[u8]) -> Reply {
        let mut decoder = BinDecoder::new(reply);
        let Ok(header) = Header::read(&mut decoder) else {
            return Reply::Foreign;
        };
        let ours = reply.get(..2) == self.message.get(..2)
            && header.message_type == MessageType::Response
            && header.op_code == OpCode::Query;
        let edns_refused =
            self.edns && matches!(header.response_code, ResponseCode::FormErr | ResponseCode::NotImp);
        // Who can't read a message may leave the question out. All this can get out of us is one more question.
        if ours && edns_refused && header.counts.queries == 0 {
            return Reply::EdnsRefused;
        }
        if !ours || header.counts.queries != 1 || !self.same_question(reply) {
            return Reply::Foreign;
        }
        if edns_refused {
            return Reply::EdnsRefused;
        }
        if header.truncation {
            return Reply::Truncated;
        }
        match header.response_code {
            ResponseCode::NoError => {}
            ResponseCode::NXDomain => return Reply::Absent,
            _ => return Reply::Failed("server misbehaving"),
        }
        if header.counts.answers == 0 && !header.authoritative && !header.recursion_available {
            return Reply::Failed("lame referral");
        }
        self.read_answers(&mut decoder, header.counts.answers)
            .unwrap_or(Reply::Failed("server misbehaving"))
    }

    /// The question came back as it was sent, to the byte: name with its case, type and class.
    fn same_question(&self, reply: &[u8]) -> bool {
        let question = HEADER_BYTES..HEADER_BYTES + self.question_bytes;
        reply
            .get(question.clone())
            .is_some_and(|theirs| self.message.get(question) == Some(theirs))
    }

    /// `None` when the answers can't be read.
    fn read_answers(&self, decoder: &mut BinDecoder<'_>, count: u16) -> Option<Reply> {
        if count > RECORDS_MAX {
            return None;
        }
        let question = QuestionRecord::read(decoder).ok()?;
        let mut records = Vec::new();
        for _ in 0..count {
            let record = Record::read(decoder).ok()?;
            if record.dns_class == DNSClass::IN {
                records.push(record);
            }
        }
        Some(self.follow(question.name, &records))
    }

    /// Follows the CNAMEs from the name that was asked for. Records that don't belong to that chain say nothing.
    fn follow(&self, asked: Name, records: &[Record]) -> Reply {
        let mut name = asked;
        let mut ttl_seconds = u32::MAX;
        for hops in 0..=CHAIN_MAX {
            let addresses = self.addresses_of(&name, records, &mut ttl_seconds);
            if !addresses.is_empty() {
                return Reply::Found {
                    addresses,
                    ttl_seconds,
                };
            }
            let Some((target, ttl)) = alias_of(&name, records) else {
                return match hops {
                    0 => Reply::Absent,
                    _ => {
                        plain_name(&name).map_or(Reply::Absent, |target| Reply::Alias { target, ttl_seconds })
                    }
                };
            };
            ttl_seconds = ttl_seconds.min(ttl);
            name = target;
        }
        Reply::Failed("CNAME chain too long")
    }

    fn addresses_of(&self, name: &Name, records: &[Record], ttl_seconds: &mut u32) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for record in records.iter().filter(|record| record.name == *name) {
            let address = match (&record.data, self.kind) {
                (RData::A(a), Kind::A) => IpAddr::V4(a.0),
                (RData::AAAA(aaaa), Kind::Aaaa) => IpAddr::V6(aaaa.0),
                _ => continue,
            };
            if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
                addresses.push(address);
            }
            *ttl_seconds = (*ttl_seconds).min(sane_ttl(record.ttl));
        }
        addresses
    }
}

fn alias_of(name: &Name, records: &[Record]) -> Option<(Name, u32)> {
    records
        .iter()
        .filter(|record| record.name == *name)
        .find_map(|record| match &record.data {
            RData::CNAME(target) => Some((target.0.clone(), sane_ttl(record.ttl))),
            _ => None,
        })
}

/// A TTL with its high bit set counts as zero (RFC 2181, 8).
fn sane_ttl(ttl_seconds: u32) -> u32 {
    if ttl_seconds > i32::MAX.unsigned_abs() {
        0
    } else {
        ttl_seconds
    }
}

/// The name as it can be asked for, if it has only the letters that host names have.
fn plain_name(name: &Name) -> Option<Box<str>> {
    let mut plain = String::new();
    for label in name.iter() {
        if !label
            .iter()
            .all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        {
            return None;
        }
        if !plain.is_empty() {
            plain.push('.');
        }
        plain.extend(label.iter().map(|&byte| char::from(byte.to_ascii_lowercase())));
    }
    (!plain.is_empty()).then(|| plain.into_boxed_str())
}

/// Writes a name in the form of RFC 1035, 3.1. `upper` says which of its letters are upper case.
fn push_name(message: &mut Vec<u8>, name: &str, upper: impl Fn(usize) -> bool) -> Option<()> {
    if name.len() > NAME_MAX {
        return None;
    }
    let mut place = 0;
    for label in name.split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|_| (1..=LABEL_MAX).contains(&label.len()))?;
        message.push(length);
        for byte in label.bytes() {
            let letter = if upper(place) {
                byte.to_ascii_uppercase()
            } else {
                byte.to_ascii_lowercase()
            };
            message.push(letter);
            place += 1;
        }
    }
    message.push(0);
    Some(())
}
