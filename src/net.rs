//! Where a request wants to go, as words: names, hosts, targets. Parsing only; nothing here judges
//! (that is `policy`), resolves or connects (that is `io`).

use std::fmt;
use std::net::IpAddr;

/// The two ends a connection has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Side {
    /// Who connected to us.
    Client,
    /// Whom we connected to.
    Origin,
}

/// A DNS name in normalised form: UTS-46 mapped, punycode, lower case, without a trailing dot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name(Box<str>);

impl Name {
    /// The normalised name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host: a name still to be resolved, or an address.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// A normalised DNS name.
    Name(Name),
    /// A literal: a strict dotted quad or a bracketed IPv6 address.
    Addr(IpAddr),
}

/// Host and port of one request, with the spelling the client used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The host, normalised.
    pub host: Host,
    /// The port, 1 to 65535.
    pub port: u16,
    /// The authority as the request spelled it, with its port if it had one; for messages and logs.
    pub written: Box<str>,
}

/// Why an authority is no target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetError(pub &'static str);

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Host {
    /// Parses the host of a URI authority (brackets included, port excluded).
    pub fn parse(_host: &[u8]) -> Result<Host, TargetError> {
        Err(TargetError("not yet"))
    }
}

impl Target {
    /// Parses `host[:port]`. Without a port, `default_port` is taken; `None` makes the port mandatory (CONNECT).
    pub fn parse(_authority: &[u8], _default_port: Option<u16>) -> Result<Target, TargetError> {
        Err(TargetError("not yet"))
    }
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
    /// No descriptor, memory or port was left on this machine.
    Exhausted,
    /// Anything else.
    Other,
}
