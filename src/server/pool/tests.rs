//! What is found again and what is not, which limits hold, and that the lists stay whole.

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

fn private(taken: Taken) -> Taken {
    Taken {
        private_to: Some(CLIENT),
        ..taken
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
    pool.park(key("a.test", "r"), taken(1, "44.1.1.1:80"), Instant::now());
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
    assert!(pool.is_empty() && pool.by_key.is_empty());
}

#[test]
fn limits_evict_the_oldest_and_the_newest_is_used_first() {
    let mut pool = Pool::new(3, 2);
    let now = Instant::now();
    let mut surplus_of = |host: &str, index: u32| {
        let parked = pool.park(key(host, "r"), taken(index, "44.1.1.1:80"), now);
        parked.surplus
    };
    assert_eq!(surplus_of("a.test", 1), None);
    assert_eq!(surplus_of("a.test", 2), None);
    assert_eq!(surplus_of("a.test", 3), Some(wire(1)));
    assert_eq!(surplus_of("b.test", 4), None);
    assert_eq!(surplus_of("c.test", 5), Some(wire(2)));
    assert_eq!(pool.len(), 3);
    let found = pool.take(&key("a.test", "r"), &vetted("44.1.1.1:80"), CLIENT);
    assert_eq!(found.map(|taken| taken.wire), Some(wire(3)));
}

#[test]
fn a_limit_of_zero_keeps_nothing() {
    for (idle_max, idle_per_host_max) in [(0, 8), (8, 0)] {
        let mut pool = Pool::new(idle_max, idle_per_host_max);
        let parked = pool.park(key("a.test", "r"), taken(1, "44.1.1.1:80"), Instant::now());
        assert_eq!(parked.surplus, Some(wire(1)));
        assert!(pool.is_empty() && pool.by_key.is_empty());
    }
}

#[test]
fn a_private_connection_stays_private_behind_later_requests() {
    let mut pool = Pool::new(10, 10);
    let (key, addresses, now) = (key("a.test", "r"), vetted("44.1.1.1:80"), Instant::now());
    pool.park(key.clone(), private(taken(1, "44.1.1.1:80")), now);
    let again = pool.take(&key, &addresses, CLIENT).unwrap();
    pool.park(key.clone(), again, now);
    assert_eq!(pool.take(&key, &addresses, OTHER_CLIENT), None);
    assert!(pool.take(&key, &addresses, CLIENT).is_some());
}

#[test]
fn a_client_comes_back_to_its_own_connection_though_others_parked_later() {
    let mut pool = Pool::new(10, 10);
    let (key, addresses, now) = (key("a.test", "r"), vetted("44.1.1.1:80"), Instant::now());
    pool.park(key.clone(), private(taken(1, "44.1.1.1:80")), now);
    pool.park(key.clone(), taken(2, "44.1.1.1:80"), now);
    let mut wire_of = |asker: ConnId| pool.take(&key, &addresses, asker).map(|taken| taken.wire);
    assert_eq!(wire_of(CLIENT), Some(wire(1)));
    assert_eq!(wire_of(CLIENT), Some(wire(2)));
}

#[test]
fn a_private_connection_is_for_its_client_alone() {
    let mut pool = Pool::new(10, 10);
    pool.park(
        key("a.test", "r"),
        private(taken(1, "44.1.1.1:80")),
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
    pool.park(key("a.test", "r"), taken(1, "44.1.1.1:80"), now);
    let parked = pool.park(key("a.test", "r"), taken(2, "44.1.1.1:80"), now);
    let broken = parked.id.unwrap();
    assert!(pool.drop_idle(broken) && !pool.drop_idle(broken));
    assert_eq!(pool.pop_expired(now), None);
    assert_eq!(pool.deadline(), Some(now + IDLE_TIMEOUT));
    assert_eq!(pool.pop_expired(now + IDLE_TIMEOUT), Some(wire(1)));
    assert_eq!(pool.pop_expired(now + IDLE_TIMEOUT), None);
}

/// What the pool must hold, as a plain list, oldest first: host, wire, private to, id.
#[derive(Default)]
struct Model(Vec<(u64, u32, Option<ConnId>, IdleId)>);

impl Model {
    fn remove(&mut self, found: impl Fn(&(u64, u32, Option<ConnId>, IdleId)) -> bool) -> Option<WireId> {
        let place = self.0.iter().position(found)?;
        Some(wire(self.0.remove(place).1))
    }

    fn agrees_with(&self, pool: &Pool) {
        let wires = |first: Option<IdleId>, next: fn(&Idle) -> Option<IdleId>| {
            let mut id = first;
            std::iter::from_fn(move || {
                let idle = pool.entries.get(id?).unwrap();
                id = next(idle);
                Some(idle.taken.wire.index)
            })
        };
        let all: Vec<u32> = self.0.iter().map(|entry| entry.1).collect();
        assert!(wires(pool.by_age.oldest, |idle| idle.by_age.newer).eq(all.iter().copied()));
        assert!(wires(pool.by_age.newest, |idle| idle.by_age.older).eq(all.iter().rev().copied()));
        let (mut of_keys, mut bound_of_keys) = (0, 0);
        for OfKey { list, bound } in pool.by_key.values() {
            let newest_last: Vec<u32> = wires(list.oldest, |idle| idle.by_key.newer).collect();
            assert!(wires(list.newest, |idle| idle.by_key.older).eq(newest_last.iter().rev().copied()));
            assert_eq!(newest_last.len(), list.len);
            of_keys += list.len;
            bound_of_keys += bound;
        }
        assert_eq!((pool.len(), of_keys), (all.len(), all.len()));
        let bound = self.0.iter().filter(|entry| entry.2.is_some());
        assert_eq!(bound_of_keys, bound.count());
    }
}

#[test]
fn the_lists_stay_whole_whatever_happens() {
    let (mut pool, mut model) = (Pool::new(12, 4), Model::default());
    let (now, addresses) = (Instant::now(), vetted("44.1.1.1:80"));
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for turn in 0..20_000u32 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (choice, host) = (state >> 60, state >> 40 & 7);
        let nth = usize::try_from(host).unwrap();
        let (asker, private_to) = match state >> 50 & 3 {
            0 => (CLIENT, Some(CLIENT)),
            1 => (OTHER_CLIENT, None),
            _ => (CLIENT, None),
        };
        let key = key(&format!("{host}.test"), "r");
        match choice {
            0..9 => {
                let parked = pool.park(
                    key,
                    Taken {
                        private_to,
                        ..taken(turn, "44.1.1.1:80")
                    },
                    now,
                );
                model.0.push((host, turn, private_to, parked.id.unwrap()));
                let of_host = model.0.iter().filter(|entry| entry.0 == host).count();
                let surplus = match (of_host, model.0.len()) {
                    (5.., _) => model.remove(|entry| entry.0 == host),
                    (_, 13..) => model.remove(|_| true),
                    _ => None,
                };
                assert_eq!(parked.surplus, surplus);
            }
            9..13 => {
                let fits = |entry: &&(u64, u32, Option<ConnId>, IdleId)| {
                    entry.0 == host && entry.2.is_none_or(|owner| owner == asker)
                };
                let own = |entry: &&(u64, u32, Option<ConnId>, IdleId)| fits(entry) && entry.2.is_some();
                let entries = &model.0;
                let expected = entries.iter().rfind(own).or_else(|| entries.iter().rfind(fits));
                let expected = expected.map(|entry| entry.1);
                let taken = pool.take(&key, &addresses, asker);
                assert_eq!(taken.map(|taken| taken.wire.index), expected);
                model.remove(|entry| Some(entry.1) == expected);
            }
            13 => {
                if let Some(entry) = model.0.get(nth) {
                    let id = entry.3;
                    assert!(pool.drop_idle(id));
                    model.remove(|entry| entry.3 == id);
                }
            }
            14 => {
                let bound = std::iter::from_fn(|| model.remove(|entry| entry.2 == Some(CLIENT)));
                assert_eq!(pool.drop_private(CLIENT), bound.collect::<Vec<_>>());
            }
            _ => assert_eq!(pool.pop_oldest(), model.remove(|_| true)),
        }
        model.agrees_with(&pool);
    }
}
