//! How a client is waited for that owes a request head: until when, and what ends it before the head is whole. A
//! connection's arrival and each head share it; what a handshake before the head has of that time stands here too. What
//! the bytes mean is theirs to say.

use std::time::Duration;

use crate::clock::Instant;
use crate::flow::End;
use crate::net::Side;
use crate::text::slices::within;

use super::at::At;
use super::refusal::Refusal;
use super::request::Manner;
use super::shared::{STRANGER_TIMEOUT, Shared};
use super::then::Then;
use super::words::{Action, Close, HandshakeFail, Input, Settings};

/// A kept-alive client may stay silent for so long at most.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// From the accept on a handshake may take so long, the wait for its first byte included.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// While the server drains, so long a request may follow what comes before it, the connection itself included: who was
/// taken last is not to lose a request that is on its way.
const PREFACE_GRACE: Duration = Duration::from_secs(2);

/// Why one that takes longer fails.
pub(super) const TOO_SLOW: &str = "it took longer than 10 s";

/// Waiting for a client.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Since when: the accept, the last response, or the first byte.
    since: Instant,
    /// A byte of the head has arrived, or the client is new: the clock of the head runs.
    begun: bool,
    /// A byte of it has arrived.
    has_bytes: bool,
    /// Until then a request may still be on its way behind its connection or its preface: a server that drains waits for it.
    awaited_until: Option<Instant>,
}

impl Waiting {
    /// For a client that connected then.
    pub(super) fn first(accepted_at: Instant) -> Waiting {
        Waiting {
            since: accepted_at,
            begun: true,
            has_bytes: false,
            awaited_until: Some(accepted_at + PREFACE_GRACE),
        }
    }

    /// What comes before a request is done now, a PROXY header or a handshake. Behind it the request comes a round trip
    /// later than that of a client which needs none: the server may begin to drain just then.
    pub(super) fn note_preface(&mut self, now: Instant) {
        self.awaited_until = Some(now + PREFACE_GRACE);
    }

    /// For a client that was answered and kept.
    pub(super) fn next(now: Instant) -> Waiting {
        Waiting {
            begun: false,
            awaited_until: None,
            ..Waiting::first(now)
        }
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Instant {
        let limit = match (self.begun, settings.idle_timeout) {
            (true, _) => settings.read_header_timeout,
            (false, Some(idle)) => idle.min(KEEP_ALIVE_TIMEOUT),
            (false, None) => KEEP_ALIVE_TIMEOUT,
        };
        let deadline = match shared.was_refused_as_stranger() {
            true => self.since + limit.min(STRANGER_TIMEOUT),
            false => self.since + limit,
        };
        if shared.draining
            && !self.has_bytes
            && let Some(until) = self.awaited_until
        {
            return deadline.min(until);
        }
        deadline
    }

    /// What an input comes to by itself, whatever was received. The first `skipped_bytes` of that are of no head.
    pub(super) fn ended_by(
        &self,
        input: &Input<'_>,
        skipped_bytes: usize,
        at: &mut At<'_, '_>,
    ) -> Option<Then> {
        match input {
            Input::Broken(Side::Client, _) | Input::Unwritable(..) | Input::Terminate => {
                Some(Then::Close(Close::Orderly))
            }
            Input::Starved(_) => {
                let why = "No memory is left to read the request's head.";
                Some(refuse(Refusal::Overloaded(why), skipped_bytes, at))
            }
            Input::Expired if at.cx.now < self.deadline(at.shared, at.cx.settings) => None,
            Input::Expired if self.has_bytes => Some(refuse(Refusal::HeadTooSlow, skipped_bytes, at)),
            Input::Expired => Some(Then::Close(Close::Orderly)),
            _ => None,
        }
    }

    /// Something was received.
    pub(super) fn note_bytes(&mut self, at: &At<'_, '_>) {
        if self.has_bytes {
            return;
        }
        // After a refusal a stranger's time runs on: a byte now and then would win it more.
        if !self.begun && !at.shared.was_refused_as_stranger() {
            self.since = at.cx.now;
        }
        (self.begun, self.has_bytes) = (true, true);
    }

    /// A whole head is not there yet. What follows if none can come any more, or none is wanted?
    pub(super) fn given_up(&self, at: &At<'_, '_>) -> Option<Then> {
        let is_awaited = || self.awaited_until.is_some_and(|until| at.cx.now < until);
        let draining = at.shared.draining && !is_awaited();
        // Nobody was answered on this connection, so no answer can be lost with it.
        if draining && self.begun && !self.has_bytes {
            return Some(Then::Close(Close::Orderly));
        }
        let has_ended = at.flows.up.end >= End::Reached;
        if !has_ended && (self.has_bytes || !draining) {
            return None;
        }
        // What is there is no whole head, and nothing will be added, or nothing of a further one is wanted.
        Some(match has_ended && !at.flows.down.has_unsent() {
            true => Then::Close(Close::Orderly),
            false => Then::Linger,
        })
    }
}

/// Answers what was received and is no whole head.
pub(super) fn refuse(refusal: Refusal, skipped_bytes: usize, at: &mut At<'_, '_>) -> Then {
    let record = at.cx.new_record(at.shared);
    let received = at.flows.up.rx.as_slice();
    let begun = within(received, skipped_bytes..);
    Then::Refuse(record, refusal, Manner::closing(begun))
}

/// The handshake ends here, and nobody is there to be told but the operator.
pub(super) fn no_handshake(fail: HandshakeFail, why: &str, at: &mut At<'_, '_>) -> Then {
    warn_of_handshake(fail, why, at);
    Then::Close(Close::Orderly)
}

/// Says that and why the handshake failed.
pub(super) fn warn_of_handshake(fail: HandshakeFail, why: &str, at: &mut At<'_, '_>) {
    let words = match at.shared.inside_mut() {
        None => format!("TLS handshake failed: {why}"),
        Some(inside) => {
            let words = format!(
                "TLS handshake inside the tunnel to {} failed: {why}",
                inside.name()
            );
            inside.record_mut().note_error(&words);
            words
        }
    };
    at.act(Action::Warn(fail, words.into()));
}
