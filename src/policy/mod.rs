//! Who may go where: the only place where a request is allowed, and where an address is vetted.
//!
//! Pure: no sockets, files, clock or threads. Here is what a [`Policy`] is made of; who is asking is found out in
//! `identity`, and the two proofs are made in files of their own: whoever holds an [`Allowed`] went through [`Policy::decide`], whoever holds a
//! [`Vetted`] went through [`Policy::vet`], or, for an upstream of the operator's, through [`Policy::trust`].

pub mod acl;
mod admission;
mod allowed;
pub mod auth;
mod code;
mod excepted;
pub mod exceptions;
mod explain;
pub mod glob;
mod hints;
mod identity;
pub mod interception;
mod place;
pub mod ports;
mod question;
pub mod quota;
pub mod ranges;
pub mod rates;
mod recheck;
mod routing;
mod server_name;
mod sources;
mod upstream;
pub mod users;
mod vetted;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use crate::net::Network;

use self::acl::Acl;
pub use self::admission::Exceeded;
use self::admission::Overall;
pub use self::allowed::Allowed;
use self::auth::Password;
pub use self::code::Code;
pub use self::explain::{AddressExplained, Explanation, InterceptedExplained};
pub use self::place::Place;
pub use self::question::{AtOnce, Interest, Question, Unable, Verified, Verify};
use self::ranges::{Ranges, Verdict};
pub use self::recheck::Opened;
pub use self::routing::Upstreams;
pub use self::server_name::VerifySni;
pub use self::sources::{SourceRole, Sources};
pub use self::upstream::Upstream;
use self::users::Users;
pub use self::vetted::{Passed, Untrusted, VETTED_MAX, Vetted, VettedList};
pub use self::words::{
    Ask, Asker, Credentials, Decision, Denial, Denied, Grounds, Refused, Role, Route, Unidentified,
};

/// The role of a client that gave the proxy password.
pub const AUTHED: &str = "authed";

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

#[cfg(test)]
impl PolicyParts {
    /// Neither ACL nor rules nor password: no client has a role, and only the classes of addresses count.
    pub(crate) fn without_rules() -> PolicyParts {
        PolicyParts {
            acl: None,
            ranges: Ranges::new(Vec::new(), Vec::new(), false, Vec::new()),
            password: None,
            allow_missing_role: true,
            network: Network::Any,
        }
    }
}

/// Who may go where. Cheap to clone; immutable: a reload makes a new one.
#[derive(Clone)]
pub struct Policy {
    /// How many there were before it, and one.
    generation: u32,
    acl: Option<Arc<Acl>>,
    password: Option<Password>,
    verifier: Option<Arc<dyn Verify>>,
    users: Option<Arc<Users>>,
    sources: Option<Arc<Sources>>,
    overall: Arc<Overall>,
    upstreams: Arc<Upstreams>,
    fixed: Arc<Fixed>,
}

/// What a reload leaves as it is.
struct Fixed {
    ranges: Ranges,
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
            authed: AUTHED.into(),
            allow_missing_role,
            network,
        };
        Policy {
            generation: 1,
            acl: acl.map(Arc::new),
            password,
            verifier: None,
            users: None,
            sources: None,
            overall: Arc::default(),
            upstreams: Arc::default(),
            fixed: Arc::new(fixed),
        }
    }

    /// The same policy with another ACL, another password, or both; the rest is shared. What is taken of a role's limits
    /// stays taken where it has limits still.
    #[must_use]
    pub fn renewed(&self, acl: Option<Acl>, password: Option<Password>) -> Policy {
        let acl = acl.map(|acl| match &self.acl {
            Some(before) => acl.after(before),
            None => acl,
        });
        Policy {
            generation: self.generation.saturating_add(1),
            acl: acl.map(Arc::new).or_else(|| self.acl.clone()),
            password: password.or_else(|| self.password.clone()),
            verifier: self.verifier.clone(),
            users: self.users.clone(),
            sources: self.sources.clone(),
            overall: Arc::clone(&self.overall),
            upstreams: Arc::clone(&self.upstreams),
            fixed: self.fixed.clone(),
        }
    }

    /// The users of the users file, if there is one.
    pub fn users(&self) -> Option<&Users> {
        self.users.as_deref()
    }

    /// Is there a proxy password?
    pub fn asks_for_password(&self) -> bool {
        self.password.is_some()
    }

    /// Is it an address of our own listeners? `is_local` is as for [`Policy::vet`].
    fn is_own_listener(&self, address: SocketAddr, is_local: &dyn Fn(IpAddr) -> bool) -> bool {
        self.fixed.ranges.judge(address, is_local).1 == Verdict::DenySelf
    }

    /// Is it this one?
    pub fn has_password(&self, password: &Password) -> bool {
        self.password.as_ref().is_some_and(|own| own == password)
    }

    /// The ACL, if there is one.
    pub fn acl(&self) -> Option<&Acl> {
        self.acl.as_deref()
    }
}

#[cfg(test)]
mod tests;
