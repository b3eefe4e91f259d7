//! What was counted while it was counted. Measures nothing itself.

use std::time::{Duration, Instant};

/// Counts of one measurement.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Units of work that were done and right.
    pub(crate) units: u64,
    /// Bytes that arrived in bulk tunnels, at both ends.
    pub(crate) bulk_bytes: u64,
    /// Bytes of responses' bodies that arrived, also of those that are not done.
    pub(crate) body_bytes: u64,
    /// What went wrong, of any kind.
    pub(crate) errors: u64,
    /// The first of them, in words.
    pub(crate) first_error: Option<String>,
    /// Nanoseconds of each unit.
    latencies: Vec<u32>,
}

impl Tally {
    /// A unit is done that began at `since`.
    pub(crate) fn unit(&mut self, since: Instant) {
        self.units += 1;
        self.latencies
            .push(u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }

    /// Something went wrong.
    pub(crate) fn error(&mut self, what: String) {
        self.errors += 1;
        self.first_error.get_or_insert(what);
    }

    /// The units' quantile `q`, of 0 to 1; `None` without units.
    pub(crate) fn quantile(&mut self, q: f64) -> Option<Duration> {
        let last = self.latencies.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a product of an index and a number up to 1"
        )]
        let at = ((last as f64) * q).round() as usize;
        let (_, value, _) = self.latencies.select_nth_unstable(at.min(last));
        Some(Duration::from_nanos(u64::from(*value)))
    }
}
