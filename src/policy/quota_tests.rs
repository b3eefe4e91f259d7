//! Limits by chance: whatever happens in whatever order, nothing is handed out twice, and all of it comes back.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

/// 2026-11-29, noon.
const NOON: u64 = 1_795_953_600;
const DAY: u64 = 24 * 60 * 60;

/// Numbers that a seed draws.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

impl Dice {
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let nth = self.index(of.len());
        of[nth]
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn moment(now: Instant) -> Moment {
    let wall = at(NOON);
    Moment { now, wall }
}

fn limits(requests: u32, tunnels: u32, bytes_per_day: u64) -> Limits {
    Limits {
        requests: NonZeroU32::new(requests),
        rate: None,
        tunnels: NonZeroU32::new(tunnels),
        bytes_per_day: NonZeroU64::new(bytes_per_day),
    }
}

fn rate(per_second: f64, burst: Option<u32>) -> Quota {
    Quota::new(Limits {
        rate: Rate::new(per_second, burst),
        ..Limits::default()
    })
}

fn admits(quota: &Quota, now: Instant) -> bool {
    Permits::take([None, Some(quota)], false, moment(now)).is_ok()
}

#[test]
fn places_are_never_more_than_there_are_and_all_come_back() {
    for seed in 1..200 {
        let mut dice = Dice(seed);
        let (all, role) = (Quota::new(limits(7, 5, 0)), Quota::new(limits(4, 6, 0)));
        let mut held: Vec<(Permits, bool, bool)> = Vec::new();
        for _ in 0..300 {
            let is_tunnel = dice.below(2) == 0;
            match dice.below(3) {
                0 => {
                    let has_role = dice.below(2) == 0;
                    let of = [Some(&all), has_role.then_some(&role)];
                    let before = (all.taken(), role.taken());
                    match Permits::take(of, is_tunnel, moment(Instant::now())) {
                        Ok(permits) => held.push((permits, has_role, is_tunnel)),
                        Err((limit, whose)) => {
                            assert_eq!((all.taken(), role.taken()), before, "a refusal took something");
                            let quota = [&all, &role][whose];
                            let (requests, tunnels) = quota.taken();
                            match limit {
                                Limit::Requests => {
                                    assert_eq!(Some(requests), quota.limits.requests.map(NonZeroU32::get))
                                }
                                Limit::Tunnels => {
                                    assert_eq!(Some(tunnels), quota.limits.tunnels.map(NonZeroU32::get))
                                }
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                }
                1 if !held.is_empty() => {
                    let nth = dice.index(held.len());
                    held.swap_remove(nth);
                }
                2 if !held.is_empty() => {
                    let nth = dice.index(held.len());
                    let before = all.taken().0;
                    let (permits, _, _) = &mut held[nth];
                    permits.end_request();
                    // Once, however often it is said.
                    permits.end_request();
                    assert!(before - all.taken().0 <= 1);
                }
                _ => {}
            }
            let ((requests, tunnels), (of_role, tunnels_of_role)) = (all.taken(), role.taken());
            assert!(requests <= 7 && tunnels <= 5 && of_role <= 4 && tunnels_of_role <= 6);
            let open = held.iter().filter(|(.., is_tunnel)| *is_tunnel).count();
            assert_eq!(
                open, tunnels as usize,
                "a tunnel is counted as long as it is held"
            );
        }
        held.clear();
        assert_eq!((all.taken(), role.taken()), ((0, 0), (0, 0)), "seed {seed}");
    }
}

#[test]
fn a_bucket_never_gives_more_than_its_burst_and_what_came_since() {
    for seed in 1..200 {
        let mut dice = Dice(seed);
        let (per_second, above): (f64, u32) =
            dice.pick(&[(0.5, 1), (1.0, 2), (2.5, 3), (7.0, 8), (300.0, 301)]);
        let burst = above + u32::try_from(dice.below(20)).unwrap();
        let quota = rate(per_second, Some(burst));
        let start = Instant::now();
        let (mut now, mut given) = (start, 0_u32);
        for _ in 0..500 {
            now += Duration::from_micros(dice.below(200_000));
            given += u32::from(admits(&quota, now));
            let most = f64::from(burst) + per_second * (now - start).as_secs_f64();
            assert!(f64::from(given) <= most + 1e-9, "{given} of {most}, seed {seed}");
        }
        // Nor much less: after a quiet time all of the burst is there.
        now += Duration::from_secs(1000);
        let at_once = (0..burst + 5).filter(|_| admits(&quota, now)).count();
        assert_eq!(at_once, burst as usize);
    }
}

#[test]
fn without_a_burst_twice_the_rate_comes_at_once_and_one_at_least() {
    for (per_second, at_once) in [(0.1, 1), (1.0, 2), (2.5, 5), (50.0, 100)] {
        let (quota, now) = (rate(per_second, None), Instant::now());
        assert_eq!(
            (0..1000).filter(|_| admits(&quota, now)).count(),
            at_once,
            "{per_second}"
        );
        let next = now + Duration::from_secs_f64(1.001 / per_second);
        assert!(admits(&quota, next) && !admits(&quota, next));
    }
    for none in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(Rate::new(none, None), None);
    }
}

#[test]
fn who_is_refused_elsewhere_takes_no_token() {
    let (all, now) = (rate(1.0, Some(3)), Instant::now());
    let none_left = Quota::new(limits(1, 0, 0));
    let held = Permits::take([None, Some(&none_left)], false, moment(now)).unwrap();
    for _ in 0..10 {
        let refused = Permits::take([Some(&all), Some(&none_left)], false, moment(now));
        assert_eq!(refused.map(drop), Err((Limit::Requests, 1)));
    }
    drop(held);
    assert_eq!((0..10).filter(|_| admits(&all, now)).count(), 3);
}

#[test]
fn another_rate_leaves_as_many_tokens_as_there_were() {
    let (before, now) = (rate(1.0, Some(10)), Instant::now());
    assert_eq!((0..8).filter(|_| admits(&before, now)).count(), 8);
    let after = rate(100.0, Some(200)).after(&before);
    assert_eq!((0..300).filter(|_| admits(&after, now)).count(), 192);
    let tight = rate(1.0, Some(2)).after(&after);
    assert!(!admits(&tight, now));
}

/// Connections that read, pass on some of it and go away, until nothing is left: what passed is what there was.
#[test]
fn bytes_are_handed_out_to_the_last_and_none_twice() {
    for seed in 1..200 {
        let mut dice = Dice(seed);
        let total = 1 + dice.below(5_000);
        let quota = Quota::new(limits(0, 0, total));
        let mut passed = 0;
        let mut open: Vec<(Permits, u64)> = Vec::new();
        for _ in 0..20_000 {
            let wall = at(NOON);
            if quota.used_bytes(wall) == total && open.iter().all(|(_, under_way)| *under_way == 0) {
                break;
            }
            if open.len() < 5
                && let Ok(permits) = Permits::take([None, Some(&quota)], true, moment(Instant::now()))
            {
                open.push((permits, 0));
            }
            if open.is_empty() {
                continue;
            }
            let nth = dice.index(open.len());
            match dice.below(8) {
                0 => drop(open.swap_remove(nth)),
                1..=4 => {
                    let (permits, under_way) = &mut open[nth];
                    *under_way += permits.take_bytes(1 + dice.below(90), *under_way, wall);
                }
                _ => {
                    let (permits, under_way) = &mut open[nth];
                    let n = dice.below(*under_way + 1);
                    (passed, *under_way) = (passed + n, *under_way - n);
                    permits.take_bytes(0, *under_way, wall);
                }
            }
            let under_way: u64 = open.iter().map(|(_, under_way)| under_way).sum();
            assert_eq!(quota.used_bytes(wall), passed + under_way, "seed {seed}");
            assert!(passed + under_way <= total);
        }
        assert_eq!(passed, total, "seed {seed}");
    }
}

#[test]
fn a_day_begins_once_whatever_the_clock_does() {
    let quota = Quota::new(limits(0, 0, 100));
    let mut permits = Permits::take([None, Some(&quota)], true, moment(Instant::now())).unwrap();
    let mut take = |seconds| permits.take_bytes(60, 0, at(seconds));
    assert_eq!((take(NOON), take(NOON + 60)), (60, 40));
    // A day of UTC ends at its midnight.
    assert_eq!(take(NOON + DAY / 2 - 1), 0);
    assert_eq!(take(NOON + DAY / 2), 60);
    // The day before is over, whoever sets his clock back.
    assert_eq!(quota.seconds_left_of_day(at(NOON + DAY / 2)), 86_400);
    assert_eq!((take(NOON), take(NOON - DAY / 2)), (40, 0));
    assert_eq!(quota.seconds_left_of_day(at(NOON)), 43_200 + 86_400);
    assert_eq!(take(NOON + DAY), 0);
    assert_eq!(quota.seconds_left_of_day(at(NOON + DAY)), 43_200);
    assert_eq!(quota.seconds_left_of_day(at(NOON + 3 * DAY / 2 - 1)), 1);
    assert_eq!(take(NOON + 2 * DAY), 60);
}

/// Nobody waits three years for bytes because a clock was wrong for a minute.
#[test]
fn a_clock_that_was_days_ahead_costs_a_day() {
    let quota = Quota::new(limits(0, 0, 100));
    let mut permits = Permits::take([None, Some(&quota)], true, moment(Instant::now())).unwrap();
    let mut take = |seconds| permits.take_bytes(60, 0, at(seconds));
    assert_eq!((take(NOON + 1000 * DAY), take(NOON + 1000 * DAY)), (60, 40));
    assert_eq!((take(NOON), take(NOON)), (60, 40));
    assert_eq!(quota.seconds_left_of_day(at(NOON)), 43_200);
}

#[test]
fn what_comes_back_after_midnight_is_the_day_befores() {
    let quota = Quota::new(limits(0, 0, 100));
    let open = || Permits::take([None, Some(&quota)], true, moment(Instant::now())).unwrap();
    let (mut one, mut other) = (open(), open());
    assert_eq!(one.take_bytes(70, 0, at(NOON)), 70);
    assert_eq!(other.take_bytes(30, 0, at(NOON + DAY)), 30);
    drop(one);
    assert_eq!(quota.used_bytes(at(NOON + DAY)), 30);
    // Of one that holds some of either day only today's come back.
    let mut both = open();
    assert_eq!(both.take_bytes(20, 0, at(NOON + DAY)), 20);
    assert_eq!(both.take_bytes(10, 20, at(NOON + 2 * DAY)), 10);
    drop(both);
    assert_eq!(quota.used_bytes(at(NOON + 2 * DAY)), 0);
}

#[test]
fn other_numbers_hold_for_those_who_have_permits() {
    let before = Quota::new(limits(2, 0, 100));
    let mut permits = Permits::take([None, Some(&before)], false, moment(Instant::now())).unwrap();
    assert_eq!(permits.take_bytes(80, 0, at(NOON)), 80);
    let after = Quota::new(limits(1, 0, 50)).after(&before);
    assert!(permits.are_spent(at(NOON)));
    let refused = Permits::take([None, Some(&after)], false, moment(Instant::now()));
    assert_eq!(refused.map(drop), Err((Limit::Requests, 1)));
    let after = Quota::new(limits(1, 0, 200)).after(&after);
    assert_eq!(permits.take_bytes(500, 0, at(NOON)), 120);
    drop(permits);
    assert_eq!(after.taken(), (0, 0));
    let after = Quota::new(Limits::default()).after(&after);
    assert!(!after.counts.day.is_spent(at(NOON)));
}

/// From several threads at once.
#[test]
fn threads_share_to_the_byte() {
    let quota = Quota::new(limits(3, 0, 100_000));
    let passed: u64 = std::thread::scope(|scope| {
        let work = |seed: u64| {
            let quota = &quota;
            move || {
                let mut dice = Dice(seed);
                let mut passed = 0;
                while quota.used_bytes(at(NOON)) < 100_000 {
                    let taken = Permits::take([None, Some(quota)], false, moment(Instant::now()));
                    let Ok(mut permits) = taken else { continue };
                    assert!(quota.taken().0 <= 3);
                    let n = permits.take_bytes(dice.below(500), 0, at(NOON));
                    let kept = dice.below(n + 1);
                    permits.take_bytes(0, kept, at(NOON));
                    passed += n - kept;
                }
                passed
            }
        };
        let threads: Vec<_> = (1..=4).map(|seed| scope.spawn(work(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // What the last ones gave back is left.
    assert_eq!(passed, quota.used_bytes(at(NOON)));
    assert_eq!(quota.taken(), (0, 0));
}

#[test]
fn a_client_has_so_many_connections_and_is_forgotten_with_its_last() {
    let clients = Clients::new(NonZeroU32::new(2).unwrap());
    let key = |address: &str| crate::net::ClientKey::of(address.parse().unwrap());
    let (one, other) = (key("2001:db8::1"), key("2001:db8:0:1::1"));
    let held = [clients.take(one), clients.take(key("2001:db8::2"))];
    assert!(held.iter().all(Option::is_some) && clients.take(one).is_none());
    let others = clients.take(other);
    assert!(others.is_some() && clients.len() == 2);
    drop(held);
    assert!(clients.len() == 1 && clients.take(one).is_some());
    drop(others);
    assert!(clients.is_empty());
}
