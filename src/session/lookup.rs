//! State: waiting for a name's addresses. A literal needs none and is vetted at once; nothing resolves twice.
//! How long to wait is decided here, for the system's resolver may never answer.

use std::net::IpAddr;
use std::ops::ControlFlow::{Break, Continue};
use std::time::Instant;

use crate::net::{Host, LookupFail, LookupFailKind, Side};
use crate::policy::{Route, VETTED_MAX};

use super::at::At;
use super::due::is_due;
use super::errand::Errand;
use super::refusal::Refusal;
use super::shared::Shared;
use super::then::{Rest, Reuse, Step, Then};
use super::words::{Action, Input, Settings};

/// How many addresses are dialled before all are known: the others', of the other family, must find room beside them.
const PART_MAX: usize = VETTED_MAX / 2;

/// Waiting for addresses.
#[derive(Debug)]
pub(super) struct Lookup {
    errand: Errand,
    since: Instant,
}

impl Lookup {
    /// Asks for the addresses of an allowed request's host.
    pub(super) fn enter(errand: Errand, at: &mut At<'_, '_>) -> Step<Lookup> {
        let allowed = &errand.request.allowed;
        let host = match allowed.route() {
            Route::Direct => &allowed.target().host,
        };
        let name = match host {
            // Its address is in the target; nothing needs to be found.
            Host::Addr(_) => return Break(vet(errand, &[], at)),
            Host::Name(name) => name.clone(),
        };
        let seq = at.shared.next_seq();
        at.act(Action::Resolve(seq, name));
        let since = at.cx.now;
        Continue(Lookup { errand, since })
    }

    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Instant {
        let own = self.since + settings.dns_timeout;
        self.errand
            .half_close_deadline(shared)
            .map_or(own, |half_close| half_close.min(own))
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.errand.request.head.len()
    }

    pub(super) fn advance(mut self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Lookup> {
        let then = match input {
            Input::Partly(_, found) => return self.begin(found, at),
            Input::Resolved(_, answer) => {
                self.note_time(at);
                match answer {
                    Ok(found) => vet(self.errand, found, at),
                    Err(fail) => self.errand.refuse(lookup_refusal(fail)),
                }
            }
            Input::Expired if is_due(self.errand.half_close_deadline(at.shared), at.cx.now) => {
                self.errand.abandon("the client closed its connection", at)
            }
            Input::Expired if self.deadline(at.shared, at.cx.settings) <= at.cx.now => {
                at.act(Action::Cancel);
                self.note_time(at);
                let host = &self.errand.request.allowed.target().host;
                let text = format!("lookup {host}: i/o timeout");
                self.errand.refuse(Refusal::LookupTimedOut(text.into()))
            }
            Input::Broken(Side::Client, fail) => self.errand.abandon(&fail.text, at),
            Input::Terminate => self.errand.abandon("the proxy shut down", at),
            _ => return Continue(self),
        };
        Break(then)
    }

    /// Dials what is known, unless it is denied: the rest may be allowed, and else the first of all is to be named.
    fn begin(mut self, found: &[IpAddr], at: &mut At<'_, '_>) -> Step<Lookup> {
        let Ok(mut passed) = self.errand.vetted(found, at.cx) else {
            return Continue(self);
        };
        passed.addresses.truncate(PART_MAX);
        self.errand.take(passed, at.cx);
        self.note_time(at);
        let rest = Rest::Awaited(self.since + at.cx.settings.dns_timeout);
        Break(Then::Dial(self.errand, Reuse::IfIdle, rest))
    }

    fn note_time(&mut self, at: &At<'_, '_>) {
        let time = at.cx.now.duration_since(self.since);
        self.errand.record.dns_lookup_time = Some(time.into());
    }
}

/// Vets all there are.
fn vet(mut errand: Errand, found: &[IpAddr], at: &At<'_, '_>) -> Then {
    match errand.vetted(found, at.cx) {
        Ok(passed) => {
            errand.take(passed, at.cx);
            Then::Dial(errand, Reuse::IfIdle, Rest::Known)
        }
        Err(denied) => errand.refuse(Refusal::Denied(denied)),
    }
}

fn lookup_refusal(fail: &LookupFail) -> Refusal {
    match fail.kind {
        LookupFailKind::Failed => Refusal::LookupFailed(fail.text.clone()),
        LookupFailKind::TimedOut => Refusal::LookupTimedOut(fail.text.clone()),
        LookupFailKind::Overloaded => Refusal::Overloaded("Too many names are being looked up."),
    }
}
