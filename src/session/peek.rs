//! A look at what a client says first in its tunnel: as long as it is needed the bytes are held, and whatever the server
//! says goes down meanwhile. Where they begin TLS they name a server, which is compared with the tunnel's host. What follows
//! from the verdict is `tunnel`'s business; how a hello is read, `hello`'s.

use std::borrow::Cow;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::Instant;
use crate::flow::End;
use crate::hello::client_hello::{self, ClientHello, HANDSHAKE_RECORD, Read, ServerName};
use crate::net::{Host, Side};
use crate::policy::{Allowed, VerifySni};

use super::at::At;
use super::request::Request;
use super::sni::{Sni, SniVerdict};
use super::words::Input;

/// From its first byte on a hello may take so long.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// An alert of TLS that ends a connection, as a record (RFC 8446, 6): an error of the server's name, and any other.
const UNRECOGNIZED_NAME: &[u8] = &[0x15, 3, 3, 0, 2, 2, 112];
const ACCESS_DENIED: &[u8] = &[0x15, 3, 3, 0, 2, 2, 49];

/// A tunnel of which nothing was let through yet: who asked for what. How far it got stands in the request's box, for each
/// connection would pay for it here.
#[derive(Debug)]
pub(super) struct Peek(Box<Request>);

/// What a look comes to.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing can be said yet.
    NotYet,
    /// They may pass. Was there something to be judged?
    Passes(Option<Sni>),
    /// They may not; the client is told so, if it speaks TLS.
    Denied(Sni, &'static [u8]),
}

impl Peek {
    /// Is the tunnel of that request looked at? The request is needed for as long as it is.
    pub(super) fn of(request: Box<Request>, at: &mut At<'_, '_>) -> Option<Peek> {
        if verify(&request, at) == VerifySni::Off {
            at.cx.spares.put_back(request);
            return None;
        }
        Some(Peek(request))
    }

    /// Until when the hello must be whole, of a tunnel that began then.
    pub(super) fn deadline(&self, tunnel_began: Instant) -> Option<Instant> {
        let begun = Duration::from_millis(u64::from(self.0.hello.begun_ms?.get()) - 1);
        Some(tunnel_began + begun + HELLO_TIMEOUT)
    }

    /// Looks at what there is.
    pub(super) fn look(&mut self, input: &Input<'_>, tunnel_began: Instant, at: &At<'_, '_>) -> Seen {
        let up = &at.flows.up;
        // There is nobody any more whom they could reach.
        if up.dead {
            return Seen::Passes(None);
        }
        let received = up.rx.as_slice();
        let ends = up.end >= End::Reached;
        let port = self.0.allowed.target().port;
        match received.first() {
            None if ends => return Seen::Passes(None),
            None => return Seen::NotYet,
            Some(&HANDSHAKE_RECORD) => {}
            Some(_) if at.cx.settings.sni.ports.contains(&port) => {
                return self.seen("", SniVerdict::NotTls, at);
            }
            Some(_) => return Seen::Passes(None),
        }
        let waited = at.cx.now.duration_since(tunnel_began).as_millis();
        self.0
            .hello
            .begun_ms
            .get_or_insert(NonZeroU32::MIN.saturating_add(u32::try_from(waited).unwrap_or(u32::MAX)));
        let is_late = match input {
            // No memory is left to go on. What the server says may wait.
            Input::Starved(Side::Client) => true,
            _ => self
                .deadline(tunnel_began)
                .is_some_and(|until| until <= at.cx.now),
        };
        if received.len() < self.0.hello.needed_bytes.into() && !ends && !is_late {
            return Seen::NotYet;
        }
        match client_hello::read(received) {
            Read::Hello(hello) => self.judge(&hello, at),
            Read::Malformed(_) => self.seen("", SniVerdict::Malformed, at),
            Read::NeedMore(_) if ends => self.seen("", SniVerdict::Malformed, at),
            Read::NeedMore(_) if is_late => self.seen("", SniVerdict::Late, at),
            Read::NeedMore(bytes) => {
                self.0.hello.needed_bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
                Seen::NotYet
            }
        }
    }

    /// Another policy let the tunnel go on.
    pub(super) fn renew(&mut self, allowed: Allowed) {
        self.0.allowed = allowed;
    }

    /// The request, which is not needed any more.
    pub(super) fn into_request(self) -> Box<Request> {
        self.0
    }

    fn judge(&self, hello: &ClientHello<'_>, at: &At<'_, '_>) -> Seen {
        let (name, is_several) = match &hello.name {
            ServerName::Absent => ("".into(), false),
            ServerName::One(name) => (String::from_utf8_lossy(name), false),
            ServerName::Several(first) => (String::from_utf8_lossy(first), true),
        };
        let verdict = match hello.has_ech && at.cx.settings.sni.denies_ech {
            true => SniVerdict::Ech,
            false if is_several => SniVerdict::Several,
            false => self.compare(&name, at),
        };
        self.seen(name, verdict, at)
    }

    /// What the name comes to, an empty one being none.
    fn compare(&self, name: &str, at: &At<'_, '_>) -> SniVerdict {
        let target = self.0.allowed.target();
        let own = match &target.host {
            Host::Name(host) if is_spelled_alike(name, host.as_str()) => return SniVerdict::Match,
            Host::Name(_) if name.is_empty() => return SniVerdict::Missing,
            Host::Addr(_) if name.is_empty() => return SniVerdict::Address,
            Host::Name(_) => SniVerdict::Match,
            Host::Addr(_) => SniVerdict::Address,
        };
        match host(name) {
            None => SniVerdict::Malformed,
            Some(named) if named == target.host => own,
            // No server is named by its address (RFC 6066, 3).
            Some(Host::Addr(_)) => SniVerdict::Mismatch,
            Some(named) => match at.cx.policy.admits_name(&self.0.role, named, target.port) {
                true => SniVerdict::Listed,
                false => SniVerdict::Mismatch,
            },
        }
    }

    fn seen<'n>(&self, name: impl Into<Cow<'n, str>>, verdict: SniVerdict, at: &At<'_, '_>) -> Seen {
        let name = name.into().into_owned().into_boxed_str();
        let sni = Sni { name, verdict };
        let enforces = verify(&self.0, at) == VerifySni::Enforce;
        match (enforces && verdict.wrong().is_some(), verdict) {
            (false, _) => Seen::Passes(Some(sni)),
            (true, SniVerdict::Mismatch) => Seen::Denied(sni, UNRECOGNIZED_NAME),
            (true, SniVerdict::NotTls) => Seen::Denied(sni, &[]),
            (true, _) => Seen::Denied(sni, ACCESS_DENIED),
        }
    }
}

/// What is to be done about a wrong name.
fn verify(request: &Request, at: &At<'_, '_>) -> VerifySni {
    request.allowed.verify_sni().unwrap_or(at.cx.settings.sni.verify)
}

/// Is that the host's normal form, but for the case of its letters and a dot at its end?
fn is_spelled_alike(name: &str, host: &str) -> bool {
    name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case(host)
}

/// The host that a server name stands for. IPv6 has no brackets there, as some clients spell it.
fn host(name: &str) -> Option<Host> {
    match name.parse::<Ipv6Addr>() {
        Ok(address) => Some(Host::Addr(address.to_canonical())),
        Err(_) => Host::parse(name.as_bytes()).ok(),
    }
}
