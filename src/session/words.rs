//! What a session and its caller say to each other: settings, what happened ([`Input`]), what is to be done ([`Action`]).
//! Words only; what follows from which stands in `machine` and the states.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::http::HeadLimits;
use crate::net::{Certified, Host, IoFail, LookupFail, Name, Peer, Scheme, Side, Trust};
use crate::policy::{Question, Role, Route, Verified, VettedList};

use super::id::Id;
use super::lease::Lease;
use super::outcome::Record;
use super::refusal::DenyStyle;
use super::sni::SniSettings;

/// What a session may take and how long: from the configuration, the same for all sessions of a loop.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Clients speak TLS, all of them.
    pub takes_tls: bool,
    /// Limits of a message head.
    pub head: HeadLimits,
    /// Each connection begins with a header of the PROXY protocol, which says whose it is.
    pub proxy_protocol: bool,
    /// From accept, or from the first byte of a later head, until a head must be complete; never zero.
    pub read_header_timeout: Duration,
    /// Limit of a lookup, never zero.
    pub dns_timeout: Duration,
    /// Limit of a dial over all addresses; none: the kernel's.
    pub connect_timeout: Option<Duration>,
    /// Limit of a tunnel in which nothing moves, of a kept-alive client (60 s at most), and, where it is longer than
    /// 1 h, of an exchange (1 h otherwise).
    pub idle_timeout: Option<Duration>,
    /// A request body that stands still for so long ends the exchange.
    pub read_timeout: Option<Duration>,
    /// A client that takes nothing for so long is dropped.
    pub write_timeout: Option<Duration>,
    /// How denials are answered.
    pub deny_style: DenyStyle,
    /// What is looked at in tunnels.
    pub sni: SniSettings,
    /// Tunnels are judged anew by the policies that come after theirs (`--recheck-tunnels`).
    pub rechecks_tunnels: bool,
    /// Follows every error text of ours.
    pub deny_message_extra: String,
}

/// What may be told to those who ask how the proxy is.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// The metrics' path, a slash and what follows.
    pub metrics_path: Box<str>,
    /// The pages for people are not for clients on loopback alone (`--admin-status`).
    pub is_open: bool,
    /// The process is to end, and should get no further clients.
    pub is_leaving: bool,
    /// Clients are taken on so many sockets.
    pub listeners: u32,
}

/// Something happened. What it tells of is lent: it goes from state to state, and few keep any of it.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Bytes were read or written, or an end was seen: look at the flows.
    Moved,
    /// The handshake with that side is done: whom a client's certificate names, if it gave one, is verified; an origin is
    /// the peer that was asked for.
    Secured(Side, Option<&'a Arc<Certified>>),
    /// Reading from that side failed.
    Broken(Side, &'a IoFail),
    /// Writing to that side failed; what it sent before may still be read.
    Unwritable(Side, &'a IoFail),
    /// The question with this number is answered; by `None` where nobody is free to find out.
    Verified(u32, Option<&'a Verified>),
    /// The lookup with this number found some of the addresses, at least one. It goes on; its end tells all of them.
    Partly(u32, &'a [IpAddr]),
    /// The lookup with this number ended.
    Resolved(u32, Result<&'a [IpAddr], &'a LookupFail>),
    /// The dial with this number ended.
    Dialled(u32, Result<Dialled, &'a DialFail>),
    /// The certificate with this number was made, or was not.
    Minted(u32, Result<(), MintFail>),
    /// No memory is left to go on reading what that side sends, such as a head, or a stranger has too much of it.
    Starved(Side),
    /// The deadline passed.
    Expired,
    /// The next part of the page that was asked for, and where it goes on, if it does.
    Shown(&'a [u8], Option<u64>),
    /// Another policy is in force: a tunnel is judged anew.
    Recheck,
    /// The server drains: no further request on this connection.
    Drain,
    /// The server ends now.
    Terminate,
}

impl Input<'_> {
    /// The number of the question that this answers.
    pub(super) fn answers(self) -> Option<u32> {
        match self {
            Input::Verified(seq, _)
            | Input::Partly(seq, _)
            | Input::Resolved(seq, _)
            | Input::Dialled(seq, _)
            | Input::Minted(seq, _) => Some(seq),
            _ => None,
        }
    }
}

/// Why a certificate was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MintFail {
    /// Nobody was free to make it.
    Busy,
    /// None can be made.
    Impossible,
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
    /// A request was answered on it before.
    pub answered: bool,
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
    /// Only a fresh one, of an origin that keeps connections: the request can't be sent twice (see [`Lease::is_fresh`]
    /// and [`Lease::shows_persistence`]).
    pub fresh: bool,
}

/// Which idle upstream connections a request may use: those of its role by its route to its host and port, with TLS or
/// without as its scheme has it. The vetted address is compared as well, at the pool. An upstream that is asked in absolute
/// form is such a host itself: its connections serve whatever its role asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolKey {
    /// Whose requests it carried.
    pub role: Role,
    /// By which way they went.
    pub route: Route,
    /// The scheme that was spoken.
    pub scheme: Scheme,
    /// What was asked of its certificate, where it had to have one.
    pub trust: Trust,
    /// The host named in them.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Hash for PoolKey {
    /// In few and small pieces, for each costs as much as the next, and a key is hashed twice a request. What these do not
    /// tell apart, such as a role without a name from an empty name, the comparison does.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let PoolKey {
            role,
            route: _,
            scheme,
            trust: _,
            host,
            port,
        } = self;
        if let Role::Named(name) = role {
            name.hash(state);
        }
        match host {
            Host::Name(name) => name.hash(state),
            Host::Addr(IpAddr::V4(address)) => state.write_u32(address.to_bits()),
            Host::Addr(IpAddr::V6(address)) => state.write_u128(address.to_bits()),
        }
        let is_https = u32::from(*scheme == Scheme::Https);
        state.write_u32(u32::from(*port) << 1 | is_https);
    }
}

/// What the session wants done. Results come back as [`Input`]s that repeat the number.
#[derive(Debug)]
pub enum Action {
    /// Let the client's wire do a TLS handshake, which what was read of it begins.
    Secure,
    /// The same of a client inside of its intercepted tunnel, with the certificate that was made for it.
    SecureInside,
    /// Have a certificate made for the client of an intercepted tunnel to this host.
    Mint(u32, Host),
    /// Let the origin's wire do a TLS handshake with this peer. What was read of it is what the peer said first.
    SecureOrigin(Peer),
    /// Find out whether credentials are right, by work that may block.
    Ask(u32, Question),
    /// Look a name up.
    Resolve(u32, Name),
    /// Connect to one of these addresses, unless there is an idle connection to one of them that will do.
    Dial(u32, VettedList, Option<Wanted>),
    /// Connect to one of these as well, in the dial under way.
    Join(VettedList),
    /// The question, the lookup or the dial under way is of no interest any more.
    Cancel,
    /// Half-close that side, for which everything was written, and tell of it by [`Input::Moved`].
    Hangup(Side),
    /// Close the origin's connection.
    DropOrigin,
    /// Keep the origin's connection for later requests with this key, until the lease ends; a private one only for this
    /// client's.
    Park(PoolKey, Dialled, Lease),
    /// A role's bytes of the day are used up: look at the tunnels whose bytes are counted, by [`Input::Moved`].
    Spent,
    /// Warn of a client whose handshake failed, unless there are too many such lines.
    Warn(HandshakeFail, Box<str>),
    /// Give this page's part that begins there, by [`Input::Shown`]. 0 is its beginning.
    Show(Page, u64),
    /// Say that what that side sends is cut off, a response whose line was written or the rest of a request behind it, and
    /// why.
    Cut(Id, Side, Box<str>),
    /// Write the record's line.
    Log(Box<Record>),
    /// The session is over: close what is left.
    Close(Close),
}

/// What of a connection there is to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// It is open.
    #[default]
    Idle,
    /// A request is under way.
    Request,
    /// It is a tunnel.
    Tunnel,
    /// It is a tunnel that is intercepted. Is a request under way inside?
    Inside {
        /// One is.
        asks: bool,
    },
}

/// Why a TLS handshake failed, as far as it is told apart in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandshakeFail {
    /// It took too long.
    Timeout,
    /// The client went away.
    Closed,
    /// No memory was left.
    Overloaded,
    /// One side would not go on: versions, certificates, what was no handshake.
    Refused,
}

/// What can be told of the proxy, with content that is made as it is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// Everything counted, as Prometheus reads it.
    Metrics,
    /// What people look at.
    Home,
    /// How the proxy stands, as JSON.
    State,
    /// The tunnels, as JSON.
    Tunnels,
    /// The latest refusals, as JSON.
    Refusals,
    /// The tunnels as the reference's tools read them.
    Connections,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// By an ordinary close.
    Orderly,
    /// By an ordinary close that does not say the end, where the wire has a notice for that: more was to come.
    Unsaid,
    /// By a reset: the peer must not take what it got for complete.
    Abort,
}
