//! One client connection as a state machine that does no I/O: it is fed [`Input`]s, looks at the two
//! [`Flows`], sets their gates, writes heads into them and emits [`Action`]s. Sockets, clock, resolver and
//! randomness are the caller's; so the simulation can run the very code that runs in production.
//!
//! A state is a small struct in a file of its own, consumed by value: what is no longer needed is gone, and
//! no state can be left half-way.

pub mod closing;
pub mod dial;
mod due;
pub mod exchange;
pub mod front;
pub mod head;
pub mod id;
pub mod lease;
pub mod lookup;
pub mod outcome;
pub mod refusal;
pub mod relay;
pub mod reply;
pub mod request;
pub mod response;
pub mod spares;
pub mod tunnel;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use crate::flow::{End, Flows};
use crate::http::HeadLimits;
use crate::net::{Host, IoFail, LookupFail, Name, Side};
use crate::policy::rates::Rates;
use crate::policy::{Policy, Role, VettedList};
use closing::Closing;
use dial::Dial;
use exchange::Exchange;
use head::Head;
use lease::Lease;
use lookup::Lookup;
use outcome::Record;
use refusal::DenyStyle;
use spares::Spares;
use tunnel::Tunnel;

/// What a session may take and how long: from the configuration, the same for all sessions of a loop.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of a message head.
    pub head: HeadLimits,
    /// From accept, or from the first byte of a later head, until a head must be complete.
    pub read_header_timeout: Duration,
    /// Limit of a lookup, never zero.
    pub dns_timeout: Duration,
    /// Limit of a dial over all addresses; zero: the kernel's.
    pub connect_timeout: Duration,
    /// Limit of a tunnel in which nothing moves, of a kept-alive client (60 s at most), and, where it is longer than
    /// 1 h, of an exchange (1 h otherwise); zero: none.
    pub idle_timeout: Duration,
    /// A request body that stands still for so long ends the exchange; zero: no limit of its own.
    pub read_timeout: Duration,
    /// A client that takes nothing for so long is dropped; zero: no limit of its own.
    pub write_timeout: Duration,
    /// How denials are answered.
    pub deny_style: DenyStyle,
    /// Follows every error text of ours.
    pub deny_message_extra: String,
}

/// Something happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// Bytes were read or written, or an end was seen: look at the flows.
    Moved,
    /// Reading from that side failed.
    Broken(Side, IoFail),
    /// Writing to that side failed; what it sent before may still be read.
    Unwritable(Side, IoFail),
    /// The lookup with this number found some of the addresses, at least one. It goes on; its end tells all of them.
    Partly(u32, &'a [IpAddr]),
    /// The lookup with this number ended.
    Resolved(u32, Result<&'a [IpAddr], LookupFail>),
    /// The dial with this number ended.
    Dialled(u32, Result<Dialled, DialFail>),
    /// No memory is left to go on reading a head, or a stranger has too much of it.
    Starved,
    /// The deadline passed.
    Expired,
    /// The server drains: no further request on this connection.
    Drain,
    /// The server ends now.
    Terminate,
}

/// A connection to the origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialled {
    /// The address dialled.
    pub remote: SocketAddr,
    /// Our end, where the kernel told it.
    pub local: Option<SocketAddr>,
    /// It was idle in the pool: it may turn out to be closed.
    pub reused: bool,
    /// Connection-based authentication bound it to this client before.
    pub private: bool,
}

/// Why there is no connection: the address tried, and what the kernel said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DialFail {
    /// The first address that failed.
    pub address: SocketAddr,
    /// How.
    pub fail: IoFail,
}

/// Which idle upstream connection would do instead of a new one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// One with this key.
    pub key: PoolKey,
    /// Only a fresh one: the request can't be sent twice (see [`Lease::is_fresh`]).
    pub fresh: bool,
}

/// Which idle upstream connections a request may use: those of its role to its host and port. The vetted
/// address is compared as well, at the pool.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PoolKey {
    /// Whose requests it carried.
    pub role: Role,
    /// The host named in them.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// What the session wants done. Results come back as [`Input`]s that repeat the number.
#[derive(Debug)]
pub enum Action {
    /// Look a name up.
    Resolve(u32, Name),
    /// Connect to one of these addresses, unless there is an idle connection to one of them that will do.
    Dial(u32, VettedList, Option<Wanted>),
    /// Connect to one of these as well, in the dial under way.
    Join(VettedList),
    /// The lookup or dial under way is of no interest any more.
    Cancel,
    /// Half-close that side; everything for it was written.
    Hangup(Side),
    /// Close the origin's connection.
    DropOrigin,
    /// Keep the origin's connection for later requests with this key, until the lease ends; a private one only for this
    /// client's.
    Park(PoolKey, Dialled, Lease),
    /// Write the record's line.
    Log(Box<Record>),
    /// The session is over: close what is left.
    Close(Close),
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// By an ordinary close.
    Orderly,
    /// By a reset: the peer must not take what it got for complete.
    Abort,
}

/// What a state sees of the world while it works.
pub struct Cx<'a> {
    /// The loop's clock, read once per turn.
    pub now: Instant,
    /// The wall clock, for logs.
    pub wall: SystemTime,
    /// The policy in force.
    pub policy: &'a Policy,
    /// The settings.
    pub settings: &'a Settings,
    /// Makes request ids.
    pub ids: &'a mut id::Ids,
    /// How often clients may give wrong credentials.
    pub guesses: &'a mut Rates,
    /// Memory to be used again.
    pub spares: &'a mut Spares,
    /// Is an address this machine's? Yes, where that can't be had.
    pub is_local: &'a dyn Fn(IpAddr) -> bool,
    /// What is to be done, in order.
    pub actions: &'a mut Vec<Action>,
}

/// What lives as long as the client's connection, whatever the state.
#[derive(Debug)]
pub struct Shared {
    /// Who connected.
    pub client: SocketAddr,
    /// Number of the latest question; an answer to any other is stale.
    pub seq: u32,
    /// No further requests are taken.
    pub draining: bool,
    /// None of its requests has passed *who is asking*.
    pub is_stranger: bool,
    /// How many of its requests were refused since one last did.
    pub refusals: u8,
    /// When the client's FIN was noticed.
    pub fin_at: Option<Instant>,
}

impl Shared {
    /// Of a client that just connected.
    pub fn new(client: SocketAddr) -> Shared {
        Shared {
            client,
            seq: 0,
            draining: false,
            is_stranger: true,
            refusals: 0,
            fin_at: None,
        }
    }

    /// A request said who is asking, or need not: what is asked counts from now on, not who asks.
    pub fn note_known(&mut self) {
        self.is_stranger = false;
        self.refusals = 0;
    }

    /// A refusal was the last that it was told, and the first word is still out.
    pub fn was_refused_as_stranger(&self) -> bool {
        self.is_stranger && self.refusals > 0
    }

    /// A request is refused. May another follow?
    pub fn note_refusal(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        !self.is_stranger || self.refusals < STRANGER_REFUSALS_MAX
    }

    /// A number for a new question.
    pub fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }

    /// After a client's FIN its pending response must begin soon: RFC 9112 leaves it open, but a half-closed
    /// client is nearly always one that went away.
    pub fn half_close_deadline(&self, pending_since: Instant) -> Option<Instant> {
        self.fin_at
            .map(|fin_at| fin_at.max(pending_since) + HALF_CLOSED_RESPONSE_TIMEOUT)
    }
}

/// How long a response may take to begin once its client has sent a FIN.
pub const HALF_CLOSED_RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection of somebody unknown ends with so many refusals,
const STRANGER_REFUSALS_MAX: u8 = 10;

/// and so long after one.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a connection stands.
#[derive(Debug)]
enum State {
    Head(Head),
    Lookup(Lookup),
    Dial(Dial),
    Exchange(Box<Exchange>),
    Tunnel(Tunnel),
    Closing(Closing),
    Done,
}

/// Every connection pays for the largest: what needs more goes into a box.
const _: () = assert!(size_of::<State>() <= 64);

/// The state machine of one client connection.
#[derive(Debug)]
pub struct Session {
    state: State,
    shared: Shared,
}

impl Session {
    /// A client that just connected. The flows must be fresh.
    pub fn new(client: SocketAddr, now: Instant) -> Session {
        Session {
            state: State::Head(Head::first(now)),
            shared: Shared::new(client),
        }
    }

    /// Takes one input and goes on as far as the flows allow.
    pub fn advance(&mut self, input: Input<'_>, flows: &mut Flows, cx: &mut Cx<'_>) {
        if flows.up.end >= End::Announced {
            self.shared.fin_at.get_or_insert(cx.now);
        }
        match input {
            Input::Drain => self.shared.draining = true,
            Input::Partly(seq, _) | Input::Resolved(seq, _) | Input::Dialled(seq, _)
                if seq != self.shared.seq =>
            {
                return;
            }
            _ => {}
        }
        let mut before = self.state.kind();
        self.step(input, flows, cx);
        // A state that was just entered looks at the flows too: what it waits for may be there already. Each
        // round leaves a state behind, and only a complete head in `rx` leads out of `Head`.
        while self.state.kind() != before {
            before = self.state.kind();
            self.step(Input::Moved, flows, cx);
        }
    }

    /// When [`Input::Expired`] is due.
    pub fn deadline(&self, flows: &Flows, settings: &Settings) -> Option<Instant> {
        match &self.state {
            State::Head(state) => Some(state.deadline(&self.shared, settings)),
            State::Lookup(state) => Some(state.deadline(&self.shared, settings)),
            State::Dial(state) => state.deadline(&self.shared, settings),
            State::Exchange(state) => state.deadline(flows, &self.shared, settings),
            State::Tunnel(state) => state.deadline(flows, settings),
            State::Closing(state) => Some(state.deadline(flows, &self.shared)),
            State::Done => None,
        }
    }

    /// Who connected.
    pub fn client(&self) -> SocketAddr {
        self.shared.client
    }

    /// Has none of its requests passed *who is asking*?
    pub fn is_stranger(&self) -> bool {
        self.shared.is_stranger
    }

    /// Is everything over?
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Is it a tunnel?
    pub fn is_tunnel(&self) -> bool {
        matches!(self.state, State::Tunnel(_))
    }

    fn step(&mut self, input: Input<'_>, flows: &mut Flows, cx: &mut Cx<'_>) {
        let shared = &mut self.shared;
        self.state = match std::mem::replace(&mut self.state, State::Done) {
            State::Head(state) => state.advance(input, flows, shared, cx),
            State::Lookup(state) => state.advance(input, flows, shared, cx),
            State::Dial(state) => state.advance(input, flows, shared, cx),
            State::Exchange(state) => exchange::advance(state, input, flows, shared, cx),
            State::Tunnel(state) => state.advance(input, flows, cx),
            State::Closing(state) => state.advance(input, flows, shared, cx),
            State::Done => State::Done,
        };
    }
}

impl State {
    /// Says that the connection is over and how.
    fn close(how: Close, cx: &mut Cx<'_>) -> State {
        cx.actions.push(Action::Close(how));
        State::Done
    }

    fn kind(&self) -> std::mem::Discriminant<State> {
        std::mem::discriminant(self)
    }
}

#[cfg(test)]
mod tests;
