//! What all locks of the house have in common. Locks nothing itself.

use std::sync::{LockResult, PoisonError};

/// What a lock guards, also where a thread panicked that held it: nothing that may panic is done here while that is half
/// changed, so it is whole, and one panic is not to stop all who come behind it.
pub(crate) fn unpoisoned<G>(result: LockResult<G>) -> G {
    result.unwrap_or_else(PoisonError::into_inner)
}
