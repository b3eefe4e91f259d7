//! One DNS question, and what a reply says to it. A reply is first compared byte by byte with what was asked;
//! only what passes is read on, and of that only the answer section (`answer`). Sends and waits for nothing.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

use super::answer;
use super::reply::{Kind, Reply};

/// What we say we can take over UDP (RFC 9715: fits an Ethernet frame whatever is in between).
const EDNS_SIZE: u16 = 1232;
const HEADER_BYTES: usize = 12;
const LABEL_MAX: usize = 63;
const NAME_MAX: usize = 253;

// RFC 1035, 4.1.1.
const AUTHORITATIVE: u8 = 0x04;
const TRUNCATED: u8 = 0x02;
const RECURSION_AVAILABLE: u8 = 0x80;
const NO_ERROR: u8 = 0;
const FORMAT_ERROR: u8 = 1;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

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
        // Id, two bytes of flags, and the numbers of questions and answers; what follows them is not read.
        let Some(
            &[
                id_high,
                id_low,
                flags,
                codes,
                0,
                questions,
                answers_high,
                answers_low,
                _,
                _,
                _,
                _,
            ],
        ) = reply.first_chunk::<HEADER_BYTES>()
        else {
            return Reply::Foreign;
        };
        // QR is set, and the opcode is 0.
        let ours = self.message.get(..2) == Some(&[id_high, id_low]) && flags & 0xf8 == 0x80;
        let rcode = codes & 0x0f;
        let edns_refused = self.edns && matches!(rcode, FORMAT_ERROR | NOT_IMPLEMENTED);
        // Who can't read a message may leave the question out. All this can get out of us is one more question.
        if ours && edns_refused && questions == 0 {
            return Reply::EdnsRefused;
        }
        if !ours || questions != 1 || !self.same_question(reply) {
            return Reply::Foreign;
        }
        if edns_refused {
            return Reply::EdnsRefused;
        }
        if flags & TRUNCATED != 0 {
            return Reply::Truncated;
        }
        match rcode {
            NO_ERROR => {}
            NO_SUCH_NAME => return Reply::Absent,
            _ => return Reply::Failed("server misbehaving"),
        }
        let answers = u16::from_be_bytes([answers_high, answers_low]);
        if answers == 0 && flags & AUTHORITATIVE == 0 && codes & RECURSION_AVAILABLE == 0 {
            return Reply::Failed("lame referral");
        }
        let start = HEADER_BYTES + self.question_bytes;
        answer::read(reply, HEADER_BYTES, start, answers, self.kind)
            .unwrap_or(Reply::Failed("server misbehaving"))
    }

    /// The question came back as it was sent, to the byte: name with its case, type and class.
    fn same_question(&self, reply: &[u8]) -> bool {
        let question = HEADER_BYTES..HEADER_BYTES + self.question_bytes;
        reply
            .get(question.clone())
            .is_some_and(|theirs| self.message.get(question) == Some(theirs))
    }
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
