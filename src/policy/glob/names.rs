//! Names and what is listed for each, searched by hash: one hash at most for a name, none where no listed name has as
//! many labels. Knows no wildcards: of a host's parents it says which are listed, and what that means is its set's affair.
//!
//! A large list lies beyond the processor's nearest caches, where each place that is looked at costs as much as hundreds
//! of instructions. So there are two at most: a slot, which tells nearly every name apart, and an entry, which has all of a name
//! and of what is listed for it in one line of the cache.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::RandomState;

use crate::net;
use crate::policy::ports::Ports;
use crate::yaml::Line;

use super::listed::Listed;

/// Names that are listed. Equal are those of the same names with the same entries.
#[derive(Clone, Default, Debug)]
pub(super) struct Names {
    /// By hash, with open addressing; a power of two of them, and at least half are free, so that who asks for what isn't
    /// listed finds a free one soon.
    slots: Box<[Slot]>,
    entries: Vec<Entry>,
    hashing: RandomState,
    /// Bit n: one of them has n labels. The names of a list have few different numbers of labels, and a host with its
    /// parents has one of each: most questions end here, however long a name a stranger asks for.
    labels: u128,
}

/// Where an entry is: its number and one, and, above these bits, what of its name's hash didn't choose the slot. 0: the slot
/// is free.
type Slot = u64;

/// The bits of a slot that are a number. An ACL has fewer entries than these count (`acl::LIMITS`).
const NUMBER: Slot = 0xffff_ffff;

/// A name and what is listed for it, in one line of the cache.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Entry {
    name: Name,
    listed: Listed,
}

const _: () = assert!(size_of::<Entry>() == 64);

/// How long a name may be that has its place in an entry; most are shorter.
const SHORT_MAX: usize = 38;

#[derive(Clone, Debug)]
enum Name {
    Short { len: u8, bytes: [u8; SHORT_MAX] },
    Long(Box<str>),
}

impl Names {
    /// Lists a name, at these ports or at all. Of two entries for one port the first counts.
    pub(super) fn add(&mut self, name: &str, ports: Option<Ports>, line: Line) {
        self.labels |= bit(labels(name));
        match self.number(name).and_then(|number| self.entries.get_mut(number)) {
            Some(entry) => entry.listed.add(ports, line),
            None => {
                let mut listed = Listed::default();
                listed.add(ports, line);
                self.entries.push(Entry {
                    name: name.into(),
                    listed,
                });
                self.place_last();
            }
        }
    }

    /// What is listed for this name.
    pub(super) fn get(&self, name: &str) -> Option<&Listed> {
        match self.labels & bit(labels(name)) {
            0 => None,
            _ => self.listed(name),
        }
    }

    /// The same, for a name that knows how many labels it has.
    pub(super) fn get_parsed(&self, name: &net::Name) -> Option<&Listed> {
        match self.labels & bit(name.labels()) {
            0 => None,
            _ => self.listed(name.as_str()),
        }
    }

    /// What is listed for the names above this one, the shortest first. Of each number of labels there is one such name.
    pub(super) fn above(&self, name: &net::Name) -> impl Iterator<Item = &Listed> {
        let mut listed = self.labels & bit(name.labels()).wrapping_sub(1);
        let lengths = std::iter::from_fn(move || {
            let shortest = listed.trailing_zeros();
            listed &= listed.wrapping_sub(1);
            (shortest < u128::BITS).then_some(shortest)
        });
        lengths.filter_map(|labels| self.listed(name.last(labels)?))
    }

    /// All of them, in the order in which they were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Listed)> {
        self.entries
            .iter()
            .map(|entry| (entry.name.as_str(), &entry.listed))
    }

    /// Is there none?
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn listed(&self, name: &str) -> Option<&Listed> {
        Some(&self.entries.get(self.number(name)?)?.listed)
    }

    /// Which of the entries is this name's.
    fn number(&self, name: &str) -> Option<usize> {
        let hash = self.hash(name.as_bytes());
        for at in self.probed(hash) {
            let slot = self.slots.get(at)?;
            let number = low(*slot).checked_sub(1)?;
            if (slot ^ hash) & !NUMBER == 0 && self.entries.get(number)?.name.as_bytes() == name.as_bytes() {
                return Some(number);
            }
        }
        None
    }

    /// The slots where a name of this hash may be, the first free one of which ends the search.
    fn probed(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (low(hash), self.slots.len());
        (first..first.saturating_add(count)).map(move |at| at & (count - 1))
    }

    /// Gives the last entry a slot, and all of them new ones where there are too few.
    fn place_last(&mut self) {
        let count = (2 * self.entries.len()).next_power_of_two();
        let placed = match count > self.slots.len() {
            true => {
                self.slots = vec![0; count].into();
                0
            }
            false => self.entries.len() - 1,
        };
        for index in placed..self.entries.len() {
            self.place(index);
        }
    }

    fn place(&mut self, index: usize) {
        let Some(entry) = self.entries.get(index) else {
            return;
        };
        let hash = self.hash(entry.name.as_bytes());
        let free = self.probed(hash).find(|at| self.slots.get(*at) == Some(&0));
        if let Some(slot) = free.and_then(|at| self.slots.get_mut(at)) {
            *slot = hash & !NUMBER | (index as u64 + 1);
        }
    }

    /// Keyed anew for each list, so that nobody can write names that share one.
    fn hash(&self, name: &[u8]) -> u64 {
        let mut hasher = self.hashing.build_hasher();
        hasher.write(name);
        hasher.finish()
    }
}

/// The part of a slot that is a number, or of a hash that chooses a slot.
fn low(bits: u64) -> usize {
    usize::try_from(bits & NUMBER).unwrap_or_default()
}

impl Name {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Name::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Name::Long(name) => name.as_bytes(),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Name::Short { .. } => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Name::Long(name) => name,
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Name {
        let mut bytes = [0; SHORT_MAX];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(name.as_bytes());
                Name::Short { len, bytes }
            }
            _ => Name::Long(name.into()),
        }
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Names) -> bool {
        self.entries.len() == other.entries.len()
            && self.iter().all(|(name, listed)| other.get(name) == Some(listed))
    }
}

impl Eq for Names {}

/// How many labels a name has; a valid one has 127 at most.
fn labels(name: &str) -> u32 {
    let dots = memchr::memchr_iter(b'.', name.as_bytes()).count();
    u32::try_from(dots + 1).unwrap_or(u32::MAX)
}

/// What can't be a name's number of labels has none.
fn bit(labels: u32) -> u128 {
    1u128.checked_shl(labels).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_found_whatever_their_number_of_labels() {
        let longest = ["a"; 127].join(".");
        let listed = ["test", "a.test", "a.b.c.d.test", &longest];
        let mut names = Names::default();
        assert!(names.is_empty() && names.get("test").is_none());
        for name in listed {
            names.add(name, None, 1);
        }
        assert!(listed.iter().all(|name| names.get(name).is_some()));
        assert_eq!(labels(&longest), 127);
        let longer = ["a"; 300].join(".");
        for other in [
            "tesu",
            "b.test",
            "b.c.test",
            "c.d.test",
            &longest[2..],
            &longer,
            "",
        ] {
            assert!(names.get(other).is_none(), "{other}");
        }
    }

    #[test]
    fn of_many_names_of_every_length_each_is_found_where_it_was_listed() {
        let name = |n: usize| format!("{n}.{}.test", "a".repeat(SHORT_MAX - 20 + n % 40));
        let mut names = Names::default();
        for (n, line) in (0..5_000).zip(1..) {
            names.add(&name(n), None, line);
            names.add(&name(n), None, 9_999);
        }
        for (n, line) in (0..5_000).zip(1..) {
            let listed = names.get(&name(n)).unwrap();
            assert_eq!(
                listed.each().map(|single| single.line).collect::<Vec<_>>(),
                [line]
            );
            assert!(names.get(&format!("b{}", name(n))).is_none());
        }
        assert!(names.iter().map(|(name, _)| name).eq((0..5_000).map(name)));
        assert!(names.slots.len() >= 2 * 5_000 && names.slots.len() < 4 * 5_000);
        assert_eq!(names, names.clone());
    }

    proptest! {
        #[test]
        fn the_number_of_labels_hides_no_name(names in proptest::collection::vec("[ab]{1,2}(\\.[ab]{1,2}){0,5}", 0..12), asked in "[ab]{1,2}(\\.[ab]{1,2}){0,5}") {
            let mut listed = Names::default();
            for name in &names {
                listed.add(name, None, 1);
            }
            prop_assert_eq!(listed.get(&asked).is_some(), names.contains(&asked));
            prop_assert!(names.iter().all(|name| listed.get(name).is_some()));
        }
    }
}
