//! The table of the wires of one connection: its client's, and all that there ever were to origins. One that was closed
//! stays, so that its use is noticed.

use smokescreen::io::token::WireId;
use smokescreen::io::wire::{Ready, Wire};
use smokescreen::io::wires::Owner;
use smokescreen::net::Side;
use smokescreen::server::ends::WireTable;

use super::pipe::{Memory, Pipe};
use super::world::ID;

/// A turn that looks at its wires more often makes no progress.
const LOOKS_MAX: usize = 100_000;

/// The client's wire.
pub(super) const CLIENT: WireId = WireId {
    index: 0,
    generation: 0,
};

pub(super) struct Wires {
    pub(super) client: Pipe,
    pub(super) origins: Vec<Pipe>,
    /// How often wires were looked at in this turn.
    pub(super) looks: usize,
}

/// The wire to this origin.
pub(super) fn wire_id(origin: usize) -> WireId {
    WireId {
        index: u32::try_from(origin + 1).expect("few origins"),
        generation: 0,
    }
}

impl Wires {
    pub(super) fn new(client: Pipe) -> Wires {
        Wires {
            client,
            origins: Vec::new(),
            looks: 0,
        }
    }

    /// The origin that the connection has now.
    pub(super) fn current(&self) -> Option<usize> {
        let owner = Owner::Conn(ID, Side::Origin);
        let is_it = |pipe: &Pipe| pipe.owner == owner && !pipe.wire.closed;
        self.origins.iter().position(is_it)
    }

    fn pipe(&mut self, id: WireId) -> &mut Pipe {
        match id.index.checked_sub(1) {
            None => &mut self.client,
            Some(nth) => &mut self.origins[nth as usize],
        }
    }
}

impl WireTable for Wires {
    type Wire = Memory;

    fn wire(&mut self, id: WireId) -> Option<(&mut Memory, &mut Ready)> {
        self.looks += 1;
        assert!(self.looks < LOOKS_MAX, "a turn makes no progress");
        let pipe = self.pipe(id);
        Some((&mut pipe.wire, &mut pipe.ready))
    }

    /// The script tells of room, without being asked.
    fn watch(&mut self, _: WireId) {}

    fn hand_over(&mut self, id: WireId, owner: Owner) {
        self.pipe(id).owner = owner;
    }

    fn close(&mut self, id: WireId) {
        self.pipe(id).close();
    }

    fn abort(&mut self, id: WireId) {
        self.pipe(id).wire.abort();
        self.pipe(id).close();
    }
}
