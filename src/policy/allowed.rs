//! Whether the ACL lets a request out: [`Policy::decide`], and [`Allowed`], the proof that it did.
//! Judges no addresses: that is `vetted`.
//!
//! The proof's fields are private to this file, and it has no modules below it: so nothing but what stands here can
//! make one.

use std::sync::Arc;

use crate::net::{Host, Scheme, Target, Trust};

use super::acl::{self, Answer, Terms};
use super::exceptions::Exceptions;
use super::interception::Interception;
use super::{Ask, Code, Decision, Denial, Policy, Role, Route, Upstream, VerifySni};

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
    terms: Terms,
    /// Of the policy that decided.
    generation: u32,
}

impl Allowed {
    /// Was it this policy that decided, and not one before it?
    pub fn is_by(&self, policy: &Policy) -> bool {
        self.generation == policy.generation
    }

    /// The number of the policy that decided, as [`Policy::generation`] has it.
    pub fn generation(&self) -> u32 {
        self.generation
    }

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
        self.scheme.is_none() && self.terms.interception.is_some()
    }

    /// What is done with it, where it is such a CONNECT or came inside of one.
    pub fn interception(&self) -> Option<&Interception> {
        self.terms.interception.as_deref()
    }

    /// The fields that it gets on its way: of a request inside of a tunnel alone, and only where its origin is known to be
    /// who it should be.
    pub fn adding(&self) -> Option<&Interception> {
        let may_be_told = self.scheme == Some(Scheme::Https) && self.is_trusted();
        self.interception()
            .filter(|interception| may_be_told && interception.adds())
    }

    /// May it be told what is added? Not where only `report`, `open` or another list lets it out: that is for what the rule lists.
    pub(super) fn is_trusted(&self) -> bool {
        self.terms.trust == Trust::Verified && self.terms.is_listed
    }

    /// Is the target looked up and its answer vetted? Not where a name is the upstream's to look up alone
    /// (`upstream_resolves`). An address is always vetted.
    pub fn is_looked_up(&self) -> bool {
        !(self.terms.upstream_resolves && matches!(self.target.host, Host::Name(_)))
    }

    /// The upstream that is asked for an `http` URI itself, in absolute form: it needs no tunnel.
    pub fn asked_in_absolute_form(&self) -> Option<&Upstream> {
        match &self.route {
            Route::Through(upstream) if self.scheme == Some(Scheme::Http) => Some(upstream),
            Route::Through(_) | Route::Direct => None,
        }
    }

    /// What is asked of the certificate where its connection is secured.
    pub fn trust_in_origin(&self) -> Trust {
        self.terms.trust
    }

    /// Is it an entry that lets it out, of the rule's `allowed_domains` or of `global_allow_list`?
    pub fn is_by_entry(&self) -> bool {
        self.terms.is_by_entry
    }

    /// What its rule says of the server names inside of tunnels; none: nothing.
    pub fn verify_sni(&self) -> Option<VerifySni> {
        self.terms.verify_sni
    }

    /// The private exceptions that hold for this role, host and port; they were in force when this was decided.
    pub(super) fn exceptions(&self) -> Option<&Exceptions> {
        self.exceptions_of_role().filter(|_| self.terms.is_listed)
    }

    /// Are there any?
    pub fn has_exceptions(&self) -> bool {
        self.exceptions().is_some()
    }

    /// Those of the role, whether or not they hold for this target: for telling people what was missed.
    pub(super) fn exceptions_of_role(&self) -> Option<&Exceptions> {
        self.terms.exceptions.as_deref()
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
            upstream,
            mut terms,
        } = match &self.acl {
            Some(acl) => acl.decide(role, &target, ask),
            None => without_acl(ask),
        };
        if let Some(code) = denial {
            return Err(Denial {
                decision,
                code,
                target,
            });
        }
        let route = self.route(&target, ask, upstream);
        // Who goes straight needs an address, and whom a client chose is nobody to leave that to.
        terms.upstream_resolves &= route.is_trusted();
        Ok(Allowed {
            target,
            scheme: ask.scheme,
            route,
            decision,
            terms,
            generation: self.generation,
        })
    }
}

/// Every host is allowed, but no proxy that a client names: nothing lists it.
fn without_acl(ask: Ask<'_>) -> Answer {
    let denied = ask.external_proxy_url().is_some();
    Answer {
        denial: denied.then_some(Code::ExternalProxyDenied),
        decision: Decision {
            project: Arc::default(),
            reason: match denied {
                true => acl::EXTERNAL_PROXY_DENIED.into(),
                false => "Egress ACL is not configured".into(),
            },
            enforce_would_deny: denied,
        },
        upstream: None,
        terms: Terms::default(),
    }
}
