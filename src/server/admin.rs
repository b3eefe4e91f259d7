//! Those who ask how the proxy is: their listeners and their few connections. They have places of their own, so that neither
//! clients nor they can take the other's. What they are shown is `shown`'s business, and that they are told it in time the
//! session's.

use std::io;
use std::net::SocketAddr;

use mio::Registry;
use mio::net::TcpStream;

use crate::clock::Instant;
use crate::io::listener::{AcceptError, Acceptor};
use crate::io::token::ConnId;
use crate::net::ClientKey;
use crate::session::Surface;

use super::Loop;
use super::accepting::Accepting;
use super::conn::Conn;
use super::places::{self, Place};

/// Connections at a time, fewer where descriptors are few. Whose place a further one takes is `places`' business.
pub const CONNECTIONS_MAX: usize = 64;

/// Their listeners' numbers begin here, far beyond those of clients'.
const FIRST_NUMBER: u32 = 1 << 16;

/// Connections taken of a listener in one turn of the loop.
const ACCEPTS_PER_TURN: usize = 8;

/// Where it is asked how the proxy is, and who does.
#[derive(Debug, Default)]
pub(super) struct Admin {
    listeners: Vec<(Accepting, Surface)>,
    /// Each with when it came, in that order.
    conns: Vec<(ConnId, Instant)>,
    /// Lent to whoever makes a part of a page.
    pub(super) part: Vec<u8>,
}

impl Admin {
    /// Lets the poll tell of clients of these.
    pub(super) fn new(acceptors: Vec<(Acceptor, Surface)>, registry: &Registry) -> io::Result<Admin> {
        let mut admin = Admin::default();
        for (acceptor, surface) in acceptors {
            admin.listen(acceptor, surface, registry)?;
        }
        Ok(admin)
    }

    /// The same for one more.
    fn listen(&mut self, acceptor: Acceptor, surface: Surface, registry: &Registry) -> io::Result<()> {
        let number = u32::try_from(self.listeners.len()).unwrap_or(u32::MAX - FIRST_NUMBER);
        let accepting = Accepting::new(acceptor, FIRST_NUMBER + number, registry)?;
        self.listeners.push((accepting, surface));
        Ok(())
    }

    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        self.conns.len()
    }

    /// Is it one of theirs?
    pub(super) fn has(&self, id: ConnId) -> bool {
        self.conns.iter().any(|(other, _)| *other == id)
    }

    /// A connection is gone. Was it one of theirs?
    pub(super) fn forget(&mut self, id: ConnId) -> bool {
        let before = self.conns.len();
        if before > 0 {
            self.conns.retain(|(other, _)| *other != id);
        }
        self.conns.len() < before
    }

    /// The poll told of a client that waits at the listener of this number.
    pub(super) fn note(&mut self, number: u32) {
        let at = number
            .checked_sub(FIRST_NUMBER)
            .and_then(|at| usize::try_from(at).ok());
        if let Some((accepting, _)) = at.and_then(|at| self.listeners.get_mut(at)) {
            accepting.note();
        }
    }

    /// When a pause of a listener is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.listeners
            .iter()
            .filter_map(|(accepting, _)| accepting.deadline())
            .min()
    }
}

impl Loop {
    /// Takes those who come there too from now on.
    pub(super) fn listen_for_admins(&mut self, acceptor: Acceptor, surface: Surface) {
        if let Err(error) = self.admin.listen(acceptor, surface, self.poll.registry()) {
            log::error!("Nobody can ask how the proxy is: {error}");
        }
    }

    /// Takes those who come to ask.
    pub(super) fn accept_admin(&mut self) {
        if self.admin.len() > 0 {
            self.core.world.admin.listeners = u32::try_from(self.core.listening.sum()).unwrap_or(u32::MAX);
        }
        let now = self.core.world.now;
        for at in 0..self.admin.listeners.len() {
            let Some((accepting, surface)) = self.admin.listeners.get_mut(at) else {
                return;
            };
            let surface = *surface;
            if accepting.take_burst().is_some() {
                self.take_admins(at, surface, now);
            }
            if let Some((accepting, _)) = self.admin.listeners.get_mut(at) {
                accepting.settle(true, self.conns.len(), now, self.poll.registry());
            }
        }
    }

    fn take_admins(&mut self, at: usize, surface: Surface, now: Instant) {
        for _ in 0..ACCEPTS_PER_TURN {
            self.core.make_room(1);
            let (open, registry) = (self.conns.len(), self.poll.registry());
            let Some((accepting, _)) = self.admin.listeners.get_mut(at) else {
                return;
            };
            match accepting.accept() {
                Ok(Some((stream, peer))) => self.admit_admin(stream, peer, surface),
                Ok(None) => return,
                // The proxy goes on without.
                Err(AcceptError::Broken(error)) => {
                    log::error!("Nobody can ask any more how the proxy is: {error}");
                    return accepting.give_up(registry);
                }
                Err(error) => return accepting.pause(&error, open, now, registry),
            }
        }
    }

    fn admit_admin(&mut self, stream: TcpStream, peer: SocketAddr, surface: Surface) {
        if self.admin.len() >= self.core.admin_places {
            match self.replaceable_admin(ClientKey::of(peer.ip())) {
                Some(id) => self.replace(id),
                None => return,
            }
        }
        let now = self.core.world.now;
        let core = &mut self.core;
        let made = self.conns.try_insert_with(|id: ConnId| {
            let client = core.insert_client(id, stream)?;
            Ok::<_, io::Error>(Box::new(Conn::admin(id, client, (peer, surface), now)))
        });
        if let Some(Ok(id)) = made {
            self.admin.conns.push((id, now));
            self.enqueue(id);
        }
    }

    /// Who gives way to a further one of this address; none where that one is turned away.
    fn replaceable_admin(&self, newcomer: ClientKey) -> Option<ConnId> {
        let conns = self.admin.conns.iter();
        let (ids, places): (Vec<ConnId>, Vec<Place>) = conns
            .filter_map(|&(id, since)| {
                let conn = self.conns.get(id)?;
                let place = Place {
                    client: conn.client_key(),
                    since,
                    touched: conn.touched(),
                    awaits_head: conn.awaits_head(),
                    is_answered: conn.is_answered(),
                };
                Some((id, place))
            })
            .unzip();
        let at = places::yields(&places, newcomer, self.core.world.now)?;
        ids.get(at).copied()
    }
}
