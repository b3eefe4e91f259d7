//! Kept-alive upstream connections that no request uses now. They are only found with the key of a request
//! that was decided anew, and an address that was vetted anew.
//!
//! Every entry stands in three lists: of all by age, of those that are to be closed in the same second, and of those with
//! its key. Where there are too many the oldest goes: the one that ends first may be the one that came just now, and an
//! origin that keeps connections for a short time only would have none.
//! Parking and taking cost no memory once the tables have grown to what is in use, and no search but past entries of
//! the key that go elsewhere or, while there are any, belong to one client alone.

mod hashed;
mod list;
mod wheel;

use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::net::SocketAddr;

use foldhash::fast::RandomState;

use crate::clock::Instant;
use crate::io::arena::Arena;
use crate::io::token::{ConnId, IdleId, WireId};
use crate::policy::Vetted;
use crate::session::lease::Lease;
use crate::session::{PoolKey, Wanted};

use self::hashed::ByHash;
use self::list::{Links, List};
use self::wheel::Wheel;

/// One idle connection.
#[derive(Debug)]
struct Idle {
    taken: Taken,
    key: PoolKey,
    key_hash: u64,
    /// In which second of the wheel it stands, and where.
    second: u8,
    by_end: Links,
    by_age: Links,
    /// Among those with its key.
    by_key: Links,
}

/// The entries of one key.
#[derive(Clone, Copy, Default, Debug)]
struct OfKey {
    list: List,
    /// How many of them are bound to a client.
    bound: usize,
    /// One of those that were here since there was none showed that their origin keeps connections.
    keeps: bool,
}

/// What a request gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    /// The connection.
    pub wire: WireId,
    /// Where to.
    pub remote: SocketAddr,
    /// Our end.
    pub local: Option<SocketAddr>,
    /// Bound to this client by connection-based authentication, by this request or one before it.
    pub private_to: Option<ConnId>,
    /// For how long its origin keeps it.
    pub lease: Lease,
}

/// What is found for a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A connection for it.
    Fits(Taken),
    /// The wire of one that would have been, had it not been idle for too long: to be closed, and asked again.
    Ended(WireId),
}

/// What became of a connection that was parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parked {
    /// Its entry.
    pub id: Option<IdleId>,
    /// The wire to close for it, where a limit is reached: the oldest of its key or of all, which may be its
    /// own.
    pub surplus: Option<WireId>,
}

/// All idle connections.
#[derive(Debug)]
pub struct Pool {
    idle_max: usize,
    idle_per_host_max: usize,
    entries: Arena<Idle>,
    by_end: Wheel,
    by_age: List,
    /// By their keys' hashes, and keys are compared all the same: no key is kept twice. The hashes are seeded, and quick
    /// rather than strong: whoever aims at another's list makes it at most as long as the limit of one host, which
    /// both then share.
    by_key: ByHash<OfKey>,
    hasher: RandomState,
}

impl Pool {
    /// An empty pool; 0 for either limit keeps nothing.
    pub fn new(idle_max: usize, idle_per_host_max: usize, now: Instant) -> Pool {
        Pool {
            idle_max,
            idle_per_host_max,
            entries: Arena::default(),
            by_end: Wheel::new(now),
            by_age: List::default(),
            by_key: ByHash::default(),
            hasher: RandomState::default(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keeps a connection.
    pub fn park(&mut self, key: PoolKey, taken: Taken) -> Parked {
        let key_hash = self.hasher.hash_one(&key);
        let Some(id) = self.entries.insert(Idle {
            taken,
            key,
            key_hash,
            second: 0,
            by_end: Links::default(),
            by_age: Links::default(),
            by_key: Links::default(),
        }) else {
            return Parked {
                id: None,
                surplus: Some(taken.wire),
            };
        };
        let end = taken.lease.end();
        let second = self
            .by_end
            .push(&mut self.entries, id, end, |idle: &mut Idle| &mut idle.by_end);
        if let Some(idle) = self.entries.get_mut(id) {
            idle.second = second;
        }
        self.by_age
            .push(&mut self.entries, id, |idle: &mut Idle| &mut idle.by_age);
        let of_key = self.by_key.entry(key_hash).or_default();
        of_key
            .list
            .push(&mut self.entries, id, |idle: &mut Idle| &mut idle.by_key);
        of_key.bound += usize::from(taken.private_to.is_some());
        of_key.keeps |= taken.lease.shows_persistence_at_once();
        let excess = if of_key.list.len > self.idle_per_host_max {
            of_key.list.oldest
        } else if self.entries.len() > self.idle_max {
            self.by_age.oldest
        } else {
            None
        };
        Parked {
            id: Some(id),
            surplus: excess
                .and_then(|oldest| self.remove(oldest))
                .map(|gone| gone.wire),
        }
    }

    /// Of the connections that fit, the one used last among those bound to `asker`, else among those bound to nobody:
    /// a client that authenticated a connection, or is about to, must come to that one again (RFC 4559, section 6).
    ///
    /// A request that wants a fresh one gets that or none. Those that were used last stand first: where the first is
    /// not fresh the others aren't either, as far as it matters. That the origin keeps connections each may show as
    /// it comes, and the oldest as it stays.
    pub fn take(
        &mut self,
        wanted: &Wanted,
        addresses: &[Vetted],
        asker: ConnId,
        now: Instant,
    ) -> Option<Found> {
        let Wanted { key, fresh } = wanted;
        let fits = |idle: &Idle| {
            idle.key == *key
                && addresses
                    .iter()
                    .any(|address| address.address() == idle.taken.remote)
        };
        let of_key = self.by_key.get_mut(&self.hasher.hash_one(key))?;
        // Nobody else asks, and it lies far from those that are used.
        if *fresh {
            let oldest = of_key.list.oldest.and_then(|id| self.entries.get(id));
            of_key.keeps |= oldest.is_some_and(|idle| idle.taken.lease.shows_persistence(now));
        }
        let OfKey {
            list,
            mut bound,
            keeps,
        } = *of_key;
        let suits = |idle: &Idle| !fresh || idle.taken.lease.is_fresh(now, keeps);
        let mut next = list.newest;
        let mut found = None;
        while let Some(id) = next
            && (bound > 0 || found.is_none())
        {
            let idle = self.entries.get(id)?;
            match idle.taken.private_to {
                Some(owner) if owner == asker && fits(idle) && suits(idle) => {
                    found = Some((id, true));
                    break;
                }
                Some(_) => bound = bound.saturating_sub(1),
                None if found.is_none() && fits(idle) => found = Some((id, suits(idle))),
                None => {}
            }
            next = idle.by_key.older;
        }
        let (id, suits) = found?;
        let taken = suits.then(|| self.remove(id))??;
        Some(match now < taken.lease.end() {
            true => Found::Fits(taken),
            false => Found::Ended(taken.wire),
        })
    }

    /// Something happened on an idle connection: it is of no use any more. Was it still here?
    pub fn drop_idle(&mut self, id: IdleId) -> bool {
        self.remove(id).is_some()
    }

    /// The connections bound to a client that is gone. Looks at all: only for clients that had one.
    pub fn drop_private(&mut self, owner: ConnId) -> Vec<WireId> {
        let mut bound = Vec::new();
        for list in self.by_end.lists() {
            let mut next = list.oldest;
            while let Some((id, idle)) = next.and_then(|id| Some((id, self.entries.get(id)?))) {
                bound.extend((idle.taken.private_to == Some(owner)).then_some(id));
                next = idle.by_end.newer;
            }
        }
        let gone = bound.into_iter().filter_map(|id| self.remove(id));
        gone.map(|gone| gone.wire).collect()
    }

    /// When the next one has been idle for too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.by_end.deadline()
    }

    /// One that has been idle for too long; to be called until there is none, whenever the clock was read.
    pub fn pop_expired(&mut self, now: Instant) -> Option<WireId> {
        let id = self.by_end.due(now)?;
        self.remove(id).map(|gone| gone.wire)
    }

    /// The oldest: to be called until there is none, as the server drains, or until there are descriptors enough.
    pub fn pop_oldest(&mut self) -> Option<WireId> {
        self.remove(self.by_age.oldest?).map(|gone| gone.wire)
    }

    fn remove(&mut self, id: IdleId) -> Option<Taken> {
        let idle: Idle = self.entries.remove(id)?;
        self.by_end
            .unlink(&mut self.entries, idle.second, idle.by_end, |idle| {
                &mut idle.by_end
            });
        self.by_age
            .unlink(&mut self.entries, idle.by_age, |idle| &mut idle.by_age);
        if let Entry::Occupied(mut of_key) = self.by_key.entry(idle.key_hash) {
            let OfKey { list, bound, .. } = of_key.get_mut();
            list.unlink(&mut self.entries, idle.by_key, |idle| &mut idle.by_key);
            *bound = bound.saturating_sub(usize::from(idle.taken.private_to.is_some()));
            if list.len == 0 {
                of_key.remove();
            }
        }
        Some(idle.taken)
    }
}

#[cfg(test)]
mod tests;
