//! Who must give first: those who hold a part of something scarce and have shown no right to it, by their addresses.
//! Fair is to take from the address that has most, and there from who has waited longest; a slot not from who came only
//! now. Closes nobody, knows no clock.
//!
//! What is asked and changed costs O(log n), and nothing is kept for who has left.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::net::ClientKey;

use super::token::ConnId;

/// A table of so few is not worth shrinking.
const SHRINK_MIN: usize = 1024;

/// Addresses that are looked at for somebody who did not come only now.
const PASSED_OVER_MAX: usize = 16;

/// Some connections, each with what it holds: a slot, or bytes.
#[derive(Debug, Default)]
pub struct Crowd {
    members: HashMap<ConnId, Member>,
    /// In the order in which they came.
    queues: BTreeMap<(ClientKey, u64), ConnId>,
    addresses: HashMap<ClientKey, Address>,
    /// The one that has most is last; among equals, the one whose oldest member came first.
    order: BTreeSet<(u64, Reverse<u64>, ClientKey)>,
    held: u64,
    came: u64,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    key: ClientKey,
    came: u64,
    holds: u32,
}

#[derive(Clone, Copy, Debug)]
struct Address {
    held: u64,
    /// When the oldest member came.
    oldest: u64,
}

impl Crowd {
    /// How much all of them hold.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// How much those of one address hold.
    #[cfg(test)]
    fn held_by(&self, key: ClientKey) -> u64 {
        self.addresses.get(&key).map_or(0, |address| address.held)
    }

    /// Is nobody there?
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// This connection holds so much now. It comes with its first, keeps its place with any other, and leaves with 0. One
    /// that turns out to be another address's counts there from now on, as one that has waited since it came.
    pub fn set(&mut self, id: ConnId, key: ClientKey, holds: u32) {
        if holds == 0 {
            return self.remove(id);
        }
        let came = self.came;
        let newcomer = Member { key, came, holds: 0 };
        let member = self.members.entry(id).or_insert(newcomer);
        let after = Member {
            key,
            holds,
            ..*member
        };
        let before = std::mem::replace(member, after);
        let (is_new, moves) = (before.holds == 0, before.key != key);
        if moves {
            self.leave(before);
        }
        if is_new || moves {
            self.came += u64::from(is_new);
            self.queues.insert((key, before.came), id);
        }
        match moves {
            true => self.count(key, 0, holds),
            false if before.holds == holds => {}
            false => self.count(key, before.holds, holds),
        }
    }

    /// This connection holds nothing any more, or is no longer one of them.
    pub fn remove(&mut self, id: ConnId) {
        if let Some(member) = self.members.remove(&id) {
            self.leave(member);
        }
        if self.members.len() < self.members.capacity() / 4 && self.members.capacity() >= SHRINK_MIN {
            self.members.shrink_to(2 * self.members.len());
            self.addresses.shrink_to(2 * self.addresses.len());
        }
    }

    /// It counts no more for its address.
    fn leave(&mut self, Member { key, came, holds }: Member) {
        self.queues.remove(&(key, came));
        self.count(key, holds, 0);
    }

    /// Who came first of the address that holds most, and what that address holds.
    pub fn first(&self) -> Option<(ConnId, u64)> {
        let (held, _, key) = self.order.last()?;
        Some((self.oldest(*key)?.1, *held))
    }

    /// The same, but who came only now is passed over for another whose address has hardly less: between its connection and
    /// its first bytes there is a moment in which it has shown as little as who never says anything. The newest eighth
    /// counts as such.
    pub fn first_settled(&self) -> Option<(ConnId, u64)> {
        let newest = self.came.saturating_sub(self.members.len() as u64 / 8);
        let (most, ..) = self.order.last()?;
        let looked_at = self.order.iter().rev().take(PASSED_OVER_MAX);
        let mut comparable = looked_at.take_while(|(held, ..)| held + 1 >= *most);
        match comparable.find(|(_, Reverse(oldest), _)| *oldest < newest) {
            Some((held, _, key)) => Some((self.oldest(*key)?.1, *held)),
            None => self.first(),
        }
    }

    /// The oldest member of an address.
    fn oldest(&self, key: ClientKey) -> Option<(u64, ConnId)> {
        let (&(_, came), &id) = self.queues.range((key, 0)..=(key, u64::MAX)).next()?;
        Some((came, id))
    }

    /// A member's part became `after` where it was `before`; the queues know it already.
    fn count(&mut self, key: ClientKey, before: u32, after: u32) {
        let change = |sum: u64| sum.saturating_sub(before.into()) + u64::from(after);
        self.held = change(self.held);
        let old = self.addresses.get(&key).copied();
        if let Some(old) = old {
            self.order.remove(&(old.held, Reverse(old.oldest), key));
        }
        match self.oldest(key) {
            Some((oldest, _)) => {
                let held = change(old.map_or(0, |old| old.held));
                self.addresses.insert(key, Address { held, oldest });
                self.order.insert((held, Reverse(oldest), key));
            }
            None => drop(self.addresses.remove(&key)),
        }
    }
}

#[cfg(test)]
#[path = "crowd_tests.rs"]
mod tests;
