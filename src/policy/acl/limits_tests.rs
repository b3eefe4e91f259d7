//! A rule's limits as they are written, and what becomes of what was used of them when an ACL takes another's place.

use std::time::SystemTime;

use crate::clock::Instant;
use crate::policy::quota::{Moment, Permits};

use super::super::tests::{HEAD, bad};
use super::*;

#[test]
fn limits_take_numbers_from_one_and_say_what_else_is_wrong() {
    let service = |limits: &str| format!("{HEAD}- name: a\n  action: open\n  limits:\n    {limits}\n");
    for limits in [
        "tunnels: 1",
        "{tunnels: 64, requests: 1, rate: 1, burst: 2, bytes_per_day: 281474976710655}",
        "{rate: 2.5, burst: 3}",
        "{}",
    ] {
        Acl::parse(&service(limits), &[]).unwrap();
    }
    for (limits, words) in [
        // It would look like a limit and be none.
        ("tunnels: ", &["line 6", "tunnels", "a whole number from 1"][..]),
        (
            "tunnels: 0",
            &["line 6, column 14", "`0`", "a whole number from 1 to 4294967295"][..],
        ),
        ("requests: -1", &["line 6", "requests", "a whole number from 1"]),
        ("requests: 1.5", &["line 6", "requests", "a whole number from 1"]),
        (
            "bytes_per_day: 281474976710656",
            &["line 6", "from 1 to 281474976710655"],
        ),
        (
            "bytes_per_day: 1GiB",
            &["line 6", "bytes_per_day", "a whole number from 1"],
        ),
        ("rate: 0.5", &["line 6", "rate", "a number from 1 to 1000000000"]),
        (
            "{rate: 10, burst: 10}",
            &["line 6, column 23", "the burst 10 must exceed the rate 10"],
        ),
        ("burst: 10", &["line 6, column 12", "`burst` needs `rate`"]),
        ("tunnel: 5", &["line 6, column 5", "did you mean `tunnels`?"]),
    ] {
        bad(&service(limits), words);
    }
}

/// Or an edit there and back would give a day's bytes twice, and leave open tunnels without a meter.
#[test]
fn limits_that_come_back_find_what_was_used() {
    let (role, wall) = (Role::Named("a".into()), SystemTime::UNIX_EPOCH);
    let with = |limits: &str| {
        let service = format!("{HEAD}- {{name: a, action: open, limits: {{{limits}}}}}\n");
        Acl::parse(&service, &[]).unwrap()
    };
    let first = with("bytes_per_day: 100");
    let now = Instant::now();
    let mut permits = Permits::take([None, first.quota_of(&role)], true, Moment { now, wall }).unwrap();
    assert_eq!(permits.take_bytes(80, 0, wall), 80);
    let without = with("").after(&first);
    assert_eq!(permits.take_bytes(1_000, 0, wall), 1_000, "lifted");
    let again = with("bytes_per_day: 100").after(&without);
    assert!(again.quota_of(&role).unwrap().used_bytes(wall) >= 80);
    assert!(permits.take_bytes(1_000, 0, wall) <= 20);
    // Whose service is gone has what it had.
    let gone = Acl::parse("version: v1\nservices: []\n", &[])
        .unwrap()
        .after(&again);
    assert!(gone.quota_of(&role).is_none() && permits.are_spent(wall));
}

/// The example of README.md is one.
#[test]
fn the_readme_s_limits_are_limits() {
    let mut lines = include_str!("../../../README.md").lines();
    let limits = lines.find(|line| line.starts_with("limits: {")).unwrap();
    let acl = Acl::parse(&format!("{HEAD}- {{name: a, action: open, {limits}}}\n"), &[]).unwrap();
    assert!(acl.has_limits);
}
