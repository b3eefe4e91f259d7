//! What an intercepted tunnel is, for as long as its client is connected: where it leads and whose it is, as its CONNECT said,
//! and what is to be said of it at its end. Each request inside of it is judged by itself (`judge`).

use std::sync::Arc;

use crate::clock::Instant;
use crate::flow::Flows;
use crate::net::Target;
use crate::policy::quota::{Moment, Permits};
use crate::policy::{Policy, Role};

use super::introduction::Introduction;
use super::outcome::{Extent, Record, TunnelEnd};
use super::request::Request;

/// An intercepted tunnel.
#[derive(Debug)]
pub(super) struct Inside {
    /// Where it leads: requests for any other host are refused.
    pub(super) target: Target,
    /// Whose it is. Nobody says so again inside of it, as in any tunnel,
    role: Role,
    /// by the policy with this number.
    generation: u32,
    /// What its client said with its CONNECT.
    pub(super) introduction: Introduction,
    /// Becomes the close line.
    record: Box<Record>,
    /// Its place among the tunnels. What passes is counted by its requests.
    #[expect(dead_code, reason = "given back when it is dropped")]
    permits: Permits,
    began: Instant,
    /// The server ended before it did.
    is_terminated: bool,
}

impl Inside {
    /// Begins now, with the request that was let out and what was said of it.
    pub(super) fn begin(request: &mut Request, record: Box<Record>, now: Instant) -> Box<Inside> {
        let mut permits = std::mem::take(&mut request.permits);
        permits.end_request();
        Box::new(Inside {
            target: request.allowed.target().clone(),
            role: request.role.clone(),
            generation: request.allowed.generation(),
            introduction: request
                .asked
                .introduction
                .take()
                .map_or_else(Introduction::default, |said| *said),
            record,
            permits,
            began: now,
            is_terminated: false,
        })
    }

    /// Is that where it leads?
    pub(super) fn leads_to(&self, target: &Target) -> bool {
        self.target.host == target.host && self.target.port == target.port
    }

    /// Whose it is.
    pub(super) fn role(&self) -> &Role {
        &self.role
    }

    /// Notes whose it is, and where it leads, of what comes in it and asks for nothing that could be read.
    pub(super) fn note_in(&self, record: &mut Record) {
        record.requested_host = Arc::clone(&self.target.written);
        record.project.clone_from(&self.record.project);
        if let Role::Named(name) = &self.role {
            record.role = Some(Arc::clone(name));
        }
    }

    /// Whose it is, if this policy said so.
    pub(super) fn role_by(&self, policy: &Policy) -> Option<&Role> {
        (self.generation == policy.generation()).then_some(&self.role)
    }

    /// This policy says whose it is.
    pub(super) fn note_role(&mut self, role: &Role, policy: &Policy) {
        if self.generation != policy.generation() {
            (self.role, self.generation) = (role.clone(), policy.generation());
        }
    }

    /// As people call it.
    pub(super) fn name(&self) -> &str {
        &self.target.written
    }

    /// What it is remembered for.
    pub(super) fn record_mut(&mut self) -> &mut Record {
        &mut self.record
    }

    /// The server ends now, while it is there.
    pub(super) fn note_terminated(&mut self) {
        self.is_terminated = true;
    }

    /// A request inside of it became a tunnel itself, and ends so: by that it ends too, and there is one line for both.
    pub(super) fn note_end_of(&mut self, switched: Record) {
        self.record.note_end_of(switched);
    }

    /// What its close line says.
    pub(super) fn end(self, flows: &Flows, at: Moment) -> Box<Record> {
        let mut record = self.record;
        let end = TunnelEnd::now(flows, self.began, at, self.is_terminated);
        record.extent = Extent::Tunnel(Box::new(end));
        record
    }
}
