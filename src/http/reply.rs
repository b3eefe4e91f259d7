//! Our own answers: refusals and errors, as plain text. Which answer a case deserves is decided elsewhere; nothing of
//! a request gets in here but a host that went through [`escape_host`].

use super::emit;

/// Bytes of a host that a text shows.
const HOST_BYTES_MAX: usize = 255;

/// What an answer is due to: some of its fields depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The request is at fault.
    Request,
    /// It doesn't say, or not truthfully, who asks.
    Credentials,
    /// Whoever asks may not go there.
    Policy,
    /// The origin, or the way to it, failed.
    Origin,
    /// There is no room here: the next attempt, a second later, may succeed.
    Capacity,
}

/// One answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply<'a> {
    /// The status code, three digits.
    pub status: u16,
    /// The reason phrase, ASCII.
    pub reason: &'a str,
    /// What the body and X-Smokescreen-Error say.
    pub text: &'a str,
    /// The operator's addition to every such text (`--additional-error-message-on-deny`); empty: none.
    pub extra_message: &'a str,
    /// What it is due to.
    pub cause: Cause,
    /// The connection closes behind this answer.
    pub close: bool,
    /// This answers a HEAD: the fields only.
    pub head_only: bool,
    /// The connection goes on and the client speaks HTTP/1.0, which must be told.
    pub keep_alive_10: bool,
}

/// Appends the whole answer: head and, unless it is for a HEAD, the text with an empty line and the operator's
/// addition behind it.
pub fn reply(reply: &Reply<'_>, out: &mut Vec<u8>) {
    let extra = if reply.extra_message.is_empty() {
        ""
    } else {
        "\n\n"
    };
    let body = [reply.text, extra, reply.extra_message, "\n"];
    let length: usize = body.iter().map(|part| part.len()).sum();

    out.extend_from_slice(b"HTTP/1.1 ");
    emit::number::<10>(out, u64::from(reply.status));
    out.push(b' ');
    one_line(out, &[reply.reason]);
    out.extend_from_slice(b"\r\n");
    emit::field(out, "Content-Type", b"text/plain; charset=utf-8");
    emit::field(out, "X-Content-Type-Options", b"nosniff");
    emit::number_field(out, "Content-Length", length as u64);
    out.extend_from_slice(b"X-Smokescreen-Error: ");
    one_line(out, &body);
    out.extend_from_slice(b"\r\n");
    match reply.cause {
        Cause::Credentials => emit::field(out, "Proxy-Authenticate", b"Basic realm=\"smokescreen\""),
        Cause::Capacity => emit::field(out, "Retry-After", b"1"),
        Cause::Request | Cause::Policy | Cause::Origin => {}
    }
    if reply.close {
        emit::field(out, "Connection", b"close");
    } else if reply.keep_alive_10 {
        emit::field(out, "Connection", b"keep-alive");
    }
    out.extend_from_slice(b"\r\n");
    if !reply.head_only {
        body.iter()
            .for_each(|part| out.extend_from_slice(part.as_bytes()));
    }
}

/// Appends a text as one line of printable ASCII without white space at its ends: white space and line breaks become
/// one space, everything else that a field must not hold is escaped.
fn one_line(out: &mut Vec<u8>, text: &[&str]) {
    let start = out.len();
    let mut gap = false;
    for character in text.iter().flat_map(|part| part.chars()) {
        if matches!(character, ' ' | '\t' | '\r' | '\n') {
            gap = true;
            continue;
        }
        if gap && out.len() > start {
            out.push(b' ');
        }
        gap = false;
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii_graphic() => out.push(byte),
            _ => out.extend(
                character
                    .escape_default()
                    .map(|escaped| u8::try_from(escaped).unwrap_or(b'?')),
            ),
        }
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
