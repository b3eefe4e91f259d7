//! The way of one question for one record type: from server to server, again when one is silent, over TCP when
//! the answer is cut, without EDNS when a server doesn't know it, and on to an alias's target. What the two
//! record types of a name come to together is `stub`'s business.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Registry, Token};

use crate::clock::Instant;
use crate::net::ClientKey;
use crate::text::errno;

use super::QuestionId;
use super::answer::CHAIN_MAX;
use super::ending::{Ending, Failure};
use super::message::{Entropy, Query};
use super::reply::{CHAIN_TOO_LONG, Kind, Reply};
use super::wire::Wire;

/// How often each server is asked before it counts as silent.
pub(super) const ROUNDS: usize = 2;
/// How many datagrams are looked at before other work gets its turn.
const DATAGRAMS_PER_TURN: usize = 32;
/// How many wrong answers a port takes in. Then somebody is guessing, and the question moves to another port
/// and another id (RFC 5452, 9).
const WRONG_MAX: usize = 256;
/// What is said of a silence.
const TIMED_OUT: &str = "i/o timeout";

/// What every leg asks with.
pub(super) struct Net {
    /// Whom to ask, in order; not empty.
    pub(super) servers: Vec<SocketAddr>,
    /// Where sockets are registered.
    pub(super) registry: Registry,
    /// How long one server may take for one try.
    pub(super) try_timeout: Duration,
}

/// One question for one record type, and the socket it is on.
pub(super) struct Leg {
    /// Whose leg this is.
    pub(super) question: QuestionId,
    /// The record type it asks for.
    pub(super) kind: Kind,
    /// On whose account its socket is, once it may have one.
    pub(super) payer: Option<ClientKey>,
    token: Token,
    name: Box<str>,
    until: Instant,
    deadline: Instant,
    query: Option<Query>,
    wire: Option<Wire>,
    /// The try it is at: its remainder by the number of servers is the server, its quotient the round.
    at: usize,
    failed: Vec<bool>,
    silent: Option<SocketAddr>,
    last_failure: Option<Failure>,
    edns: bool,
    wrong: usize,
    aliases: usize,
    ttl_seconds: u32,
}

/// What an event changed.
pub(super) enum Progress {
    /// Nothing yet.
    Waiting,
    /// There may be more to read, which no event will announce.
    Unread,
    /// The leg is over.
    Done(Ending),
}

impl Leg {
    /// A leg that has asked nobody yet; [`Leg::start`] starts it. It is over at `until` at the latest.
    pub(super) fn new(question: QuestionId, kind: Kind, name: &str, until: Instant, token: Token) -> Leg {
        Leg {
            question,
            kind,
            payer: None,
            token,
            name: name.into(),
            until,
            deadline: until,
            query: None,
            wire: None,
            at: 0,
            failed: Vec::new(),
            silent: None,
            last_failure: None,
            edns: true,
            wrong: 0,
            aliases: 0,
            ttl_seconds: u32::MAX,
        }
    }

    /// Asks the first server, on this client's account.
    pub(super) fn start(&mut self, payer: ClientKey, net: &Net, now: Instant) -> Progress {
        self.payer = Some(payer);
        self.ask_from(0, net, now)
    }

    /// When the leg wants to be woken whatever happens.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The deadline has passed: the server counts as silent, if one was asked.
    pub(super) fn on_deadline(&mut self, net: &Net, now: Instant) -> Progress {
        if self.payer.is_none() {
            return Progress::Done(Ending::Failed(Failure {
                timed_out: true,
                server: None,
                words: TIMED_OUT.into(),
            }));
        }
        self.silent = self.server(net);
        if now >= self.until {
            return self.give_up(net);
        }
        self.ask_from(self.at + 1, net, now)
    }

    /// The socket became ready. `scratch` has room for the longest message.
    pub(super) fn on_ready(&mut self, net: &Net, scratch: &mut [u8], now: Instant) -> Progress {
        for _ in 0..DATAGRAMS_PER_TURN {
            let (Some(wire), Some(query)) = (&mut self.wire, &self.query) else {
                return Progress::Waiting;
            };
            let length = match wire.receive(scratch) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Waiting,
                Err(error) => return self.server_failed(errno::words(&error), net, now),
            };
            let reply = query.read(scratch.get(..length).unwrap_or_default());
            match (reply, wire) {
                (Reply::Foreign, Wire::Udp(_)) if self.wrong < WRONG_MAX => self.wrong += 1,
                (reply, _) => return self.on_reply(reply, net, now),
            }
        }
        Progress::Unread
    }

    fn on_reply(&mut self, reply: Reply, net: &Net, now: Instant) -> Progress {
        let over_udp = matches!(self.wire, Some(Wire::Udp(_)));
        match reply {
            Reply::Foreign if over_udp => {
                self.silent = self.server(net);
                self.ask_from(self.at + 1, net, now)
            }
            Reply::Truncated if over_udp => match self.open_tcp(net, now) {
                Ok(()) => Progress::Waiting,
                Err(error) => self.server_failed(errno::words(&error), net, now),
            },
            Reply::Foreign | Reply::Truncated => self.server_failed("server misbehaving".into(), net, now),
            Reply::EdnsRefused => {
                self.edns = false;
                self.ask_from(self.at, net, now)
            }
            Reply::Failed(words) => self.server_failed(words.into(), net, now),
            Reply::Absent => Progress::Done(Ending::Absent),
            Reply::Found { aliases, .. } | Reply::Alias { aliases, .. }
                if self.aliases + aliases > CHAIN_MAX =>
            {
                Progress::Done(Ending::Failed(self.failure(net, CHAIN_TOO_LONG.into())))
            }
            Reply::Found {
                addresses,
                ttl_seconds,
                ..
            } => Progress::Done(Ending::Found(addresses, self.ttl_seconds.min(ttl_seconds))),
            Reply::Alias {
                target,
                ttl_seconds,
                aliases,
            } => {
                self.aliases += aliases;
                self.ttl_seconds = self.ttl_seconds.min(ttl_seconds);
                self.name = target;
                self.failed.clear();
                self.silent = None;
                self.ask_from(0, net, now)
            }
        }
    }

    /// Asks the first server from try `first` on that hasn't failed; without one the leg is over.
    fn ask_from(&mut self, first: usize, net: &Net, now: Instant) -> Progress {
        let mut next = first;
        while let Some(at) = self.next_try(next, net) {
            self.at = at;
            match self.open_udp(net, now) {
                Ok(()) => return Progress::Waiting,
                Err(error) => self.mark_failed(errno::words(&error), net),
            }
            next = at + 1;
        }
        self.give_up(net)
    }

    fn server_failed(&mut self, words: String, net: &Net, now: Instant) -> Progress {
        self.mark_failed(words, net);
        self.ask_from(self.at + 1, net, now)
    }

    fn mark_failed(&mut self, words: String, net: &Net) {
        self.wire = None;
        self.last_failure = Some(self.failure(net, words));
        self.failed.resize(net.servers.len(), false);
        if let Some(failed) = self.failed.get_mut(self.at % net.servers.len().max(1)) {
            *failed = true;
        }
    }

    fn give_up(&mut self, net: &Net) -> Progress {
        self.wire = None;
        let timed_out = self.silent.map(|server| Failure {
            timed_out: true,
            server: Some(server),
            words: TIMED_OUT.into(),
        });
        let failure = timed_out.or_else(|| self.last_failure.take());
        Progress::Done(Ending::Failed(
            failure.unwrap_or_else(|| self.failure(net, "no server".into())),
        ))
    }

    fn failure(&self, net: &Net, words: String) -> Failure {
        Failure {
            timed_out: false,
            server: self.server(net),
            words,
        }
    }

    /// A server that failed is not asked again; one that was silent is, once more.
    fn next_try(&self, first: usize, net: &Net) -> Option<usize> {
        let servers = net.servers.len();
        (first..servers * ROUNDS).find(|at| self.failed.get(at % servers) != Some(&true))
    }

    fn server(&self, net: &Net) -> Option<SocketAddr> {
        net.servers.get(self.at % net.servers.len().max(1)).copied()
    }

    fn open_udp(&mut self, net: &Net, now: Instant) -> io::Result<()> {
        let server = self.server(net).ok_or(io::ErrorKind::InvalidInput)?;
        // Some servers give the name back in another case. The second round asks so that they can answer too.
        let mixed_case = self.at < net.servers.len();
        let query = Query::new(&self.name, self.kind, Entropy::draw()?, self.edns, mixed_case);
        let query = query.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a domain name"))?;
        // One socket at a time.
        self.wire = None;
        self.wire = Some(Wire::udp(server, query.bytes(), &net.registry, self.token)?);
        self.query = Some(query);
        self.wrong = 0;
        self.wait_for_server(net, now);
        Ok(())
    }

    fn open_tcp(&mut self, net: &Net, now: Instant) -> io::Result<()> {
        let server = self.server(net).ok_or(io::ErrorKind::InvalidInput)?;
        let query = self.query.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
        self.wire = None;
        self.wire = Some(Wire::tcp(server, query.bytes(), &net.registry, self.token)?);
        self.wait_for_server(net, now);
        Ok(())
    }

    /// The last server there is may use up the time that is left.
    fn wait_for_server(&mut self, net: &Net, now: Instant) {
        let last = self.next_try(self.at + 1, net).is_none();
        self.deadline = if last {
            self.until
        } else {
            self.until.min(now + net.try_timeout)
        };
    }
}
