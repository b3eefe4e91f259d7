//! The access control list: which role may go to which hosts. Decides on names and spelled addresses only; what a
//! name resolves to is judged in `ranges`.
//!
//! The file's form and its checks are in `document`; here are the rules as they are asked.

mod census;
mod difference;
mod document;
mod grounds;
mod intercepted;
mod limits;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use foldhash::HashMap;
use sha2::{Digest as _, Sha256};

use crate::net::{ProxyUrl, Target, Trust, Writer};
use crate::policy::exceptions::Exceptions;
use crate::policy::glob::{AtPort, GlobSet};
use crate::policy::interception::Interception;
use crate::policy::ports::Ports;
use crate::policy::quota::Quota;
use crate::policy::{Ask, Code, Decision, Role, Upstream, VerifySni};
use crate::yaml::{self, Line, YamlError};

pub use self::difference::{CHANGES_TOLD_MAX, Change, Difference};
pub(super) use self::grounds::without_external_proxy;
use self::intercepted::Intercepted;
use self::limits::RoleLimits;

/// The text of the ACL that is used when a password is set and no file is named; `acl.yaml` of this repository.
pub const BUILT_IN: &str = include_str!("../../acl.yaml");

/// What stands for its name, where others have a file's.
pub const BUILT_IN_SOURCE: &str = "built-in";

/// The reference's reason for refusing a proxy that a client names.
pub(super) const EXTERNAL_PROXY_DENIED: &str = "connect proxy host not allowed in rule";

/// How much of an ACL is taken on. An entry and what stands between it and the next take more than four bytes.
pub const LIMITS: yaml::Limits = yaml::Limits {
    bytes_max: 16 << 20,
    depth_max: 16,
    nodes_max: 4 << 20,
};

/// What a rule does with a host that no list mentions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Let it out.
    Open,
    /// Let it out and say in the log that `enforce` would have denied it.
    Report,
    /// Deny it.
    Enforce,
}

impl Action {
    /// The word that stands for it in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Open => "open",
            Action::Report => "report",
            Action::Enforce => "enforce",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Action, String> {
        [Action::Open, Action::Report, Action::Enforce]
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| format!("unknown action '{text}'; accepted are open, report and enforce"))
    }
}

/// Why an ACL was not accepted: one line with the place, what is wrong and what is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AclError(YamlError);

impl fmt::Display for AclError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for AclError {}

/// One service's rule, or the default.
#[derive(Clone, Debug)]
struct Rule {
    line: Line,
    project: Arc<str>,
    action: Action,
    /// What entries without ports that allow are for; none: every port.
    default_ports: Option<Ports>,
    allowed_domains: GlobSet,
    external_proxies: GlobSet,
    /// `allow_private`; none where it has no entry.
    exceptions: Option<Arc<Exceptions>>,
    /// `mitm_domains`; each is among `allowed_domains` too.
    intercepted: Intercepted,
    /// `insecure_skip_verify`: what is asked of the certificates of origins.
    trust: Trust,
    limits: Option<RoleLimits>,
    /// `upstream_proxy`.
    upstream: Option<Arc<Upstream>>,
    /// Names are looked up by the upstream alone.
    upstream_resolves: bool,
    /// None: as the operator's options have it.
    verify_sni: Option<VerifySni>,
}

/// A valid ACL.
#[derive(Clone, Debug)]
pub struct Acl {
    /// Where it was read from, as people call it.
    source: Arc<str>,
    /// Of the bytes it was read from.
    sha256: [u8; 32],
    rules: HashMap<Box<str>, Rule>,
    default: Option<Rule>,
    global_allow_list: GlobSet,
    global_deny_list: GlobSet,
    /// One of the rules has limits.
    has_limits: bool,
    /// What is taken of rules that reloads took out, in case they come back. The default rule has no name.
    gone: HashMap<Option<Box<str>>, Quota>,
}

/// What the ACL says to one request.
pub(super) struct Answer {
    /// The stable name of what denies it; none where it is let out.
    pub(super) denial: Option<Code>,
    /// What log and counters say of it.
    pub(super) decision: Decision,
    /// The rule's own upstream.
    pub(super) upstream: Option<Arc<Upstream>>,
    /// On which terms it is let out.
    pub(super) terms: Terms,
}

/// What holds for a request as long as it lasts, by the rule that let it out; by default as little as without one.
#[derive(Clone, Default, Debug)]
pub(super) struct Terms {
    /// What is done inside, of a tunnel to one of the rule's `mitm_domains`, or of a request in such a tunnel.
    pub(super) interception: Option<Arc<Interception>>,
    /// What is asked of the origin's certificate.
    pub(super) trust: Trust,
    /// The rule's private exceptions.
    pub(super) exceptions: Option<Arc<Exceptions>>,
    /// Do the rule's `allowed_domains` have the host at this port, so that the exceptions hold?
    pub(super) is_listed: bool,
    /// Names are looked up by an upstream alone.
    pub(super) upstream_resolves: bool,
    /// Is it let out by an entry, of those or of `global_allow_list`?
    pub(super) is_by_entry: bool,
    /// What the rule says of server names.
    pub(super) verify_sni: Option<VerifySni>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Allow,
    AllowAndReport,
    Deny(Code),
}

/// What of a role's rule and the global lists speaks first on a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// The client named a proxy, and the rule does not list it.
    ExternalProxy,
    /// The rule's `allowed_domains` have the host.
    AllowedDomains,
    /// `global_deny_list` has it.
    GlobalDenyList,
    /// `global_allow_list` has it.
    GlobalAllowList,
    /// No list has it.
    Action,
}

struct Found<'a> {
    rule: &'a Rule,
    is_default: bool,
}

impl Acl {
    /// Reads an ACL. `disabled_actions` are those that no rule may use (`--disable-acl-policy-action`).
    ///
    /// # Errors
    /// Anything that is not exactly understood: see [`crate::yaml::parse`] for the form and
    /// [`crate::policy::glob::Glob::parse`] for domain globs; beside them unknown keys, a version other than v1,
    /// missing `services`, names or actions, two services of one name, disabled actions, and `mitm_domains` that
    /// `allowed_domains` does not list.
    pub fn parse(text: &str, disabled_actions: &[Action]) -> Result<Acl, AclError> {
        let acl = document::parse(text, disabled_actions).map_err(AclError)?;
        Ok(Acl {
            sha256: Sha256::digest(text).into(),
            ..acl
        })
    }

    /// The digest of the bytes it was read from: which ACL it is.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The same ACL under the name of the file it was read from; before, it is called [`BUILT_IN_SOURCE`].
    #[must_use]
    pub fn named(mut self, source: &str) -> Acl {
        self.source = source.into();
        self
    }

    /// Judges one request.
    pub(super) fn decide(&self, role: &Role, target: &Target, ask: Ask<'_>) -> Answer {
        let Some(found) = self.find(role) else {
            return without_rule();
        };
        let basis = self.basis(found.rule, target, ask);
        let (outcome, reason) = found.outcome(basis);
        let denial = match outcome {
            Outcome::Allow | Outcome::AllowAndReport => None,
            Outcome::Deny(code) => Some(code),
        };
        let is_listed = basis == Basis::AllowedDomains;
        // Whatever lets it out: an entry without a port means that host at all ports.
        let may_be_intercepted = ask.scheme.is_none() || ask.is_inside;
        let intercepted = &found.rule.intercepted;
        Answer {
            denial,
            decision: Decision {
                project: found.rule.project.clone(),
                reason: reason.into(),
                enforce_would_deny: outcome != Outcome::Allow,
            },
            upstream: found.rule.upstream.clone(),
            terms: Terms {
                interception: may_be_intercepted
                    .then(|| intercepted.find(&target.host))
                    .flatten(),
                trust: found.rule.trust,
                exceptions: found.rule.exceptions.clone(),
                is_listed,
                upstream_resolves: found.rule.upstream_resolves,
                is_by_entry: is_listed || basis == Basis::GlobalAllowList,
                verify_sni: found.rule.verify_sni,
            },
        }
    }

    /// The order of the questions is the original's and decides which reason is given.
    fn basis(&self, rule: &Rule, target: &Target, ask: Ask<'_>) -> Basis {
        let Target { host, port, .. } = target;
        let allowing = rule.allowing_at(*port);
        if let Some(url) = ask.external_proxy_url()
            && !str::from_utf8(url)
                .ok()
                .and_then(|url| ProxyUrl::parse(url, Writer::Client))
                .is_some_and(|proxy| rule.external_proxies.contains(proxy.host()))
        {
            Basis::ExternalProxy
        } else if rule.allowed_domains.contains_at(host, allowing) {
            Basis::AllowedDomains
        } else if self.global_deny_list.contains_at(host, denying_at(*port)) {
            Basis::GlobalDenyList
        } else if self.global_allow_list.contains_at(host, allowing) {
            Basis::GlobalAllowList
        } else {
            Basis::Action
        }
    }

    /// The private exceptions of the role's rule.
    pub(super) fn exceptions_of(&self, role: &Role) -> Option<&Exceptions> {
        self.find(role)?.rule.exceptions.as_deref()
    }

    fn find(&self, role: &Role) -> Option<Found<'_>> {
        let named = match role {
            Role::Named(name) => self.rules.get(&**name),
            Role::Missing => None,
        };
        match named {
            Some(rule) => Some(Found {
                rule,
                is_default: false,
            }),
            None => self.default.as_ref().map(|rule| Found {
                rule,
                is_default: true,
            }),
        }
    }
}

impl Rule {
    /// How entries that allow are asked about a port.
    fn allowing_at(&self, port: u16) -> AtPort<'_> {
        AtPort {
            port,
            default_ports: self.default_ports.as_ref(),
        }
    }
}

/// For a role that no rule is for.
fn without_rule() -> Answer {
    Answer {
        denial: Some(Code::NoRule),
        decision: Decision {
            project: Arc::default(),
            reason: "no rule matched".into(),
            enforce_would_deny: true,
        },
        upstream: None,
        terms: Terms::default(),
    }
}

/// How entries that deny are.
fn denying_at(port: u16) -> AtPort<'static> {
    AtPort {
        port,
        default_ports: None,
    }
}

impl Found<'_> {
    /// What follows, and the original's words for it.
    fn outcome(&self, basis: Basis) -> (Outcome, &'static str) {
        let reason = match (basis, self.rule.action) {
            (Basis::ExternalProxy, _) => EXTERNAL_PROXY_DENIED,
            (Basis::AllowedDomains, _) => "host matched allowed domain in rule",
            (Basis::GlobalDenyList, _) => "host matched rule in global deny list",
            (Basis::GlobalAllowList, _) => "host matched rule in global allow list",
            (Basis::Action, _) if self.is_default => "default rule policy used",
            (Basis::Action, Action::Open) => "rule has open enforcement policy",
            (Basis::Action, Action::Report) => "rule has allow and report policy",
            (Basis::Action, Action::Enforce) => "rule has enforce policy",
        };
        let outcome = match (basis, self.rule.action) {
            (Basis::ExternalProxy, _) => Outcome::Deny(Code::ExternalProxyDenied),
            (Basis::GlobalDenyList, _) => Outcome::Deny(Code::GlobalDenyList),
            (Basis::AllowedDomains | Basis::GlobalAllowList, _) => Outcome::Allow,
            (Basis::Action, Action::Open) => Outcome::Allow,
            (Basis::Action, Action::Report) => Outcome::AllowAndReport,
            (Basis::Action, Action::Enforce) if self.is_default => Outcome::Deny(Code::DefaultRule),
            (Basis::Action, Action::Enforce) => Outcome::Deny(Code::NotInAllowedDomains),
        };
        (outcome, reason)
    }
}

#[cfg(test)]
#[path = "acl/ports_tests.rs"]
mod ports_tests;
#[cfg(test)]
pub(super) mod tests;
