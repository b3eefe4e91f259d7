//! Who may go where: the only place where a request is allowed, and where an address is vetted.
//!
//! Pure: no sockets, files, clock or threads. Here is what a [`Policy`] is made of and who is asking; the two proofs
//! are made in files of their own: whoever holds an [`Allowed`] went through [`Policy::decide`], whoever holds a
//! [`Vetted`] went through [`Policy::vet`].

pub mod acl;
mod allowed;
pub mod auth;
mod code;
mod explain;
pub mod glob;
mod place;
mod question;
pub mod ranges;
pub mod rates;
mod vetted;
mod words;

use std::sync::Arc;

pub use crate::net::Network;

use self::acl::Acl;
pub use self::allowed::Allowed;
use self::auth::Password;
pub use self::code::Code;
pub use self::explain::{AddressExplained, Explanation};
pub use self::place::Place;
pub use self::question::{Question, Verified, Verify};
use self::ranges::Ranges;
pub use self::vetted::{VETTED_MAX, Vetted, VettedList};
pub use self::words::{Ask, Credentials, Decision, Denied, Grounds, Refused, Role, Route, Unidentified};

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
    acl: Option<Arc<Acl>>,
    password: Option<Password>,
    verifier: Option<Arc<dyn Verify>>,
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
            acl: acl.map(Arc::new),
            password,
            verifier: None,
            fixed: Arc::new(fixed),
        }
    }

    /// The same policy with another ACL, another password, or both; the rest is shared.
    #[must_use]
    pub fn renewed(&self, acl: Option<Acl>, password: Option<Password>) -> Policy {
        Policy {
            acl: acl.map(Arc::new).or_else(|| self.acl.clone()),
            password: password.or_else(|| self.password.clone()),
            verifier: self.verifier.clone(),
            fixed: self.fixed.clone(),
        }
    }

    /// The same policy with somebody to ask whether credentials are right that are not the password.
    #[must_use]
    pub fn verified_by(self, verifier: Arc<dyn Verify>) -> Policy {
        let verifier = Some(verifier);
        Policy { verifier, ..self }
    }

    /// Must clients give a password?
    pub fn asks_for_password(&self) -> bool {
        self.password.is_some()
    }

    /// Is it this one?
    pub fn has_password(&self, password: &Password) -> bool {
        self.password.as_ref().is_some_and(|own| own == password)
    }

    /// The ACL, if there is one.
    pub fn acl(&self) -> Option<&Acl> {
        self.acl.as_deref()
    }

    /// Says who is asking. Does not depend on an ACL being there. `verified` is the answer to the question that it asked
    /// before about the same credentials, if it did; one that another policy asked for counts for nothing.
    ///
    /// # Errors
    /// [`Refused`] for wrong or several credentials, and for absent ones unless a missing role is allowed. Where nothing
    /// is configured to check against, given credentials count as absent. [`Unidentified::Asks`] where that takes longer
    /// than others may wait.
    pub fn authenticate(
        &self,
        given: Credentials<'_>,
        verified: Option<&Verified>,
    ) -> Result<Role, Unidentified> {
        let refused = match (given, &self.password, &self.verifier) {
            (Credentials::Given(field), Some(password), _) if password.accepts(field) => {
                return Ok(self.authed());
            }
            (Credentials::Given(field), _, Some(verifier)) => {
                match verified.and_then(|answer| answer.by(verifier)) {
                    Some(true) => return Ok(self.authed()),
                    Some(false) => Refused::Wrong,
                    None => return Err(Unidentified::Asks(Question::new(Arc::clone(verifier), field))),
                }
            }
            (Credentials::Given(_), Some(_), None) => Refused::Wrong,
            (Credentials::Several, Some(_), _) | (Credentials::Several, _, Some(_)) => Refused::Wrong,
            (Credentials::Absent, ..) | (_, None, None) if self.fixed.allow_missing_role => {
                return Ok(Role::Missing);
            }
            (Credentials::Absent, None, None) | (_, None, None) => Refused::Unasked,
            (Credentials::Absent, ..) => Refused::Missing,
        };
        Err(Unidentified::Refused(refused))
    }

    fn authed(&self) -> Role {
        Role::Named(self.fixed.authed.clone())
    }
}

#[cfg(test)]
mod tests;
