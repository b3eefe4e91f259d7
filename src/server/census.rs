//! How many clients all loops have together, and which of them are strangers: so who may come in, and in whose place. Takes
//! nobody in, and ends nobody.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::io::bells::Bells;
use crate::io::crowd::Crowd;
use crate::io::token::ConnId;
use crate::lock::unpoisoned;
use crate::net::ClientKey;

/// The clients of all loops, as one of them sees them.
#[derive(Clone, Debug)]
pub struct Census {
    common: Arc<Common>,
    bells: Bells,
}

/// One place that is held. While it is, nobody else takes it; but that it is taken is known only once somebody came, and
/// nobody is ended for it before.
const HELD: u64 = 1 << 32;

#[derive(Debug)]
struct Common {
    clients_max: usize,
    /// Clients, and above them the places that are held for one that may come: [`HELD`] each.
    places: AtomicU64,
    /// Loops that have not ended.
    loops: AtomicUsize,
    /// As many as there are in `strangers`, to be read without its lock.
    strangers_len: AtomicUsize,
    /// Those of whom nobody knows who they are, and whose first turn is over.
    strangers: Mutex<Crowd>,
}

impl Census {
    /// Nobody yet, and so many clients at a time at most, in so many loops, which have these bells.
    pub fn new(clients_max: usize, loops: usize, bells: Bells) -> Census {
        Census {
            common: Arc::new(Common {
                clients_max: clients_max.min(u32::MAX as usize),
                places: AtomicU64::new(0),
                loops: AtomicUsize::new(loops),
                strangers_len: AtomicUsize::new(0),
                strangers: Mutex::default(),
            }),
            bells,
        }
    }

    /// The same for the loop of this number.
    #[must_use]
    pub fn for_loop(&self, number: u8) -> Census {
        Census {
            common: Arc::clone(&self.common),
            bells: self.bells.for_loop(number),
        }
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        clients(self.common.places.load(Ordering::SeqCst))
    }

    /// How many there may be.
    pub fn clients_max(&self) -> usize {
        self.common.clients_max
    }

    /// May there be no more?
    pub fn is_full(&self) -> bool {
        self.clients() >= self.common.clients_max
    }

    /// Holds a place for one more client, if there is one. Whether one comes is to be said by [`Census::take`] or
    /// [`Census::release`].
    #[must_use]
    pub fn hold(&self) -> bool {
        let max = self.common.clients_max;
        let more = |places: u64| {
            let held = usize::try_from(places / HELD).unwrap_or(usize::MAX);
            (clients(places).saturating_add(held) < max).then(|| places + HELD)
        };
        let places = &self.common.places;
        places
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    /// A client has the place that was held.
    pub fn take(&self) {
        self.common.places.fetch_sub(HELD - 1, Ordering::SeqCst);
    }

    /// Nobody came for the place that was held.
    pub fn release(&self) {
        self.common.places.fetch_sub(HELD, Ordering::SeqCst);
    }

    /// So many clients have gone.
    pub fn give_back(&self, count: usize) {
        let before = self.common.places.fetch_sub(count as u64, Ordering::SeqCst);
        debug_assert!(clients(before) >= count, "{count} of {before:x} have gone");
        if clients(before) >= self.common.clients_max {
            self.bells.ring();
        }
    }

    /// The loop has ended, and with it so many clients.
    pub fn leave(&self, clients: usize) {
        self.common.loops.fetch_sub(1, Ordering::SeqCst);
        self.give_back(clients);
    }

    /// Have all other loops ended?
    pub fn is_last(&self) -> bool {
        self.common.loops.load(Ordering::SeqCst) <= 1
    }

    /// The loop is to be woken when another one has room for it: see [`Bells::wait`].
    pub fn wait(&self) {
        self.bells.wait();
    }

    /// Is there a stranger?
    pub fn has_strangers(&self) -> bool {
        self.strangers() > 0
    }

    /// How many strangers there are.
    pub fn strangers(&self) -> usize {
        self.common.strangers_len.load(Ordering::SeqCst)
    }

    /// Counts a connection among the strangers, by the address that it has now, or no longer.
    pub fn count(&self, id: ConnId, key: ClientKey, is_stranger: bool) {
        let mut strangers = self.lock();
        strangers.set(id, key, u32::from(is_stranger));
        let is_first = self.publish(&strangers);
        drop(strangers);
        if is_first {
            // Its place may be another's, where there was nobody's to be had.
            self.bells.ring();
        }
    }

    /// A connection is no stranger's any more.
    pub fn forget(&self, id: ConnId) {
        let mut strangers = self.lock();
        strangers.remove(id);
        self.publish(&strangers);
    }

    /// Whose place a new client gets: see [`Crowd::first_settled`]. It may be another loop's.
    pub fn replaceable(&self) -> Option<ConnId> {
        self.lock().first_settled().map(|(id, _)| id)
    }

    /// Are there strangers now, and were there none?
    fn publish(&self, strangers: &Crowd) -> bool {
        // Each holds one slot.
        let now = usize::try_from(strangers.held()).unwrap_or(usize::MAX);
        let before = self.common.strangers_len.swap(now, Ordering::SeqCst);
        before == 0 && now > 0
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, Crowd> {
        unpoisoned(self.common.strangers.lock())
    }
}

fn clients(places: u64) -> usize {
    usize::try_from(places % HELD).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32, number: u32) -> ConnId {
        ConnId {
            index,
            generation: number << 24 | 7,
        }
    }

    fn client(last: u8) -> ClientKey {
        ClientKey::of([10, 0, 0, last].into())
    }

    #[test]
    fn loops_take_places_of_one_number() {
        let first = Census::new(3, 2, Bells::of_one());
        let second = first.for_loop(1);
        let comes = |census: &Census| {
            let has_place = census.hold();
            if has_place {
                census.take();
            }
            has_place
        };
        assert!(comes(&first) && comes(&second) && first.hold());
        assert!(
            !first.is_full() && !second.hold(),
            "it is not known whether the third comes"
        );
        first.release();
        assert!(comes(&second) && first.is_full() && !first.hold());
        second.give_back(1);
        assert!(comes(&first) && !second.hold() && !first.is_last());
        second.leave(1);
        assert!(first.is_last() && first.hold());
        first.release();
        first.give_back(2);
        assert_eq!((first.clients(), second.clients_max()), (0, 3));
    }

    #[test]
    fn the_one_that_is_replaced_is_of_the_address_that_has_most_in_all_loops() {
        let first = Census::new(8, 2, Bells::of_one());
        let second = first.for_loop(1);
        assert!(!first.has_strangers() && first.replaceable().is_none());
        second.count(id(0, 1), client(1), true);
        first.count(id(0, 0), client(2), true);
        first.count(id(1, 0), client(1), true);
        for census in [&first, &second] {
            assert_eq!((census.replaceable(), census.strangers()), (Some(id(0, 1)), 3));
        }
        first.forget(id(0, 1));
        second.count(id(1, 0), client(1), false);
        assert_eq!((second.replaceable(), second.strangers()), (Some(id(0, 0)), 1));
        first.forget(id(0, 0));
        assert!(!second.has_strangers());
    }
}
