//! How clients come in: who is taken, in whose place, and what happens when descriptors run out. When the poll tells of
//! those that wait is `accepting`'s business.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::io::listener::AcceptError;
use crate::io::token::{ConnId, WireId};
use crate::io::wire::{Ready, Transport};
use crate::io::wires::Owner;
use crate::net::{ClientKey, Side};
use crate::session::Input;

use super::accepting::{ACCEPTS_PER_TURN, Accepting};
use super::allowance::Allowance;
use super::conn::{After, Conn};
use super::core::Core;
use super::{EVENT_BYTES, Loop, STEP_TIME_MAX};

impl Loop {
    /// Client connections, those aside that only ask how the proxy is.
    pub(super) fn clients(&self) -> usize {
        self.conns.len() - self.admin.len()
    }

    /// Is there a listener, and may there be one more connection, if need be in the place of a stranger's?
    pub(super) fn has_room(&self) -> bool {
        !self.listeners.is_empty() && (!self.is_full() || !self.strangers.is_empty())
    }

    /// Could it be full by the end of this turn?
    fn is_nearly_full(&self) -> bool {
        self.clients() + ACCEPTS_PER_TURN >= self.connections_max
    }

    fn is_full(&self) -> bool {
        self.clients() >= self.connections_max
    }

    /// The poll told of a client that waits at this listener.
    pub(super) fn note_client(&mut self, listener: u32) {
        let accepting = usize::try_from(listener)
            .ok()
            .and_then(|at| self.listeners.get_mut(at));
        match accepting {
            Some(accepting) => accepting.note(),
            None => self.admin.note(listener),
        }
    }

    /// Takes new clients, of each listener as many as it has for this turn.
    pub(super) fn accept(&mut self) {
        let mut allowance = None;
        let count = self.listeners.len();
        // Each turn another one is the first, for all share the time.
        self.first_listener = match self.first_listener + 1 {
            next if next < count => next,
            _ => 0,
        };
        for listener in (self.first_listener..count).chain(0..self.first_listener) {
            let burst = self.listeners.get_mut(listener).and_then(Accepting::take_burst);
            let Some(burst) = burst else { continue };
            let allowance = allowance.get_or_insert_with(|| Allowance::new(usize::MAX, STEP_TIME_MAX));
            let were_more = self.take_clients(listener, burst, allowance);
            if let Some(accepting) = self.listeners.get_mut(listener) {
                accepting.burst_is_over(were_more);
            }
        }
    }

    /// Takes as many clients of one listener; tells whether there were.
    pub(super) fn take_clients(&mut self, listener: usize, count: usize, allowance: &mut Allowance) -> bool {
        let now = self.core.world.now;
        if self
            .listeners
            .get(listener)
            .is_none_or(|accepting| accepting.is_paused(now))
        {
            return false;
        }
        for nth in 0..count {
            allowance.spend(EVENT_BYTES);
            if allowance.is_spent() {
                return nth > 0;
            }
            if !self.has_room() {
                return false;
            }
            // Whose place it will be is known before: who is accepted must not be turned away.
            let replaced = self.is_full().then(|| self.replaceable()).flatten();
            if replaced.is_none() && self.is_full() {
                return false;
            }
            self.core.make_room(1);
            let Some(accepting) = self.listeners.get_mut(listener) else {
                return false;
            };
            match accepting.accept() {
                Ok(Some((_, peer))) if !self.core.may_connect(peer) => {
                    self.say_closed(peer);
                }
                Ok(Some((stream, peer))) => {
                    replaced.into_iter().for_each(|stranger| self.replace(stranger));
                    self.admit(stream, peer);
                }
                Ok(None) => return false,
                Err(AcceptError::Broken(error)) => {
                    accepting.give_up(self.poll.registry());
                    self.heard.broken = Some(error);
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
                    accepting.pause(&error, self.conns.len(), now, self.poll.registry());
                    return false;
                }
            }
        }
        true
    }

    /// Whose place a new client gets: of the address that has most strangers the one that has waited longest, unless it
    /// came only now. Each is read once more before; one that says who it is at this moment stays.
    /// `None` where there is none, or one was over.
    fn replaceable(&mut self) -> Option<ConnId> {
        while let Some((id, _)) = self.strangers.first_settled() {
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

    /// Lets the poll tell of clients that wait as long as one may be taken, and only then.
    pub(super) fn listen(&mut self) {
        let (has_room, open, now) = (self.has_room(), self.conns.len(), self.core.world.now);
        for accepting in &mut self.listeners {
            accepting.settle(has_room, open, now, self.poll.registry());
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let now = self.core.world.now;
        let core = &mut self.core;
        let made = self.conns.try_insert_with(|id: ConnId| {
            let client = core.insert_client(id, stream)?;
            let mut conn = Box::new(Conn::new(id, client, peer, now));
            if !core.world.settings.proxy_protocol {
                conn.recognise(&core.world.policy);
            }
            Ok::<_, io::Error>(conn)
        });
        if let Some(Ok(id)) = made
            && self.core.world.policy.counts_clients()
            && let Some(conn) = self.conns.get_mut(id)
        {
            // A silent one counts too.
            conn.feed(Input::Moved, &mut self.core);
        }
        match made {
            // Who comes may be replaced, or replace others, by what is known of all of them.
            Some(Ok(id)) if self.is_nearly_full() => self.run_one(id),
            Some(Ok(id)) => self.enqueue(id),
            Some(Err(error)) => self.say_lost(peer, &error),
            None => self.say_lost(peer, &"there are too many"),
        }
    }

    fn say_closed(&mut self, peer: SocketAddr) {
        if self.may_say(peer) {
            log::warn!("Closed a connection from {peer}: the address is not in --proxy-protocol-from");
        }
    }

    fn say_lost(&mut self, peer: SocketAddr, why: &dyn Display) {
        if self.may_say(peer) {
            log::warn!("Failed to take a connection from {peer}: {why}");
        }
    }

    /// A connection that was not kept, for whatever reason, is a stranger's still.
    fn may_say(&mut self, peer: SocketAddr) -> bool {
        let (client, now) = (ClientKey::of(peer.ip()), self.core.world.now);
        self.core.stranger_lines.admits(client, 1, now)
    }
}

impl Core {
    /// The wire of a client that was just accepted.
    pub(super) fn insert_client(&mut self, id: ConnId, stream: TcpStream) -> io::Result<WireId> {
        // Most clients have sent something by now; trying costs less than being told.
        let ready = Ready {
            readable: true,
            writable: true,
            ..Ready::default()
        };
        let owner = Owner::Conn(id, Side::Client);
        self.wires.insert(Transport::plain(stream), ready, owner)
    }
}
