//! What another ACL makes of one request of a log. A verdict that the line has not all for is unknown, and never taken for
//! an allowed one.

use std::net::{IpAddr, SocketAddr};

use crate::log::reader::Told;
use crate::net::{Host, Scheme, Target};
use crate::policy::{Ask, Code, Policy, Role};

use super::changes::{Change, Word};

/// Judges requests by a policy.
pub(super) struct Judge {
    policy: Policy,
}

/// What decided before.
enum Before {
    Allowed,
    /// The ACL denied it, or an address that an ACL can let out.
    Denied,
    /// Something else did, which no ACL changes.
    Otherwise,
}

/// What a line of which nothing is understood comes to.
pub(super) fn unreadable() -> Change {
    Change {
        role: None,
        host: "-".to_owned(),
        before: Word::Unknown,
        after: Word::Unknown,
        rule: "a line that can't be understood".to_owned(),
        by_address: false,
    }
}

impl Judge {
    pub(super) fn new(policy: Policy) -> Judge {
        Judge { policy }
    }

    /// How the verdict changes; `None` where it does not.
    pub(super) fn change(&self, told: &Told<'_>) -> Option<Change> {
        let before = before(told);
        if matches!(before, Some(Before::Otherwise)) {
            return None;
        }
        let (Some(before), Some(role), Some(target)) = (before, told.role.as_deref(), target(told)) else {
            // No ACL makes a request of what was none.
            return match (told.allow, told.requested_host.as_deref()) {
                (Some(false), Some(_)) if told.role.is_some() && told.proxy_type.is_some() => None,
                _ => Some(Change {
                    role: told.role.as_deref().map(str::to_owned),
                    host: told.requested_host.as_deref().unwrap_or("-").to_owned(),
                    before: told.allow.map_or(Word::Unknown, Word::of),
                    after: Word::Unknown,
                    rule: "the line lacks role, host or verdict".to_owned(),
                    by_address: false,
                }),
            };
        };
        let who = match role {
            "" => Role::Missing,
            name => Role::Named(name.into()),
        };
        let host = format!("{}:{}", target.host, target.port);
        let before = match before {
            Before::Allowed => Word::Allow,
            Before::Denied | Before::Otherwise => Word::Deny,
        };
        let (after, rule, code) = self.after(told, &who, target);
        (before != after).then(|| Change {
            role: Some(role.to_owned()),
            host,
            before,
            after,
            rule,
            by_address: code.is_some_and(Code::is_of_addresses),
        })
    }

    fn after(&self, told: &Told<'_>, role: &Role, target: Target) -> (Word, String, Option<Code>) {
        let ask = Ask {
            scheme: (told.proxy_type.as_deref() == Some("http")).then_some(Scheme::Http),
            external_proxy: None,
            is_inside: false,
        };
        // Which addresses are this machine's is not the log's affair.
        let explain =
            |found: Option<&[IpAddr]>| self.policy.explain(role, target.clone(), ask, found, &|_| false);
        let by_name = explain(None);
        let (is_direct, is_looked_up) = (by_name.is_direct, by_name.is_looked_up);
        let address = address(told, &target, is_direct);
        let explanation = match address {
            Some(address) => explain(Some(&[address])),
            None => by_name,
        };
        let rule = match (&*explanation.grounds.rule, &*explanation.grounds.hint) {
            ("", "") => explanation.decision.reason.into_owned(),
            ("", _) => explanation.code.map_or(String::new(), |code| code.to_string()),
            (rule, _) => rule.to_owned(),
        };
        let by_external_proxy = told.code.as_deref() == Some(Code::ExternalProxyDenied.as_str());
        let code = explanation.code;
        let word = match code {
            Some(_) => Word::Deny,
            // Which proxy it asked for is not in the line.
            None if by_external_proxy => Word::Unknown,
            None if address.is_some() || !is_looked_up => Word::Allow,
            // Its address passed before it went to the upstream, and no line has it.
            None if told.allow == Some(true) && !is_direct => Word::Allow,
            // It failed before it had an address, and would have failed again.
            None if told.allow == Some(true) && has_failed(told) => Word::Allow,
            None => return (Word::Unknown, format!("{rule} (no address in the line)"), code),
        };
        (word, rule, code)
    }
}

fn has_failed(told: &Told<'_>) -> bool {
    told.error.as_deref().is_some_and(|error| !error.is_empty())
}

fn before(told: &Told<'_>) -> Option<Before> {
    if told.allow? {
        return Some(Before::Allowed);
    }
    let code = told.code.as_deref().filter(|code| !code.is_empty());
    let Some(text) = code else {
        // The reference has no codes, and says this where it could not tell who asked.
        let nobody = told.decision_reason.as_deref() == Some("Client role cannot be determined");
        return Some(if nobody { Before::Otherwise } else { Before::Denied });
    };
    let Some(code) = Code::ALL.iter().find(|code| code.as_str() == text) else {
        return Some(Before::Denied);
    };
    Some(match code {
        Code::NotInAllowedDomains
        | Code::DefaultRule
        | Code::GlobalDenyList
        | Code::NoRule
        | Code::ExternalProxyDenied
        | Code::NotAvailable
        | Code::NotGlobalUnicast
        | Code::PrivateRange
        | Code::CgnatRange
        | Code::Ipv6Embedding
        | Code::SpecialPurposeRange => Before::Denied,
        _ => Before::Otherwise,
    })
}

fn target(told: &Told<'_>) -> Option<Target> {
    let host = told.requested_host.as_deref()?;
    let default_port = match told.proxy_type.as_deref()? {
        "http" => Some(80),
        _ => None,
    };
    Target::parse(host.as_bytes(), default_port).ok()
}

/// The address that was dialled, or denied: a literal's own, or what the line says. What was dialled is another's where an
/// upstream is between.
fn address(told: &Told<'_>, target: &Target, is_direct: bool) -> Option<IpAddr> {
    if let Host::Addr(address) = target.host {
        return Some(address);
    }
    let dialled = told.outbound_remote_addr.as_deref();
    let dialled = dialled.and_then(|text| text.parse::<SocketAddr>().ok());
    let denied = || {
        let reason = told.decision_reason.as_deref()?;
        let (_, rest) = reason.split_once("The destination address (")?;
        rest.split_once(')')?.0.parse().ok()
    };
    let dialled = dialled
        .map(|address| address.ip())
        .or_else(|| told.dst_ip.as_deref()?.parse().ok());
    dialled.filter(|_| is_direct).or_else(denied)
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
