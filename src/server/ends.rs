//! The two wires of a connection as it names them and a turn sees them, and the table in which they are found. What moves over them is
//! `turn`'s matter; how a table keeps its wires is its own.

use std::io;

use crate::io::token::WireId;
use crate::io::wire::{Ready, Transport, Wire};
use crate::io::wires::{Owner, Wires};
use crate::net::{Peer, Side};
use crate::tls::Leaf;

/// Where the wires of all connections are: sockets in production. An id whose wire is gone finds nothing.
pub trait WireTable {
    /// What a wire is.
    type Wire: Wire;
    /// A wire, and what is known of its readiness.
    fn wire(&mut self, id: WireId) -> Option<(&mut Self::Wire, &mut Ready)>;
    /// To be called after writing: from now on it is told when a wire that took no more bytes does again.
    fn watch(&mut self, id: WireId);
    /// Is it not to be kept for others?
    fn is_outdated(&self, id: WireId) -> bool {
        let _ = id;
        false
    }
    /// Puts an engine over a client's wire, of which so much was read, and which is to be read again.
    ///
    /// # Errors
    /// What kept the engine from being made.
    fn secure(&mut self, id: WireId, received: &[u8]) -> io::Result<()> {
        let _ = (id, received);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// The same inside of an intercepted tunnel: the engine presents this, and may go over one that is there.
    ///
    /// # Errors
    /// What kept the engine from being made.
    fn secure_inside(&mut self, id: WireId, leaf: &Leaf, received: &[u8]) -> io::Result<()> {
        let _ = (id, leaf, received);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// The same for a wire that we connected, of which so much was read: its engine is to find this peer at the other end.
    ///
    /// # Errors
    /// What kept the engine from being made.
    fn secure_origin(&mut self, id: WireId, peer: &Peer, received: &[u8]) -> io::Result<()> {
        let _ = (id, peer, received);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Gives a wire to somebody else.
    fn hand_over(&mut self, id: WireId, owner: Owner);
    /// Closes a wire.
    fn close(&mut self, id: WireId);
    /// Closes a wire without saying the end, where that takes more than closing it.
    fn cut(&mut self, id: WireId) {
        self.close(id);
    }
    /// Closes a wire by a reset.
    fn abort(&mut self, id: WireId);

    /// Is the wire there and nothing to be read from it, neither bytes nor an end nor an error? Asks the kernel.
    fn is_quiet(&mut self, id: WireId) -> bool {
        self.wire(id).is_some_and(|(wire, _)| !wire.has_news())
    }
}

impl WireTable for Wires {
    type Wire = Transport;

    fn wire(&mut self, id: WireId) -> Option<(&mut Transport, &mut Ready)> {
        self.get_mut(id)
            .map(|entry| (&mut entry.transport, &mut entry.ready))
    }

    fn watch(&mut self, id: WireId) {
        self.watch(id);
    }

    fn is_outdated(&self, id: WireId) -> bool {
        self.is_outdated(id)
    }

    fn secure(&mut self, id: WireId, received: &[u8]) -> io::Result<()> {
        self.secure(id, received)
    }

    fn secure_inside(&mut self, id: WireId, leaf: &Leaf, received: &[u8]) -> io::Result<()> {
        self.secure_inside(id, leaf, received)
    }

    fn secure_origin(&mut self, id: WireId, peer: &Peer, received: &[u8]) -> io::Result<()> {
        self.secure_origin(id, peer, received)
    }

    fn hand_over(&mut self, id: WireId, owner: Owner) {
        self.hand_over(id, owner);
    }

    fn close(&mut self, id: WireId) {
        self.close(id);
    }

    fn cut(&mut self, id: WireId) {
        self.cut(id);
    }

    fn abort(&mut self, id: WireId) {
        self.abort(id);
    }
}

/// No table gets as long: a wire has a descriptor.
const NOBODYS: WireId = WireId {
    index: u32::MAX,
    generation: 0,
};

/// The wire of a connection's origin, or none: an `Option<WireId>` has twelve bytes, and each connection would pay for it.
pub(super) struct OriginWire(WireId);

impl OriginWire {
    /// None.
    pub(super) const NONE: OriginWire = OriginWire(NOBODYS);

    /// Which it is.
    pub(super) fn get(&self) -> Option<WireId> {
        (self.0 != NOBODYS).then_some(self.0)
    }

    /// From now on it is this one.
    pub(super) fn set(&mut self, wire: WireId) {
        self.0 = wire;
    }

    /// From now on it is none.
    pub(super) fn take(&mut self) -> Option<WireId> {
        let before = self.get();
        *self = OriginWire::NONE;
        before
    }
}

/// The ends of one connection, found one at a time.
#[derive(Debug)]
pub(super) struct Ends<'a, W> {
    /// Where they are.
    pub(super) wires: &'a mut W,
    /// The client's.
    pub(super) client: WireId,
    /// The origin's, if there is one now.
    pub(super) origin: Option<WireId>,
}

impl<W: WireTable> Ends<'_, W> {
    /// The wire of that side, if there is one now.
    pub(super) fn end(&mut self, side: Side) -> Option<(&mut W::Wire, &mut Ready)> {
        let id = match side {
            Side::Client => self.client,
            Side::Origin => self.origin?,
        };
        self.wires.wire(id)
    }
}
