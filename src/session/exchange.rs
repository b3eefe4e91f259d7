//! State: a request is on its way to the origin and its response on the way back, both at once. Bodies pass
//! the gates; heads, chunk framing and the ends are looked at (`response`, `relay`). What is kept meanwhile stands in
//! `progress`.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use crate::flow::{Buf, End, Flows, Gate};
use crate::http::Fault;
use crate::http::framing::Body;
use crate::http::rewrite;
use crate::net::{IoFail, Side};
use crate::policy::Policy;
use crate::policy::interception::Interception;

use super::at::{At, Cx};
use super::due::is_due;
use super::errand::Errand;
use super::judge::fault_refusal;
use super::lease::Lease;
use super::meter;
use super::outcome::Record;
use super::progress::{Continuing, Exchange, Next, Receiving, Sending};
use super::recheck;
use super::refusal::Refusal;
use super::relay::{Relay, Relayed};
use super::request::Request;
use super::response;
use super::shared::Shared;
use super::then::{Rest, Reuse, Step, Then};
use super::words::{Action, Close, Dialled, Input};

/// RFC 9110 section 10.1.1 leaves to us how long an origin may keep a waiting client waiting.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

impl Exchange {
    /// Lets the head go, and the body follow.
    pub(super) fn enter(errand: Errand, mut origin: Dialled, at: &mut At<'_, '_>) -> Box<Exchange> {
        let Errand { mut request, record } = errand;
        request.meter(at.cx.policy);
        let flows = &mut *at.flows;
        push_head(&request, &mut flows.up.tx);
        if !(origin.reused && request.is_repeatable()) {
            at.cx.spares.put_back_head(&mut request.head);
        }
        let asked = &request.asked;
        let sending = match asked.body {
            Body::Length(n) if n > 0 => {
                flows.up.gate = Gate::Pass(n);
                Sending::Length
            }
            Body::Chunked => {
                flows.up.gate = Gate::Hold;
                Sending::Chunked(Relay::new(true).metered(request.is_metered()))
            }
            _ => {
                flows.up.gate = Gate::Pass(0);
                Sending::Done
            }
        };
        flows.down.gate = Gate::Hold;
        let manner = asked.manner;
        let continuing = match asked.expects_continue && manner.body_left && !manner.http10 {
            true => Continuing::Awaited(at.cx.now + CONTINUE_TIMEOUT),
            false => Continuing::Settled,
        };
        origin.private |= asked.private;
        at.cx.spares.exchange(Exchange {
            request,
            id: record.id,
            record: Some(record),
            origin,
            sending,
            receiving: Receiving::head(),
            continuing,
            client_persists: manner.persists,
            origin_persists: false,
            keep_alive_seconds: None,
            origin_says_keep_alive: false,
            moved_before: flows.up.moved_bytes,
            since: at.cx.now,
        })
    }

    /// Has its bytes counted from now on by the limit that this policy has for its role.
    pub(super) fn meter(&mut self, policy: &Policy) {
        self.request.meter(policy);
        if self.request.is_metered() {
            if let Sending::Chunked(relay) = &mut self.sending {
                relay.meter();
            }
            if let Receiving::Chunked(relay) = &mut self.receiving {
                relay.meter();
            }
        }
    }

    /// One input; the exchange stays where it is in memory while it goes on.
    pub(super) fn advance(mut self: Box<Self>, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Box<Self>> {
        let next = match input {
            Input::Broken(Side::Client, fail) | Input::Unwritable(Side::Client, fail) => {
                Some(Next::ClientLost(fail.text.clone()))
            }
            Input::Unwritable(Side::Origin, _) => {
                self.origin_unwritable(at.flows);
                None
            }
            Input::Broken(Side::Origin, fail) => Some(self.origin_broken(fail, at.flows)),
            Input::Starved(_) if self.receiving.is_pending() => Some(Next::Refuse(Refusal::Overloaded(
                "No memory is left for the request and its response.",
            ))),
            Input::Starved(_) => Some(Next::Truncated("no memory is left".into())),
            Input::Terminate => Some(Next::ClientLost("the proxy shut down".into())),
            Input::Expired => self.expired(at.flows, at.shared, at.cx),
            _ => None,
        };
        let next = match next {
            Some(next) => Some(next),
            None => self.go_on(at),
        };
        match next {
            None => Continue(self),
            Some(next) => Break(self.leave(next, at)),
        }
    }

    fn expired(&mut self, flows: &mut Flows, shared: &Shared, cx: &mut Cx<'_>) -> Option<Next> {
        if matches!(self.continuing, Continuing::Awaited(until) if until <= cx.now) {
            // A client that sent its body all the same needs no leave.
            let waits = !matches!(self.sending, Sending::Done);
            self.continuing = if waits {
                Continuing::ByUs
            } else {
                Continuing::Settled
            };
            if waits {
                shared.front().ask_for_body(&mut flows.down.tx);
            }
        }
        if self.receiving.is_pending() && is_due(shared.half_close_deadline(self.since), cx.now) {
            return Some(Next::ClientLost("the client closed its connection".into()));
        }
        if !is_due(self.inactivity_deadline(flows, cx.settings), cx.now) {
            return None;
        }
        Some(match (self.receiving.is_pending(), &self.sending) {
            (true, Sending::Length | Sending::Chunked(_)) => Next::Refuse(Refusal::BodyTooSlow),
            (true, _) => Next::Refuse(Refusal::AnswerTimedOut),
            // The client has said all, and may have more to ask for; the origin will not hear it.
            (false, Sending::Done) if self.receiving.is_over() => Next::Finished,
            (false, _) => Next::Truncated("nothing moved for too long".into()),
        })
    }

    fn go_on(&mut self, at: &mut At<'_, '_>) -> Option<Next> {
        if !self.request.is_metered() {
            return self.look(at);
        }
        // Before it is looked at, for what may not leave looks like nothing; and behind that, for what then may.
        self.grant(at)
            .or_else(|| self.look(at))
            .or_else(|| self.grant(at))
    }

    fn look(&mut self, at: &mut At<'_, '_>) -> Option<Next> {
        self.send(at.flows, at.cx).or_else(|| response::receive(self, at))
    }

    /// Lets bytes of the bodies leave that the day has; what has begun without enough of them is cut.
    fn grant(&mut self, at: &mut At<'_, '_>) -> Option<Next> {
        if !meter::grant(&mut self.request.permits, at) {
            return None;
        }
        Some(match self.receiving.is_pending() {
            true => {
                let exceeded = at.cx.policy.out_of_bytes(&self.request.role, at.cx.moment());
                Next::Refuse(Refusal::Limited(exceeded))
            }
            false => Next::Truncated(meter::SPENT.into()),
        })
    }

    /// Lets the request's body pass.
    fn send(&mut self, flows: &mut Flows, cx: &Cx<'_>) -> Option<Next> {
        let waits = matches!(self.continuing, Continuing::Awaited(_) | Continuing::Declined);
        if waits && self.has_begun(flows) {
            // It needs no leave.
            self.continuing = Continuing::Settled;
        }
        let done = match &mut self.sending {
            Sending::Done | Sending::Failed => return None,
            Sending::Length => flows.up.gate == Gate::Pass(0),
            Sending::Chunked(relay) => match relay_up(relay, &self.request, flows, cx) {
                Ok(relayed) => relayed == Relayed::Done,
                Err(fault) if self.receiving.is_pending() => return Some(Next::Refuse(fault_refusal(fault))),
                Err(_) => return Some(Next::Truncated("the request's body is malformed".into())),
            },
        };
        if done {
            self.sending = Sending::Done;
        } else if flows.up.end >= End::Reached && !flows.up.has_unsent() {
            return Some(match self.receiving.is_over() {
                true => Next::Finished,
                false => Next::ClientLost("the client closed its connection before its request ended".into()),
            });
        }
        None
    }

    /// The origin takes nothing any more, but may have answered before.
    fn origin_unwritable(&mut self, flows: &mut Flows) {
        if !matches!(self.sending, Sending::Done) {
            self.sending = Sending::Failed;
        }
        flows.lose_origin();
    }

    /// The origin's connection failed for reading.
    fn origin_broken(&mut self, fail: &IoFail, flows: &Flows) -> Next {
        match self.receiving {
            Receiving::Head { .. } => self.unanswered(&fail.text, flows),
            _ if self.receiving.is_over() => Next::Finished,
            _ => Next::Truncated(fail.text.clone()),
        }
    }

    fn leave(mut self: Box<Self>, next: Next, at: &mut At<'_, '_>) -> Then {
        match (next, self.record.take()) {
            (Next::Finished, _) => self.finish(at),
            (Next::Ended, _) => Then::Linger,
            // It is a request still.
            (Next::Upgraded, Some(mut record)) => {
                let allowed = &self.request.allowed;
                recheck::note_way(&mut record, allowed, at.cx);
                let is_due = recheck::is_due(allowed, at.cx);
                Then::Switch(record, std::mem::take(&mut self.request.permits), is_due)
            }
            (Next::Again, Some(record)) => {
                at.drop_origin();
                let request = self.request;
                Then::Dial(Errand { request, record }, Reuse::Never, Rest::Known)
            }
            (Next::Refuse(refusal), Some(record)) => {
                let sent = matches!(self.sending, Sending::Done);
                let mut manner = self.request.asked.manner;
                manner.persists &= self.client_persists && sent;
                manner.body_left = !sent;
                at.drop_origin();
                Then::Refuse(record, refusal, manner)
            }
            // These three come before the response, and with it the record's line.
            (Next::Upgraded | Next::Again | Next::Refuse(_), None) => {
                debug_assert!(false, "an answer behind the response");
                Then::Close(Close::Abort)
            }
            // Where the framing does not show that the end is missing, a reset does.
            (Next::Truncated(why), record) => {
                let shows = self.receiving.shows_truncation();
                let whose = match self.receiving.is_over() {
                    true => Side::Client,
                    false => Side::Origin,
                };
                match record {
                    Some(record) => log_error(record, &why, at),
                    None => at.act(Action::Cut(self.id, whose, why)),
                }
                if !shows {
                    return Then::Close(Close::Abort);
                }
                at.drop_origin();
                Then::Linger
            }
            // A client that ended its half, or did not want the proxy to end, may still be reading.
            (Next::ClientLost(why), record) => {
                let shows = self.receiving.is_pending() || self.receiving.shows_truncation();
                if let Some(record) = record {
                    log_error(record, &why, at);
                }
                Then::Close(if shows { Close::Orderly } else { Close::Abort })
            }
        }
    }

    /// Parks or drops the origin's connection, and goes on with the client or ends.
    fn finish(self: Box<Self>, at: &mut At<'_, '_>) -> Then {
        let sent = matches!(self.sending, Sending::Done);
        let flows = &mut *at.flows;
        // Bytes behind the response, or an end, make the connection useless: they belong to no request.
        let clean = !flows.up.has_unsent() && flows.down.rx.is_empty() && flows.down.end == End::Open;
        let shows = self.origin.answered || self.origin_says_keep_alive;
        let lease = Lease::new(self.since, at.cx.now, self.keep_alive_seconds, shows);
        let keeps = self.origin_persists && sent && clean && !flows.up.dead && at.cx.now < lease.end();
        flows.forget_origin();
        let key = keeps.then(|| self.request.pool_key()).flatten();
        at.act(match key {
            Some(key) => Action::Park(key, self.origin, lease),
            None => Action::DropOrigin,
        });
        let client_persists = self.client_persists && sent && !at.shared.draining;
        at.cx.spares.put_back_exchange(self);
        match client_persists {
            true => Then::Head,
            false => Then::Linger,
        }
    }
}

/// The head, with what nobody but its receiver may know before the empty line that ends it: an upstream's credentials, or
/// the fields that are added to requests for this origin.
fn push_head(request: &Request, tx: &mut Buf) {
    let (head, allowed) = (&request.head, &request.allowed);
    let upstream = allowed.asked_in_absolute_form();
    let credentials = upstream.and_then(|upstream| upstream.authorization());
    if credentials.is_none() && allowed.adding().is_none() {
        return tx.push(head);
    }
    tx.push(head.strip_suffix(b"\r\n").unwrap_or(head));
    if let Some(value) = credentials {
        rewrite::authorize(value, tx.writer());
    }
    for (name, value) in allowed.adding().into_iter().flat_map(Interception::added) {
        rewrite::add(name, value, tx.writer());
    }
    tx.push(b"\r\n");
}

/// Lets a chunked body go on; of its trailers nothing passes that would stand beside a field which is added.
fn relay_up(relay: &mut Relay, request: &Request, flows: &mut Flows, cx: &Cx<'_>) -> Result<Relayed, Fault> {
    let limits = &cx.settings.head;
    match request.allowed.adding() {
        None => relay.advance(&mut flows.up, limits),
        Some(adding) => relay.advance_without(|name| adding.replaces(name), &mut flows.up, limits),
    }
}

fn log_error(mut record: Box<Record>, why: &str, at: &mut At<'_, '_>) {
    record.note_error(why);
    at.act(Action::Log(record));
}
