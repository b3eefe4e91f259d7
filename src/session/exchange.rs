//! State: a request is on its way to the origin and its response on the way back, both at once. Bodies pass
//! the gates; heads, chunk framing and the ends are looked at (`response`, `relay`).

use std::time::{Duration, Instant};

use crate::flow::{End, Flows, Gate};
use crate::http::framing::Body;
use crate::net::{IoFail, Side};

use super::closing::Closing;
use super::due::{earliest, is_due};
use super::front::fault_refusal;
use super::head::Head;
use super::lease::Lease;
use super::outcome::Record;
use super::refusal::Refusal;
use super::relay::{Relay, Relayed};
use super::reply;
use super::request::{Http, Kind, Request};
use super::response::{self, Receiving};
use super::{Action, Close, Cx, Dialled, Input, Settings, Shared, State, dial, tunnel};

/// RFC 9110 section 10.1.1 leaves to us how long an origin may keep a waiting client waiting.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// An exchange may stand still for this long, or for the idle timeout where that is longer: a short one is meant for
/// forgotten tunnels, not for origins that think before they answer, or streams that are silent in between.
const STANDSTILL_TIMEOUT: Duration = Duration::from_secs(3600);

/// A request and its response.
#[derive(Debug)]
pub struct Exchange {
    pub(super) request: Box<Request>,
    /// What is to be said of it; none once it was logged.
    pub(super) record: Option<Box<Record>>,
    /// The origin's connection. `reused` goes when it has proven alive; `private` comes with the credentials or the
    /// challenge.
    pub(super) origin: Dialled,
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    pub(super) continuing: Continuing,
    /// The connections go on afterwards.
    pub(super) client_persists: bool,
    pub(super) origin_persists: bool,
    /// The origin's connection broke before it had ended its half.
    pub(super) origin_broke: bool,
    /// For how long the origin keeps it idle, where it says so.
    pub(super) keep_alive_seconds: Option<u64>,
    /// When it began; from the response's head on, when that came.
    pub(super) since: Instant,
}

/// How far the request's body got.
#[derive(Debug)]
pub(super) enum Sending {
    Length,
    Chunked(Relay),
    /// All of it passed the gate.
    Done,
    /// The origin takes nothing any more.
    Failed,
}

/// Who says 100 (Continue).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Continuing {
    /// The client does not wait for it, or has got it.
    Settled,
    /// The origin may until then.
    Awaited(Instant),
    /// We did: one of the origin's is swallowed.
    ByUs,
}

/// Lets the head go, which waits in the flow, and the body follow.
pub(super) fn start(
    mut request: Box<Request>,
    record: Box<Record>,
    mut origin: Dialled,
    flows: &mut Flows,
    cx: &mut Cx<'_>,
) -> State {
    let repeatable = request.is_repeatable(flows.up.tx.len());
    let Kind::Http(http) = &mut request.kind else {
        return State::close(Close::Abort, cx);
    };
    if origin.reused && repeatable {
        http.head_copy = cx.spares.copy_of(flows.up.tx.as_slice());
    }
    let sending = match http.body {
        Body::Length(n) if n > 0 => {
            flows.up.gate = Gate::Pass(n);
            Sending::Length
        }
        Body::Chunked => {
            flows.up.gate = Gate::Hold;
            Sending::Chunked(Relay::new(true))
        }
        _ => {
            flows.up.gate = Gate::Pass(0);
            Sending::Done
        }
    };
    flows.down.gate = Gate::Hold;
    let continuing = match http.expects_continue && http.manner.body_left && !http.manner.http10 {
        true => Continuing::Awaited(cx.now + CONTINUE_TIMEOUT),
        false => Continuing::Settled,
    };
    let client_persists = http.manner.persists;
    origin.private |= http.private;
    State::Exchange(cx.spares.exchange(Exchange {
        request,
        record: Some(record),
        origin,
        sending,
        receiving: Receiving::head(),
        continuing,
        client_persists,
        origin_persists: false,
        origin_broke: false,
        keep_alive_seconds: None,
        since: cx.now,
    }))
}

/// One input; the exchange stays where it is in memory while it goes on.
pub(super) fn advance(
    mut exchange: Box<Exchange>,
    input: Input<'_>,
    flows: &mut Flows,
    shared: &mut Shared,
    cx: &mut Cx<'_>,
) -> State {
    let next = match input {
        Input::Broken(Side::Client, fail) | Input::Unwritable(Side::Client, fail) => {
            Some(Next::ClientLost(fail.text))
        }
        Input::Unwritable(Side::Origin, _) => {
            exchange.origin_unwritable(flows);
            None
        }
        Input::Broken(Side::Origin, fail) => Some(exchange.origin_broken(&fail, flows)),
        Input::Starved if exchange.receiving.is_pending() => Some(Next::Refuse(Refusal::Overloaded(
            "No memory is left for the request and its response.",
        ))),
        Input::Starved => Some(Next::Truncated("no memory is left".into())),
        Input::Terminate => Some(Next::ClientLost("the proxy shut down".into())),
        Input::Expired => exchange.expired(flows, shared, cx),
        _ => None,
    };
    let next = match next {
        Some(next) => Some(next),
        None => exchange.go_on(flows, shared, cx),
    };
    match next {
        None => State::Exchange(exchange),
        Some(next) => exchange.leave(next, flows, shared, cx),
    }
}

/// Ways out of an exchange.
#[derive(Debug)]
pub(super) enum Next {
    /// Both messages are through.
    Finished,
    /// The response ended with its connection.
    Ended,
    /// The protocol was switched.
    Upgraded,
    /// The pooled connection was dead: once more on a fresh one.
    Again,
    /// No response has begun: answer in the origin's place.
    Refuse(Refusal),
    /// The response broke off: the client must not take it for complete.
    Truncated(Box<str>),
    /// Nobody is there to be answered.
    ClientLost(Box<str>),
}

impl Exchange {
    pub(super) fn http(&self) -> Option<&Http> {
        match &self.request.kind {
            Kind::Http(http) => Some(http),
            Kind::Connect(_) => None,
        }
    }

    pub(super) fn deadline(&self, flows: &Flows, shared: &Shared, settings: &Settings) -> Option<Instant> {
        let awaited = match self.continuing {
            Continuing::Awaited(until) => Some(until),
            _ => None,
        };
        let half_closed = self
            .receiving
            .is_pending()
            .then(|| shared.half_close_deadline(self.since))
            .flatten();
        earliest(
            earliest(awaited, half_closed),
            self.inactivity_deadline(flows, settings),
        )
    }

    /// Any direction's standstill, measured from the last byte either way; reads and writes have limits of
    /// their own beside it.
    fn inactivity_deadline(&self, flows: &Flows, settings: &Settings) -> Option<Instant> {
        let after = |since: Instant, limit: Duration| (!limit.is_zero()).then(|| since + limit);
        let reading = matches!(self.sending, Sending::Length | Sending::Chunked(_)) && !flows.up.has_unsent();
        let read = reading
            .then(|| after(flows.up.touched.max(self.since), settings.read_timeout))
            .flatten();
        let writing = flows.down.has_unsent();
        let write = writing
            .then(|| after(flows.down.touched, settings.write_timeout))
            .flatten();
        let still = (!settings.idle_timeout.is_zero())
            .then(|| flows.touched().max(self.since) + settings.idle_timeout.max(STANDSTILL_TIMEOUT));
        earliest(earliest(read, write), still)
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
                flows.down.tx.push(b"HTTP/1.1 100 Continue\r\n\r\n");
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
            (false, _) => Next::Truncated("nothing moved for too long".into()),
        })
    }

    fn go_on(&mut self, flows: &mut Flows, shared: &mut Shared, cx: &mut Cx<'_>) -> Option<Next> {
        self.send(flows, cx)
            .or_else(|| response::receive(self, flows, shared, cx))
    }

    /// Lets the request's body pass.
    fn send(&mut self, flows: &mut Flows, cx: &Cx<'_>) -> Option<Next> {
        let done = match &mut self.sending {
            Sending::Done | Sending::Failed => return None,
            Sending::Length => flows.up.gate == Gate::Pass(0),
            Sending::Chunked(relay) => match relay.advance(&mut flows.up, &cx.settings.head) {
                Ok(relayed) => relayed == Relayed::Done,
                Err(fault) if self.receiving.is_pending() => return Some(Next::Refuse(fault_refusal(fault))),
                Err(_) => return Some(Next::Truncated("the request's body is malformed".into())),
            },
        };
        if done {
            self.sending = Sending::Done;
        } else if flows.up.end >= End::Reached && !flows.up.has_unsent() {
            return Some(Next::ClientLost(
                "the client closed its connection before its request ended".into(),
            ));
        }
        None
    }

    /// The origin takes nothing any more, but may have answered before. Where no FIN came first, the end that
    /// will be read is the failure's.
    fn origin_unwritable(&mut self, flows: &mut Flows) {
        if !matches!(self.sending, Sending::Done) {
            self.sending = Sending::Failed;
        }
        flows.up.kill();
        self.origin_broke |= flows.down.end == End::Open;
        if self.origin_broke && flows.down.gate == Gate::Open {
            flows.down.gate = Gate::ENDLESS;
        }
    }

    /// The origin's connection failed for reading.
    fn origin_broken(&mut self, fail: &IoFail, flows: &Flows) -> Next {
        if self.receiving.is_pending() {
            return self.unanswered(&fail.text, flows);
        }
        Next::Truncated(fail.text.clone())
    }

    /// No response came, and none will. RFC 9112 section 9.3.1: a request that may be repeated is, once, when
    /// the connection had been kept and closed under it.
    pub(super) fn unanswered(&self, why: &str, flows: &Flows) -> Next {
        if self.request.has_copy() && flows.down.rx.is_empty() {
            return Next::Again;
        }
        Next::Refuse(Refusal::Unanswered(
            format!("{}: {why}", self.origin.remote).into(),
        ))
    }

    fn leave(
        mut self: Box<Self>,
        next: Next,
        flows: &mut Flows,
        shared: &mut Shared,
        cx: &mut Cx<'_>,
    ) -> State {
        match (next, self.record.take()) {
            (Next::Finished, _) => self.finish(flows, shared, cx),
            (Next::Ended, _) => Closing::linger(flows, cx),
            (Next::Upgraded, Some(record)) => {
                tunnel::log_opening(&record, cx);
                tunnel::open(record, flows, cx)
            }
            (Next::Again, Some(record)) => {
                cx.actions.push(Action::DropOrigin);
                flows.forget_origin();
                flows.up.tx = self.request.take_copy().into();
                dial::start(self.request, record, dial::Reuse::Never, None, flows, shared, cx)
            }
            (Next::Refuse(refusal), Some(record)) => {
                let mut manner = self.request.manner();
                manner.persists &= self.client_persists && matches!(self.sending, Sending::Done);
                manner.body_left = !matches!(self.sending, Sending::Done);
                cx.actions.push(Action::DropOrigin);
                flows.forget_origin();
                reply::refuse(record, refusal, manner, flows, shared, cx)
            }
            // These three come before the response, and with it the record's line.
            (Next::Upgraded | Next::Again | Next::Refuse(_), None) => State::close(Close::Abort, cx),
            // Where the framing does not show that the end is missing, a reset does.
            (Next::Truncated(why), record) => {
                let shows = self.receiving.shows_truncation();
                log_error(record, &why, cx);
                if !shows {
                    return State::close(Close::Abort, cx);
                }
                cx.actions.push(Action::DropOrigin);
                flows.forget_origin();
                Closing::linger(flows, cx)
            }
            // A client that ended its half, or did not want the proxy to end, may still be reading.
            (Next::ClientLost(why), record) => {
                let shows = self.receiving.is_pending() || self.receiving.shows_truncation();
                log_error(record, &why, cx);
                State::close(if shows { Close::Orderly } else { Close::Abort }, cx)
            }
        }
    }

    /// Parks or drops the origin's connection, and goes on with the client or ends.
    fn finish(self: Box<Self>, flows: &mut Flows, shared: &Shared, cx: &mut Cx<'_>) -> State {
        let sent = matches!(self.sending, Sending::Done);
        // Bytes behind the response, or an end, make the connection useless: they belong to no request.
        let clean = !flows.up.has_unsent() && flows.down.rx.is_empty() && flows.down.end == End::Open;
        let lease = Lease::new(self.since, self.keep_alive_seconds);
        let keeps = self.origin_persists && sent && clean && !flows.up.dead && cx.now < lease.end();
        cx.actions.push(match keeps {
            true => Action::Park(self.request.pool_key(), self.origin, lease),
            false => Action::DropOrigin,
        });
        flows.forget_origin();
        let client_persists = self.client_persists && sent && !shared.draining;
        cx.spares.put_back_exchange(self);
        if client_persists {
            Head::next(flows, cx.now)
        } else {
            Closing::linger(flows, cx)
        }
    }
}

/// Logs what was not logged yet.
fn log_error(record: Option<Box<Record>>, why: &str, cx: &mut Cx<'_>) {
    if let Some(mut record) = record {
        record.note_error(why);
        cx.actions.push(Action::Log(record));
    }
}
