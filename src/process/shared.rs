//! What all loops of the process have in common. What each has of its own is made in `loops`.

use std::sync::Arc;

use crate::log::Logger;
use crate::policy::Policy;
use crate::tls::{Client, Leaves, Server};

use super::descriptors::Descriptors;

/// What all connections may hold beyond 4 KiB a direction.
pub(super) const BUDGET_BYTES: usize = 32 * 1024 * 1024;

/// What was read from files and holds for whoever comes next; a reload replaces it as a whole.
#[derive(Clone)]
pub(super) struct InForce {
    pub(super) policy: Arc<Policy>,
    /// What the proxy presents to its clients, where those speak TLS.
    pub(super) tls: Option<Arc<Server>>,
    /// Whom it believes of the servers that it connects to.
    pub(super) trust: Arc<Client>,
    /// The CA that signs for intercepted tunnels, if there is one.
    pub(super) mitm: Option<Arc<Leaves>>,
}

/// What loops share.
pub(super) struct Shared {
    /// In force now.
    pub(super) in_force: InForce,
    /// The log's queue.
    pub(super) logger: Logger,
    /// How many descriptors each part may hold.
    pub(super) descriptors: Descriptors,
    /// Client connections at a time.
    pub(super) connections_max: usize,
}
