//! Who may go where: the only place where a request is allowed, and where an address is vetted.
//!
//! Pure: no sockets, files, clock or threads. Whoever holds an [`Allowed`] went through [`Policy::decide`];
//! whoever holds a [`Vetted`] went through [`Policy::vet`].

pub mod acl;
pub mod auth;
pub mod glob;
pub mod ranges;
mod words;
pub mod yaml;

use arrayvec::ArrayVec;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use self::acl::Acl;
use self::auth::Password;
use self::ranges::Ranges;
pub use self::words::{Ask, Credentials, Decision, Denied, Refused, Role};
pub use crate::net::Network;
use crate::net::{Host, Target};

/// Proof that the ACL allowed this target for this role. Only [`Policy::decide`] makes one.
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
    decision: Decision,
    intercepts: bool,
    external_proxy: bool,
}

impl Allowed {
    /// Where the request may go.
    pub fn target(&self) -> &Target {
        &self.target
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
}

/// Proof that this address was classified and may be dialled. Only [`Policy::vet`] makes one.
///
/// ```compile_fail
/// let forged = smokescreen::policy::Vetted(([169, 254, 169, 254], 80).into());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Vetted(SocketAddr);

impl Vetted {
    /// The address to dial, as it was classified: an IPv4-mapped one is an IPv4 address here.
    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

/// At most this many addresses of one name are dialled.
pub const VETTED_MAX: usize = 8;

/// Addresses that may be dialled, in the order they are to be tried.
pub type VettedList = ArrayVec<Vetted, VETTED_MAX>;

/// The role of a client that gave the proxy password.
const AUTHED: &str = "authed";

/// Everything a [`Policy`] is made of.
pub struct PolicyParts {
    /// The ACL; without one every host is allowed, and only addresses are judged.
    pub acl: Option<Acl>,
    /// The address rules.
    pub ranges: Ranges,
    /// The proxy password, if there is one.
    pub password: Option<Password>,
    /// Clients without credentials get [`Role::Missing`] instead of a refusal.
    pub allow_missing_role: bool,
    /// The families of addresses that may be dialled.
    pub network: Network,
}

/// Who may go where. Cheap to clone; immutable: a reload makes a new one.
#[derive(Clone)]
pub struct Policy {
    acl: Option<Arc<Acl>>,
    fixed: Arc<Fixed>,
}

/// What a reload of the ACL leaves as it is.
struct Fixed {
    ranges: Ranges,
    password: Option<Password>,
    authed: Arc<str>,
    allow_missing_role: bool,
    network: Network,
}

impl Policy {
    /// Puts a policy together.
    pub fn new(parts: PolicyParts) -> Policy {
        let PolicyParts {
            acl,
            ranges,
            password,
            allow_missing_role,
            network,
        } = parts;
        let fixed = Fixed {
            ranges,
            password,
            authed: AUTHED.into(),
            allow_missing_role,
            network,
        };
        Policy {
            acl: acl.map(Arc::new),
            fixed: Arc::new(fixed),
        }
    }

    /// The same policy with another ACL; the rest is shared.
    pub fn with_acl(&self, acl: Acl) -> Policy {
        Policy {
            acl: Some(Arc::new(acl)),
            fixed: self.fixed.clone(),
        }
    }

    /// The ACL, if there is one.
    pub fn acl(&self) -> Option<&Acl> {
        self.acl.as_deref()
    }

    /// Says who is asking. Does not depend on an ACL being there.
    ///
    /// # Errors
    /// [`Refused`] for wrong or several credentials, and for absent ones unless a missing role is allowed. Where no
    /// password is configured there is nothing to check against: given credentials count as absent.
    pub fn authenticate(&self, given: Credentials<'_>) -> Result<Role, Refused> {
        match (given, &self.fixed.password) {
            (Credentials::Given(field), Some(password)) if password.accepts(field) => {
                Ok(Role::Named(self.fixed.authed.clone()))
            }
            (Credentials::Given(_) | Credentials::Several, Some(_)) => Err(Refused),
            (Credentials::Absent, _) | (_, None) if self.fixed.allow_missing_role => Ok(Role::Missing),
            (Credentials::Absent, _) | (_, None) => Err(Refused),
        }
    }

    /// Asks the ACL whether this role may go to this target.
    ///
    /// # Errors
    /// [`Denied`] with the reason in the reference's words.
    pub fn decide(&self, role: &Role, target: Target, ask: Ask<'_>) -> Result<Allowed, Denied> {
        let external_proxy = ask.external_proxy_url().is_some();
        let Some(acl) = &self.acl else {
            let decision = Decision {
                project: Arc::default(),
                reason: "Egress ACL is not configured".into(),
                enforce_would_deny: false,
            };
            return Ok(Allowed {
                target,
                decision,
                intercepts: false,
                external_proxy,
            });
        };
        let acl::Answer {
            allow,
            decision,
            intercepts,
        } = acl.decide(role, &target.host, ask);
        if allow {
            Ok(Allowed {
                target,
                decision,
                intercepts,
                external_proxy,
            })
        } else {
            Err(Denied { decision })
        }
    }

    /// Classifies the addresses of an allowed target: `found` for a name; a literal is its own address and nothing
    /// else, whatever was found. Returns those that may be dialled, on the target's port, in the order found, each
    /// once, one to [`VETTED_MAX`] of them. `local` gives this machine's addresses; it is asked at most once, and
    /// only when the port is one of ours.
    ///
    /// # Errors
    /// [`Denied`] with the project of the decision: when all are denied the first of them is named.
    pub fn vet(
        &self,
        allowed: &Allowed,
        found: &[IpAddr],
        local: &dyn Fn() -> Vec<IpAddr>,
    ) -> Result<VettedList, Denied> {
        let Fixed { ranges, network, .. } = &*self.fixed;
        let candidates = match &allowed.target.host {
            Host::Addr(address) => std::slice::from_ref(address),
            Host::Name(_) => found,
        };
        let asked_once = OnceCell::new();
        let local = || asked_once.get_or_init(local).clone();
        let (mut vetted, mut first_denied) = (VettedList::new(), None);
        for &address in candidates.iter().filter(|&&address| network.admits(address)) {
            let (at, verdict) = ranges.judge(SocketAddr::new(address, allowed.target.port), &local);
            if !verdict.allows() {
                first_denied.get_or_insert((at.ip(), verdict.label()));
            } else if !vetted.contains(&Vetted(at)) {
                vetted.push(Vetted(at));
            }
            if vetted.is_full() {
                break;
            }
        }
        if !vetted.is_empty() {
            return Ok(vetted);
        }
        let reason = match first_denied {
            Some((address, label)) => Cow::Owned(format!(
                "The destination address ({address}) was denied by rule '{label}'. destination address was \
                 denied by rule, see error"
            )),
            None if candidates.is_empty() => "no address was found for the destination".into(),
            None => format!("no address of the configured network ({})", network.as_str()).into(),
        };
        Err(Denied {
            decision: Decision {
                reason,
                enforce_would_deny: true,
                ..allowed.decision.clone()
            },
        })
    }
}

#[cfg(test)]
mod tests;
