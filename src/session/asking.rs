//! State: a request's head is complete, and who is asking is found out by work that may block. The head stays where it
//! is, and no more is read, until the answer is there: then the head is judged again, with it.

use std::ops::ControlFlow::{Break, Continue};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::net::Side;
use crate::policy::Question;

use super::at::At;
use super::judge;
use super::refusal::Refusal;
use super::then::{Step, Then};
use super::waiting;
use super::words::{Action, Close, Input};

/// Whoever does the work may never come back.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Waiting for an answer.
#[derive(Debug)]
pub(super) struct Asking {
    /// Where in `up.rx` the head is.
    head: Range<usize>,
    since: Instant,
}

impl Asking {
    /// Asks.
    pub(super) fn enter(head: Range<usize>, question: Question, at: &mut At<'_, '_>) -> Asking {
        let seq = at.shared.next_seq();
        at.act(Action::Ask(seq, question));
        let since = at.cx.now;
        Asking { head, since }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.since + ANSWER_TIMEOUT
    }

    pub(super) fn advance(self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Asking> {
        match input {
            Input::Verified(_, Some(verified)) => Break(judge::verdict(self.head, Some(&verified), at)),
            Input::Verified(_, None) => Break(self.refuse("Too many credentials are being checked.", at)),
            Input::Expired if self.deadline() <= at.cx.now => {
                Break(self.refuse("The credentials could not be checked in time.", at))
            }
            Input::Starved => Break(self.refuse("No memory is left to keep the request's head.", at)),
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
