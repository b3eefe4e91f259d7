//! Slots with generations: an id that outlived its entry finds nothing, never somebody else's entry.

use std::convert::Infallible;

use super::token::{ConnId, GENERATION_MASK, IdleId, WireId};

/// A key of an [`Arena`]: slot and generation.
pub trait Key: Copy {
    /// Makes a key.
    fn new(index: u32, generation: u32) -> Self;
    /// The slot.
    fn index(self) -> u32;
    /// How often the slot was used before.
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

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    entry: Option<T>,
}

/// Entries under keys that never name two of them at once.
#[derive(Debug)]
pub struct Arena<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Arena<T> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
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
        let index = match self.free.last() {
            Some(&index) => index,
            None => u32::try_from(self.slots.len()).ok()?,
        };
        let generation = self.slots.get(index as usize).map_or(0, |slot| slot.generation);
        let key = K::new(index, generation);
        let entry = match make(key) {
            Ok(entry) => Some(entry),
            Err(error) => return Some(Err(error)),
        };
        match self.slots.get_mut(index as usize) {
            Some(slot) => {
                slot.entry = entry;
                self.free.pop();
            }
            None => self.slots.push(Slot { generation, entry }),
        }
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

    /// Takes the entry out; the slot is used again under another generation.
    pub fn remove<K: Key>(&mut self, key: K) -> Option<T> {
        let slot = self.slots.get_mut(key.index() as usize)?;
        if slot.generation != key.generation() {
            return None;
        }
        let entry = slot.entry.take()?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        self.free.push(key.index());
        Some(entry)
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
    fn keys_names_what_is_there() {
        let mut arena = Arena::default();
        let a = insert(&mut arena, "a");
        let b = insert(&mut arena, "b");
        arena.remove(a);
        assert_eq!(arena.keys::<WireId>(), vec![b]);
    }
}
