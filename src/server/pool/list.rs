//! Doubly linked lists through the entries of an arena: an entry joins and leaves each of its lists at once,
//! wherever it stands, without memory of its own. What the entries are is not known here.

use crate::io::arena::Arena;
use crate::io::token::IdleId;

/// An entry's neighbours in one list.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Links {
    pub(super) older: Option<IdleId>,
    pub(super) newer: Option<IdleId>,
}

/// One list: where it begins and ends.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct List {
    pub(super) oldest: Option<IdleId>,
    pub(super) newest: Option<IdleId>,
    pub(super) len: usize,
}

impl List {
    /// Puts an entry that is in no list of this kind at the newest end. `links` finds an entry's links of the
    /// list's kind.
    pub(super) fn push<T>(&mut self, arena: &mut Arena<T>, id: IdleId, links: fn(&mut T) -> &mut Links) {
        let older = self.newest.replace(id);
        if let Some(entry) = arena.get_mut(id) {
            *links(entry) = Links { older, newer: None };
        }
        match older.and_then(|older| arena.get_mut(older)) {
            Some(entry) => links(entry).newer = Some(id),
            None => self.oldest = Some(id),
        }
        self.len += 1;
    }

    /// Closes the gap that an entry of this list leaves, whose links these were.
    pub(super) fn unlink<T>(&mut self, arena: &mut Arena<T>, gone: Links, links: fn(&mut T) -> &mut Links) {
        match gone.older.and_then(|older| arena.get_mut(older)) {
            Some(entry) => links(entry).newer = gone.newer,
            None => self.oldest = gone.newer,
        }
        match gone.newer.and_then(|newer| arena.get_mut(newer)) {
            Some(entry) => links(entry).older = gone.older,
            None => self.newest = gone.older,
        }
        self.len = self.len.saturating_sub(1);
    }
}
