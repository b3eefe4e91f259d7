//! State: waiting for a name's addresses. A literal needs none and is vetted at once; nothing resolves twice.

use std::net::IpAddr;
use std::time::Instant;

use crate::flow::Flows;
use crate::net::{Host, Side};

use super::front::{Kind, Request};
use super::outcome::Refusal;
use super::{Action, Close, Cx, Input, LookupFail, LookupFailKind, Settings, Shared, State, dial, reply};

/// Waiting for addresses.
#[derive(Debug)]
pub struct Lookup {
    request: Box<Request>,
    since: Instant,
}

/// Asks for the addresses of an allowed request's host. The head to send waits in the flow to the origin already,
/// where the byte budget counts it.
pub(super) fn start(
    mut request: Box<Request>,
    flows: &mut Flows,
    shared: &mut Shared,
    cx: &mut Cx<'_>,
) -> State {
    if let Kind::Http(http) = &mut request.kind {
        flows.up.tx = std::mem::take(&mut http.head).into();
    }
    match &request.allowed.target().host {
        Host::Addr(address) => {
            let found = [*address];
            vet(request, &found, flows, shared, cx)
        }
        Host::Name(name) => {
            let seq = shared.next_seq();
            cx.actions.push(Action::Resolve(seq, name.clone()));
            State::Lookup(Lookup {
                request,
                since: cx.now,
            })
        }
    }
}

/// The only place where addresses are vetted.
fn vet(
    mut request: Box<Request>,
    found: &[IpAddr],
    flows: &mut Flows,
    shared: &mut Shared,
    cx: &mut Cx<'_>,
) -> State {
    match cx.policy.vet(&request.allowed, found, cx.local_addresses) {
        Ok(addresses) => dial::start(request, addresses, dial::Reuse::IfIdle, flows, shared, cx),
        Err(denied) => {
            request.record.note_decision(&denied.decision, false);
            let manner = request.manner();
            reply::refuse(
                request.record,
                Refusal::Denied(denied.decision.reason),
                manner,
                flows,
                shared,
                cx,
            )
        }
    }
}

impl Lookup {
    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Option<Instant> {
        earliest(
            (!settings.dns_timeout.is_zero()).then(|| self.since + settings.dns_timeout),
            half_close_deadline(&self.request, shared),
        )
    }

    pub(super) fn advance(
        mut self,
        input: Input<'_>,
        flows: &mut Flows,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) -> State {
        match input {
            Input::Resolved(_, answer) => {
                self.request.record.dns_lookup_time = Some(cx.now.duration_since(self.since));
                match answer {
                    Ok(found) => vet(self.request, found, flows, shared, cx),
                    Err(fail) => self.refuse(lookup_refusal(fail), flows, shared, cx),
                }
            }
            Input::Expired if is_due(half_close_deadline(&self.request, shared), cx.now) => {
                abandon(self.request, "the client closed its connection", cx)
            }
            Input::Expired if is_due(self.deadline(shared, cx.settings), cx.now) => {
                cx.actions.push(Action::Cancel);
                self.request.record.dns_lookup_time = Some(cx.now.duration_since(self.since));
                let name = self.request.allowed.target().host.to_string();
                let text = format!("lookup {name}: no answer within {:?}", cx.settings.dns_timeout);
                self.refuse(Refusal::LookupTimedOut(text.into()), flows, shared, cx)
            }
            Input::Broken(Side::Client, fail) => abandon(self.request, &fail.text, cx),
            Input::Terminate => abandon(self.request, "the proxy shut down", cx),
            _ => State::Lookup(self),
        }
    }

    fn refuse(self, refusal: Refusal, flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> State {
        let manner = self.request.manner();
        reply::refuse(self.request.record, refusal, manner, flows, shared, cx)
    }
}

/// After a client's FIN a plain request is worth only a short wait; a CONNECT is not: the tunnel will carry
/// the FIN on.
pub(super) fn half_close_deadline(request: &Request, shared: &Shared) -> Option<Instant> {
    match request.kind {
        Kind::Connect => None,
        Kind::Http(_) => shared.half_close_deadline(request.began),
    }
}

/// Ends a request whose client is gone, or must go: nobody is there to be answered.
pub(super) fn abandon(mut request: Box<Request>, why: &str, cx: &mut Cx<'_>) -> State {
    cx.actions.push(Action::Cancel);
    request.record.note_error(why);
    cx.actions.push(Action::Log(request.record));
    State::close(Close::Orderly, cx)
}

pub(super) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

pub(super) fn is_due(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| at <= now)
}

fn lookup_refusal(fail: LookupFail) -> Refusal {
    match fail.kind {
        LookupFailKind::Failed => Refusal::LookupFailed(fail.text),
        LookupFailKind::TimedOut => Refusal::LookupTimedOut(fail.text),
        LookupFailKind::Overloaded => Refusal::Overloaded("Too many names are being looked up."),
    }
}
