//! State: a request's head is complete, and who is asking is found out by work that may block. The head stays where it
//! is, and no more is read, until the answer is there: then the head is judged again, with it.

use std::ops::ControlFlow::{Break, Continue};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Instant;
use crate::net::Side;
use crate::policy::{Interest, Question};

use super::at::At;
use super::due::is_due;
use super::judge;
use super::refusal::Refusal;
use super::shared::Shared;
use super::then::{Step, Then};
use super::waiting;
use super::words::{Action, Close, Input};

/// Whoever does the work may never come back. Long, for whoever asks much waits for his own questions.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Waiting for an answer.
#[derive(Debug)]
pub(super) struct Asking {
    /// Where in `up.rx` the head is.
    head: Range<usize>,
    since: Instant,
    /// Who has this no longer needs no answer.
    #[expect(dead_code, reason = "what counts is that it is kept")]
    interest: Arc<Interest>,
}

impl Asking {
    /// Asks.
    pub(super) fn enter(head: Range<usize>, question: Question, at: &mut At<'_, '_>) -> Asking {
        let (seq, interest) = (at.shared.next_seq(), question.interest());
        at.act(Action::Ask(seq, question));
        Asking {
            head,
            since: at.cx.now,
            interest,
        }
    }

    /// Who closed its half is hardly there any more, and a hash for it would take a thread from others.
    pub(super) fn deadline(&self, shared: &Shared) -> Instant {
        let own = self.since + ANSWER_TIMEOUT;
        let half_close = shared.half_close_deadline(self.since);
        half_close.map_or(own, |half_close| half_close.min(own))
    }

    pub(super) fn advance(self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Asking> {
        match input {
            Input::Verified(_, Some(verified)) => Break(judge::verdict(self.head, Some(verified), at)),
            Input::Verified(_, None) => Break(self.refuse("Too many credentials are being checked.", at)),
            Input::Expired if is_due(at.shared.half_close_deadline(self.since), at.cx.now) => {
                at.act(Action::Cancel);
                Break(Then::Close(Close::Orderly))
            }
            Input::Expired if self.deadline(at.shared) <= at.cx.now => {
                Break(self.refuse("The credentials could not be checked in time.", at))
            }
            Input::Starved(_) => Break(self.refuse("No memory is left to keep the request's head.", at)),
            Input::Broken(Side::Client, _) | Input::Unwritable(Side::Client, _) | Input::Terminate => {
                at.act(Action::Cancel);
                Break(Then::Close(Close::Orderly))
            }
            _ => Continue(self),
        }
    }

    fn refuse(self, why: &'static str, at: &mut At<'_, '_>) -> Then {
        at.act(Action::Cancel);
        waiting::refuse(Refusal::Overloaded(why), self.head.start, at)
    }
}
