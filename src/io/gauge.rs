//! A level that all loops of a process make up together: each sets its own part of it, and any of them may read the sum.
//! What stands so high is not known here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A part has a cache line of its own: it changes often, and others' are rarely read.
#[repr(align(64))]
#[derive(Default, Debug)]
struct Part(AtomicUsize);

/// A level, as one loop has it. Only that loop changes its part, so no part is changed twice at a time.
#[derive(Clone, Debug)]
pub struct Gauge {
    parts: Arc<[Part]>,
    own: usize,
}

impl Gauge {
    /// Nothing yet, for so many loops; as the first has it.
    pub fn new(loops: usize) -> Gauge {
        Gauge {
            parts: (0..loops.max(1)).map(|_| Part::default()).collect(),
            own: 0,
        }
    }

    /// As the loop of this number has it.
    #[must_use]
    pub fn for_loop(&self, number: u8) -> Gauge {
        Gauge {
            parts: Arc::clone(&self.parts),
            own: usize::from(number),
        }
    }

    /// This loop's part.
    pub fn own(&self) -> usize {
        self.parts
            .get(self.own)
            .map_or(0, |Part(level)| level.load(Ordering::Relaxed))
    }

    /// This loop's part is so much from now on.
    pub fn set(&self, level: usize) {
        if let Some(Part(part)) = self.parts.get(self.own) {
            part.store(level, Ordering::Relaxed);
        }
    }

    /// All parts.
    pub fn sum(&self) -> usize {
        self.parts
            .iter()
            .map(|Part(level)| level.load(Ordering::Relaxed))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loop_sets_its_part_and_reads_the_sum() {
        let first = Gauge::new(2);
        let second = first.for_loop(1);
        first.set(3);
        second.set(4);
        first.set(2);
        assert_eq!((first.own(), second.own()), (2, 4));
        assert_eq!([first.sum(), second.sum()], [6, 6]);
    }
}
