//! Domain globs, the patterns of an ACL's lists; patterns with ports (`pattern`), and sets of them that are searched by
//! hash (`set`).
//!
//! A glob is a host name, `*.` and a host name (any depth below it, never the name itself), or an address. What a
//! request's host is, is decided in `net`; here only normal forms are compared, so no spelling slips past a list.

mod entries;
mod listed;
mod names;
mod pattern;
mod read;
mod set;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::net::Host;

pub use self::entries::{Entry, GlobRef, Overlaps};
pub use self::pattern::Pattern;
pub use self::set::{AtPort, GlobSet, Matched};

/// One pattern, valid and normalised.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Glob {
    /// Exactly this host name.
    Name(Box<str>),
    /// Every host name below this one, at any depth.
    Below(Box<str>),
    /// Exactly this address; an IPv4-mapped one stands here as its IPv4.
    Address(IpAddr),
}

const ACCEPTED: &str = "accepted are a host name, `*.` and a host name, or an IP address";

impl Glob {
    /// Reads a pattern. Names must already be in normal form (lower case, punycode, no trailing dot), so that
    /// what is read in the file is what is compared; addresses are compared as values and may be spelled freely.
    ///
    /// # Errors
    /// One line that quotes the pattern and says what is wrong, with the normal form where there is one.
    pub fn parse(text: &str) -> Result<Glob, String> {
        Glob::before(text, "")
    }

    /// The same of one that has its ports behind it, which errors repeat: without them it would be another.
    fn before(text: &str, ports: &str) -> Result<Glob, String> {
        if text.is_empty() {
            return Err(format!("an empty domain glob; {ACCEPTED}"));
        }
        if text == "*" || text == "*." {
            return Err(format!(
                "domain glob '{text}{ports}' would match everything; {ACCEPTED}"
            ));
        }
        let below = text.strip_prefix("*.");
        let name = below.unwrap_or(text);
        if name.contains('*') {
            if let Some(host) = host_within(text) {
                return Err(format!(
                    "domain glob '{text}{ports}' is more than a host; write '{host}'"
                ));
            }
            return Err(format!(
                "domain glob '{text}{ports}': `*` is accepted only as the whole first label, as in *.example.com"
            ));
        }
        let (prefix, host) = (if below.is_some() { "*." } else { "" }, parse_host(name));
        match host.map_err(|reason| no_host(text, ports, &reason))? {
            Host::Addr(_) if below.is_some() => Err(format!(
                "domain glob '{text}{ports}': `*.` can't stand before an address"
            )),
            Host::Addr(address) => Ok(Glob::Address(address.to_canonical())),
            Host::Name(normal) if normal.as_str() != name => Err(format!(
                "domain glob '{text}{ports}' is not in normal form; write '{prefix}{normal}{ports}'"
            )),
            Host::Name(_) if below.is_some() => Ok(Glob::Below(name.into())),
            Host::Name(_) => Ok(Glob::Name(name.into())),
        }
    }
}

/// What is wrong with a pattern that holds no host, and what was meant where that can be seen.
fn no_host(text: &str, ports: &str, reason: &str) -> String {
    if text.parse::<IpNet>().is_ok() {
        return format!(
            "domain glob '{text}{ports}' is an address range, which is no host; for ranges there are --deny-range and \
             --allow-range; {ACCEPTED}"
        );
    }
    if let Some((host, _)) = pattern::split(text)
        && let Ok(glob) = Glob::parse(&host.to_ascii_lowercase())
    {
        return format!(
            "domain glob '{text}' has ports, which are accepted in allowed_domains and the global lists alone; \
             '{glob}' would stand for all of them"
        );
    }
    match host_within(text) {
        Some(host) => format!("domain glob '{text}{ports}' is more than a host; write '{host}'"),
        None => format!("domain glob '{text}{ports}' is no host ({reason}); {ACCEPTED}"),
    }
}

/// The pattern that is left of a URL or an authority without scheme, user and path; `.example.com` is other programs'
/// `*.example.com`. A port stays: without it the pattern would be wider.
fn host_within(text: &str) -> Option<Pattern> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('.') {
        Some(parent) => format!("*.{parent}"),
        None => host.to_owned(),
    };
    if host == text {
        return None;
    }
    Pattern::parse(&host.to_ascii_lowercase()).ok()
}

fn parse_host(text: &str) -> Result<Host, String> {
    // Brackets belong to URIs; in a list an IPv6 address may stand without them.
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(Host::Addr(address.into()));
    }
    Host::parse(text.as_bytes()).map_err(|error| error.to_string())
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Glob::Name(name) => f.write_str(name),
            Glob::Below(name) => write!(f, "*.{name}"),
            Glob::Address(address) => write!(f, "{address}"),
        }
    }
}

/// The names above this one, the closest first.
pub(in crate::policy) fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(name), |name| parent(name))
}

/// The name without its first label.
fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, rest)| rest)
}

#[cfg(test)]
#[path = "glob_tests.rs"]
mod tests;
