//! How far a request and its response got, as a value: what [`Exchange`] keeps. What is done with it stands in
//! `exchange` (the request, the ends) and `response`.

use std::time::Duration;

use crate::clock::Instant;
use crate::flow::{End, Flows};
use crate::http::head::Scan;

use super::due::earliest;
use super::id::Id;
use super::outcome::Record;
use super::refusal::Refusal;
use super::relay::Relay;
use super::request::Request;
use super::shared::Shared;
use super::words::{Dialled, Settings};

/// An exchange may stand still for this long, or for the idle timeout where that is longer: a short one is meant for
/// forgotten tunnels, not for origins that think before they answer, or streams that are silent in between.
const STANDSTILL_TIMEOUT: Duration = Duration::from_secs(3600);

/// The rest of a request whose response has left may stand still for this long: who has its answer may have given up the
/// rest without a word.
const REST_TIMEOUT: Duration = Duration::from_secs(30);

/// A request and its response.
#[derive(Debug)]
pub struct Exchange {
    pub(super) request: Box<Request>,
    /// The request's, for what is to be said of it later.
    pub(super) id: Id,
    /// What is to be said of it; none once it was logged.
    pub(super) record: Option<Box<Record>>,
    /// The origin's connection. `private` comes with the credentials or the challenge.
    pub(super) origin: Dialled,
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    pub(super) continuing: Continuing,
    /// The connections go on afterwards.
    pub(super) client_persists: bool,
    pub(super) origin_persists: bool,
    /// For how long the origin keeps it idle, where it says so.
    pub(super) keep_alive_seconds: Option<u64>,
    /// It said `keep-alive`.
    pub(super) origin_says_keep_alive: bool,
    /// What had moved of what the client sent before the body.
    pub(super) moved_before: u64,
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
    /// The client was answered instead, and has sent nothing yet: it may keep its body (RFC 9110 section 10.1.1).
    Declined,
}

/// How far the response got.
#[derive(Debug)]
pub(super) enum Receiving {
    /// No final head yet.
    Head {
        scan: Scan,
        interims: u8,
    },
    Length,
    Chunked(Relay),
    /// Its end is the connection's.
    UntilClose,
    /// There is no body.
    Nothing,
    /// All of it has left.
    Passed,
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

impl Receiving {
    pub(super) fn head() -> Receiving {
        Receiving::Head {
            scan: Scan::response(),
            interims: 0,
        }
    }

    /// Is the final response still to begin?
    pub(super) fn is_pending(&self) -> bool {
        matches!(self, Receiving::Head { .. })
    }

    /// Is nothing of the response still to come?
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Receiving::Nothing | Receiving::Passed)
    }

    /// Can the client tell a body that broke off from a complete one by its framing?
    pub(super) fn shows_truncation(&self) -> bool {
        match self {
            Receiving::Chunked(relay) => relay.is_framed(),
            Receiving::UntilClose => false,
            _ => true,
        }
    }
}

impl Exchange {
    pub(super) fn deadline(&self, flows: &Flows, shared: &Shared, settings: &Settings) -> Option<Instant> {
        let awaited = match self.continuing {
            Continuing::Awaited(until) => Some(until),
            _ => None,
        };
        let half_closed = match self.receiving.is_pending() {
            true => shared.half_close_deadline(self.since),
            false => None,
        };
        let inactivity = self.inactivity_deadline(flows, settings);
        earliest(earliest(awaited, half_closed), inactivity)
    }

    /// Any direction's standstill, measured from the last byte either way; reads and writes have limits of
    /// their own beside it.
    pub(super) fn inactivity_deadline(&self, flows: &Flows, settings: &Settings) -> Option<Instant> {
        let after = |since: Instant, limit: Option<Duration>| Some(since + limit?);
        let reading = matches!(self.sending, Sending::Length | Sending::Chunked(_)) && !flows.up.has_unsent();
        let read = reading
            .then(|| after(flows.up.touched.max(self.since), settings.read_timeout))
            .flatten();
        let writing = flows.down.has_unsent();
        let write = writing
            .then(|| after(flows.down.touched, settings.write_timeout))
            .flatten();
        let still = match self.receiving.is_over() {
            true => Some(REST_TIMEOUT),
            false => settings.idle_timeout.map(|idle| idle.max(STANDSTILL_TIMEOUT)),
        };
        let still = after(flows.touched().max(self.since), still);
        earliest(earliest(read, write), still)
    }

    /// The response is there. Must its connections be, for the rest of the request? An origin that answers before it has
    /// read all of that may read on, and the client, which has its answer, counts on it. One that ends its connection has
    /// enough.
    pub(super) fn is_owed(&self, flows: &Flows) -> bool {
        flows.down.end == End::Open
            && match self.sending {
                Sending::Length | Sending::Chunked(_) => self.continuing != Continuing::Declined,
                Sending::Done => flows.up.has_unsent() && !flows.up.dead,
                Sending::Failed => false,
            }
    }

    /// Has the client sent anything of its body?
    pub(super) fn has_begun(&self, flows: &Flows) -> bool {
        !flows.up.rx.is_empty() || flows.up.moved_bytes != self.moved_before
    }

    /// No response came, and none will. RFC 9112 section 9.3.1: a request that may be repeated is, once, when
    /// the connection had been kept and closed under it.
    pub(super) fn unanswered(&self, why: &str, flows: &Flows) -> Next {
        // The head is there still where the connection was kept, the request can be repeated, and nothing was answered.
        if !self.request.head.is_empty() && flows.down.rx.is_empty() {
            return Next::Again;
        }
        Next::Refuse(Refusal::Unanswered(
            format!("{}: {why}", self.origin.remote).into(),
        ))
    }
}
