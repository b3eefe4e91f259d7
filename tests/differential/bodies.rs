//! Messages: who sees which one end where.

use smokescreen::http::chunked::{Chunk, Chunks, rewrite_trailers};
use smokescreen::http::framing::{self, Body};
use smokescreen::http::head::{Scan, Scanned, with_request, with_response};
use smokescreen::http::{HeadLimits, joint};

use crate::generate::{self, Random};
use crate::{programs, seed};

const STREAMS: usize = 8_000;

const REQUESTS: [&str; 8] = [
    "POST /a HTTP/1.1",
    "POST /a HTTP/1.1",
    "GET /b HTTP/1.1",
    "PUT /c HTTP/1.0",
    "\r\nGET /d HTTP/1.1",
    "GET  /e HTTP/1.1",
    "GET /f HTTP/1.1 ",
    "GET /g",
];

/// No 204: with a Content-Length, which it must not have, Node 18 reads content there and Node 20 does not. A client
/// never sees such a length from us (`http/rewrite`).
const RESPONSES: [&str; 7] = [
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 404",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1  200 OK",
    "HTTP/1.1 200\tOK",
];

/// A message: where it ends, and its content.
type Message = (usize, Vec<u8>);

/// What a reader makes of a stream.
#[derive(Debug)]
struct Read {
    /// The messages whose ends it saw.
    whole: Vec<Message>,
    /// It waits for more of another one; otherwise it refuses what follows, or closes.
    waits: bool,
}

fn streams(starts: &[&str]) -> Vec<Vec<u8>> {
    let mut random = Random(seed());
    (0..STREAMS)
        .map(|_| generate::messages(starts, &mut random))
        .collect()
}

/// Our reading, up to where we close or refuse.
fn ours(bytes: &[u8], requests: bool) -> Read {
    let mut read = Read {
        whole: Vec::new(),
        waits: true,
    };
    let mut at = 0;
    while at < bytes.len() {
        match one(&bytes[at..], requests) {
            Ok(Some((length, content, persists))) => {
                at += length;
                read.whole.push((at, content));
                if !persists {
                    read.waits = false;
                    break;
                }
            }
            Ok(None) => break,
            Err(()) => {
                read.waits = false;
                break;
            }
        }
    }
    read
}

/// One message: its length, its content, and whether another may follow.
fn one(bytes: &[u8], requests: bool) -> Result<Option<(usize, Vec<u8>, bool)>, ()> {
    let limits = HeadLimits::default();
    let mut scan = if requests {
        Scan::request()
    } else {
        Scan::response()
    };
    let length = match scan.advance(bytes, &limits) {
        Scanned::Head(length) => length,
        Scanned::More => return Ok(None),
        Scanned::Bad(_) => return Err(()),
    };
    let (head, rest) = bytes.split_at(length);
    let framed = if requests {
        with_request(head, &limits, |parsed| {
            let parsed = parsed.ok()?;
            Some((
                framing::request_body(&parsed).ok()?,
                joint::request_persists(&parsed),
            ))
        })
    } else {
        with_response(head, &limits, |parsed| {
            let parsed = parsed.ok()?;
            let body = framing::response_body(&parsed, false, false).ok()?;
            Some((body, joint::response_persists(&parsed, body)))
        })
    };
    let (body, persists) = framed.ok_or(())?;
    let content = match body {
        Body::None => Some((0, Vec::new())),
        Body::Length(n) => {
            let n = usize::try_from(n).unwrap();
            rest.get(..n).map(|content| (n, content.to_vec()))
        }
        Body::Chunked => chunked(rest, &limits)?,
        Body::UntilClose => Some((rest.len(), rest.to_vec())),
    };
    Ok(content.map(|(n, content)| (length + n, content, persists)))
}

fn chunked(bytes: &[u8], limits: &HeadLimits) -> Result<Option<Message>, ()> {
    let (mut chunks, mut at, mut content) = (Chunks::new(), 0, Vec::new());
    loop {
        let (consumed, chunk) = chunks.advance(&bytes[at..], limits).map_err(|_| ())?;
        at += consumed;
        match chunk {
            Chunk::More => return Ok(None),
            Chunk::Payload(n) => {
                let end = usize::try_from(n).ok().and_then(|n| at.checked_add(n));
                let Some(payload) = end.and_then(|end| bytes.get(at..end)) else {
                    return Ok(None);
                };
                content.extend(payload);
                at += payload.len();
            }
            Chunk::Trailers(length) => {
                rewrite_trailers(&bytes[at..at + length], limits, &mut Vec::new()).map_err(|_| ())?;
                return Ok(Some((at + length, content)));
            }
        }
    }
}

/// Wherever both see a message it is the same one; where one waits, the other has not seen its end.
fn compare(who: &str, bytes: &[u8], ours: &Read, theirs: &Read) {
    let shown = || {
        format!(
            "{who} on \"{}\": ours {ours:?}, theirs {theirs:?}",
            bytes.escape_ascii()
        )
    };
    for nth in 0..ours.whole.len().max(theirs.whole.len()) {
        match (ours.whole.get(nth), theirs.whole.get(nth)) {
            (Some(a), Some(b)) => assert_eq!(a, b, "{}", shown()),
            (Some(_), None) => return assert!(!theirs.waits, "{}", shown()),
            (None, Some(_)) => return assert!(!ours.waits, "{}", shown()),
            (None, None) => {}
        }
    }
}

fn node_agrees(what: &str, requests: bool) {
    let drawn = streams(if requests { &REQUESTS } else { &RESPONSES });
    let Some(answers) = programs::node(what, &drawn) else {
        return;
    };
    let mut both = 0;
    for (bytes, answer) in drawn.iter().zip(answers) {
        let mut parts: Vec<_> = answer.split(';').collect();
        let waits = parts.pop() == Some("waits");
        let message = |part: &str| {
            let (end, content) = part.split_once(' ').unwrap();
            (end.parse().unwrap(), programs::unhex(content))
        };
        let whole = parts.into_iter().map(message).collect();
        let (ours, theirs) = (ours(bytes, requests), Read { whole, waits });
        compare(what, bytes, &ours, &theirs);
        both += usize::from(!ours.whole.is_empty() && !theirs.whole.is_empty());
    }
    assert!(both > STREAMS / 10, "hardly anything is compared: {both}");
}

#[test]
fn node_sees_the_same_requests() {
    node_agrees("requests", true);
}

#[test]
fn node_at_its_most_lenient_sees_the_same_requests() {
    node_agrees("requests-lenient", true);
}

#[test]
fn node_sees_the_same_responses() {
    node_agrees("responses", false);
}

#[test]
fn node_at_its_most_lenient_sees_the_same_responses() {
    node_agrees("responses-lenient", false);
}

/// Compares the first messages with those of a reader that was asked for one alone, unless `excused` speaks for it.
fn first_agrees(
    who: &str,
    requests: bool,
    drawn: &[Vec<u8>],
    answers: Option<Vec<String>>,
    excused: fn(&[u8]) -> bool,
) {
    let Some(answers) = answers else {
        return;
    };
    let mut both = 0;
    for (bytes, answer) in drawn.iter().zip(answers) {
        if excused(bytes) {
            continue;
        }
        let mut ours = ours(bytes, requests);
        ours.waits &= ours.whole.is_empty();
        ours.whole.truncate(1);
        let message = answer.split_once(' ');
        let message = message.map(|(end, content)| (end.parse().unwrap(), programs::unhex(content)));
        // Where we wait for more the end of the stream may be taken for the end of the head.
        let ended = |(end, _): &Message| !ours.waits || *end < bytes.len();
        let theirs = Read {
            whole: message.into_iter().filter(ended).collect(),
            waits: answer == "waits",
        };
        compare(who, bytes, &ours, &theirs);
        both += usize::from(!ours.whole.is_empty() && !theirs.whole.is_empty());
    }
    assert!(both > STREAMS / 10, "hardly anything is compared: {both}");
}

#[test]
fn h11_sees_the_same_request() {
    let drawn = streams(&REQUESTS);
    let answers = programs::h11("h11-requests", &drawn);
    first_agrees("h11", true, &drawn, answers, |_| false);
}

#[test]
fn h11_sees_the_same_response() {
    let drawn = streams(&RESPONSES);
    let answers = programs::h11("h11-responses", &drawn);
    first_agrees("h11", false, &drawn, answers, |_| false);
}

#[test]
fn python_sees_the_same_response() {
    let drawn = streams(&RESPONSES);
    let answers = programs::python("responses", &drawn);
    first_agrees("Python", false, &drawn, answers, |bytes| {
        // Python reads a chunked body where there can't be one (RFC 9112, 6.3, first rule).
        let bodiless = [&b"HTTP/1.1 204"[..], b"HTTP/1.1 304"]
            .iter()
            .any(|start| bytes.starts_with(start));
        bodiless && bytes.to_ascii_lowercase().windows(7).any(|w| w == b"chunked")
    });
}
