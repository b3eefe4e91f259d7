//! A few things of one kind that all clients share: threads, sockets. How many each holds, and who may take another
//! one. What they are, and who waits for one, is the caller's business.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::lock::unpoisoned;
use crate::net::ClientKey;

/// How many there are, how many are taken, and by whom.
#[derive(Debug)]
pub struct Shares {
    max: usize,
    taken: usize,
    held: HashMap<ClientKey, usize>,
}

impl Shares {
    /// So many things, none of them taken.
    pub fn new(max: usize) -> Shares {
        Shares {
            max,
            taken: 0,
            held: HashMap::new(),
        }
    }

    /// Is none taken, and nobody remembered?
    #[cfg(test)]
    pub(crate) fn is_unused(&self) -> bool {
        self.taken == 0 && self.held.is_empty()
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// How many this client holds.
    pub fn held(&self, client: ClientKey) -> usize {
        self.held.get(&client).copied().unwrap_or(0)
    }

    /// May it take another one? Who holds some leaves the last quarter to the others.
    pub fn has_one_for(&self, client: ClientKey) -> bool {
        let reserved = if self.held(client) == 0 {
            0
        } else {
            self.max.div_ceil(4)
        };
        self.taken + reserved < self.max
    }

    /// Takes one for this client if it may have it; tells whether.
    #[must_use]
    pub fn take(&mut self, client: ClientKey) -> bool {
        let may = self.has_one_for(client);
        if may {
            self.taken += 1;
            *self.held.entry(client).or_insert(0) += 1;
        }
        may
    }

    /// This client gives one back that it took.
    pub fn give_back(&mut self, client: ClientKey) {
        let Some(held) = self.held.get_mut(&client) else {
            return;
        };
        self.taken -= 1;
        *held -= 1;
        if *held == 0 {
            self.held.remove(&client);
        }
    }
}

/// Things that all loops of a process share. Clones share the same ones.
#[derive(Clone, Debug)]
pub struct CommonShares(Arc<Mutex<Shares>>);

impl CommonShares {
    /// So many things, none of them taken.
    pub fn new(max: usize) -> CommonShares {
        CommonShares(Arc::new(Mutex::new(Shares::new(max))))
    }

    /// Is none taken, and nobody remembered?
    #[cfg(test)]
    pub(crate) fn is_unused(&self) -> bool {
        self.lock().is_unused()
    }

    /// See [`Shares::take`].
    #[must_use]
    pub fn take(&self, client: ClientKey) -> bool {
        self.lock().take(client)
    }

    /// The same, as long as the client holds fewer than so many.
    #[must_use]
    pub fn take_below(&self, client: ClientKey, held_max: usize) -> bool {
        let mut shares = self.lock();
        shares.held(client) < held_max && shares.take(client)
    }

    /// See [`Shares::give_back`].
    pub fn give_back(&self, client: ClientKey) {
        self.lock().give_back(client);
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, Shares> {
        unpoisoned(self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::of([10, 0, 0, last].into())
    }

    #[test]
    fn who_holds_some_leaves_the_last_quarter_to_the_others() {
        for (max, most) in [(1, 1), (2, 1), (4, 3), (8, 6), (32, 24), (33, 24)] {
            let mut shares = Shares::new(max);
            let taken = (0..2 * max).filter(|_| shares.take(client(1))).count();
            assert_eq!(taken, most, "of {max}");
            let others = (2..=200).filter(|&other| shares.take(client(other))).count();
            assert_eq!(taken + others, max, "each of the others gets one");
            assert!(!shares.take(client(201)));
        }
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_leaves_nothing_behind() {
        let mut shares = Shares::new(4);
        assert!(shares.take(client(1)) && shares.take(client(1)) && shares.take(client(2)));
        assert!(!shares.take(client(1)));
        shares.give_back(client(2));
        assert!(shares.take(client(1)));
        assert_eq!(shares.held(client(1)), 3);
        for _ in 0..5 {
            shares.give_back(client(1));
        }
        assert!(shares.is_unused());
        assert!(!Shares::new(0).take(client(1)));
    }
}
