//! Slots with generations: an id that outlived its entry finds nothing, never somebody else's entry, unless it is kept
//! while 2^24 others come; nobody keeps one that long. The table gives its memory back after a crowd.
//!
//! The loops of a process number the entries of their tables apart, so that an id of one finds nothing in another's.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::convert::Infallible;

use super::token::{ConnId, GENERATION_BITS, GENERATION_MASK, IdleId, WireId};

/// A key of an [`Arena`]: slot and generation.
pub trait Key: Copy {
    /// Makes a key.
    fn new(index: u32, generation: u32) -> Self;
    /// The slot.
    fn index(self) -> u32;
    /// The number of the entry among all that the arena ever had, in 24 bits; above them the loop's, if it has one.
    fn generation(self) -> u32;
}

/// Lets a struct of `index` and `generation` be a key.
macro_rules! key {
    ($($id:ty),+) => {$(
        impl $crate::io::arena::Key for $id {
            fn new(index: u32, generation: u32) -> Self {
                Self { index, generation }
            }
            fn index(self) -> u32 {
                self.index
            }
            fn generation(self) -> u32 {
                self.generation
            }
        }
    )+};
}

key!(ConnId, WireId, IdleId);

/// A table of so few slots is not worth shrinking.
const SHRINK_MIN: usize = 1024;

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Option<T>,
}

/// Entries under keys, each of which names one entry at a time.
#[derive(Debug)]
pub struct Arena<T> {
    /// The last one always has an entry.
    slots: Vec<Slot<T>>,
    /// The others without one, lowest first: so the end of the table comes free. Numbers beyond it mean nothing.
    free: BinaryHeap<Reverse<u32>>,
    len: usize,
    /// The next entry's. Counts for all slots, so that slots can go without their past being lost.
    generation: u32,
    /// The loop's number, in the bits above a generation's.
    lot: u32,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena {
            slots: Vec::new(),
            free: BinaryHeap::new(),
            len: 0,
            generation: 0,
            lot: 0,
        }
    }
}

impl<T> Arena<T> {
    /// An empty table of the loop with this number, whose keys are no other loop's.
    pub fn of_loop(number: u8) -> Arena<T> {
        Arena {
            lot: u32::from(number) << GENERATION_BITS,
            ..Arena::default()
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts in an entry. `None`, and the entry is dropped, when 2^32 are there already.
    pub fn insert<K: Key>(&mut self, entry: T) -> Option<K> {
        self.try_insert_with(|_| Ok::<T, Infallible>(entry))?.ok()
    }

    /// Puts in what `make` builds from the key it will have; nothing is put in where `make` fails. `None`
    /// also when 2^32 entries are there already.
    pub fn try_insert_with<K: Key, E>(
        &mut self,
        make: impl FnOnce(K) -> Result<T, E>,
    ) -> Option<Result<K, E>> {
        let index = match self.free.peek() {
            Some(&Reverse(index)) if (index as usize) < self.slots.len() => index,
            _ => u32::try_from(self.slots.len()).ok()?,
        };
        let generation = self.lot | self.generation;
        let key = K::new(index, generation);
        let entry = match make(key) {
            Ok(entry) => Some(entry),
            Err(error) => return Some(Err(error)),
        };
        self.generation = (self.generation + 1) & GENERATION_MASK;
        match self.slots.get_mut(index as usize) {
            Some(free) => {
                free.generation = generation;
                free.entry = entry;
                self.free.pop();
            }
            None => {
                self.free.clear();
                self.slots.push(Slot { generation, entry });
            }
        }
        self.len += 1;
        Some(Ok(key))
    }

    /// The entry under this key, if it is still there.
    pub fn get<K: Key>(&self, key: K) -> Option<&T> {
        let slot = self.slots.get(key.index() as usize)?;
        slot.entry
            .as_ref()
            .filter(|_| slot.generation == key.generation())
    }

    /// Likewise, to be changed.
    pub fn get_mut<K: Key>(&mut self, key: K) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index() as usize)?;
        let slot_generation = slot.generation;
        slot.entry
            .as_mut()
            .filter(|_| slot_generation == key.generation())
    }

    /// Takes the entry out; its slot is used again under another generation.
    pub fn remove<K: Key>(&mut self, key: K) -> Option<T> {
        let slot = self.slots.get_mut(key.index() as usize)?;
        if slot.generation != key.generation() {
            return None;
        }
        // As it lies there: an entry may be large, and each time that it changes hands it is copied.
        let entry = slot.entry.take();
        entry.as_ref()?;
        self.len -= 1;
        if key.index() as usize + 1 < self.slots.len() {
            self.free.push(Reverse(key.index()));
        } else {
            while self.slots.pop_if(|last| last.entry.is_none()).is_some() {}
            self.shrink();
        }
        entry
    }

    /// Gives back the memory behind the last entry, when that is most of it.
    fn shrink(&mut self) {
        let (slots, room) = (self.slots.len(), self.slots.capacity());
        if room >= SHRINK_MIN && slots < room / 4 {
            self.slots.shrink_to(2 * slots);
            self.free.retain(|Reverse(index)| (*index as usize) < slots);
            self.free.shrink_to(2 * slots);
        }
    }

    /// What stands in this slot and in each behind it.
    pub fn slots_from(&self, first: usize) -> impl Iterator<Item = Option<&T>> {
        self.slots.iter().skip(first).map(|slot| slot.entry.as_ref())
    }

    /// The keys of all entries, in the order of their slots.
    pub fn keys<K: Key>(&self) -> Vec<K> {
        let named = |(index, slot): (usize, &Slot<T>)| {
            slot.entry
                .as_ref()
                .and_then(|_| Some(K::new(u32::try_from(index).ok()?, slot.generation)))
        };
        self.slots.iter().enumerate().filter_map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(arena: &mut Arena<&'static str>, entry: &'static str) -> WireId {
        arena.try_insert_with(|_| Ok::<_, ()>(entry)).unwrap().unwrap()
    }

    #[test]
    fn a_stale_key_finds_nothing() {
        let mut arena = Arena::default();
        let old = insert(&mut arena, "old");
        assert_eq!(arena.remove(old), Some("old"));
        let new = insert(&mut arena, "new");
        assert_eq!(old.index, new.index);
        assert_eq!(arena.get_mut(old), None);
        assert_eq!(arena.remove(old), None);
        assert_eq!(arena.get_mut(new), Some(&mut "new"));
        assert_eq!(arena.len(), 1);
    }

    #[test]
    fn nothing_is_put_in_where_making_fails() {
        let mut arena: Arena<u8> = Arena::default();
        assert_eq!(arena.try_insert_with(|_: WireId| Err("no")), Some(Err("no")));
        assert!(arena.is_empty());
    }

    #[test]
    fn after_a_crowd_the_memory_is_given_back() {
        let mut arena = Arena::default();
        let stays = insert(&mut arena, "stays");
        let mut crowd: Vec<WireId> = (0..8 * SHRINK_MIN).map(|_| insert(&mut arena, "goes")).collect();
        let last = crowd.pop().unwrap();
        for id in crowd {
            assert_eq!(arena.remove(id), Some("goes"));
        }
        assert_eq!((arena.len(), arena.get(last)), (2, Some(&"goes")));
        assert_eq!(
            insert(&mut arena, "new").index,
            1,
            "the slots in front are used first"
        );
        assert_eq!(insert(&mut arena, "new").index, 2);
        assert_eq!(arena.remove(last), Some("goes"));
        for id in arena.keys::<WireId>().into_iter().filter(|id| *id != stays) {
            assert_eq!(arena.remove(id), Some("new"));
        }
        assert!(arena.slots.capacity() < SHRINK_MIN && arena.free.capacity() < SHRINK_MIN);
        assert_eq!((arena.len(), arena.get(stays)), (1, Some(&"stays")));
        for _ in 0..8 * SHRINK_MIN {
            let id = insert(&mut arena, "another");
            assert!(id != last && arena.get(last).is_none());
        }
    }

    #[test]
    fn a_key_of_one_loop_finds_nothing_in_the_table_of_another() {
        let mut arenas: Vec<Arena<&str>> = [0, 1, 255].map(Arena::of_loop).into();
        let ids: Vec<WireId> = arenas.iter_mut().map(|arena| insert(arena, "its")).collect();
        for (nth, id) in ids.iter().enumerate() {
            for (other, arena) in arenas.iter_mut().enumerate() {
                assert_eq!(arena.get(*id).is_some(), nth == other);
            }
        }
        let last = arenas.last_mut().unwrap();
        last.generation = GENERATION_MASK;
        let ids = [insert(last, "last"), insert(last, "first")];
        assert_eq!(
            ids.map(|id| id.generation),
            [u32::MAX, 255 << GENERATION_BITS],
            "a loop's number stays as generations begin anew"
        );
    }

    #[test]
    fn keys_names_what_is_there() {
        let mut arena = Arena::default();
        let a = insert(&mut arena, "a");
        let b = insert(&mut arena, "b");
        arena.remove(a);
        assert_eq!(arena.keys::<WireId>(), vec![b]);
        assert_eq!(arena.slots_from(0).collect::<Vec<_>>(), [None, Some(&"b")]);
        assert_eq!(arena.slots_from(2).count(), 0);
    }
}
