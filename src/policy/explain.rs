//! Why a request was denied, in words ([`Policy::explained`]), and why one would be let out or not
//! ([`Policy::explain`]), for commands that people ask before or after the fact. Decides nothing: it asks
//! [`Policy::decide`] and [`Policy::vet`], so that the verdict is the proxy's own, and adds what it comes from.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::net::{Host, Target};

use super::interception::Interception;
use super::vetted::candidates;
use super::{Allowed, Ask, Code, Decision, Denial, Denied, Grounds, Policy, Role, Route, acl};

/// A verdict and what it comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The stable name of what denies the request; none where it would be let out.
    pub code: Option<Code>,
    /// What the canonical log line would say of it.
    pub decision: Decision,
    /// What lets it out or denies it: the line, the entry, and what would lift a denial.
    pub grounds: Grounds,
    /// What each address is, in the order found; none where the ACL denies.
    pub addresses: Vec<AddressExplained>,
    /// Is the host's name looked up here? Not where the ACL denies, nor where that is left to an upstream.
    pub is_looked_up: bool,
    /// Is it dialled itself, and no upstream?
    pub is_direct: bool,
    /// That its tunnel would be intercepted; none where it would not.
    pub intercepted: Option<InterceptedExplained>,
}

/// What is said of a tunnel that is intercepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterceptedExplained {
    /// Where the entry stands that has it intercepted.
    pub rule: Box<str>,
    /// That entry.
    pub matched: Box<str>,
    /// The names of the fields that requests inside get.
    pub adds: Vec<Box<str>>,
}

/// What is said of one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressExplained {
    /// It, as it would be dialled.
    pub address: SocketAddr,
    /// May it be dialled, if the family is wanted?
    pub allows: bool,
    /// The name of the rule or class that decides, as in `Deny: Private Range`.
    pub class: &'static str,
    /// Where the operator's rule, or the ACL's exception, is written; empty where the class decides.
    pub rule: Box<str>,
}

impl Policy {
    /// What a denial comes from, and what would lift it. `role` and `ask` are those that it was decided for.
    pub fn explained(&self, denial: Denial, role: &Role, ask: Ask<'_>) -> Denied {
        let mut grounds = self.grounds(role, &denial.target, ask);
        if let Some(code) = self.denies_address(role, &denial.target) {
            // Who follows the hint is to know before what comes next, and whether it is wise.
            let first = match &*grounds.hint {
                "" => denial.code.hint(),
                hint => hint,
            };
            grounds.hint = format!(
                "{first}; its address would be denied all the same ({code}): {}",
                code.hint()
            )
            .into();
        }
        Denied {
            grounds: Box::new(grounds),
            decision: denial.decision,
            code: denial.code,
        }
    }

    /// What would deny the address that this target is, were it listed for the role; none of a name.
    fn denies_address(&self, role: &Role, target: &Target) -> Option<Code> {
        let Host::Addr(address) = target.host else {
            return None;
        };
        let address = SocketAddr::new(address, target.port);
        // Which addresses are this machine's makes no difference to what is wise.
        let (address, verdict) = self.fixed.ranges.judge(address, &|_| false);
        verdict
            .denial()
            .filter(|_| !self.may_lift(role, address, verdict))
    }

    fn grounds(&self, role: &Role, target: &Target, ask: Ask<'_>) -> Grounds {
        match &self.acl {
            Some(acl) => acl.grounds(role, target, ask),
            // Nothing lists it.
            None if ask.external_proxy_url().is_some() => acl::without_external_proxy(),
            None => Grounds::default(),
        }
    }

    /// Says what would come of a request and why. `found` are the addresses of its host; `None` leaves a name's
    /// addresses out of the verdict. `is_local` is as for [`Policy::vet`].
    pub fn explain(
        &self,
        role: &Role,
        target: Target,
        ask: Ask<'_>,
        found: Option<&[IpAddr]>,
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Explanation {
        let asked = target.clone();
        let allowed = match self.decide(role, target, ask) {
            Ok(allowed) => allowed,
            Err(denial) => return Explanation::of(self.explained(denial, role, ask)),
        };
        let addresses = candidates(&asked.host, found.unwrap_or_default());
        let is_vetted = found.is_some() || !addresses.is_empty();
        let vetted = match allowed.route() {
            Route::Direct => self.vet(&allowed, addresses, is_local).map(drop),
            Route::Through(_) => self.vet_passed_on(&allowed, addresses, is_local).map(drop),
        };
        let explanation = match vetted {
            Err(denied) if is_vetted && allowed.is_looked_up() => Explanation::of(denied),
            Ok(()) | Err(_) => Explanation {
                code: None,
                decision: allowed.decision().clone(),
                grounds: self.grounds(role, &asked, ask),
                addresses: Vec::new(),
                is_looked_up: true,
                is_direct: true,
                intercepted: allowed
                    .intercepts()
                    .then(|| self.explain_intercepted(role, &allowed)),
            },
        };
        let port = allowed.target().port;
        let each = addresses.iter().map(|&address| SocketAddr::new(address, port));
        Explanation {
            addresses: each
                .map(|address| self.explain_address(&allowed, address, is_local))
                .collect(),
            is_looked_up: allowed.is_looked_up(),
            is_direct: *allowed.route() == Route::Direct,
            ..explanation
        }
    }

    /// What is done inside of this role's tunnels to a host, whoever is asked for inside; none: they are not intercepted.
    pub fn interception(&self, role: &Role, host: &Host) -> Option<Arc<Interception>> {
        self.acl.as_ref()?.interception(role, host)
    }

    /// What it comes from that they are, and what would help who does not want that.
    pub fn interception_grounds(&self, role: &Role, host: &Host, hint: &str) -> Box<Grounds> {
        let acl = self.acl.as_ref();
        Box::new(Grounds {
            hint: hint.into(),
            ..acl.map_or_else(Grounds::default, |acl| acl.interception_grounds(role, host))
        })
    }

    fn explain_intercepted(&self, role: &Role, allowed: &Allowed) -> InterceptedExplained {
        let (acl, host) = (self.acl.as_ref(), &allowed.target().host);
        let Grounds { rule, matched, .. } = *self.interception_grounds(role, host, "");
        let adds = acl.filter(|_| allowed.is_trusted());
        InterceptedExplained {
            rule,
            matched,
            adds: adds.map(|acl| acl.added_inside(role, host)).unwrap_or_default(),
        }
    }

    fn explain_address(
        &self,
        allowed: &Allowed,
        address: SocketAddr,
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> AddressExplained {
        let ranges = &self.fixed.ranges;
        let (address, verdict) = ranges.judge(address, is_local);
        if let Some(exception) = self.lifting(allowed, address, verdict) {
            return AddressExplained {
                address,
                allows: true,
                class: "Allow: Private Exception",
                rule: self.place_of(exception),
            };
        }
        let rule = ranges.rule_of(address, verdict);
        AddressExplained {
            address,
            allows: verdict.allows(),
            class: verdict.label(),
            rule: rule
                .map(|placed| placed.place.to_string())
                .unwrap_or_default()
                .into(),
        }
    }
}

impl Explanation {
    fn of(denied: Denied) -> Explanation {
        Explanation {
            code: Some(denied.code),
            decision: denied.decision,
            grounds: *denied.grounds,
            addresses: Vec::new(),
            is_looked_up: false,
            is_direct: true,
            intercepted: None,
        }
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
