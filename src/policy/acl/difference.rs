//! What a reload changed, in short sentences for the log. Says how many entries a list has, never which.

use super::{Acl, Rule};
use crate::policy::glob::GlobSet;

/// How many roles [`Acl::difference`] tells one by one.
pub const DIFFERENCES_MAX: usize = 20;

impl Acl {
    /// What is different in `newer`, in short sentences for the log; empty when nothing is. At most
    /// [`DIFFERENCES_MAX`] roles are told one by one.
    pub fn difference(&self, newer: &Acl) -> Vec<String> {
        let mut roles: Vec<&str> = self
            .rules
            .keys()
            .chain(newer.rules.keys())
            .map(|role| &**role)
            .collect();
        roles.sort_unstable();
        roles.dedup();
        let mut sentences: Vec<String> = roles
            .into_iter()
            .filter_map(|role| {
                rule_difference(
                    &format!("role '{role}'"),
                    self.rules.get(role),
                    newer.rules.get(role),
                )
            })
            .collect();
        if sentences.len() > DIFFERENCES_MAX {
            let rest = sentences.len() - DIFFERENCES_MAX;
            sentences.truncate(DIFFERENCES_MAX);
            sentences.push(format!("{rest} more roles differ"));
        }
        sentences.extend(rule_difference(
            "default rule",
            self.default.as_ref(),
            newer.default.as_ref(),
        ));
        sentences.extend(list_difference(
            "global_allow_list",
            &self.global_allow_list,
            &newer.global_allow_list,
        ));
        sentences.extend(list_difference(
            "global_deny_list",
            &self.global_deny_list,
            &newer.global_deny_list,
        ));
        sentences
    }
}

fn rule_difference(what: &str, older: Option<&Rule>, newer: Option<&Rule>) -> Option<String> {
    let (older, newer) = match (older, newer) {
        (None, None) => return None,
        (None, Some(rule)) => return Some(format!("{what} added ({})", rule.action)),
        (Some(rule), None) => return Some(format!("{what} removed (was {})", rule.action)),
        (Some(older), Some(newer)) => (older, newer),
    };
    let mut parts = Vec::new();
    if older.action != newer.action {
        parts.push(format!("action {} -> {}", older.action, newer.action));
    }
    if older.project != newer.project {
        parts.push(format!("project '{}' -> '{}'", older.project, newer.project));
    }
    parts.extend(list_difference(
        "allowed_domains",
        &older.allowed_domains,
        &newer.allowed_domains,
    ));
    parts.extend(list_difference(
        "allowed_external_proxies",
        &older.external_proxies,
        &newer.external_proxies,
    ));
    if older.mitm_domains != newer.mitm_domains {
        parts.push(sizes(
            "mitm_domains",
            older.mitm_domains.len(),
            newer.mitm_domains.len(),
        ));
    }
    (!parts.is_empty()).then(|| format!("{what} changed: {}", parts.join(", ")))
}

fn list_difference(what: &str, older: &GlobSet, newer: &GlobSet) -> Option<String> {
    (older != newer).then(|| sizes(what, older.len(), newer.len()))
}

fn sizes(what: &str, older: usize, newer: usize) -> String {
    if older == newer {
        format!("{what} has other entries ({newer})")
    } else {
        format!("{what} {older} -> {newer} entries")
    }
}
