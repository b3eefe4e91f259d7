//! What all loops of the process have in common. What each has of its own is made in `loops`.

use std::sync::Arc;

use crate::log::Logger;
use crate::policy::Policy;

use super::descriptors::Descriptors;

/// What loops share.
pub(super) struct Shared {
    /// In force; a reload replaces it as a whole.
    pub(super) policy: Arc<Policy>,
    /// The log's queue.
    pub(super) logger: Logger,
    /// How many descriptors each part may hold.
    pub(super) descriptors: Descriptors,
    /// Client connections at a time.
    pub(super) connections_max: usize,
}
