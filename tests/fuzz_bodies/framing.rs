//! Bodies: where a message ends is the same for us, for a strict reader, and whatever pieces it comes in.

use smokescreen::http::chunked::{Chunk, Chunks, rewrite_trailers, write_chunk_size};
use smokescreen::http::framing::{self, Body};
use smokescreen::http::head::{Scan, with_request, with_response};
use smokescreen::http::{Fault, HeadLimits};

use super::head::{agrees, as_read, scanned};
use super::{Script, reader};

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 2000,
    head_fields_max: 20,
};

/// A request and what follows it.
pub(crate) fn request(input: &[u8]) {
    let mut script = Script(input);
    let seed = script.byte();
    let Some(length) = scanned(Scan::request(), script.0, seed, &LIMITS) else {
        return;
    };
    let (head, rest) = script.0.split_at(length);
    let body = with_request(head, &LIMITS, |parsed| {
        let body = framing::request_body(&parsed.ok()?);
        agrees(head, body);
        body.ok()
    });
    if let Some(body) = body {
        follow(body, rest, seed);
    }
}

/// A response and what follows it.
pub(crate) fn response(input: &[u8]) {
    let mut script = Script(input);
    let seed = script.byte();
    let Some(length) = scanned(Scan::response(), script.0, seed, &LIMITS) else {
        return;
    };
    let (head, rest) = script.0.split_at(length);
    for request_is_head in [false, true] {
        let body = with_response(head, &LIMITS, |parsed| {
            let parsed = parsed.ok()?;
            let body = framing::response_body(&parsed, request_is_head, false).ok()?;
            let bodiless = request_is_head || matches!(parsed.status, 100..=199 | 204 | 304);
            assert_eq!(bodiless, body == Body::None);
            if !bodiless {
                agrees(head, Ok(body));
            }
            if matches!(parsed.status, 200..=299) {
                let connected = framing::response_body(&parsed, false, true);
                assert_eq!(connected, Ok(Body::None));
            }
            Some(body)
        });
        if let Some(body) = body {
            follow(body, rest, seed);
        }
    }
}

fn follow(body: Body, rest: &[u8], seed: u8) {
    if body != Body::Chunked {
        return;
    }
    let ours = walk(rest, rest.len().max(1));
    assert_eq!(
        ours,
        walk(rest, 1 + usize::from(seed % 7)),
        "pieces change the answer"
    );
    let Ok(ours) = ours else { return };
    let theirs = reader::body(rest, as_read(body)).expect("what we accept is readable");
    assert_eq!(ours.content, theirs.content);
    let passes = reframed(&ours);
    if theirs.trailer_fault.is_none() {
        assert_eq!(ours.end, theirs.end, "the end is seen elsewhere");
    } else {
        assert!(!passes, "a section that is {:?} passes", theirs.trailer_fault);
    }
}

/// A body in chunked coding as far as it is there.
#[derive(PartialEq, Eq, Debug, Default)]
struct Walked {
    content: Vec<u8>,
    section: Vec<u8>,
    end: Option<usize>,
}

/// Walks through a body that arrives `piece` bytes at a time.
fn walk(bytes: &[u8], piece: usize) -> Result<Walked, Fault> {
    let (mut chunks, mut walked) = (Chunks::new(), Walked::default());
    let (mut at, mut arrived, mut payload) = (0, 0, 0_u64);
    loop {
        let there = arrived - at;
        if payload > 0 && there > 0 {
            let n = usize::try_from(payload).unwrap_or(usize::MAX).min(there);
            walked.content.extend(&bytes[at..at + n]);
            at += n;
            payload -= n as u64;
            continue;
        }
        if payload == 0 {
            let (consumed, chunk) = chunks.advance(&bytes[at..arrived], &LIMITS)?;
            at += consumed;
            match chunk {
                Chunk::Payload(0) => panic!("an empty payload"),
                Chunk::Payload(n) => {
                    payload = n;
                    continue;
                }
                Chunk::Trailers(length) => {
                    walked.section = bytes[at..at + length].to_vec();
                    walked.end = Some(at + length);
                    return Ok(walked);
                }
                Chunk::More => {}
            }
        }
        if arrived == bytes.len() {
            return Ok(walked);
        }
        arrived = bytes.len().min(arrived + piece);
    }
}

/// What we would send on is read back by the strict reader as the same content, with harmless trailers. False: it
/// would not be sent on.
fn reframed(walked: &Walked) -> bool {
    if walked.end.is_none() {
        return false;
    }
    let mut out = Vec::new();
    if !walked.content.is_empty() {
        write_chunk_size(walked.content.len() as u64, &mut out);
        out.extend(&walked.content);
        out.extend(b"\r\n");
    }
    write_chunk_size(0, &mut out);
    let before = out.len();
    if rewrite_trailers(&walked.section, &LIMITS, &mut out).is_err() {
        assert_eq!(out.len(), before, "an error appends nothing");
        return false;
    }
    let read = reader::body(&out, reader::Framing::Chunked).expect("readable");
    assert_eq!((read.end, &read.content), (Some(out.len()), &walked.content));
    for name in &read.trailers {
        let forbidden = [
            "content-length",
            "transfer-encoding",
            "host",
            "connection",
            "upgrade",
            "te",
            "trailer",
            "authorization",
            "proxy-authorization",
            "set-cookie",
            "cookie",
        ];
        assert!(!forbidden.contains(&&**name), "{name} in a trailer section");
    }
    true
}
