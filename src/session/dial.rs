//! State: waiting for a connection to one of the vetted addresses. More of them may still be looked up: they join.

use std::time::{Duration, Instant};

use crate::flow::Flows;
use crate::net::{IoFailKind, Side};

use super::due::{earliest, is_due};
use super::lookup::vet_rest;
use super::outcome::Record;
use super::refusal::Refusal;
use super::request::{Kind, Request};
use super::{Action, Cx, DialFail, Dialled, Input, Settings, Shared, State, Wanted, exchange, reply, tunnel};

/// Waiting for a connection.
#[derive(Debug)]
pub struct Dial {
    request: Box<Request>,
    record: Box<Record>,
    since: Instant,
    /// Until then the rest of the addresses is looked up.
    rest_until: Option<Instant>,
}

/// May an idle connection of the pool be used?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reuse {
    /// If there is one. A tunnel never uses one.
    IfIdle,
    /// No: one just turned out to be closed.
    Never,
}

/// Dials. With `rest_until` the lookup that gave the addresses goes on until then: the dial takes its number, so that
/// both may answer.
pub(super) fn start(
    request: Box<Request>,
    record: Box<Record>,
    reuse: Reuse,
    rest_until: Option<Instant>,
    flows: &Flows,
    shared: &mut Shared,
    cx: &mut Cx<'_>,
) -> State {
    let seq = match rest_until {
        Some(_) => shared.seq,
        None => shared.next_seq(),
    };
    let pooled = reuse == Reuse::IfIdle && matches!(request.kind, Kind::Http(_));
    let wanted = pooled.then(|| Wanted {
        key: request.pool_key(),
        fresh: !request.is_repeatable(flows.up.tx.len()),
    });
    cx.actions
        .push(Action::Dial(seq, request.addresses.clone(), wanted));
    State::Dial(Dial {
        request,
        record,
        since: cx.now,
        rest_until,
    })
}

impl Dial {
    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Option<Instant> {
        let own = earliest(self.own_deadline(settings), self.rest_until);
        earliest(own, self.request.half_close_deadline(shared))
    }

    fn own_deadline(&self, settings: &Settings) -> Option<Instant> {
        (!settings.connect_timeout.is_zero()).then(|| self.since + settings.connect_timeout)
    }

    pub(super) fn advance(
        mut self,
        input: Input<'_>,
        flows: &mut Flows,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) -> State {
        match input {
            Input::Dialled(_, Ok(dialled)) => self.go_on(dialled, flows, shared, cx),
            Input::Dialled(_, Err(fail)) => {
                self.request.lost.get_or_insert_with(|| Box::new(fail));
                self.wait_for_rest(flows, shared, cx)
            }
            Input::Resolved(_, answer) if self.rest_until.is_some() => {
                self.rest_until = None;
                let more = vet_rest(&mut self.request, answer.unwrap_or_default(), cx);
                if more.is_empty() {
                    return self.wait_for_rest(flows, shared, cx);
                }
                cx.actions.push(match self.request.lost {
                    None => Action::Join(more),
                    // What was dialled before is named if these fail too.
                    Some(_) => Action::Dial(shared.next_seq(), more, None),
                });
                State::Dial(self)
            }
            Input::Expired if is_due(self.request.half_close_deadline(shared), cx.now) => {
                reply::abandon(self.record, "the client closed its connection", cx)
            }
            Input::Expired if is_due(self.own_deadline(cx.settings), cx.now) => {
                cx.actions.push(Action::Cancel);
                // Who answered, if only by a refusal, is not who kept us waiting.
                let refusal = match &self.request.lost {
                    Some(fail) => dial_refusal(fail),
                    None => self.out_of_time(cx.settings.connect_timeout),
                };
                self.refuse(refusal, flows, shared, cx)
            }
            Input::Expired if is_due(self.rest_until, cx.now) => {
                self.rest_until = None;
                self.wait_for_rest(flows, shared, cx)
            }
            Input::Broken(Side::Client, fail) => reply::abandon(self.record, &fail.text, cx),
            Input::Terminate => reply::abandon(self.record, "the proxy shut down", cx),
            _ => State::Dial(self),
        }
    }

    /// Lost is a dial only when no address is left to wait for.
    fn wait_for_rest(mut self, flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> State {
        if self.rest_until.is_some() {
            return State::Dial(self);
        }
        match self.request.lost.take() {
            Some(fail) => {
                cx.actions.push(Action::Cancel);
                self.refuse(dial_refusal(&fail), flows, shared, cx)
            }
            None => State::Dial(self),
        }
    }

    fn go_on(mut self, dialled: Dialled, flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> State {
        if self.rest_until.is_some() {
            // The rest is of no interest any more; nor would its answer be the next question's.
            cx.actions.push(Action::Cancel);
            shared.next_seq();
        }
        let record = &mut self.record;
        record.outbound_remote = Some(dialled.remote);
        record.outbound_local = dialled.local;
        record.establish_time = Some(cx.now.duration_since(self.since).into());
        match self.request.kind {
            Kind::Connect(_) => {
                cx.spares.put_back(self.request);
                tunnel::accept(self.record, flows, cx)
            }
            Kind::Http(_) => exchange::start(self.request, self.record, dialled, flows, cx),
        }
    }

    /// Of several addresses some may have failed otherwise before; the race alone knows which.
    fn out_of_time(&self, limit: Duration) -> Refusal {
        let addresses = &self.request.addresses;
        let first = addresses
            .first()
            .map(|vetted| vetted.address().to_string())
            .unwrap_or_default();
        let text = match addresses.len() {
            0 | 1 => format!("dial tcp {first}: no answer within {limit:?}"),
            several => format!(
                "dial tcp {first} and {} more: no connection within {limit:?}",
                several - 1
            ),
        };
        Refusal::DialTimedOut(text.into())
    }

    fn refuse(self, refusal: Refusal, flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> State {
        reply::refuse(self.record, refusal, self.request.manner(), flows, shared, cx)
    }
}

fn dial_refusal(fail: &DialFail) -> Refusal {
    let text = format!("dial tcp {}: {}", fail.address, fail.fail.text).into();
    match fail.fail.kind {
        IoFailKind::TimedOut => Refusal::DialTimedOut(text),
        IoFailKind::Exhausted => Refusal::Overloaded("No socket is left for the connection."),
        kind @ (IoFailKind::Refused | IoFailKind::Unreachable | IoFailKind::Reset | IoFailKind::Other) => {
            Refusal::DialFailed(kind, text)
        }
    }
}
