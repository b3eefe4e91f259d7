//! State: a tunnel that is to be intercepted has an origin that is known to be the right one, and the certificate for its
//! client is waited for. Only then the client is told that its tunnel is there: until then it can read why it is not.

use std::ops::ControlFlow::{Break, Continue};
use std::time::Duration;

use crate::clock::Instant;
use crate::flow::End;
use crate::net::Side;

use super::at::At;
use super::errand::Errand;
use super::lease::Lease;
use super::refusal::Refusal;
use super::then::{Step, Then};
use super::words::{Action, Dialled, Input, MintFail};

/// A signature takes milliseconds; but others may wait for theirs.
const MINT_TIMEOUT: Duration = Duration::from_secs(10);

/// Waiting for a certificate.
#[derive(Debug)]
pub(super) struct Minting {
    errand: Errand,
    since: Instant,
}

impl Minting {
    /// Asks for it. The origin's connection is put where the first request inside looks for one.
    pub(super) fn enter(errand: Errand, origin: Dialled, at: &mut At<'_, '_>) -> Minting {
        // What an origin says before it was asked for anything is nobody's.
        let clean = at.flows.down.rx.is_empty() && at.flows.down.end == End::Open;
        at.flows.forget_origin();
        at.act(match clean {
            true => Action::Park(errand.request.key_inside(), origin, Lease::unused(at.cx.now)),
            false => Action::DropOrigin,
        });
        let (seq, host) = (at.shared.next_seq(), errand.request.allowed.target().host.clone());
        at.act(Action::Mint(seq, host));
        let since = at.cx.now;
        Minting { errand, since }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.since + MINT_TIMEOUT
    }

    pub(super) fn advance(self, input: Input<'_>, at: &mut At<'_, '_>) -> Step<Minting> {
        let then = match input {
            Input::Minted(_, Ok(())) => Then::Invite(self.errand),
            Input::Minted(_, Err(MintFail::Impossible)) => self.errand.refuse(Refusal::NotIntercepted),
            Input::Minted(_, Err(MintFail::Busy)) => self.errand.refuse(Refusal::Overloaded(
                "Too many others wait for the certificate of a host whose tunnel is intercepted.",
            )),
            Input::Expired if self.deadline() <= at.cx.now => self.errand.refuse(Refusal::Overloaded(
                "The certificate for the host whose tunnel is intercepted could not be made in time.",
            )),
            Input::Broken(Side::Client, fail) | Input::Unwritable(Side::Client, fail) => {
                self.errand.abandon(&fail.text, at)
            }
            Input::Terminate => self.errand.abandon("the proxy shut down", at),
            _ => return Continue(self),
        };
        Break(then)
    }
}
