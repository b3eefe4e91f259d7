//! Who may go where: the only place where a request is allowed, and where an address is vetted.
//!
//! Pure: no sockets, files, clock or threads. Whoever holds an [`Allowed`] went through [`Policy::decide`];
//! whoever holds a [`Vetted`] went through [`Policy::vet`].

pub mod acl;
pub mod auth;
pub mod glob;
pub mod ranges;
pub mod yaml;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::net::Target;

/// Who is asking.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// Nobody that can be named; only with `--allow-missing-role`.
    Missing,
    /// A client that proved this name.
    Named(Arc<str>),
}

/// What a request brought along to say who it is: the values of its `Proxy-Authorization` fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credentials<'a> {
    /// No such field.
    Absent,
    /// Exactly one field, its raw value.
    Given(&'a [u8]),
    /// More than one: never accepted.
    Several,
}

/// What a request asks for, as far as the ACL is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// A CONNECT (true) or a plain request (false).
    pub tunnel: bool,
    /// The raw value of `X-Upstream-Https-Proxy`, if there was one.
    pub external_proxy: Option<&'a [u8]>,
}

/// What the ACL said, for log and counters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The rule's project; empty where no rule was found.
    pub project: Arc<str>,
    /// Why, in the reference's words.
    pub reason: Cow<'static, str>,
    /// Would the request have been denied had every rule enforced?
    pub enforce_would_deny: bool,
    /// The default rule decided.
    pub default_rule: bool,
}

/// Proof that the ACL allowed this target for this role. Only [`Policy::decide`] makes one.
#[derive(Clone, Debug)]
pub struct Allowed {
    target: Target,
    decision: Decision,
}

/// A refusal by ACL or address rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    /// What the canonical log line says of it.
    pub decision: Decision,
}

/// Proof that this address was classified and may be dialled. Only [`Policy::vet`] makes one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Vetted(SocketAddr);
