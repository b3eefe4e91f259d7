//! What became of a request: the [`Record`] that log and counters read, and the [`Refusal`]s, each with
//! status, message and label in one place. Formats no log line (that is `crate::log`).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A request's id in the form of an xid: 12 bytes, shown as 20 characters of lower-case base32hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Id(pub [u8; 12]);

/// How the client asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProxyType {
    /// Absolute-form HTTP.
    #[default]
    Http,
    /// CONNECT.
    Connect,
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
    /// The host as the request spelled it; empty where the request had none that could be read.
    pub requested_host: Box<str>,
    /// `X-Smokescreen-Trace-ID`, raw, cut by the log.
    pub trace_id: Box<[u8]>,
    /// The role's name; empty when missing or refused.
    pub role: Option<Arc<str>>,
    /// The ACL rule's project.
    pub project: Option<Arc<str>>,
    /// Who connected.
    pub client: SocketAddr,
    /// When the request's head was complete, by the wall clock.
    pub start: SystemTime,
    /// Was the request let out?
    pub allow: bool,
    /// Would it have been denied had every rule enforced?
    pub enforce_would_deny: bool,
    /// Why, in the reference's words.
    pub decision_reason: Cow<'static, str>,
    /// What failed, if anything did.
    pub error: Option<Box<str>>,
    /// The status of our own answer, if we gave one.
    pub status_code: Option<u16>,
    /// Time the lookup took; `None` where there was none.
    pub dns_lookup_time: Option<Duration>,
    /// Time the dial took; `None` where there was none.
    pub establish_time: Option<Duration>,
    /// The address that was dialled.
    pub outbound_remote: Option<SocketAddr>,
    /// Our end of that connection.
    pub outbound_local: Option<SocketAddr>,
    /// The `Content-Length` of the origin's response.
    pub content_length: Option<u64>,
    /// Only in close lines: how the tunnel ended.
    pub end: Option<Box<TunnelEnd>>,
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

impl Record {
    /// Which canonical line this record becomes.
    pub fn line(&self) -> Line {
        if self.end.is_some() {
            Line::Close
        } else {
            Line::Decision
        }
    }
}
