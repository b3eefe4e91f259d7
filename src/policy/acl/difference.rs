//! What a reload changed, in short sentences for the log: entries by name, those first that open what was closed.

use std::collections::BTreeSet;

use crate::net::Trust;
use crate::policy::VerifySni;
use crate::policy::exceptions::{Exception, Exceptions};
use crate::policy::glob::{Entry, GlobSet, Overlaps};
use crate::policy::ports::Ports;

use super::intercepted::Changed;
use super::limits::RoleLimits;
use super::{Acl, Action, Rule};

/// How many changes are told one by one.
pub const CHANGES_TOLD_MAX: usize = 20;

/// One thing that is different.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// A short sentence.
    pub text: String,
    /// Something that was denied may pass now: worth a warning.
    pub opens: bool,
}

/// What is different between two ACLs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Difference {
    /// At most [`CHANGES_TOLD_MAX`], those that open something first.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub untold: usize,
    /// How many of these open something.
    pub untold_opening: usize,
}

impl Difference {
    /// How many changes there are in all.
    pub fn len(&self) -> usize {
        self.changes.len() + self.untold
    }

    /// Is nothing different?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Acl {
    /// What is different in `newer`. An entry that leaves `global_deny_list` opens something; so do an entry of
    /// `allowed_domains` that goes before one of them, and an action that lets more out.
    pub fn difference(&self, newer: &Acl) -> Difference {
        let mut told = Told::default();
        told.list(
            "global_deny_list",
            &self.global_deny_list,
            &newer.global_deny_list,
            |verb, _| verb == Verb::Removed,
        );
        told.list(
            "global_allow_list",
            &self.global_allow_list,
            &newer.global_allow_list,
            |_, _| false,
        );
        let denied = Overlaps::with(&newer.global_deny_list);
        let (was, is) = (self.default.as_ref(), newer.default.as_ref());
        told.rule("the default rule", (was, is), (was, is), &denied);
        let mut roles: Vec<&str> = self
            .rules
            .keys()
            .chain(newer.rules.keys())
            .map(|role| &**role)
            .collect();
        roles.sort_unstable();
        roles.dedup();
        for role in roles {
            let own = (self.rules.get(role), newer.rules.get(role));
            // A role without a service is the default rule's.
            let in_force = (own.0.or(was), own.1.or(is));
            told.rule(&format!("service '{role}'"), own, in_force, &denied);
        }
        told.end()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Removed,
    Added,
}

/// Sentences, as many as can be told, and how many there were: of those that open something, and of the others.
#[derive(Default)]
struct Told {
    opening: Counted,
    others: Counted,
}

/// The first sentences of a kind, and how many there were.
#[derive(Default)]
struct Counted {
    texts: Vec<String>,
    count: usize,
}

impl Counted {
    fn add(&mut self, text: impl FnOnce() -> String) {
        if self.texts.len() < CHANGES_TOLD_MAX {
            self.texts.push(text());
        }
        self.count += 1;
    }
}

impl Told {
    fn add(&mut self, opens: bool, text: impl FnOnce() -> String) {
        if opens {
            self.opening.add(text);
        } else {
            self.others.add(text);
        }
    }

    /// Compares two lists. Of a long difference the first entries in order are told, whatever the order of the sets.
    fn list(
        &mut self,
        what: &str,
        older: &GlobSet,
        newer: &GlobSet,
        opens: impl Fn(Verb, Entry<'_>) -> bool,
    ) {
        for (verb, from, to) in [(Verb::Removed, older, newer), (Verb::Added, newer, older)] {
            let word = if verb == Verb::Removed { "removed" } else { "added" };
            for kind in [true, false] {
                let (mut first, mut count) = (BTreeSet::new(), 0);
                for entry in from
                    .entries()
                    .filter(|entry| !to.has(*entry) && opens(verb, *entry) == kind)
                {
                    count += 1;
                    first.insert(entry);
                    if first.len() > CHANGES_TOLD_MAX {
                        first.pop_last();
                    }
                }
                let untold = count - first.len();
                for entry in first {
                    self.add(kind, || format!("{what}: '{entry}' {word}"));
                }
                let counted = if kind { &mut self.opening } else { &mut self.others };
                counted.count += untold;
            }
        }
    }

    /// Compares a rule with its successor; `in_force` is what holds for those it is for, the default rule at need.
    fn rule(
        &mut self,
        what: &str,
        own: (Option<&Rule>, Option<&Rule>),
        in_force: (Option<&Rule>, Option<&Rule>),
        denied: &Overlaps<'_>,
    ) {
        let laxer = laxity(in_force.1) > laxity(in_force.0);
        match own {
            (None, None) => {}
            (None, Some(rule)) => {
                let opens = laxer || opens(in_force.0, rule, denied);
                self.add(opens, || {
                    let count = rule.allowed_domains.len();
                    let private = match each(rule).count() {
                        0 => String::new(),
                        count => format!(", {count} allow_private"),
                    };
                    format!("{what} added ({}, {count} allowed_domains{private})", rule.action)
                });
            }
            // The default rule is in force in its place.
            (Some(rule), None) => {
                let opens = laxer || in_force.1.is_some_and(|newer| opens(Some(rule), newer, denied));
                self.add(opens, || format!("{what} removed (was {})", rule.action));
            }
            (Some(older), Some(newer)) => {
                self.action(what, (older, newer), laxer);
                if older.project != newer.project {
                    self.add(false, || {
                        format!("{what}: project '{}' -> '{}'", older.project, newer.project)
                    });
                }
                self.reach(what, (older, newer));
                let list = format!("{what}: allowed_domains");
                let (old, new) = (&older.allowed_domains, &newer.allowed_domains);
                self.list(&list, old, new, |verb, entry| {
                    verb == Verb::Added && denied.at(entry.glob)
                });
                if let Some(text) = limits_changed(older.limits.as_ref(), newer.limits.as_ref()) {
                    self.add(false, || format!("{what}: {text}"));
                }
                let list = format!("{what}: allowed_external_proxies");
                let (old, new) = (&older.external_proxies, &newer.external_proxies);
                self.list(&list, old, new, |_, _| false);
                self.intercepted(what, (older, newer));
            }
        }
    }

    /// What the entries of a rule reach, and how.
    fn reach(&mut self, what: &str, (older, newer): (&Rule, &Rule)) {
        self.trust(what, (older.trust, newer.trust));
        self.default_ports(what, (older, newer));
        self.upstream(what, (older, newer));
        self.exceptions(what, (older, newer));
        self.verify_sni(what, (older.verify_sni, newer.verify_sni));
    }

    /// Not to verify origins opens their connections to whoever is on the way.
    fn trust(&mut self, what: &str, (older, newer): (Trust, Trust)) {
        if older != newer {
            let is_unverified = newer == Trust::Unverified;
            let word = if is_unverified { "added" } else { "removed" };
            self.add(is_unverified, || format!("{what}: insecure_skip_verify {word}"));
        }
    }

    fn action(&mut self, what: &str, (older, newer): (&Rule, &Rule), laxer: bool) {
        if older.action != newer.action {
            self.add(laxer, || {
                format!("{what}: action {} -> {}", older.action, newer.action)
            });
        }
    }

    /// More ports open what bare entries let out, past entries that deny too.
    fn default_ports(&mut self, what: &str, (older, newer): (&Rule, &Rule)) {
        let (older, newer) = (&older.default_ports, &newer.default_ports);
        if older == newer {
            return;
        }
        let opens = widens(older.as_ref(), newer.as_ref());
        let shown = |ports: &Option<Ports>| ports.as_ref().map_or("any".to_owned(), Ports::to_string);
        self.add(opens, || {
            format!("{what}: default_ports {} -> {}", shown(older), shown(newer))
        });
    }

    /// Another way out is none more; but where a name is vetted no longer, whatever it stands for can be reached.
    fn upstream(&mut self, what: &str, (older, newer): (&Rule, &Rule)) {
        let shown = |rule: &Rule| match &rule.upstream {
            Some(upstream) => upstream.to_string(),
            None => "none".to_owned(),
        };
        if older.upstream != newer.upstream {
            self.add(false, || match (shown(older), shown(newer)) {
                (older, newer) if older == newer => format!("{what}: upstream_proxy has other credentials"),
                (older, newer) => format!("{what}: upstream_proxy {older} -> {newer}"),
            });
        }
        let (was, is) = (older.upstream_resolves, newer.upstream_resolves);
        if was != is {
            self.add(is, || format!("{what}: upstream_resolves {was} -> {is}"));
        }
    }

    /// Of what an entry adds no value is told.
    fn intercepted(&mut self, what: &str, (older, newer): (&Rule, &Rule)) {
        let (older, newer) = (&older.intercepted, &newer.intercepted);
        let list = format!("{what}: mitm_domains");
        self.list(&list, older.globs(), newer.globs(), |_, _| false);
        for (glob, change) in newer.changed_from(older) {
            self.add(false, || match change {
                Changed::Written => format!("{list}: '{glob}' adds or logs other headers"),
                Changed::Read => format!("{list}: '{glob}' adds other values, which were read anew"),
            });
        }
    }

    /// Where the rule says nothing the option holds, which is not known here.
    fn verify_sni(&mut self, what: &str, (older, newer): (Option<VerifySni>, Option<VerifySni>)) {
        if older == newer {
            return;
        }
        let opens = older == Some(VerifySni::Enforce);
        let shown = |verify: Option<VerifySni>| verify.map_or("unset", VerifySni::as_str);
        self.add(opens, || {
            format!("{what}: verify_sni {} -> {}", shown(older), shown(newer))
        });
    }

    /// An exception opens something unless another held all of it before.
    fn exceptions(&mut self, what: &str, (older, newer): (&Rule, &Rule)) {
        for gone in each(older).filter(|one| each(newer).all(|other| other != *one)) {
            self.add(false, || format!("{what}: allow_private {gone} removed"));
        }
        for added in each(newer).filter(|one| each(older).all(|other| other != *one)) {
            let opens = !each(older).any(|before| before.covers(added));
            self.add(opens, || format!("{what}: allow_private {added} added"));
        }
    }

    fn end(self) -> Difference {
        let (opening, others) = (self.opening, self.others);
        let count = opening.count + others.count;
        let told_opening = opening.texts.len();
        let change = |opens| move |text| Change { text, opens };
        let mut changes: Vec<Change> = opening.texts.into_iter().map(change(true)).collect();
        changes.extend(others.texts.into_iter().map(change(false)));
        changes.truncate(CHANGES_TOLD_MAX);
        Difference {
            untold: count - changes.len(),
            untold_opening: opening.count - told_opening,
            changes,
        }
    }
}

/// Does a rule let past entries that deny, or into private ranges, whom the one before it did not?
fn opens(older: Option<&Rule>, newer: &Rule, denied: &Overlaps<'_>) -> bool {
    let was_listed = |entry| older.is_some_and(|older| older.allowed_domains.has(entry));
    let is_laxer = |older: &Rule| {
        widens(older.default_ports.as_ref(), newer.default_ports.as_ref())
            || older.verify_sni == Some(VerifySni::Enforce) && newer.verify_sni != Some(VerifySni::Enforce)
    };
    if older.is_some_and(is_laxer) || newer.trust == Trust::Unverified {
        return true;
    }
    let mut entries = newer.allowed_domains.entries();
    let mut exceptions = each(newer);
    newer.upstream_resolves && !older.is_some_and(|older| older.upstream_resolves)
        || entries.any(|entry| denied.at(entry.glob) && !was_listed(entry))
        || exceptions.any(|added| !older.is_some_and(|older| each(older).any(|before| before.covers(added))))
}

/// Do entries without ports mean more of them?
fn widens(older: Option<&Ports>, newer: Option<&Ports>) -> bool {
    match (older, newer) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(older), Some(newer)) => !older.cover(newer),
    }
}

/// The private exceptions of a rule.
fn each(rule: &Rule) -> impl Iterator<Item = &Exception> {
    rule.exceptions
        .iter()
        .flat_map(|exceptions| Exceptions::each(exceptions))
}

/// What became of a rule's limits.
fn limits_changed(older: Option<&RoleLimits>, newer: Option<&RoleLimits>) -> Option<&'static str> {
    let older = older.filter(|limits| !limits.numbers().are_none());
    match (older, newer) {
        (None, Some(_)) => Some("limits added"),
        (Some(_), None) => Some("limits removed"),
        (Some(older), Some(newer)) if older.numbers() != newer.numbers() => Some("limits changed"),
        _ => None,
    }
}

/// How much a rule lets out that no list mentions. Without one everything is denied.
fn laxity(rule: Option<&Rule>) -> u8 {
    match rule.map(|rule| rule.action) {
        None | Some(Action::Enforce) => 0,
        Some(Action::Report | Action::Open) => 1,
    }
}

#[cfg(test)]
#[path = "difference_tests.rs"]
mod tests;
