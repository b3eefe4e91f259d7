//! Held against a list that is searched from end to end.

use proptest::prelude::*;

use super::*;

fn id(index: u32) -> ConnId {
    ConnId { index, generation: 7 }
}

fn key(last: u8) -> ClientKey {
    ClientKey::of([10, 0, 0, last].into())
}

#[test]
fn who_came_first_of_the_address_that_has_most() {
    let mut crowd = Crowd::default();
    assert!(crowd.first().is_none());
    for (index, last) in [(0, 1), (1, 2), (2, 2), (3, 3), (4, 2)] {
        crowd.set(id(index), key(last), 1);
    }
    assert_eq!(crowd.first(), Some((id(1), 3)));
    crowd.remove(id(1));
    assert_eq!(crowd.first(), Some((id(2), 2)));
    crowd.remove(id(2));
    // All have one now: who has waited longest.
    assert_eq!(crowd.first(), Some((id(0), 1)));
    crowd.set(id(3), key(3), 5);
    assert_eq!((crowd.first(), crowd.held()), (Some((id(3), 5)), 7));
    crowd.set(id(3), key(3), 0);
    assert_eq!((crowd.first(), crowd.held_by(key(3))), (Some((id(0), 1)), 0));
}

/// Each address has one, and then one of them has two: the second came just now, and so did the first.
#[test]
fn who_came_only_now_is_passed_over() {
    let mut crowd = Crowd::default();
    (0..16).for_each(|index| crowd.set(id(index.into()), key(index), 1));
    for index in [16, 17] {
        crowd.set(id(index), key(16), 1);
    }
    assert_eq!(crowd.first(), Some((id(16), 2)));
    assert_eq!(crowd.first_settled(), Some((id(0), 1)));
    // Others came since.
    (18..20).for_each(|index| crowd.set(id(index.into()), key(index), 1));
    assert_eq!(crowd.first_settled(), Some((id(16), 2)));
}

#[test]
fn being_new_shields_no_address_that_has_much_more() {
    let mut crowd = Crowd::default();
    assert!(crowd.first_settled().is_none());
    (0..88).for_each(|index| crowd.set(id(index.into()), key(index), 1));
    (88..98).for_each(|index| crowd.set(id(index), key(99), 1));
    assert_eq!(crowd.first_settled(), Some((id(88), 10)));
}

/// Nor many addresses together that are all new.
#[test]
fn being_new_shields_no_more_than_a_few_addresses() {
    let mut crowd = Crowd::default();
    let address = |index: u32| ClientKey::of(std::net::Ipv4Addr::from(index).into());
    (0..800).for_each(|index| crowd.set(id(index), address(index), 1));
    let pairs = u32::try_from(PASSED_OVER_MAX).unwrap() + 1;
    (0..2 * pairs).for_each(|index| crowd.set(id(800 + index), address(800 + index / 2), 1));
    assert_eq!(crowd.first_settled(), Some((id(800), 2)));
    assert_eq!(crowd.first_settled(), crowd.first());
}

#[test]
fn of_those_who_left_nothing_is_kept() {
    let mut crowd = Crowd::default();
    for index in 0..8 * 1024 {
        crowd.set(
            id(index),
            ClientKey::of(std::net::Ipv4Addr::from(index).into()),
            1,
        );
    }
    (0..8 * 1024).for_each(|index| crowd.remove(id(index)));
    assert!(crowd.is_empty() && crowd.queues.is_empty() && crowd.order.is_empty());
    assert!(crowd.members.capacity() < 2 * SHRINK_MIN && crowd.addresses.capacity() < 2 * SHRINK_MIN);
}

#[test]
fn who_turns_out_to_be_another_addresss_takes_its_part_and_its_place_along() {
    let mut crowd = Crowd::default();
    for (index, last, holds) in [(0, 1, 3), (1, 2, 1), (2, 1, 4)] {
        crowd.set(id(index), key(last), holds);
    }
    crowd.set(id(0), key(2), 3);
    assert_eq!(
        (crowd.held_by(key(1)), crowd.held_by(key(2)), crowd.held()),
        (4, 4, 8)
    );
    assert_eq!(crowd.first(), Some((id(0), 4)), "it came first of all");
    crowd.set(id(2), key(3), 1);
    assert_eq!(crowd.held_by(key(1)), 0);
    (0..3).for_each(|index| crowd.remove(id(index)));
    assert!(
        crowd.is_empty() && crowd.queues.is_empty() && crowd.order.is_empty() && crowd.addresses.is_empty()
    );
    assert_eq!(crowd.held(), 0);
}

/// The same by search.
#[derive(Default)]
struct Naive(Vec<(ConnId, ClientKey, u32)>);

impl Naive {
    fn set(&mut self, id: ConnId, key: ClientKey, holds: u32) {
        match self.0.iter_mut().find(|(known, ..)| *known == id) {
            Some(member) => (member.1, member.2) = (key, holds),
            None => self.0.push((id, key, holds)),
        }
        self.0.retain(|(.., holds)| *holds > 0);
    }

    fn held_by(&self, key: ClientKey) -> u64 {
        let of_key = self.0.iter().filter(|(_, theirs, _)| *theirs == key);
        of_key.map(|(.., holds)| u64::from(*holds)).sum()
    }

    fn first(&self) -> Option<(ConnId, u64)> {
        let most = self.0.iter().map(|(_, key, _)| self.held_by(*key)).max()?;
        let first = self.0.iter().find(|(_, key, _)| self.held_by(*key) == most)?;
        Some((first.0, most))
    }
}

proptest! {
    #[test]
    fn it_says_what_a_search_says(steps in prop::collection::vec((0_u32..24, 0_u8..5, any::<bool>(), 0_u32..4), 0..200)) {
        let (mut crowd, mut naive) = (Crowd::default(), Naive::default());
        for (index, another, moves, holds) in steps {
            let key = key(if moves { another } else { u8::try_from(index % 5).unwrap() });
            crowd.set(id(index), key, holds);
            naive.set(id(index), key, holds);
            prop_assert_eq!(crowd.first(), naive.first());
            prop_assert_eq!(crowd.held_by(key), naive.held_by(key));
            prop_assert_eq!(crowd.held(), naive.0.iter().map(|member| u64::from(member.2)).sum::<u64>());
            prop_assert_eq!(crowd.is_empty(), naive.0.is_empty());
        }
    }
}
