//! What went wrong outside, as data: what the rooms that decide need to know of it. Nothing fails here.

use std::sync::Arc;

/// Why a lookup gave no address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LookupFail {
    /// What went wrong.
    pub kind: LookupFailKind,
    /// The whole of it, e.g. `lookup gone.test: no such host`.
    pub text: Arc<str>,
}

/// The lookup failures that are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupFailKind {
    /// There is no address, or the servers failed.
    Failed,
    /// Nobody answered in time.
    TimedOut,
    /// The resolver has no room for the question.
    Overloaded,
}

/// A failed system call, as data: what the pure half needs to know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IoFail {
    /// What the session does differently for.
    pub kind: IoFailKind,
    /// The errno's words, e.g. `connection refused`.
    pub text: Box<str>,
}

/// The failures that are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IoFailKind {
    /// The peer reset the connection, or it is broken for writing.
    Reset,
    /// The kernel gave up waiting for the peer.
    TimedOut,
    /// Nobody listens there.
    Refused,
    /// There is no way to that network or host.
    Unreachable,
    /// No descriptor, memory or port was left on this machine.
    Exhausted,
    /// TLS with the peer came to nothing.
    Tls(TlsFault),
    /// Anything else.
    Other,
}

/// Why TLS with a peer came to nothing, as far as it is told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsFault {
    /// What it presented itself with is not believed.
    Certificate,
    /// It would not go on, and said so by an alert.
    Alert,
    /// It took too long.
    Timeout,
    /// It left before it was done.
    Ended,
    /// The two have nothing in common, or what came was no TLS.
    Protocol,
}
