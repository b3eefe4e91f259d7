//! How the body that follows a head is delimited (RFC 9112, 6.3), as strictly as it can be said: one way or none.
//! Reads only the head; a chunked body itself is `chunked`'s.

use super::fields::{Fields, field};
use super::head::{RequestHead, ResponseHead};
use super::{Fault, Version};

/// How a body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// There is none, not even an empty one that was announced.
    None,
    /// After this many bytes, 0 to 2^63-1.
    Length(u64),
    /// With the last chunk and its trailer section.
    Chunked,
    /// When the origin closes its side; responses only.
    UntilClose,
}

/// How a request's body is delimited; without any framing field there is none.
///
/// Errors: what `declared` refuses, and a CONNECT that announces content (RFC 9110, 9.3.6: it has none, so what
/// follows would be content to one reader and tunnel bytes to the next).
pub fn request_body(head: &RequestHead<'_>) -> Result<Body, Fault> {
    match declared(head.fields, head.version)? {
        Some(Body::Length(0)) | None if head.method == "CONNECT" => Ok(Body::None),
        Some(_) if head.method == "CONNECT" => Err(Fault::Malformed("a CONNECT request has no content")),
        Some(body) => Ok(body),
        None => Ok(Body::None),
    }
}

/// How a response's body is delimited.
///
/// Responses to HEAD and those with 1xx, 204 or 304 have none, but what they declare must still be well-formed: the
/// next reader may believe it. After a CONNECT a 2xx has none either and its framing fields mean nothing.
///
/// Errors: what `declared` refuses.
pub fn response_body(
    head: &ResponseHead<'_>,
    request_method_is_head: bool,
    answered_connect: bool,
) -> Result<Body, Fault> {
    if answered_connect && matches!(head.status, 200..=299) {
        return Ok(Body::None);
    }
    let declared = declared(head.fields, head.version)?;
    if request_method_is_head || matches!(head.status, 100..=199 | 204 | 304) {
        return Ok(Body::None);
    }
    Ok(declared.unwrap_or(Body::UntilClose))
}

/// What the framing fields of a head say: a length, chunked, or nothing.
///
/// Errors: more than one Content-Length, even if they agree; one that isn't digits up to 2^63-1; Content-Length
/// beside Transfer-Encoding; more than one Transfer-Encoding, or any coding but `chunked`; Transfer-Encoding in
/// HTTP/1.0, where it was never defined.
pub(super) fn declared(fields: Fields<'_>, version: Version) -> Result<Option<Body>, Fault> {
    let mut lengths = field(fields, "content-length");
    let mut codings = field(fields, "transfer-encoding");
    let (length, coding) = (lengths.next(), codings.next());
    if lengths.next().is_some() {
        return Err(Fault::Malformed("more than one Content-Length"));
    }
    match (length, coding) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Fault::Malformed("both Content-Length and Transfer-Encoding")),
        (Some(length), None) => parse_length(length).map(|length| Some(Body::Length(length))),
        (None, Some(_)) if version == Version::Http10 => {
            Err(Fault::Malformed("Transfer-Encoding in an HTTP/1.0 message"))
        }
        (None, Some(coding)) if codings.next().is_none() && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Some(Body::Chunked))
        }
        (None, Some(_)) => Err(Fault::Malformed("an unsupported Transfer-Encoding")),
    }
}

fn parse_length(value: &[u8]) -> Result<u64, Fault> {
    const MALFORMED: Fault = Fault::Malformed("a malformed Content-Length");
    // 19 digits hold every number up to 2^63-1 and can't overflow 64 bits.
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(MALFORMED);
    }
    let length = value
        .iter()
        .fold(0_u64, |length, digit| length * 10 + u64::from(digit - b'0'));
    if length > i64::MAX as u64 {
        Err(MALFORMED)
    } else {
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
