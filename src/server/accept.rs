//! How clients come in: when the listener is in the poll, how many are taken at a time, and what happens when
//! descriptors run out.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;

use crate::io::listener::AcceptError;
use crate::io::token::{ConnId, Source};
use crate::io::wire::{Ready, Transport};
use crate::io::wires::Owner;
use crate::net::{ClientKey, Side};
use crate::session::Input;

use super::allowance::Allowance;
use super::conn::{After, Conn};
use super::{EVENT_BYTES, STEP_TIME_MAX, Server};

/// Connections accepted in one turn of the loop, so that a flood of them can't starve those that are there.
const ACCEPTS_PER_TURN: usize = 128;

/// How long accepting pauses when descriptors ran out and none of ours was closed meanwhile.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// A pause is told of when the one before it ended at least so long ago.
const EXHAUSTED_SAID_INTERVAL: Duration = Duration::from_secs(10);

impl Server {
    /// May one more client be taken now: there is room, and no pause because descriptors ran out?
    fn may_accept(&self) -> bool {
        self.has_room()
            && self
                .exhausted_until
                .is_none_or(|until| until <= self.core.world.now)
    }

    /// Is there a listener, and may there be one more connection, if need be in the place of a stranger's?
    pub(super) fn has_room(&self) -> bool {
        self.acceptor.is_some() && (!self.is_full() || !self.strangers.is_empty())
    }

    /// Could it be full by the end of this turn?
    fn is_nearly_full(&self) -> bool {
        self.conns.len() + ACCEPTS_PER_TURN >= self.limits.connections_max
    }

    fn is_full(&self) -> bool {
        self.conns.len() >= self.limits.connections_max
    }

    /// Takes new clients: one of them, and twice as many each time more were waiting in the turn before.
    pub(super) fn accept(&mut self) {
        if !std::mem::take(&mut self.acceptable) {
            self.accepts = 1;
            return;
        }
        self.accepts = match self.take_clients(self.accepts, STEP_TIME_MAX) {
            true => ACCEPTS_PER_TURN.min(2 * self.accepts),
            false => 1,
        };
    }

    /// Takes as many clients; tells whether there were.
    pub(super) fn take_clients(&mut self, count: usize, time: Duration) -> bool {
        let mut allowance = Allowance::new(usize::MAX, time);
        for _ in 0..count {
            allowance.spend(EVENT_BYTES);
            if allowance.is_spent() {
                return true;
            }
            if !self.may_accept() {
                return false;
            }
            // Whose place it will be is known before: who is accepted must not be turned away.
            let replaced = self.is_full().then(|| self.replaceable()).flatten();
            if replaced.is_none() && self.is_full() {
                return false;
            }
            self.core.make_room(1);
            let Some(acceptor) = &mut self.acceptor else {
                return false;
            };
            match acceptor.accept() {
                Ok(Some((stream, peer))) => {
                    replaced.into_iter().for_each(|stranger| self.replace(stranger));
                    self.admit(stream, peer);
                }
                Ok(None) => return false,
                Err(AcceptError::Broken(error)) => {
                    self.listener_broke(error);
                    return false;
                }
                // Idle upstream connections are the first to go, strangers' the next.
                Err(_) if self.core.close_idle() > 0 => return false,
                Err(AcceptError::Exhausted(_)) if !self.strangers.is_empty() => {
                    // More than one: who is let in for them must also find a descriptor to dial with.
                    for _ in 0..=self.strangers.held() / 8 {
                        let stranger = self.replaceable();
                        stranger.into_iter().for_each(|stranger| self.replace(stranger));
                    }
                    return false;
                }
                Err(error) => {
                    self.pause_accepting(&error);
                    return false;
                }
            }
        }
        true
    }

    /// Whose place a new client gets: of the address that has most strangers the one that has waited longest. Each is
    /// read once more before; one that says who it is at this moment stays.
    /// `None` where there is none, or one was over.
    fn replaceable(&mut self) -> Option<ConnId> {
        while let Some((id, _)) = self.strangers.first() {
            if self.conns.get_mut(id)?.look_again(&mut self.core) == After::Over {
                self.forget(id);
                return None;
            }
            self.enqueue(id);
            self.count(id);
            if self.conns.get(id).is_some_and(|conn| conn.counted) {
                return Some(id);
            }
        }
        None
    }

    /// Ends a stranger's connection.
    pub(super) fn replace(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.feed(Input::Terminate, &mut self.core);
            self.forget(id);
        }
    }

    /// Lets the poll tell of clients that wait as long as one may be taken, and only then: it would tell without
    /// end.
    pub(super) fn listen(&mut self) {
        let wanted = self.may_accept();
        let Some(acceptor) = self.acceptor.as_ref().filter(|_| wanted != self.listening) else {
            return;
        };
        let registry = self.poll.registry();
        let changed = match wanted {
            true => acceptor.register(registry, Source::Listener(0).token()),
            false => acceptor.deregister(registry),
        };
        match changed {
            Ok(()) => self.listening = wanted,
            Err(error) => self.pause_accepting(&error),
        }
    }

    /// Those that are there go on; a descriptor will come free.
    fn pause_accepting(&mut self, error: &dyn Display) {
        let now = self.core.world.now;
        if self
            .exhausted_until
            .is_none_or(|until| until + EXHAUSTED_SAID_INTERVAL <= now)
        {
            log::warn!(
                "Accepting is paused with {} connections open: {error}",
                self.conns.len()
            );
        }
        self.exhausted_until = Some(now + EXHAUSTED_PAUSE);
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let now = self.core.world.now;
        let core = &mut self.core;
        let made = self.conns.try_insert_with(|id: ConnId| {
            let owner = Owner::Conn(id, Side::Client);
            // Most clients have sent something by now; trying costs less than being told.
            let ready = Ready {
                readable: true,
                writable: true,
                ..Ready::default()
            };
            let client = core.wires.insert(Transport::Tcp(stream), ready, owner)?;
            Ok::<_, io::Error>(Box::new(Conn::new(id, client, peer, now)))
        });
        match made {
            // Who comes may be replaced, or replace others, by what is known of all of them.
            Some(Ok(id)) if self.is_nearly_full() => self.run_one(id),
            Some(Ok(id)) => self.enqueue(id),
            Some(Err(error)) => self.say_lost(peer, &error),
            None => self.say_lost(peer, &"there are too many"),
        }
    }

    /// A connection that can't be kept for want of something is a stranger's still.
    fn say_lost(&mut self, peer: SocketAddr, why: &dyn Display) {
        let (client, now) = (ClientKey::of(peer.ip()), self.core.world.now);
        if self.core.stranger_lines.admits(client, 1, now) {
            log::warn!("Failed to take a connection from {peer}: {why}");
        }
    }
}
