//! What a denial of the ACL comes from and what would lift it, in words for people. Made for denials alone: an allowed
//! request pays nothing for it. Decides nothing.

use crate::net::Host;
use crate::policy::glob::Matched;
use crate::policy::{Grounds, Place, Role};
use crate::yaml::Line;

use super::{Acl, BUILT_IN_SOURCE, Found};

impl Acl {
    /// For a host that the rule's action denies: the rule.
    pub(super) fn unlisted(&self, found: &Found<'_>, role: &Role, host: &Host) -> Box<Grounds> {
        Box::new(Grounds {
            rule: self.at(found.rule.line),
            matched: Box::default(),
            hint: self.listing(found, role, host),
        })
    }

    /// For a host that `global_deny_list` has: the entry. A rule's own list goes before it.
    pub(super) fn listed(
        &self,
        entry: &Matched,
        found: &Found<'_>,
        role: &Role,
        host: &Host,
    ) -> Box<Grounds> {
        Box::new(Grounds {
            rule: self.at(entry.line),
            matched: entry.glob.to_string().into(),
            hint: self.listing(found, role, host),
        })
    }

    /// For a proxy that the client named and the rule does not.
    pub(super) fn external_proxy(&self, found: &Found<'_>) -> Box<Grounds> {
        Box::new(Grounds {
            rule: self.at(found.rule.line),
            hint: "leave the field X-Upstream-Https-Proxy out".into(),
            ..Grounds::default()
        })
    }

    /// For a role that no rule is for.
    pub(super) fn no_rule(&self, role: &Role) -> Box<Grounds> {
        let entry = match role {
            Role::Named(name) => format!("a service named '{name}', or a default rule"),
            Role::Missing => "a default rule".to_owned(),
        };
        Box::new(Grounds {
            hint: self.in_a_file(entry),
            ..Grounds::default()
        })
    }

    /// The entry that would let this host out.
    fn listing(&self, found: &Found<'_>, role: &Role, host: &Host) -> Box<str> {
        self.in_a_file(match role {
            Role::Named(name) if !found.is_default => {
                format!("{host} in allowed_domains of service '{name}'")
            }
            _ => format!("{host} in allowed_domains of the default rule"),
        })
    }

    /// Nobody can add to the built-in ACL.
    fn in_a_file(&self, entry: String) -> Box<str> {
        match &*self.source == BUILT_IN_SOURCE {
            true => format!("--egress-acl-file with {entry}").into(),
            false => entry.into(),
        }
    }

    fn at(&self, line: Line) -> Box<str> {
        Place::in_file(self.source.clone(), line).to_string().into()
    }
}
