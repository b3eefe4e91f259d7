//! A request between its judgement and its answer: what was allowed, to whom, and what forwarding it takes. Decides
//! nothing; `front` makes it.

use std::time::Instant;

use crate::flow::GRANTED_BYTES;
use crate::http::Version;
use crate::http::framing::Body;
use crate::policy::{Allowed, Role, VettedList};

use super::reply::Manner;
use super::{DialFail, PoolKey, Shared};

/// A request that the ACL allowed. What is to be said of it in the log is in the [`Record`] beside it.
#[derive(Debug)]
pub struct Request {
    /// The ACL's permission.
    pub allowed: Allowed,
    /// Who asks.
    pub role: Role,
    /// CONNECT or plain.
    pub kind: Kind,
    /// When its head was complete.
    pub began: Instant,
    /// Where it may be dialled; none before its host was looked up.
    pub addresses: VettedList,
    /// Why those that were dialled so far failed, while others are looked up.
    pub(super) lost: Option<Box<DialFail>>,
}

/// The two ways of asking.
#[derive(Debug)]
pub enum Kind {
    /// CONNECT, and how to answer one that fails.
    Connect(Manner),
    /// A request to be forwarded.
    Http(Http),
}

/// What forwarding needs to know of a request.
#[derive(Debug)]
pub struct Http {
    /// The client's protocol version.
    pub version: Version,
    /// How its body is framed.
    pub body: Body,
    /// How the client wants its connection and an answer of ours.
    pub manner: Manner,
    /// It may be sent twice (RFC 9110 section 9.2.2).
    pub idempotent: bool,
    /// It waits for a 100 before it sends its body.
    pub expects_continue: bool,
    /// The protocols that it asks its origin to change to, as a list of 1 KiB at most; empty: none.
    pub protocols: Box<[u8]>,
    /// It may be forwarded no further: we are meant (Max-Forwards).
    pub ends_here: bool,
    /// It carries connection-based authentication: its connection is never shared.
    pub private: bool,
    /// A copy of the head that was sent to the origin, where it may have to be sent twice.
    pub head_copy: Vec<u8>,
}

impl Request {
    /// May it be sent once more (RFC 9110, 9.2.2)? Only where nothing of it is lost with the first attempt: of a head of
    /// more than [`GRANTED_BYTES`] no copy is kept.
    pub fn is_repeatable(&self, head_bytes: usize) -> bool {
        match &self.kind {
            Kind::Http(http) => http.idempotent && !http.manner.body_left && head_bytes <= GRANTED_BYTES,
            Kind::Connect(_) => false,
        }
    }

    /// Is a copy of its head kept, so that it can be sent once more?
    pub(super) fn has_copy(&self) -> bool {
        matches!(&self.kind, Kind::Http(http) if !http.head_copy.is_empty())
    }

    /// Is it for us, though it was let out?
    pub(super) fn ends_here(&self) -> bool {
        matches!(&self.kind, Kind::Http(http) if http.ends_here)
    }

    /// The copy of its head, if there is one, for the last time.
    pub(super) fn take_copy(&mut self) -> Vec<u8> {
        match &mut self.kind {
            Kind::Http(http) => std::mem::take(&mut http.head_copy),
            Kind::Connect(_) => Vec::new(),
        }
    }

    /// How to answer it ourselves. After a CONNECT nothing but a close makes sense, and its
    /// manner says so.
    pub fn manner(&self) -> Manner {
        match &self.kind {
            Kind::Connect(manner) => *manner,
            Kind::Http(http) => http.manner,
        }
    }

    /// After a client's FIN a plain request is worth only a short wait; a CONNECT is not: the tunnel will carry
    /// the FIN on.
    pub(super) fn half_close_deadline(&self, shared: &Shared) -> Option<Instant> {
        match self.kind {
            Kind::Connect(_) => None,
            Kind::Http(_) => shared.half_close_deadline(self.began),
        }
    }

    /// Which idle connections would do.
    pub fn pool_key(&self) -> PoolKey {
        let target = self.allowed.target();
        PoolKey {
            role: self.role.clone(),
            host: target.host.clone(),
            port: target.port,
        }
    }
}
