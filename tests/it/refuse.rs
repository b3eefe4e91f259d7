//! Our own answers: exact words, fields, what happens to the connection, and that the client can read them.

use std::time::{Duration, Instant};

use crate::support::DEADLINE;
use crate::support::case::cases;
use crate::support::message::{Response, connect, get, request};
use crate::support::origin::{Origin, Refusing};
use crate::support::proxy::Setup;
use crate::support::wire::End;

cases![
    a_denial_has_exactly_these_words,
    every_answer_of_ours_has_the_same_form,
    the_host_is_quoted_as_written,
    odd_hosts_are_escaped,
    a_denied_request_keeps_the_connection,
    a_denied_request_with_a_body_keeps_or_closes_in_order,
    a_client_that_sends_a_megabyte_still_reads_the_refusal,
    a_client_that_never_stops_sending_is_cut_off,
    origin_form_is_refused_with_an_explanation,
    absurd_heads_are_431,
    a_fin_with_nothing_pending_closes_at_once,
    a_fin_within_a_head_closes,
    head_requests_are_refused_without_a_body,
    limits_say_when_to_retry,
    a_healthcheck_path_on_another_host_is_an_ordinary_request,
];

fn sentence(host: &str, reason: &str) -> String {
    format!("Egress proxying is denied to host '{host}': {reason}.")
}

fn a_denial_has_exactly_these_words() {
    let proxy = Setup::open().start();
    let reason = "The destination address (127.0.0.1) was denied by rule 'Deny: Not Global Unicast'. destination address was denied by rule, see error";
    for (ask, host) in [
        (get("http://127.0.0.1:81/path?q"), "127.0.0.1:81"),
        (get("http://127.0.0.1/"), "127.0.0.1"),
        (connect("127.0.0.1:81"), "127.0.0.1:81"),
    ] {
        let response = proxy.ask(ask);
        assert_eq!(
            response.start,
            "HTTP/1.1 407 Request rejected by proxy (not-global-unicast)"
        );
        assert_eq!(response.text().trim_end(), sentence(host, reason));
        assert_eq!(
            response.fields.all("x-smokescreen-error"),
            [sentence(host, reason)]
        );
        assert!(!response.fields.has("proxy-authenticate"));
    }
}

#[track_caller]
fn assert_ours(response: &Response) {
    let kind = response.fields.get("content-type").expect("a content type");
    assert!(kind.starts_with("text/plain"), "{kind}");
    let field = response
        .fields
        .get("x-smokescreen-error")
        .expect("the error field");
    let text = response.text();
    assert_eq!(
        text.trim_end().replace('\n', " "),
        field,
        "the field is the text in one line"
    );
    assert!(
        response.whole && !text.is_empty() && text.is_ascii(),
        "{response:?}"
    );
}

fn every_answer_of_ours_has_the_same_form() {
    let proxy = Setup::open().start();
    let refusing = Refusing::new();
    for (ask, status) in [
        (get("http://127.0.0.1/"), 407),
        (connect("10.0.0.1:1"), 407),
        (get("http://0177.0.0.1/"), 400),
        (get("http://x.test:0/"), 400),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        (connect(&refusing.authority()), 502),
        (get(&format!("http://{}/", refusing.authority())), 502),
        (get("http://gone.invalid/"), 502),
    ] {
        let mut client = proxy.client();
        client.send(&ask);
        let response = client.response();
        assert_eq!(response.status, status, "{ask:?}");
        assert_ours(&response);
    }
}

fn the_host_is_quoted_as_written() {
    let proxy = Setup::open().start();
    for host in [
        "LocalHost",
        "LOCALHOST.",
        "[::1]",
        "[::FFFF:127.0.0.1]:8080",
        "127.0.0.1:00080",
    ] {
        let response = proxy.ask(get(&format!("http://{host}/")));
        let text = response.text();
        if response.status == 400 {
            continue;
        }
        assert_eq!(response.status, 407, "{host}");
        assert!(
            text.starts_with(&format!("Egress proxying is denied to host '{host}': ")),
            "{text}"
        );
    }
}

fn odd_hosts_are_escaped() {
    let proxy = Setup::open().start();
    for host in [
        "<script>.test",
        "a\"b.test",
        "\u{1b}[31m.test",
        "a'b.test",
        "\u{202e}.test",
    ] {
        let mut client = proxy.client();
        client.send(format!("CONNECT {host}:443 HTTP/1.1\r\nHost: x\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.status, 400, "{host:?}");
        assert_ours(&response);
        assert!(!response.text().contains('\u{1b}') && response.text().is_ascii());
    }
}

fn a_denied_request_keeps_the_connection() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send(get("http://127.0.0.1/"));
        let response = client.response();
        assert!(response.status == 407 && !response.closes(), "{response:?}");
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().text(), "ok");
    }
}

/// Whether the body is read away or the connection closes: its bytes are never a request.
fn a_denied_request_with_a_body_keeps_or_closes_in_order() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let inner = get(&origin.url("/smuggled"));
    let mut client = proxy.client();
    client.send(
        request(
            "POST",
            "http://127.0.0.1/",
            &format!("Content-Length: {}\r\n", inner.len()),
        ) + &inner,
    );
    let response = client.response();
    assert_eq!(response.status, 407);
    let _ = client.try_send(get(&origin.url("/next")));
    match client.try_response("GET") {
        Ok(next) => assert_eq!(next.text(), "ok"),
        Err(end) => assert!(response.closes(), "{end:?} though the connection was to be kept"),
    }
    assert!(
        origin.requests().iter().all(|seen| seen.target == "/next"),
        "{:?}",
        origin.requests()
    );
}

/// Closing with unread bytes makes the kernel send RST, which takes the answer away from the client.
fn a_client_that_sends_a_megabyte_still_reads_the_refusal() {
    let proxy = Setup::locked().start();
    for ask in [
        request("POST", "http://example.test/", "Content-Length: 1048576\r\n"),
        request("POST", "http://example.test/", "Transfer-Encoding: chunked\r\n") + "100000\r\n",
        request(
            "POST",
            "http://example.test/",
            "Content-Length: 1048576\r\nContent-Length: 1\r\n",
        ),
        connect("example.test:443"),
    ] {
        let mut client = proxy.client();
        client.send(&ask);
        for _ in 0..16 {
            if client.try_send(vec![b'x'; 64 << 10]).is_err() {
                break;
            }
        }
        let response = client
            .try_response("POST")
            .unwrap_or_else(|end| panic!("{ask:?}: {end:?}"));
        assert!(matches!(response.status, 407 | 400), "{response:?}");
        assert!(response.whole);
    }
}

fn a_client_that_never_stops_sending_is_cut_off() {
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(connect("127.0.0.1:443"));
    assert_eq!(client.response_to("POST").status, 407);
    let start = Instant::now();
    while client.try_send([b'x'; 1024]).is_ok() {
        assert!(start.elapsed() < DEADLINE, "it lingers for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
    proxy.assert_serves();
}

fn origin_form_is_refused_with_an_explanation() {
    let proxy = Setup::open().start();
    for ask in [
        "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n",
        "POST /api HTTP/1.0\r\n\r\n",
    ] {
        let response = proxy.ask(ask);
        assert_eq!(response.status, 400);
        assert!(
            response.text().to_lowercase().contains("proxy"),
            "{}",
            response.text()
        );
        assert_ours(&response);
    }
}

fn absurd_heads_are_431() {
    let proxy = Setup::open().start();
    let many = "X: y\r\n".repeat(300);
    for lines in [
        format!("X-Big: {}\r\n", "a".repeat(160 << 10)),
        format!("X-Big: {}\r\n", "a".repeat(4 << 20)),
        many,
    ] {
        let mut client = proxy.client();
        let mut twin = client.twin();
        let bytes = request("GET", "http://44.1.2.3/", &lines);
        let sender = std::thread::spawn(move || {
            let _ = twin.try_send(bytes);
        });
        let response = client
            .try_response("GET")
            .unwrap_or_else(|end| panic!("{} bytes: {end:?}", lines.len()));
        assert_eq!(response.status, 431);
        assert!(response.closes());
        assert_ours(&response);
        let _ = client.drain();
        sender.join().expect("sent");
    }
    let mut client = proxy.client();
    client.send(format!("GET http://44.1.2.3/{}", "a".repeat(200 << 10)));
    let status = client.response().status;
    assert!(matches!(status, 414 | 431), "{status}");
    let small = Setup::open()
        .option("--head-bytes-max", "2KiB")
        .option("--head-fields-max", "5")
        .start();
    assert_eq!(
        small
            .ask(request(
                "GET",
                "http://127.0.0.1/",
                &format!("X: {}\r\n", "a".repeat(3000))
            ))
            .status,
        431
    );
    assert_eq!(
        small
            .ask(request("GET", "http://127.0.0.1/", &"X: y\r\n".repeat(6)))
            .status,
        431
    );
    assert_eq!(
        small
            .ask(request("GET", "http://127.0.0.1/", &"X: y\r\n".repeat(4)))
            .status,
        407
    );
}

fn a_fin_with_nothing_pending_closes_at_once() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    // A timer would hold up each of them; a busy machine not all.
    let fastest = (0..5).map(|_| {
        let mut fresh = proxy.client();
        let mut used = proxy.client();
        used.send(get(&origin.url("/")));
        assert_eq!(used.response().status, 200);
        let start = Instant::now();
        fresh.half_close();
        fresh.expect_gone();
        used.half_close();
        used.expect_gone();
        start.elapsed()
    });
    let fastest = fastest.min().expect("five");
    assert!(fastest < Duration::from_secs(2), "{fastest:?}");
}

fn a_fin_within_a_head_closes() {
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send("GET http://example.test/ HTTP/1.1\r\nHost: exam");
    client.half_close();
    let (bytes, end) = client.drain();
    assert!(
        bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 400"),
        "{:?}",
        String::from_utf8_lossy(&bytes)
    );
    assert_ne!(end, End::Silence);
}

fn head_requests_are_refused_without_a_body() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    client.send(request("HEAD", "http://127.0.0.1/", ""));
    let response = client.response_to("HEAD");
    assert_eq!(response.status, 407);
    assert!(response.fields.has("x-smokescreen-error"));
    if !response.closes() {
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().text(), "ok", "a body behind the HEAD's answer");
    }
}

/// As long as the limit isn't built its option must be refused by name; once it is, this is what it says.
fn limits_say_when_to_retry() {
    let setup = Setup::open().option("--max-concurrent-connect-tunnels", "1");
    let trial = Setup::open()
        .option("--max-concurrent-connect-tunnels", "1")
        .arg("--print-config")
        .run();
    if trial.code != Some(0) {
        assert!(
            trial.stderr.contains("max-concurrent-connect-tunnels"),
            "{}",
            trial.stderr
        );
        return;
    }
    let (proxy, echo) = (setup.start(), Origin::echo());
    let first = proxy.tunnel(&echo.authority());
    let response = proxy.ask(connect(&echo.authority()));
    assert_eq!(
        (response.status, response.fields.get("retry-after").as_deref()),
        (429, Some("1"))
    );
    assert!(
        response
            .text()
            .contains("maximum concurrent connect tunnels exceeded"),
        "{}",
        response.text()
    );
    drop(first);
    proxy.close_line();
    proxy.tunnel(&echo.authority());
}

fn a_healthcheck_path_on_another_host_is_an_ordinary_request() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    // The last ones manage squid.
    for path in [
        "/healthcheck",
        "/healthz",
        "/metrics",
        "/squid-internal-mgr/menu",
        "/squid-internal-periodic/store_digest",
    ] {
        assert_eq!(proxy.ask(get(&origin.url(path))).text(), "ok");
        assert_eq!(origin.last().target, path);
        let on_our_own_port = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(proxy.ask(on_our_own_port).status, 400, "{path}");
    }
}
