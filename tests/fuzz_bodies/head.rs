//! Message heads: however they are cut into pieces the same is found, what is accepted a strict reader reads
//! alike, and what is written for the next hop is one unambiguous form.

use smokescreen::http::framing::{self, Body};
use smokescreen::http::head::{Scan, Scanned, with_request, with_response};
use smokescreen::http::max_forwards::{self, Forwards};
use smokescreen::http::rewrite::{self, RequestPlan, ResponsePlan};
use smokescreen::http::{Fault, HeadLimits, Version, upgrade};

use super::{Script, in_pieces, reader};

pub(crate) fn run(input: &[u8]) {
    let mut script = Script(input);
    let (shape, seed) = (script.byte(), script.byte());
    let limits = limits(shape >> 1);
    let fresh = if shape & 1 == 0 {
        Scan::request()
    } else {
        Scan::response()
    };
    let Some(length) = scanned(fresh, script.0, seed, &limits) else {
        return;
    };
    let head = &script.0[..length];
    if shape & 1 == 0 {
        request(head, &limits);
    } else {
        for version_client in [Version::Http10, Version::Http11] {
            response(head, version_client, shape & 0x80 != 0, &limits);
        }
    }
}

fn limits(shape: u8) -> HeadLimits {
    HeadLimits {
        head_bytes_max: [128 * 1024, 400, 60, 0][usize::from(shape & 3)],
        head_fields_max: [256, 70, 3, 0][usize::from(shape >> 2 & 3)],
    }
}

/// Where the head ends, if it is one.
pub(super) fn scanned(fresh: Scan, bytes: &[u8], seed: u8, limits: &HeadLimits) -> Option<usize> {
    let (mut at_once, mut piecewise) = (fresh, fresh);
    let answer = at_once.advance(bytes, limits);
    let in_pieces = in_pieces(bytes, seed, |seen| match piecewise.advance(seen, limits) {
        Scanned::More => None,
        other => Some(other),
    });
    assert_eq!(
        answer,
        in_pieces.unwrap_or(Scanned::More),
        "pieces change the answer"
    );
    let Scanned::Head(length) = answer else {
        return None;
    };
    assert!(length <= bytes.len() && length <= limits.head_bytes_max);
    assert!(bytes[..length].ends_with(b"\r\n\r\n"));
    Some(length)
}

/// A strict reader sees the same fields.
fn the_same_fields<'f>(head: &[u8], fields: impl Iterator<Item = (&'f str, &'f [u8])>) {
    let read = reader::head(head, 2).expect("readable").expect("whole");
    assert_eq!(read.length, head.len());
    let ours: Vec<_> = fields
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
        .collect();
    assert_eq!(read.fields, ours);
}

fn plan(protocols: &[u8], forwards: Forwards, body: Body) -> RequestPlan<'_> {
    RequestPlan {
        absolute: None,
        path_and_query: b"/p",
        host: "a.test",
        port: None,
        protocols,
        forwards,
        body,
    }
}

fn request(head: &[u8], limits: &HeadLimits) {
    let mut out = Vec::new();
    let body = with_request(head, limits, |parsed| {
        let parsed = parsed.ok()?;
        the_same_fields(head, parsed.fields.iter().map(|f| (f.name, f.value)));
        let body = framing::request_body(&parsed);
        agrees(head, body);
        let body = body.ok()?;
        assert!(body != Body::UntilClose);
        let protocols = upgrade::asked(&parsed);
        let forwards = max_forwards::forwards(&parsed).ok()?;
        rewrite::request(&parsed, &plan(&protocols, forwards, body), &mut out);
        Some((body, protocols, forwards))
    });
    let Some((body, protocols, forwards)) = body else {
        return;
    };
    let roomy = HeadLimits::default();
    assert_eq!(Scan::request().advance(&out, &roomy), Scanned::Head(out.len()));
    let read = reader::head(&out, 0).expect("readable").expect("whole");
    assert_eq!(read.values("host").collect::<Vec<_>>(), [b"a.test"]);
    nothing_leaks(&read, !protocols.is_empty());
    only_the_origins_protocols(&read);
    if read.words()[0] != b"CONNECT" {
        assert_eq!(read.framing().expect("one way"), as_read(body));
    }
    let mut again = Vec::new();
    with_request(&out, &roomy, |parsed| {
        let parsed = parsed.expect("what we send we would take");
        assert_eq!(parsed.version, Version::Http11);
        let same = upgrade::asked(&parsed);
        assert_eq!(same, protocols, "what is asked for once is asked for again");
        let next = max_forwards::forwards(&parsed).expect("what we send we would take");
        let one_less = match forwards {
            Forwards::Left(left) => left.checked_sub(1).map_or(Forwards::None, Forwards::Left),
            other => other,
        };
        assert!(
            forwards == Forwards::None || next == one_less,
            "{next:?} behind {forwards:?}"
        );
        let body = framing::request_body(&parsed).expect("what we send we would take");
        rewrite::request(&parsed, &plan(&same, forwards, body), &mut again);
    });
    assert_eq!(out, again, "a second hop changes what the first one sent");
}

fn response(head: &[u8], version_client: Version, request_is_head: bool, limits: &HeadLimits) {
    let mut out = Vec::new();
    let body = with_response(head, limits, |parsed| {
        let parsed = parsed.ok()?;
        the_same_fields(head, parsed.fields.iter().map(|f| (f.name, f.value)));
        let body = framing::response_body(&parsed, request_is_head, false).ok()?;
        let plan = ResponsePlan {
            version_client,
            body,
            request_is_head,
            client_persists: body != Body::UntilClose,
            upgrade: parsed.status == 101,
        };
        rewrite::response(&parsed, &plan, &mut out);
        let mut interim = Vec::new();
        rewrite::interim(&parsed, &mut interim);
        assert!(reader::head(&interim, 0).expect("readable").is_some());
        Some((body, parsed.status))
    });
    let Some((body, status)) = body else { return };
    assert_eq!(
        Scan::response().advance(&out, &HeadLimits::default()),
        Scanned::Head(out.len())
    );
    let read = reader::head(&out, 0).expect("readable").expect("whole");
    assert_eq!(read.status(), Ok(status));
    nothing_leaks(&read, status == 101);
    let framing = read.framing().expect("one way");
    match body {
        Body::Length(_) => assert_eq!(framing, as_read(body)),
        Body::Chunked if version_client == Version::Http11 => assert_eq!(framing, as_read(body)),
        Body::Chunked | Body::UntilClose => assert_eq!(framing, reader::Framing::Absent),
        Body::None if matches!(status, 100..=199 | 204) => assert_eq!(framing, reader::Framing::Absent),
        Body::None => {}
    }
}

/// What concerns one hop stays there; what is ours too.
fn nothing_leaks(sent: &reader::Head, upgrades: bool) {
    for (name, _) in &sent.fields {
        let own = name.starts_with("proxy") && (name.len() == 5 || name.as_bytes()[5] == b'-');
        assert!(!own && !name.starts_with("x-smokescreen-"), "{name} leaks");
        assert!(
            !["keep-alive", "te", "x-upstream-https-proxy", "http2-settings"].contains(&&**name),
            "{name} leaks"
        );
        assert!(name != "upgrade" || upgrades, "an upgrade nobody asked for");
    }
}

/// No origin is asked to change the protocol between the client and us.
fn only_the_origins_protocols(sent: &reader::Head) {
    for list in sent.values("upgrade") {
        for protocol in list.split(|&byte| byte == b',') {
            let name = protocol
                .trim_ascii()
                .split(|&byte| byte == b'/')
                .next()
                .unwrap_or_default();
            let name = name.to_ascii_lowercase();
            assert!(!["http", "h2", "h2c", "tls"].contains(&&*String::from_utf8_lossy(&name)));
        }
    }
}

/// Where our framing was accepted the strict reader's says the same.
pub(super) fn agrees(head: &[u8], body: Result<Body, Fault>) {
    let read = reader::head(head, 2).expect("readable").expect("whole");
    match (read.framing(), body) {
        (Ok(theirs), Ok(ours)) => {
            let empty_connect = ours == Body::None && theirs == reader::Framing::Length(0);
            assert!(
                theirs == as_read(ours) || empty_connect,
                "{theirs:?} and {ours:?}"
            );
        }
        (Err(bad), Ok(ours)) => panic!("{ours:?} is {bad:?} to others"),
        (_, Err(_)) => {}
    }
}

pub(super) fn as_read(body: Body) -> reader::Framing {
    match body {
        Body::None | Body::UntilClose => reader::Framing::Absent,
        Body::Length(length) => reader::Framing::Length(length),
        Body::Chunked => reader::Framing::Chunked,
    }
}
