//! Which lines about strangers are written: as many as a person can read, and now and then how many were not. What a line
//! says is decided in `log`.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::Instant;
use crate::lock::unpoisoned;
use crate::net::ClientKey;
use crate::policy::rates::{Excess, Rates};

/// So long after a line was left out it is said how many were.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);

/// Counts lines about strangers. Clones are the other loops', and count the same lines.
#[derive(Clone, Debug)]
pub struct StrangerLines {
    counted: Arc<Mutex<Counted>>,
    /// When this loop is to ask for the summary, because it left a line out. It may be another that says it.
    summary_at: Option<Instant>,
}

#[derive(Debug)]
struct Counted {
    rates: Rates,
    summary_at: Option<Instant>,
}

impl StrangerLines {
    /// None so far.
    pub fn new(now: Instant) -> StrangerLines {
        let counted = Counted {
            rates: Rates::of_strangers(now),
            summary_at: None,
        };
        StrangerLines {
            counted: Arc::new(Mutex::new(counted)),
            summary_at: None,
        }
    }

    /// May so many lines about this client be written?
    pub fn admits(&mut self, client: ClientKey, lines: u32, now: Instant) -> bool {
        let mut counted = lock(&self.counted);
        let admitted = counted.rates.admits(client, lines, now);
        if !admitted {
            let at = *counted.summary_at.get_or_insert(now + SUMMARY_INTERVAL);
            self.summary_at = Some(at);
        }
        admitted
    }

    /// When something is to be said.
    pub fn deadline(&self) -> Option<Instant> {
        self.summary_at
    }

    /// What is to be said by now, if anything.
    pub fn summary(&mut self, now: Instant) -> Option<Excess> {
        self.summary_at.take_if(|at| *at <= now)?;
        let mut counted = lock(&self.counted);
        counted.summary_at.take_if(|at| *at <= now)?;
        Some(counted.rates.take_excess())
    }

    /// What would be said later.
    pub fn last_summary(&mut self) -> Option<Excess> {
        self.summary_at.take()?;
        let mut counted = lock(&self.counted);
        counted.summary_at.take()?;
        Some(counted.rates.take_excess())
    }
}

/// Nothing panics under the lock.
fn lock(counted: &Mutex<Counted>) -> MutexGuard<'_, Counted> {
    unpoisoned(counted.lock())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said_once_each_ten_seconds() {
        let start = Instant::now();
        let mut lines = StrangerLines::new(start);
        let client = ClientKey::of([10, 0, 0, 1].into());
        assert!((0..500).all(|_| lines.admits(client, 2, start)) && lines.deadline().is_none());
        assert!(!lines.admits(client, 2, start) && !lines.admits(client, 2, start));
        let due = start + SUMMARY_INTERVAL;
        assert_eq!(lines.deadline(), Some(due));
        assert_eq!(lines.summary(due - Duration::from_millis(1)), None);
        let excess = Excess {
            count: 4,
            addresses: 1,
        };
        assert_eq!((lines.summary(due), lines.summary(due)), (Some(excess), None));
        assert!((0..500).all(|_| lines.admits(client, 2, due)));
        assert!(!lines.admits(client, 1, due));
        let excess = Excess {
            count: 1,
            addresses: 1,
        };
        assert_eq!((lines.last_summary(), lines.deadline()), (Some(excess), None));
    }

    #[test]
    fn what_two_loops_leave_out_is_said_once() {
        let start = Instant::now();
        let mut first = StrangerLines::new(start);
        let mut second = first.clone();
        let client = ClientKey::of([10, 0, 0, 1].into());
        assert!((0..500).all(|_| first.admits(client, 1, start) && second.admits(client, 1, start)));
        assert!(!first.admits(client, 1, start) && !second.admits(client, 2, start));
        let due = start + SUMMARY_INTERVAL;
        assert_eq!((first.deadline(), second.deadline()), (Some(due), Some(due)));
        let excess = Excess {
            count: 3,
            addresses: 1,
        };
        assert_eq!((second.summary(due), first.summary(due)), (Some(excess), None));
        assert_eq!(first.deadline(), None);
    }
}
