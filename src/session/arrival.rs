//! State: a client has connected, and nothing it sent was looked at. Its first byte says which language it speaks. There
//! is one as yet: whatever comes is a request's head, also the ClientHello of a client that takes the port for one with
//! TLS, for the answer that it gets is that of a head which is none.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Instant;

use super::at::At;
use super::shared::Shared;
use super::then::{Step, Then};
use super::waiting::Waiting;
use super::words::{Input, Settings};

/// Waiting for the first byte.
#[derive(Debug)]
pub(super) struct Arrival {
    waiting: Waiting,
}

impl Arrival {
    /// Of a client that just connected.
    pub(super) fn new(now: Instant) -> Arrival {
        Arrival {
            waiting: Waiting::first(now),
        }
    }

    /// That of the first head, whose time runs from the accept on.
    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Instant {
        self.waiting.deadline(shared, settings)
    }

    pub(super) fn advance(self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Arrival> {
        if let Some(then) = self.waiting.ended_by(&input, 0, at) {
            return Break(then);
        }
        if !at.flows.up.rx.is_empty() {
            return Break(Then::FirstHead(self.waiting.since()));
        }
        match self.waiting.given_up(at) {
            Some(then) => Break(then),
            None => Continue(self),
        }
    }
}
