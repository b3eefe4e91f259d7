//! Who asks: what a request brings along to say so, and what that comes to. Inside of an intercepted tunnel it was said with
//! its CONNECT, and is asked about again once another policy is in force: a client whose credentials were revoked gets no
//! further there than on any connection that is kept.

use crate::http::fields;
use crate::net::ClientKey;
use crate::policy::{self, Credentials, Role, Unidentified};

use super::super::at::Cx;
use super::super::refusal::Refusal;
use super::super::shared::Shared;
use super::{Judge, Stop};

impl<'h> Judge<'h> {
    /// Who asks. From then on what is asked counts.
    pub(super) fn identify(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) -> Result<Role, Stop> {
        let role = match shared.inside().and_then(|inside| inside.role_by(cx.policy)) {
            Some(role) => role.clone(),
            None => self.authenticate(shared, cx)?,
        };
        if let Some(inside) = shared.inside_mut() {
            inside.note_role(&role, cx.policy);
        }
        if let Role::Named(name) = &role {
            self.record.role = Some(name.clone());
        }
        if shared.is_stranger {
            self.keep_trace_id();
        }
        shared.note_known();
        Ok(role)
    }

    fn authenticate(&mut self, shared: &Shared, cx: &mut Cx<'_>) -> Result<Role, Stop> {
        let given = match shared.inside() {
            None => self.credentials(),
            Some(inside) => inside.introduction.credentials(),
        };
        // The comparison comes first: right credentials are never too many.
        match cx.policy.authenticate(given, self.verified, &shared.asker()) {
            Ok(role) => Ok(role),
            Err(Unidentified::Asks(question)) => Err(Stop::Ask(question)),
            Err(Unidentified::Refused(refused)) => {
                // Nothing that is said inside of a tunnel would make it another's.
                self.manner.persists &= shared.inside().is_none();
                if refused == policy::Refused::Wrong
                    && !cx.guesses.admits(ClientKey::of(shared.client.ip()), cx.now)
                {
                    self.manner.persists = false;
                    return Err(Refusal::RateLimited.into());
                }
                Err(Refusal::Unidentified(refused).into())
            }
        }
    }

    /// What the head brings along.
    pub(super) fn credentials(&self) -> Credentials<'h> {
        let mut values = fields::field(self.head.fields, "proxy-authorization");
        match (values.next(), values.next()) {
            (None, _) => Credentials::Absent,
            (Some(value), None) => Credentials::Given(value),
            (Some(_), Some(_)) => Credentials::Several,
        }
    }
}
