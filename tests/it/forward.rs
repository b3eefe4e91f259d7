//! Plain HTTP: what of a request and a response travels and what doesn't, by the bytes that arrive.

use crate::support::case::cases;
use crate::support::message::{answer, get, request};
use crate::support::origin::{Next, Origin};
use crate::support::proxy::{Proxy, Setup};
use crate::support::{PUBLIC, PUBLIC_6};

cases![
    a_request_arrives_in_origin_form,
    targets_are_kept_byte_by_byte,
    fragments_are_not_sent,
    the_target_wins_over_a_differing_host,
    methods_pass_as_they_are,
    options_without_a_path_becomes_the_asterisk,
    end_to_end_fields_are_kept_in_order_and_spelling,
    nothing_is_invented,
    hop_by_hop_fields_of_requests_go,
    hop_by_hop_fields_of_responses_go,
    cve_2023_49606_connection_that_names_itself,
    fields_named_by_connection_go_but_framing_stays,
    internal_fields_never_pass,
    issues_9_85_an_origin_cannot_forge_the_error_field,
    cve_2013_2503_proxy_fields_of_origins_are_stripped,
    httpoxy_the_proxy_field_of_a_request_reaches_nobody_as_ours,
    statuses_pass_with_their_reasons,
    response_fields_are_kept_in_order,
    large_heads_pass_both_ways,
    content_coding_is_untouched,
    ipv6_origins_get_their_brackets,
];

fn open() -> (Proxy, Origin) {
    (Setup::open().start(), Origin::fixed("in"))
}

fn a_request_arrives_in_origin_form() {
    let (proxy, origin) = open();
    assert_eq!(proxy.ask(get(&origin.url("/path?q=1"))).text(), "in");
    let seen = origin.last();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str(), seen.version.as_str()),
        ("GET", "/path?q=1", "HTTP/1.1")
    );
    assert_eq!(seen.fields.all("host"), [origin.authority()]);
}

fn targets_are_kept_byte_by_byte() {
    let (proxy, origin) = open();
    let long = format!("/?{}", "a".repeat(8000));
    let mut client = proxy.client();
    for target in [
        "/",
        "/a/b/../c",
        "/a//b",
        "/%2e%2e/x",
        "/a%2Fb",
        "/a+b",
        "/a;b=c",
        "/a,b",
        "/~u",
        "/a:b@c",
        "/?",
        "/?a=b&c=d&a=e",
        "/?q=%00%ff",
        "/?u=http://x/y?z",
        "/x?a=%zz",
        "/'()*!$&",
        "//double",
        "/%E2%98%83",
        "/[x]",
        "/{x}",
        "/|",
        &long,
    ] {
        client.send(get(&origin.url(target)));
        let response = client.response();
        assert_eq!(response.status, 200, "{target}: {}", response.text());
        assert_eq!(origin.last().target, target);
    }
    for (written, sent) in [("", "/"), ("?x=1", "/?x=1")] {
        assert_eq!(proxy.ask(get(&origin.url(written))).status, 200);
        assert_eq!(origin.last().target, sent);
    }
}

fn fragments_are_not_sent() {
    let (proxy, origin) = open();
    for (written, sent) in [
        ("/p#f", "/p"),
        ("/p?q#f", "/p?q"),
        ("#f", "/"),
        ("/#a#b", "/"),
        ("/p#", "/p"),
    ] {
        let response = proxy.ask(get(&origin.url(written)));
        assert_eq!(response.status, 200, "{written}: {}", response.text());
        assert_eq!(origin.last().target, sent, "{written}");
    }
}

/// Also VU#435052: never route by Host.
fn the_target_wins_over_a_differing_host() {
    let (proxy, origin) = open();
    let other = Origin::fixed("other");
    let bytes = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
        origin.url("/"),
        other.authority()
    );
    assert_eq!(proxy.ask(bytes).text(), "in");
    assert_eq!(origin.last().fields.all("host"), [origin.authority()]);
    assert_eq!(other.accepted(), 0);
    assert_eq!(proxy.decision().get("requested_host"), origin.authority());
}

fn methods_pass_as_they_are() {
    let (proxy, origin) = open();
    let mut client = proxy.client();
    for method in [
        "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "M-SEARCH", "FOO", "get", "TRACE!",
    ] {
        client.send(request(method, &origin.url("/m"), "Content-Length: 0\r\n"));
        assert_eq!(client.response().status, 200, "{method}");
        assert_eq!(origin.last().method, method);
    }
}

fn options_without_a_path_becomes_the_asterisk() {
    let (proxy, origin) = open();
    assert_eq!(proxy.ask(request("OPTIONS", &origin.url(""), "")).status, 200);
    assert_eq!(origin.last().target, "*");
    assert_eq!(proxy.ask(request("OPTIONS", &origin.url("/"), "")).status, 200);
    assert_eq!(origin.last().target, "/");
    let asterisk = proxy.ask(format!(
        "OPTIONS * HTTP/1.1\r\nHost: {}\r\n\r\n",
        origin.authority()
    ));
    assert_eq!(asterisk.status, 400);
    assert_eq!(origin.requests().len(), 2);
}

fn end_to_end_fields_are_kept_in_order_and_spelling() {
    let (proxy, origin) = open();
    let lines = "X-A: 1\r\nCookie: a=b; c=d\r\nAuthorization: Bearer t\r\nX-M: 1\r\nX-m: 2\r\nx-M: 3\r\nX-Empty:\r\nX-UPPER-case: Vv\r\n\
        X-Utf8: \u{2603}\r\nX-Tab: a\tb\r\nX-Tight:v\r\nX-Loose:   v  \r\nRange: bytes=0-4\r\n";
    let mut bytes = request("GET", &origin.url("/"), lines).into_bytes();
    let end = bytes.len() - 2;
    bytes.splice(end..end, b"X-Latin: caf\xe9\r\n".iter().copied());
    assert_eq!(proxy.ask(bytes).status, 200);
    let seen = origin.last();
    let sent: Vec<(&str, &[u8])> = vec![
        ("X-A", b"1"),
        ("Cookie", b"a=b; c=d"),
        ("Authorization", b"Bearer t"),
        ("X-M", b"1"),
        ("X-m", b"2"),
        ("x-M", b"3"),
        ("X-Empty", b""),
        ("X-UPPER-case", b"Vv"),
        ("X-Utf8", "\u{2603}".as_bytes()),
        ("X-Tab", b"a\tb"),
        ("X-Tight", b"v"),
        ("X-Loose", b"v"),
        ("Range", b"bytes=0-4"),
        ("X-Latin", b"caf\xe9"),
    ];
    let got =
        seen.fields.0.iter().filter(|(name, _)| {
            !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("connection")
        });
    let got: Vec<(&str, &[u8])> = got
        .map(|(name, value)| (name.as_str(), value.as_slice()))
        .collect();
    assert_eq!(got, sent);
}

fn nothing_is_invented() {
    let (proxy, origin) = open();
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    let mut names = origin.last().fields.names();
    names.retain(|name| name != "connection");
    assert_eq!(names, ["host"]);
    let response = Origin::scripted(answer("200 OK", "X-Only: 1\r\n", b"x"), Next::Keep);
    let mut names = proxy.ask(get(&response.url("/"))).fields.names();
    names.retain(|name| name != "connection");
    names.sort();
    assert_eq!(names, ["content-length", "x-only"]);
}

fn hop_by_hop_fields_of_requests_go() {
    let (proxy, origin) = open();
    let lines = "Connection: close, X-Hop, x-other\r\nX-Hop: 1\r\nX-OTHER: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: h2c\r\n\
        Proxy-Connection: keep-alive\r\nProxy-Authenticate: x\r\nProxy-Foo: x\r\nX-Keep: 1\r\n";
    assert_eq!(proxy.ask(request("GET", &origin.url("/"), lines)).status, 200);
    let seen = origin.last().fields;
    for name in [
        "x-hop",
        "x-other",
        "keep-alive",
        "te",
        "upgrade",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-foo",
    ] {
        assert!(!seen.has(name), "{name} passed");
    }
    assert_eq!(seen.get("x-keep").as_deref(), Some("1"));
}

fn hop_by_hop_fields_of_responses_go() {
    let lines = "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-Keep: 1\r\n";
    let origin = Origin::scripted(answer("200 OK", lines, b"x"), Next::Keep);
    let seen = Setup::open().start().ask(get(&origin.url("/"))).fields;
    for name in ["x-hop", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(!seen.has(name), "{name} passed");
    }
    assert_eq!(seen.get("x-keep").as_deref(), Some("1"));
}

fn cve_2023_49606_connection_that_names_itself() {
    let (proxy, origin) = open();
    for value in [
        "Connection",
        "connection, Connection, close",
        ",,,",
        "",
        "Connection,X-A,Connection",
    ] {
        let lines = format!("Connection: {value}\r\nX-Keep: 1\r\n");
        assert_eq!(
            proxy.ask(request("GET", &origin.url("/"), &lines)).status,
            200,
            "{value:?}"
        );
        assert_eq!(origin.last().fields.get("x-keep").as_deref(), Some("1"));
    }
    proxy.assert_serves();
}

/// A client that names `Content-Length` or `Host` in `Connection` must not change where a message ends.
fn fields_named_by_connection_go_but_framing_stays() {
    let (proxy, origin) = open();
    let lines = "Connection: Content-Length, Host, Transfer-Encoding\r\nContent-Length: 4\r\n";
    let mut client = proxy.client();
    client.send(request("POST", &origin.url("/"), lines) + "body");
    let response = client.response();
    if response.status == 200 {
        let seen = origin.last();
        assert_eq!(
            (seen.body.as_slice(), seen.fields.all("host")),
            (&b"body"[..], vec![origin.authority()])
        );
    } else {
        assert_eq!((response.status, origin.accepted()), (400, 0));
    }
}

fn internal_fields_never_pass() {
    let (proxy, origin) = open();
    let lines = "X-Smokescreen-Role: r\r\nx-smokescreen-trace-id: t\r\n";
    assert_eq!(proxy.ask(request("GET", &origin.url("/"), lines)).status, 200);
    assert!(
        !origin
            .last()
            .fields
            .names()
            .iter()
            .any(|name| name.starts_with("x-smokescreen"))
    );
}

fn issues_9_85_an_origin_cannot_forge_the_error_field() {
    let lines = "X-Smokescreen-Error: forged\r\nx-SMOKESCREEN-error: twice\r\nX-Keep: 1\r\n";
    let origin = Origin::scripted(answer("502 Bad Gateway", lines, b"x"), Next::Keep);
    let response = Setup::open().start().ask(get(&origin.url("/")));
    assert!(
        !response.fields.has("x-smokescreen-error") && response.fields.has("x-keep"),
        "{response:?}"
    );
    assert_eq!((response.status, response.text().as_str()), (502, "x"));
}

fn cve_2013_2503_proxy_fields_of_origins_are_stripped() {
    let lines = "Proxy-Authenticate: Basic realm=\"smokescreen\"\r\nProxy-Authentication-Info: x\r\nproxy-support: x\r\nX-Keep: 1\r\n";
    for status in ["407 Proxy Authentication Required", "200 OK", "401 Unauthorized"] {
        let origin = Origin::scripted(answer(status, lines, b"body"), Next::Keep);
        let response = Setup::open().start().ask(get(&origin.url("/")));
        assert_eq!(response.start, format!("HTTP/1.1 {status}"));
        assert!(
            !response
                .fields
                .names()
                .iter()
                .any(|name| name.starts_with("proxy-")),
            "{response:?}"
        );
        assert!(response.fields.has("x-keep") && !response.fields.has("x-smokescreen-error"));
    }
}

/// CVE-2016-5385: a server that takes request fields for its environment reads `Proxy` as HTTP_PROXY.
fn httpoxy_the_proxy_field_of_a_request_reaches_nobody_as_ours() {
    let (proxy, origin) = open();
    let evil = Origin::fixed("evil");
    let lines = format!("Proxy: http://{}/\r\n", evil.authority());
    assert_eq!(proxy.ask(request("GET", &origin.url("/"), &lines)).text(), "in");
    assert_eq!(evil.accepted(), 0);
}

fn statuses_pass_with_their_reasons() {
    let proxy = Setup::open().start();
    for status in [
        "200 OK",
        "201 Created",
        "301 Moved Permanently",
        "401 Unauthorized",
        "418 I'm a teapot",
        "429 Slow Down",
        "500 Oh no",
        "599 X",
        "999 Y",
        "200 ",
    ] {
        let origin = Origin::scripted(answer(status, "", b"body"), Next::Keep);
        let response = proxy.ask(get(&origin.url("/")));
        assert_eq!(
            (response.start.trim_end(), response.text().as_str()),
            (format!("HTTP/1.1 {status}").trim_end(), "body")
        );
        assert!(!response.fields.has("x-smokescreen-error"));
    }
}

fn response_fields_are_kept_in_order() {
    let lines = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nContent-Type: text/x; charset=q\r\nETag: \"e\"\r\nServer: s\r\nX-Empty:\r\n\
        Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nLocation: /l\r\nWWW-Authenticate: Basic realm=x\r\nVia: 1.1 x\r\n";
    let origin = Origin::scripted(answer("200 OK", lines, b"x"), Next::Keep);
    let seen = Setup::open().start().ask(get(&origin.url("/"))).fields;
    let wanted: Vec<&str> = lines
        .lines()
        .map(|line| line.split(':').next().unwrap_or_default())
        .collect();
    let got: Vec<&str> = seen
        .0
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !["Connection", "Content-Length"].contains(name))
        .collect();
    assert_eq!(got, wanted);
    assert_eq!(seen.all("set-cookie"), ["a=1; Path=/", "b=2"]);
}

fn large_heads_pass_both_ways() {
    use std::fmt::Write as _;
    let mut lines = (0..240).fold(String::new(), |mut lines, n| {
        let _ = write!(lines, "X-{n}: v{n}\r\n");
        lines
    });
    for n in 0..4 {
        let _ = write!(lines, "X-Big-{n}: {}\r\n", "h".repeat(29_000));
    }
    let origin = Origin::scripted(answer("200 OK", &lines, b"x"), Next::Keep);
    let response = Setup::open()
        .start()
        .ask(request("GET", &origin.url("/"), &lines));
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = origin.last();
    for fields in [&seen.fields, &response.fields] {
        assert!((0..240).all(|n| fields.get(&format!("x-{n}")) == Some(format!("v{n}"))));
        assert!((0..4).all(|n| {
            fields
                .get(&format!("x-big-{n}"))
                .is_some_and(|value| value.len() == 29_000)
        }));
    }
}

fn content_coding_is_untouched() {
    let packed =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00";
    let origin = Origin::scripted(answer("200 OK", "Content-Encoding: gzip\r\n", packed), Next::Keep);
    let proxy = Setup::open().start();
    let response = proxy.ask(request(
        "GET",
        &origin.url("/"),
        "Accept-Encoding: br;q=0.5, gzip\r\n",
    ));
    assert_eq!(
        (response.body.as_slice(), response.fields.all("content-encoding")),
        (&packed[..], vec!["gzip".to_owned()])
    );
    assert_eq!(origin.last().fields.all("accept-encoding"), ["br;q=0.5, gzip"]);
    proxy.ask(get(&origin.url("/")));
    assert!(!origin.last().fields.has("accept-encoding"));
}

fn ipv6_origins_get_their_brackets() {
    let origin = Origin::fixed_at(PUBLIC_6, "six");
    let proxy = Setup::open().start();
    assert_eq!(proxy.ask(get(&origin.url("/"))).text(), "six");
    assert_eq!(origin.last().fields.all("host"), [origin.authority()]);
    let refused = proxy.ask(get(&format!("http://{PUBLIC}:0/")));
    assert_eq!(refused.status, 400);
}
