//! Domain globs, the patterns of an ACL's lists, and sets of them that are searched by hash.
//!
//! A glob is a host name, `*.` and a host name (any depth below it, never the name itself), or an address. What a
//! request's host is, is decided in `net`; here only normal forms are compared, so no spelling slips past a list.

mod entries;
mod read;

use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use foldhash::HashMap;
use ipnet::IpNet;

use crate::net::Host;
use crate::yaml::Line;

pub use self::entries::{Entry, Overlaps};

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
        if text.is_empty() {
            return Err(format!("an empty domain glob; {ACCEPTED}"));
        }
        if text == "*" || text == "*." {
            return Err(format!("domain glob '{text}' would match everything; {ACCEPTED}"));
        }
        let below = text.strip_prefix("*.");
        let name = below.unwrap_or(text);
        if name.contains('*') {
            if let Some(host) = host_within(text) {
                return Err(format!(
                    "domain glob '{text}' is more than a host; write '{host}'"
                ));
            }
            return Err(format!(
                "domain glob '{text}': `*` is accepted only as the whole first label, as in *.example.com"
            ));
        }
        let (prefix, host) = (if below.is_some() { "*." } else { "" }, parse_host(name));
        match host.map_err(|reason| no_host(text, &reason))? {
            Host::Addr(_) if below.is_some() => Err(format!(
                "domain glob '{text}': `*.` can't stand before an address"
            )),
            Host::Addr(address) => Ok(Glob::Address(address.to_canonical())),
            Host::Name(normal) if normal.as_str() != name => Err(format!(
                "domain glob '{text}' is not in normal form; write '{prefix}{normal}'"
            )),
            Host::Name(_) if below.is_some() => Ok(Glob::Below(name.into())),
            Host::Name(_) => Ok(Glob::Name(name.into())),
        }
    }
}

/// What is wrong with a pattern that holds no host, and what was meant where that can be seen.
fn no_host(text: &str, reason: &str) -> String {
    if text.parse::<IpNet>().is_ok() {
        return format!(
            "domain glob '{text}' is an address range, which is no host; for ranges there are --deny-range and \
             --allow-range; {ACCEPTED}"
        );
    }
    if let Some(host) = before_ports(text) {
        return format!(
            "domain glob '{text}': ports are not available in this version; '{host}' would stand for all of them"
        );
    }
    match host_within(text) {
        Some(host) => format!("domain glob '{text}' is more than a host; write '{host}'"),
        None => format!("domain glob '{text}' is no host ({reason}); {ACCEPTED}"),
    }
}

/// The pattern of `PATTERN:PORTS`. Nobody who wrote that wants to hear that without ports it would do: it is another.
fn before_ports(text: &str) -> Option<Glob> {
    let (host, ports) = text.rsplit_once(':')?;
    let is_ports = |byte: u8| byte.is_ascii_digit() || matches!(byte, b',' | b'-' | b' ');
    if ports.is_empty() || !ports.bytes().all(is_ports) {
        return None;
    }
    Glob::parse(&host.to_ascii_lowercase()).ok()
}

/// The pattern that is left of a URL or an authority without scheme, user, port and path; `.example.com` is other
/// programs' `*.example.com`.
fn host_within(text: &str) -> Option<Glob> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => authority,
    };
    let host = match host.strip_prefix('.') {
        Some(parent) => format!("*.{parent}"),
        None => host.to_owned(),
    };
    if host == text {
        return None;
    }
    Glob::parse(&host.to_ascii_lowercase()).ok()
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

/// A list of globs, as one question: does a host match any of them? An empty set matches nothing. Each glob knows
/// the line of its file that it stands on; sets of the same globs are equal, wherever these stand.
#[derive(Clone, Default, Debug)]
pub struct GlobSet {
    names: HashMap<Box<str>, Line>,
    below: HashMap<Box<str>, Line>,
    addresses: HashMap<IpAddr, Line>,
}

/// The glob of a set that a host matched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matched {
    /// The glob.
    pub glob: Glob,
    /// Where it stands.
    pub line: Line,
}

impl GlobSet {
    /// Adds a glob. Of one that is listed twice the first line counts.
    pub fn insert(&mut self, glob: Glob, line: Line) {
        match glob {
            Glob::Name(name) => self.names.entry(name).or_insert(line),
            Glob::Below(name) => self.below.entry(name).or_insert(line),
            Glob::Address(address) => self.addresses.entry(address).or_insert(line),
        };
    }

    /// Does the host match any glob? One hash per label of the host, however many globs there are.
    pub fn contains(&self, host: &Host) -> bool {
        match host {
            Host::Name(name) => {
                self.names.contains_key(name.as_str())
                    || parents(name.as_str()).any(|parent| self.below.contains_key(parent))
            }
            Host::Addr(address) => self.addresses.contains_key(&address.to_canonical()),
        }
    }

    /// The glob that the host matches, the closest one where there are several. Slower than [`GlobSet::contains`].
    pub fn find(&self, host: &Host) -> Option<Matched> {
        let matched = |glob, &line: &Line| Matched { glob, line };
        match host {
            Host::Name(name) => match self.names.get_key_value(name.as_str()) {
                Some((name, line)) => Some(matched(Glob::Name(name.clone()), line)),
                None => parents(name.as_str())
                    .find_map(|parent| self.below.get_key_value(parent))
                    .map(|(parent, line)| matched(Glob::Below(parent.clone()), line)),
            },
            Host::Addr(address) => {
                let address = address.to_canonical();
                let line = self.addresses.get(&address)?;
                Some(matched(Glob::Address(address), line))
            }
        }
    }

    /// How many different globs there are.
    pub fn len(&self) -> usize {
        self.names.len() + self.below.len() + self.addresses.len()
    }

    /// Is there no glob, so that no host matches?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PartialEq for GlobSet {
    fn eq(&self, other: &GlobSet) -> bool {
        fn same<K: Eq + Hash>(one: &HashMap<K, Line>, other: &HashMap<K, Line>) -> bool {
            one.len() == other.len() && one.keys().all(|key| other.contains_key(key))
        }
        same(&self.names, &other.names)
            && same(&self.below, &other.below)
            && same(&self.addresses, &other.addresses)
    }
}

impl Eq for GlobSet {}

/// The names above this one, the closest first.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(name), |name| parent(name))
}

/// The name without its first label.
fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, rest)| rest)
}

#[cfg(test)]
impl FromIterator<(Glob, Line)> for GlobSet {
    fn from_iter<I: IntoIterator<Item = (Glob, Line)>>(globs: I) -> GlobSet {
        let mut set = GlobSet::default();
        for (glob, line) in globs {
            set.insert(glob, line);
        }
        set
    }
}

#[cfg(test)]
#[path = "glob_tests.rs"]
mod tests;
