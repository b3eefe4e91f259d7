//! Which of the two connections of an exchange can carry another one (RFC 9112, 9.3): what the request says, what
//! the response says, and how its body ends, put together. Pure functions; when to close is the session's.

use super::Version;
use super::fields::{field, lists_token, members, trim};
use super::framing::Body;
use super::head::{RequestHead, ResponseHead};

/// What remains usable after an exchange in which both messages came to their ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Persistence {
    /// The client's connection can carry its next request.
    pub client: bool,
    /// The origin's connection can be kept for another request.
    pub origin: bool,
}

impl Persistence {
    /// The joint table. `client_version` and `request_persists` are the request's, `response_persists` is
    /// [`response_persists`] and `body` the response's as the origin frames it.
    ///
    /// The two sides are independent but for the body: one that ends with the origin's close takes both along, and
    /// a chunked one has no end that an HTTP/1.0 client could see but the close.
    pub fn of(
        client_version: Version,
        request_persists: bool,
        response_persists: bool,
        body: Body,
    ) -> Persistence {
        let client_sees_end = match body {
            Body::None | Body::Length(_) => true,
            Body::Chunked => client_version == Version::Http11,
            Body::UntilClose => false,
        };
        Persistence {
            client: request_persists && client_sees_end,
            origin: response_persists,
        }
    }
}

/// Does the client want to go on with its connection after this exchange?
///
/// HTTP/1.1: unless it says `close`. HTTP/1.0: only if it says `keep-alive`. Proxy-Connection counts like
/// Connection: clients that speak to proxies still send it. `close` beats `keep-alive`.
pub fn request_persists(head: &RequestHead<'_>) -> bool {
    let says = |option| {
        lists_token(head.fields, "connection", option) || lists_token(head.fields, "proxy-connection", option)
    };
    match head.version {
        _ if says("close") => false,
        Version::Http11 => true,
        Version::Http10 => says("keep-alive"),
    }
}

/// Can the origin's connection be used again after this response, whose body is `body`? Never after 101, which makes
/// it another protocol's.
pub fn response_persists(head: &ResponseHead<'_>, body: Body) -> bool {
    let says = |option| lists_token(head.fields, "connection", option);
    match head.version {
        _ if body == Body::UntilClose || head.status == 101 || says("close") => false,
        _ if head.status == 204 && announces_content(head) => false,
        Version::Http11 => true,
        Version::Http10 => says_keep_alive(head),
    }
}

/// Does the origin say that it keeps the connection? HTTP/1.1 means it without a word, and so do some that close it.
pub fn says_keep_alive(head: &ResponseHead<'_>) -> bool {
    lists_token(head.fields, "connection", "keep-alive")
}

/// For how many more seconds the origin keeps the connection idle, as its Keep-Alive fields say (RFC 2068, 19.7.1.1):
/// the least of their `timeout=`, or 0 where `max=0` lets no further request in. Origins write white space, quotes and
/// semicolons into it, though no grammar has them. A time that can't be read is none to count on: 0. Numbers are
/// bounded by their type.
pub fn keep_alive_seconds(head: &ResponseHead<'_>) -> Option<u64> {
    let says = field(head.fields, "keep-alive")
        .flat_map(members)
        .flat_map(|member| member.split(|&byte| byte == b';'))
        .filter_map(|member| {
            let mut parts = member.splitn(2, |&byte| byte == b'=').map(trim);
            let name = parts.next()?;
            let number = parts.next().and_then(number);
            match number {
                _ if name.eq_ignore_ascii_case(b"timeout") => Some(number.unwrap_or(0)),
                Some(0) if name.eq_ignore_ascii_case(b"max") => Some(0),
                _ => None,
            }
        });
    says.min()
}

/// A number in digits, quoted or not, at most the type's greatest.
fn number(text: &[u8]) -> Option<u64> {
    let quoted = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let digits = quoted.unwrap_or(text);
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| digits.iter().fold(0, add))
}

fn announces_content(head: &ResponseHead<'_>) -> bool {
    field(head.fields, "transfer-encoding").next().is_some()
        || field(head.fields, "content-length").any(|length| length != b"0")
}

#[cfg(test)]
mod tests;
