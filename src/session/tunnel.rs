//! State: a tunnel. Both gates stand open, the pump does the work; here is only noticed how it ends. What the client says
//! first may have to be looked at before: that is `peek`'s business.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use crate::clock::Instant;
use crate::flow::{End, Flows, Gate};
use crate::net::{IoFail, IoFailKind, Side};
use crate::policy::Policy;
use crate::policy::quota::Permits;

use super::at::At;
use super::due::{earliest, is_due};
use super::errand::Errand;
use super::meter;
use super::outcome::{Extent, Record, Sni, TunnelEnd};
use super::peek::{Peek, Seen};
use super::recheck::{self, Withdrawn};
use super::then::{Step, Then};
use super::words::{Action, Close, Input, Settings};

/// A half-closed tunnel in which nothing moves ends after this long, if not after the idle timeout.
const HALF_CLOSED_TIMEOUT: Duration = Duration::from_secs(60);

/// A tunnel.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// Becomes the close line.
    record: Box<Record>,
    began: Instant,
    /// What it holds of limits.
    permits: Permits,
    /// When the first half was closed.
    half_closed_at: Option<Instant>,
    /// Nothing of the client's leaves before it was looked at.
    peek: Option<Peek>,
}

impl Tunnel {
    /// Answers a CONNECT whose dial succeeded; where another policy came into force meanwhile, by what that says of it.
    pub(super) fn accept(mut errand: Errand, at: &mut At<'_, '_>) -> Step<Tunnel> {
        recheck::note_way(&mut errand.record, &errand.request.allowed, at.cx);
        if recheck::is_due(&errand.request.allowed, at.cx) {
            match recheck::judge(&errand.record, at.cx) {
                Ok(allowed) => errand.request.allowed = allowed,
                Err(withdrawn) => {
                    at.drop_origin();
                    return Break(errand.refuse(withdrawn.into_refusal()));
                }
            }
        }
        let Errand { mut request, record } = errand;
        at.shared.front().accept_tunnel(&mut at.flows.down.tx);
        request.meter(at.cx.policy);
        // An open tunnel is no request any more.
        let mut permits = std::mem::take(&mut request.permits);
        permits.end_request();
        let peek = Peek::of(request, at);
        let tunnel = Self::enter(record, permits, at);
        if peek.is_some() {
            at.flows.up.gate = Gate::Hold;
        }
        Continue(Tunnel { peek, ..tunnel })
    }

    /// Writes the decision line, opens both gates and begins to count; the record goes on and becomes the close line. What
    /// the client sent ahead is in `up.rx` and leaves first. Inside of an intercepted tunnel that one's count goes on.
    pub(super) fn enter(record: Box<Record>, permits: Permits, at: &mut At<'_, '_>) -> Tunnel {
        at.log_decision(&record);
        let began = at.cx.now;
        for flow in [&mut at.flows.up, &mut at.flows.down] {
            flow.gate = Gate::Open;
            flow.touched = began;
            if at.shared.inside().is_none() {
                flow.moved_bytes = 0;
            }
        }
        Tunnel {
            record,
            began,
            permits,
            half_closed_at: None,
            peek: None,
        }
    }

    /// Are its bytes counted?
    pub(super) fn is_metered(&self) -> bool {
        self.permits.are_metered()
    }

    /// Has its bytes counted from now on where this policy limits its role's.
    pub(super) fn meter(&mut self, policy: &Policy) {
        policy.meter(&recheck::role(&self.record), &mut self.permits);
    }

    /// What is known of it.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    pub(super) fn deadline(&self, flows: &Flows, settings: &Settings) -> Option<Instant> {
        let of_hello = self.peek.as_ref().and_then(|peek| peek.deadline(self.began));
        earliest(of_hello, self.standstill_deadline(flows, settings))
    }

    fn standstill_deadline(&self, flows: &Flows, settings: &Settings) -> Option<Instant> {
        let idle = settings.idle_timeout;
        match self.half_closed_at {
            Some(at) => {
                let limit = idle.map_or(HALF_CLOSED_TIMEOUT, |idle| idle.min(HALF_CLOSED_TIMEOUT));
                Some(flows.touched().max(at) + limit)
            }
            None => Some(flows.touched() + idle?),
        }
    }

    pub(super) fn advance(mut self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Tunnel> {
        if let Some(mut peek) = self.peek.take() {
            match peek.look(&input, self.began, at) {
                Seen::NotYet => self.peek = Some(peek),
                Seen::Passes(sni) => self.open(peek, sni, at),
                Seen::Denied(sni, alert) => return Break(self.deny(sni, alert, at)),
            }
        }
        // Before anything is looked at, for what may not leave looks like nothing.
        meter::grant(&mut self.permits, at);
        match input {
            Input::Unwritable(Side::Origin, fail) => self.origin_unwritable(fail, at.flows),
            Input::Broken(_, fail) | Input::Unwritable(_, fail) => return Break(self.broken(fail, at)),
            Input::Expired if is_due(self.standstill_deadline(at.flows, at.cx.settings), at.cx.now) => {
                return Break(self.cease("idle timeout", false, at));
            }
            Input::Terminate => return Break(self.cease("", true, at)),
            Input::Recheck => return self.judged_if(true, at),
            _ => {}
        }
        let Flows { up, down } = &*at.flows;
        // What came before a cut has left, and nobody may take it for complete.
        if up.is_cut() || down.is_cut() {
            let error = if told_all(at.flows) { "" } else { "unexpected EOF" };
            self.log(error, false, at);
            return Break(Then::Close(Close::Abort));
        }
        let (up_over, down_over) = (up.is_over(), down.is_over());
        // A cut that waits for its receiver has a limit as a half-close has.
        if up_over || down_over || at.flows.has_cut() {
            self.half_closed_at.get_or_insert(at.cx.now);
        }
        // What tells of an end may wait in the wire as bytes do.
        if !up_over || !down_over || up.has_unsent() || down.has_unsent() {
            return self.go_on(at);
        }
        let dead = up.dead;
        self.log("", false, at);
        Break(match dead {
            true => Then::Linger,
            false => Then::Close(Close::Orderly),
        })
    }

    /// It goes on where the policy that is in force would let it out, if that is asked.
    pub(super) fn judged_if(mut self, is_due: bool, at: &mut At<'_, '_>) -> Step<Tunnel> {
        if !is_due {
            return Continue(self);
        }
        match recheck::judge(&self.record, at.cx) {
            Ok(allowed) => {
                if let Some(peek) = &mut self.peek {
                    peek.renew(allowed);
                }
                Continue(self)
            }
            Err(withdrawn) => Break(self.withdraw(withdrawn, at)),
        }
    }

    /// Ends it, by the policy in force.
    fn withdraw(mut self, withdrawn: Withdrawn, at: &mut At<'_, '_>) -> Then {
        withdrawn.note(&mut self.record, at.cx.policy);
        self.cease("", false, at)
    }

    /// What the client says may pass from now on.
    fn open(&mut self, peek: Peek, sni: Option<Sni>, at: &mut At<'_, '_>) {
        at.cx.spares.put_back(peek.into_request());
        at.flows.up.gate = Gate::Open;
        if let Some(sni) = sni {
            self.record.note_sni(sni);
        }
    }

    /// Nothing of what the client says may pass: it is told so, and the origin hears nothing.
    fn deny(mut self, sni: Sni, alert: &[u8], at: &mut At<'_, '_>) -> Then {
        self.record.note_sni_denied(sni);
        self.log("", false, at);
        at.drop_origin();
        at.flows.down.tx.push(alert);
        Then::Linger
    }

    /// It goes on, unless its role has used up the day: then it ends, once nothing that was granted is on its way.
    fn go_on(mut self, at: &mut At<'_, '_>) -> Step<Tunnel> {
        if !self.permits.are_spent(at.cx.wall) {
            // Another day came, or a higher number, before what was on its way had left.
            let ends = at.flows.up.is_over() || at.flows.down.is_over() || at.flows.has_cut();
            self.half_closed_at.take_if(|_| !ends);
            return Continue(self);
        }
        // Whoever takes nothing has a limit as behind a half-close.
        self.half_closed_at.get_or_insert(at.cx.now);
        if meter::is_under_way(&at.flows.up) || meter::is_under_way(&at.flows.down) {
            return Continue(self);
        }
        let exceeded = at
            .cx
            .policy
            .out_of_bytes(&recheck::role(&self.record), at.cx.moment());
        self.record.note_limit(exceeded);
        Break(self.cease(meter::SPENT, false, at))
    }

    /// Ends whatever is under way, which is no end of either side's. What was cut stays so though its receiver has not taken what came before.
    fn cease(self, error: &str, active_at_termination: bool, at: &mut At<'_, '_>) -> Then {
        self.log(error, active_at_termination, at);
        Then::Close(match at.flows.has_cut() {
            true => Close::Abort,
            false => Close::Unsaid,
        })
    }

    /// The origin takes nothing any more, but what it sent before is still to be delivered.
    fn origin_unwritable(&mut self, fail: &IoFail, flows: &mut Flows) {
        let broke = flows.lose_origin();
        flows.up.rx.clear();
        // One that ended its half before has left in order: a last word to it, such as TLS's, may meet a reset.
        if broke {
            self.record.note_error(&fail.text);
        }
    }

    /// A reset travels as a reset: nobody may take what he got for complete. It is no error of a client that was told
    /// everything, the end too, and closed with some of that unread.
    fn broken(self, fail: &IoFail, at: &mut At<'_, '_>) -> Then {
        let error = match fail.kind {
            _ if told_all(at.flows) => "",
            IoFailKind::Reset => "connection reset by peer",
            _ => &fail.text,
        };
        self.log(error, false, at);
        Then::Close(Close::Abort)
    }

    fn log(mut self, error: &str, active_at_termination: bool, at: &mut At<'_, '_>) {
        if !error.is_empty() {
            self.record.note_error(error);
        }
        if let Some(inside) = at.shared.inside_mut() {
            return inside.note_end_of(*self.record);
        }
        let end = TunnelEnd::now(at.flows, self.began, at.cx.moment(), active_at_termination);
        self.record.extent = Extent::Tunnel(Box::new(end));
        at.act(Action::Log(self.record));
    }
}

/// Was the client told everything, the end too? How it goes away after that is no error.
fn told_all(flows: &Flows) -> bool {
    let Flows { up, down } = flows;
    down.end == End::Passed && !down.has_unsent() && !up.has_unsent()
}
