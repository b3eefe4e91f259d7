//! A warning about what may fail again and again: it is said once for as long as that goes on. What is said, and how, is
//! the caller's business.

use std::time::{Duration, Instant};

/// What failed last, and when.
#[derive(Debug)]
pub struct Told {
    quiet_min: Duration,
    last: Option<(String, Instant)>,
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
        let goes_on = self
            .last
            .as_ref()
            .is_some_and(|(last, at)| last == reason && now.saturating_duration_since(*at) < self.quiet_min);
        if goes_on {
            self.last.iter_mut().for_each(|(_, at)| *at = now);
        } else {
            self.last = Some((reason.to_owned(), now));
        }
        !goes_on
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
}
