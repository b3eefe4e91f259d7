//! What is next on a connection's way to the origin: the order in which it is secured and handed over. A leg that is added,
//! such as what an upstream proxy is asked for, has its place here; how it is gone is the business of a state of its own.

use std::time::Instant;

use super::approach::{Approach, Reached};
use super::errand::Errand;
use super::then::Then;
use super::words::Dialled;

/// What follows on a connection that has come so far. Its dial began `since`.
pub(super) fn onward(errand: Errand, connection: Dialled, since: Instant, reached: Reached) -> Then {
    match errand.request.peer() {
        // One that was kept for the same scheme is secured already.
        Some(peer) if reached == Reached::Connected && !connection.reused => {
            let approach = Approach {
                errand,
                connection,
                since,
            };
            Then::SecureOrigin(Box::new(approach), peer)
        }
        Some(_) | None => Then::Arrive(errand, connection),
    }
}
