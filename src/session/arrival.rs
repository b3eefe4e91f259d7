//! State: a client has connected, and nothing it sent was looked at. Where clients speak TLS its first byte must begin a
//! handshake. Otherwise whatever comes is a request's head, also the ClientHello of a client that takes the port for one
//! with TLS, for the answer that it gets is that of a head which is none.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Instant;

use super::at::At;
use super::refusal::Refusal;
use super::shared::Shared;
use super::then::{Step, Then};
use super::waiting::{self, Waiting};
use super::words::{Input, Settings};

/// What TLS begins with: the type of a record that holds handshake messages (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 0x16;

/// To whom speaks HTTP without TLS, in words that a person can act on.
const NOT_TLS: Refusal = Refusal::Malformed("this port speaks TLS: give the proxy's address as https://");

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
        if let Some(&first) = at.flows.up.rx.as_slice().first() {
            return Break(match (at.cx.settings.takes_tls, first) {
                (false, _) => Then::FirstHead(self.waiting.since()),
                (true, HANDSHAKE_RECORD) => Then::Secure(self.waiting.since()),
                (true, _) => waiting::refuse(NOT_TLS, 0, at),
            });
        }
        match self.waiting.given_up(at) {
            Some(then) => Break(then),
            None => Continue(self),
        }
    }
}
