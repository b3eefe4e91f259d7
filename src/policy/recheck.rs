//! Whether a tunnel that another policy let out would be by this one: [`Policy::judge_anew`]. What follows for the tunnel is
//! the session's business.
//!
//! Nothing of the former [`Allowed`] is used: its exceptions, its terms and its route are those of the policy before.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::net::{Scheme, Target, Writer};

use super::{Allowed, Ask, Code, Decision, Denied, Grounds, Policy, Role, Route, Upstream};

/// What is known of a tunnel that is open, or about to be.
#[derive(Debug)]
pub struct Opened<'a> {
    /// Whose it is.
    pub role: Role,
    /// Where it was asked to lead.
    pub target: Target,
    /// The scheme of the request that became one by an upgrade; none: a CONNECT.
    pub scheme: Option<Scheme>,
    /// The proxy that it leads through, if it does.
    pub upstream: Option<&'a Arc<Upstream>>,
    /// The address that was dialled: the target's, or that proxy's.
    pub dialled: SocketAddr,
    /// The range of the private exception that let it out, if one had to.
    pub private_exception: Option<IpNet>,
}

impl Policy {
    /// Which policy it is, counted from 1 at the start: as the gauge `acl_generation` does.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Judges a tunnel as if it were asked for now: its role, its host, the address that was dialled, and the way that it
    /// takes. `is_local` is as for [`Policy::vet`].
    ///
    /// # Errors
    /// It would be denied; why.
    pub fn judge_anew(
        &self,
        opened: Opened<'_>,
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<Allowed, Denied> {
        let Opened {
            role,
            target,
            scheme,
            upstream,
            dialled,
            private_exception,
        } = opened;
        let by_client = upstream.filter(|upstream| upstream.named_by() == Writer::Client);
        let named = by_client.map(|upstream| upstream.to_string());
        let ask = Ask {
            is_inside: false,
            scheme,
            external_proxy: named.as_deref().map(str::as_bytes),
        };
        let decided = self.decide(&role, target, ask);
        let allowed = decided.map_err(|denial| self.explained(denial, &role, ask))?;
        if allowed.intercepts() || !leads_through(allowed.route(), upstream) {
            return Err(another_way(&allowed));
        }
        let address = [dialled.ip()];
        let Some(upstream) = upstream else {
            self.vet(&allowed, &address, is_local)?;
            return Ok(allowed);
        };
        self.vet_unseen(&allowed, private_exception, is_local)?;
        match upstream.named_by() {
            Writer::Client => self
                .vet_upstream(&allowed, upstream, &address, is_local)
                .map(drop)?,
            Writer::Operator => self
                .trust(upstream, &address, is_local)
                .map(drop)
                .map_err(|_| another_way(&allowed))?,
        }
        Ok(allowed)
    }

    /// Judges the target of a tunnel through a proxy, who alone knows the address of one that is a name. What needed a
    /// private exception needs one that holds all of that range, for nobody knows where in it the address is.
    fn vet_unseen(
        &self,
        allowed: &Allowed,
        private_exception: Option<IpNet>,
        is_local: &dyn Fn(IpAddr) -> bool,
    ) -> Result<(), Denied> {
        let Some(range) = private_exception else {
            return match allowed.target().host {
                crate::net::Host::Addr(_) => self.vet_passed_on(allowed, &[], is_local).map(drop),
                crate::net::Host::Name(_) => Ok(()),
            };
        };
        let exceptions = allowed.exceptions();
        if exceptions.is_some_and(|exceptions| exceptions.hold_all_of(range, allowed.target().port)) {
            return Ok(());
        }
        self.vet_passed_on(allowed, &[range.network()], is_local)?;
        Err(another_way(allowed))
    }
}

/// Is that the way of a tunnel that leads through this proxy, or through none? What it was told to let it in does not count.
fn leads_through(route: &Route, upstream: Option<&Arc<Upstream>>) -> bool {
    match (route, upstream) {
        (Route::Direct, None) => true,
        (Route::Through(now), Some(then)) => {
            let place = |upstream: &Upstream| (upstream.scheme(), upstream.port(), upstream.named_by());
            place(now) == place(then) && now.host() == then.host()
        }
        (Route::Direct, Some(_)) | (Route::Through(_), None) => false,
    }
}

/// The target is allowed, but by another way than the tunnel takes.
fn another_way(allowed: &Allowed) -> Denied {
    Denied {
        decision: Decision {
            reason: "the policy has another way to the host now".into(),
            enforce_would_deny: true,
            ..allowed.decision().clone()
        },
        code: Code::WayChanged,
        grounds: Box::new(Grounds {
            hint: Code::WayChanged.hint().into(),
            ..Grounds::default()
        }),
    }
}

#[cfg(test)]
#[path = "recheck_tests.rs"]
mod tests;
