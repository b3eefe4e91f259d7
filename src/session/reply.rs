//! Answers of our own, and the state that ends a connection without losing the last of them: write, half-close,
//! discard what the client still sends until it ends or 2 s are over. A plain close would turn an unread
//! request into a reset that overtakes the answer.

use std::time::{Duration, Instant};

use crate::flow::{End, Flows, Gate};
use crate::http::reply::{Reply, escape_host, reply};
use crate::net::Side;

use super::head::Head;
use super::outcome::{Record, Refusal};
use super::{Action, Close, Cx, Input, Shared, State};

/// How long the client gets to read the end and close.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the last bytes may stand still before they are given up.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// How a client wants to be answered, and whether its connection can go on afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// It keeps the connection, as far as it is concerned.
    pub persists: bool,
    /// Its request has content that was not read.
    pub body_left: bool,
    /// It asked by HEAD: headers only.
    pub head_only: bool,
    /// It speaks HTTP/1.0.
    pub http10: bool,
}

impl Manner {
    /// Answer and close.
    pub const CLOSING: Manner = Manner {
        persists: false,
        body_left: true,
        head_only: false,
        http10: false,
    };

    /// Answer and close, where nothing of a head could be read but perhaps its method.
    pub fn closing(head: &[u8]) -> Manner {
        Manner {
            head_only: head.starts_with(b"HEAD "),
            ..Manner::CLOSING
        }
    }
}

/// Answers a request by a refusal, logs it, and keeps the connection where that is safe.
pub(super) fn refuse(
    mut record: Box<Record>,
    refusal: Refusal,
    manner: Manner,
    flows: &mut Flows,
    shared: &mut Shared,
    cx: &mut Cx<'_>,
) -> State {
    let keep = manner.persists && !manner.body_left && refusal.leaves_framing_intact() && !shared.draining;
    let (status, reason) = refusal.status(cx.settings.deny_status);
    let answer = Reply {
        status,
        reason,
        text: &refusal.text(&escape_host(&record.requested_host)),
        extra_message: &cx.settings.deny_message_extra,
        cause: refusal.cause(),
        close: !keep,
        head_only: manner.head_only,
        keep_alive_10: keep && manner.http10,
    };
    reply(&answer, flows.down.tx.writer());
    record.note_refusal(refusal, status);
    cx.actions.push(Action::Log(record));
    // The head that no origin got.
    flows.up.drop_unsent();
    if keep {
        Head::next(flows, cx.now)
    } else {
        Closing::linger(flows, cx)
    }
}

/// Ends a request whose client is gone, or must go: nobody is there to be answered.
pub(super) fn abandon(mut record: Box<Record>, why: &str, cx: &mut Cx<'_>) -> State {
    cx.actions.push(Action::Cancel);
    record.note_error(why);
    cx.actions.push(Action::Log(record));
    State::close(Close::Orderly, cx)
}

/// Ends a connection on which nothing is pending.
pub(super) fn close_gracefully(flows: &mut Flows, cx: &mut Cx<'_>) -> State {
    if flows.up.end >= End::Reached && !flows.down.has_unsent() {
        return State::close(Close::Orderly, cx);
    }
    Closing::linger(flows, cx)
}

/// Ending a connection.
#[derive(Debug)]
pub struct Closing {
    /// When the half-close was sent.
    hung_up: Option<Instant>,
}

impl Closing {
    /// Whatever is written for the client goes out, then the connection ends.
    pub(super) fn linger(flows: &mut Flows, cx: &mut Cx<'_>) -> State {
        // Counted from now on, not from when the client was last heard of.
        flows.down.touched = cx.now;
        // The origin gets nothing more, and the client is read whatever became of it.
        flows.up.drop_unsent();
        flows.up.dead = false;
        flows.up.gate = Gate::Hold;
        State::Closing(Closing { hung_up: None })
    }

    pub(super) fn deadline(&self, flows: &Flows) -> Instant {
        match self.hung_up {
            Some(at) => at + LINGER_TIMEOUT,
            None => flows.down.touched + FLUSH_TIMEOUT,
        }
    }

    pub(super) fn advance(mut self, input: Input<'_>, flows: &mut Flows, cx: &mut Cx<'_>) -> State {
        match input {
            Input::Broken(Side::Client, _) | Input::Unwritable(Side::Client, _) | Input::Terminate => {
                return Self::give_up(flows, cx);
            }
            Input::Expired if self.deadline(flows) <= cx.now => return Self::give_up(flows, cx),
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
