//! State: waiting for a request head, the first or the next one of a kept-alive connection.

use std::time::{Duration, Instant};

use crate::flow::{End, Flows, Gate};
use crate::http::head::{Scan, Scanned};
use crate::net::Side;

use super::closing::Closing;
use super::refusal::Refusal;
use super::reply::{self, Manner};
use super::{Close, Cx, Input, STRANGER_TIMEOUT, Settings, Shared, State, front, lookup};

/// A kept-alive client may stay silent for so long at most.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// Waiting for a request head.
#[derive(Debug)]
pub struct Head {
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
    pub fn first(now: Instant) -> Head {
        Head {
            scan: Scan::request(),
            since: now,
            begun: true,
            has_bytes: false,
        }
    }

    /// For a client that was answered and kept: its next bytes are looked at again, and read again as soon as
    /// the answer has left.
    pub(super) fn next(flows: &mut Flows, now: Instant) -> State {
        flows.up.gate = match flows.down.has_unsent() {
            true => Gate::Pass(0),
            false => Gate::Hold,
        };
        flows.down.gate = Gate::Pass(0);
        State::Head(Head {
            scan: Scan::request(),
            since: now,
            begun: false,
            has_bytes: false,
        })
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

    pub(super) fn advance(
        mut self,
        input: Input<'_>,
        flows: &mut Flows,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) -> State {
        match input {
            Input::Broken(Side::Client, _) | Input::Unwritable(..) | Input::Terminate => {
                return State::close(Close::Orderly, cx);
            }
            Input::Starved => {
                let why = "No memory is left to read the request's head.";
                return self.refuse(Refusal::Overloaded(why), flows, shared, cx);
            }
            Input::Expired if cx.now < self.deadline(shared, cx.settings) => {}
            Input::Expired if self.has_bytes => {
                return self.refuse(Refusal::HeadTooSlow, flows, shared, cx);
            }
            Input::Expired => return State::close(Close::Orderly, cx),
            _ => {}
        }
        // The answer before goes out first: answers keep their order, and a client that does not read its
        // answers can't make us queue them.
        if flows.down.has_unsent() {
            return State::Head(self);
        }
        flows.up.gate = Gate::Hold;
        if !flows.up.rx.is_empty() && !self.has_bytes {
            // After a refusal a stranger's time runs on: a byte now and then would win it more.
            if !self.begun && !shared.was_refused_as_stranger() {
                self.since = cx.now;
            }
            (self.begun, self.has_bytes) = (true, true);
        }
        match self.scan.advance(flows.up.rx.as_slice(), &cx.settings.head) {
            Scanned::Head(n) => self.judge(n, flows, shared, cx),
            Scanned::Bad(fault) => self.refuse(front::fault_refusal(fault), flows, shared, cx),
            // Nobody was answered on this connection, so no answer can be lost with it.
            Scanned::More if shared.draining && self.begun && !self.has_bytes => {
                State::close(Close::Orderly, cx)
            }
            // What is there is no whole head, and nothing will be added, or nothing of a further one is wanted.
            Scanned::More if flows.up.end >= End::Reached || (shared.draining && !self.has_bytes) => {
                Closing::gracefully(flows, cx)
            }
            Scanned::More => State::Head(self),
        }
    }

    fn judge(self, head_bytes: usize, flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> State {
        let head = flows
            .up
            .rx
            .as_slice()
            .get(self.scan.skipped()..head_bytes)
            .unwrap_or_default();
        // The head to send waits in the flow to the origin, where the byte budget counts it.
        let judged = front::judge(head, flows.up.tx.writer(), shared, cx);
        flows.up.rx.consume(head_bytes);
        flows.up.gate = Gate::Pass(0);
        match judged {
            Ok((request, record)) if request.ends_here() => {
                let manner = request.manner();
                cx.spares.put_back(request);
                reply::reached(record, manner, flows, shared, cx)
            }
            Ok((request, record)) => lookup::start(request, record, flows, shared, cx),
            Err(refused) => reply::refuse(refused.record, refused.refusal, refused.manner, flows, shared, cx),
        }
    }

    fn refuse(self, refusal: Refusal, flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> State {
        let record = front::new_record(shared, cx);
        let begun = flows
            .up
            .rx
            .as_slice()
            .get(self.scan.skipped()..)
            .unwrap_or_default();
        let manner = Manner::closing(begun);
        reply::refuse(record, refusal, manner, flows, shared, cx)
    }
}
