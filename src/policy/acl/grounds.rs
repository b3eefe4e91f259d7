//! What an answer of the ACL comes from and what would lift a denial, in words for people. Made for denials and for
//! whoever asks why: an allowed request pays nothing for it. Decides nothing.

use crate::net::Host;
use crate::policy::glob::GlobSet;
use crate::policy::{Ask, Grounds, Place, Role};
use crate::yaml::Line;

use super::{Acl, Action, BUILT_IN_SOURCE, Basis, Found};

impl Acl {
    /// What [`Acl::decide`] says on this question comes from.
    pub(crate) fn grounds(&self, role: &Role, host: &Host, ask: Ask<'_>) -> Grounds {
        match self.find(role) {
            Some(found) => self.on_basis(&found, self.basis(found.rule, host, ask), role, host),
            None => self.no_rule(role),
        }
    }

    /// The entry that speaks, where a list has one; the rule where none does.
    pub(super) fn on_basis(&self, found: &Found<'_>, basis: Basis, role: &Role, host: &Host) -> Grounds {
        let rule = || self.at(found.rule.line);
        match basis {
            Basis::ExternalProxy => Grounds {
                rule: rule(),
                hint: "leave the field X-Upstream-Https-Proxy out".into(),
                ..Grounds::default()
            },
            Basis::AllowedDomains => self.listed(&found.rule.allowed_domains, host),
            Basis::GlobalAllowList => self.listed(&self.global_allow_list, host),
            // A rule's own list goes before it.
            Basis::GlobalDenyList => Grounds {
                hint: self.listing(found, role, host),
                ..self.listed(&self.global_deny_list, host)
            },
            Basis::Action => Grounds {
                rule: rule(),
                hint: match found.rule.action {
                    Action::Enforce => self.listing(found, role, host),
                    Action::Open | Action::Report => Box::default(),
                },
                ..Grounds::default()
            },
        }
    }

    /// For a role that no rule is for.
    pub(super) fn no_rule(&self, role: &Role) -> Grounds {
        let entry = match role {
            Role::Named(name) => format!("a service named '{name}', or a default rule"),
            Role::Missing => "a default rule".to_owned(),
        };
        Grounds {
            hint: self.in_a_file(entry),
            ..Grounds::default()
        }
    }

    fn listed(&self, list: &GlobSet, host: &Host) -> Grounds {
        let Some(entry) = list.find(host) else {
            return Grounds::default();
        };
        Grounds {
            rule: self.at(entry.line),
            matched: entry.glob.to_string().into(),
            hint: Box::default(),
        }
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
