//! State: waiting for a name's addresses. A literal needs none and is vetted at once; nothing resolves twice.
//! How long to wait is decided here, for the system's resolver may never answer.

use std::net::IpAddr;
use std::time::Instant;

use crate::flow::Flows;
use crate::net::{Host, LookupFail, LookupFailKind, Side};

use crate::policy::{Denied, VETTED_MAX, VettedList};

use super::due::is_due;
use super::outcome::Record;
use super::refusal::Refusal;
use super::request::Request;
use super::{Action, Cx, Input, Settings, Shared, State, dial, reply};

/// How many addresses are dialled before all are known: the others', of the other family, must find room beside them.
const PART_MAX: usize = VETTED_MAX / 2;

/// Waiting for addresses.
#[derive(Debug)]
pub struct Lookup {
    request: Box<Request>,
    record: Box<Record>,
    since: Instant,
}

/// Asks for the addresses of an allowed request's host.
pub(super) fn start(
    request: Box<Request>,
    record: Box<Record>,
    flows: &mut Flows,
    shared: &mut Shared,
    cx: &mut Cx<'_>,
) -> State {
    match &request.allowed.target().host {
        // Its address is in the target; nothing needs to be found.
        Host::Addr(_) => vet(request, record, &[], flows, shared, cx),
        Host::Name(name) => {
            let seq = shared.next_seq();
            cx.actions.push(Action::Resolve(seq, name.clone()));
            State::Lookup(Lookup {
                request,
                record,
                since: cx.now,
            })
        }
    }
}

/// The only place where addresses are vetted.
fn vetted(request: &Request, found: &[IpAddr], cx: &Cx<'_>) -> Result<VettedList, Denied> {
    cx.policy.vet(&request.allowed, found, cx.is_local)
}

/// The addresses that a request may be dialled at beside those it is dialled at; none when there are no more.
pub(super) fn vet_rest(request: &mut Request, found: &[IpAddr], cx: &Cx<'_>) -> VettedList {
    let mut more = vetted(request, found, cx).unwrap_or_default();
    more.retain(|address| !request.addresses.contains(address));
    more.truncate(request.addresses.remaining_capacity());
    request.addresses.extend(more.iter().copied());
    more
}

/// Vets all there are, and dials.
fn vet(
    mut request: Box<Request>,
    record: Box<Record>,
    found: &[IpAddr],
    flows: &mut Flows,
    shared: &mut Shared,
    cx: &mut Cx<'_>,
) -> State {
    match vetted(&request, found, cx) {
        Ok(addresses) => {
            request.addresses = addresses;
            dial::start(request, record, dial::Reuse::IfIdle, None, flows, shared, cx)
        }
        Err(denied) => {
            let refusal = Refusal::Denied(denied);
            reply::refuse(record, refusal, request.manner(), flows, shared, cx)
        }
    }
}

impl Lookup {
    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Instant {
        let own = self.since + settings.dns_timeout;
        self.request
            .half_close_deadline(shared)
            .map_or(own, |half_close| half_close.min(own))
    }

    pub(super) fn advance(
        mut self,
        input: Input<'_>,
        flows: &mut Flows,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) -> State {
        match input {
            Input::Partly(_, found) => self.begin(found, flows, shared, cx),
            Input::Resolved(_, answer) => {
                self.record.dns_lookup_time = Some(cx.now.duration_since(self.since).into());
                match answer {
                    Ok(found) => vet(self.request, self.record, found, flows, shared, cx),
                    Err(fail) => self.refuse(lookup_refusal(fail), flows, shared, cx),
                }
            }
            Input::Expired if is_due(self.request.half_close_deadline(shared), cx.now) => {
                reply::abandon(self.record, "the client closed its connection", cx)
            }
            Input::Expired if self.deadline(shared, cx.settings) <= cx.now => {
                cx.actions.push(Action::Cancel);
                self.record.dns_lookup_time = Some(cx.now.duration_since(self.since).into());
                let name = self.request.allowed.target().host.to_string();
                let text = format!("lookup {name}: i/o timeout");
                self.refuse(Refusal::LookupTimedOut(text.into()), flows, shared, cx)
            }
            Input::Broken(Side::Client, fail) => reply::abandon(self.record, &fail.text, cx),
            Input::Terminate => reply::abandon(self.record, "the proxy shut down", cx),
            _ => State::Lookup(self),
        }
    }

    /// Dials what is known, unless it is denied: the rest may be allowed, and else the first of all is to be named.
    fn begin(mut self, found: &[IpAddr], flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> State {
        let Ok(mut addresses) = vetted(&self.request, found, cx) else {
            return State::Lookup(self);
        };
        addresses.truncate(PART_MAX);
        self.request.addresses = addresses;
        self.record.dns_lookup_time = Some(cx.now.duration_since(self.since).into());
        let rest_until = Some(self.since + cx.settings.dns_timeout);
        let reuse = dial::Reuse::IfIdle;
        dial::start(self.request, self.record, reuse, rest_until, flows, shared, cx)
    }

    fn refuse(self, refusal: Refusal, flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> State {
        reply::refuse(self.record, refusal, self.request.manner(), flows, shared, cx)
    }
}

fn lookup_refusal(fail: LookupFail) -> Refusal {
    match fail.kind {
        LookupFailKind::Failed => Refusal::LookupFailed(fail.text),
        LookupFailKind::TimedOut => Refusal::LookupTimedOut(fail.text),
        LookupFailKind::Overloaded => Refusal::Overloaded("Too many names are being looked up."),
    }
}
