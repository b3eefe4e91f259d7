//! Entries by the second in which they are to be closed, so that the next one is found at once though each has a time
//! of its own. What the entries are is not known here, but that none is due later than 127 s from now.

use std::time::Duration;

use crate::clock::Instant;
use crate::io::arena::Arena;
use crate::io::token::IdleId;

use super::list::{Links, List};

/// Seconds that are told apart; as many as the map of those in use has bits.
const SLOTS: u8 = 128;

/// A turning wheel: a list for each of the coming seconds.
#[derive(Debug)]
pub(super) struct Wheel {
    epoch: Instant,
    /// The first second that entries may be due in, counted from the epoch. It moves when an entry comes that lies too
    /// far ahead of it, not as time goes by: so a wheel that nobody uses costs nothing.
    hand: u64,
    /// Which lists have entries.
    occupied: u128,
    slots: [List; SLOTS as usize],
}

impl Wheel {
    pub(super) fn new(epoch: Instant) -> Wheel {
        Wheel {
            epoch,
            hand: 0,
            occupied: 0,
            slots: [List::default(); SLOTS as usize],
        }
    }

    /// Puts in an entry that is due at `end`, or within the second behind that; tells its second.
    pub(super) fn push<T>(
        &mut self,
        arena: &mut Arena<T>,
        id: IdleId,
        end: Instant,
        links: fn(&mut T) -> &mut Links,
    ) -> u8 {
        let second = end.duration_since(self.epoch).as_secs() + 1;
        let last_ahead = u64::from(SLOTS - 1);
        if second > self.hand + last_ahead {
            // No entry may be left behind; one that is due is not this far behind the last.
            let unused = self.ahead().unwrap_or(u64::MAX);
            self.hand += unused.min(second - last_ahead - self.hand);
        }
        let second = slot(second.clamp(self.hand, self.hand + last_ahead));
        if let Some(list) = self.slots.get_mut(usize::from(second)) {
            list.push(arena, id, links);
            self.occupied |= 1 << second;
        }
        second
    }

    /// Closes the gap that an entry of this second leaves, whose links these were.
    pub(super) fn unlink<T>(
        &mut self,
        arena: &mut Arena<T>,
        second: u8,
        gone: Links,
        links: fn(&mut T) -> &mut Links,
    ) {
        if let Some(list) = self.slots.get_mut(usize::from(second)) {
            list.unlink(arena, gone, links);
            if list.len == 0 {
                self.occupied &= !(1 << second);
            }
        }
    }

    /// How far from the hand the next entries are, in seconds.
    fn ahead(&self) -> Option<u64> {
        let turned = self.occupied.rotate_right(slot(self.hand).into());
        (turned != 0).then(|| turned.trailing_zeros().into())
    }

    /// When the next entries are due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.epoch + Duration::from_secs(self.hand + self.ahead()?))
    }

    /// The entry that is due next, of several the one that came first.
    pub(super) fn first(&self) -> Option<IdleId> {
        let next = slot(self.hand + self.ahead()?);
        self.slots.get(usize::from(next))?.oldest
    }

    /// An entry that is due, if there is one.
    pub(super) fn due(&self, now: Instant) -> Option<IdleId> {
        (self.deadline()? <= now).then(|| self.first())?
    }

    /// The lists, beginning with the one that is due next.
    pub(super) fn lists(&self) -> impl Iterator<Item = &List> {
        let (behind, ahead) = self.slots.split_at(slot(self.hand).into());
        ahead.iter().chain(behind)
    }
}

/// Where the entries of a second stand.
fn slot(second: u64) -> u8 {
    u8::try_from(second % u64::from(SLOTS)).unwrap_or(0)
}
