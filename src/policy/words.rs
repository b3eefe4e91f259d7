//! What goes into a policy's questions and comes out of its answers. Plain values: anybody may make them, and none
//! of them lets a request out.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::{Scheme, Target, Writer};

use super::{Code, Question, Upstream};

/// Who is asking.
#[derive(Clone, PartialEq, Hash, Eq, Debug)]
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

/// What is known of a client whatever its requests bring along.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Where it connects from; where a PROXY header says so, what that says. None where that names nobody: then it is not
    /// known.
    pub address: Option<IpAddr>,
    /// The role that its verified certificate names. One without the wanted name names none.
    pub certificate: Option<&'a Arc<str>>,
}

/// What a request asks for, as far as the ACL is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The scheme of a request that is forwarded; `None` is a CONNECT, for what a tunnel carries is its ends' affair.
    pub scheme: Option<Scheme>,
    /// The raw value of `X-Upstream-Https-Proxy`, if there was one.
    pub external_proxy: Option<&'a [u8]>,
    /// It came inside of an intercepted tunnel.
    pub is_inside: bool,
}

impl<'a> Ask<'a> {
    /// The URL of the external proxy; as in the original an empty field counts as none.
    pub(super) fn external_proxy_url(&self) -> Option<&'a [u8]> {
        self.external_proxy
            .map(<[u8]>::trim_ascii)
            .filter(|url| !url.is_empty())
    }
}

/// By which way a request leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// Straight to the target.
    Direct,
    /// Through a proxy: its name is looked up and its address dialled, the target is passed on to it by name.
    Through(Arc<Upstream>),
}

impl Route {
    /// Does it lead through a proxy of the operator's own?
    pub fn is_trusted(&self) -> bool {
        matches!(self, Route::Through(upstream) if upstream.named_by() == Writer::Operator)
    }
}

/// What the ACL said, for log and counters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The rule's project; empty where no rule was found.
    pub project: Arc<str>,
    /// Why, in the original's words.
    pub reason: Cow<'static, str>,
    /// Would the request have been denied had every rule enforced?
    pub enforce_would_deny: bool,
}

/// What the ACL denies, before anybody has asked what that comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    /// What the canonical log line says of it.
    pub decision: Decision,
    /// Its stable name.
    pub code: Code,
    /// Where the request was not let.
    pub target: Target,
}

/// A refusal by ACL or address rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    /// What the canonical log line says of it.
    pub decision: Decision,
    /// Its stable name.
    pub code: Code,
    /// What it comes from.
    pub grounds: Box<Grounds>,
}

/// What a denial comes from, and what would lift it: for people. Each is empty where there is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grounds {
    /// The line that decided, `FILE:LINE`: the entry's, or its rule's where no entry did.
    pub rule: Box<str>,
    /// The entry that matched, as it is written.
    pub matched: Box<str>,
    /// The option or entry that would let the request out, and whether that would be wise.
    pub hint: Box<str>,
}

/// Why nobody knows who is asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Credentials are required, and there are none.
    Missing,
    /// There are some, and they are not right.
    Wrong,
    /// None would help: there is nothing to compare them with, and neither certificate nor address names a role.
    Unasked,
}

/// Why it is not said who is asking.
#[derive(Debug)]
pub enum Unidentified {
    /// Nobody knows.
    Refused(Refused),
    /// It is not known yet: this must be answered first.
    Asks(Question),
}

impl Refused {
    /// Its stable name.
    pub fn code(self) -> Code {
        match self {
            Refused::Missing => Code::CredentialsMissing,
            Refused::Wrong => Code::CredentialsWrong,
            Refused::Unasked => Code::RoleUnknown,
        }
    }
}
