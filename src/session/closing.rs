//! State: the end of a connection, without losing the last answer: write, half-close, discard what the client still
//! sends until it ends or 2 s are over. A plain close would turn an unread request into a reset that overtakes the
//! answer.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use crate::clock::Instant;
use crate::flow::{End, Flows, Gate};
use crate::net::Side;

use super::at::At;
use super::shared::{STRANGER_TIMEOUT, Shared};
use super::then::{Step, Then};
use super::words::{Action, Close, Input};

/// How long the client gets to read the end and close.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the last bytes may stand still before they are given up.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// Ending a connection.
#[derive(Debug)]
pub(super) struct Closing {
    /// When it began.
    since: Instant,
    /// When the half-close was asked for.
    hung_up: Option<Instant>,
}

impl Closing {
    /// Whatever is written for the client goes out, then the connection ends.
    pub(super) fn enter(at: &mut At<'_, '_>) -> Closing {
        // Counted from now on, not from when the client was last heard of.
        at.flows.down.touched = at.cx.now;
        // The origin gets nothing more, and the client is read whatever became of it.
        at.flows.up.drop_unsent();
        at.flows.up.dead = false;
        at.flows.up.gate = Gate::Hold;
        Closing {
            since: at.cx.now,
            hung_up: None,
        }
    }

    pub(super) fn deadline(&self, flows: &Flows, shared: &Shared) -> Instant {
        match self.hung_up {
            // What says so may have waited in the wire for long.
            Some(at) if !flows.down.has_unsent() => at.max(flows.down.touched) + LINGER_TIMEOUT,
            // However slowly it reads.
            _ if shared.is_stranger || !shared.is_proxied() => self.since + STRANGER_TIMEOUT,
            _ => flows.down.touched + FLUSH_TIMEOUT,
        }
    }

    pub(super) fn advance(mut self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Closing> {
        match input {
            Input::Broken(Side::Client, _) | Input::Unwritable(Side::Client, _) | Input::Terminate => {
                return Break(give_up(at.flows));
            }
            Input::Expired if self.deadline(at.flows, at.shared) <= at.cx.now => {
                return Break(give_up(at.flows));
            }
            _ => {}
        }
        at.flows.up.rx.clear();
        if at.flows.down.has_unsent() {
            return Continue(self);
        }
        if self.hung_up.is_none() {
            self.hung_up = Some(at.cx.now);
            at.act(Action::DropOrigin);
            // Only when that is done does it show whether the wire keeps some of it.
            at.act(Action::Hangup(Side::Client));
            return Continue(self);
        }
        match at.flows.up.end >= End::Reached {
            true => Break(Then::Close(Close::Orderly)),
            false => Continue(self),
        }
    }
}

/// Ends at once. Where something was left unsaid, the end must not be taken for that of a body.
fn give_up(flows: &Flows) -> Then {
    Then::Close(match flows.down.has_unsent() {
        true => Close::Abort,
        false => Close::Orderly,
    })
}
