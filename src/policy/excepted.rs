//! What private exceptions lift: which denied addresses they let a request into, and what is said of those that they
//! almost do. They travel in the [`Allowed`] of the request that they hold for; whether they do was the ACL's affair.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::exceptions::{Exception, Exceptions};
use super::ranges::Verdict;
use super::{Allowed, Grounds, Policy, Role};

impl Policy {
    /// The range of the private exception that lets this request to this address, if one does and has to: what log and
    /// people are told. Nothing of an address that is allowed anyway, or denied.
    pub fn private_exception(&self, allowed: &Allowed, address: SocketAddr) -> Option<IpNet> {
        allowed.exceptions()?;
        // None ever lifts what depends on the machine's own addresses.
        let (address, verdict) = self.fixed.ranges.judge(address, &|_| false);
        self.lifting(allowed, address, verdict).map(Exception::net)
    }

    /// The exception that lifts this verdict.
    pub(super) fn lifting<'a>(
        &self,
        allowed: &'a Allowed,
        address: SocketAddr,
        verdict: Verdict,
    ) -> Option<&'a Exception> {
        let exceptions = allowed.exceptions()?;
        match self.fixed.ranges.yields_to_exceptions(address, verdict) {
            true => self.holding(exceptions, address),
            false => None,
        }
    }

    /// Would one of the role's lift this verdict if the rule's `allowed_domains` had the host?
    pub(super) fn may_lift(&self, role: &Role, address: SocketAddr, verdict: Verdict) -> bool {
        let exceptions = self.acl.as_ref().and_then(|acl| acl.exceptions_of(role));
        exceptions.is_some_and(|exceptions| {
            self.fixed.ranges.yields_to_exceptions(address, verdict)
                && self.holding(exceptions, address).is_some()
        })
    }

    /// The one that holds an address, or what stands behind it.
    fn holding<'a>(&self, exceptions: &'a Exceptions, address: SocketAddr) -> Option<&'a Exception> {
        let holding = exceptions.holding(address);
        holding.or_else(|| exceptions.holding(self.fixed.ranges.behind(address)?))
    }

    /// What a denial of an address comes from and what would lift it; a role's exception that was missed by its port, or by
    /// the host's, tells most.
    pub(super) fn address_grounds(
        &self,
        allowed: &Allowed,
        address: SocketAddr,
        verdict: Verdict,
    ) -> Grounds {
        let grounds = self.fixed.ranges.grounds(address, verdict);
        match self.missed(allowed, address, verdict) {
            Some(hint) => Grounds {
                hint: hint.into(),
                ..grounds
            },
            None => grounds,
        }
    }

    fn missed(&self, allowed: &Allowed, address: SocketAddr, verdict: Verdict) -> Option<String> {
        let exceptions = allowed.exceptions_of_role()?;
        if !self.fixed.ranges.yields_to_exceptions(address, verdict) {
            return None;
        }
        let host = &allowed.target().host;
        let port = address.port();
        if let Some(exception) = self.holding(exceptions, address) {
            let place = self.place_of(exception);
            return Some(format!(
                "{host}:{port} in allowed_domains, for which alone allow_private {exception} ({place}) holds"
            ));
        }
        let behind = self.fixed.ranges.behind(address).unwrap_or(address);
        let exception = exceptions
            .of(address.ip())
            .chain(exceptions.of(behind.ip()))
            .next()?;
        let place = self.place_of(exception);
        let also = match allowed.exceptions() {
            Some(_) => String::new(),
            None => format!(", and {host}:{port} in allowed_domains"),
        };
        Some(format!(
            "port {port} in allow_private {exception} ({place}){also}"
        ))
    }

    /// The file is called the same after a reload.
    pub(super) fn place_of(&self, exception: &Exception) -> Box<str> {
        match &self.acl {
            Some(acl) => acl.place(exception.line()),
            None => Box::default(),
        }
    }
}

#[cfg(test)]
#[path = "excepted_tests.rs"]
mod tests;
