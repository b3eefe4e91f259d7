//! State: waiting for a request head, the first or the next one of a kept-alive connection.

use std::ops::ControlFlow::{Break, Continue};

use crate::clock::Instant;
use crate::flow::Gate;
use crate::http::head::{Scan, Scanned};

use super::at::At;
use super::judge::{self, fault_refusal};
use super::shared::Shared;
use super::then::Step;
use super::waiting::{self, Waiting};
use super::words::{Input, Settings};

/// Waiting for a request head.
#[derive(Debug)]
pub(super) struct Head {
    scan: Scan,
    waiting: Waiting,
}

impl Head {
    /// For a client that connected then and begins to say something.
    pub(super) fn first(accepted_at: Instant) -> Head {
        Head {
            scan: Scan::request(),
            waiting: Waiting::first(accepted_at),
        }
    }

    /// For a client that connected then, whose handshake is done now.
    pub(super) fn secured(accepted_at: Instant, now: Instant) -> Head {
        let mut head = Head::first(accepted_at);
        head.waiting.note_preface(now);
        head
    }

    /// For a client that was answered and kept: its next bytes are looked at again, and read again as soon as
    /// the answer has left.
    pub(super) fn enter(at: &mut At<'_, '_>) -> Head {
        at.flows.up.gate = match at.flows.down.has_unsent() {
            true => Gate::Pass(0),
            false => Gate::Hold,
        };
        at.flows.down.gate = Gate::Pass(0);
        Head {
            scan: Scan::request(),
            waiting: Waiting::next(at.cx.now),
        }
    }

    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Instant {
        self.waiting.deadline(shared, settings)
    }

    pub(super) fn advance(mut self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Head> {
        if let Some(then) = self.waiting.ended_by(&input, self.scan.skipped(), at) {
            return Break(then);
        }
        // The answer before goes out first: answers keep their order, and a client that does not read its
        // answers can't make us queue them. Nor is more read, which nobody would look at: a wire that has to answer
        // what it reads may have something to send at any time.
        if at.flows.down.has_unsent() {
            at.flows.up.gate = Gate::Pass(0);
            return Continue(self);
        }
        at.flows.up.gate = Gate::Hold;
        if !at.flows.up.rx.is_empty() {
            self.waiting.note_bytes(at);
        }
        let scanned = self.scan.advance(at.flows.up.rx.as_slice(), &at.cx.settings.head);
        match scanned {
            Scanned::Head(n) => Break(judge::verdict(self.scan.skipped()..n, None, at)),
            Scanned::Bad(fault) => Break(waiting::refuse(fault_refusal(fault), self.scan.skipped(), at)),
            Scanned::More => match self.waiting.given_up(at) {
                Some(then) => Break(then),
                None => Continue(self),
            },
        }
    }
}
