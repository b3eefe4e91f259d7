//! Whether and how far the process is on its way out, and what is due when. What that means for connections is a loop's
//! business.

use std::time::Duration;

use crate::clock::Instant;

/// How often a drain is told of.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// The way out: `Serving`, `Delaying` (still accepting), `Draining` (what is there may end), `Over`.
#[derive(Debug)]
pub(super) struct Exit {
    drain_delay: Duration,
    exit_timeout: Duration,
    phase: Phase,
    /// When it is told of next.
    tell_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Serving,
    /// Told to end; the listeners stay open until then.
    Delaying(Instant),
    /// The listeners are closed; what is left ends by then.
    Draining(Instant),
    /// Nothing may be left.
    Over,
}

/// What the loops are to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// No further clients, and let what is there come to its end.
    Drain,
    /// End what is left.
    Terminate,
}

impl Exit {
    /// Serving. `drain_delay` will be between the signal and closing the listeners; from then on what is still there may
    /// go on for `exit_timeout`.
    pub(super) fn new(drain_delay: Duration, exit_timeout: Duration) -> Exit {
        Exit {
            drain_delay,
            exit_timeout,
            phase: Phase::Serving,
            tell_at: None,
        }
    }

    /// Told to end. False if it was told before.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let begins = self.phase == Phase::Serving;
        if begins {
            self.phase = Phase::Delaying(now + self.drain_delay);
            self.tell_at = Some(now);
        }
        begins
    }

    /// Has to end though nobody told it to. There is nothing to delay. False if it was draining already.
    pub(super) fn fail(&mut self, now: Instant) -> bool {
        let fails = matches!(self.phase, Phase::Serving | Phase::Delaying(_));
        if fails {
            self.phase = Phase::Delaying(now);
            self.tell_at = Some(now);
        }
        fails
    }

    /// Told to end at once.
    pub(super) fn cut_short(&mut self) {
        self.phase = Phase::Over;
        self.tell_at = None;
    }

    /// What is due by now; each step is given once.
    pub(super) fn step(&mut self, now: Instant) -> Option<Step> {
        match self.phase {
            Phase::Delaying(until) if until <= now => {
                self.phase = Phase::Draining(now + self.exit_timeout);
                Some(Step::Drain)
            }
            Phase::Draining(until) if until <= now => {
                self.cut_short();
                Some(Step::Terminate)
            }
            _ => None,
        }
    }

    /// How much time is left, if it is time to say so.
    pub(super) fn tell(&mut self, now: Instant) -> Option<Duration> {
        self.tell_at.take_if(|at| *at <= now)?;
        let left = self.left(now)?;
        self.tell_at = Some(now + TELL_INTERVAL);
        Some(left)
    }

    /// How much time is left, once it was told to end.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let end = match self.phase {
            Phase::Serving => return None,
            Phase::Delaying(until) => until + self.exit_timeout,
            Phase::Draining(until) => until,
            Phase::Over => now,
        };
        Some(end.duration_since(now))
    }

    /// When [`Exit::step`] or [`Exit::tell`] has something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let step = match self.phase {
            Phase::Serving | Phase::Over => None,
            Phase::Delaying(until) | Phase::Draining(until) => Some(until),
        };
        step.into_iter().chain(self.tell_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(5);
    const TIMEOUT: Duration = Duration::from_secs(30);

    #[test]
    fn it_delays_drains_and_is_over_and_is_told_of_at_once_and_every_ten_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut exit = Exit::new(DELAY, TIMEOUT);
        assert_eq!(
            (exit.deadline(), exit.step(start), exit.tell(start)),
            (None, None, None)
        );
        assert!(exit.begin(start));
        assert_eq!(exit.tell(start), Some(DELAY + TIMEOUT));
        assert_eq!((exit.step(at(4)), exit.tell(at(4))), (None, None));
        assert_eq!(exit.deadline(), Some(at(5)));
        assert_eq!(exit.step(at(5)), Some(Step::Drain));
        assert_eq!((exit.step(at(5)), exit.deadline()), (None, Some(at(10))));
        assert_eq!(exit.tell(at(10)), Some(Duration::from_secs(25)));
        assert_eq!(exit.tell(at(20)), Some(Duration::from_secs(15)));
        assert_eq!(exit.step(at(34)), None);
        assert_eq!(exit.step(at(35)), Some(Step::Terminate));
        assert_eq!(
            (exit.step(at(99)), exit.tell(at(99)), exit.deadline()),
            (None, None, None)
        );
    }

    #[test]
    fn a_failure_drains_at_once_and_only_once() {
        let start = Instant::now();
        for told in [false, true] {
            let mut exit = Exit::new(DELAY, TIMEOUT);
            assert!(!told || exit.begin(start));
            assert!(exit.fail(start));
            assert_eq!(exit.step(start), Some(Step::Drain));
            assert_eq!(exit.tell(start), Some(TIMEOUT));
            assert!(!exit.fail(start) && exit.step(start).is_none());
        }
    }

    #[test]
    fn a_second_word_is_told_apart_at_any_time() {
        let start = Instant::now();
        for wait in [Duration::ZERO, DELAY, DELAY + TIMEOUT] {
            let mut exit = Exit::new(DELAY, TIMEOUT);
            assert!(exit.begin(start));
            exit.step(start + wait);
            assert!(!exit.begin(start + wait));
            exit.cut_short();
            assert_eq!((exit.step(start + wait), exit.deadline()), (None, None));
        }
    }
}
