//! Who may hold how much, by hand; that nothing is lost, at random.

use std::collections::HashMap;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use proptest::prelude::*;

use crate::clock::Instant;

use super::*;

const MAX: u32 = 1_600_000;

fn holder(index: u32, last: u8, is_stranger: bool) -> Holder {
    Holder {
        id: ConnId { index, generation: 1 },
        address: [10, 0, 0, last].into(),
        is_stranger,
    }
}

fn last_of(holder: Holder) -> u8 {
    let IpAddr::V4(address) = holder.address else {
        panic!("an IPv4 address");
    };
    address.octets()[3]
}

fn charge(bytes: u32, to_stranger: bool) -> Charge {
    Charge {
        bytes,
        to_stranger: to_stranger && bytes > 0,
    }
}

fn hold(budget: &mut Budget, holder: Holder, bytes: u32) {
    budget.settle(holder, Charge::default(), charge(bytes, holder.is_stranger));
}

#[test]
fn what_is_held_beyond_the_grant_is_charged_and_comes_back() {
    let (mut budget, holder) = (Budget::new(10_000), holder(0, 1, true));
    let mut flows = Flows::new(Instant::now());
    flows.up.rx.push(&[0; 100]);
    assert_eq!(Budget::charge(&flows, 0, true), Charge::default(), "granted");
    flows.up.rx.push(&vec![0; 20_000]);
    let charge = Budget::charge(&flows, 0, true);
    budget.settle(holder, Charge::default(), charge);
    assert!(charge.bytes >= 16_000 && budget.is_spent());
    budget.release(holder, charge);
    assert_eq!((budget.used_bytes(), budget.surplus()), (0, None));
}

#[test]
fn while_there_is_room_nobody_is_asked_who_he_is() {
    let mut budget = Budget::new(MAX as usize);
    hold(&mut budget, holder(0, 1, true), MAX / 2);
    assert!(!budget.is_scarce() && budget.surplus().is_none());
    assert!(budget.admits(holder(1, 1, false)));
}

#[test]
fn strangers_give_first_those_of_the_address_that_has_most() {
    let mut budget = Budget::new(MAX as usize);
    let mut strangers = Vec::new();
    for index in 0..9 {
        strangers.push(holder(index, 1 + u8::from(index > 5), true));
        hold(&mut budget, strangers[index as usize], MAX / 16 + 1);
    }
    assert!(budget.is_scarce());
    // Six, then three, of a sixteenth each: one of each address may stay, if together they have a quarter at most.
    let mut given = Vec::new();
    while let Some(id) = budget.surplus() {
        given.push(id.index);
        let held = charge(MAX / 16 + 1, true);
        budget.release(strangers[id.index as usize], held);
    }
    assert_eq!(given, [0, 1], "then it is not scarce any more");
    hold(&mut budget, holder(20, 9, false), MAX / 2);
    while let Some(id) = budget.surplus() {
        given.push(id.index);
        budget.release(strangers[id.index as usize], charge(MAX / 16 + 1, true));
    }
    assert_eq!(given, [0, 1, 2, 3, 6, 4, 7, 5, 8]);
}

#[test]
fn a_stranger_that_says_who_it_is_takes_its_bytes_along() {
    let mut budget = Budget::new(MAX as usize);
    hold(&mut budget, holder(1, 1, false), MAX / 2 - 2);
    let stranger = holder(0, 2, true);
    hold(&mut budget, stranger, MAX / 4 + 1);
    assert_eq!(budget.surplus(), Some(stranger.id));
    let known = holder(0, 2, false);
    budget.settle(known, charge(MAX / 4 + 1, true), charge(MAX / 4 + 1, false));
    assert_eq!(budget.surplus(), None);
    assert!(!budget.admits(known), "a quarter is enough for one address");
    assert!(budget.admits(holder(3, 3, false)));
    hold(&mut budget, holder(4, 4, false), 2);
    assert!(
        !budget.admits(holder(3, 3, false)) && budget.admits(holder(5, 5, true)),
        "the last quarter is the strangers'"
    );
    budget.release(known, charge(MAX / 4 + 1, false));
    assert!(budget.admits(known) && budget.common.lock().known.len() == 2);
}

#[test]
fn who_waits_is_asked_once_after_something_was_given_back() {
    let mut budget = Budget::new(MAX as usize);
    let [a, b] = [holder(0, 1, false), holder(1, 2, false)];
    hold(&mut budget, a, MAX);
    budget.wait(b.id);
    assert!(budget.next_waiting().is_none());
    budget.settle(a, charge(MAX, false), charge(MAX - 1, false));
    assert!(budget.has_due());
    assert_eq!(budget.next_waiting(), Some(b.id));
    budget.wait(b.id);
    assert!(budget.next_waiting().is_none() && !budget.has_due());
    budget.release(a, charge(MAX - 1, false));
    assert_eq!(budget.next_waiting(), Some(b.id));
    assert!(budget.waiting.is_empty());
}

#[test]
fn loops_have_one_budget_and_wake_who_waits_in_another() {
    let mut polls = [Poll::new().unwrap(), Poll::new().unwrap()];
    let waker = |poll: &Poll| Arc::new(Waker::new(poll.registry(), Token(1)).unwrap());
    let bells = Bells::new(polls.iter().map(waker));
    let first = Budget::new(MAX as usize);
    let [mut first, mut second] = [0, 1].map(|number| first.for_loop(bells.for_loop(number)));
    let [a, b] = [holder(0, 1, false), holder(1, 2, false)];
    hold(&mut first, a, MAX);
    assert!(second.is_spent() && !second.admits(b));
    second.wait(b.id);
    assert!(!second.has_due());
    first.release(a, charge(MAX, false));
    let mut events = Events::with_capacity(4);
    let timeout = Some(Duration::from_secs(60));
    polls[1].poll(&mut events, timeout).unwrap();
    assert!(second.has_due() && !events.is_empty());
    assert_eq!(second.next_waiting(), Some(b.id));
    assert!(!second.has_due() && second.is_unused());
}

#[test]
fn the_loop_of_a_stranger_that_holds_too_much_is_told_once_until_it_holds_less() {
    let mut budget = Budget::new(MAX as usize);
    let [stranger, other] = [holder(0, 1, true), holder(1, 1, true)];
    hold(&mut budget, stranger, MAX);
    let id = budget.surplus().unwrap();
    assert!(budget.is_to_be_told_of(id) && !budget.is_to_be_told_of(id));
    hold(&mut budget, other, 10);
    budget.was_told();
    assert!(
        budget.is_to_be_told_of(id),
        "it may have been too little to end it then"
    );
    assert!(!budget.is_to_be_told_of(id));
    budget.settle(stranger, charge(MAX, true), charge(MAX - 1, true));
    assert!(budget.is_to_be_told_of(id));
}

#[test]
fn a_balancer_has_no_bound_of_its_own() {
    let balancers = Networks::new(&["10.0.0.9/32".parse().unwrap()]);
    let mut budget = Budget::new(MAX as usize).without_bound_for(balancers);
    hold(&mut budget, holder(0, 9, false), MAX / 2 + 1);
    assert!(
        budget.is_scarce() && budget.admits(holder(1, 9, false)),
        "more than a quarter"
    );
    let crowd: Vec<Holder> = (1..4).map(|index| holder(index, 9, true)).collect();
    crowd
        .iter()
        .for_each(|&stranger| hold(&mut budget, stranger, MAX / 12));
    assert_eq!(budget.surplus(), None, "more than a sixteenth");
    hold(&mut budget, holder(4, 1, true), MAX / 16 + 1);
    assert_eq!(budget.surplus(), Some(holder(4, 1, true).id));
    budget.release(holder(4, 1, true), charge(MAX / 16 + 1, true));
    hold(&mut budget, holder(5, 1, true), 10);
    assert_eq!(
        budget.surplus(),
        Some(crowd[0].id),
        "all strangers together have a quarter"
    );
    // It turns out to be somebody's behind it: there is a bound for that address.
    let named = holder(1, 2, true);
    budget.settle(named, charge(MAX / 12, true), charge(MAX / 12, true));
    assert_eq!(
        (budget.surplus(), budget.common.lock().strangers.held()),
        (Some(named.id), u64::from(MAX / 12 + 10))
    );
    for (holder, bytes) in [
        (named, MAX / 12),
        (crowd[1], MAX / 12),
        (crowd[2], MAX / 12),
        (holder(5, 1, true), 10),
    ] {
        budget.release(holder, charge(bytes, true));
    }
    let held = budget.common.lock();
    assert!(held.strangers.is_empty() && held.balanced.is_empty());
    drop(held);
    assert_eq!(budget.used_bytes(), MAX as usize / 2 + 1);
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nobody_has_too_much_for_long(
        steps in prop::collection::vec((0_u32..12, 0_u32..MAX / 6, any::<bool>()), 0..200)
    ) {
        let mut budget = Budget::new(MAX as usize);
        let mut held: HashMap<u32, (Holder, Charge)> = HashMap::new();
        for (index, bytes, says_who) in steps {
            let (before, charged) = held.get(&index).copied().unwrap_or((holder(index, 0, true), Charge::default()));
            let is_stranger = before.is_stranger && !says_who;
            // A stranger may turn out to be another address's with the first that it says.
            let last = if is_stranger { bytes % 4 } else { index % 4 };
            let last = if before.is_stranger { last } else { u32::from(last_of(before)) };
            let now = holder(index, u8::try_from(last).unwrap(), is_stranger);
            let after = charge(bytes, now.is_stranger);
            budget.settle(now, charged, after);
            held.insert(index, (now, after));
            while let Some(id) = budget.surplus() {
                let (holder, charged) = held.remove(&id.index).unwrap();
                prop_assert!(holder.is_stranger && charged.bytes > 0);
                budget.release(holder, charged);
            }
            let sum = |of: &dyn Fn(&Holder) -> bool| -> u64 {
                held.values().filter(|(holder, _)| of(holder)).map(|(_, charge)| u64::from(charge.bytes)).sum()
            };
            prop_assert_eq!(budget.used_bytes() as u64, sum(&|_| true));
            if budget.is_scarce() {
                prop_assert!(sum(&|holder| holder.is_stranger) <= u64::from(MAX) / 4);
                for address in 0..4 {
                    let key = holder(0, address, true).key();
                    prop_assert!(sum(&|holder| holder.is_stranger && holder.key() == key) <= u64::from(MAX) / 16);
                    let known = sum(&|holder| !holder.is_stranger && holder.key() == key);
                    let admitted = budget.admits(holder(99, address, false));
                    let all_known = sum(&|holder| !holder.is_stranger);
                    let has_room = known < u64::from(MAX) / 4 && all_known < u64::from(MAX) / 4 * 3;
                    prop_assert_eq!(admitted, !budget.is_spent() && has_room);
                }
            }
        }
        for (holder, charge) in held.into_values() {
            budget.release(holder, charge);
        }
        prop_assert!(budget.is_unused());
    }
}
