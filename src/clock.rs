//! The monotonic clock (`CLOCK_MONOTONIC`), and its times in eight bytes each, of which every connection keeps several: std's
//! have sixteen. Who may read it is no matter of this room: those who decide may not, and are told the time.

use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A time of the monotonic clock, in nanoseconds since the machine started: 584 years of them, beyond which times are taken
/// for the last, and before whose first for that. So nothing here panics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The last one, later than any that is reached.
    pub const LAST: Instant = Instant(NonZeroU64::MAX);

    /// Reads the clock.
    #[must_use]
    pub fn now() -> Instant {
        let time = clock_gettime(ClockId::Monotonic);
        // The kernel gives no negative times of this clock.
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Instant::of(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos))
    }

    fn of(nanos: u64) -> Instant {
        Instant(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }

    /// The time since `earlier`; none at all, if that is later.
    #[must_use]
    pub fn duration_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// The same; `None` if that is later.
    #[must_use]
    pub fn checked_duration_since(self, earlier: Instant) -> Option<Duration> {
        (self >= earlier).then(|| self.duration_since(earlier))
    }

    /// The time since then, by the clock.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Instant::now().duration_since(self)
    }
}

fn nanos_of(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(NANOS_PER_SECOND);
    seconds.saturating_add(u64::from(time.subsec_nanos()))
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, time: Duration) -> Instant {
        Instant(self.0.saturating_add(nanos_of(time)))
    }
}

/// For tests, the crate's and those beside it, which make their clock go.
impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, time: Duration) {
        *self = *self + time;
    }
}

/// For tests alone: near the machine's start "long ago" would be that.
#[cfg(test)]
impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, time: Duration) -> Instant {
        Instant::of(self.0.get().saturating_sub(nanos_of(time)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_the_clock_of_std() {
        let (before, start) = (Instant::now(), std::time::Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let (by_std, by_us) = (start.elapsed(), before.elapsed());
        assert!(
            by_us >= by_std && by_std >= Duration::from_millis(20),
            "{by_us:?} {by_std:?}"
        );
    }

    #[test]
    fn times_are_added_and_taken_away() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let later = now + second;
        assert_eq!(
            (later - now, later - second, later.duration_since(now)),
            (second, now, second)
        );
        assert_eq!(
            (now - later, now.checked_duration_since(later)),
            (Duration::ZERO, None)
        );
        assert_eq!(later - second, now);
    }

    #[test]
    fn what_is_out_of_range_is_the_last_or_the_first() {
        let now = Instant::now();
        assert_eq!(now + Duration::MAX, Instant::LAST);
        assert_eq!(now - Duration::MAX, Instant::of(0));
        assert_eq!(size_of::<Option<Instant>>(), 8);
    }
}
