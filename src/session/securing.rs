//! State: the client's handshake. The wire does it, bytes of it never come here; this waits for it, says who the client is
//! known to be, or why it failed, and does not wait long.

use std::ops::ControlFlow::{Break, Continue};

use crate::clock::Instant;
use crate::flow::End;
use crate::net::{IoFailKind, Side};

use super::at::At;
use super::then::{Step, Then};
use super::waiting::{HANDSHAKE_TIMEOUT, TOO_SLOW, no_handshake, warn_of_handshake};
use super::words::{Action, Close, HandshakeFail, Input};

/// Waiting for the handshake to end.
#[derive(Debug)]
pub(super) struct Securing {
    /// When the client connected.
    since: Instant,
}

impl Securing {
    /// Asks for it.
    pub(super) fn enter(since: Instant, at: &mut At<'_, '_>) -> Securing {
        at.act(match at.shared.inside() {
            Some(_) => Action::SecureInside,
            None => Action::Secure,
        });
        Securing { since }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.since + HANDSHAKE_TIMEOUT
    }

    pub(super) fn advance(self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Securing> {
        match input {
            Input::Secured(Side::Client, certificate) => {
                if at.shared.inside().is_some() {
                    // Who it is was said before.
                    return Break(Then::FirstHead(at.cx.now));
                }
                at.shared.note_certificate(certificate, at.cx.policy);
                Break(Then::SecuredHead(self.since))
            }
            Input::Broken(Side::Client, fail) => {
                let kind = match fail.kind {
                    IoFailKind::Reset => HandshakeFail::Closed,
                    _ => HandshakeFail::Refused,
                };
                warn_of_handshake(kind, &fail.text, at);
                // What tells the client why is still to be read by it.
                Break(Then::Linger)
            }
            Input::Starved(_) => Break(no_handshake(
                HandshakeFail::Overloaded,
                "no memory is left for it",
                at,
            )),
            Input::Expired if self.deadline() <= at.cx.now => {
                Break(no_handshake(HandshakeFail::Timeout, TOO_SLOW, at))
            }
            Input::Unwritable(_, fail) => Break(no_handshake(HandshakeFail::Closed, &fail.text, at)),
            Input::Terminate => Break(Then::Close(Close::Orderly)),
            _ if at.flows.up.end >= End::Reached => Break(no_handshake(
                HandshakeFail::Closed,
                "the client went away during it",
                at,
            )),
            _ => Continue(self),
        }
    }
}
