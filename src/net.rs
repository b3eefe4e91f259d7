//! Where a request wants to go, as words: names, hosts, targets. Parsing only; nothing here judges
//! (that is `policy`), resolves or connects (that is `io`).
//!
//! A host is parsed once, strictly, over the whole string (`net/host`). What C libraries would take for an
//! address although it doesn't look like one (`0177.0.0.1`, `0x7f.1`, `2130706433`) is an error, never a name.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

mod certified;
mod client_key;
mod endpoint;
mod fail;
mod host;
pub(crate) mod label;
mod name;
mod networks;
mod no_proxy;
mod peer;
mod proxy_url;
mod scheme;
#[cfg(test)]
mod tests;

pub use self::certified::Certified;
pub use self::client_key::ClientKey;
pub use self::endpoint::Endpoint;
pub use self::fail::{IoFail, IoFailKind, LookupFail, LookupFailKind, TlsFault};
pub use self::name::Name;
pub use self::networks::Networks;
pub use self::no_proxy::NoProxy;
pub use self::peer::{Peer, Trust};
pub use self::proxy_url::{ProxyUrl, Writer};
pub use self::scheme::Scheme;

/// The two ends a connection has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Side {
    /// Who connected to us.
    Client,
    /// Whom we connected to.
    Origin,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Origin,
            Side::Origin => Side::Client,
        }
    }
}

/// Which families of addresses are looked up and dialled (`--network`); literals count like looked-up addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Network {
    /// Both.
    #[default]
    Any,
    /// IPv4, IPv4-mapped IPv6 included, since that is dialled as IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Network {
    /// The word that stands for it in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Network::Any => "ip",
            Network::V4 => "ip4",
            Network::V6 => "ip6",
        }
    }

    /// Is this address of such a family?
    pub fn admits(self, address: IpAddr) -> bool {
        match self {
            Network::Any => true,
            Network::V4 => address.to_canonical().is_ipv4(),
            Network::V6 => address.to_canonical().is_ipv6(),
        }
    }
}

/// An IPv4-mapped address (`::ffff:0:0/96`) as the IPv4 address it stands for; any other as it is, with its flow and
/// its scope, which a link-local one needs.
pub fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// A host: a name still to be resolved, or an address.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// A normalised DNS name.
    Name(Name),
    /// A literal: a strict dotted quad or a bracketed IPv6 address. Never an IPv4-mapped one
    /// (`::ffff:0:0/96`): that is the IPv4 address it stands for.
    Addr(IpAddr),
}

impl Host {
    /// Parses the host of a URI authority (RFC 3986, section 3.2.2; brackets included, port excluded).
    ///
    /// Four decimal octets without leading zeros are IPv4, `[...]` is IPv6 without zone, anything else must be
    /// a DNS name, which may be given in UTF-8. One trailing dot of a name is dropped.
    ///
    /// # Errors
    /// Whatever is none of these; so is a name whose last label is a number or begins with `0x`, as it is
    /// written or after the UTS-46 mapping.
    pub fn parse(host: &[u8]) -> Result<Host, TargetError> {
        host::parse(utf8(host)?)
    }

    /// The normalised host as a URI spells it, as it is displayed; of a name without a copy.
    pub fn spelled(&self) -> Cow<'_, str> {
        match self {
            Host::Name(name) => Cow::Borrowed(name.as_str()),
            Host::Addr(_) => Cow::Owned(self.to_string()),
        }
    }
}

/// The normalised host as a URI spells it: IPv6 in brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => name.fmt(f),
            Host::Addr(IpAddr::V4(addr)) => write!(f, "{addr}"),
            Host::Addr(IpAddr::V6(addr)) => write!(f, "[{addr}]"),
        }
    }
}

/// Host and port of one request, with the spelling the client used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The host, normalised.
    pub host: Host,
    /// The port, 1 to 65535.
    pub port: u16,
    /// The authority as the request spelled it, with its port if it had one; for messages and logs.
    pub written: Arc<str>,
    /// So many bytes of it spell the host in a way that names the same to everybody; 0: only the normalised form does.
    spelled_bytes: u16,
}

impl Target {
    /// Parses `host[:port]`. Without a port, or with an empty one (RFC 3986, section 3.2.3), `default_port` is taken;
    /// `None` makes the port mandatory (CONNECT).
    ///
    /// # Errors
    /// A host that [`Host::parse`] refuses, user information (`user@host`), a port that is not 1 to 65535 in at
    /// most five digits.
    pub fn parse(authority: &[u8], default_port: Option<u16>) -> Result<Target, TargetError> {
        let written = utf8(authority)?;
        if written.contains('@') {
            return Err(TargetError("user information before the host is not accepted"));
        }
        let (spelled, port) = split_port(written)?;
        let host = host::parse(spelled)?;
        let port = match (port, default_port) {
            (Some("") | None, Some(port)) => port,
            (Some(""), None) => return Err(TargetError("port is missing after the colon")),
            (Some(digits), _) => {
                parse_port(digits).ok_or(TargetError("port is not a number from 1 to 65535"))?
            }
            (None, None) => return Err(TargetError("port is missing")),
        };
        Ok(Target {
            port,
            written: written.into(),
            spelled_bytes: match is_plain_spelling(spelled, &host) {
                true => u16::try_from(spelled.len()).unwrap_or(0),
                false => 0,
            },
            host,
        })
    }

    /// A host at a port, spelled in its normal form.
    pub fn of(host: Host, port: u16) -> Target {
        Target {
            written: format!("{host}:{port}").into(),
            spelled_bytes: 0,
            host,
            port,
        }
    }

    /// The value of the `Host` field (RFC 9110, section 7.2): the host as the request spelled it, for its letters' case
    /// may be signed, and the port unless it is the default one of the request's scheme. A spelling that others could read otherwise than
    /// the one that was judged is replaced by the normalised form.
    pub fn host_field(&self, default_port: u16) -> HostField<'_> {
        let spelled = self.written.get(..self.spelled_bytes.into());
        HostField {
            host: match spelled {
                None | Some("") => self.host.spelled(),
                Some(spelled) => Cow::Borrowed(spelled),
            },
            port: (self.port != default_port).then_some(self.port),
        }
    }
}

/// Does a host's spelling name what it was parsed as, to whoever reads it? A name must differ by the case of its
/// letters and a dot at its end only; an IPv4-mapped address was taken for another one.
fn is_plain_spelling(spelled: &str, host: &Host) -> bool {
    match host {
        Host::Name(name) => spelled
            .strip_suffix('.')
            .unwrap_or(spelled)
            .eq_ignore_ascii_case(name.as_str()),
        Host::Addr(IpAddr::V4(_)) => !spelled.starts_with('['),
        Host::Addr(IpAddr::V6(_)) => true,
    }
}

/// A `Host` field's value in its two parts; see [`Target::host_field`].
#[derive(Clone, Debug)]
pub struct HostField<'a> {
    /// The host.
    pub host: Cow<'a, str>,
    /// The port, where it must be said.
    pub port: Option<u16>,
}

/// Why an authority is no target: one short reason for a person, which echoes nothing of the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetError(pub &'static str);

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TargetError {}

/// Reads a TCP port: one to five digits, no sign, 1 to 65535.
pub(crate) fn parse_port(digits: &str) -> Option<u16> {
    // `u16::from_str` alone would take `+443`.
    let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if plain {
        digits.parse().ok().filter(|port| *port != 0)
    } else {
        None
    }
}

fn utf8(authority: &[u8]) -> Result<&str, TargetError> {
    std::str::from_utf8(authority).map_err(|_| TargetError("host is not valid UTF-8"))
}

/// Parts an authority into its host and what follows the colon, if there is one.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), TargetError> {
    // A colon inside brackets belongs to the address.
    let host_length = if authority.starts_with('[') {
        authority.find(']').ok_or(host::NOT_IPV6)? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(host_length);
    match rest.strip_prefix(':') {
        Some(port) if port.contains(':') => {
            Err(TargetError("host has more than one colon; IPv6 needs brackets"))
        }
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(host::NOT_IPV6),
    }
}
