//! State: a page about the proxy goes out, a part at a time: the next is asked for when the one before has left. So it is
//! held by nobody as a whole, and a client that reads slowly has no more of our memory than one part. What stands on
//! pages is not known here.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use crate::clock::Instant;
use crate::flow::Flows;
use crate::http::Version;
use crate::http::page;

use super::at::At;
use super::then::{Step, Then};
use super::words::{Action, Close, Input, Page};

/// How long a client may take nothing of a page,
const STANDSTILL_TIMEOUT: Duration = Duration::from_secs(30);

/// and how long it may take to read all of it, however slowly.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// Showing a page.
#[derive(Debug)]
pub(super) struct Showing {
    page: Page,
    /// The client knows chunks: one that is cut must not look whole.
    is_chunked: bool,
    since: Instant,
    /// Where the next part begins, if it was not asked for yet.
    next: Option<u64>,
}

impl Showing {
    /// Writes the head, and asks for the first part where there is to be content.
    pub(super) fn enter(page: Page, version: Version, head_only: bool, at: &mut At<'_, '_>) -> Step<Showing> {
        let is_chunked = version == Version::Http11;
        let tx = at.flows.down.tx.writer();
        page::head(content_type(page), page == Page::Home, is_chunked, tx);
        if head_only {
            return Break(Then::Linger);
        }
        Continue(Showing {
            page,
            is_chunked,
            since: at.cx.now,
            next: Some(0),
        })
    }

    pub(super) fn deadline(&self, flows: &Flows) -> Instant {
        let taken = flows.down.touched.max(self.since);
        (taken + STANDSTILL_TIMEOUT).min(self.since + READ_TIMEOUT)
    }

    pub(super) fn advance(mut self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Showing> {
        match input {
            Input::Shown(part, next) => {
                let tx = at.flows.down.tx.writer();
                match self.is_chunked {
                    true => page::chunk(part, tx),
                    false => tx.extend_from_slice(part),
                }
                if next.is_none() {
                    if self.is_chunked {
                        tx.extend_from_slice(page::LAST_CHUNK);
                    }
                    return Break(Then::Linger);
                }
                self.next = next;
            }
            Input::Expired if at.cx.now < self.deadline(at.flows) => {}
            Input::Expired | Input::Broken(..) | Input::Unwritable(..) | Input::Terminate => {
                return Break(Then::Close(Close::Abort));
            }
            _ => {}
        }
        if !at.flows.down.has_unsent()
            && let Some(next) = self.next.take()
        {
            at.act(Action::Show(self.page, next));
        }
        Continue(self)
    }
}

fn content_type(page: Page) -> &'static str {
    match page {
        Page::Metrics => "text/plain; version=0.0.4; charset=utf-8",
        Page::Home => "text/html; charset=utf-8",
        Page::State | Page::Tunnels | Page::Refusals | Page::Connections => "application/json",
    }
}
