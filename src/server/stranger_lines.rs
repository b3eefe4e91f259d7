//! Which lines about strangers are written: as many as a person can read, and now and then how many were not. What a line
//! says is decided in `log`.

use std::time::{Duration, Instant};

use crate::net::ClientKey;
use crate::policy::rates::{Excess, Rates};

/// So long after a line was left out it is said how many were.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);

/// Counts lines about strangers.
#[derive(Debug)]
pub struct StrangerLines {
    rates: Rates,
    summary_at: Option<Instant>,
}

impl StrangerLines {
    /// None so far.
    pub fn new(now: Instant) -> StrangerLines {
        StrangerLines {
            rates: Rates::of_strangers(now),
            summary_at: None,
        }
    }

    /// May so many lines about this client be written?
    pub fn admits(&mut self, client: ClientKey, lines: u32, now: Instant) -> bool {
        let admitted = self.rates.admits(client, lines, now);
        if !admitted {
            self.summary_at.get_or_insert(now + SUMMARY_INTERVAL);
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
        Some(self.rates.take_excess())
    }

    /// What would be said later.
    pub fn last_summary(&mut self) -> Option<Excess> {
        self.summary_at.take()?;
        Some(self.rates.take_excess())
    }
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
}
