//! Who is asked: the system, or the configured servers. Passes every call on to the one that is there.

use std::sync::Arc;

use crate::clock::Instant;
use crate::net::ClientKey;

use super::outcome::{Outcome, QuestionId};
use super::stub::Stub;
use super::system::{LookedUp, System};

/// One of the two back ends.
pub(super) enum Back {
    /// `getaddrinfo` on threads.
    System(Box<System>),
    /// Our own stub resolver on the loop.
    Stub(Box<Stub>),
}

impl Back {
    /// Asks on this client's account, as soon as it is its turn; the outcome comes out of [`Back::outcomes`], possibly
    /// at once.
    pub(super) fn ask(&mut self, id: QuestionId, name: &Arc<str>, client: ClientKey, now: Instant) {
        match self {
            Back::System(system) => system.ask(id, Arc::clone(name), client),
            Back::Stub(stub) => stub.ask(id, name, client, now),
        }
    }

    /// Another client waits for this question too.
    pub(super) fn join(&mut self, id: QuestionId, client: ClientKey, now: Instant) {
        match self {
            Back::System(system) => system.join(id, client),
            Back::Stub(stub) => stub.join(id, client, now),
        }
    }

    /// Nobody waits for this question any more. True if its outcome will come all the same.
    pub(super) fn forget(&mut self, id: QuestionId) -> bool {
        match self {
            Back::System(system) => system.forget(id),
            Back::Stub(stub) => stub.forget(id),
        }
    }

    /// The outcomes since the last call.
    pub(super) fn outcomes(&mut self) -> Vec<(QuestionId, Outcome)> {
        match self {
            Back::System(system) => system.outcomes(),
            Back::Stub(stub) => stub.outcomes(),
        }
    }

    /// One of the sockets became ready.
    pub(super) fn on_event(&mut self, slot: u32, now: Instant) {
        if let Back::Stub(stub) = self {
            stub.on_event(slot, now);
        }
    }

    /// One of the threads is done.
    pub(super) fn on_looked_up(&mut self, looked_up: LookedUp) {
        if let Back::System(system) = self {
            system.on_looked_up(looked_up);
        }
    }

    /// The loop was woken.
    pub(super) fn on_wake(&mut self, now: Instant) {
        if let Back::Stub(stub) = self {
            stub.on_wake(now);
        }
    }

    /// The deadline has passed.
    pub(super) fn on_deadline(&mut self, now: Instant) {
        if let Back::Stub(stub) = self {
            stub.on_deadline(now);
        }
    }

    /// When [`Back::on_deadline`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Back::System(_) => None,
            Back::Stub(stub) => stub.deadline(),
        }
    }
}
