//! The table of all sockets that carry traffic. A token names a wire, not a connection: when a socket
//! changes hands (race to connection, connection to pool) only its owner changes, no system call is made,
//! and its ready flags travel along, because an edge that fired long ago does not come again.

use std::io;

use mio::{Interest, Registry};

use super::arena::Arena;
use super::token::{ConnId, IdleId, Source, WireId};
use super::wire::{Ready, Transport};
use crate::net::Side;

/// Whose wire it is: who is told when something happens on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// One side of a connection.
    Conn(ConnId, Side),
    /// An attempt of a connection's dial.
    Race(ConnId),
    /// Idle in the upstream pool, as this entry: any event means that it is of no use any more.
    Pool(IdleId),
}

/// A socket, what is known of its readiness, and whose it is.
#[derive(Debug)]
pub struct WireEntry {
    /// The socket.
    pub transport: Transport,
    /// What may be done with it now.
    pub ready: Ready,
    /// Whose it is.
    pub owner: Owner,
}

/// All wires of a loop.
#[derive(Debug)]
pub struct Wires {
    arena: Arena<WireEntry>,
    registry: Registry,
}

impl Wires {
    /// An empty table that registers its wires with this poll.
    pub fn new(registry: Registry) -> Wires {
        Wires {
            arena: Arena::default(),
            registry,
        }
    }

    /// Registers a socket once and for all, edge-triggered, for both directions.
    ///
    /// # Errors
    /// What the kernel answers to the registration; the socket is closed then.
    pub fn insert(&mut self, mut transport: Transport, ready: Ready, owner: Owner) -> io::Result<WireId> {
        let registry = &self.registry;
        let made = self.arena.try_insert_with(|id: WireId| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            registry.register(transport.tcp(), Source::Wire(id).token(), interest)?;
            Ok(WireEntry {
                transport,
                ready,
                owner,
            })
        });
        made.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::OutOfMemory)))
    }

    /// The wire under this id, if it is still there.
    pub fn get_mut(&mut self, id: WireId) -> Option<&mut WireEntry> {
        self.arena.get_mut(id)
    }

    /// Notes an event and tells whose it is.
    pub fn note(&mut self, id: WireId, event: &mio::event::Event) -> Option<Owner> {
        let entry = self.arena.get_mut(id)?;
        entry.ready.note(event);
        Some(entry.owner)
    }

    /// Gives a wire to somebody else.
    pub fn hand_over(&mut self, id: WireId, owner: Owner) {
        if let Some(entry) = self.arena.get_mut(id) {
            entry.owner = owner;
        }
    }

    /// Closes a wire; the kernel takes it out of the poll.
    pub fn close(&mut self, id: WireId) {
        drop(self.arena.remove(id));
    }

    /// Closes a wire by a reset.
    pub fn abort(&mut self, id: WireId) {
        if let Some(mut entry) = self.arena.remove(id) {
            super::wire::Wire::abort(&mut entry.transport);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.arena.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.arena.is_empty()
    }
}
