//! A request that was let out, on its way: the request and what is to be said of it. Holds the only place where addresses
//! are vetted.

use std::net::IpAddr;
use std::time::Instant;

use crate::policy::{Denied, Passed, Route, VettedList};

use super::at::Cx;
use super::outcome::Record;
use super::request::Request;
use super::shared::Shared;

/// Two boxes, for the record goes on alone where the request is over: into the log, or with a tunnel until that ends.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) request: Box<Request>,
    pub(super) record: Box<Record>,
}

impl Errand {
    /// What the addresses found come to, none of them of a literal, whose address stands in the target.
    ///
    /// # Errors
    /// The first of them that is denied, where none is allowed.
    pub(super) fn vetted(&self, found: &[IpAddr], cx: &Cx<'_>) -> Result<Passed, Denied> {
        let allowed = &self.request.allowed;
        match allowed.route() {
            Route::Direct => cx.policy.vet(allowed, found, cx.is_local),
        }
    }

    /// It is to be dialled at these, as its log will say.
    pub(super) fn take(&mut self, passed: Passed, cx: &Cx<'_>) {
        self.request.addresses = passed.addresses;
        self.record.by_rule = Some(passed.by_rule);
        self.note_exception(cx);
    }

    /// Notes the private exception that lets it to the first of its addresses that has one; which of them it was dialled at
    /// is not known yet, and where none answers never will be.
    pub(super) fn note_exception(&mut self, cx: &Cx<'_>) {
        let Request {
            allowed, addresses, ..
        } = &*self.request;
        if !allowed.has_exceptions() {
            return;
        }
        let mut lets = addresses
            .iter()
            .map(|vetted| cx.policy.private_exception(allowed, vetted.address()));
        let exception = lets.find_map(|exception| exception);
        self.record.note_private_exception(exception);
    }

    /// The addresses that it may be dialled at beside those it is dialled at; none when there are no more.
    pub(super) fn vet_rest(&mut self, found: &[IpAddr], cx: &Cx<'_>) -> VettedList {
        let mut more = self
            .vetted(found, cx)
            .map_or_else(|_| VettedList::default(), |passed| passed.addresses);
        let dialled = &mut self.request.addresses;
        more.retain(|address| !dialled.contains(address));
        more.truncate(dialled.room());
        more.iter().for_each(|&address| dialled.push(address));
        more
    }

    /// When its client has waited for long enough behind its FIN.
    pub(super) fn half_close_deadline(&self, shared: &Shared) -> Option<Instant> {
        match self.request.outlives_fin() {
            true => None,
            false => shared.half_close_deadline(self.request.began),
        }
    }
}
