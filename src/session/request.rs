//! A request between its judgement and its answer: what was allowed, to whom, and what forwarding it takes. Decides
//! nothing; `judge` makes it.

use crate::clock::Instant;
use crate::http::framing::Body;
use crate::http::{Version, accept};
use crate::net::{Peer, Scheme};
use crate::policy::quota::Permits;
use crate::policy::{Allowed, Policy, Role, Route, VettedList};

use super::introduction::Introduction;
use super::sni::HelloProgress;
use super::words::{DialFail, PoolKey};

/// A request that the ACL allowed. What is to be said of it in the log is in the
/// [`Record`](super::outcome::Record) beside it.
#[derive(Debug)]
pub struct Request {
    /// The ACL's permission.
    pub allowed: Allowed,
    /// Who asks.
    pub role: Role,
    /// What it asks for.
    pub way: Way,
    /// How.
    pub asked: Asked,
    /// What the origin is to be sent first; nothing, of a tunnel. Here it waits for a connection, and here it stays, where
    /// it may have to be sent twice, until an answer comes.
    pub head: Vec<u8>,
    /// A copy of the head may be held for as long as the origin takes to answer.
    pub keeps_head: bool,
    /// When the client's head was complete.
    pub began: Instant,
    /// Where it may be dialled; none before its host was looked up.
    pub addresses: VettedList,
    /// What it holds of limits.
    pub(super) permits: Permits,
    /// How far the hello of its tunnel got, while that is looked at.
    pub(super) hello: HelloProgress,
    /// Why those that were dialled so far failed, while others are looked up.
    pub(super) lost: Option<Box<DialFail>>,
}

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// A tunnel (CONNECT).
    Tunnel,
    /// To be forwarded.
    Forward,
}

/// What the client's head says of how to treat its request.
#[derive(Debug)]
pub struct Asked {
    /// The client's protocol version.
    pub version: Version,
    /// How its body is framed; a tunnel has none.
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
    /// What counts for all requests inside, of a tunnel that is intercepted.
    pub introduction: Option<Box<Introduction>>,
    /// It carries connection-based authentication, its client's or an added one: its connection is never shared.
    pub private: bool,
}

/// How a client wants to be answered, and whether its connection can go on afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// It keeps the connection, as far as it is concerned.
    pub persists: bool,
    /// Its request has content that was not read.
    pub body_left: bool,
    /// It asked by HEAD: headers only.
    pub head_only: bool,
    /// It speaks HTTP/1.0.
    pub http10: bool,
    /// It wants to be told in JSON.
    pub json: bool,
}

impl Manner {
    /// Answer and close: all that makes sense after a CONNECT, too.
    pub const CLOSING: Manner = Manner {
        persists: false,
        body_left: true,
        head_only: false,
        http10: false,
        json: false,
    };

    /// Answer and close, where nothing of a head could be read but perhaps its method and its Accept.
    pub fn closing(head: &[u8]) -> Manner {
        Manner {
            head_only: head.starts_with(b"HEAD "),
            json: accept::unparsed_prefers_json(head),
            ..Manner::CLOSING
        }
    }
}

impl Request {
    /// May it be sent once more (RFC 9110, 9.2.2)? Only where nothing of it is lost with the first attempt: its content
    /// would be, and a head that is not kept.
    pub fn is_repeatable(&self) -> bool {
        self.asked.idempotent && !self.asked.manner.body_left && self.keeps_head
    }

    /// Has its bytes counted from now on by the limit that this policy has for its role, which may be another one than that
    /// it was admitted by.
    pub(super) fn meter(&mut self, policy: &Policy) {
        policy.meter(&self.role, &mut self.permits);
    }

    /// What failed, with the upstream that it failed at, if it did at one.
    pub(super) fn at_whom(&self, text: &str) -> Box<str> {
        match self.allowed.route() {
            Route::Direct => text.into(),
            Route::Through(upstream) => format!("upstream proxy {upstream}: {text}").into(),
        }
    }

    /// Are its bytes counted, and those of its answer?
    pub(super) fn is_metered(&self) -> bool {
        self.permits.are_metered()
    }

    /// After a client's FIN a plain request is worth only a short wait; a CONNECT is not: the tunnel will carry
    /// the FIN on.
    pub(super) fn outlives_fin(&self) -> bool {
        self.way == Way::Tunnel
    }

    /// Whom its connection must be secured to before anything is asked of it; none: it is spoken to in the clear.
    pub(super) fn peer(&self) -> Option<Peer> {
        let is_secured = self.allowed.scheme() == Some(Scheme::Https) || self.allowed.intercepts();
        is_secured.then(|| Peer {
            host: self.allowed.target().host.clone(),
            trust: self.allowed.trust_in_origin(),
        })
    }

    /// Which idle connections would do; none for a tunnel, which needs one of its own.
    pub fn pool_key(&self) -> Option<PoolKey> {
        Some(self.key(self.allowed.scheme()?))
    }

    /// Those that would do for requests inside of the tunnel that it asks for.
    pub(super) fn key_inside(&self) -> PoolKey {
        self.key(Scheme::Https)
    }

    fn key(&self, scheme: Scheme) -> PoolKey {
        let target = self.allowed.target();
        let (host, port) = match self.allowed.asked_in_absolute_form() {
            Some(upstream) => (upstream.host(), upstream.port()),
            None => (&target.host, target.port),
        };
        PoolKey {
            role: self.role.clone(),
            route: self.allowed.route().clone(),
            scheme,
            trust: self.allowed.trust_in_origin(),
            host: host.clone(),
            port,
        }
    }
}
