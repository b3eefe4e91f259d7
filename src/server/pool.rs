//! Kept-alive upstream connections that no request uses now. They are only found with the key of a request
//! that was decided anew, and an address that was vetted anew.
//!
//! Every entry stands in two lists: of all, by age, and of those with its key. Parking and taking cost no
//! memory once the tables have grown to what is in use, and no search but past entries of the key that go elsewhere or,
//! while there are any, belong to one client alone.

mod list;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::io::arena::Arena;
use crate::io::token::{ConnId, IdleId, WireId};
use crate::policy::Vetted;
use crate::session::PoolKey;

use self::list::{Links, List};

/// An idle connection is dropped after so long: the origin's own limit is rarely far above.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// One idle connection.
#[derive(Debug)]
struct Idle {
    taken: Taken,
    key: PoolKey,
    key_hash: u64,
    since: Instant,
    /// Among all.
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
}

/// What became of a connection that was parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parked {
    /// Its entry.
    pub id: Option<IdleId>,
    /// The wire to close for it, where a limit is reached: the oldest, which may be its own.
    pub surplus: Option<WireId>,
}

/// All idle connections.
#[derive(Debug)]
pub struct Pool {
    idle_max: usize,
    idle_per_host_max: usize,
    entries: Arena<Idle>,
    by_age: List,
    /// By their keys' hashes, which are seeded: a client can't aim at another's list, and keys are compared all
    /// the same. So no key is kept twice.
    by_key: HashMap<u64, OfKey>,
    hasher: RandomState,
}

impl Pool {
    /// An empty pool; 0 for either limit keeps nothing.
    pub fn new(idle_max: usize, idle_per_host_max: usize) -> Pool {
        Pool {
            idle_max,
            idle_per_host_max,
            entries: Arena::default(),
            by_age: List::default(),
            by_key: HashMap::new(),
            hasher: RandomState::new(),
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
    pub fn park(&mut self, key: PoolKey, taken: Taken, now: Instant) -> Parked {
        let key_hash = self.hasher.hash_one(&key);
        let Some(id) = self.entries.insert(Idle {
            taken,
            key,
            key_hash,
            since: now,
            by_age: Links::default(),
            by_key: Links::default(),
        }) else {
            return Parked {
                id: None,
                surplus: Some(taken.wire),
            };
        };
        self.by_age
            .push(&mut self.entries, id, |idle: &mut Idle| &mut idle.by_age);
        let of_key = self.by_key.entry(key_hash).or_default();
        of_key
            .list
            .push(&mut self.entries, id, |idle: &mut Idle| &mut idle.by_key);
        of_key.bound += usize::from(taken.private_to.is_some());
        let excess = if of_key.list.len > self.idle_per_host_max {
            of_key.list.oldest
        } else if self.by_age.len > self.idle_max {
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
    pub fn take(&mut self, key: &PoolKey, addresses: &[Vetted], asker: ConnId) -> Option<Taken> {
        let fits = |idle: &Idle| {
            idle.key == *key
                && addresses
                    .iter()
                    .any(|address| address.address() == idle.taken.remote)
        };
        let OfKey { list, mut bound } = *self.by_key.get(&self.hasher.hash_one(key))?;
        let mut next = list.newest;
        let mut unbound = None;
        while let Some(id) = next
            && (bound > 0 || unbound.is_none())
        {
            let idle = self.entries.get(id)?;
            match idle.taken.private_to {
                Some(owner) if owner == asker && fits(idle) => return self.remove(id),
                Some(_) => bound = bound.saturating_sub(1),
                None if unbound.is_none() && fits(idle) => unbound = Some(id),
                None => {}
            }
            next = idle.by_key.older;
        }
        self.remove(unbound?)
    }

    /// Something happened on an idle connection: it is of no use any more. Was it still here?
    pub fn drop_idle(&mut self, id: IdleId) -> bool {
        self.remove(id).is_some()
    }

    /// The connections bound to a client that is gone. Looks at all: only for clients that had one.
    pub fn drop_private(&mut self, owner: ConnId) -> Vec<WireId> {
        let mut wires = Vec::new();
        let mut next = self.by_age.oldest;
        while let Some((id, idle)) = next.and_then(|id| Some((id, self.entries.get(id)?))) {
            let bound = idle.taken.private_to == Some(owner);
            next = idle.by_age.newer;
            if bound {
                wires.extend(self.remove(id).map(|gone| gone.wire));
            }
        }
        wires
    }

    /// When the oldest has been idle for too long.
    pub fn deadline(&self) -> Option<Instant> {
        let oldest = self.entries.get(self.by_age.oldest?)?;
        Some(oldest.since + IDLE_TIMEOUT)
    }

    /// One that has been idle for too long.
    pub fn pop_expired(&mut self, now: Instant) -> Option<WireId> {
        if self.deadline()? > now {
            return None;
        }
        self.pop_oldest()
    }

    /// The one that was parked first: to be called until there is none, as the server drains or descriptors are
    /// needed.
    pub fn pop_oldest(&mut self) -> Option<WireId> {
        self.remove(self.by_age.oldest?).map(|gone| gone.wire)
    }

    fn remove(&mut self, id: IdleId) -> Option<Taken> {
        let idle: Idle = self.entries.remove(id)?;
        self.by_age
            .unlink(&mut self.entries, idle.by_age, |idle| &mut idle.by_age);
        if let Entry::Occupied(mut of_key) = self.by_key.entry(idle.key_hash) {
            let OfKey { list, bound } = of_key.get_mut();
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
