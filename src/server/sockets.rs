//! The sockets of one connection as a turn sees them: lent by the table of all. What moves over them is `turn`'s
//! matter.

use crate::io::token::WireId;
use crate::io::wire::{Ready, Transport};
use crate::io::wires::Wires;
use crate::net::Side;

use super::turn::Ends;

/// A connection's wires, found one at a time.
pub(super) struct Sockets<'a> {
    pub(super) wires: &'a mut Wires,
    pub(super) client: WireId,
    pub(super) origin: Option<WireId>,
}

impl Ends for Sockets<'_> {
    type Wire = Transport;

    fn end(&mut self, side: Side) -> Option<(&mut Transport, &mut Ready)> {
        let id = match side {
            Side::Client => self.client,
            Side::Origin => self.origin?,
        };
        self.wires
            .get_mut(id)
            .map(|entry| (&mut entry.transport, &mut entry.ready))
    }
}
