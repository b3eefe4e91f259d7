//! State: waiting for a name's addresses: the target's, and where the request goes through an upstream then that one's. A literal needs none and is vetted at once; nothing resolves twice.
//! How long to wait is decided here, for the system's resolver may never answer.

use std::net::IpAddr;
use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use crate::clock::Instant;
use crate::net::{Host, LookupFailKind, Side};
use crate::policy::{Route, VETTED_MAX};

use super::at::At;
use super::due::is_due;
use super::errand::Errand;
use super::outcome::Micros;
use super::refusal::Refusal;
use super::shared::Shared;
use super::then::{Rest, Reuse, Step, Then};
use super::words::{Action, Input, Settings};

/// How many addresses are dialled before all are known: the others', of the other family, must find room beside them.
const PART_MAX: usize = VETTED_MAX / 2;

/// Whose name it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    /// The target's.
    Target,
    /// The upstream's that the request goes through, behind the target's.
    Upstream,
}

/// Waiting for addresses.
#[derive(Debug)]
pub(super) struct Lookup {
    errand: Errand,
    since: Instant,
    whose: Whose,
}

impl Lookup {
    /// Asks for the addresses of an allowed request's host, or of the upstream's who alone looks that up.
    pub(super) fn enter(errand: Errand, at: &mut At<'_, '_>) -> Step<Lookup> {
        let whose = match errand.request.allowed.is_looked_up() {
            true => Whose::Target,
            false => Whose::Upstream,
        };
        Lookup::ask(errand, whose, at)
    }

    fn ask(errand: Errand, whose: Whose, at: &mut At<'_, '_>) -> Step<Lookup> {
        let since = at.cx.now;
        let lookup = Lookup { errand, since, whose };
        let name = match lookup.host() {
            // Its address is at hand; nothing needs to be found.
            Host::Addr(_) => return lookup.found(&[], at),
            Host::Name(name) => name.clone(),
        };
        let seq = at.shared.next_seq();
        at.act(Action::Resolve(seq, name));
        Continue(lookup)
    }

    fn host(&self) -> &Host {
        let allowed = &self.errand.request.allowed;
        match (allowed.route(), self.whose) {
            (Route::Through(upstream), Whose::Upstream) => upstream.host(),
            (Route::Through(_) | Route::Direct, _) => &allowed.target().host,
        }
    }

    /// Is it not the one to be dialled? Then all of its addresses count.
    fn is_passed_on(&self) -> bool {
        self.whose == Whose::Target && *self.errand.request.allowed.route() != Route::Direct
    }

    /// All addresses there are.
    fn found(mut self, found: &[IpAddr], at: &mut At<'_, '_>) -> Step<Lookup> {
        if !self.is_passed_on() {
            return Break(dial(self.errand, found, at));
        }
        match self.errand.pass_on(found, at.cx) {
            Ok(()) => Lookup::ask(self.errand, Whose::Upstream, at),
            Err(refusal) => Break(self.errand.refuse(refusal)),
        }
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
            Input::Partly(_, found) if !self.is_passed_on() => return self.begin(found, at),
            Input::Resolved(_, answer) => {
                self.note_time(at);
                match answer {
                    Ok(found) => return self.found(found, at),
                    Err(fail) => {
                        let text = self.at_whom(&fail.text);
                        self.errand.refuse(lookup_refusal(fail.kind, text))
                    }
                }
            }
            Input::Expired if is_due(self.errand.half_close_deadline(at.shared), at.cx.now) => {
                self.errand.abandon("the client closed its connection", at)
            }
            Input::Expired if self.deadline(at.shared, at.cx.settings) <= at.cx.now => {
                at.act(Action::Cancel);
                self.note_time(at);
                let text = self.at_whom(&format!("lookup {}: i/o timeout", self.host()));
                self.errand.refuse(Refusal::LookupTimedOut(text))
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

    /// The time of both lookups, where there are two.
    fn note_time(&mut self, at: &At<'_, '_>) {
        let time = Micros::from(at.cx.now.duration_since(self.since)).get();
        let noted = &mut self.errand.record.dns_lookup_time;
        let before = noted.map_or(0, Micros::get);
        *noted = Some(Micros::new(time.saturating_add(before)));
    }

    /// Whose lookup failed, where it is not the target's.
    fn at_whom(&self, text: &str) -> Arc<str> {
        match self.whose {
            Whose::Target => text.into(),
            Whose::Upstream => self.errand.request.at_whom(text).into(),
        }
    }
}

/// Vets all there are, and dials those that may be.
fn dial(mut errand: Errand, found: &[IpAddr], at: &At<'_, '_>) -> Then {
    match errand.vetted(found, at.cx) {
        Ok(passed) => {
            errand.take(passed, at.cx);
            Then::Dial(errand, Reuse::IfIdle, Rest::Known)
        }
        Err(refusal) => errand.refuse(refusal),
    }
}

fn lookup_refusal(kind: LookupFailKind, text: Arc<str>) -> Refusal {
    match kind {
        LookupFailKind::Failed => Refusal::LookupFailed(text),
        LookupFailKind::TimedOut => Refusal::LookupTimedOut(text),
        LookupFailKind::Overloaded => Refusal::Overloaded("Too many names are being looked up."),
    }
}
