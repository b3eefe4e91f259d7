//! What goes over the wire, known to whoever reads it: byte N of a stream is `Pattern::at(N)`. Opens no socket.

use std::rc::Rc;

/// No multiple of it is a power of two, so bytes in the wrong place show.
const PERIOD: usize = 251 * 1024;

/// One cache line out of this many bytes is compared in long pieces; the first and the last bytes always are.
const STRIDE: usize = 1024;
const SAMPLE: usize = 64;

/// Bytes of a response that are kept as they are sent; those behind them are made of the pattern, so that a GiB takes no
/// GiB. A multiple of the period.
const KEPT: usize = 16 * PERIOD;

/// Bytes that repeat for ever. Copies share them.
#[derive(Clone)]
pub(crate) struct Source {
    /// How a round begins.
    bytes: Rc<[u8]>,
    /// What comes behind `bytes`, again and again, up to the end of the round.
    rest: Rc<[u8]>,
    /// Bytes of a round.
    length: u64,
}

impl Source {
    /// `bytes`, again and again.
    pub(crate) fn new(bytes: Vec<u8>) -> Source {
        Source {
            length: bytes.len() as u64,
            bytes: bytes.into(),
            rest: Rc::new([]),
        }
    }

    /// This head and so many bytes of the pattern, again and again.
    pub(crate) fn response(head: String, pattern: &Source, body_bytes: usize) -> Source {
        let mut bytes = head.into_bytes();
        let length = (bytes.len() + body_bytes) as u64;
        bytes.extend(pattern.take(body_bytes.min(KEPT)));
        Source {
            bytes: bytes.into(),
            rest: pattern.bytes.clone(),
            length,
        }
    }

    /// What one round of it counts.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// What comes at this position, up to the end of the round at most.
    pub(crate) fn from(&self, position: u64) -> &[u8] {
        let position = position % self.length;
        let Some(behind) = position.checked_sub(self.bytes.len() as u64) else {
            return &self.bytes[usize::try_from(position).expect("less than the length")..];
        };
        let rest =
            &self.rest[usize::try_from(behind % self.rest.len() as u64).expect("less than the length")..];
        let left = usize::try_from(self.length - position).unwrap_or(usize::MAX);
        &rest[..rest.len().min(left)]
    }

    /// Bytes in no regular order, the same each time. They begin with the letters of [`super::work::Stream`].
    pub(crate) fn pattern() -> Source {
        let step = |seed: &mut u32| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(seed.to_be_bytes()[0])
        };
        let mut bytes: Vec<u8> = (0..PERIOD).scan(1, |seed, _| step(seed)).collect();
        bytes[..3].copy_from_slice(b"EDB");
        Source::new(bytes)
    }

    /// The first `length` bytes.
    fn take(&self, length: usize) -> Vec<u8> {
        self.bytes.iter().copied().cycle().take(length).collect()
    }

    /// Whether `bytes` are what stands at this position: all of them when they are few, else samples.
    pub(crate) fn holds(&self, position: u64, bytes: &[u8]) -> bool {
        let (mut position, mut rest) = (position, bytes);
        while !rest.is_empty() {
            let expected = self.from(position);
            let (now, later) = rest.split_at(rest.len().min(expected.len()));
            if !alike(now, &expected[..now.len()]) {
                return false;
            }
            (position, rest) = (position + now.len() as u64, later);
        }
        true
    }
}

fn alike(found: &[u8], expected: &[u8]) -> bool {
    if found.len() <= 2 * STRIDE {
        return found == expected;
    }
    let last = found.len() - SAMPLE;
    let mut samples = (0..last).step_by(STRIDE).chain([last]);
    samples.all(|at| found[at..at + SAMPLE] == expected[at..at + SAMPLE])
}
