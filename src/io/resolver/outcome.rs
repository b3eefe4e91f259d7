//! How a question is named, and what can come of it: the words that the back ends share. Nothing is asked here.

use std::net::IpAddr;
use std::time::Duration;

/// A question to a back end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct QuestionId(pub(super) u64);

/// What a back end found out. The texts follow on `lookup NAME`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// Addresses, never none, of one family; the outcome is still to come, and will hold them.
    Part(Vec<IpAddr>),
    Found(Found),
    Absent,
    Failed(String),
    TimedOut(String),
}

/// Addresses, and how long they may be kept; `None` when nobody said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Option<Duration>,
}
