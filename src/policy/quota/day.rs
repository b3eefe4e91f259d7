//! The bytes of a day of UTC: day and count in one number, so that midnight needs nobody to reset it, and nothing is
//! handed out twice however many ask at once.
//!
//! Only what was read already is asked for, so what was handed out is on its way, and "all handed out" is "used up".

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// So many bits are for bytes, the rest for days since 1970: until the year 2149.
const BYTES_BITS: u32 = 48;

/// The most that a day may have.
pub const BYTES_PER_DAY_MAX: u64 = (1 << BYTES_BITS) - 1;

fn seconds(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What is used of the day, and how much there is.
#[derive(Debug, Default)]
pub(super) struct Day {
    /// Day and bytes.
    used: AtomicU64,
    /// 0: there is no bound.
    max: AtomicU64,
}

impl Day {
    /// From now on a day has so many.
    pub(super) fn set_max(&self, max: Option<NonZeroU64>) {
        let max = max.map_or(0, |max| max.get().min(BYTES_PER_DAY_MAX));
        self.max.store(max, Ordering::Relaxed);
    }

    /// Takes as many of `wanted` bytes as there are; tells how many, and of which day.
    pub(super) fn take(&self, wanted: u64, wall: SystemTime) -> (u64, u64) {
        let max = match self.max.load(Ordering::Relaxed) {
            0 => return (wanted, u64::MAX),
            max => max,
        };
        let mut taken = (0, 0);
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
                let (day, used) = on(packed, wall);
                let n = wanted.min(max.saturating_sub(used));
                taken = (n, day);
                (n > 0).then_some(day << BYTES_BITS | (used + n))
            });
        taken
    }

    /// Takes back what was taken on that day and did not leave.
    pub(super) fn give_back(&self, bytes: u64, of_day: u64) {
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
                let (day, used) = unpacked(packed);
                (day == of_day).then(|| day << BYTES_BITS | used.saturating_sub(bytes))
            });
    }

    /// Is all of the day handed out?
    pub(super) fn is_spent(&self, wall: SystemTime) -> bool {
        let max = self.max.load(Ordering::Relaxed);
        max != 0 && self.used(wall) >= max
    }

    /// How long it is until the next one begins, in seconds, 1 s at least.
    pub(super) fn seconds_left(&self, wall: SystemTime) -> u32 {
        let (day, _) = on(self.used.load(Ordering::Relaxed), wall);
        let end = (day + 1) * SECONDS_PER_DAY;
        u32::try_from(end.saturating_sub(seconds(wall)).max(1)).unwrap_or(u32::MAX)
    }

    /// How much is handed out.
    pub(super) fn used(&self, wall: SystemTime) -> u64 {
        on(self.used.load(Ordering::Relaxed), wall).1
    }
}

fn unpacked(packed: u64) -> (u64, u64) {
    (packed >> BYTES_BITS, packed & BYTES_PER_DAY_MAX)
}

/// The day that it is, and what is used of it. A clock that is set back by some hours does not begin a day anew; one that
/// was days ahead does once it is right, for nobody can wait for that day.
fn on(packed: u64, wall: SystemTime) -> (u64, u64) {
    let (day, used) = unpacked(packed);
    let today = (seconds(wall) / SECONDS_PER_DAY).min(u64::MAX >> BYTES_BITS);
    match day == today || day == today + 1 {
        true => (day, used),
        false => (today, 0),
    }
}
