//! What an answer of the ACL comes from and what would lift a denial, in words for people. Made for denials and for
//! whoever asks why: an allowed request pays nothing for it. Decides nothing.

use crate::net::Target;
use crate::policy::glob::{AtPort, GlobSet, Matched};
use crate::policy::{Ask, Grounds, Place, Role};
use crate::yaml::Line;

use super::{Acl, Action, BUILT_IN_SOURCE, Basis, Found, denying_at};

/// What would let a request out whose client names a proxy that nothing lists.
pub(in crate::policy) fn without_external_proxy() -> Grounds {
    Grounds {
        hint: "leave the field X-Upstream-Https-Proxy out".into(),
        ..Grounds::default()
    }
}

impl Found<'_> {
    /// The rule, as people are told whose it is; found for this role.
    pub(super) fn whose(&self, role: &Role) -> String {
        match role {
            Role::Named(name) if !self.is_default => format!("service '{name}'"),
            _ => "the default rule".to_owned(),
        }
    }
}

impl Acl {
    /// What [`Acl::decide`] says on this question comes from.
    pub(crate) fn grounds(&self, role: &Role, target: &Target, ask: Ask<'_>) -> Grounds {
        match self.find(role) {
            Some(found) => self.on_basis(&found, self.basis(found.rule, target, ask), role, target),
            None => self.no_rule(role),
        }
    }

    /// The entry that speaks, where a list has one; the rule where none does.
    fn on_basis(&self, found: &Found<'_>, basis: Basis, role: &Role, target: &Target) -> Grounds {
        let rule = || self.place(found.rule.line);
        let allowing = found.rule.allowing_at(target.port);
        match basis {
            Basis::ExternalProxy => Grounds {
                rule: rule(),
                ..without_external_proxy()
            },
            Basis::AllowedDomains => self.listed(&found.rule.allowed_domains, target, allowing),
            Basis::GlobalAllowList => self.listed(&self.global_allow_list, target, allowing),
            // A rule's own list goes before it.
            Basis::GlobalDenyList => Grounds {
                hint: self.listing(found, role, target),
                ..self.listed(&self.global_deny_list, target, denying_at(target.port))
            },
            Basis::Action => Grounds {
                rule: rule(),
                hint: match found.rule.action {
                    Action::Enforce => self.listing(found, role, target),
                    Action::Open | Action::Report => Box::default(),
                },
                ..Grounds::default()
            },
        }
    }

    /// For a role that no rule is for.
    fn no_rule(&self, role: &Role) -> Grounds {
        let entry = match role {
            Role::Named(name) => format!("a service named '{name}', or a default rule"),
            Role::Missing => "a default rule".to_owned(),
        };
        Grounds {
            hint: self.in_a_file(entry),
            ..Grounds::default()
        }
    }

    fn listed(&self, list: &GlobSet, target: &Target, at: AtPort<'_>) -> Grounds {
        let Some(entry) = list.find(&target.host, at) else {
            return Grounds::default();
        };
        Grounds {
            rule: self.place(entry.line),
            matched: entry.pattern.to_string().into(),
            hint: Box::default(),
        }
    }

    /// The entry that would let this target out; where only the port is wrong, what has other ports. An entry without ports
    /// would do unless the rule says which ports that means.
    fn listing(&self, found: &Found<'_>, role: &Role, target: &Target) -> Box<str> {
        let Target { host, port, .. } = target;
        let whose = found.whose(role);
        let listed = found.rule.allowed_domains.find_at_any_port(host);
        let globally = || self.global_allow_list.find_at_any_port(host);
        let (list, Some(Matched { pattern, line })) = (match listed {
            Some(_) => (format!("allowed_domains of {whose}"), listed),
            None => ("global_allow_list".to_owned(), globally()),
        }) else {
            let port = match found.rule.allowing_at(*port).is_default() {
                true => String::new(),
                false => format!(":{port}"),
            };
            return self.in_a_file(format!("{host}{port} in allowed_domains of {whose}"));
        };
        let entry = format!("'{pattern}' ({}) in {list}", self.place(line));
        let others = match (&pattern.ports, &found.rule.default_ports) {
            (None, Some(ports)) => format!("{entry} is for default_ports, {ports}"),
            _ => format!("{entry} is for other ports"),
        };
        self.in_a_file(format!("{host}:{port} in allowed_domains of {whose}; {others}"))
    }

    /// Nobody can add to the built-in ACL.
    fn in_a_file(&self, entry: String) -> Box<str> {
        match &*self.source == BUILT_IN_SOURCE {
            true => format!("--egress-acl-file with {entry}").into(),
            false => entry.into(),
        }
    }

    /// A line of its file, as people are told of it.
    pub(crate) fn place(&self, line: Line) -> Box<str> {
        Place::in_file(self.source.clone(), line).to_string().into()
    }
}
