//! The heap against a map that simply remembers, and the promises about its size.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Owners by key, as an arena would keep them.
type Owners = BTreeMap<u32, Filed>;

struct House {
    base: Instant,
    deadlines: Deadlines<u32>,
    owners: Owners,
}

impl House {
    fn new() -> House {
        let base = Instant::now();
        House {
            base,
            deadlines: Deadlines::default(),
            owners: Owners::new(),
        }
    }

    fn at(&self, milliseconds: u64) -> Instant {
        self.base + Duration::from_millis(milliseconds)
    }

    fn set(&mut self, key: u32, at: Option<u64>) {
        let at = at.map(|at| self.at(at));
        self.deadlines
            .set(self.owners.entry(key).or_default(), key, self.base, at);
    }

    fn end(&mut self, key: u32) {
        if let Some(slot) = self.owners.remove(&key) {
            self.deadlines.release(slot);
        }
    }

    fn due(&mut self, now: u64) -> Vec<u32> {
        let now = self.at(now);
        let mut due = Vec::new();
        while let Some(key) = self
            .deadlines
            .pop_due(now, &mut self.owners, |owners, key| owners.get_mut(&key))
        {
            due.push(key);
        }
        due
    }

    fn next(&self) -> Option<u64> {
        self.deadlines
            .next()
            .map(|at| u64::try_from((at - self.base).as_millis()).unwrap())
    }
}

#[test]
fn due_ones_come_soonest_first_and_once() {
    let mut house = House::new();
    for (key, at) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        house.set(key, Some(at));
    }
    assert_eq!(house.next(), Some(10));
    assert!(house.due(9).is_empty());
    assert_eq!(house.due(30), [2, 3, 1]);
    assert!(house.due(30).is_empty());
    assert_eq!(house.next(), Some(40));
}

#[test]
fn one_that_moves_later_leaves_its_entry_to_file_itself_anew() {
    let mut house = House::new();
    house.set(1, Some(10));
    for later in 11..1000 {
        house.set(1, Some(later));
    }
    assert_eq!(house.deadlines.heap.len(), 1);
    assert_eq!(house.next(), Some(10));
    assert!(house.due(998).is_empty());
    assert_eq!(house.next(), Some(999));
    assert_eq!(house.due(999), [1]);
    assert!(house.deadlines.heap.is_empty());
}

/// A client's: its head's limit, then its dial's, then its tunnel's.
#[test]
fn a_limit_of_ten_seconds_behind_a_longer_one_files_nothing() {
    let mut house = House::new();
    for due in [30_000, 10_001, 3_600_000] {
        house.set(1, Some(due));
    }
    assert_eq!((house.deadlines.heap.len(), house.deadlines.dead), (1, 0));
    assert!(house.due(3_599_999).is_empty());
    assert_eq!((house.next(), house.due(3_600_000)), (Some(3_600_000), vec![1]));
}

#[test]
fn one_that_moves_earlier_is_due_earlier_and_not_again() {
    let mut house = House::new();
    house.set(1, Some(100));
    house.set(1, Some(50));
    assert_eq!(house.due(50), [1]);
    house.set(1, Some(200));
    assert!(house.due(150).is_empty());
    assert_eq!(house.due(200), [1]);
    assert!(house.due(1000).is_empty());
}

#[test]
fn one_taken_away_is_never_due() {
    let mut house = House::new();
    house.set(1, Some(10));
    house.set(1, None);
    assert!(house.due(20).is_empty());
    assert!(house.deadlines.heap.is_empty());
    house.set(1, Some(30));
    assert_eq!(house.due(30), [1]);
}

#[test]
fn an_owner_that_ended_is_never_due() {
    let mut house = House::new();
    house.set(1, Some(10));
    house.set(2, Some(10));
    house.end(1);
    assert_eq!(house.due(20), [2]);
    assert_eq!(house.deadlines.dead, 0);
}

#[test]
fn dead_entries_are_thrown_out_when_they_are_the_most() {
    let mut house = House::new();
    for key in 0..1000 {
        house.set(key, Some(1_000_000));
    }
    for key in 0..600 {
        house.end(key);
    }
    assert!(house.due(1).is_empty());
    assert_eq!(house.deadlines.heap.len(), 400);
    // One short deadline after the other below one long: each leaves a dead entry of the long one.
    for now in (10..50_000).step_by(10) {
        house.set(999, Some(1_000_000));
        house.set(999, Some(now));
        assert_eq!(house.due(now), [999]);
        assert!(
            house.deadlines.heap.len() <= 802,
            "{}",
            house.deadlines.heap.len()
        );
    }
    assert_eq!(house.due(1_000_000).len(), 399);
}

#[test]
fn times_out_of_range_are_no_panic() {
    let mut house = House::new();
    let mut slot = Filed::default();
    let (before, far) = (house.base - Duration::MAX, house.base + Duration::MAX);
    house.deadlines.set(&mut slot, 1, house.base, Some(before));
    assert_eq!(house.deadlines.next(), Some(before));
    house
        .deadlines
        .set(&mut Filed::default(), 2, house.base, Some(far));
    assert!(house.due(u64::from(u32::MAX)).is_empty());
    let _ = house.deadlines.next();
}

#[test]
fn a_slot_is_small() {
    assert_eq!(size_of::<Filed>(), 16);
    assert_eq!(size_of::<Entry<super::super::token::ConnId>>(), 16);
}

#[derive(Clone, Debug)]
enum Step {
    Set(u32, Option<u64>),
    End(u32),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..12u32, proptest::option::weighted(0.9, 0..60u64)).prop_map(|(key, ahead)| Step::Set(key, ahead)),
        1 => (0..12u32).prop_map(Step::End),
        3 => (0..20u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn as_the_map_that_remembers(steps in vec(any_step(), 0..600)) {
        let mut house = House::new();
        let mut model: BTreeMap<u32, u64> = BTreeMap::new();
        let mut generation = [0u32; 12];
        let mut now = 0;
        for step in steps {
            match step {
                Step::Set(owner, ahead) => {
                    let key = generation[owner as usize] * 100 + owner;
                    house.set(key, ahead.map(|ahead| now + ahead));
                    match ahead {
                        Some(ahead) => model.insert(key, now + ahead),
                        None => model.remove(&key),
                    };
                }
                Step::End(owner) => {
                    let key = generation[owner as usize] * 100 + owner;
                    house.end(key);
                    model.remove(&key);
                    generation[owner as usize] += 1;
                }
                Step::Pass(time) => {
                    now += time;
                    let mut due = house.due(now);
                    due.sort_unstable();
                    let expected: Vec<u32> = model.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
                    model.retain(|_, at| *at > now);
                    prop_assert_eq!(due, expected);
                }
            }
            let soonest = model.values().min().copied();
            prop_assert!(soonest.is_none() || house.next() <= soonest);
            prop_assert!(house.next().is_some() || soonest.is_none());
            let filed = house.owners.values().filter(|slot| slot.entry != NEVER).count();
            prop_assert_eq!(house.deadlines.heap.len() - house.deadlines.dead, filed);
        }
    }
}
