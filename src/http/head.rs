//! Parses a complete head into borrowed parts, strictly. Finding its end is `scan`'s work; what the fields mean is
//! asked elsewhere (`framing`, `target`, `joint`), except for what makes any head malformed.

use std::mem::MaybeUninit;

use httparse::{EMPTY_HEADER, Header, Status};

use crate::text::slices::within;
use crate::text::token::is_token;

use super::fields::{self, CONNECTION_OPTIONS_MAX, Fields};
use super::scan::request_line;
pub use super::scan::{Scan, Scanned};
use super::{Fault, HeadLimits, Version};

/// Heads with up to this many fields are parsed without an allocation.
const SLOTS_ON_STACK: usize = 64;

/// Most requests have no more than this many.
const FEW_SLOTS: usize = 16;

/// A request's head.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'b> {
    /// The method, a token, case-sensitive.
    pub method: &'b str,
    /// The request-target as it was sent, see [`super::target::form`]. No white space or control characters; bytes from
    /// 0x80 on in whatever coding.
    pub target: &'b [u8],
    /// The client's version.
    pub version: Version,
    /// The field lines in order. Names are tokens; values have no white space around them, may be empty and may
    /// hold bytes from 0x80 on.
    pub fields: Fields<'b>,
}

/// A response's head.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'b> {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The reason phrase, possibly empty; may hold bytes from 0x80 on.
    pub reason: &'b [u8],
    /// The origin's version.
    pub version: Version,
    /// The field lines, as in [`RequestHead`].
    pub fields: Fields<'b>,
}

/// Parses a request head and hands it to `f`.
///
/// `bytes` are a whole head as [`Scan`] measured it (with or without the skipped empty lines): line endings and
/// control characters were judged there. Refused here: anything RFC 9112 doesn't allow between them, white space
/// before a colon, more than one Host or one that can't be an authority, a Connection list beyond reason. A missing
/// Host is no fault: a proxy is told the authority by the request-target.
pub fn with_request<R>(
    bytes: &[u8],
    limits: &HeadLimits,
    f: impl FnOnce(Result<RequestHead<'_>, Fault>) -> R,
) -> R {
    let needed = slots_needed(bytes);
    if needed > limits.fields_max() {
        return f(Err(TOO_MANY));
    }
    // The parser of fields alone wants slots that are filled, which costs: so there are not many more than needed.
    let (mut few, mut more, mut many);
    let slots: &mut [Header<'_>] = if needed <= FEW_SLOTS {
        few = [EMPTY_HEADER; FEW_SLOTS];
        &mut few
    } else if needed <= SLOTS_ON_STACK {
        more = [EMPTY_HEADER; SLOTS_ON_STACK];
        &mut more
    } else {
        many = vec![EMPTY_HEADER; needed];
        &mut many
    };
    f(request(bytes, slots))
}

/// Parses a response head and hands it to `f`; as [`with_request`].
pub fn with_response<R>(
    bytes: &[u8],
    limits: &HeadLimits,
    f: impl FnOnce(Result<ResponseHead<'_>, Fault>) -> R,
) -> R {
    let slots = slots_needed(bytes);
    if slots > limits.fields_max() {
        f(Err(TOO_MANY))
    } else if slots <= SLOTS_ON_STACK {
        f(response(
            bytes,
            &mut [const { MaybeUninit::uninit() }; SLOTS_ON_STACK],
        ))
    } else {
        f(response(bytes, &mut Box::new_uninit_slice(slots)))
    }
}

const TOO_MANY: Fault = Fault::TooLarge("too many fields");

/// An upper bound of a head's fields: its lines but for the first and the empty last one.
fn slots_needed(bytes: &[u8]) -> usize {
    // In pieces of which one byte can count the lines: the compiler makes vector instructions of that.
    let lines_of = |piece: &[u8]| {
        piece
            .iter()
            .fold(0, |lines, &byte| lines + u8::from(byte == b'\n'))
    };
    let pieces = bytes.chunks(usize::from(u8::MAX));
    pieces
        .map(|piece| usize::from(lines_of(piece)))
        .sum::<usize>()
        .saturating_sub(2)
}

/// The request line is taken apart here: the parser of its fields takes no target that is not UTF-8.
fn request<'a>(bytes: &'a [u8], slots: &'a mut [Header<'a>]) -> Result<RequestHead<'a>, Fault> {
    let bytes = without_empty_lines(bytes);
    let line_bytes = memchr::memchr(b'\r', bytes).ok_or(INCOMPLETE)?;
    let (line, rest) = bytes.split_at_checked(line_bytes).ok_or(INCOMPLETE)?;
    let rest = rest.strip_prefix(b"\r\n").ok_or(INCOMPLETE)?;
    let line = request_line(line)?;
    let method = is_token(line.method)
        .then(|| str::from_utf8(line.method).ok())
        .flatten();
    let fields = match httparse::parse_headers(rest, slots).map_err(fault)? {
        Status::Complete((length, fields)) if length == rest.len() => fields,
        _ => return Err(INCOMPLETE),
    };
    let fields = Fields::of(fields);
    connection_is_reasonable(fields)?;
    host_is_reasonable(fields)?;
    Ok(RequestHead {
        method: method.ok_or(Fault::Malformed("a malformed request line"))?,
        target: line.target,
        version: line.version,
        fields,
    })
}

fn response<'a>(
    bytes: &'a [u8],
    slots: &'a mut [MaybeUninit<Header<'a>>],
) -> Result<ResponseHead<'a>, Fault> {
    let mut parsed = httparse::Response::new(&mut []);
    let length = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut parsed, bytes, slots)
        .map_err(fault)?;
    let httparse::Response {
        version: Some(version),
        code: Some(status),
        headers,
        ..
    } = parsed
    else {
        return Err(INCOMPLETE);
    };
    whole(length, bytes)?;
    if status < 100 {
        return Err(Fault::Malformed("a malformed status line"));
    }
    let fields = Fields::of(headers);
    connection_is_reasonable(fields)?;
    Ok(ResponseHead {
        status,
        reason: reason_phrase(bytes),
        version: spoken(version)?,
        fields,
    })
}

const INCOMPLETE: Fault = Fault::Malformed("an incomplete head");

/// Both searches for the end of the head must have found the same one.
fn whole(length: Status<usize>, bytes: &[u8]) -> Result<(), Fault> {
    if length == Status::Complete(bytes.len()) {
        Ok(())
    } else {
        Err(INCOMPLETE)
    }
}

fn spoken(minor: u8) -> Result<Version, Fault> {
    match minor {
        0 => Ok(Version::Http10),
        1 => Ok(Version::Http11),
        _ => Err(Fault::Malformed("an unsupported HTTP version")),
    }
}

fn without_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let [b'\r', b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// What follows `HTTP/1.1 200 ` in the first line. The parser gives up phrases that are not ASCII; we pass them.
fn reason_phrase(bytes: &[u8]) -> &[u8] {
    let line = memchr::memchr(b'\r', bytes).map_or(&[][..], |n| within(bytes, ..n));
    line.get(b"HTTP/1.1 200 ".len()..).unwrap_or_default()
}

pub(super) fn fault(error: httparse::Error) -> Fault {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => TOO_MANY,
        Error::HeaderName => Fault::Malformed("a malformed field name"),
        Error::HeaderValue => Fault::Malformed("a malformed field value"),
        Error::Version => Fault::Malformed("an unsupported HTTP version"),
        Error::Status => Fault::Malformed("a malformed status line"),
        Error::Token => Fault::Malformed("a malformed request line"),
        Error::NewLine => Fault::Malformed("a malformed line ending"),
    }
}

/// Bounds the work of comparing every field with every connection option.
fn connection_is_reasonable(head_fields: Fields<'_>) -> Result<(), Fault> {
    let options: usize = fields::field(head_fields, "connection")
        .map(|value| fields::members(value).count())
        .sum();
    if options > CONNECTION_OPTIONS_MAX {
        return Err(Fault::Malformed("too many connection options"));
    }
    Ok(())
}

/// May an authority hold this (RFC 3986, 3.2)? All bytes that are not ASCII may pass.
fn is_in_authorities(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'$'..=b'.' | b':' | b';' | b'=' | b'[' | b']' | b'_' | b'~' | 0x80..)
}

/// At most one Host, made of an authority's characters (RFC 9112, 3.2). Its value is never used for routing.
fn host_is_reasonable(head_fields: Fields<'_>) -> Result<(), Fault> {
    let mut hosts = fields::field(head_fields, "host");
    let Some(host) = hosts.next() else { return Ok(()) };
    if hosts.next().is_some() {
        return Err(Fault::Malformed("more than one Host"));
    }
    if host.iter().all(|&byte| is_in_authorities(byte)) {
        Ok(())
    } else {
        Err(Fault::Malformed("a malformed Host"))
    }
}

#[cfg(test)]
mod tests;
