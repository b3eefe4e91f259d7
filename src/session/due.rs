//! Deadlines as values that states combine and compare. What is due when is each state's own matter.

use crate::clock::Instant;

/// The earlier of two deadlines, either of which may not be.
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Has it passed?
pub(super) fn is_due(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| at <= now)
}
