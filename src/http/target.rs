//! The request-target: which of its four forms it has (RFC 9112, 3.2), and where an absolute URI splits.
//! Hosts and ports are not judged here (that is `crate::net`), nothing is decoded or normalised.

use memchr::memchr3;

use crate::net::Scheme;
use crate::text::slices::until;

use super::Fault;
use super::head::RequestHead;

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form<'b> {
    /// CONNECT: the target is `host:port`.
    Connect {
        /// The whole target, for `Target::parse`, which demands the port.
        authority: &'b [u8],
    },
    /// What a proxy is asked for: a whole URI.
    Absolute {
        /// The scheme, compared without case; `ws` and `wss` begin as requests of the other two (RFC 6455, 4.1). `None` is
        /// any other (`ftp`, `gopher`, `urn`, ...), which is not proxied.
        scheme: Option<Scheme>,
        /// Everything between `//` and the path, query or fragment, for `Target::parse`: user information, back
        /// slashes and whatever else it refuses is still in it. Empty only without a known scheme.
        authority: &'b [u8],
        /// Path and query as sent, without the fragment; empty, or beginning with `/` or `?`.
        path_and_query: &'b [u8],
    },
    /// `/path`: asked of an origin, not of a proxy.
    Origin,
    /// `OPTIONS *`: about the proxy itself.
    Asterisk,
}

/// Tells the form of a request's target.
///
/// Errors: a CONNECT whose target is no bare authority, `*` with another method than OPTIONS, no absolute URI,
/// an http(s) URI without a host.
pub fn form<'b>(head: &RequestHead<'b>) -> Result<Form<'b>, Fault> {
    let target = head.target;
    // The parser let none of these in; what is forwarded is too important to leave it at that.
    let is_bad = |&byte: &u8| byte <= b' ' || byte == 0x7f;
    // A fold without an early exit: the compiler turns it into vector instructions.
    if target.iter().fold(false, |found, byte| found | is_bad(byte)) {
        return Err(Fault::Malformed("a malformed request target"));
    }
    if head.method == "CONNECT" {
        return match target {
            [] | b"*" => Err(NOT_AN_AUTHORITY),
            _ if target.iter().any(|byte| b"/?#\\".contains(byte)) => Err(NOT_AN_AUTHORITY),
            _ => Ok(Form::Connect { authority: target }),
        };
    }
    match target {
        [b'/', ..] => Ok(Form::Origin),
        b"*" if head.method == "OPTIONS" => Ok(Form::Asterisk),
        _ => absolute(target),
    }
}

const NOT_AN_AUTHORITY: Fault = Fault::Malformed("the target of CONNECT must be host:port");
const NOT_ABSOLUTE: Fault = Fault::Malformed("the request target must be an absolute URI");

fn absolute(target: &[u8]) -> Result<Form<'_>, Fault> {
    let colon = target.iter().position(|&byte| byte == b':').ok_or(NOT_ABSOLUTE)?;
    let (scheme, rest) = target.split_at_checked(colon).ok_or(NOT_ABSOLUTE)?;
    let scheme = is_scheme(scheme).then(|| known(scheme)).ok_or(NOT_ABSOLUTE)?;
    let hierarchical = rest.strip_prefix(b"://");
    let Some(rest) = hierarchical else {
        return match scheme {
            None => Ok(Form::Absolute {
                scheme,
                authority: b"",
                path_and_query: b"",
            }),
            Some(_) => Err(NOT_ABSOLUTE),
        };
    };
    let end = memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(NOT_ABSOLUTE)?;
    if authority.is_empty() && scheme.is_some() {
        return Err(Fault::Malformed("the request target has no host"));
    }
    let path_and_query = until(rest, |&byte| byte == b'#');
    Ok(Form::Absolute {
        scheme,
        authority,
        path_and_query,
    })
}

/// Is it one by its form (RFC 3986, 3.1)?
fn is_scheme(scheme: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    scheme
        .split_first()
        .is_some_and(|(first, rest)| first.is_ascii_alphabetic() && rest.iter().all(fits))
}

/// The scheme, where it is one of those that are proxied.
fn known(scheme: &[u8]) -> Option<Scheme> {
    let is = |known: &[u8]| scheme.eq_ignore_ascii_case(known);
    match scheme {
        _ if is(b"http") || is(b"ws") => Some(Scheme::Http),
        _ if is(b"https") || is(b"wss") => Some(Scheme::Https),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
