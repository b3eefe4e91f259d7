//! Whether the ACL lets a request out: [`Policy::decide`], and [`Allowed`], the proof that it did.
//! Judges no addresses: that is `vetted`.
//!
//! The proof's fields are private to this file, and it has no modules below it: so nothing but what stands here can
//! make one.

use std::sync::Arc;

use crate::net::{Scheme, Target, Trust};

use super::acl::Answer;
use super::exceptions::Exceptions;
use super::{Ask, Decision, Denial, Policy, Role, Route};

/// Proof that a [`Policy`] allowed this target to this role. Only [`Policy::decide`] makes one.
///
/// It holds the target itself, so that nobody can ask for one host and dial another with the answer.
///
/// ```compile_fail
/// fn elsewhere(mut allowed: smokescreen::policy::Allowed, other: smokescreen::net::Target) {
///     allowed.target = other;
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Allowed {
    target: Target,
    scheme: Option<Scheme>,
    route: Route,
    decision: Decision,
    intercepts: bool,
    external_proxy: bool,
    trust: Trust,
    exceptions: Option<Arc<Exceptions>>,
    /// The exceptions hold for this target.
    is_listed: bool,
}

impl Allowed {
    /// Where the request may go.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The scheme of what is forwarded there; `None` is a tunnel.
    pub fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// By which way it gets there.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// What log and counters say of it.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Is it a CONNECT to one of the rule's `mitm_domains`?
    pub fn intercepts(&self) -> bool {
        self.intercepts
    }

    /// Was an external proxy asked for (`X-Upstream-Https-Proxy`)? The ACL, if there is one, allows it.
    pub fn external_proxy(&self) -> bool {
        self.external_proxy
    }

    /// What is asked of the certificate where its connection is secured.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// The private exceptions that hold for this role, host and port; they were in force when this was decided.
    pub(super) fn exceptions(&self) -> Option<&Exceptions> {
        self.exceptions_of_role().filter(|_| self.is_listed)
    }

    /// Are there any?
    pub fn has_exceptions(&self) -> bool {
        self.exceptions().is_some()
    }

    /// Those of the role, whether or not they hold for this target: for telling people what was missed.
    pub(super) fn exceptions_of_role(&self) -> Option<&Exceptions> {
        self.exceptions.as_deref()
    }
}

impl Policy {
    /// Asks the ACL whether this role may go to this target.
    ///
    /// # Errors
    /// [`Denial`] with the reason in the original's words; [`Policy::explained`] says what it comes from.
    pub fn decide(&self, role: &Role, target: Target, ask: Ask<'_>) -> Result<Allowed, Denial> {
        let Answer {
            denial,
            decision,
            intercepts,
            trust,
            exceptions,
            is_listed,
        } = match &self.acl {
            Some(acl) => acl.decide(role, &target, ask),
            None => without_acl(),
        };
        if let Some(code) = denial {
            return Err(Denial {
                decision,
                code,
                target,
            });
        }
        Ok(Allowed {
            target,
            scheme: ask.scheme,
            route: Route::Direct,
            decision,
            intercepts,
            external_proxy: ask.external_proxy_url().is_some(),
            trust,
            exceptions,
            is_listed,
        })
    }
}

fn without_acl() -> Answer {
    Answer {
        denial: None,
        decision: Decision {
            project: Arc::default(),
            reason: "Egress ACL is not configured".into(),
            enforce_would_deny: false,
        },
        intercepts: false,
        trust: Trust::Verified,
        exceptions: None,
        is_listed: false,
    }
}
