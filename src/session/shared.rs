//! What a connection keeps whatever its state: who connected and how it is spoken to, how it was refused, and when its FIN
//! came. Holds nothing of a single request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Instant;
use crate::net::{Certified, ClientKey, Endpoint};
use crate::policy::quota::ClientSlot;
use crate::policy::{Asker, Exceeded, Policy};

use super::front::{Front, Surface};
use super::inside::Inside;

/// How long a response may take to begin once its client has sent a FIN.
pub const HALF_CLOSED_RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection of somebody unknown ends with so many refusals,
const STRANGER_REFUSALS_MAX: u8 = 10;

/// and so long after one.
pub(super) const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);

/// As what somebody is connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Peer {
    /// As a client.
    Client,
    /// As who sent a PROXY header that named nobody.
    Balancer,
    /// As one that asks how the proxy is.
    Admin(Surface),
}

/// What few connections have: each would pay for it.
#[derive(Default, Debug)]
struct Beside {
    /// Counts it among its client's connections.
    slot: Option<ClientSlot>,
    /// It is an intercepted tunnel.
    inside: Option<Box<Inside>>,
}

/// What lives as long as the client's connection, whatever the state.
#[derive(Debug)]
pub(super) struct Shared {
    /// Who connected, or whose connection it is as a PROXY header said.
    pub(super) client: Endpoint,
    /// As what.
    peer: Peer,
    /// What few have.
    beside: Option<Box<Beside>>,
    /// Whom its certificate names.
    pub(super) certificate: Option<Arc<Certified>>,
    /// Number of the latest question; an answer to any other is stale.
    pub(super) seq: u32,
    /// No further requests are taken.
    pub(super) draining: bool,
    /// Nobody knows who it is: neither by its certificate or address nor by a request. Who only asks how the proxy is has
    /// a place of his own, and takes none of theirs.
    pub(super) is_stranger: bool,
    /// How many of its requests were refused since one last did.
    refusals: u8,
    /// When the client's FIN was noticed.
    pub(super) fin_at: Option<Instant>,
}

impl Shared {
    /// Of a client that just connected.
    pub(super) fn new(client: SocketAddr) -> Shared {
        Shared {
            client: client.into(),
            peer: Peer::Client,
            beside: None,
            certificate: None,
            seq: 0,
            draining: false,
            is_stranger: true,
            refusals: 0,
            fin_at: None,
        }
    }

    /// Of a client that just connected to ask how the proxy is.
    pub(super) fn admin(client: SocketAddr, surface: Surface) -> Shared {
        Shared {
            peer: Peer::Admin(surface),
            is_stranger: false,
            ..Shared::new(client)
        }
    }

    /// How it is spoken to.
    pub(super) fn front(&self) -> Front {
        match self.peer {
            Peer::Client | Peer::Balancer if self.inside().is_some() => Front::Inside,
            Peer::Client | Peer::Balancer => Front::Proxy,
            Peer::Admin(surface) => Front::Admin(surface),
        }
    }

    /// Is it one that uses the proxy?
    pub(super) fn is_proxied(&self) -> bool {
        !matches!(self.peer, Peer::Admin(_))
    }

    /// From now on it is an intercepted tunnel.
    pub(super) fn enter(&mut self, inside: Box<Inside>) {
        self.beside.get_or_insert_default().inside = Some(inside);
    }

    /// The intercepted tunnel that it is, if it is one.
    pub(super) fn inside(&self) -> Option<&Inside> {
        self.beside.as_ref()?.inside.as_deref()
    }

    /// The same, to add to what is said of it.
    pub(super) fn inside_mut(&mut self) -> Option<&mut Inside> {
        self.beside.as_mut()?.inside.as_deref_mut()
    }

    /// The server ends now.
    pub(super) fn note_terminated(&mut self) {
        if let Some(inside) = self.inside_mut() {
            inside.note_terminated();
        }
    }

    /// It is over.
    pub(super) fn leave_inside(&mut self) -> Option<Box<Inside>> {
        self.beside.as_mut()?.inside.take()
    }

    /// The handshake is done.
    pub(super) fn note_certificate(&mut self, certificate: Option<&Arc<Certified>>, policy: &Policy) {
        self.certificate = certificate.cloned();
        self.recognise(policy);
    }

    /// A PROXY header said whose connection it is; none: it did not.
    pub(super) fn note_source(&mut self, source: Option<SocketAddr>, policy: &Policy) {
        self.client = source.map_or(self.client, Into::into);
        if source.is_none() {
            self.peer = Peer::Balancer;
        }
        self.recognise(policy);
    }

    /// Counts it among its client's connections, where these are limited; a balancer's are not its own.
    ///
    /// # Errors
    /// The client has as many as it may have.
    pub(super) fn count(&mut self, policy: &Policy) -> Result<(), Exceeded> {
        if self.peer != Peer::Balancer {
            let taken = policy.take_client(ClientKey::of(self.client.ip()));
            // One too many goes before anybody else's, whoever it is.
            self.is_stranger |= taken.is_err();
            if let Some(slot) = taken? {
                self.beside.get_or_insert_default().slot = Some(slot);
            }
        }
        Ok(())
    }

    /// The address that may name a role: never a balancer's, whose clients are not its own.
    pub(super) fn source(&self) -> Option<IpAddr> {
        (self.peer != Peer::Balancer).then(|| self.client.ip())
    }

    /// What is known of the client beside what its requests say.
    pub(super) fn asker(&self) -> Asker<'_> {
        let certificate = self.certificate.as_ref();
        Asker {
            address: self.source(),
            certificate: certificate.and_then(|certificate| certificate.role.as_ref()),
        }
    }

    /// Whoever is known by certificate or address is no stranger, before the first request.
    pub(super) fn recognise(&mut self, policy: &Policy) {
        if policy.recognises(&self.asker()) {
            self.note_known();
        }
    }

    /// A request said who is asking, or need not: what is asked counts from now on, not who asks.
    pub(super) fn note_known(&mut self) {
        self.is_stranger = false;
        self.refusals = 0;
    }

    /// A refusal was the last that it was told, and the first word is still out.
    pub(super) fn was_refused_as_stranger(&self) -> bool {
        self.is_stranger && self.refusals > 0
    }

    /// A request is refused. May another follow?
    pub(super) fn note_refusal(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        !self.is_stranger || self.refusals < STRANGER_REFUSALS_MAX
    }

    /// A number for a new question, never 0.
    pub(super) fn next_seq(&mut self) -> u32 {
        self.seq = self.seq.wrapping_add(1).max(1);
        self.seq
    }

    /// After a client's FIN its pending response must begin soon: RFC 9112 leaves it open, but a half-closed
    /// client is nearly always one that went away.
    pub(super) fn half_close_deadline(&self, pending_since: Instant) -> Option<Instant> {
        self.fin_at
            .map(|fin_at| fin_at.max(pending_since) + HALF_CLOSED_RESPONSE_TIMEOUT)
    }
}
