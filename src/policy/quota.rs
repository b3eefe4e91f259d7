//! How much may be asked at a time, how often, and how much may pass in a day: the numbers of a set of limits, what is taken
//! of them, and the permits that give it back. All of it is shared by those who ask, from whichever thread, and none of it
//! waits. The time is handed in. Whom a set holds for, and what is said of who exceeds one, is `admission`'s business.

mod bucket;
mod clients;
mod day;
mod permits;

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use crate::clock::Instant;

use self::bucket::Bucket;
pub use self::bucket::Rate;
pub use self::clients::{ClientSlot, Clients};
pub use self::day::BYTES_PER_DAY_MAX;
use self::day::Day;
pub use self::permits::Permits;

/// What is limited.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// Connections of one client at a time.
    Connections,
    /// Requests at a time: each from its judgement to its answer's end, or to its own where that comes later, a CONNECT until its tunnel is there.
    Requests,
    /// Requests in a time, CONNECT too.
    Rate,
    /// Tunnels at a time, those included that are still dialled.
    Tunnels,
    /// Bytes of tunnels and bodies, both ways, in a day of UTC.
    Bytes,
}

/// The numbers of a set of limits; none: unlimited.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Limits {
    /// Requests at a time.
    pub requests: Option<NonZeroU32>,
    /// Requests in a time.
    pub rate: Option<Rate>,
    /// Tunnels at a time.
    pub tunnels: Option<NonZeroU32>,
    /// Bytes in a day of UTC, at most [`BYTES_PER_DAY_MAX`].
    pub bytes_per_day: Option<NonZeroU64>,
}

impl Limits {
    /// Is nothing limited?
    pub fn are_none(&self) -> bool {
        *self == Limits::default()
    }
}

/// A set of limits, and what is taken of it.
#[derive(Clone, Debug)]
pub struct Quota {
    limits: Limits,
    counts: Arc<Counts>,
}

/// What is taken of a set of limits. It outlives the numbers: a reload hands it on.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU32,
    tunnels: AtomicU32,
    bucket: Bucket,
    day: Day,
}

/// When something is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For what happens in a time.
    pub now: Instant,
    /// For what happens in a day.
    pub wall: SystemTime,
}

impl Quota {
    /// Of which nothing is taken yet.
    pub fn new(limits: Limits) -> Quota {
        let counts = Arc::new(Counts::default());
        counts.day.set_max(limits.bytes_per_day);
        Quota { limits, counts }
    }

    /// These numbers over what is taken of `before`, from now on for those too that have permits of it.
    #[must_use]
    pub fn after(self, before: &Quota) -> Quota {
        let counts = Arc::clone(&before.counts);
        counts.day.set_max(self.limits.bytes_per_day);
        Quota { counts, ..self }
    }

    /// The numbers.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many requests and tunnels have a permit.
    pub fn taken(&self) -> (u32, u32) {
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        (of(&self.counts.requests), of(&self.counts.tunnels))
    }

    /// How long it is until the next day begins, in seconds, 1 s at least.
    pub fn seconds_left_of_day(&self, wall: SystemTime) -> u32 {
        self.counts.day.seconds_left(wall)
    }

    /// How many bytes were handed out that day and did not come back.
    pub fn used_bytes(&self, wall: SystemTime) -> u64 {
        self.counts.day.used(wall)
    }
}

/// A count is at its bound.
struct Full;

/// Takes one of a count that has a bound; tells whether it has one.
fn take(count: &AtomicU32, max: Option<NonZeroU32>) -> Result<bool, Full> {
    let Some(max) = max else { return Ok(false) };
    let more = |taken: u32| (taken < max.get()).then_some(taken + 1);
    match count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
        Ok(_) => Ok(true),
        Err(_) => Err(Full),
    }
}

#[cfg(test)]
#[path = "quota_tests.rs"]
mod tests;
