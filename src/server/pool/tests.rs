//! What is found again and what is not, and which limits hold. That the lists stay whole is in `model`.

mod model;
mod private;

use std::time::Duration;

use crate::net::{Host, Scheme, Target, Trust};
use crate::policy::{Ask, Policy, PolicyParts, Role, Route};

use super::*;

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

/// What a request finds that can be sent twice.
fn take(pool: &mut Pool, key: &PoolKey, addresses: &[Vetted], asker: ConnId) -> Option<Taken> {
    take_at(Instant::now(), pool, key, addresses, asker)
}

fn take_at(
    now: Instant,
    pool: &mut Pool,
    key: &PoolKey,
    addresses: &[Vetted],
    asker: ConnId,
) -> Option<Taken> {
    let wanted = Wanted {
        key: key.clone(),
        fresh: false,
    };
    match pool.take(&wanted, addresses, asker, now)? {
        Found::Fits(taken) => Some(taken),
        Found::Ended(wire) => panic!("{wire:?} has ended"),
    }
}

fn key(host: &str, role: &str) -> PoolKey {
    PoolKey {
        role: Role::Named(role.into()),
        route: Route::Direct,
        scheme: Scheme::Http,
        trust: Trust::Verified,
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
        lease: Lease::new(Instant::now(), Instant::now(), None, true),
    }
}

fn private(taken: Taken) -> Taken {
    Taken {
        private_to: Some(CLIENT),
        ..taken
    }
}

fn vetted(address: &str) -> crate::policy::VettedList {
    let policy = Policy::new(PolicyParts::without_rules());
    let target = Target::parse(address.as_bytes(), None).unwrap();
    let found = [address.parse::<SocketAddr>().unwrap().ip()];
    let ask = Ask {
        scheme: Some(Scheme::Http),
        external_proxy: None,
        is_inside: false,
    };
    let allowed = policy.decide(&Role::Missing, target, ask).unwrap();
    policy.vet(&allowed, &found, &|_| true).unwrap().addresses
}

#[test]
fn only_role_scheme_host_port_and_vetted_address_together_find_a_connection() {
    let mut pool = Pool::new(10, 10, Instant::now());
    pool.park(key("a.test", "r"), taken(1, "44.1.1.1:80"));
    assert_eq!(
        take(&mut pool, &key("b.test", "r"), &vetted("44.1.1.1:80"), CLIENT),
        None
    );
    assert_eq!(
        take(&mut pool, &key("a.test", "s"), &vetted("44.1.1.1:80"), CLIENT),
        None
    );
    let secure = PoolKey {
        scheme: Scheme::Https,
        ..key("a.test", "r")
    };
    assert_eq!(take(&mut pool, &secure, &vetted("44.1.1.1:80"), CLIENT), None);
    let unverified = PoolKey {
        trust: Trust::Unverified,
        ..key("a.test", "r")
    };
    assert_eq!(take(&mut pool, &unverified, &vetted("44.1.1.1:80"), CLIENT), None);
    assert_eq!(
        take(&mut pool, &key("a.test", "r"), &vetted("44.1.1.2:80"), CLIENT),
        None,
        "rebound"
    );
    let found = take(&mut pool, &key("a.test", "r"), &vetted("44.1.1.1:80"), CLIENT);
    assert_eq!(found.map(|taken| taken.wire), Some(wire(1)));
    assert!(pool.is_empty() && pool.by_key.is_empty());
}

#[test]
fn limits_evict_the_oldest_and_the_newest_is_used_first() {
    let mut pool = Pool::new(3, 2, Instant::now());
    let mut surplus_of = |host: &str, index: u32| {
        let parked = pool.park(key(host, "r"), taken(index, "44.1.1.1:80"));
        parked.surplus
    };
    assert_eq!(surplus_of("a.test", 1), None);
    assert_eq!(surplus_of("a.test", 2), None);
    assert_eq!(surplus_of("a.test", 3), Some(wire(1)));
    assert_eq!(surplus_of("b.test", 4), None);
    assert_eq!(surplus_of("c.test", 5), Some(wire(2)));
    assert_eq!(pool.len(), 3);
    let found = take(&mut pool, &key("a.test", "r"), &vetted("44.1.1.1:80"), CLIENT);
    assert_eq!(found.map(|taken| taken.wire), Some(wire(3)));
}

/// Somebody who asks a great many hosts does not keep others' connections from being kept.
#[test]
fn a_full_pool_keeps_what_comes_though_it_ends_first() {
    let now = Instant::now();
    let mut pool = Pool::new(10, 5, now);
    for index in 0..20 {
        pool.park(key(&format!("{index}.test"), "r"), leased(index, now, None));
    }
    let parked = pool.park(key("short.test", "r"), leased(99, now, Some(5)));
    assert_eq!(parked.surplus, Some(wire(10)));
    let found = take_at(
        now,
        &mut pool,
        &key("short.test", "r"),
        &vetted("44.1.1.1:80"),
        CLIENT,
    );
    assert_eq!(found.map(|taken| taken.wire), Some(wire(99)));
}

#[test]
fn a_limit_of_zero_keeps_nothing() {
    for (idle_max, idle_per_host_max) in [(0, 8), (8, 0)] {
        let mut pool = Pool::new(idle_max, idle_per_host_max, Instant::now());
        let parked = pool.park(key("a.test", "r"), taken(1, "44.1.1.1:80"));
        assert_eq!(parked.surplus, Some(wire(1)));
        assert!(pool.is_empty() && pool.by_key.is_empty());
    }
}

/// One that was used last at `since`, and what its origin announces.
fn leased(index: u32, since: Instant, announced: Option<u64>) -> Taken {
    Taken {
        lease: Lease::new(since, since, announced, true),
        ..taken(index, "44.1.1.1:80")
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn idle_connections_expire_and_broken_ones_are_dropped() {
    let now = Instant::now();
    let mut pool = Pool::new(10, 10, now);
    pool.park(key("a.test", "r"), leased(1, now, None));
    let parked = pool.park(key("a.test", "r"), leased(2, now, None));
    let broken = parked.id.unwrap();
    assert!(pool.drop_idle(broken) && !pool.drop_idle(broken));
    assert_eq!(pool.pop_expired(now + 89 * SECOND), None);
    let end = pool.deadline().unwrap();
    assert!(end > now + 90 * SECOND && end <= now + 91 * SECOND);
    assert_eq!(pool.pop_expired(end), Some(wire(1)));
    assert_eq!((pool.pop_expired(end), pool.deadline()), (None, None));
}

#[test]
fn each_connection_is_closed_by_the_time_its_origin_announced_whatever_the_order() {
    let start = Instant::now();
    let mut pool = Pool::new(100, 100, start);
    // For an hour: the wheel turns many times, and empties now and then.
    for round in 0..36 {
        let now = start + 100 * round * SECOND + Duration::from_millis(37 * u64::from(round));
        assert_eq!(pool.pop_expired(now), None);
        let announced = [30, 2, 91, 5, 3, 60, 1000, 2];
        for (index, seconds) in (0..).zip(announced) {
            pool.park(key("a.test", "r"), leased(index, now, Some(seconds)));
        }
        let mut gone = Vec::new();
        while let Some(at) = pool.deadline() {
            let wire = pool.pop_expired(at).unwrap();
            let limit = SECOND * u32::try_from(announced[wire.index as usize].min(91)).unwrap();
            assert!(
                at <= now + limit && at > now + limit - 2 * SECOND,
                "{round} {wire:?}"
            );
            gone.push(wire.index);
        }
        assert_eq!(gone, [1, 7, 4, 3, 0, 5, 2, 6]);
    }
}

#[test]
fn a_pool_that_never_empties_closes_each_connection_in_time() {
    let start = Instant::now();
    let mut pool = Pool::new(100, 100, start);
    for second in (0..2000).step_by(7) {
        let now = start + second * SECOND;
        while let Some(gone) = pool.pop_expired(now) {
            let idle = now - (start + gone.index * SECOND);
            assert!((90..98).contains(&idle.as_secs()), "{second} {gone:?}");
        }
        pool.park(key("a.test", "r"), leased(second, now, None));
        assert_eq!(pool.len(), 13.min(1 + second as usize / 7));
    }
}

#[test]
fn what_can_not_be_sent_twice_gets_a_fresh_connection_or_none() {
    let now = Instant::now();
    let (key, addresses) = (key("a.test", "r"), vetted("44.1.1.1:80"));
    let wanted = |fresh| Wanted {
        key: key.clone(),
        fresh,
    };
    for (announced, fresh_millis) in [(None, 1000), (Some(2), 1000), (Some(5), 1000), (Some(60), 1000)] {
        for (millis, is_fresh) in [
            (0, true),
            (fresh_millis - 1, true),
            (fresh_millis, false),
            (fresh_millis + 1, false),
        ] {
            let mut pool = Pool::new(10, 10, now);
            pool.park(key.clone(), leased(1, now, announced));
            let later = now + Duration::from_millis(millis);
            let found = pool.take(&wanted(true), &addresses, CLIENT, later);
            assert_eq!(found.is_some(), is_fresh, "{announced:?} {millis}");
            assert_eq!(
                pool.len(),
                usize::from(!is_fresh),
                "what is not fresh stays for others"
            );
        }
    }
    // Its own connection, but not a fresh one: that a nobody's is fresh comes first.
    let mut pool = Pool::new(10, 10, now + SECOND);
    pool.park(key.clone(), private(leased(1, now, None)));
    pool.park(key.clone(), leased(2, now + SECOND, None));
    let found = pool.take(&wanted(true), &addresses, CLIENT, now + SECOND);
    assert!(matches!(found, Some(Found::Fits(taken)) if taken.wire == wire(2)));
    assert_eq!(pool.take(&wanted(true), &addresses, CLIENT, now + SECOND), None);
}

#[test]
fn what_can_not_be_sent_twice_waits_for_a_sign_that_the_origin_keeps_connections() {
    let now = Instant::now();
    let (key, addresses) = (key("a.test", "r"), vetted("44.1.1.1:80"));
    let wanted = |fresh| Wanted {
        key: key.clone(),
        fresh,
    };
    let of = |index, lease| Taken {
        lease,
        ..taken(index, "44.1.1.1:80")
    };
    let parked = |all: &[(u32, Lease)]| {
        let mut pool = Pool::new(10, 10, now);
        for &(index, lease) in all {
            pool.park(key.clone(), of(index, lease));
        }
        pool
    };
    let at = |millis| now + Duration::from_millis(millis);
    let unknown = |millis| Lease::new(at(millis), at(millis), None, false);
    let known = Lease::new(now, now, None, true);
    let found = |pool: &mut Pool, fresh, millis| {
        let found = pool.take(&wanted(fresh), &addresses, CLIENT, at(millis));
        found.map(|found| match found {
            Found::Fits(taken) => taken.wire,
            Found::Ended(wire) => panic!("{wire:?} ended"),
        })
    };
    // Answered once, and its close may be on its way. Others may try.
    let mut pool = parked(&[(1, unknown(0))]);
    assert_eq!(found(&mut pool, true, 99), None);
    assert_eq!(found(&mut pool, false, 99), Some(wire(1)));
    // One that was there for a while speaks for a newer one, and so does one that answered again.
    let mut pool = parked(&[(1, unknown(0)), (2, unknown(90))]);
    assert_eq!(found(&mut pool, true, 99), None);
    assert_eq!(found(&mut pool, true, 100), Some(wire(2)));
    let mut pool = parked(&[(1, known), (2, unknown(90))]);
    assert_eq!(found(&mut pool, true, 91), Some(wire(2)));
    // One that carried nothing is good for one, and says nothing of others, however long it stays.
    let mut pool = parked(&[(1, Lease::unused(now)), (2, unknown(150))]);
    assert_eq!(found(&mut pool, true, 200), None);
    assert_eq!(found(&mut pool, false, 200), Some(wire(2)));
    assert_eq!(found(&mut pool, true, 200), Some(wire(1)));
    // What is known of an origin is known while any of its connections is here.
    let mut pool = parked(&[(1, known), (2, unknown(0)), (3, unknown(0))]);
    for want in [3, 2, 1] {
        assert_eq!(found(&mut pool, true, 1), Some(wire(want)));
    }
    pool.park(key.clone(), of(4, unknown(1)));
    assert_eq!(found(&mut pool, true, 2), None, "nothing was known any more");
}

#[test]
fn within_a_second_of_the_announced_end_a_connection_is_for_nobody() {
    let now = Instant::now();
    let (key, addresses) = (key("a.test", "r"), vetted("44.1.1.1:80"));
    for (announced, last_millis) in [(Some(2), 1000), (Some(5), 4000), (None, 90_000)] {
        for fresh in [false, true] {
            let wanted = Wanted {
                key: key.clone(),
                fresh,
            };
            let mut pool = Pool::new(10, 10, now);
            pool.park(key.clone(), leased(1, now, announced));
            let found = pool.take(
                &wanted,
                &addresses,
                CLIENT,
                now + Duration::from_millis(last_millis),
            );
            let closed = (!fresh).then_some(Found::Ended(wire(1)));
            assert_eq!(found, closed, "{announced:?}");
        }
        let wanted = Wanted {
            key: key.clone(),
            fresh: false,
        };
        let mut pool = Pool::new(10, 10, now);
        pool.park(key.clone(), leased(1, now, announced));
        let found = pool.take(
            &wanted,
            &addresses,
            CLIENT,
            now + Duration::from_millis(last_millis - 1),
        );
        assert!(matches!(found, Some(Found::Fits(_))), "{announced:?}");
    }
}

#[test]
fn the_table_of_a_full_pool_stays_below_half_a_mebibyte() {
    let now = Instant::now();
    let mut pool = Pool::new(1024, 512, now);
    for index in 0..4096 {
        pool.park(
            key(&format!("{}.test", index % 1500), "r"),
            leased(index, now, None),
        );
    }
    assert_eq!(pool.len(), 1024);
    // As the arena and the table keep them: each twice at most, while they grow.
    let bytes = 1024 * (size_of::<Idle>() + 8) + 2048 * (size_of::<(u64, OfKey)>() + 1);
    assert!(bytes <= 512 << 10, "{bytes}");
}
