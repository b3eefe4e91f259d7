//! The answers of the admin port: short ones as a whole, of pages the head and the chunks. Which of them a request gets is
//! decided elsewhere; nothing of a request gets in here.

use crate::text::digits;

use super::emit;

/// What a page for people may do: run its own script and look as its own style says, both by their digests, and ask this
/// port. Anything from elsewhere is let in by none of it. Held to the page by a test beside it.
pub const PAGE_POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; \
    script-src 'sha256-79ZJuF8WuNganjGfLAM6El4+1joxeM8eavIiO1VUVGw='; style-src 'sha256-aIIGOIQlFFU/ggedmT+yEy8KRGOmRAuRgehRftZ5c0w='; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What anything else may do if a browser takes it for a page: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Ends a body of chunks (RFC 9112, 7.1).
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// An answer of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Brief {
    status: u16,
    reason: &'static str,
    text: &'static str,
    /// On how many sockets clients are still taken, where that is to be told.
    listeners: Option<u32>,
}

const fn brief_of(status: u16, reason: &'static str, text: &'static str) -> Brief {
    Brief {
        status,
        reason,
        text,
        listeners: None,
    }
}

/// The process lives.
pub const HEALTHY: Brief = brief_of(200, "OK", "ok");
/// It takes clients.
pub const READY: Brief = brief_of(200, "OK", "ready");
/// It will take none soon, or does not already.
const DRAINING: Brief = brief_of(503, "Service Unavailable", "draining");
/// Where an answer to that says on how many sockets clients are still taken. Who sees more on the same port knows of another
/// instance that takes them.
pub const LISTENERS: &str = "X-Smokescreen-Listeners";
/// Nothing is here.
pub const NOT_FOUND: Brief = brief_of(404, "Not Found", "nothing is here");
/// Only reading is allowed.
pub const NOT_ALLOWED: Brief = brief_of(405, "Method Not Allowed", "only GET and HEAD are allowed");
/// For clients on loopback alone.
pub const FAR: Brief = brief_of(
    403,
    "Forbidden",
    "this page is for clients on the same machine; --admin-status opens it to others",
);
/// Called by a name that may be anybody's.
pub const MISDIRECTED: Brief = brief_of(
    421,
    "Misdirected Request",
    "use an address, or localhost, instead of a name",
);

/// It will take no clients soon, or does not already; they are still taken on so many sockets.
pub fn draining(listeners: u32) -> Brief {
    Brief {
        listeners: Some(listeners),
        ..DRAINING
    }
}

/// The request is not HTTP; one reason.
pub fn malformed(reason: &'static str) -> Brief {
    brief_of(400, "Bad Request", reason)
}

/// The head exceeds a limit; one reason.
pub fn too_large(reason: &'static str) -> Brief {
    brief_of(431, "Request Header Fields Too Large", reason)
}

/// Appends the whole answer, but for a HEAD only its head.
pub fn brief(answer: Brief, head_only: bool, out: &mut Vec<u8>) {
    status_line(answer.status, answer.reason, out);
    common("text/plain; charset=utf-8", POLICY, out);
    emit::number_field(out, "Content-Length", answer.text.len() as u64 + 1);
    if let Some(listeners) = answer.listeners {
        emit::number_field(out, LISTENERS, u64::from(listeners));
    }
    if answer.status == NOT_ALLOWED.status {
        emit::field(out, "Allow", b"GET, HEAD");
    }
    out.extend_from_slice(b"\r\n");
    if !head_only {
        out.extend_from_slice(answer.text.as_bytes());
        out.push(b'\n');
    }
}

/// Appends a page's head: what follows is in chunks, or ends with the connection.
pub fn head(content_type: &str, is_for_people: bool, is_chunked: bool, out: &mut Vec<u8>) {
    status_line(200, "OK", out);
    let policy = match is_for_people {
        true => PAGE_POLICY,
        false => POLICY,
    };
    common(content_type, policy, out);
    if is_chunked {
        emit::field(out, "Transfer-Encoding", b"chunked");
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(status: u16, reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    digits::decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn common(content_type: &str, policy: &str, out: &mut Vec<u8>) {
    emit::field(out, "Content-Type", content_type.as_bytes());
    emit::field(out, "X-Content-Type-Options", b"nosniff");
    emit::field(out, "Content-Security-Policy", policy.as_bytes());
    emit::field(out, "Referrer-Policy", b"no-referrer");
    emit::field(out, "Cache-Control", b"no-store");
    emit::field(out, "Vary", b"Accept");
    emit::field(out, "Connection", b"close");
}

/// Appends a part of a body as a chunk; an empty part is none, for an empty chunk would end the body.
pub fn chunk(part: &[u8], out: &mut Vec<u8>) {
    if part.is_empty() {
        return;
    }
    digits::hexadecimal(out, part.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(part);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_answer_is_whole_and_a_head_lacks_its_text() {
        for answer in [
            HEALTHY,
            READY,
            draining(2),
            NOT_FOUND,
            NOT_ALLOWED,
            FAR,
            MISDIRECTED,
        ] {
            let (mut whole, mut head) = (Vec::new(), Vec::new());
            brief(answer, false, &mut whole);
            brief(answer, true, &mut head);
            let (whole, head) = (
                String::from_utf8(whole).unwrap(),
                String::from_utf8(head).unwrap(),
            );
            assert!(head.ends_with("\r\n\r\n") && head.contains("nosniff"));
            let body = whole.strip_prefix(&head).unwrap();
            assert_eq!(body, format!("{}\n", answer.text));
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
            assert_eq!(head.contains("Allow: GET, HEAD\r\n"), answer.status == 405);
            assert_eq!(
                head.contains("X-Smokescreen-Listeners: 2\r\n"),
                answer.status == 503
            );
        }
    }

    #[test]
    fn parts_are_chunks_and_an_empty_one_ends_nothing() {
        let mut out = Vec::new();
        head("text/plain", false, true, &mut out);
        assert!(out.ends_with(b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"));
        out.clear();
        for part in [&b"0123456789abcdefX"[..], b"", b"y"] {
            chunk(part, &mut out);
        }
        out.extend_from_slice(LAST_CHUNK);
        assert_eq!(out, b"11\r\n0123456789abcdefX\r\n1\r\ny\r\n0\r\n\r\n");
    }
}
