//! The tables.

use super::super::testing::{get, ok, request, response, with_lines};
use super::*;

#[test]
fn requests_persist() {
    for (version, lines, want) in [
        ("HTTP/1.1", &[][..], true),
        ("HTTP/1.1", &["Connection: close"], false),
        ("HTTP/1.1", &["connection: x, CLOSE"], false),
        ("HTTP/1.1", &["Connection: keep-alive"], true),
        (
            "HTTP/1.1",
            &["Connection: keep-alive", "Connection: close"],
            false,
        ),
        ("HTTP/1.1", &["Connection: closed, not-close"], true),
        ("HTTP/1.1", &["Proxy-Connection: Keep-Alive"], true),
        ("HTTP/1.1", &["Proxy-Connection: close"], false),
        (
            "HTTP/1.1",
            &["Connection: keep-alive", "Proxy-Connection: close"],
            false,
        ),
        ("HTTP/1.0", &[], false),
        ("HTTP/1.0", &["Connection: keep-alive"], true),
        ("HTTP/1.0", &["Connection: Keep-Alive, close"], false),
        ("HTTP/1.0", &["Proxy-Connection: keep-alive"], true),
        (
            "HTTP/1.0",
            &["Proxy-Connection: keep-alive", "Connection: close"],
            false,
        ),
        ("HTTP/1.0", &["Keep-Alive: timeout=5"], false),
    ] {
        assert_eq!(
            request(get(version, lines), request_persists),
            Ok(want),
            "{version} {lines:?}"
        );
    }
}

#[test]
fn responses_persist() {
    for (version, lines, body, want) in [
        ("HTTP/1.1", &[][..], Body::None, true),
        ("HTTP/1.1", &[], Body::Length(3), true),
        ("HTTP/1.1", &[], Body::Chunked, true),
        ("HTTP/1.1", &[], Body::UntilClose, false),
        ("HTTP/1.1", &["Connection: close"], Body::Length(3), false),
        (
            "HTTP/1.1",
            &["Connection: keep-alive, close"],
            Body::Chunked,
            false,
        ),
        ("HTTP/1.1", &["Connection: keep-alive"], Body::UntilClose, false),
        ("HTTP/1.1", &["Proxy-Connection: close"], Body::Length(3), true),
        ("HTTP/1.0", &[], Body::Length(3), false),
        ("HTTP/1.0", &["Connection: Keep-Alive"], Body::Length(3), true),
        ("HTTP/1.0", &["Connection: Keep-Alive"], Body::UntilClose, false),
        ("HTTP/1.0", &["Connection: keep-alive, close"], Body::None, false),
    ] {
        let got = response(ok(version, lines), |head| response_persists(head, body));
        assert_eq!(got, Ok(want), "{version} {lines:?} {body:?}");
    }
    let switching = with_lines("HTTP/1.1 101 Switching Protocols", &["Connection: Upgrade"]);
    assert_eq!(
        response(switching, |head| response_persists(head, Body::None)),
        Ok(false)
    );
}

#[test]
fn a_204_that_announces_content_is_the_last_of_its_connection() {
    for (lines, want) in [
        (&[][..], true),
        (&["Content-Length: 0"], true),
        (&["Content-Length: 5"], false),
        (&["Transfer-Encoding: chunked"], false),
    ] {
        let no_content = with_lines("HTTP/1.1 204 No Content", lines);
        let got = response(no_content, |head| response_persists(head, Body::None));
        assert_eq!(got, Ok(want), "{lines:?}");
        let unmodified = with_lines("HTTP/1.1 304 Not Modified", lines);
        let got = response(unmodified, |head| response_persists(head, Body::None));
        assert_eq!(got, Ok(true), "a 304 says what a 200 would have had: {lines:?}");
    }
}

#[test]
fn joint_table() {
    use Body::{Chunked, Length, None, UntilClose};
    use Version::{Http10, Http11};
    for (version, asked, offered, body, client, origin) in [
        (Http11, true, true, None, true, true),
        (Http11, true, true, Length(3), true, true),
        (Http11, true, true, Chunked, true, true),
        (Http11, true, false, UntilClose, false, false),
        (Http11, true, false, Length(3), true, false),
        (Http11, false, true, Length(3), false, true),
        (Http11, false, false, None, false, false),
        (Http10, true, true, Length(3), true, true),
        (Http10, true, true, None, true, true),
        (Http10, true, true, Chunked, false, true),
        (Http10, true, false, UntilClose, false, false),
        (Http10, false, true, Chunked, false, true),
    ] {
        let got = Persistence::of(version, asked, offered, body);
        assert_eq!(
            got,
            Persistence { client, origin },
            "{version:?} {asked} {offered} {body:?}"
        );
    }
}

#[test]
fn keep_alive_is_read_strictly_and_bounded() {
    for (lines, want) in [
        (&[][..], None),
        (&["Keep-Alive: timeout=5"], Some(5)),
        (&["keep-alive: max=100, Timeout=15"], Some(15)),
        (&["Keep-Alive: timeout=5,timeout=3"], Some(3)),
        (&["Keep-Alive: timeout=5", "Keep-Alive: timeout=7"], Some(5)),
        (&["Keep-Alive: timeout=0"], Some(0)),
        (&["Keep-Alive: timeout=005"], Some(5)),
        (&["Keep-Alive: timeout=60, max=0"], Some(0)),
        (&["Keep-Alive: max=0"], Some(0)),
        (&["Keep-Alive: max=1"], None),
        (&["Keep-Alive: timeout=99999999999999999999999"], Some(u64::MAX)),
        (&["Keep-Alive: timeout=-1"], Some(0)),
        (&["Keep-Alive: timeout=+5"], Some(0)),
        (&["Keep-Alive: timeout=5.5"], Some(0)),
        (&["Keep-Alive: timeout=\"5"], Some(0)),
        (&["Keep-Alive: timeout=9, timeout=x"], Some(0)),
        (&["Keep-Alive: timeout=\"5\""], Some(5)),
        (&["Keep-Alive: timeout=5;max=3"], Some(5)),
        (&["Keep-Alive: timeout=5 ; max = \"0\""], Some(0)),
        (&["Keep-Alive: timeout="], Some(0)),
        (&["Keep-Alive: timeout"], Some(0)),
        (&["Keep-Alive: =5, 5, ;, max, max=x"], None),
        (&["Keep-Alive: timeouts=5, x-timeout=5"], None),
        (&["Keep-Alive: timeout\t= 5"], Some(5)),
        (&["Keep-Alive:"], None),
        (&["X: timeout=5"], None),
    ] {
        assert_eq!(
            response(ok("HTTP/1.1", lines), keep_alive_seconds),
            Ok(want),
            "{lines:?}"
        );
    }
}
