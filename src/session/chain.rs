//! State: an upstream proxy is asked for a tunnel to the target, by a CONNECT of ours (RFC 9110, 9.3.6), and its answer is
//! waited for. It is as suspect as an origin. What it says behind a 2xx is the tunnel's, and stays where it is; what it
//! answers else is told to the client in our words.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use crate::clock::Instant;
use crate::flow::{End, Gate};
use crate::http::Fault;
use crate::http::head::{self, Scan, Scanned};
use crate::net::{IoFailKind, Side};
use crate::text::slices::within;

use super::approach::{Approach, Reached};
use super::at::At;
use super::due::is_due;
use super::onward::onward;
use super::refusal::Refusal;
use super::response::{INTERIM_MAX, status_line};
use super::shared::Shared;
use super::then::{Step, Then};
use super::words::{Input, Settings};

/// How long an upstream may take where dials have no limit but the kernel's (`--timeout 0`): it dials itself, and its kernel
/// gives up after about as long.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(130);

/// Waiting for the upstream's answer.
#[derive(Debug)]
pub(super) struct Chain {
    approach: Approach,
    scan: Scan,
    interims: u8,
}

impl Chain {
    /// Asks for the tunnel.
    pub(super) fn enter(approach: Approach, at: &mut At<'_, '_>) -> Box<Chain> {
        approach.errand.ask_for_tunnel(&mut at.flows.up.tx);
        at.flows.up.gate = Gate::Pass(0);
        at.flows.down.gate = Gate::Hold;
        Box::new(Chain {
            approach,
            scan: Scan::response(),
            interims: 0,
        })
    }

    pub(super) fn deadline(&self, shared: &Shared, settings: &Settings) -> Instant {
        let own = self.own_deadline(settings);
        let half_close = self.approach.errand.half_close_deadline(shared);
        half_close.map_or(own, |half_close| half_close.min(own))
    }

    fn own_deadline(&self, settings: &Settings) -> Instant {
        self.approach.since + settings.connect_timeout.unwrap_or(CHAIN_TIMEOUT)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.approach.errand.request.head.len()
    }

    /// One input; it stays where it is in memory while it goes on.
    pub(super) fn advance(self: Box<Self>, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Box<Chain>> {
        let then = match input {
            Input::Broken(Side::Client, fail) | Input::Unwritable(Side::Client, fail) => {
                self.approach.errand.abandon(&fail.text, at)
            }
            Input::Terminate => self.approach.errand.abandon("the proxy shut down", at),
            Input::Broken(Side::Origin, fail) | Input::Unwritable(Side::Origin, fail) => {
                let text = match fail.kind {
                    IoFailKind::Reset => "it closed the connection without an answer",
                    _ => &fail.text,
                };
                self.unanswered(text, at)
            }
            Input::Starved(_) => self.refuse(
                Refusal::Overloaded("No memory is left for the upstream proxy's answer."),
                at,
            ),
            Input::Expired if is_due(self.approach.errand.half_close_deadline(at.shared), at.cx.now) => self
                .approach
                .errand
                .abandon("the client closed its connection", at),
            Input::Expired if self.own_deadline(at.cx.settings) <= at.cx.now => {
                let waited = at.cx.now.duration_since(self.approach.since);
                let limit = at.cx.settings.connect_timeout.unwrap_or(waited);
                let text = self
                    .approach
                    .errand
                    .request
                    .at_whom(&format!("no answer to CONNECT within {limit:?}"));
                self.refuse(Refusal::DialTimedOut(text), at)
            }
            _ => return self.look(at),
        };
        Break(then)
    }

    /// Takes the heads that are there, up to the one that counts.
    fn look(mut self: Box<Self>, at: &mut At<'_, '_>) -> Step<Box<Chain>> {
        loop {
            let rx = at.flows.down.rx.as_slice();
            let head_bytes = match self.scan.advance(rx, &at.cx.settings.head) {
                Scanned::Head(n) => n,
                Scanned::Bad(fault) => return Break(self.malformed(fault, at)),
                Scanned::More if at.flows.down.end >= End::Reached => {
                    return Break(self.unanswered("it closed the connection without an answer", at));
                }
                Scanned::More => return Continue(self),
            };
            let bytes = within(rx, ..head_bytes);
            let answer = head::with_response(bytes, &at.cx.settings.head, |parsed| {
                // Only what refuses is told of.
                parsed.map(|head| match head.status {
                    100..=299 => (head.status, String::new()),
                    status => (status, status_line(&head)),
                })
            });
            at.flows.down.rx.consume(head_bytes);
            let (status, line) = match answer {
                Ok(answer) => answer,
                Err(fault) => return Break(self.malformed(fault, at)),
            };
            match status {
                // What waits would go to the target, credentials and all.
                200..=299 if !at.flows.up.tx.is_empty() => {
                    let fault = Fault::Malformed("an answer before the request was there");
                    return Break(self.malformed(fault, at));
                }
                // Whatever it says of content then means nothing (RFC 9110, 9.3.6).
                200..=299 => {
                    return Break(onward(self.approach, Reached::Tunnelled));
                }
                101 => return Break(self.malformed(Fault::Malformed("101 to a CONNECT"), at)),
                100..=199 if self.interims >= INTERIM_MAX => {
                    let fault = Fault::Malformed("too many interim responses");
                    return Break(self.malformed(fault, at));
                }
                100..=199 => {
                    self.interims += 1;
                    self.scan = Scan::response();
                }
                _ => {
                    let text = self.approach.errand.request.at_whom(&line);
                    return Break(self.refuse(Refusal::UpstreamRefused(text), at));
                }
            }
        }
    }

    fn unanswered(self, text: &str, at: &mut At<'_, '_>) -> Then {
        let text = self.approach.errand.request.at_whom(text);
        self.refuse(Refusal::Unanswered(text), at)
    }

    fn malformed(self, fault: Fault, at: &mut At<'_, '_>) -> Then {
        let (Fault::Malformed(reason) | Fault::TooLarge(reason)) = fault;
        let text = self.approach.errand.request.at_whom(reason);
        self.refuse(Refusal::UpstreamMalformed(text), at)
    }

    fn refuse(self, refusal: Refusal, at: &mut At<'_, '_>) -> Then {
        at.drop_origin();
        self.approach.errand.refuse(refusal)
    }
}
