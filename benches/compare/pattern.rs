//! What goes over the wire, known to whoever reads it: byte N of a stream is `Pattern::at(N)`. Opens no socket.

use std::rc::Rc;

/// No multiple of it is a power of two, so bytes in the wrong place show.
const PERIOD: usize = 251 * 1024;

/// One cache line out of this many bytes is compared in long pieces; the first and the last bytes always are.
const STRIDE: usize = 1024;
const SAMPLE: usize = 64;

/// Bytes that repeat for ever. Copies share them.
#[derive(Clone)]
pub(crate) struct Source(Rc<[u8]>);

impl Source {
    /// `bytes`, again and again.
    pub(crate) fn new(bytes: Vec<u8>) -> Source {
        Source(bytes.into())
    }

    /// What one round of it counts.
    pub(crate) fn length(&self) -> u64 {
        self.0.len() as u64
    }

    /// From this position to the end of the round.
    pub(crate) fn from(&self, position: u64) -> &[u8] {
        &self.0[usize::try_from(position % self.length()).expect("less than the length")..]
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
    pub(crate) fn take(&self, length: usize) -> Vec<u8> {
        self.0.iter().copied().cycle().take(length).collect()
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
