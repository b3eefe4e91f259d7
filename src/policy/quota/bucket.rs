//! A bucket of tokens, kept as the moment at which it will be full again: so it is one number, and nobody has to fill it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Instant;

const NANOS_PER_SECOND: f64 = 1e9;

/// What may happen in a second, and at once after a quiet time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rate {
    interval_nanos: u64,
    full_nanos: u64,
}

impl Rate {
    /// `per_second`, which may have a fraction, in the long run, and `burst` at once: without one, twice as many, but one at
    /// least. None where `per_second` is not above 0.
    pub fn new(per_second: f64, burst: Option<u32>) -> Option<Rate> {
        if !(per_second.is_finite() && per_second > 0.0) {
            return None;
        }
        // Up, so that it is never more; far more than anybody waits for is as good as never.
        let interval_nanos =
            whole((NANOS_PER_SECOND / per_second).ceil()).clamp(1, u64::from(u32::MAX) << 24);
        let burst = burst.map_or_else(|| whole(per_second * 2.0), u64::from).max(1);
        Some(Rate {
            interval_nanos,
            full_nanos: interval_nanos.saturating_mul(burst),
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates, and there is none below 0"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

/// A bucket, full at first.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// What the times are counted from: when it was first asked.
    began: OnceLock<Instant>,
    /// When it is full again.
    full_at_nanos: AtomicU64,
    /// What a token took when it was last asked: with another rate so many tokens are owed as before, not so long a time.
    interval_nanos: AtomicU64,
}

impl Bucket {
    /// Takes a token; tells whether there was one.
    pub(super) fn take(&self, rate: Rate, now: Instant) -> bool {
        let now = self.nanos(now);
        self.adopt(rate.interval_nanos, now);
        let taken = self
            .full_at_nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                let next = full_at.max(now).saturating_add(rate.interval_nanos);
                (next <= now.saturating_add(rate.full_nanos)).then_some(next)
            });
        taken.is_ok()
    }

    /// Gives one back that was taken now.
    pub(super) fn give_back(&self, rate: Rate) {
        let less = |full_at: u64| Some(full_at.saturating_sub(rate.interval_nanos));
        let _ = self
            .full_at_nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn adopt(&self, interval: u64, now: u64) {
        let before = self.interval_nanos.load(Ordering::Relaxed);
        if before == interval
            || self.interval_nanos.swap(interval, Ordering::Relaxed) == interval
            || before == 0
        {
            return;
        }
        let scaled = |full_at: u64| {
            let owed = u128::from(full_at.saturating_sub(now)) * u128::from(interval) / u128::from(before);
            Some(now.saturating_add(u64::try_from(owed).unwrap_or(u64::MAX)))
        };
        let _ = self
            .full_at_nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, scaled);
    }

    fn nanos(&self, now: Instant) -> u64 {
        let began = *self.began.get_or_init(|| now);
        u64::try_from(now.duration_since(began).as_nanos()).unwrap_or(u64::MAX)
    }
}
