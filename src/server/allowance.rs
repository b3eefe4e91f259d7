//! What a piece of the loop's work may use up before it is another's turn: bytes, and time. The clock is read seldom,
//! for most turns are over before anybody would ask; so time runs from the first reading.

use std::time::Duration;

use crate::clock::Instant;

/// Bytes between two readings of the clock, or what costs as much: that is about 10 us.
const CHECKED_BYTES: usize = 16 * 1024;

/// What is left.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    bytes: usize,
    /// Until the clock is read again.
    unchecked_bytes: usize,
    time: Duration,
    until: Option<Instant>,
    clock: fn() -> Instant,
}

impl Allowance {
    /// So many bytes, and hardly more than so much time.
    pub fn new(bytes: usize, time: Duration) -> Allowance {
        Allowance::by(Instant::now, bytes, time)
    }

    /// Likewise, by another clock.
    pub fn by(clock: fn() -> Instant, bytes: usize, time: Duration) -> Allowance {
        Allowance {
            bytes,
            unchecked_bytes: 0,
            time,
            until: None,
            clock,
        }
    }

    /// Takes off bytes that moved, or work that costs as much.
    pub fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.unchecked_bytes += bytes;
        if self.unchecked_bytes >= CHECKED_BYTES {
            self.check();
        }
    }

    /// Nothing is left.
    pub fn is_spent(&self) -> bool {
        self.bytes == 0
    }

    #[cold]
    fn check(&mut self) {
        self.unchecked_bytes = 0;
        let now = (self.clock)();
        if now >= *self.until.get_or_insert(now + self.time) {
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<Instant> = Cell::new(Instant::now());
        static READ: Cell<usize> = const { Cell::new(0) };
    }

    fn clock() -> Instant {
        READ.set(READ.get() + 1);
        NOW.get()
    }

    fn pass(time: Duration) {
        NOW.set(NOW.get() + time);
    }

    #[test]
    fn it_ends_with_its_bytes() {
        let mut allowance = Allowance::by(clock, 100_000, Duration::from_millis(1));
        allowance.spend(99_999);
        assert!(!allowance.is_spent());
        allowance.spend(7);
        assert!(allowance.is_spent());
    }

    #[test]
    fn it_ends_with_its_time() {
        let mut allowance = Allowance::by(clock, usize::MAX, Duration::from_millis(1));
        allowance.spend(CHECKED_BYTES);
        pass(Duration::from_micros(999));
        allowance.spend(CHECKED_BYTES);
        assert!(!allowance.is_spent());
        pass(Duration::from_micros(1));
        allowance.spend(1);
        assert!(!allowance.is_spent(), "nobody looked");
        allowance.spend(CHECKED_BYTES);
        assert!(allowance.is_spent());
    }

    #[test]
    fn a_small_turn_reads_no_clock() {
        let before = READ.get();
        let mut allowance = Allowance::by(clock, usize::MAX, Duration::from_millis(1));
        (0..15).for_each(|_| allowance.spend(1000));
        assert_eq!(READ.get(), before);
        (0..15).for_each(|_| allowance.spend(10_000));
        assert_eq!(READ.get(), before + 8);
    }
}
