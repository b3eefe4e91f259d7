//! State: the client of an intercepted tunnel is told that this is there, and its first byte is waited for, which has to begin
//! TLS. What it is told leaves before anything of a handshake does, and before an engine could seal it.

use std::ops::ControlFlow::{Break, Continue};

use crate::clock::Instant;
use crate::flow::{End, Gate};
use crate::hello::client_hello::HANDSHAKE_RECORD;
use crate::net::Side;

use super::at::At;
use super::errand::Errand;
use super::inside::Inside;
use super::refusal::Refusal;
use super::request::Manner;
use super::then::{Step, Then};
use super::waiting::{HANDSHAKE_TIMEOUT, TOO_SLOW, no_handshake};
use super::words::{Close, HandshakeFail, Input};

/// What would help who speaks something else.
const NOT_TLS_HINT: &str = "an https URL, or the host out of mitm_domains";

/// Waiting for the first byte.
#[derive(Debug)]
pub(super) struct Inviting {
    since: Instant,
}

impl Inviting {
    /// Answers the CONNECT.
    pub(super) fn enter(errand: Errand, at: &mut At<'_, '_>) -> Inviting {
        at.shared.front().accept_tunnel(&mut at.flows.down.tx);
        let Errand { mut request, record } = errand;
        at.log_decision(&record);
        let inside = Inside::begin(&mut request, record, at.cx.now);
        at.cx.spares.put_back(request);
        at.shared.enter(inside);
        (at.flows.up.moved_bytes, at.flows.down.moved_bytes) = (0, 0);
        at.flows.up.gate = Gate::Pass(0);
        at.flows.down.gate = Gate::Pass(0);
        Inviting { since: at.cx.now }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.since + HANDSHAKE_TIMEOUT
    }

    pub(super) fn advance(self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Inviting> {
        match input {
            Input::Broken(Side::Client, fail) | Input::Unwritable(Side::Client, fail) => {
                return Break(no_handshake(HandshakeFail::Closed, &fail.text, at));
            }
            Input::Starved(_) => {
                let why = "no memory is left for it";
                return Break(no_handshake(HandshakeFail::Overloaded, why, at));
            }
            Input::Terminate => return Break(Then::Close(Close::Orderly)),
            Input::Expired if self.deadline() <= at.cx.now => {
                return Break(no_handshake(HandshakeFail::Timeout, TOO_SLOW, at));
            }
            _ => {}
        }
        if at.flows.down.has_unsent() {
            return Continue(self);
        }
        at.flows.up.gate = Gate::Hold;
        match at.flows.up.rx.as_slice().first() {
            Some(&HANDSHAKE_RECORD) => Break(Then::Secure(self.since)),
            Some(_) => Break(refuse(at)),
            // It changed its mind.
            None if at.flows.up.end >= End::Reached => Break(Then::Close(Close::Orderly)),
            None => Continue(self),
        }
    }
}

/// Says so to whoever speaks something else, in words that a person can act on.
fn refuse(at: &mut At<'_, '_>) -> Then {
    let mut record = at.cx.new_record(at.shared);
    let mut grounds = Box::default();
    if let Some(inside) = at.shared.inside_mut() {
        inside.note_in(&mut record);
        let host = &inside.target.host;
        grounds = at
            .cx
            .policy
            .interception_grounds(inside.role(), host, NOT_TLS_HINT);
        inside
            .record_mut()
            .note_error("what came in the tunnel is no TLS");
    }
    Then::Refuse(
        record,
        Refusal::NotTls(grounds),
        Manner::closing(at.flows.up.rx.as_slice()),
    )
}
