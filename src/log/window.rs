//! When the lines of a loop are written: a first one at once, those of the next milliseconds together. Reads no clock,
//! and knows no lines: only that there are some.

use std::time::Duration;

use crate::clock::Instant;

/// At most 200 rounds of writing a second, and a line that nobody who follows the log by eye or by `tail -f` sees late.
pub(super) const WINDOW: Duration = Duration::from_millis(5);

/// How long lines gather. One begins when lines are written, and what comes in it is written at its end; where nothing
/// comes, it just passes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    end: Option<Instant>,
    /// Lines wait for that.
    has_lines: bool,
}

impl Window {
    /// A line waits from now on.
    pub(super) fn note_line(&mut self) {
        self.has_lines = true;
    }

    /// When the lines that wait are to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.end.filter(|_| self.has_lines)
    }

    /// Are there lines that are to be written by now? Then the next window begins.
    pub(super) fn ends(&mut self, now: Instant) -> bool {
        let ends = self.has_lines && self.end.is_none_or(|end| end <= now);
        if ends {
            *self = Window {
                end: Some(now + WINDOW),
                has_lines: false,
            };
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_line_is_written_at_once() {
        let (mut window, now) = (Window::default(), Instant::now());
        assert!(!window.ends(now));
        window.note_line();
        assert!(window.ends(now));
        assert!(!window.ends(now + WINDOW), "there is nothing to be written");
    }

    #[test]
    fn those_behind_it_are_written_together_when_the_window_ends() {
        let (mut window, now) = (Window::default(), Instant::now());
        window.note_line();
        assert!(window.ends(now));
        assert_eq!(window.due(), None, "nobody need wake for an empty window");
        for _ in 0..2 {
            window.note_line();
            assert_eq!(window.due(), Some(now + WINDOW));
            assert!(!window.ends(now + WINDOW - Duration::from_nanos(1)));
        }
        assert!(window.ends(now + WINDOW));
        assert_eq!(window.due(), None);
    }

    #[test]
    fn what_was_written_late_begins_a_window_too() {
        let (mut window, now) = (Window::default(), Instant::now());
        window.note_line();
        assert!(window.ends(now));
        window.note_line();
        let late = now + 3 * WINDOW;
        assert!(window.ends(late));
        window.note_line();
        assert!(!window.ends(late));
        assert_eq!(window.due(), Some(late + WINDOW));
    }

    #[test]
    fn after_a_window_without_lines_one_is_written_at_once() {
        let (mut window, now) = (Window::default(), Instant::now());
        window.note_line();
        assert!(window.ends(now));
        window.note_line();
        assert!(window.ends(now + WINDOW));
        window.note_line();
        assert!(window.ends(now + 2 * WINDOW));
    }
}
