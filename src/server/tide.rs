//! A level that rises and falls: when what its height took in memory is worth giving back, and by which of the loops that see
//! it fall. Gives nothing back itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How high it stood.
#[derive(Debug)]
pub(super) struct Tide {
    /// It counts as high from so much on.
    high: usize,
    level: usize,
    /// The highest level since it was restarted, if that was high; else 0.
    highest: usize,
}

impl Tide {
    /// Low.
    pub(super) fn new(high: usize) -> Tide {
        Tide {
            high,
            level: 0,
            highest: 0,
        }
    }

    /// So high it stands now.
    pub(super) fn note(&mut self, level: usize) {
        self.level = level;
        if level >= self.high {
            self.highest = self.highest.max(level);
        }
    }

    /// Has three quarters of what was there gone?
    pub(super) fn has_ebbed(&self) -> bool {
        self.level < self.highest / 4
    }

    /// What has gone was given back: now three quarters of the rest count.
    pub(super) fn restart(&mut self) {
        if self.has_ebbed() {
            self.highest = self.level;
        }
    }
}

/// How often memory was given back, as one of the loops knows it: what one gives back is the process's, and takes as long for
/// each that does.
#[derive(Clone, Default, Debug)]
pub struct Ebbs {
    common: Arc<AtomicU64>,
    seen: u64,
}

impl Ebbs {
    /// Nothing has ebbed, as far as this loop sees.
    pub(super) fn look(&mut self) {
        self.seen = self.common.load(Ordering::Relaxed);
    }

    /// This loop sees an ebb. Did no other give back what it left since [`Ebbs::look`]? Then this one is to.
    pub(super) fn is_first(&mut self) -> bool {
        let (seen, next) = (self.seen, self.seen.wrapping_add(1));
        let count = &self.common;
        count
            .compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_loops_that_see_an_ebb_the_first_gives_back() {
        let mut first = Ebbs::default();
        let mut second = first.clone();
        first.look();
        second.look();
        assert!(second.is_first() && !first.is_first());
        assert!(!second.is_first(), "it sees the same one still");
        first.look();
        assert!(first.is_first());
        assert!(!second.is_first(), "it slept through a flood");
    }

    #[test]
    fn it_has_ebbed_when_three_quarters_are_gone_and_again_with_those_of_the_rest() {
        let mut tide = Tide::new(100);
        let mut ebbs = |level| {
            tide.note(level);
            let ebbed = tide.has_ebbed();
            tide.restart();
            ebbed
        };
        assert_eq!([0, 99, 1, 0].map(&mut ebbs), [false; 4], "never high");
        assert_eq!(
            [1000, 400, 250, 249, 200, 63, 62, 61].map(&mut ebbs),
            [false, false, false, true, false, false, false, true]
        );
        assert_eq!([20, 14, 15].map(&mut ebbs), [false, true, false]);
    }
}
