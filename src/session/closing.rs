//! State: the end of a connection, without losing the last answer: write, half-close, discard what the client still
//! sends until it ends or 2 s are over. A plain close would turn an unread request into a reset that overtakes the
//! answer.

use std::time::{Duration, Instant};

use crate::flow::{End, Flows, Gate};
use crate::net::Side;

use super::{Action, Close, Cx, Input, STRANGER_TIMEOUT, Shared, State};

/// How long the client gets to read the end and close.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the last bytes may stand still before they are given up.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// Ending a connection.
#[derive(Debug)]
pub struct Closing {
    /// When it began.
    since: Instant,
    /// When the half-close was sent.
    hung_up: Option<Instant>,
}

impl Closing {
    /// Ends a connection on which nothing is pending.
    pub(super) fn gracefully(flows: &mut Flows, cx: &mut Cx<'_>) -> State {
        if flows.up.end >= End::Reached && !flows.down.has_unsent() {
            return State::close(Close::Orderly, cx);
        }
        Self::linger(flows, cx)
    }

    /// Whatever is written for the client goes out, then the connection ends.
    pub(super) fn linger(flows: &mut Flows, cx: &mut Cx<'_>) -> State {
        // Counted from now on, not from when the client was last heard of.
        flows.down.touched = cx.now;
        // The origin gets nothing more, and the client is read whatever became of it.
        flows.up.drop_unsent();
        flows.up.dead = false;
        flows.up.gate = Gate::Hold;
        State::Closing(Closing {
            since: cx.now,
            hung_up: None,
        })
    }

    pub(super) fn deadline(&self, flows: &Flows, shared: &Shared) -> Instant {
        match self.hung_up {
            Some(at) => at + LINGER_TIMEOUT,
            // However slowly it reads.
            None if shared.is_stranger => self.since + STRANGER_TIMEOUT,
            None => flows.down.touched + FLUSH_TIMEOUT,
        }
    }

    pub(super) fn advance(
        mut self,
        input: Input<'_>,
        flows: &mut Flows,
        shared: &Shared,
        cx: &mut Cx<'_>,
    ) -> State {
        match input {
            Input::Broken(Side::Client, _) | Input::Unwritable(Side::Client, _) | Input::Terminate => {
                return Self::give_up(flows, cx);
            }
            Input::Expired if self.deadline(flows, shared) <= cx.now => return Self::give_up(flows, cx),
            _ => {}
        }
        flows.up.rx.clear();
        if self.hung_up.is_none() && !flows.down.has_unsent() {
            self.hung_up = Some(cx.now);
            cx.actions.push(Action::DropOrigin);
            cx.actions.push(Action::Hangup(Side::Client));
        }
        if self.hung_up.is_some() && flows.up.end >= End::Reached {
            return State::close(Close::Orderly, cx);
        }
        State::Closing(self)
    }

    /// Ends at once. Where something was left unsaid, the end must not be taken for that of a body.
    fn give_up(flows: &Flows, cx: &mut Cx<'_>) -> State {
        let unsaid = flows.down.has_unsent();
        State::close(if unsaid { Close::Abort } else { Close::Orderly }, cx)
    }
}
