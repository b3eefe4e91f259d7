//! A connection that is there and not yet the origin's: what may have to be done over it before anything is asked. Holds
//! how far it has come; what is next is `onward`'s to say.

use crate::clock::Instant;

use super::errand::Errand;
use super::words::Dialled;

/// A connection on its way to be the origin's. In a box: most are there at once, and have none.
#[derive(Debug)]
pub(super) struct Approach {
    /// What it is for. Its head waits there until the connection has arrived.
    pub(super) errand: Errand,
    /// What was dialled.
    pub(super) connection: Dialled,
    /// When the dial began: one limit holds for it and for all that follows.
    pub(super) since: Instant,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reached {
    /// It is connected to what was dialled: the target, or an upstream proxy.
    Connected,
    /// It is secured to the upstream that was dialled.
    SecuredToUpstream,
    /// The upstream made a tunnel of it that leads to the target.
    Tunnelled,
    /// It is secured to the target.
    Secured,
}
