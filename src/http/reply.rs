//! Our own answers: refusals and errors, as plain text or, for those who ask for it, JSON. Which answer a case deserves
//! is decided elsewhere; nothing of a request gets in here but a host that went through [`escape_host`], or is a JSON
//! string.

use std::borrow::Cow;

use crate::text::{digits, one_line};

use super::{emit, json};

/// Bytes of a host that a text shows.
const HOST_BYTES_MAX: usize = 255;

/// What an answer is due to: some of its fields depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The request is at fault.
    Request,
    /// It doesn't say, or not truthfully, who asks; credentials are asked for.
    Credentials,
    /// Nothing says who asks, and no credentials would.
    Role,
    /// Whoever asks may not go there.
    Policy,
    /// The origin, or the way to it, failed.
    Origin,
    /// It comes too often.
    Rate,
    /// A limit of the operator's leaves no room for it.
    Limit,
    /// There is no room here: the next attempt, a second later, may succeed.
    Capacity,
}

/// Of an answer that must say which methods are allowed (RFC 9110, 15.5.6).
pub const METHOD_NOT_ALLOWED: u16 = 405;

/// Of the answer to an OPTIONS request that is meant for us.
pub const OPTIONS_STATUS: u16 = 200;

/// The methods that may be asked of us: everything is forwarded, but TRACE is not answered.
const ALLOW: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, CONNECT";

/// The answer to a CONNECT whose tunnel begins behind it (RFC 9110, 9.3.6).
pub const CONNECTION_ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// What a client waits for that would send its content only then (RFC 9110, 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply<'a> {
    /// The status code, three digits.
    pub status: u16,
    /// The reason phrase, ASCII.
    pub reason: &'a str,
    /// The stable name of what it is due to: a token.
    pub code: &'a str,
    /// The same as one of the proxy error types of RFC 9209.
    pub error_type: &'a str,
    /// The request's id, as in the log.
    pub id: &'a str,
    /// What the body and X-Smokescreen-Error say.
    pub text: &'a str,
    /// The operator's addition to every such text (`--additional-error-message-on-deny`); empty: none.
    pub extra_message: &'a str,
    /// What a body in JSON says beside that; none: it is plain text.
    pub json: Option<Facts<'a>>,
    /// What it is due to.
    pub cause: Cause,
    /// When another attempt may succeed, in seconds, where time alone would help.
    pub retry_seconds: u32,
    /// The connection closes behind this answer.
    pub close: bool,
    /// This answers a HEAD: the fields only.
    pub head_only: bool,
    /// The connection goes on and the client speaks HTTP/1.0, which must be told.
    pub keep_alive_10: bool,
}

/// What only an answer in JSON says. Raw: it is escaped here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts<'a> {
    /// The host, as the request spelled it.
    pub host: &'a str,
    /// The role, empty where there is none.
    pub role: &'a str,
    /// The rule that decided, empty where there is none.
    pub rule: &'a str,
    /// What would let the request out, empty where nothing would.
    pub hint: &'a str,
}

/// Appends the whole answer: head and, unless it is for a HEAD, the text with an empty line and the operator's
/// addition behind it, or JSON that says the same.
pub fn reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    let text = match reply.extra_message {
        "" => Cow::Borrowed(reply.text),
        extra => Cow::Owned(format!("{}\n\n{extra}", reply.text)),
    };
    let (content_type, body) = match reply.json {
        None => ("text/plain; charset=utf-8", format!("{text}\n")),
        Some(facts) => ("application/json", facts.with(reply, &text)),
    };
    out.extend_from_slice(b"HTTP/1.1 ");
    digits::decimal(out, u64::from(reply.status));
    out.push(b' ');
    one_line::field_value(out, reply.reason);
    out.extend_from_slice(b"\r\n");
    emit::field(out, "Content-Type", content_type.as_bytes());
    emit::field(out, "X-Content-Type-Options", b"nosniff");
    emit::number_field(out, "Content-Length", body.len() as u64);
    out.extend_from_slice(b"X-Smokescreen-Error: ");
    one_line::field_value(out, &text);
    out.extend_from_slice(b"\r\n");
    emit::field(out, "X-Smokescreen-Code", reply.code.as_bytes());
    emit::field(out, "X-Smokescreen-Request-Id", reply.id.as_bytes());
    let status = [
        "smokescreen; error=",
        reply.error_type,
        "; details=\"",
        reply.code,
        "\"",
    ]
    .concat();
    emit::field(out, "Proxy-Status", status.as_bytes());
    if reply.status == METHOD_NOT_ALLOWED {
        emit::field(out, "Allow", ALLOW);
    }
    match reply.cause {
        // RFC 7617: without the charset some clients send Latin-1.
        Cause::Credentials => {
            let challenge = b"Basic realm=\"smokescreen\", charset=\"UTF-8\"";
            emit::field(out, "Proxy-Authenticate", challenge);
        }
        Cause::Rate | Cause::Limit | Cause::Capacity => {
            emit::number_field(out, "Retry-After", reply.retry_seconds.into());
        }
        Cause::Request | Cause::Role | Cause::Policy | Cause::Origin => {}
    }
    connection(reply.close, reply.keep_alive_10, out);
    out.extend_from_slice(b"\r\n");
    if !reply.head_only {
        out.extend_from_slice(body.as_bytes());
    }
}

impl Facts<'_> {
    fn with(&self, reply: &Reply<'_>, text: &str) -> String {
        let longest = self.host.len().min(HOST_BYTES_MAX);
        let host = (0..=longest).rev().find_map(|end| self.host.get(..end));
        json::object(&[
            ("error", text),
            ("code", reply.code),
            ("host", host.unwrap_or_default()),
            ("role", self.role),
            ("id", reply.id),
            ("rule", self.rule),
            ("hint", self.hint),
        ])
    }
}

/// Appends the empty answer to an OPTIONS request that is meant for us (RFC 9110, 9.3.7).
pub fn options(close: bool, keep_alive_10: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    emit::field(out, "Allow", ALLOW);
    emit::number_field(out, "Content-Length", 0);
    connection(close, keep_alive_10, out);
    out.extend_from_slice(b"\r\n");
}

/// Says whether the connection goes on, where that is not understood.
fn connection(close: bool, keep_alive_10: bool, out: &mut Vec<u8>) {
    if close {
        emit::field(out, "Connection", b"close");
    } else if keep_alive_10 {
        emit::field(out, "Connection", b"keep-alive");
    }
}

/// Makes a host from a request fit to be shown in a text: printable ASCII stays, quotes, back slashes, control
/// characters and everything beyond ASCII are escaped, and what is longer than 255 bytes is cut (`...` says so).
pub fn escape_host(host: &str) -> String {
    let mut shown = String::with_capacity(host.len().min(HOST_BYTES_MAX));
    for character in host.chars() {
        let escaped = character.escape_default();
        if shown.len() + escaped.len() > HOST_BYTES_MAX {
            shown.push_str("...");
            break;
        }
        shown.extend(escaped);
    }
    shown
}

#[cfg(test)]
mod tests;
