//! A warning about what may fail again and again: it is said once for as long as that goes on. What is said, and how, is
//! the caller's business.

use std::time::Duration;

use crate::clock::Instant;

/// However often the reason changes, there is so long between two sayings.
const DISTANCE_MIN: Duration = Duration::from_secs(1);

/// What was said to have failed, and when.
#[derive(Debug)]
pub struct Told {
    quiet_min: Duration,
    last: Option<Said>,
}

#[derive(Debug)]
struct Said {
    reason: String,
    at: Instant,
    /// When it last failed for this reason.
    failed_at: Instant,
}

impl Told {
    /// Nothing failed yet. What did not fail for `quiet_min` counts as over: the next time is said again.
    pub fn new(quiet_min: Duration) -> Told {
        Told {
            quiet_min,
            last: None,
        }
    }

    /// It failed just now, for this reason. Is that to be said: does it begin, or is it another reason than the last?
    pub fn is_news(&mut self, reason: &str, now: Instant) -> bool {
        if let Some(said) = &mut self.last {
            let since = |at: Instant| now.duration_since(at);
            let goes_on = said.reason == reason && since(said.failed_at) < self.quiet_min;
            if goes_on {
                said.failed_at = now;
            }
            if goes_on || since(said.at) < DISTANCE_MIN {
                return false;
            }
        }
        self.last = Some(Said {
            reason: reason.to_owned(),
            at: now,
            failed_at: now,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_once_and_again_after_a_quiet_time_or_for_another_reason() {
        let start = Instant::now();
        let mut told = Told::new(Duration::from_secs(10));
        let mut said = |reason, seconds| told.is_news(reason, start + Duration::from_secs(seconds));
        assert_eq!(
            [0, 9, 18, 27].map(|at| said("a", at)),
            [true, false, false, false]
        );
        assert_eq!([37, 38].map(|at| said("a", at)), [true, false]);
        assert_eq!([39, 40].map(|at| said("b", at)), [true, false]);
        assert!(said("a", 41));
    }

    #[test]
    fn reasons_that_take_turns_are_said_once_a_second() {
        let start = Instant::now();
        let mut told = Told::new(Duration::from_secs(10));
        let said = (0..100).filter(|nth| {
            let reason = if nth % 2 == 0 { "a" } else { "b" };
            told.is_news(reason, start + Duration::from_millis(100 * nth))
        });
        assert!((2..=10).contains(&said.count()));
    }
}
