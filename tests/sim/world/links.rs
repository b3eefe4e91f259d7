//! All wires of a seed, as the server's table has them: whose they are and what the poll said of them. A wire that was
//! closed stays, so that its use is noticed.

use std::io;

use smokescreen::io::token::WireId;
use smokescreen::io::wire::{Ready, Sealing, Wire};
use smokescreen::io::wires::Owner;
use smokescreen::net::Peer;
use smokescreen::server::ends::WireTable;
use smokescreen::tls::Leaf;

use crate::random::Random;
use crate::wires::{Stack, sealing as sealing_of_all};

/// A turn that looks at its wires more often than this makes no progress.
const LOOKS_PER_TURN_MAX: usize = 2_000_000;

/// A wire, what the poll said of it, and who hears of it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) wire: Stack,
    pub(crate) ready: Ready,
    pub(crate) owner: Owner,
}

/// The wires by their number.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) all: Vec<Link>,
    /// What makes engines.
    pub(super) sealing: Option<Sealing>,
    /// Where origins speak TLS: whether they are calm, and what they draw from.
    pub(super) origins: Option<(bool, Random)>,
    /// How often wires were looked at in this turn.
    pub(super) looks: usize,
    /// Wires are not closed: a spoiled seed.
    pub(super) stay_open: bool,
    /// Closes are told.
    pub(super) trace: bool,
}

impl Links {
    pub(super) fn open(&mut self, wire: Stack, ready: Ready, owner: Owner) -> usize {
        self.all.push(Link { wire, ready, owner });
        self.all.len() - 1
    }
}

impl WireTable for Links {
    type Wire = Stack;

    fn wire(&mut self, id: WireId) -> Option<(&mut Stack, &mut Ready)> {
        self.looks += 1;
        assert!(self.looks < LOOKS_PER_TURN_MAX, "a turn makes no progress");
        let link = &mut self.all[link_of(id)];
        Some((&mut link.wire, &mut link.ready))
    }

    /// The network tells of all room anyway.
    fn watch(&mut self, _: WireId) {}

    fn secure(&mut self, id: WireId, received: &[u8]) -> io::Result<()> {
        let Links { all, sealing, .. } = self;
        let link = &mut all[link_of(id)];
        link.ready.readable = true;
        let sealing = sealing.get_or_insert_with(sealing_of_all);
        link.wire.secure(sealing, received)
    }

    fn secure_inside(&mut self, id: WireId, leaf: &Leaf, received: &[u8]) -> io::Result<()> {
        let Links { all, sealing, .. } = self;
        let link = &mut all[link_of(id)];
        link.ready.readable = true;
        let sealing = sealing.get_or_insert_with(sealing_of_all);
        link.wire.secure_inside(sealing.engine_inside(leaf, received)?)
    }

    fn secure_origin(&mut self, id: WireId, peer: &Peer, received: &[u8]) -> io::Result<()> {
        let Links {
            all,
            sealing,
            origins,
            ..
        } = self;
        let Some((calm, random)) = origins else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let link = &mut all[link_of(id)];
        link.ready.readable = true;
        let sealing = sealing.get_or_insert_with(sealing_of_all);
        let engine = sealing.engine_to(peer, received)?;
        link.wire.secure_origin(engine, *calm, random.fork());
        Ok(())
    }

    fn hand_over(&mut self, id: WireId, owner: Owner) {
        self.all[link_of(id)].owner = owner;
    }

    fn close(&mut self, id: WireId) {
        if self.trace {
            println!("{:>16} close {}", "", id.index);
        }
        if !self.stay_open {
            let wire = &mut self.all[link_of(id)].wire;
            wire.close();
            wire.shut();
        }
    }

    fn cut(&mut self, id: WireId) {
        if !self.stay_open {
            self.all[link_of(id)].wire.cut();
        }
    }

    fn abort(&mut self, id: WireId) {
        if self.trace {
            println!("{:>16} abort {}", "", id.index);
        }
        if !self.stay_open {
            let wire = &mut self.all[link_of(id)].wire;
            wire.abort();
            wire.shut();
        }
    }
}

pub(crate) fn wire_id(link: usize) -> WireId {
    WireId {
        index: u32::try_from(link).expect("few links"),
        generation: 0,
    }
}

fn link_of(id: WireId) -> usize {
    id.index as usize
}
