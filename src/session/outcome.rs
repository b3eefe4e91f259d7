//! What became of a request: the [`Record`] that log and counters read. Why we answer one ourselves is in `refusal`;
//! formats no log line (that is `crate::log`).

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::flow::Flows;
pub use crate::http::reply::Cause;
use crate::net::{Certified, Endpoint, Scheme};
pub use crate::policy::Code;
use crate::policy::quota::Moment;
use crate::policy::{Decision, Exceeded};

pub use super::extras::Extras;
use super::id::Id;
pub use super::refusal::ROLE_UNKNOWN;
use super::refusal::{Refusal, limited};
pub use super::sni::{Sni, SniVerdict};
pub use super::told::{Field, Told};

/// A time that is short as a rule, in four bytes, none of it included: microseconds, 71 minutes at most; what is longer
/// counts as that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Micros(NonZeroU32);

impl Micros {
    /// So many microseconds; the most that there are count as one less.
    pub fn new(micros: u32) -> Micros {
        Micros(NonZeroU32::MIN.saturating_add(micros))
    }

    /// How many it is.
    pub fn get(self) -> u32 {
        self.0.get() - 1
    }
}

impl Default for Micros {
    fn default() -> Micros {
        Micros::new(0)
    }
}

impl From<Duration> for Micros {
    fn from(time: Duration) -> Micros {
        Micros::new(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))
    }
}

/// How the client asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProxyType {
    /// Absolute-form HTTP.
    #[default]
    Http,
    /// CONNECT.
    Connect,
}

/// What the ACL said, whatever became of the request then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It may go out.
    Allow,
    /// It may, but with every rule enforced it might not.
    Report,
    /// It may not.
    Deny,
}

/// Which line a record becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Line {
    /// `CANONICAL-PROXY-DECISION`, one per request.
    #[default]
    Decision,
    /// `CANONICAL-PROXY-CN-CLOSE`, one per tunnel.
    Close,
}

/// Everything the log lines and counters say of one request.
#[derive(Clone, Debug)]
pub struct Record {
    /// The request's id; the same in every line about it.
    pub id: Id,
    /// CONNECT or plain.
    pub proxy_type: ProxyType,
    /// The scheme of what was to be forwarded; none, of a CONNECT.
    pub scheme: Option<Scheme>,
    /// The host as the request spelled it; empty where the request had none that could be read.
    pub requested_host: Arc<str>,
    /// What few have: a trace id, a private exception, a failure.
    pub extras: Option<Box<Extras>>,
    /// The role's name; empty when missing or refused.
    pub role: Option<Arc<str>>,
    /// The ACL rule's project.
    pub project: Option<Arc<str>>,
    /// Who connected.
    pub client: Endpoint,
    /// Whom its certificate names.
    pub certificate: Option<Arc<Certified>>,
    /// Nobody knows who that is: how many such lines are written is limited.
    pub by_stranger: bool,
    /// When the request's head was complete, by the wall clock.
    pub start: SystemTime,
    /// What the ACL said; none where it was not asked.
    pub verdict: Option<Verdict>,
    /// The origin's connection had been kept: none was made for this request.
    pub is_reused: bool,
    /// Was the request let out?
    pub allow: bool,
    /// Would it have been denied had every rule enforced?
    pub enforce_would_deny: bool,
    /// Why, in the reference's words.
    pub decision_reason: Cow<'static, str>,
    /// The status of our own answer, if we gave one.
    pub status_code: Option<u16>,
    /// What that answer is due to.
    pub cause: Option<Cause>,
    /// The same by its stable name.
    pub code: Option<Code>,
    /// Time the lookup took; `None` where there was none.
    pub dns_lookup_time: Option<Micros>,
    /// Time the dial took; `None` where there was none.
    pub establish_time: Option<Micros>,
    /// Time from the request's head to its dial; `None` where it came to none.
    pub dialled_after: Option<Micros>,
    /// Is it a rule of the operator's that lets the first of its addresses through that may be dialled, rather than the
    /// address's class? `None` where there is no such address.
    pub by_rule: Option<bool>,
    /// The address that was dialled.
    pub outbound_remote: Option<Endpoint>,
    /// Our end of that connection.
    pub outbound_local: Option<Endpoint>,
    /// How much it was.
    pub extent: Extent,
}

/// How much a response or a tunnel brought.
#[derive(Clone, Debug, Default)]
pub enum Extent {
    /// It is not known, or there was nothing.
    #[default]
    Unknown,
    /// The `Content-Length` of the origin's response.
    Content(u64),
    /// Only in close lines: what the tunnel moved, and how it ended.
    Tunnel(Box<TunnelEnd>),
}

/// The part of a [`Record`] that only a tunnel's close line has.
#[derive(Clone, Debug)]
pub struct TunnelEnd {
    /// Bytes from the origin to the client.
    pub bytes_in: u64,
    /// Bytes from the client to the origin.
    pub bytes_out: u64,
    /// How long the tunnel was there.
    pub duration: Duration,
    /// When it ended, by the wall clock.
    pub end_time: SystemTime,
    /// When the last byte moved, by the wall clock.
    pub last_activity: SystemTime,
    /// It was in use when shutdown ended it.
    pub active_at_termination: bool,
}

impl TunnelEnd {
    /// Of a tunnel that `began` then and ends now, and whose bytes these flows counted.
    pub(super) fn now(flows: &Flows, began: Instant, at: Moment, active_at_termination: bool) -> TunnelEnd {
        let (Flows { up, down }, Moment { now, wall }) = (flows, at);
        let since = |then: Instant| now.duration_since(then);
        let quiet = since(up.touched).min(since(down.touched));
        TunnelEnd {
            bytes_in: down.moved_bytes,
            bytes_out: up.moved_bytes,
            duration: since(began),
            end_time: wall,
            last_activity: wall.checked_sub(quiet).unwrap_or(SystemTime::UNIX_EPOCH),
            active_at_termination,
        }
    }
}

impl Record {
    /// A request of which nothing is known yet but who sent it and when.
    pub fn new(id: Id, client: impl Into<Endpoint>, start: SystemTime) -> Record {
        Record {
            id,
            proxy_type: ProxyType::Http,
            scheme: None,
            requested_host: Arc::default(),
            extras: None,
            role: None,
            project: None,
            client: client.into(),
            certificate: None,
            by_stranger: false,
            start,
            verdict: None,
            is_reused: false,
            allow: false,
            enforce_would_deny: true,
            decision_reason: Cow::Borrowed(""),
            status_code: None,
            cause: None,
            code: None,
            dns_lookup_time: None,
            establish_time: None,
            dialled_after: None,
            by_rule: None,
            outbound_remote: None,
            outbound_local: None,
            extent: Extent::Unknown,
        }
    }

    /// The code of what was refused: by an answer of ours, or, once its tunnel was there, for what is inside of it or by a
    /// later policy.
    pub fn refused_by(&self) -> Option<Code> {
        let in_tunnel = self.code == Some(Code::SniMismatch) || self.withdrawn_by().is_some();
        self.code.filter(|_| self.status_code.is_some() || in_tunnel)
    }

    /// Notes what the ACL or the address rules said.
    pub fn note_decision(&mut self, decision: Decision, allow: bool) {
        self.allow = allow;
        self.enforce_would_deny = decision.enforce_would_deny;
        self.decision_reason = decision.reason;
        self.project = Some(decision.project);
    }

    /// Notes that the ACL lets it out.
    pub fn note_allowed(&mut self, decision: Decision) {
        self.verdict = Some(match decision.enforce_would_deny {
            true => Verdict::Report,
            false => Verdict::Allow,
        });
        self.note_decision(decision, true);
    }

    /// Notes why the request ends by an answer of ours, with this status.
    pub fn note_refusal(&mut self, refusal: Refusal, status: u16) {
        self.status_code = Some(status);
        self.note_unanswered(refusal);
    }

    /// Notes why the request ends without the origin's answer, and without one of ours.
    pub fn note_unanswered(&mut self, refusal: Refusal) {
        let cause = refusal.cause();
        self.cause = Some(cause);
        self.code = Some(refusal.code());
        if let Refusal::DialFailed(kind, _) = refusal {
            self.extras_mut().dial_failure = Some(kind);
        }
        match (refusal, cause) {
            (Refusal::Denied(denied), _) => {
                self.note_decision(denied.decision, false);
                self.extras_mut().grounds = Some(denied.grounds);
            }
            // What the ACL said of it stays true, but it was not let out.
            (Refusal::Limited(exceeded), _) => {
                self.allow = false;
                self.decision_reason = limited(exceeded.limit).into();
                self.note_limit(exceeded);
            }
            // It was let out, and came no further than here.
            (Refusal::TraceEnds, _) => {}
            // The request was let out, or would have been.
            (failure, Cause::Origin | Cause::Capacity) => self.set_error(&failure.reason()),
            // So was one whose body the client then spoils: what was decided stays true.
            (failure, Cause::Request) if self.outbound_remote.is_some() => {
                self.set_error(&failure.reason());
            }
            (refusal, _) => {
                self.allow = false;
                self.enforce_would_deny = true;
                self.decision_reason = refusal.reason();
                self.extras_mut().grounds = Some(refusal.into_grounds());
            }
        }
    }

    /// Notes that a limit left no room for it, or ended it.
    pub fn note_limit(&mut self, exceeded: Exceeded) {
        self.code = Some(exceeded.code());
        let extras = self.extras_mut();
        extras.limit = Some(exceeded.limit);
        extras.grounds = Some(exceeded.grounds);
    }

    /// Notes that the request ended without an answer of ours or the origin's.
    pub fn note_error(&mut self, error: &str) {
        self.extras_mut().error.get_or_insert_with(|| error.into());
    }

    fn set_error(&mut self, error: &str) {
        self.extras_mut().error = Some(error.into());
    }

    /// How the tunnel ended; only in close lines.
    pub fn end(&self) -> Option<&TunnelEnd> {
        match &self.extent {
            Extent::Tunnel(end) => Some(end),
            Extent::Unknown | Extent::Content(_) => None,
        }
    }

    /// Which canonical line this record becomes.
    pub fn line(&self) -> Line {
        match self.extent {
            Extent::Tunnel(_) => Line::Close,
            Extent::Unknown | Extent::Content(_) => Line::Decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::net::IoFailKind;
    use crate::policy::Refused;

    use super::*;

    #[test]
    fn a_failure_keeps_the_decision_and_adds_the_error() {
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut record = Record::new(Id::default(), client, SystemTime::UNIX_EPOCH);
        record.allow = true;
        record.note_refusal(
            Refusal::DialFailed(
                IoFailKind::Refused,
                "dial tcp 1.2.3.4:80: connection refused".into(),
            ),
            502,
        );
        assert!(record.allow);
        let error = record.error().unwrap();
        assert_eq!(
            error,
            "Failed to connect to remote host: dial tcp 1.2.3.4:80: connection refused"
        );
        assert_eq!(record.code, Some(Code::ConnectFailed));
        record.note_refusal(Refusal::Unidentified(Refused::Wrong), 407);
        assert!(!record.allow);
        assert_eq!(record.decision_reason, ROLE_UNKNOWN);
    }

    #[test]
    fn a_client_that_spoils_what_was_let_out_does_not_undo_the_decision() {
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        for refusal in [Refusal::BodyTooSlow, Refusal::Malformed("a malformed chunk size")] {
            let mut record = Record::new(Id::default(), client, SystemTime::UNIX_EPOCH);
            let decision = Decision {
                project: "p".into(),
                reason: "rule has open enforcement policy".into(),
                enforce_would_deny: false,
            };
            record.note_decision(decision, true);
            record.outbound_remote = Some(client.into());
            let (reason, code) = (refusal.reason(), refusal.code());
            record.note_refusal(refusal, 400);
            assert!(record.allow && !record.enforce_would_deny);
            assert_eq!(record.decision_reason, "rule has open enforcement policy");
            assert_eq!(record.error(), Some(&*reason));
            assert_eq!(record.code, Some(code));
        }
    }
}
