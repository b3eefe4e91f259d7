//! State: the TLS handshake with the other end of a connection that we made. The wire does it, bytes of it never come here;
//! this waits for it, not for long, and says to whom it failed and why. The request's head stays in the errand meanwhile:
//! nothing of it leaves before the peer is known.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use crate::clock::Instant;
use crate::flow::{End, Gate};
use crate::net::{IoFail, IoFailKind, Peer, Side, TlsFault};

use super::approach::{Approach, Reached};
use super::at::At;
use super::due::{earliest, is_due};
use super::onward::onward;
use super::refusal::Refusal;
use super::shared::Shared;
use super::then::{Step, Then};
use super::words::{Action, Input, Settings};

/// Where dials have no limit but the kernel's (`--timeout 0`), a handshake has this one: no kernel ends it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// Waiting for the handshake to end.
#[derive(Debug)]
pub(super) struct Handshake {
    approach: Box<Approach>,
    /// How far the connection has come when it is done.
    reaches: Reached,
    since: Instant,
}

impl Handshake {
    /// Asks for it. What was read of the connection and not used is the peer's first word.
    pub(super) fn enter(
        approach: Box<Approach>,
        peer: Peer,
        reaches: Reached,
        at: &mut At<'_, '_>,
    ) -> Handshake {
        // What it opens comes from the origin; of what the client sends nothing may pass.
        at.flows.up.gate = Gate::Pass(0);
        at.flows.down.gate = Gate::Hold;
        at.act(Action::SecureOrigin(peer));
        let since = at.cx.now;
        Handshake {
            approach,
            reaches,
            since,
        }
    }

    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Option<Instant> {
        let half_closed = self.approach.errand.half_close_deadline(shared);
        earliest(Some(self.own_deadline(settings)), half_closed)
    }

    /// The dial's, which goes on.
    fn own_deadline(&self, settings: &Settings) -> Instant {
        match settings.connect_timeout {
            Some(limit) => self.approach.since + limit,
            None => self.since + HANDSHAKE_TIMEOUT,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.approach.errand.request.head.len()
    }

    pub(super) fn advance(self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Handshake> {
        let then = match input {
            Input::Secured(Side::Origin, _) => onward(*self.approach, self.reaches),
            Input::Broken(Side::Origin, fail) => self.refuse(fault(fail), &fail.text, at),
            Input::Broken(Side::Client, fail) | Input::Unwritable(Side::Client, fail) => {
                self.approach.errand.abandon(&fail.text, at)
            }
            Input::Starved(_) => {
                at.drop_origin();
                let refusal =
                    Refusal::Overloaded("No memory is left for the TLS handshake with the remote host.");
                self.approach.errand.refuse(refusal)
            }
            Input::Terminate => self.approach.errand.abandon("the proxy shut down", at),
            Input::Expired if is_due(self.approach.errand.half_close_deadline(at.shared), at.cx.now) => self
                .approach
                .errand
                .abandon("the client closed its connection", at),
            Input::Expired if self.own_deadline(at.cx.settings) <= at.cx.now => {
                let waited = at.cx.now.duration_since(self.since);
                self.refuse(TlsFault::Timeout, &format!("no answer within {waited:.1?}"), at)
            }
            _ if at.flows.down.end >= End::Reached => {
                self.refuse(TlsFault::Ended, "it closed the connection in the handshake", at)
            }
            // Why the peer takes no more may still be read: its alert, or a reset.
            _ => return Continue(self),
        };
        Break(then)
    }

    /// Answers the request by why the handshake failed, and with whom.
    fn refuse(self, fault: TlsFault, why: &str, at: &mut At<'_, '_>) -> Then {
        at.drop_origin();
        let Approach {
            errand, connection, ..
        } = *self.approach;
        let (request, remote) = (&errand.request, connection.remote);
        let text = match self.reaches {
            Reached::SecuredToUpstream => format!("TLS with it at {remote}: {why}"),
            Reached::Connected | Reached::Tunnelled | Reached::Secured => {
                format!("TLS with {} at {remote}: {why}", request.allowed.target().host)
            }
        };
        let text = request.at_whom(&text);
        errand.refuse(Refusal::TlsFailed(fault, text))
    }
}

fn fault(fail: &IoFail) -> TlsFault {
    match fail.kind {
        IoFailKind::Tls(fault) => fault,
        IoFailKind::Reset => TlsFault::Ended,
        _ => TlsFault::Protocol,
    }
}
