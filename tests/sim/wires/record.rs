//! Records: type, length and number, then bytes that are changed so that whatever travels in the clear is noticed, and a
//! sum over all of it. No secrecy, only the form of it.

/// What a record carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The first word of who connected.
    Hello,
    /// The other's answer, which may be long.
    Answer,
    /// The first one's last word of the handshake.
    Finished,
    /// What the session says.
    Text,
    /// The keys change; with 1 in it the other's shall too.
    Update,
    /// Something for later, which nobody looks at.
    Ticket,
    /// Nothing more comes.
    Notice,
}

const KINDS: [Kind; 7] = [
    Kind::Hello,
    Kind::Answer,
    Kind::Finished,
    Kind::Text,
    Kind::Update,
    Kind::Ticket,
    Kind::Notice,
];

/// The type of the first kind, on the wire.
const FIRST_TYPE: u8 = 0xb0;

/// Type, length and number before the bytes, and the sum behind them.
const HEAD_BYTES: usize = 7;
const SUM_BYTES: usize = 4;

/// What sealing adds to a record.
pub(super) const OVERHEAD_BYTES: usize = HEAD_BYTES + SUM_BYTES;

/// What both ends of one direction must agree on.
#[derive(Clone, Debug)]
struct Keys {
    key: u64,
    generation: u32,
    number: u32,
}

impl Keys {
    fn new(key: u64) -> Keys {
        Keys {
            key,
            generation: 0,
            number: 0,
        }
    }

    /// Changes the bytes of this record, or changes them back.
    fn change(&self, bytes: &mut [u8]) {
        let seed = self.key ^ u64::from(self.generation) << 32 ^ u64::from(self.number);
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for byte in bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte ^= (state >> 24) as u8;
        }
    }

    fn sum(&self, kind: Kind, bytes: &[u8]) -> [u8; SUM_BYTES] {
        let Keys {
            key,
            generation,
            number,
        } = self;
        let facts = key.to_le_bytes().into_iter().chain(generation.to_le_bytes());
        let facts = facts.chain(number.to_le_bytes()).chain([kind as u8]);
        let sum = facts
            .chain(bytes.iter().copied())
            .fold(0x811c_9dc5_u32, |sum, byte| {
                (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
        sum.to_le_bytes()
    }

    /// The next record has other keys behind an update.
    fn advance(&mut self, kind: Kind) {
        self.number += 1;
        self.generation += u32::from(kind == Kind::Update);
    }
}

/// Makes the records of one direction.
#[derive(Debug)]
pub(super) struct Sealer(Keys);

impl Sealer {
    pub(super) fn new(key: u64) -> Sealer {
        Sealer(Keys::new(key))
    }

    /// Appends one record to `out`; 65,535 bytes at most.
    pub(super) fn seal(&mut self, kind: Kind, bytes: &[u8], out: &mut Vec<u8>) {
        let length = u16::try_from(bytes.len()).expect("a record's bytes fit its length");
        let Sealer(keys) = self;
        out.push(FIRST_TYPE + kind as u8);
        out.extend(length.to_be_bytes());
        out.extend(keys.number.to_be_bytes());
        let from = out.len();
        out.extend(bytes);
        keys.change(&mut out[from..]);
        out.extend(keys.sum(kind, bytes));
        keys.advance(kind);
    }
}

/// Reads the records of one direction.
#[derive(Debug)]
pub(super) struct Opener {
    keys: Keys,
    /// A part of a record.
    rest: Vec<u8>,
}

impl Opener {
    pub(super) fn new(key: u64) -> Opener {
        Opener {
            keys: Keys::new(key),
            rest: Vec::new(),
        }
    }

    /// How many bytes of a part of a record are held.
    pub(super) fn held_bytes(&self) -> usize {
        self.rest.len()
    }

    /// The records that these bytes complete.
    pub(super) fn open(&mut self, bytes: &[u8]) -> Result<Vec<(Kind, Vec<u8>)>, String> {
        self.rest.extend(bytes);
        let (mut records, mut at) = (Vec::new(), 0);
        while let Some((kind, bytes, record_bytes)) = self.first(at)? {
            at += record_bytes;
            records.push((kind, bytes));
        }
        self.rest.drain(..at);
        Ok(records)
    }

    fn first(&mut self, at: usize) -> Result<Option<(Kind, Vec<u8>, usize)>, String> {
        let rest = &self.rest[at..];
        let Some(&first) = rest.first() else {
            return Ok(None);
        };
        let kind = first.checked_sub(FIRST_TYPE);
        let kind = kind.and_then(|nth| KINDS.get(usize::from(nth)));
        let Some(&kind) = kind else {
            return Err(format!("{first:#x} is in the clear, or no record's first byte"));
        };
        if rest.len() < HEAD_BYTES {
            return Ok(None);
        }
        let length = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
        let number = u32::from_be_bytes([rest[3], rest[4], rest[5], rest[6]]);
        if number != self.keys.number {
            return Err(format!("record {number} instead of {}", self.keys.number));
        }
        let record_bytes = HEAD_BYTES + length + SUM_BYTES;
        if rest.len() < record_bytes {
            return Ok(None);
        }
        let mut bytes = rest[HEAD_BYTES..HEAD_BYTES + length].to_vec();
        self.keys.change(&mut bytes);
        if self.keys.sum(kind, &bytes) != rest[HEAD_BYTES + length..record_bytes] {
            return Err(format!("record {number} was changed on its way"));
        }
        self.keys.advance(kind);
        Ok(Some((kind, bytes, record_bytes)))
    }
}
