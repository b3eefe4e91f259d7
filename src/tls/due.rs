//! What ends some day, and what an operator is told from then on. Nothing is done about it here.

use std::time::{Duration, SystemTime};

/// What is said of those whose time is over. They count all the same.
pub(super) fn overdue(dues: &[Due], now: SystemTime) -> impl Iterator<Item = String> + '_ {
    dues.iter()
        .filter(move |due| due.at < now)
        .map(|due| due.words.clone())
}

/// When something ends, and what is to be said from then on.
#[derive(Debug)]
pub(super) struct Due {
    at: SystemTime,
    words: String,
}

impl Due {
    /// At this time, in seconds since 1970.
    pub(super) fn at(seconds: i64, words: String) -> Due {
        Due {
            at: time(seconds),
            words,
        }
    }
}

/// A time of a certificate or a list, in seconds since 1970; none is before that.
pub(super) fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
