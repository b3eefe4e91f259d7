//! Held against a count of what was let through, by hand and at random.

use proptest::prelude::*;

use super::*;

const ADDRESSES: u32 = 4096;

fn key(n: u32) -> ClientKey {
    ClientKey::of(std::net::Ipv4Addr::from(n).into())
}

fn after(start: Instant, milliseconds: u64) -> Instant {
    start + Duration::from_millis(milliseconds)
}

/// How many of `count` attempts at this moment are let through.
fn admitted(rates: &mut Rates, key: ClientKey, count: u32, now: Instant) -> u32 {
    (0..count).map(|_| u32::from(rates.admits(key, 1, now))).sum()
}

#[test]
fn an_address_may_so_much_at_once_and_then_so_much_a_second() {
    let start = Instant::now();
    let mut rates = Rates::of_strangers(start);
    assert_eq!(admitted(&mut rates, key(1), 5_000, start), 1_000);
    assert_eq!(admitted(&mut rates, key(1), 5_000, after(start, 1_000)), 100);
    assert_eq!(admitted(&mut rates, key(1), 5_000, after(start, 1_005)), 0);
    assert_eq!(admitted(&mut rates, key(1), 5_000, after(start, 1_010)), 1);
    assert_eq!(admitted(&mut rates, key(1), 5_000, after(start, 60_000)), 1_000);
}

#[test]
fn one_address_does_not_take_what_another_may_in_the_long_run() {
    let start = Instant::now();
    let mut rates = Rates::of_strangers(start);
    for second in 0..30 {
        let now = after(start, 1_000 * second);
        admitted(&mut rates, key(1), 10_000, now);
        if second > 0 {
            assert_eq!(admitted(&mut rates, key(2), 50, now), 50, "second {second}");
        }
    }
}

#[test]
fn all_together_have_a_limit_however_many_they_are() {
    let start = Instant::now();
    let mut rates = Rates::of_strangers(start);
    let mut let_through = 0;
    for second in 0..10 {
        for address in 0..3 * ADDRESSES {
            let_through += u32::from(rates.admits(key(address), 1, after(start, 1_000 * second)));
        }
    }
    assert_eq!(let_through, 10_000);
}

#[test]
fn beyond_the_addresses_that_are_remembered_those_that_came_last_are() {
    let start = Instant::now();
    let mut rates = Rates::new(
        Rate {
            per_second: 1,
            burst: 5,
        },
        Rate {
            per_second: 1_000_000,
            burst: 1_000_000,
        },
        start,
    );
    assert_eq!(admitted(&mut rates, key(0), 9, start), 5);
    for address in 1..ADDRESSES {
        rates.admits(key(address), 1, start);
    }
    assert_eq!(
        admitted(&mut rates, key(0), 1, start),
        0,
        "so many are remembered"
    );
    for address in 0..20 * ADDRESSES {
        rates.admits(key(address + 1), 1, start);
        assert!(rates.recent.len() + rates.earlier.len() <= 2 * ADDRESSES_MAX);
    }
    // A quiet time, and memory is given back.
    rates.admits(key(1), 1, after(start, 5_000));
    rates.admits(key(1), 1, after(start, 10_000));
    assert!(rates.recent.capacity() + rates.earlier.capacity() < 10);
}

#[test]
fn what_was_too_much_is_counted_and_of_how_many() {
    let start = Instant::now();
    let mut rates = Rates::of_strangers(start);
    for address in 1..=3 {
        admitted(&mut rates, key(address), 500, start);
    }
    let excess = Excess {
        count: 500,
        addresses: 1,
    };
    assert_eq!(rates.take_excess(), excess);
    assert_eq!(rates.take_excess(), Excess::default());
    assert!(
        !rates.admits(key(3), 2, start) && !rates.admits(key(4), 2, start) && !rates.admits(key(4), 1, start)
    );
    let excess = Excess {
        count: 5,
        addresses: 2,
    };
    assert_eq!(rates.take_excess(), excess);
}

proptest! {
    /// In no stretch of time more than the burst and what flows in meanwhile, for each address and for all; and what is
    /// refused would have been too much.
    #[test]
    fn never_more_than_the_rate_and_never_less_without_need(
        steps in prop::collection::vec((0_u32..4, 0_u64..300, 1_u32..4), 1..300)
    ) {
        let (each, all) = (Rate { per_second: 10, burst: 6 }, Rate { per_second: 20, burst: 15 });
        let start = Instant::now();
        let mut rates = Rates::new(each, all, start);
        let mut passed: Vec<(u32, u64, u32)> = Vec::new();
        let mut ms = 0;
        for (address, pause, count) in steps {
            ms += pause;
            let fits = |rate: Rate, mine: &dyn Fn(u32) -> bool| {
                let mut since = count;
                let mut fits = count <= rate.burst;
                for (whose, at, times) in passed.iter().rev().filter(|step| mine(step.0)) {
                    let _ = whose;
                    since += times;
                    let flowed = u64::from(rate.per_second) * (ms - at);
                    fits &= u64::from(since) * 1_000 <= u64::from(rate.burst) * 1_000 + flowed;
                }
                fits
            };
            let fit = fits(each, &|whose| whose == address) && fits(all, &|_| true);
            prop_assert_eq!(rates.admits(key(address), count, after(start, ms)), fit);
            if fit {
                passed.push((address, ms, count));
            }
        }
    }
}
