//! `mitm_domains`: whose tunnels are intercepted, and by which entry. What is done inside is `interception`'s.

use std::fmt;
use std::sync::Arc;

use foldhash::HashMap;

use crate::net::Host;
use crate::policy::glob::{Glob, GlobSet, parents};
use crate::policy::interception::{Detail, Interception, ReadSecret, Written};
use crate::policy::{Grounds, Role};
use crate::yaml::{Position, YamlError};

use super::{Acl, AclError, Rule};

/// An entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) glob: Glob,
    /// Where it stands.
    pub(super) at: Position,
    pub(super) added: Vec<Written>,
    pub(super) detail: Option<Detail>,
}

/// What is other in an entry than before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Changed {
    /// What it says.
    Written,
    /// What was read for it from the environment or from files.
    Read,
}

/// The entries of a rule.
#[derive(Clone, Default)]
pub(super) struct Intercepted {
    /// Their globs: most hosts match none.
    globs: GlobSet,
    entries: Vec<Entry>,
    /// Of each glob its first entry, by its number, and what that has done; before its secrets were read, without them.
    first: HashMap<Glob, (usize, Arc<Interception>)>,
}

impl Intercepted {
    /// Adds an entry. Of a glob that is listed twice the first counts.
    pub(super) fn add(&mut self, entry: Entry) {
        let number = self.entries.len();
        self.globs.insert(entry.glob.clone().into(), entry.at.line);
        let unread = || Arc::new(Interception::unread(entry.detail.clone()));
        let first = self.first.entry(entry.glob.clone());
        first.or_insert_with(|| (number, unread()));
        self.entries.push(entry);
    }

    /// Their globs.
    pub(super) fn globs(&self) -> &GlobSet {
        &self.globs
    }

    /// Is the host meant?
    pub(super) fn contains(&self, host: &Host) -> bool {
        self.globs.contains(host)
    }

    /// What is done inside of a tunnel to this host: as the first entry has it that matches.
    pub(super) fn find(&self, host: &Host) -> Option<Arc<Interception>> {
        self.first_of(host)
            .map(|(_, interception)| Arc::clone(interception))
    }

    /// That entry's number, and what it has done.
    fn first_of(&self, host: &Host) -> Option<&(usize, Arc<Interception>)> {
        // Most rules have none.
        if self.entries.is_empty() || !self.contains(host) {
            return None;
        }
        let of = |glob: Glob| self.first.get(&glob);
        match host {
            Host::Addr(address) => of(Glob::Address(address.to_canonical())),
            Host::Name(name) => {
                let below = parents(name.as_str()).filter_map(|parent| of(Glob::Below(parent.into())));
                let exactly = of(Glob::Name(name.as_str().into()));
                exactly.into_iter().chain(below).min_by_key(|(number, _)| *number)
            }
        }
    }

    /// The entry that has tunnels to this host intercepted.
    fn entry(&self, host: &Host) -> Option<&Entry> {
        let (number, _) = self.first_of(host)?;
        self.entries.get(*number)
    }

    /// Reads what the entries add.
    fn read(&mut self, read: ReadSecret<'_>) -> Result<(), YamlError> {
        for (number, interception) in self.first.values_mut() {
            if let Some(entry) = self.entries.get(*number) {
                *interception = Arc::new(Interception::new(&entry.added, entry.detail.clone(), read)?);
            }
        }
        Ok(())
    }

    /// The globs whose entries do something else than those of `older`, in order, and what.
    pub(super) fn changed_from<'a>(
        &'a self,
        older: &'a Intercepted,
    ) -> impl Iterator<Item = (&'a Glob, Changed)> {
        self.entries
            .iter()
            .enumerate()
            .filter_map(move |(number, newer)| {
                let (first, now) = self.first.get(&newer.glob)?;
                let (before, was) = older.first.get(&newer.glob)?;
                let before = older.entries.get(*before)?;
                let change = match before.added != newer.added || before.detail != newer.detail {
                    true => Changed::Written,
                    false if !now.adds_as(was) => Changed::Read,
                    false => return None,
                };
                (*first == number).then_some((&newer.glob, change))
            })
    }
}

/// Names alone: see [`Interception`].
impl fmt::Debug for Intercepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.entries).finish()
    }
}

impl Acl {
    /// The same ACL with what its entries of `mitm_domains` add, read now.
    ///
    /// # Errors
    /// What can't be read, with the place of the entry.
    pub fn with_secrets(mut self, read: ReadSecret<'_>) -> Result<Acl, AclError> {
        for rule in self.rules.values_mut().chain(&mut self.default) {
            rule.intercepted.read(read).map_err(AclError)?;
        }
        Ok(self)
    }

    /// What is done inside of this role's tunnels to a host.
    pub(in crate::policy) fn interception(&self, role: &Role, host: &Host) -> Option<Arc<Interception>> {
        self.find(role)?.rule.intercepted.find(host)
    }

    /// The entry that has this role's tunnels to a host intercepted, as people are told of it.
    pub(in crate::policy) fn interception_grounds(&self, role: &Role, host: &Host) -> Grounds {
        let entry = self
            .find(role)
            .and_then(|found| found.rule.intercepted.entry(host));
        entry.map_or_else(Grounds::default, |entry| Grounds {
            rule: self.place(entry.at.line),
            matched: entry.glob.to_string().into(),
            hint: Box::default(),
        })
    }

    /// The names of the fields that requests of this role get inside of such a tunnel to a host.
    pub(in crate::policy) fn added_inside(&self, role: &Role, host: &Host) -> Vec<Box<str>> {
        let found = self.find(role);
        let entry = found.and_then(|found| found.rule.intercepted.entry(host));
        let added = entry.map(|entry| entry.added.iter()).into_iter().flatten();
        added.map(|written| written.name().into()).collect()
    }

    /// The first host whose tunnels are to be intercepted, with its place; none: there is none.
    pub fn first_intercepted(&self) -> Option<(String, Position)> {
        let rules = self.rules.values().chain(&self.default);
        let entries = rules.flat_map(|rule: &Rule| &rule.intercepted.entries);
        let first = entries.min_by_key(|entry| (entry.at.line, entry.at.column))?;
        Some((first.glob.to_string(), first.at))
    }
}
