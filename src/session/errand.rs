//! A request that was let out, on its way: the request and what is to be said of it. Holds the only place where addresses
//! are vetted or trusted.

use std::net::IpAddr;

use crate::clock::Instant;
use crate::flow::Buf;
use crate::http::rewrite;
use crate::net::Writer;
use crate::policy::{Passed, Route, Untrusted, Upstream, VettedList};

use super::at::Cx;
use super::outcome::Record;
use super::refusal::Refusal;
use super::request::Request;
use super::shared::Shared;

/// Two boxes, for the record goes on alone where the request is over: into the log, or with a tunnel until that ends.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) request: Box<Request>,
    pub(super) record: Box<Record>,
}

impl Errand {
    /// What the addresses found come to of whoever is dialled, none of them of a literal, whose address stands in the
    /// target or in the upstream's URL.
    ///
    /// # Errors
    /// None may be dialled.
    pub(super) fn vetted(&self, found: &[IpAddr], cx: &Cx<'_>) -> Result<Passed, Refusal> {
        let allowed = &self.request.allowed;
        let vetted = match allowed.route() {
            Route::Direct => cx.policy.vet(allowed, found, cx.is_local),
            Route::Through(upstream) => match upstream.named_by() {
                Writer::Client => cx.policy.vet_upstream(allowed, upstream, found, cx.is_local),
                Writer::Operator => {
                    let trusted = cx.policy.trust(upstream, found, cx.is_local);
                    let passed = trusted.map(|addresses| Passed {
                        addresses,
                        by_rule: false,
                    });
                    return passed.map_err(|why| untrusted(upstream, why));
                }
            },
        };
        vetted.map_err(Refusal::Denied)
    }

    /// Looks at the addresses found of a target that an upstream will dial.
    ///
    /// # Errors
    /// One of them is denied, or there is none.
    pub(super) fn pass_on(&mut self, found: &[IpAddr], cx: &Cx<'_>) -> Result<(), Refusal> {
        let exception = cx.policy.vet_passed_on(&self.request.allowed, found, cx.is_local);
        self.record
            .note_private_exception(exception.map_err(Refusal::Denied)?);
        Ok(())
    }

    /// It is to be dialled at these, as its log will say.
    pub(super) fn take(&mut self, passed: Passed, cx: &Cx<'_>) {
        self.request.addresses = passed.addresses;
        self.record.by_rule = Some(passed.by_rule);
        self.note_exception(cx);
    }

    /// Notes the private exception that lets it to the first of its addresses that has one; which of them it was dialled at
    /// is not known yet, and where none answers never will be. An upstream needs none.
    pub(super) fn note_exception(&mut self, cx: &Cx<'_>) {
        let Request {
            allowed, addresses, ..
        } = &*self.request;
        if !allowed.has_exceptions() || *allowed.route() != Route::Direct {
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

    /// Writes the CONNECT for its target, with the credentials that its upstream is to be given.
    pub(super) fn ask_for_tunnel(&self, tx: &mut Buf) {
        let allowed = &self.request.allowed;
        let (target, authorization) = match allowed.route() {
            Route::Direct => return,
            Route::Through(upstream) => (allowed.target(), upstream.authorization()),
        };
        // In normal form: whoever reads it must see what was judged.
        let host = target.host.spelled();
        rewrite::tunnel_request(&host, target.port, authorization, tx.writer());
    }

    /// When its client has waited for long enough behind its FIN.
    pub(super) fn half_close_deadline(&self, shared: &Shared) -> Option<Instant> {
        match self.request.outlives_fin() {
            true => None,
            false => shared.half_close_deadline(self.request.began),
        }
    }
}

fn untrusted(upstream: &Upstream, why: Untrusted) -> Refusal {
    match why {
        Untrusted::OwnListener(address) => Refusal::UpstreamIsOurselves(
            format!("upstream proxy {upstream} is {address}, where this proxy listens itself").into(),
        ),
        Untrusted::NoAddress => Refusal::LookupFailed(
            format!("upstream proxy {upstream} has no address of the configured network").into(),
        ),
    }
}
