//! What a state's step comes to, as a value: the state goes on, or something else is next. States return it and know
//! nothing of each other; `machine` alone knows which state it leads to.

use std::ops::{ControlFlow, Range};

use crate::clock::Instant;
use crate::http::Version;
use crate::net::Peer;
use crate::policy::Question;
use crate::policy::quota::Permits;

use super::approach::{Approach, Reached};
use super::at::At;
use super::errand::Errand;
use super::outcome::Record;
use super::refusal::Refusal;
use super::request::Manner;
use super::words::{Action, Close, Dialled, Page};

/// The state goes on (`Continue`), or is left for what is next (`Break`).
pub(super) type Step<S> = ControlFlow<Then, S>;

/// What is next.
#[derive(Debug)]
pub(super) enum Then {
    /// Find this out; the head that stands there in `up.rx` is judged again then.
    Ask(Range<usize>, Question),
    /// Find the addresses of the errand's host, and vet them.
    Lookup(Errand),
    /// Connect to the vetted addresses.
    Dial(Errand, Reuse, Rest),
    /// Secure the connection to this peer, the target or an upstream; so far it has come then.
    SecureOrigin(Box<Approach>, Peer, Reached),
    /// A connection to the upstream is there: have it make a tunnel to the target.
    Chain(Approach),
    /// A connection to the origin is there, or to the upstream that takes its place: what was asked for begins.
    Arrive(Errand, Dialled),
    /// The certificate is there for the client of a tunnel that is intercepted: tell it that this begins.
    Invite(Errand),
    /// The origin agreed to another protocol: a tunnel from here on. Is it to be judged anew at once?
    Switch(Box<Record>, Permits, bool),
    /// Answer the request ourselves.
    Refuse(Box<Record>, Refusal, Manner),
    /// Answer an OPTIONS request that was let out and ends here.
    Reached(Box<Record>, Manner),
    /// Answer a request that asks how the proxy is, by a page; one for a HEAD has no content.
    Show(Page, Version, bool),
    /// The first byte is there of a client that connected at this time: it begins a TLS handshake.
    Secure(Instant),
    /// The first byte is there of a client that connected at this time: it begins a request.
    FirstHead(Instant),
    /// The handshake is done of a client that connected at this time: it may begin a request.
    SecuredHead(Instant),
    /// The client was answered and is kept: wait for its next request.
    Head,
    /// Let what is written go out, then end.
    Linger,
    /// End at once.
    Close(Close),
}

/// May an idle connection of the pool be used?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reuse {
    /// If there is one. A tunnel never uses one.
    IfIdle,
    /// No: one just turned out to be closed.
    Never,
}

/// Are the addresses to dial all there are?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    /// They are.
    Known,
    /// The lookup that gave them goes on, until then at most.
    Awaited(Instant),
}

/// How an errand ends before it has arrived: here, for an errand itself knows nothing of what may be next.
impl Errand {
    /// Answers it ourselves.
    pub(super) fn refuse(self, refusal: Refusal) -> Then {
        let manner = self.request.asked.manner;
        Then::Refuse(self.record, refusal, manner)
    }

    /// Gives it up: the client is gone, or must go, and nobody is there to be answered.
    pub(super) fn abandon(mut self, why: &str, at: &mut At<'_, '_>) -> Then {
        at.act(Action::Cancel);
        self.record.note_error(why);
        at.act(Action::Log(self.record));
        Then::Close(Close::Orderly)
    }
}
