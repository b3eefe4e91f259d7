//! What stands in an ACL as a whole: whom its rules are for, and what the operator is to be told of them. Judges no request.

use std::sync::Arc;

use crate::net::Trust;
use crate::policy::Upstream;

use super::{Acl, Rule};

impl Acl {
    /// The services' names, which are roles, in order.
    pub fn services(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.rules.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Each service's name and project, by name.
    pub fn projects(&self) -> Vec<(&str, &str)> {
        let rules = self.rules.iter();
        let mut projects: Vec<_> = rules.map(|(name, rule)| (&**name, &*rule.project)).collect();
        projects.sort_unstable();
        projects
    }

    /// The project of the rule for roles that no service is named after.
    pub fn default_project(&self) -> Option<&str> {
        self.default.as_ref().map(|rule| &*rule.project)
    }

    /// Is there a rule for roles that no service is named after? Without it they are denied everything.
    pub fn has_default_rule(&self) -> bool {
        self.default.is_some()
    }

    /// Does a rule let its roles into ranges that are denied by their class?
    pub fn has_private_exceptions(&self) -> bool {
        self.each().any(|rule| rule.exceptions.is_some())
    }

    /// Whose private exceptions let nobody in anywhere, for there are no `allowed_domains`; as people call the rules.
    pub fn with_idle_exceptions(&self) -> Vec<String> {
        self.called(|rule| rule.exceptions.is_some() && rule.allowed_domains.is_empty())
    }

    /// Whose origins are not verified, likewise.
    pub fn unverified(&self) -> Vec<String> {
        self.called(|rule| rule.trust == Trust::Unverified)
    }

    /// The upstreams that rules name.
    pub(in crate::policy) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.each().filter_map(|rule| rule.upstream.as_ref())
    }

    fn each(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values().chain(&self.default)
    }

    /// The rules of which something is true, in order, as people call them.
    fn called(&self, is_meant: impl Fn(&Rule) -> bool) -> Vec<String> {
        let services = self.services().into_iter();
        let services = services.filter(|name| self.rules.get(*name).is_some_and(&is_meant));
        let mut called: Vec<String> = services.map(|name| format!("service '{name}'")).collect();
        let default = self.default.as_ref().filter(|rule| is_meant(rule));
        called.extend(default.map(|_| "the default rule".to_owned()));
        called
    }
}
