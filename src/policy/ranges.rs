//! Which addresses may be dialled: every address, literal or resolved, gets a [`Verdict`] here.
//! Resolves and dials nothing, and knows no hosts (that is `policy/acl`).
//!
//! The order: unmap; own listener; the operator's allow rules; not global unicast; the operator's deny rules; then the
//! class that the table in `registry` gives the address; else public, and allowed. An address behind a NAT64 has the class
//! of the IPv4 address that it carries, and whatever is said of either is said of it.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

mod grounds;
mod nat64;
mod registry;
mod rule;
#[cfg(test)]
mod rule_tests;
mod rules;
#[cfg(test)]
mod tests;

use crate::net::unmapped;

pub use self::nat64::{ACCEPTED as NAT64_ACCEPTED, Nat64Prefix};
use self::nat64::{Carried, carried};
use self::registry::Class;
pub use self::rule::{PlacedRule, Rule};
use self::rules::Rules;
use super::Code;

/// What was found of an address, allowed or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verdict {
    /// A public address.
    AllowDefault,
    /// An allow rule names it.
    AllowUser,
    /// It is one of our own listeners.
    DenySelf,
    /// Unspecified, loopback, link-local, multicast or broadcast, and no allow rule names it.
    DenyNotGlobalUnicast,
    /// A deny rule names it.
    DenyUser,
    /// NAT64, 6to4 or Teredo: an IPv4 address inside, which nobody classified; behind a NAT64 of the operator's, none.
    DenyEmbedding,
    /// RFC 1918 or unique local.
    DenyPrivate,
    /// 100.64.0.0/10.
    DenyCgnat,
    /// Another range that is not globally reachable.
    DenySpecialPurpose,
}

impl Verdict {
    /// May the address be dialled?
    pub fn allows(self) -> bool {
        self.denial().is_none()
    }

    /// The stable name of what denies it; none where it may be dialled.
    pub fn denial(self) -> Option<Code> {
        match self {
            Verdict::AllowDefault | Verdict::AllowUser => None,
            Verdict::DenySelf => Some(Code::SelfConnection),
            Verdict::DenyNotGlobalUnicast => Some(Code::NotGlobalUnicast),
            Verdict::DenyUser => Some(Code::UserConfigured),
            Verdict::DenyEmbedding => Some(Code::Ipv6Embedding),
            Verdict::DenyPrivate => Some(Code::PrivateRange),
            Verdict::DenyCgnat => Some(Code::CgnatRange),
            Verdict::DenySpecialPurpose => Some(Code::SpecialPurposeRange),
        }
    }

    /// The rule's name, for messages, logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Verdict::AllowDefault => "Allow: Default",
            Verdict::AllowUser => "Allow: User Configured",
            Verdict::DenySelf => "Deny: Self Connection",
            Verdict::DenyNotGlobalUnicast => "Deny: Not Global Unicast",
            Verdict::DenyUser => "Deny: User Configured",
            Verdict::DenyEmbedding => "Deny: IPv6 Embedding",
            Verdict::DenyPrivate => "Deny: Private Range",
            Verdict::DenyCgnat => "Deny: CGNAT Range",
            Verdict::DenySpecialPurpose => "Deny: Special Purpose Range",
        }
    }
}

/// Everything that decides over an address: the operator's rules, and where we listen ourselves.
#[derive(Clone, Debug)]
pub struct Ranges {
    allow: Rules,
    deny: Rules,
    unsafe_allow_private: bool,
    own_ports: Vec<u16>,
    nat64: Vec<Nat64Prefix>,
}

impl Ranges {
    /// `unsafe_allow_private` makes RFC 1918 and fc00::/7 as good as public, and nothing else: loopback and
    /// link-local stay denied. `own_ports` are the ports of our listeners.
    pub fn new(
        allow: Vec<PlacedRule>,
        deny: Vec<PlacedRule>,
        unsafe_allow_private: bool,
        own_ports: Vec<u16>,
    ) -> Ranges {
        Ranges {
            allow: Rules::new(allow),
            deny: Rules::new(deny),
            unsafe_allow_private,
            own_ports,
            nat64: Vec::new(),
        }
    }

    /// The same where a NAT64 translates what stands behind these prefixes, none of which overlaps another.
    #[must_use]
    pub fn with_nat64(self, nat64: Vec<Nat64Prefix>) -> Ranges {
        Ranges { nat64, ..self }
    }

    /// Classifies an address. Returned with the verdict is the address to dial: the given one, unmapped.
    ///
    /// `is_local` says whether an address is this machine's as of now. It is asked only when the port is one of our own.
    pub fn judge(&self, addr: SocketAddr, is_local: &dyn Fn(IpAddr) -> bool) -> (SocketAddr, Verdict) {
        let addr = unmapped(addr);
        (addr, self.verdict(addr, is_local))
    }

    fn verdict(&self, addr: SocketAddr, is_local: &dyn Fn(IpAddr) -> bool) -> Verdict {
        let behind = self.behind(addr);
        if self.is_own_listener(addr, is_local)
            || behind.is_some_and(|addr| self.is_own_listener(addr, is_local))
        {
            return Verdict::DenySelf;
        }
        // Allow rules lift every class, also the first one below.
        if self.naming(&self.allow, addr).is_some() {
            return Verdict::AllowUser;
        }
        match self.class(addr.ip()) {
            // As in the original, deny rules give the other classes their name, but not this one.
            Class::NotGlobalUnicast => Verdict::DenyNotGlobalUnicast,
            _ if self.naming(&self.deny, addr).is_some() => Verdict::DenyUser,
            Class::Embedding => Verdict::DenyEmbedding,
            Class::Private => Verdict::DenyPrivate,
            Class::Cgnat => Verdict::DenyCgnat,
            Class::SpecialPurpose => Verdict::DenySpecialPurpose,
            Class::Global => Verdict::AllowDefault,
        }
    }

    fn class(&self, ip: IpAddr) -> Class {
        let classify = |ip| registry::classify(ip, self.unsafe_allow_private);
        match carried(&self.nat64, ip) {
            None => classify(ip),
            Some(Carried::Address(ip)) => classify(ip.into()),
            Some(Carried::Malformed) => Class::Embedding,
        }
    }

    /// Where a translator would go instead, if there is one.
    #[inline]
    pub(super) fn behind(&self, addr: SocketAddr) -> Option<SocketAddr> {
        // Most have none, and each address is asked for it again and again.
        if self.nat64.is_empty() {
            return None;
        }
        let ip = carried(&self.nat64, addr.ip())?.address()?;
        Some(SocketAddr::new(ip.into(), addr.port()))
    }

    /// The rule that names an address, or what stands behind it.
    fn naming<'a>(&'a self, rules: &'a Rules, addr: SocketAddr) -> Option<&'a PlacedRule> {
        let named = rules.naming(addr);
        named.or_else(|| rules.naming(self.behind(addr)?))
    }

    /// May a private exception lift this verdict on this address? What the operator denies stays denied, and so do we.
    pub(super) fn yields_to_exceptions(&self, addr: SocketAddr, verdict: Verdict) -> bool {
        match verdict {
            Verdict::AllowDefault | Verdict::AllowUser | Verdict::DenySelf | Verdict::DenyUser => false,
            // A deny rule names no verdict on loopback, but it holds there too.
            Verdict::DenyNotGlobalUnicast
            | Verdict::DenyEmbedding
            | Verdict::DenyPrivate
            | Verdict::DenyCgnat
            | Verdict::DenySpecialPurpose => self.naming(&self.deny, addr).is_none(),
        }
    }

    fn is_own_listener(&self, addr: SocketAddr, is_local: &dyn Fn(IpAddr) -> bool) -> bool {
        if !self.own_ports.contains(&addr.port()) {
            return false;
        }
        let ip = addr.ip();
        // Connecting to the unspecified address reaches this machine.
        ip.is_loopback() || ip.is_unspecified() || is_local(ip)
    }

    /// One sentence for each rule that can never decide anything, because one other rule covers it or because
    /// its addresses are denied anyway, which they are unless there are private exceptions. Rules that only several others
    /// cover together are not found.
    pub fn shadowed(&self, has_exceptions: bool) -> Vec<String> {
        let mut sentences = redundant("allow", &self.allow);
        for deny in self.deny.list() {
            if let Some(allow) = self.allow.covering(deny) {
                sentences.push(format!(
                    "deny rule {deny} never takes effect: allow rule {} covers it, and allow beats deny",
                    allow.rule
                ));
            } else if !has_exceptions && registry::is_never_global_unicast(deny.net) {
                sentences.push(format!(
                    "deny rule {deny} never takes effect: its addresses are not global unicast and are denied \
                     unless an allow rule names them"
                ));
            }
        }
        sentences.append(&mut redundant("deny", &self.deny));
        sentences
    }
}

/// One sentence for each rule that another one of the same list makes superfluous.
fn redundant(action: &str, rules: &Rules) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut sentences = Vec::new();
    for rule in rules.list() {
        if !seen.insert(rule) {
            sentences.push(format!(
                "{action} rule {rule} never takes effect: it is given more than once"
            ));
        } else if let Some(wider) = rules.covering(rule).filter(|wider| wider.rule != rule) {
            sentences.push(format!(
                "{action} rule {rule} never takes effect: {action} rule {} covers it",
                wider.rule
            ));
        }
    }
    sentences
}
