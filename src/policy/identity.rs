//! Who is asking: the role that certificate, credentials and address name together. How credentials are compared is
//! `auth`'s and `users`' business, which range has which role `sources`'.

use std::net::IpAddr;
use std::sync::Arc;

use super::question::AtOnce;
use super::users::Users;
use super::{
    AUTHED, Asker, Credentials, Policy, Question, Refused, Role, Sources, Unidentified, Verified, Verify,
};

/// What a request's credentials prove.
enum Proof {
    /// Nothing, and nothing has to be.
    Nothing,
    /// That the client is this user.
    User(Arc<str>),
    /// That it knows the password.
    Password,
}

impl Policy {
    /// The same policy with somebody who knows whose credentials are that do not hold the password.
    #[must_use]
    pub fn verified_by(self, verifier: Arc<dyn Verify>) -> Policy {
        let verifier = Some(verifier);
        Policy { verifier, ..self }
    }

    /// The same policy with these users.
    #[must_use]
    pub fn with_users(self, users: Users) -> Policy {
        let users = Arc::new(users);
        let verifying = Arc::clone(&users);
        Policy {
            users: Some(users),
            ..self.verified_by(verifying)
        }
    }

    /// The same policy with roles for client addresses.
    #[must_use]
    pub fn with_sources(self, sources: Sources) -> Policy {
        let sources = (!sources.is_empty()).then(|| Arc::new(sources));
        Policy { sources, ..self }
    }

    /// Says who is asking: the role is named by the first of certificate, user, address and password that names one. Does
    /// not depend on an ACL being there. `verified` is the answer to the question that it asked before about the same
    /// credentials, if it did; one that another policy asked for counts for nothing.
    ///
    /// # Errors
    /// Where there is something to compare credentials with, [`Refused`] for wrong or several ones, and for absent ones
    /// unless a missing role is allowed; where not, given ones count as absent, and certificate or address alone must
    /// name a role. [`Unidentified::Asks`] where comparing takes longer than others may wait.
    pub fn authenticate(
        &self,
        given: Credentials<'_>,
        verified: Option<&Verified>,
        asker: &Asker<'_>,
    ) -> Result<Role, Unidentified> {
        let proof = self.proof(given, verified)?;
        let certificate = asker.certificate.filter(|name| !name.is_empty());
        let role = match (certificate, proof) {
            (Some(name), _) => Some(Arc::clone(name)),
            (None, Proof::User(name)) => Some(name),
            (None, Proof::Password) => {
                Some(self.role_of(asker.address).unwrap_or(&self.fixed.authed).clone())
            }
            (None, Proof::Nothing) => self.role_of(asker.address).cloned(),
        };
        match role {
            Some(name) => Ok(Role::Named(name)),
            None if self.fixed.allow_missing_role => Ok(Role::Missing),
            None => Err(Unidentified::Refused(Refused::Unasked)),
        }
    }

    /// Have client addresses roles?
    pub fn has_sources(&self) -> bool {
        self.sources.is_some()
    }

    /// Is a client somebody before its first request, by its certificate or where it comes from?
    pub fn recognises(&self, asker: &Asker<'_>) -> bool {
        asker.certificate.is_some_and(|name| !name.is_empty()) || self.role_of(asker.address).is_some()
    }

    /// May there be a client of this role, whatever certificates name?
    pub fn may_name(&self, role: &str) -> bool {
        self.password.is_some() && role == AUTHED
            || self
                .verifier
                .as_ref()
                .is_some_and(|verifier| verifier.may_name(role))
            || self.sources.as_ref().is_some_and(|sources| sources.name(role))
    }

    fn proof(&self, given: Credentials<'_>, verified: Option<&Verified>) -> Result<Proof, Unidentified> {
        let refused = match given {
            _ if self.password.is_none() && self.verifier.is_none() => return Ok(Proof::Nothing),
            Credentials::Given(field) => return self.compare(field, verified),
            Credentials::Several => Refused::Wrong,
            Credentials::Absent if self.fixed.allow_missing_role => return Ok(Proof::Nothing),
            Credentials::Absent => Refused::Missing,
        };
        Err(Unidentified::Refused(refused))
    }

    /// The password first, then what is remembered; work only where neither says anything.
    fn compare(&self, field: &[u8], verified: Option<&Verified>) -> Result<Proof, Unidentified> {
        let is_password = self
            .password
            .as_ref()
            .is_some_and(|password| password.accepts(field));
        let wrong = Unidentified::Refused(Refused::Wrong);
        let Some(verifier) = &self.verifier else {
            return if is_password {
                Ok(Proof::Password)
            } else {
                Err(wrong)
            };
        };
        if is_password && !verifier.claims(field) {
            return Ok(Proof::Password);
        }
        let whose = match verified.and_then(|answer| answer.by(verifier)) {
            Some(whose) => whose.clone(),
            None => match verifier.at_once(field) {
                AtOnce::Of(name) => Some(name),
                AtOnce::OfNobody => None,
                AtOnce::Unknown(subject) => {
                    let question = Question::new(Arc::clone(verifier), field, subject);
                    return Err(Unidentified::Asks(question));
                }
            },
        };
        whose.map(Proof::User).ok_or(wrong)
    }

    fn role_of(&self, address: Option<IpAddr>) -> Option<&Arc<str>> {
        self.sources.as_ref()?.role_of(address?)
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
