//! Who is due when: a binary heap that its owners hardly ever touch. Reads no clock and knows no owners: a key
//! names one, and its [`Filed`] slot, kept by the owner, is the truth; the heap is a hint that may lag behind.
//!
//! Most deadlines move later again and again (each byte of a tunnel moves the idle deadline) and few are ever
//! reached. So a deadline that moves later, or goes away, only changes the slot: the heap's entry finds out when
//! its time comes, and files itself anew. One that moves earlier files a new entry, and the old one is dead, for its
//! time is not the slot's.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::clock::Instant;

/// No deadline, or no entry.
const NEVER: Instant = Instant::LAST;
/// An entry of an owner that had none is due after so long at the latest. Its first deadline, for a head, is followed by that of
/// its dial, which would be earlier and leave a dead entry; behind this one it finds its place without another.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// Below this many entries a rebuild isn't worth it.
const REBUILD_MIN: usize = 64;

/// An owner's slot: when it is due, and which entry of the heap speaks for it. An owner that ends hands it to
/// [`Deadlines::release`].
#[derive(Debug)]
pub struct Filed {
    due: Instant,
    /// The time of the entry that speaks for the owner; never later than `due`.
    entry: Instant,
}

impl Default for Filed {
    fn default() -> Filed {
        Filed {
            due: NEVER,
            entry: NEVER,
        }
    }
}

impl Filed {
    /// Does it speak for the owner? Of several with one time any does, and those that are left are dead then.
    fn is_entry<K>(&self, entry: &Entry<K>) -> bool {
        self.entry == entry.at
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry<K> {
    /// Never [`NEVER`].
    at: Instant,
    key: K,
}

/// Entries are ordered by time alone, soonest first out of the heap.
impl<K> Ord for Entry<K> {
    fn cmp(&self, other: &Entry<K>) -> Ordering {
        Reverse(self.at).cmp(&Reverse(other.at))
    }
}

impl<K> PartialOrd for Entry<K> {
    fn partial_cmp(&self, other: &Entry<K>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> PartialEq for Entry<K> {
    fn eq(&self, other: &Entry<K>) -> bool {
        self.at == other.at
    }
}

impl<K> Eq for Entry<K> {}

/// The deadlines of one loop. A key must never name a second owner while an entry of the first may be left: keys
/// with a generation, such as `ConnId`, don't.
#[derive(Debug)]
pub struct Deadlines<K> {
    heap: BinaryHeap<Entry<K>>,
    /// How many entries of the heap speak for nobody any more.
    dead: usize,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Deadlines {
            heap: BinaryHeap::new(),
            dead: 0,
        }
    }
}

impl<K: Copy> Deadlines<K> {
    /// Sets, moves or (with `None`) takes away the deadline of `key`, whose slot this is. Costs nothing but two
    /// comparisons unless the deadline is the first or moves earlier.
    pub fn set(&mut self, slot: &mut Filed, key: K, now: Instant, at: Option<Instant>) {
        slot.due = at.unwrap_or(NEVER);
        if slot.due >= slot.entry {
            return;
        }
        let at = match slot.entry == NEVER {
            true => slot.due.min(now + FIRST_LOOK),
            false => slot.due,
        };
        self.dead += usize::from(slot.entry != NEVER);
        self.file(slot, key, at);
    }

    /// The owner ends; after this its key may be unknown.
    pub fn release(&mut self, slot: Filed) {
        self.dead += usize::from(slot.entry != NEVER);
    }

    /// When to look again: the earliest deadline, or something before it.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|first| first.at)
    }

    /// An owner whose deadline is not later than `now`; its deadline is taken away. To be called until there is
    /// none. `find` gets an owner's slot out of `owners`, or `None` where the owner is no more.
    pub fn pop_due<O: ?Sized>(
        &mut self,
        now: Instant,
        owners: &mut O,
        find: impl for<'o> Fn(&'o mut O, K) -> Option<&'o mut Filed>,
    ) -> Option<K> {
        if self.heap.len() > REBUILD_MIN && self.dead > self.heap.len() / 2 {
            self.rebuild(owners, &find);
        }
        while let Some(entry) = self.heap.pop_if_due(now) {
            let Some(slot) = find(owners, entry.key).filter(|slot| slot.is_entry(&entry)) else {
                self.dead = self.dead.saturating_sub(1);
                continue;
            };
            slot.entry = NEVER;
            if slot.due <= now {
                slot.due = NEVER;
                return Some(entry.key);
            }
            if slot.due != NEVER {
                self.file(slot, entry.key, slot.due);
            }
        }
        None
    }

    /// Files an entry for an owner, not later than it is due.
    fn file(&mut self, slot: &mut Filed, key: K, at: Instant) {
        slot.entry = at;
        self.heap.push(Entry { at, key });
    }

    /// Throws the dead entries out, and gives back the room they took.
    fn rebuild<O: ?Sized>(
        &mut self,
        owners: &mut O,
        find: &impl for<'o> Fn(&'o mut O, K) -> Option<&'o mut Filed>,
    ) {
        // Of several of one owner with one time the first stays: then the slot names none, until all were looked at.
        self.heap.retain(|entry| {
            let slot = find(owners, entry.key).filter(|slot| slot.is_entry(entry));
            slot.map(|slot| slot.entry = NEVER).is_some()
        });
        for entry in &self.heap {
            if let Some(slot) = find(owners, entry.key) {
                slot.entry = entry.at;
            }
        }
        self.heap.shrink_to(self.heap.len() * 2);
        self.dead = 0;
    }
}

/// What `BinaryHeap` has no name for.
trait PopIfDue<K> {
    fn pop_if_due(&mut self, now: Instant) -> Option<Entry<K>>;
}

impl<K> PopIfDue<K> for BinaryHeap<Entry<K>> {
    fn pop_if_due(&mut self, now: Instant) -> Option<Entry<K>> {
        if self.peek()?.at > now {
            return None;
        }
        self.pop()
    }
}

#[cfg(test)]
#[path = "deadlines_tests.rs"]
mod tests;
