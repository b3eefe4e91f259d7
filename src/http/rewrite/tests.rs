//! What reaches the next hop, byte for byte. What a client gets is in `responses`.

mod responses;

use super::super::testing::{self, ok, with_lines};
use super::super::{max_forwards, upgrade};
use super::*;

fn sent(start: &str, path_and_query: &str, lines: &[&str]) -> String {
    let mut out = b">".to_vec();
    testing::request(with_lines(start, lines), |head| {
        let plan = RequestPlan {
            absolute: None,
            path_and_query: path_and_query.as_bytes(),
            host: "h",
            port: Some(81),
            protocols: &upgrade::asked(head),
            forwards: max_forwards::forwards(head).unwrap(),
            body: framing::request_body(head).unwrap(),
        };
        request(head, &plan, &mut out);
    })
    .unwrap();
    String::from_utf8(out).unwrap()[1..].to_owned()
}

/// The field lines that reach the origin behind Host.
fn forwarded(lines: &[&str]) -> Vec<String> {
    fields_of(
        &sent("GET http://h:81/ HTTP/1.1", "/", lines),
        "GET / HTTP/1.1\r\nHost: h:81\r\n",
    )
}

fn fields_of(head: &str, start: &str) -> Vec<String> {
    let lines = head.strip_prefix(start).unwrap_or_else(|| panic!("{head:?}"));
    let lines = lines.strip_suffix("\r\n").unwrap();
    lines.split_terminator("\r\n").map(str::to_owned).collect()
}

const PLAN: ResponsePlan = ResponsePlan {
    version_client: Version::Http11,
    body: Body::None,
    request_is_head: false,
    client_persists: true,
    upgrade: false,
};

/// The field lines that reach the client; the plan's body is what the head declares.
fn answered(status: &str, lines: &[&str], plan: ResponsePlan) -> Vec<String> {
    let mut out = Vec::new();
    testing::response(with_lines(&format!("HTTP/1.1 {status}"), lines), |head| {
        let body = framing::response_body(head, plan.request_is_head, false).unwrap();
        response(head, &ResponsePlan { body, ..plan }, &mut out);
    })
    .unwrap();
    fields_of(
        &String::from_utf8(out).unwrap(),
        &format!("HTTP/1.1 {status}\r\n"),
    )
}

#[test]
fn targets_become_origin_form() {
    for (method, path_and_query, want) in [
        ("GET", "/p?q=1", "/p?q=1"),
        ("GET", "", "/"),
        ("GET", "?x=1", "/?x=1"),
        ("GET", "/?", "/?"),
        (
            "GET",
            "/a/b/../c//%2e%2e/é?a=/../&b=%zz",
            "/a/b/../c//%2e%2e/é?a=/../&b=%zz",
        ),
        ("OPTIONS", "", "*"),
        ("OPTIONS", "/", "/"),
        ("OPTIONS", "?x", "/?x"),
        ("get", "/m", "/m"),
        ("M-SEARCH", "/m", "/m"),
    ] {
        let head = sent(
            &format!("{method} http://h:81/ignored HTTP/1.1"),
            path_and_query,
            &[],
        );
        assert_eq!(head, format!("{method} {want} HTTP/1.1\r\nHost: h:81\r\n\r\n"));
    }
    assert_eq!(
        sent("GET http://h:81/ HTTP/1.0", "/", &[]),
        "GET / HTTP/1.1\r\nHost: h:81\r\n\r\n"
    );
}

#[test]
fn end_to_end_fields_pass_in_order_and_unchanged() {
    let lines = [
        "X-A: 1",
        "Cookie: a=b; c=d",
        "X-M: 1",
        "User-Agent: me/1",
        "X-m: 2",
        "Authorization: Bearer t",
        "X-Empty: ",
        "X-UPPER-case: Vv",
        "Expect: 100-continue",
        "Trailer: X-T",
        "Accept-Encoding: br",
        "X-T: a\tb \u{e9}",
        "Referer: http://x/",
        "If-None-Match: \"x\"",
        "Via: 1.1 x",
        "X-Forwarded-For: 1.2.3.4",
    ];
    assert_eq!(forwarded(&lines), lines);
    assert_eq!(forwarded(&[]), Vec::<String>::new(), "no field is invented");
    let mut out = Vec::new();
    testing::request(
        b"GET http://h/ HTTP/1.1\r\nX-L: caf\xe9\xff\x80\r\n\r\n",
        |head| {
            let plan = RequestPlan {
                absolute: None,
                path_and_query: b"/",
                host: "h",
                port: None,
                protocols: b"",
                forwards: Forwards::Unbounded,
                body: Body::None,
            };
            request(head, &plan, &mut out);
        },
    )
    .unwrap();
    assert_eq!(out, b"GET / HTTP/1.1\r\nHost: h\r\nX-L: caf\xe9\xff\x80\r\n\r\n");
}

/// VU#435052: the target decides; a differing Host doesn't get through.
#[test]
fn vu_435052_host_is_the_targets() {
    assert_eq!(forwarded(&["A: b", "Host: internal"]), ["A: b"]);
    assert_eq!(
        forwarded(&["hOST: internal:81", "Connection: Host"]),
        Vec::<String>::new()
    );
}

#[test]
fn hop_by_hop_request_fields_are_dropped() {
    for line in [
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "TE: trailers",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABk",
        "Proxy-Connection: keep-alive",
        "Proxy-Authenticate: x",
        "Proxy-Anything: x",
        "connection: close",
        "X-Smokescreen-Role: r",
        "X-Smokescreen-Trace-ID: t",
        "X-Upstream-Https-Proxy: http://p",
        "Transfer-encoding: chunked",
    ] {
        let framing = if line.starts_with("Transfer") {
            &["Transfer-Encoding: chunked"][..]
        } else {
            &[]
        };
        assert_eq!(
            forwarded(&["X-Keep: 1", line, "X-Also: 2"]),
            [&["X-Keep: 1", "X-Also: 2"], framing].concat()
        );
    }
}

/// httpoxy: a CGI script would take this for its HTTP_PROXY.
#[test]
fn cve_2016_5385_httpoxy_proxy_field() {
    assert_eq!(
        forwarded(&["Proxy: http://evil/", "proxy: x"]),
        Vec::<String>::new()
    );
}

/// compy #46, scrapoxy #171, browsermob #754: the proxy's credentials stay here.
#[test]
fn proxy_authorization_does_not_reach_the_origin() {
    let lines = [
        "Proxy-Authorization: Basic eDp5",
        "PROXY-AUTHORIZATION: Basic eDp5",
        "Authorization: Basic b3Jp",
    ];
    assert_eq!(forwarded(&lines), ["Authorization: Basic b3Jp"]);
    assert_eq!(
        forwarded(&["Connection: x", "Proxy-authorization: y"]),
        Vec::<String>::new()
    );
}

#[test]
fn fields_named_by_connection_are_dropped() {
    assert_eq!(
        forwarded(&["Connection: close, X-Hop", "x-hop: 1", "X-Keep: 2"]),
        ["X-Keep: 2"]
    );
    assert_eq!(
        forwarded(&[
            "Foo: 1",
            "Connection: x,, FOO ,\ty",
            "Connection: Bar",
            "bar: 1",
            "Baz: 2"
        ]),
        ["Baz: 2"]
    );
    assert_eq!(
        forwarded(&["Connection: close, keep-alive", "Close: 1"]),
        ["Close: 1"],
        "an option, not a field"
    );
}

/// tinyproxy CVE-2023-49606: Connection names itself.
#[test]
fn cve_2023_49606_connection_connection() {
    assert_eq!(
        forwarded(&["Connection: Connection", "A: b", "Connection: connection, A"]),
        Vec::<String>::new()
    );
    assert_eq!(
        answered(
            "200 OK",
            &["Connection: Connection", "A: b", "Content-Length: 0"],
            PLAN
        ),
        ["A: b", "Content-Length: 0"]
    );
}

/// What delimits and routes a message is not up to Connection.
#[test]
fn connection_can_not_strip_framing() {
    assert_eq!(
        forwarded(&["Connection: Content-Length", "Content-Length: 3"]),
        ["Content-Length: 3"]
    );
    assert_eq!(
        forwarded(&[
            "Connection: transfer-encoding, host",
            "Transfer-Encoding: Chunked"
        ]),
        ["Transfer-Encoding: chunked"]
    );
    let lines = ["Connection: Content-Length", "Content-Length: 3"];
    assert_eq!(answered("200 OK", &lines, PLAN), ["Content-Length: 3"]);
    let lines = ["Connection: Transfer-Encoding", "Transfer-Encoding: CHUNKED"];
    assert_eq!(answered("200 OK", &lines, PLAN), ["Transfer-Encoding: chunked"]);
}

#[test]
fn request_framing_has_one_form() {
    assert_eq!(
        forwarded(&["content-length:  007", "A: b"]),
        ["A: b", "Content-Length: 7"]
    );
    assert_eq!(forwarded(&["Content-Length: 0"]), ["Content-Length: 0"]);
    assert_eq!(
        forwarded(&["transfer-encoding: CHUNKED"]),
        ["Transfer-Encoding: chunked"]
    );
}

/// zoxy#240: a count that nobody takes down ends no loop.
#[test]
fn max_forwards_counts_down_for_options_and_trace_alone() {
    for (method, lines, want) in [
        (
            "OPTIONS",
            &["Max-Forwards: 5", "A: b"][..],
            "A: b\r\nMax-Forwards: 4\r\n",
        ),
        ("TRACE", &["max-forwards: 1"], "Max-Forwards: 0\r\n"),
        (
            "OPTIONS",
            &["Connection: Max-Forwards", "Max-Forwards: 2"],
            "Max-Forwards: 1\r\n",
        ),
        ("GET", &["Max-Forwards: 5"], "Max-Forwards: 5\r\n"),
        (
            "POST",
            &["Max-Forwards: x", "max-forwards: 0"],
            "Max-Forwards: x\r\nmax-forwards: 0\r\n",
        ),
    ] {
        let sent = sent(&format!("{method} http://h:81/ HTTP/1.1"), "/", lines);
        assert_eq!(sent, format!("{method} / HTTP/1.1\r\nHost: h:81\r\n{want}\r\n"));
    }
}

#[test]
fn upgrades_are_asked_and_passed() {
    let lines = [
        "Upgrade: websocket",
        "Connection: keep-alive, upgrade, X-Hop",
        "X-Hop: 1",
        "Sec-WebSocket-Key: k",
    ];
    assert_eq!(
        forwarded(&lines),
        [
            "Sec-WebSocket-Key: k",
            "Connection: Upgrade",
            "Upgrade: websocket"
        ]
    );
    let of_the_hop = [
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        "A: b",
    ];
    assert_eq!(forwarded(&of_the_hop), ["A: b"]);
    let old = sent(
        "GET http://h:81/ HTTP/1.0",
        "/",
        &[
            "Connection: upgrade",
            "Upgrade: websocket",
            "Expect: 100-continue",
        ],
    );
    assert_eq!(
        old, "GET / HTTP/1.1\r\nHost: h:81\r\n\r\n",
        "nor can HTTP/1.0 wait for a 100"
    );
}

/// What comes out of the rewrite is taken by the same strict parser, and says the same about its body.
#[test]
fn what_is_sent_can_be_read_again() {
    let lines = [
        "A: b",
        "Transfer-Encoding: Chunked",
        "Connection: A, close",
        "X: \tc\t",
    ];
    let head = sent("POST http://h:81/x HTTP/1.1", "/x", &lines);
    let read = testing::request(&head, |head| (framing::request_body(head), head.fields.len()));
    assert_eq!(read, Ok((Ok(Body::Chunked), 3)));
    let again = testing::response(ok("HTTP/1.1", &["Content-Length: 3"]), |head| head.fields.len());
    assert_eq!(again, Ok(1));
}

#[test]
fn idempotent_methods() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert!(method_is_idempotent(method), "{method}");
    }
    for method in ["POST", "PATCH", "CONNECT", "get", "", "FOO"] {
        assert!(!method_is_idempotent(method), "{method}");
    }
}
