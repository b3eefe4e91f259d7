//! State: waiting for a request head, the first or the next one of a kept-alive connection.

use std::ops::ControlFlow::{Break, Continue};
use std::time::{Duration, Instant};

use crate::flow::{End, Gate};
use crate::http::head::{Scan, Scanned};
use crate::net::Side;

use super::at::{At, STRANGER_TIMEOUT, Shared};
use super::judge::{Refused, fault_refusal, judge};
use super::refusal::Refusal;
use super::request::Manner;
use super::then::{Step, Then};
use super::words::{Close, Input, Settings};

/// A kept-alive client may stay silent for so long at most.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// Waiting for a request head.
#[derive(Debug)]
pub(super) struct Head {
    scan: Scan,
    /// Since when: the accept, the last response, or the first byte.
    since: Instant,
    /// A byte of it has arrived, or the client is new: the clock of the head runs.
    begun: bool,
    /// A byte of it has arrived.
    has_bytes: bool,
}

impl Head {
    /// For a client that just connected.
    pub(super) fn first(now: Instant) -> Head {
        Head {
            scan: Scan::request(),
            since: now,
            begun: true,
            has_bytes: false,
        }
    }

    /// For a client that was answered and kept: its next bytes are looked at again, and read again as soon as
    /// the answer has left.
    pub(super) fn enter(at: &mut At<'_, '_>) -> Head {
        at.flows.up.gate = match at.flows.down.has_unsent() {
            true => Gate::Pass(0),
            false => Gate::Hold,
        };
        at.flows.down.gate = Gate::Pass(0);
        Head {
            begun: false,
            ..Head::first(at.cx.now)
        }
    }

    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Instant {
        let idle = settings.idle_timeout;
        let limit = match self.begun {
            true if !settings.read_header_timeout.is_zero() => settings.read_header_timeout,
            _ if idle.is_zero() => KEEP_ALIVE_TIMEOUT,
            _ => idle.min(KEEP_ALIVE_TIMEOUT),
        };
        match shared.was_refused_as_stranger() {
            true => self.since + limit.min(STRANGER_TIMEOUT),
            false => self.since + limit,
        }
    }

    pub(super) fn advance(mut self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Head> {
        match input {
            Input::Broken(Side::Client, _) | Input::Unwritable(..) | Input::Terminate => {
                return Break(Then::Close(Close::Orderly));
            }
            Input::Starved => {
                let why = "No memory is left to read the request's head.";
                return Break(self.refuse(Refusal::Overloaded(why), at));
            }
            Input::Expired if at.cx.now < self.deadline(at.shared, at.cx.settings) => {}
            Input::Expired if self.has_bytes => {
                return Break(self.refuse(Refusal::HeadTooSlow, at));
            }
            Input::Expired => return Break(Then::Close(Close::Orderly)),
            _ => {}
        }
        // The answer before goes out first: answers keep their order, and a client that does not read its
        // answers can't make us queue them.
        if at.flows.down.has_unsent() {
            return Continue(self);
        }
        at.flows.up.gate = Gate::Hold;
        if !at.flows.up.rx.is_empty() && !self.has_bytes {
            // After a refusal a stranger's time runs on: a byte now and then would win it more.
            if !self.begun && !at.shared.was_refused_as_stranger() {
                self.since = at.cx.now;
            }
            (self.begun, self.has_bytes) = (true, true);
        }
        let scanned = self.scan.advance(at.flows.up.rx.as_slice(), &at.cx.settings.head);
        match scanned {
            Scanned::Head(n) => Break(self.judge(n, at)),
            Scanned::Bad(fault) => Break(self.refuse(fault_refusal(fault), at)),
            Scanned::More => self.wait(at),
        }
    }

    /// A whole head is not there yet. Can it still come?
    fn wait(self, at: &At<'_, '_>) -> Step<Head> {
        let draining = at.shared.draining;
        // Nobody was answered on this connection, so no answer can be lost with it.
        if draining && self.begun && !self.has_bytes {
            return Break(Then::Close(Close::Orderly));
        }
        let has_ended = at.flows.up.end >= End::Reached;
        if !has_ended && (self.has_bytes || !draining) {
            return Continue(self);
        }
        // What is there is no whole head, and nothing will be added, or nothing of a further one is wanted.
        Break(match has_ended && !at.flows.down.has_unsent() {
            true => Then::Close(Close::Orderly),
            false => Then::Linger,
        })
    }

    fn judge(self, head_bytes: usize, at: &mut At<'_, '_>) -> Then {
        let head = at
            .flows
            .up
            .rx
            .as_slice()
            .get(self.scan.skipped()..head_bytes)
            .unwrap_or_default();
        let judged = judge(head, at.shared, at.cx);
        at.flows.up.rx.consume(head_bytes);
        at.flows.up.gate = Gate::Pass(0);
        match judged {
            Ok(errand) if errand.request.asked.ends_here => {
                let manner = errand.request.asked.manner;
                at.cx.spares.put_back(errand.request);
                Then::Reached(errand.record, manner)
            }
            Ok(errand) => Then::Lookup(errand),
            Err(Refused {
                record,
                refusal,
                manner,
            }) => Then::Refuse(record, refusal, manner),
        }
    }

    fn refuse(self, refusal: Refusal, at: &mut At<'_, '_>) -> Then {
        let record = at.cx.new_record(at.shared.client);
        let received = at.flows.up.rx.as_slice();
        let begun = received.get(self.scan.skipped()..).unwrap_or_default();
        Then::Refuse(record, refusal, Manner::closing(begun))
    }
}
