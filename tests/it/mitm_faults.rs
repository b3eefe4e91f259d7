//! Intercepted tunnels that come to nothing, or in which somebody breaks the rules: who is told what, and that nothing reaches
//! an origin that it was not meant for.

use std::time::{Duration, Instant};

use crate::mitm::{GOOD, House, acl, at, inside, of_path, try_inside};
use crate::origin_tls::told;
use crate::support::case::cases;
use crate::support::message::connect;
use crate::support::origin::Origin;
use crate::support::pki::{Ca, Leaf};
use crate::support::program::Finished;
use crate::support::proxy::Setup;
use crate::support::tls::{ANY, Client, Server};
use crate::support::wire::End;

cases![
    an_origin_that_is_not_believed_is_a_502_before_the_200,
    a_client_of_http_2_alone_is_told_so_and_the_log_how_to_mend_it,
    a_client_that_does_not_trust_the_authority_is_told_of,
    a_client_that_says_nothing_has_10_s,
    what_is_no_tls_gets_a_readable_400,
    another_host_inside_is_judged_and_reaches_no_origin,
    a_port_that_is_left_out_is_the_tunnels_own_or_443,
    cve_2023_37788_malformed_requests_inside_harm_nobody,
    a_body_is_never_another_request,
    without_an_authority_the_proxy_does_not_start,
    what_can_not_be_added_keeps_the_proxy_from_starting,
    an_authority_that_can_not_sign_keeps_the_proxy_from_starting,
];

fn an_origin_that_is_not_believed_is_a_502_before_the_200() {
    let house = House::new();
    let proxy = house.proxy(GOOD);
    let named = Leaf {
        dns: &["good.test"],
        ..Leaf::server()
    };
    let expired = Leaf {
        years: (2020, 2021),
        ..named.clone()
    };
    let misnamed = Leaf {
        dns: &["other.test"],
        ..named.clone()
    };
    for (issued, words) in [
        (house.origins.issue(&expired), "has expired"),
        (
            Ca::new("Stranger").issue(&named),
            "is signed by no CA that is trusted here",
        ),
        (house.origins.issue(&misnamed), "is for another name"),
    ] {
        let server = Server::new(&issued.chain, &issued.key, ANY);
        let origin = Origin::https(&server, |_, _| panic!("nothing is to be asked"));
        let response = proxy.ask(connect(&at("good.test", &origin)));
        assert_eq!((response.status, response.code().as_str()), (502, "tls-failed"));
        assert!(response.text().contains(words), "{}", response.text());
    }
    let plain = Origin::fixed("no TLS");
    let response = proxy.ask(connect(&at("good.test", &plain)));
    assert_eq!((response.status, response.code().as_str()), (502, "tls-failed"));
    plain.take_complaints();
}

fn a_client_of_http_2_alone_is_told_so_and_the_log_how_to_mend_it() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let client = house.client().alpn(&[b"h2"]);
    let error = try_inside(&client, &proxy, &at("good.test", &origin))
        .err()
        .expect("no handshake");
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
    assert_eq!(error, alert, "alert 120");
    let words = "take the host out of mitm_domains, or let the client speak HTTP/1.1";
    let lines = told(&proxy, words, 1);
    assert!(
        lines[0].get("msg").contains("inside the tunnel to good.test:"),
        "{lines:?}"
    );
    let end = proxy.close_line();
    assert!(end.get("error").contains(words), "{end:?}");
    proxy.assert_serves();
}

fn a_client_that_does_not_trust_the_authority_is_told_of() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let client = Client::new(&house.origins.pem(), ANY, None).named("good.test");
    assert!(try_inside(&client, &proxy, &at("good.test", &origin)).is_err());
    told(&proxy, "does not trust the CA of intercepted tunnels", 1);
}

fn a_client_that_says_nothing_has_10_s() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let began = Instant::now();
    let mut silent = proxy.tunnel(&at("good.test", &origin));
    let mut slow = proxy.tunnel(&at("good.test", &origin));
    slow.send(b"\x16\x03\x01");
    for wire in [&mut silent, &mut slow] {
        wire.expect_gone();
    }
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
    told(&proxy, "it took longer than 10 s", 2);
    // Who closes without a word broke nothing.
    drop(proxy.tunnel(&at("good.test", &origin)));
    let lines = proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 3);
    assert_eq!(lines[2].get("error"), "", "{lines:?}");
}

fn what_is_no_tls_gets_a_readable_400() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let mut client = proxy.tunnel(&at("good.test", &origin));
    client.send(of_path("GET", "/", "good.test", ""));
    let response = client.response();
    assert_eq!(
        (response.status, response.code().as_str()),
        (400, "malformed-request")
    );
    assert!(
        response.text().contains("has to begin with TLS"),
        "{}",
        response.text()
    );
    client.expect_eof();
    assert!(origin.requests().is_empty());
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
    let (asked, refused) = (&lines[0], &lines[1]);
    for field in ["requested_host", "role", "project"] {
        assert_eq!(refused.get(field), asked.get(field), "{field}");
    }
    assert_eq!((refused.get("allow"), refused.get("project")), ("false", "all"));
    assert_eq!(
        refused.get("hint"),
        "an https URL, or the host out of mitm_domains"
    );
    assert!(refused.get("rule").ends_with("acl.yaml:8"), "{refused:?}");
    assert_eq!(refused.get("matched"), "good.test");
    let end = proxy.close_line();
    assert_eq!(end.get("error"), "what came in the tunnel is no TLS");
}

fn another_host_inside_is_judged_and_reaches_no_origin() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let authority = at("good.test", &origin);
    let other = at("other.test", &origin);
    let lines = |text: &str| text.replace("GOOD", &authority).replace("OTHER", &other);
    for (request, status, code) in [
        (
            "GET / HTTP/1.1\r\nHost: OTHER\r\n\r\n",
            421,
            "misdirected-request",
        ),
        (
            "GET / HTTP/1.1\r\nHost: good.test:1\r\n\r\n",
            421,
            "misdirected-request",
        ),
        (
            "GET / HTTP/1.1\r\nHost: 10.0.0.1:443\r\n\r\n",
            407,
            "default-rule",
        ),
        ("GET / HTTP/1.1\r\nHost: denied.test\r\n\r\n", 407, "default-rule"),
        (
            "GET https://OTHER/ HTTP/1.1\r\nHost: GOOD\r\n\r\n",
            421,
            "misdirected-request",
        ),
        (
            "GET https://denied.test/ HTTP/1.1\r\nHost: GOOD\r\n\r\n",
            407,
            "default-rule",
        ),
        (
            "GET http://GOOD/ HTTP/1.1\r\nHost: GOOD\r\n\r\n",
            400,
            "malformed-request",
        ),
        (
            "GET http://OTHER/ HTTP/1.1\r\nHost: GOOD\r\n\r\n",
            400,
            "malformed-request",
        ),
        (
            "CONNECT OTHER HTTP/1.1\r\nHost: OTHER\r\n\r\n",
            400,
            "malformed-request",
        ),
        (
            "CONNECT GOOD HTTP/1.1\r\nHost: GOOD\r\n\r\n",
            400,
            "malformed-request",
        ),
        ("GET / HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "malformed-request"),
        (
            "GET / HTTP/1.1\r\nHost: user@GOOD\r\n\r\n",
            400,
            "malformed-request",
        ),
    ] {
        let mut client = house.inside(&proxy, "good.test", &origin);
        client.send(lines(request));
        let response = client.response();
        assert_eq!(
            (response.status, response.code().as_str()),
            (status, code),
            "{request}"
        );
    }
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());
    // What names the tunnel's host is let out, however it does.
    for request in [
        "GET /1 HTTP/1.1\r\nHost: GOOD\r\n\r\n",
        "GET /2 HTTP/1.1\r\nHost: Good.Test.\r\n\r\n",
        "GET https://GOOD/3 HTTP/1.1\r\nHost: OTHER\r\n\r\n",
        "GET /4 HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: GOOD\r\n\r\n",
    ] {
        let mut client = house.inside(&proxy, "good.test", &origin);
        client.send(lines(request));
        assert_eq!(client.response().text(), "x", "{request}");
        let seen = origin.last();
        let host = seen.fields.get("host").expect("a host").to_ascii_lowercase();
        assert!(
            host.starts_with("good.test") && seen.fields.has("x-key"),
            "{seen:?}"
        );
    }
    assert_eq!(origin.last().target, "*");
}

fn a_port_that_is_left_out_is_the_tunnels_own_or_443() {
    let house = House::new();
    let text = acl(GOOD).replace("other.test", "'other.test:443'");
    let (proxy, origin) = (house.setup(&text).start(), house.fixed("x"));
    let own = at("good.test", &origin);
    for (target, host, status) in [
        ("/", "good.test", 200),
        ("/", "GOOD.test.", 200),
        ("https://good.test/", own.as_str(), 421),
        ("https://good.test:/", &own, 421),
        // As people mean it who list `other.test:443`.
        ("/", "other.test", 421),
        ("/", &at("other.test", &origin), 407),
        ("https://other.test/", "good.test", 421),
    ] {
        let mut client = house.inside(&proxy, "good.test", &origin);
        client.send(of_path("GET", target, host, ""));
        assert_eq!(client.response().status, status, "{target} {host}");
    }
    // What is passed on names the port that was judged.
    let seen = origin.requests();
    let hosts: Vec<_> = seen
        .iter()
        .filter_map(|request| request.fields.get("host"))
        .collect();
    let port = origin.address().port();
    assert_eq!(hosts, [own.clone(), format!("GOOD.test.:{port}")]);
}

/// Whatever a parser might stumble over, over TLS too: an answer or an end, never another request at the origin.
fn cve_2023_37788_malformed_requests_inside_harm_nobody() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let host = at("good.test", &origin);
    for bytes in [
        format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"
        ),
        format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456"),
        format!("POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
        format!("GET / HTTP/1.1\nHost: {host}\n\n"),
        format!("GET / HTTP/1.1\r\nHost : {host}\r\n\r\n"),
        format!("GET / HTTP/2.0\r\nHost: {host}\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\r\n\r\nnonsense\r\n\r\n".to_owned(),
        "\0\0\0\0".repeat(40_000),
        format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(200_000)),
    ] {
        let mut client = house.inside(&proxy, "good.test", &origin);
        let _ = client.try_send(&bytes);
        let response = client.try_response("GET").expect("an answer");
        assert!(
            matches!(response.status, 400 | 431),
            "{} to {:.60}",
            response.status,
            bytes
        );
        assert_ne!(client.drain().1, End::Silence);
    }
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());
    proxy.assert_serves();
}

fn a_body_is_never_another_request() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let host = at("good.test", &origin);
    let hidden = of_path("GET", "/smuggled", "internal.test", "X-Key: own\r\n");
    let mut client = house.inside(&proxy, "good.test", &origin);
    client.send(
        of_path(
            "POST",
            "/1",
            &host,
            &format!("Content-Length: {}\r\n", hidden.len()),
        ) + &hidden,
    );
    let chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    client.send(of_path("POST", "/2", &host, "Transfer-Encoding: chunked\r\n") + &chunk);
    for _ in 0..2 {
        assert_eq!(client.response().text(), "x");
    }
    let seen: Vec<String> = origin
        .requests()
        .iter()
        .map(|request| request.target.clone())
        .collect();
    assert_eq!(seen, ["/1", "/2"]);
    assert!(
        origin
            .requests()
            .iter()
            .all(|request| request.body == hidden.as_bytes())
    );
    // What is pipelined is a request like any, with a field of its own.
    client.send(of_path("GET", "/3", &host, "") + &of_path("GET", "/4", "denied.test", ""));
    assert_eq!(client.response().text(), "x");
    assert_eq!(client.response().status, 407);
    assert_eq!(origin.last().target, "/3");
    let mut other = inside(&house.client(), &proxy, &host);
    other.send(of_path("GET", "/5", &host, ""));
    assert_eq!(other.response().text(), "x");
}

#[track_caller]
fn assert_refused(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.code, Some(2), "{finished:?}");
    for word in words {
        assert!(finished.stderr.contains(word), "{word}: {}", finished.stderr);
    }
    assert_eq!(
        finished.stderr.trim_end().lines().count(),
        1,
        "{}",
        finished.stderr
    );
}

fn without_an_authority_the_proxy_does_not_start() {
    let house = House::new();
    let finished = house.unprepared().acl(&acl(GOOD)).run();
    let words = [
        "acl.yaml: line 8",
        "'good.test'",
        "--mitm-ca-cert-file",
        "--mitm-ca-key-file",
    ];
    assert_refused(&finished, &words);
}

fn what_can_not_be_added_keeps_the_proxy_from_starting() {
    let house = House::new();
    let entry = |headers: &str| format!("  - domain: good.test\n    add_headers:\n      {headers}\n");
    for (headers, words) in [
        (
            "X-Key: ${env:UNSET_HERE}",
            &["line 10, column 14", "'X-Key'", "${env:UNSET_HERE}", "not set"][..],
        ),
        (
            "X-Key: ${file:/nowhere/key}",
            &["line 10", "'X-Key'", "/nowhere/key", "No such file"],
        ),
        (
            "X-Key: \"a\\r\\nB: c\"",
            &["line 10, column 14", "'X-Key'", "control character"],
        ),
        ("Content-Length: '5'", &["line 10, column 23", "'Content-Length'"]),
        ("Connection: close", &["line 10, column 19", "'Connection'"]),
        (
            "X-Key: ${ENV:HOME}",
            &["line 10, column 14", "'X-Key'", "${env:NAME}"],
        ),
        (
            "{X-Key: a, x_key: b}",
            &["line 10", "'x_key' is the same as 'X-Key'"],
        ),
    ] {
        assert_refused(&house.setup(&acl(&entry(headers))).run(), words);
    }
    let setup = house.setup(&acl(&entry("X-Key: ${file:key}")));
    setup.file("key", "s3cret\nsecond line\n");
    let finished = setup.run();
    assert_refused(&finished, &["'X-Key'", "control character"]);
    assert!(!finished.stderr.contains("s3cret"));
    let unverified = acl(GOOD).replace("  action:", "  insecure_skip_verify: true\n  action:");
    assert_refused(
        &house.setup(&unverified).run(),
        &["insecure_skip_verify", "'good.test'"],
    );
}

fn an_authority_that_can_not_sign_keeps_the_proxy_from_starting() {
    let house = House::new();
    let leaf = house.own.issue(&Leaf::server());
    let with = |certificate: &str, key: &str| -> Setup {
        let setup = house.unprepared().acl(&acl(GOOD));
        let (certificate, key) = (setup.file("m.pem", certificate), setup.file("m.key", key));
        setup
            .option("--mitm-ca-cert-file", certificate)
            .option("--mitm-ca-key-file", key)
    };
    for (certificate, key, words) in [
        (
            leaf.chain.as_str(),
            leaf.key.as_str(),
            &["m.pem", "is not a CA's"][..],
        ),
        (
            &house.own.pem(),
            &house.origins.key_pem(),
            &["m.key", "does not belong"],
        ),
        (&house.own.pem(), "", &["m.key", "no private key"]),
    ] {
        assert_refused(&with(certificate, key).run(), words);
    }
}
