//! How clients come in: who is taken, in whose place, and what happens when descriptors run out. When the poll tells of
//! those that wait is `accepting`'s business.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::io::dialer::ATTEMPTS_MAX;
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

/// Where a new client goes.
enum Place {
    /// It is free, and is held.
    Free,
    /// This stranger's.
    Of(ConnId),
}

/// What taking clients of a listener came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// As many as were wanted; further ones may wait.
    All,
    /// All who waited.
    Fewer,
    /// There is no place, no descriptor or no time for who may wait.
    NotYet,
}

impl Loop {
    /// The loop's client connections, those aside that only ask how the proxy is.
    pub(super) fn clients(&self) -> usize {
        self.conns.len() - self.admin.len()
    }

    /// Is there a listener, and may there be one more connection, if need be in the place of a stranger's?
    pub(super) fn has_room(&self) -> bool {
        let census = &self.core.census;
        let may_replace = || census.has_strangers() && !self.awaits_room;
        !self.listeners.is_empty() && (!census.is_full() || may_replace())
    }

    /// Could it be full by the end of this turn?
    fn is_nearly_full(&self) -> bool {
        let census = &self.core.census;
        census.clients() + ACCEPTS_PER_TURN >= census.clients_max()
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
            let taken = self.take_clients(listener, burst, true, allowance);
            if let Some(accepting) = self.listeners.get_mut(listener) {
                accepting.burst_is_over(taken == Taken::All);
            }
        }
    }

    /// Takes as many clients of one listener, if there are. Of the first the poll may have told; that there are others shows
    /// when they are taken.
    pub(super) fn take_clients(
        &mut self,
        listener: usize,
        count: usize,
        is_told: bool,
        allowance: &mut Allowance,
    ) -> Taken {
        let now = self.core.world.now;
        match self.listeners.get(listener) {
            None => return Taken::Fewer,
            Some(accepting) if accepting.is_broken() => return Taken::Fewer,
            Some(accepting) if accepting.is_paused(now) => return Taken::NotYet,
            Some(_) => {}
        }
        for nth in 0..count {
            allowance.spend(EVENT_BYTES);
            if allowance.is_spent() {
                return if nth > 0 { Taken::All } else { Taken::NotYet };
            }
            // Whose place it will be is known before: who is accepted must not be turned away.
            let Some(place) = self.place(is_told && nth == 0) else {
                return Taken::NotYet;
            };
            self.core.make_room(1);
            let accepting = self.listeners.get_mut(listener);
            let accepted = accepting.map_or(Ok(None), Accepting::accept);
            let may_stay = matches!(&accepted, Ok(Some((_, peer))) if self.core.may_connect(*peer));
            match place {
                Place::Free if may_stay => self.core.census.take(),
                Place::Free => self.core.census.release(),
                Place::Of(stranger) if may_stay => self.take_place_of(stranger),
                Place::Of(_) => {}
            }
            match accepted {
                Ok(Some((_, peer))) if !may_stay => self.say_closed(peer),
                Ok(Some((stream, peer))) => {
                    self.core.asked_for_idle_at = None;
                    self.admit(stream, peer);
                }
                Ok(None) => return Taken::Fewer,
                Err(error) => {
                    self.note_failure(listener, error);
                    return Taken::NotYet;
                }
            }
        }
        Taken::All
    }

    /// Accepting failed at this listener.
    fn note_failure(&mut self, listener: usize, error: AcceptError) {
        // Idle upstream connections are the first to go, other loops' too, which close some of theirs while the poll tells of
        // this client again and again; strangers' are the next.
        let is_broken = matches!(error, AcceptError::Broken(_));
        if !is_broken && (self.core.close_idle() > 0 || self.core.ask_for_idle(1 + ATTEMPTS_MAX)) {
            return;
        }
        let now = self.core.world.now;
        let (open, strangers) = (self.conns.len(), self.core.census.strangers());
        match error {
            AcceptError::Broken(error) => {
                if let Some(accepting) = self.listeners.get_mut(listener) {
                    accepting.give_up(self.poll.registry());
                }
                self.heard.broken = Some(error);
            }
            // More than one: who is let in for them must also find a descriptor to dial with.
            AcceptError::Exhausted(_) if strangers > 0 && self.replace_some(strangers / 8 + 1) => {}
            error @ AcceptError::Exhausted(_) => {
                if let Some(accepting) = self.listeners.get_mut(listener) {
                    accepting.pause(&error, open, now, self.poll.registry());
                }
            }
        }
    }

    /// Ends so many strangers, or has their loops end them. Is there one less of this loop's?
    fn replace_some(&mut self, count: usize) -> bool {
        let before = self.conns.len();
        for _ in 0..count {
            let stranger = self.replaceable(true);
            stranger.into_iter().for_each(|stranger| self.replace(stranger));
        }
        self.conns.len() < before
    }

    /// Where the next client would go, if there is a place; whether there is one at all may be known.
    fn place(&mut self, is_there: bool) -> Option<Place> {
        let census = &self.core.census;
        if census.hold() {
            return Some(Place::Free);
        }
        // The last places may be held by other loops, for clients that do not come: the poll tells again of those of ours.
        if self.awaits_room || !census.is_full() {
            return None;
        }
        if let Some(stranger) = self.replaceable(is_there) {
            return Some(Place::Of(stranger));
        }
        // One may have been over as it was looked at.
        self.core.census.hold().then_some(Place::Free)
    }

    /// Whose place a new client gets: of the address that has most strangers the one that has waited longest, unless it
    /// came only now. Each is read once more before; one that says who it is at this moment stays.
    /// `None` where there is none, one was over, or it is another loop's: if it is to end for certain, that one is told to
    /// end it.
    fn replaceable(&mut self, is_certain: bool) -> Option<ConnId> {
        while let Some(id) = self.core.census.replaceable() {
            if id.loop_number() != self.core.peers.own() {
                if is_certain && !self.awaits_room {
                    self.ask_for_place_of(id);
                }
                return None;
            }
            if !self.is_stranger_still(id) {
                self.conns.get(id)?;
                continue;
            }
            return Some(id);
        }
        None
    }

    /// Reads once more of a connection that counts as a stranger's. Does it still?
    fn is_stranger_still(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.get_mut(id) else {
            return false;
        };
        if conn.look_again(&mut self.core) == After::Over {
            self.forget(id);
            return false;
        }
        self.enqueue(id);
        self.count(id);
        self.conns.get(id).is_some_and(|conn| conn.counted)
    }

    /// Has another loop end a stranger, whose place is anybody's then. This loop asks for no other before it was seen to, and
    /// nobody else for the same one, unless its own loop has counted it anew by then.
    fn ask_for_place_of(&mut self, id: ConnId) {
        self.core.census.forget(id);
        self.awaits_room = true;
        self.core.peers.wish(id);
    }

    /// Another loop wants the place of this stranger.
    pub(super) fn give_place(&mut self, id: ConnId) {
        if self.is_stranger_still(id) {
            self.replace(id);
        }
    }

    /// Ends a connection, a stranger's for instance.
    pub(super) fn replace(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.feed(Input::Terminate, &mut self.core);
            self.forget(id);
        }
    }

    /// The same, and its place is another's already.
    fn take_place_of(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.feed(Input::Terminate, &mut self.core);
            self.remove(id);
        }
    }

    /// Lets the poll tell of clients that wait as long as one may be taken, and only then.
    pub(super) fn listen(&mut self) {
        let mut has_room = self.has_room();
        if !has_room && !self.listeners.is_empty() {
            self.core.census.wait();
            has_room = self.has_room();
        }
        let (open, now) = (self.conns.len(), self.core.world.now);
        for accepting in &mut self.listeners {
            accepting.settle(has_room, open, now, self.poll.registry());
        }
    }

    /// Takes in a client that has its place, or has another loop do so, where this one accepts for all.
    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        match self.taker() {
            Some(taker) => self.core.peers.deal(taker, (stream, peer)),
            None => self.take_in(stream, peer),
        }
    }

    /// The other loop whose turn it is to get a client.
    fn taker(&mut self) -> Option<u8> {
        let taker = self.hands_out?;
        self.hands_out = Some(self.core.peers.next(taker).unwrap_or(0));
        (taker != self.core.peers.own()).then_some(taker)
    }

    pub(super) fn take_in(&mut self, stream: TcpStream, peer: SocketAddr) {
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
        if !matches!(made, Some(Ok(_))) {
            self.core.census.give_back(1);
        }
        if let Some(Ok(id)) = made
            && self.core.world.policy.counts_clients()
            && let Some(conn) = self.conns.get_mut(id)
        {
            // A silent one counts too.
            conn.feed(Input::Moved, &mut self.core);
        }
        match made {
            // It waited as the others were told to come to their end.
            Some(Ok(id)) if self.core.stores.draining => self.drain_one(id),
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
