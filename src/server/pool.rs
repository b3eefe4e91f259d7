//! Kept-alive upstream connections that no request uses now. They are only found with the key of a request
//! that was decided anew, and an address that was vetted anew.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::io::token::{ConnId, WireId};
use crate::policy::Vetted;
use crate::session::PoolKey;

/// An idle connection is dropped after so long: the origin's own limit is rarely far above.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// One idle connection.
#[derive(Debug)]
struct Idle {
    wire: WireId,
    key: Arc<PoolKey>,
    remote: SocketAddr,
    local: Option<SocketAddr>,
    /// Bound to this client by connection-based authentication.
    private_to: Option<ConnId>,
    since: Instant,
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

/// All idle connections, oldest first by their stamp.
#[derive(Debug)]
pub struct Pool {
    idle_max: usize,
    idle_per_host_max: usize,
    next_stamp: u64,
    by_age: BTreeMap<u64, Idle>,
    by_key: HashMap<Arc<PoolKey>, Vec<u64>>,
    by_wire: HashMap<WireId, u64>,
}

impl Pool {
    /// An empty pool; 0 for either limit keeps nothing.
    pub fn new(idle_max: usize, idle_per_host_max: usize) -> Pool {
        Pool {
            idle_max,
            idle_per_host_max,
            next_stamp: 0,
            by_age: BTreeMap::new(),
            by_key: HashMap::new(),
            by_wire: HashMap::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.by_age.is_empty()
    }

    /// Keeps a connection. What was private once stays so: the requests that follow an authentication on their
    /// connection do not show it. Returns the wires to close for it: the oldest where a limit is reached.
    pub fn park(
        &mut self,
        key: PoolKey,
        taken: Taken,
        private_to: Option<ConnId>,
        now: Instant,
    ) -> Vec<WireId> {
        let key = Arc::new(key);
        let (stamp, since) = (self.next_stamp, now);
        self.next_stamp += 1;
        let Taken {
            wire, remote, local, ..
        } = taken;
        let private_to = taken.private_to.or(private_to);
        self.by_wire.insert(wire, stamp);
        self.by_key.entry(Arc::clone(&key)).or_default().push(stamp);
        self.by_age.insert(
            stamp,
            Idle {
                wire,
                key: Arc::clone(&key),
                remote,
                local,
                private_to,
                since,
            },
        );
        let mut surplus = Vec::new();
        let oldest_of_key = self
            .by_key
            .get(&key)
            .filter(|stamps| stamps.len() > self.idle_per_host_max)
            .and_then(|s| s.first());
        let oldest = match oldest_of_key {
            Some(&stamp) => Some(stamp),
            None if self.by_age.len() > self.idle_max => self.by_age.keys().next().copied(),
            None => None,
        };
        surplus.extend(oldest.and_then(|stamp| self.remove(stamp)).map(|idle| idle.wire));
        surplus
    }

    /// The connection used last among those that fit.
    pub fn take(&mut self, key: &PoolKey, addresses: &[Vetted], asker: ConnId) -> Option<Taken> {
        let fits = |idle: &Idle| {
            addresses.iter().any(|address| address.address() == idle.remote)
                && idle.private_to.is_none_or(|owner| owner == asker)
        };
        let stamps = self.by_key.get(key)?;
        let stamp = *stamps
            .iter()
            .rev()
            .find(|stamp| self.by_age.get(stamp).is_some_and(fits))?;
        self.remove(stamp).map(|idle| Taken {
            wire: idle.wire,
            remote: idle.remote,
            local: idle.local,
            private_to: idle.private_to,
        })
    }

    /// Something happened on an idle connection: it is of no use any more. Was it one of the pool's?
    pub fn drop_wire(&mut self, wire: WireId) -> bool {
        let stamp = self.by_wire.get(&wire).copied();
        stamp.and_then(|stamp| self.remove(stamp)).is_some()
    }

    /// The connections bound to a client that is gone.
    pub fn drop_private(&mut self, owner: ConnId) -> Vec<WireId> {
        let bound = |idle: &Idle| idle.private_to == Some(owner);
        let stamps: Vec<u64> = self
            .by_age
            .iter()
            .filter(|(_, i)| bound(i))
            .map(|(stamp, _)| *stamp)
            .collect();
        stamps
            .into_iter()
            .filter_map(|stamp| self.remove(stamp))
            .map(|idle| idle.wire)
            .collect()
    }

    /// When the oldest has been idle for too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.by_age.values().next().map(|idle| idle.since + IDLE_TIMEOUT)
    }

    /// One that has been idle for too long.
    pub fn pop_expired(&mut self, now: Instant) -> Option<WireId> {
        if self.deadline()? > now {
            return None;
        }
        let stamp = *self.by_age.keys().next()?;
        self.remove(stamp).map(|idle| idle.wire)
    }

    /// All of them, as the server drains or their descriptors are needed.
    pub fn drain(&mut self) -> Vec<WireId> {
        self.by_key.clear();
        self.by_wire.clear();
        std::mem::take(&mut self.by_age)
            .into_values()
            .map(|idle| idle.wire)
            .collect()
    }

    fn remove(&mut self, stamp: u64) -> Option<Idle> {
        let idle = self.by_age.remove(&stamp)?;
        self.by_wire.remove(&idle.wire);
        if let Some(stamps) = self.by_key.get_mut(&idle.key) {
            stamps.retain(|other| *other != stamp);
            if stamps.is_empty() {
                self.by_key.remove(&idle.key);
            }
        }
        Some(idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Host, Target};
    use crate::policy::ranges::Ranges;
    use crate::policy::{Ask, Network, Policy, PolicyParts, Role};

    const CLIENT: ConnId = ConnId {
        index: 1,
        generation: 0,
    };
    const OTHER_CLIENT: ConnId = ConnId {
        index: 2,
        generation: 0,
    };

    fn wire(index: u32) -> WireId {
        WireId { index, generation: 0 }
    }

    fn key(host: &str, role: &str) -> PoolKey {
        PoolKey {
            role: Role::Named(role.into()),
            host: Host::parse(host.as_bytes()).unwrap(),
            port: 80,
        }
    }

    fn taken(index: u32, address: &str) -> Taken {
        Taken {
            wire: wire(index),
            remote: address.parse().unwrap(),
            local: None,
            private_to: None,
        }
    }

    fn vetted(address: &str) -> crate::policy::VettedList {
        let policy = Policy::new(PolicyParts {
            acl: None,
            ranges: Ranges::new(Vec::new(), Vec::new(), false, Vec::new()),
            password: None,
            allow_missing_role: true,
            network: Network::Any,
        });
        let target = Target::parse(address.as_bytes(), None).unwrap();
        let found = [address.parse::<SocketAddr>().unwrap().ip()];
        let ask = Ask {
            tunnel: false,
            external_proxy: None,
        };
        let allowed = policy.decide(&Role::Missing, target, ask).unwrap();
        policy.vet(&allowed, &found, &Vec::new).unwrap()
    }

    #[test]
    fn only_role_host_port_and_vetted_address_together_find_a_connection() {
        let mut pool = Pool::new(10, 10);
        pool.park(key("a.test", "r"), taken(1, "44.1.1.1:80"), None, Instant::now());
        assert_eq!(
            pool.take(&key("b.test", "r"), &vetted("44.1.1.1:80"), CLIENT),
            None
        );
        assert_eq!(
            pool.take(&key("a.test", "s"), &vetted("44.1.1.1:80"), CLIENT),
            None
        );
        assert_eq!(
            pool.take(&key("a.test", "r"), &vetted("44.1.1.2:80"), CLIENT),
            None,
            "rebound"
        );
        let found = pool.take(&key("a.test", "r"), &vetted("44.1.1.1:80"), CLIENT);
        assert_eq!(found, Some(taken(1, "44.1.1.1:80")));
        assert!(pool.is_empty() && pool.by_key.is_empty() && pool.by_wire.is_empty());
    }

    #[test]
    fn limits_evict_the_oldest_and_the_newest_is_used_first() {
        let mut pool = Pool::new(3, 2);
        let now = Instant::now();
        assert!(
            pool.park(key("a.test", "r"), taken(1, "44.1.1.1:80"), None, now)
                .is_empty()
        );
        assert!(
            pool.park(key("a.test", "r"), taken(2, "44.1.1.1:80"), None, now)
                .is_empty()
        );
        assert_eq!(
            pool.park(key("a.test", "r"), taken(3, "44.1.1.1:80"), None, now),
            vec![wire(1)]
        );
        assert!(
            pool.park(key("b.test", "r"), taken(4, "44.1.1.1:80"), None, now)
                .is_empty()
        );
        assert_eq!(
            pool.park(key("c.test", "r"), taken(5, "44.1.1.1:80"), None, now),
            vec![wire(2)]
        );
        assert_eq!(pool.len(), 3);
        let found = pool.take(&key("a.test", "r"), &vetted("44.1.1.1:80"), CLIENT);
        assert_eq!(found.map(|taken| taken.wire), Some(wire(3)));
        assert_eq!(
            Pool::new(0, 8).park(key("a.test", "r"), taken(1, "44.1.1.1:80"), None, now),
            vec![wire(1)]
        );
    }

    #[test]
    fn a_private_connection_stays_private_behind_later_requests() {
        let mut pool = Pool::new(10, 10);
        let (key, addresses, now) = (key("a.test", "r"), vetted("44.1.1.1:80"), Instant::now());
        pool.park(key.clone(), taken(1, "44.1.1.1:80"), Some(CLIENT), now);
        let again = pool.take(&key, &addresses, CLIENT).unwrap();
        pool.park(key.clone(), again, None, now);
        assert_eq!(pool.take(&key, &addresses, OTHER_CLIENT), None);
        assert!(pool.take(&key, &addresses, CLIENT).is_some());
    }

    #[test]
    fn a_private_connection_is_for_its_client_alone() {
        let mut pool = Pool::new(10, 10);
        pool.park(
            key("a.test", "r"),
            taken(1, "44.1.1.1:80"),
            Some(CLIENT),
            Instant::now(),
        );
        assert_eq!(
            pool.take(&key("a.test", "r"), &vetted("44.1.1.1:80"), OTHER_CLIENT),
            None
        );
        assert_eq!(pool.drop_private(OTHER_CLIENT), vec![]);
        assert_eq!(pool.drop_private(CLIENT), vec![wire(1)]);
        assert!(pool.is_empty());
    }

    #[test]
    fn idle_connections_expire_and_broken_ones_are_dropped() {
        let mut pool = Pool::new(10, 10);
        let now = Instant::now();
        pool.park(key("a.test", "r"), taken(1, "44.1.1.1:80"), None, now);
        pool.park(key("a.test", "r"), taken(2, "44.1.1.1:80"), None, now);
        assert!(pool.drop_wire(wire(2)) && !pool.drop_wire(wire(2)));
        assert_eq!(pool.pop_expired(now), None);
        assert_eq!(pool.deadline(), Some(now + IDLE_TIMEOUT));
        assert_eq!(pool.pop_expired(now + IDLE_TIMEOUT), Some(wire(1)));
        assert_eq!(pool.pop_expired(now + IDLE_TIMEOUT), None);
    }
}
