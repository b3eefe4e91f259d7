//! State: a client has connected, and nothing that it says itself was looked at. Where a PROXY header is due, that comes
//! before: it says whose connection it is. The first byte behind it says which language the client speaks. Where clients
//! speak TLS it must begin a handshake. Otherwise whatever comes is a request's head, also the ClientHello of a client that
//! takes the port for one with TLS, for the answer that it gets is that of a head which is none. Who may send a header was
//! asked before.

use std::ops::ControlFlow::{self, Break, Continue};

use crate::clock::Instant;
use crate::flow::End;
use crate::hello;
use crate::hello::client_hello::HANDSHAKE_RECORD;
use crate::hello::proxy::{self, Read};
use crate::net::Side;
use crate::policy::Exceeded;

use super::at::At;
use super::refusal::Refusal;
use super::shared::Shared;
use super::then::{Step, Then};
use super::waiting::{self, HANDSHAKE_TIMEOUT, TOO_SLOW, Waiting};
use super::words::{Action, Close, HandshakeFail, Input, Settings};

/// Why what came is no PROXY header at all.
const ABSENT: &str = "the connection begins with something else";

/// To whom speaks HTTP without TLS, in words that a person can act on.
const NOT_TLS: Refusal = Refusal::Malformed("this port speaks TLS: give the proxy's address as https://");

/// Waiting for the first byte.
#[derive(Debug)]
pub(super) struct Arrival {
    waiting: Waiting,
    awaited: Awaited,
}

/// What a client that says nothing yet is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Awaited {
    /// The PROXY header, where one is due.
    Header,
    /// The first byte of what the client says itself.
    FirstByte,
}

impl Arrival {
    /// Of a client that just connected.
    pub(super) fn new(now: Instant) -> Arrival {
        Arrival {
            waiting: Waiting::first(now),
            awaited: Awaited::Header,
        }
    }

    /// That of the first head, or of the handshake before it, whose times run from the accept on.
    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Instant {
        let of_head = self.waiting.deadline(shared, settings);
        match settings.takes_tls {
            true => of_head.min(self.handshake_deadline()),
            false => of_head,
        }
    }

    fn handshake_deadline(&self) -> Instant {
        self.waiting.since() + HANDSHAKE_TIMEOUT
    }

    pub(super) fn advance(mut self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Arrival> {
        if self.awaited == Awaited::Header {
            if at.cx.settings.proxy_protocol {
                match self.header(&input, at) {
                    Break(then) => return Break(then),
                    Continue(Awaited::Header) => return Continue(self),
                    Continue(Awaited::FirstByte) => {}
                }
            }
            // Whose it is is known.
            if let Err(exceeded) = at.shared.count(at.cx.policy) {
                return Break(one_too_many(exceeded, at));
            }
            self.awaited = Awaited::FirstByte;
        }
        let takes_tls = at.cx.settings.takes_tls;
        if takes_tls && matches!(input, Input::Expired) && self.handshake_deadline() <= at.cx.now {
            return Break(waiting::no_handshake(HandshakeFail::Timeout, TOO_SLOW, at));
        }
        if let Some(then) = self.waiting.ended_by(&input, 0, at) {
            return Break(then);
        }
        if let Some(&first) = at.flows.up.rx.as_slice().first() {
            return Break(match (takes_tls, first) {
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

    /// Takes the PROXY header, if it is there. What is awaited then?
    fn header(&mut self, input: &Input<'_>, at: &mut At<'_, '_>) -> ControlFlow<Then, Awaited> {
        let is_late = match input {
            Input::Broken(Side::Client, _) | Input::Unwritable(..) | Input::Starved(_) | Input::Terminate => {
                return Break(Then::Close(Close::Orderly));
            }
            Input::Expired => at.cx.now >= self.deadline(at.shared, at.cx.settings),
            _ => false,
        };
        let received = at.flows.up.rx.as_slice();
        let reason = match proxy::read(received) {
            Read::Header(header) => {
                at.flows.up.rx.consume(header.bytes);
                at.shared.note_source(header.source, at.cx.policy);
                self.waiting.note_preface(at.cx.now);
                return Continue(Awaited::FirstByte);
            }
            // Nobody is told of who says nothing, as many a health check.
            Read::NeedMore if received.is_empty() => {
                let late = is_late.then_some(Then::Close(Close::Orderly));
                return match late.or_else(|| self.waiting.given_up(at)) {
                    Some(then) => Break(then),
                    None => Continue(Awaited::Header),
                };
            }
            Read::NeedMore if is_late => "it did not arrive in time",
            Read::NeedMore if at.flows.up.end >= End::Reached => "the connection ends within it",
            Read::NeedMore => return Continue(Awaited::Header),
            Read::Absent if hello::may_be_http(received) => {
                return Break(waiting::refuse(Refusal::ProxyHeader(ABSENT), 0, at));
            }
            Read::Absent => ABSENT,
            Read::Malformed(reason) => reason,
        };
        Break(turn_away(reason, at))
    }
}

/// Ends a connection of a client that has as many as it may have. Who speaks TLS could not read why.
fn one_too_many(exceeded: Exceeded, at: &mut At<'_, '_>) -> Then {
    let refusal = Refusal::Limited(exceeded);
    if !at.cx.settings.takes_tls {
        return waiting::refuse(refusal, 0, at);
    }
    let mut record = at.cx.new_record(at.shared);
    record.by_stranger = at.shared.is_stranger;
    record.note_unanswered(refusal);
    at.act(Action::Log(record));
    Then::Close(Close::Orderly)
}

/// Ends the connection of somebody who would not understand an answer.
fn turn_away(reason: &'static str, at: &mut At<'_, '_>) -> Then {
    let mut record = at.cx.new_record(at.shared);
    record.by_stranger = true;
    record.note_unanswered(Refusal::ProxyHeader(reason));
    at.act(Action::Log(record));
    Then::Close(Close::Orderly)
}
