//! The header of the PROXY protocol, versions 1 and 2 (haproxy.org, `proxy-protocol.txt`): what a balancer puts before a
//! connection's first byte, to say whose it is. Takes no address for true: who may send one is asked before.
//!
//! Read strictly. A version 1 header is one line of single spaces, decimal ports and addresses of the family that it
//! names. Of version 2 the parts behind the addresses (TLVs) are skipped, the checksum among them: a receiver need not
//! know it, and TCP has one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::text::digits;
use crate::text::slices::within;

/// How every header of version 1 begins.
const V1_PREFIX: &[u8] = b"PROXY ";

/// Longest header of version 1, its line end included (2.1).
const V1_BYTES_MAX: usize = 107;

/// How every header of version 2 begins.
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The part of a version 2 header whose length is fixed: signature, version and command, family and transport, length of
/// the rest.
const V2_FIXED_BYTES: usize = 16;

/// Longest header that is taken, of either version. The format allows 64 KiB; what is sent has tens or hundreds of bytes,
/// and 2 KiB with a certificate in it. So much is granted to each connection anyway.
pub const HEADER_BYTES_MAX: usize = 4096;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// The beginning of a header, or nothing yet.
    NeedMore,
    /// A header, and perhaps more behind it.
    Header(Header),
    /// Something else: no header begins so.
    Absent,
    /// A header that no sender may send: one reason.
    Malformed(&'static str),
}

/// A header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// How long it is, in bytes: from there on the client itself speaks.
    pub bytes: usize,
    /// Whose connection it is, an IPv4-mapped address as the IPv4 address it stands for. None where the sender speaks for
    /// itself (LOCAL, as in health checks) or does not know (UNKNOWN, UNSPEC), and where the client is none of TCP.
    pub source: Option<SocketAddr>,
}

/// Reads the header at the beginning of what was received.
pub fn read(received: &[u8]) -> Read {
    if begins(received, V1_PREFIX) {
        v1(received)
    } else if begins(received, V2_SIGNATURE) {
        v2(received)
    } else {
        Read::Absent
    }
}

/// Do they begin so, as far as they go?
fn begins(received: &[u8], prefix: &[u8]) -> bool {
    received.starts_with(prefix) || prefix.starts_with(received)
}

fn v1(received: &[u8]) -> Read {
    let most = received.get(..V1_BYTES_MAX).unwrap_or(received);
    let Some(end) = most.iter().position(|byte| b"\r\n".contains(byte)) else {
        return match most.len() < V1_BYTES_MAX {
            true => Read::NeedMore,
            false => Read::Malformed("a line of more than 107 bytes"),
        };
    };
    match within(most, end..) {
        [b'\r'] if most.len() < V1_BYTES_MAX => return Read::NeedMore,
        [b'\r', b'\n', ..] => {}
        _ => return Read::Malformed("a line end other than CR LF"),
    }
    let line = within(most, ..end).strip_prefix(V1_PREFIX);
    match v1_source(line.unwrap_or_default()) {
        Ok(source) => Read::Header(Header {
            bytes: end + 2,
            source,
        }),
        Err(reason) => Read::Malformed(reason),
    }
}

/// What a line says behind its prefix.
fn v1_source(line: &[u8]) -> Result<Option<SocketAddr>, &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "bytes that are no text")?;
    let (family, rest) = line.split_once(' ').unwrap_or((line, ""));
    match family {
        "TCP4" => v1_addresses::<Ipv4Addr>(rest).map(Some),
        "TCP6" => v1_addresses::<Ipv6Addr>(rest).map(Some),
        // Whatever else stands there means nothing.
        "UNKNOWN" => Ok(None),
        _ => Err("a family other than TCP4, TCP6 and UNKNOWN"),
    }
}

/// Reads `SOURCE DESTINATION PORT PORT`; gives the source.
fn v1_addresses<A: FromStr + Into<IpAddr>>(rest: &str) -> Result<SocketAddr, &'static str> {
    let mut words = rest.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (source, destination, port, own_port) = (next(), next(), next(), next());
    if words.next().is_some() {
        return Err("more than two addresses and two ports");
    }
    let address = |text: &str| {
        text.parse::<A>()
            .map_err(|_| "an address that is none of its family")
    };
    let (source, _) = (address(source)?, address(destination)?);
    let number = |text: &str| port_number(text).ok_or("a port that is no decimal number up to 65535");
    let (port, _) = (number(port)?, number(own_port)?);
    Ok(unmapped(source, port))
}

/// 0 too.
fn port_number(text: &str) -> Option<u16> {
    digits::is_plain(text).then(|| text.parse().ok()).flatten()
}

fn v2(received: &[u8]) -> Read {
    let Some((fixed, rest)) = received.split_first_chunk::<V2_FIXED_BYTES>() else {
        return Read::NeedMore;
    };
    let [.., version_and_command, family_and_transport, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let bytes = V2_FIXED_BYTES + length;
    if version_and_command >> 4 != 2 {
        return Read::Malformed("a version other than 1 and 2");
    }
    if bytes > HEADER_BYTES_MAX {
        return Read::Malformed("more than 4096 bytes");
    }
    let addresses = rest.get(..length);
    let source = match version_and_command & 15 {
        // LOCAL: whatever else stands there is to be ignored.
        0 => Ok(None),
        1 => v2_source(family_and_transport, length, addresses.unwrap_or_default()),
        _ => Err("a command other than LOCAL and PROXY"),
    };
    match (source, addresses) {
        (Err(reason), _) => Read::Malformed(reason),
        (Ok(_), None) => Read::NeedMore,
        (Ok(source), Some(_)) => Read::Header(Header { bytes, source }),
    }
}

/// The source among the addresses, of which `length` bytes are announced: none where they are not there yet.
fn v2_source(
    family_and_transport: u8,
    length: usize,
    addresses: &[u8],
) -> Result<Option<SocketAddr>, &'static str> {
    // What an address of the family takes, twice.
    let least = match family_and_transport {
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err("a family and transport that do not exist"),
    };
    if length < least {
        return Err("too few bytes for its addresses");
    }
    Ok(match family_and_transport {
        0x11 => addresses
            .first_chunk()
            .map(|[a, b, c, d, _, _, _, _, high, low, _, _]| {
                unmapped(Ipv4Addr::new(*a, *b, *c, *d), u16::from_be_bytes([*high, *low]))
            }),
        0x21 => {
            let source = addresses.first_chunk::<16>();
            let port = addresses.get(32..).and_then(<[u8]>::first_chunk);
            source
                .zip(port)
                .map(|(source, port)| unmapped(Ipv6Addr::from(*source), u16::from_be_bytes(*port)))
        }
        // UNSPEC; and UDP and UNIX, which are to be taken as that by who has no use for them (2.2).
        _ => None,
    })
}

fn unmapped(address: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(address.into().to_canonical(), port)
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
