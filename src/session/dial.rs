//! State: waiting for a connection to one of the vetted addresses. More of them may still be looked up: they join.

use std::net::IpAddr;
use std::ops::ControlFlow::{Break, Continue};

use crate::clock::Instant;
use crate::net::{IoFailKind, Side};
use crate::policy::Route;

use super::approach::{Approach, Reached};
use super::at::At;
use super::due::{earliest, is_due};
use super::errand::Errand;
use super::onward::onward;
use super::refusal::Refusal;
use super::shared::Shared;
use super::then::{Rest, Reuse, Step, Then};
use super::words::{Action, DialFail, Dialled, Input, Settings, Wanted};

/// Waiting for a connection.
#[derive(Debug)]
pub(super) struct Dial {
    errand: Errand,
    since: Instant,
    rest: Rest,
}

impl Dial {
    /// Dials. Where the lookup that gave the addresses goes on, the dial takes its number, so that both may answer.
    pub(super) fn enter(mut errand: Errand, reuse: Reuse, rest: Rest, at: &mut At<'_, '_>) -> Dial {
        let seq = match rest {
            Rest::Awaited(_) => at.shared.seq,
            Rest::Known => at.shared.next_seq(),
        };
        let request = &errand.request;
        let key = match reuse {
            Reuse::IfIdle => request.pool_key(),
            Reuse::Never => None,
        };
        let wanted = key.map(|key| Wanted {
            key,
            fresh: !request.is_repeatable(),
        });
        at.act(Action::Dial(seq, request.addresses.clone(), wanted));
        let since = at.cx.now;
        errand.record.dialled_after = Some(since.duration_since(errand.request.began).into());
        Dial { errand, since, rest }
    }

    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Option<Instant> {
        let own = earliest(self.own_deadline(settings), self.rest_until());
        earliest(own, self.errand.half_close_deadline(shared))
    }

    fn own_deadline(&self, settings: &Settings) -> Option<Instant> {
        Some(self.since + settings.connect_timeout?)
    }

    fn rest_until(&self) -> Option<Instant> {
        match self.rest {
            Rest::Known => None,
            Rest::Awaited(until) => Some(until),
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.errand.request.head.len()
    }

    pub(super) fn advance(mut self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Dial> {
        let then = match input {
            Input::Dialled(_, Ok(dialled)) => self.arrive(dialled, at),
            Input::Dialled(_, Err(fail)) => {
                self.errand
                    .request
                    .lost
                    .get_or_insert_with(|| Box::new(fail.clone()));
                return self.wait_for_rest(at);
            }
            Input::Resolved(_, answer) if self.rest != Rest::Known => {
                return self.join(answer.unwrap_or_default(), at);
            }
            Input::Expired if is_due(self.errand.half_close_deadline(at.shared), at.cx.now) => {
                self.errand.abandon("the client closed its connection", at)
            }
            Input::Expired if is_due(self.own_deadline(at.cx.settings), at.cx.now) => {
                at.act(Action::Cancel);
                // Who answered, if only by a refusal, is not who kept us waiting.
                let refusal = match &self.errand.request.lost {
                    Some(fail) => self.failed(fail),
                    None => self.out_of_time(at),
                };
                self.errand.refuse(refusal)
            }
            Input::Expired if is_due(self.rest_until(), at.cx.now) => {
                self.rest = Rest::Known;
                return self.wait_for_rest(at);
            }
            Input::Broken(Side::Client, fail) => self.errand.abandon(&fail.text, at),
            Input::Terminate => self.errand.abandon("the proxy shut down", at),
            _ => return Continue(self),
        };
        Break(then)
    }

    /// All addresses are known: those that were not dialled yet are.
    fn join(mut self, found: &[IpAddr], at: &mut At<'_, '_>) -> Step<Dial> {
        self.rest = Rest::Known;
        let more = self.errand.vet_rest(found, at.cx);
        self.errand.note_exception(at.cx);
        if more.is_empty() {
            return self.wait_for_rest(at);
        }
        let action = match self.errand.request.lost {
            None => Action::Join(more),
            // What was dialled before is named if these fail too.
            Some(_) => Action::Dial(at.shared.next_seq(), more, None),
        };
        at.act(action);
        Continue(self)
    }

    /// Lost is a dial only when no address is left to wait for.
    fn wait_for_rest(mut self, at: &mut At<'_, '_>) -> Step<Dial> {
        if self.rest != Rest::Known {
            return Continue(self);
        }
        match self.errand.request.lost.take() {
            Some(fail) => {
                at.act(Action::Cancel);
                let refusal = self.failed(&fail);
                Break(self.errand.refuse(refusal))
            }
            None => Continue(self),
        }
    }

    fn arrive(mut self, dialled: Dialled, at: &mut At<'_, '_>) -> Then {
        if self.rest != Rest::Known {
            // The rest is of no interest any more; nor would its answer be the next question's.
            at.act(Action::Cancel);
            at.shared.next_seq();
        }
        let Errand { request, record } = &mut self.errand;
        // An upstream's own address is let pass by none.
        if *request.allowed.route() == Route::Direct {
            let exception = at.cx.policy.private_exception(&request.allowed, dialled.remote);
            record.note_private_exception(exception);
        }
        record.outbound_remote = Some(dialled.remote.into());
        record.outbound_local = dialled.local.map(Into::into);
        record.is_reused = dialled.reused;
        record.establish_time = Some(at.cx.now.duration_since(self.since).into());
        let approach = Approach {
            errand: self.errand,
            connection: dialled,
            since: self.since,
        };
        onward(approach, Reached::Connected)
    }

    /// Of several addresses some may have failed otherwise before; the race alone knows which.
    fn out_of_time(&self, at: &At<'_, '_>) -> Refusal {
        let waited = at.cx.now.duration_since(self.since);
        let limit = at.cx.settings.connect_timeout.unwrap_or(waited);
        let addresses = &self.errand.request.addresses;
        let first = addresses
            .first()
            .map(|vetted| vetted.address().to_string())
            .unwrap_or_default();
        let text = match addresses.len() {
            0 | 1 => format!("dial tcp {first}: no answer within {limit:?}"),
            several => format!(
                "dial tcp {first} and {} more: no connection within {limit:?}",
                several - 1
            ),
        };
        Refusal::DialTimedOut(self.errand.request.at_whom(&text))
    }

    /// What a failed dial is answered with.
    fn failed(&self, DialFail { address, fail }: &DialFail) -> Refusal {
        let text = self
            .errand
            .request
            .at_whom(&format!("dial tcp {address}: {}", fail.text));
        match fail.kind {
            IoFailKind::TimedOut => Refusal::DialTimedOut(text),
            IoFailKind::Exhausted => Refusal::Overloaded("No socket is left for the connection."),
            kind @ (IoFailKind::Refused
            | IoFailKind::Unreachable
            | IoFailKind::Reset
            | IoFailKind::Tls(_)
            | IoFailKind::Other) => Refusal::DialFailed(kind, text),
        }
    }
}
