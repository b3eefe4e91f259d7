//! Connections of plain HTTP: keep-alive, reuse upstream, pipelining, HTTP/1.0, Upgrade, half-close, retries.

use std::time::{Duration, Instant};

use crate::support::case::cases;
use crate::support::message::{Framing, answer, chunked, get, ok, post, request};
use crate::support::origin::{Next, Origin, Refusing, Signal};
use crate::support::proxy::Setup;
use crate::support::wire::End;
use crate::support::{PUBLIC, PUBLIC_6, PUBLIC_B, PUBLIC_C};

cases![
    one_client_connection_serves_many_requests,
    upstream_connections_are_reused,
    upstream_connections_are_not_reused_after_close,
    one_client_connection_serves_several_hosts,
    pipelined_requests_are_answered_in_order,
    a_client_that_asks_to_close_is_closed,
    http_1_0_clients_get_no_chunked_coding,
    http_1_0_clients_may_keep_alive,
    http_1_0_clients_need_no_host,
    a_stale_pooled_connection_is_retried_once,
    a_post_is_never_sent_twice,
    cve_2025_4366_an_undrained_body_is_never_reused,
    upgrade_switches_to_bytes,
    cve_2026_2833_bytes_behind_an_upgrade_wait_for_101,
    a_refused_upgrade_is_a_plain_response,
    a_half_closed_client_gets_its_answer,
    a_half_closed_client_waits_two_seconds_for_the_beginning,
    a_client_that_resets_frees_everything,
    every_request_on_a_connection_is_judged_anew,
    ntlm_connections_are_private_to_their_client,
    a_failed_dial_keeps_the_client_connection,
    concurrent_requests_do_not_mix,
    an_unsolicited_response_on_a_pooled_connection_is_never_delivered,
];

fn one_client_connection_serves_many_requests() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    for number in 0..30 {
        client.send(get(&origin.url(&format!("/{number}"))));
        let response = client.response();
        assert!(response.status == 200 && !response.closes(), "{response:?}");
        assert_eq!(origin.last().target, format!("/{number}"));
    }
}

fn upstream_connections_are_reused() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    for _ in 0..5 {
        let mut client = proxy.client();
        for _ in 0..4 {
            client.send(get(&origin.url("/")));
            assert_eq!(client.response().status, 200);
        }
    }
    assert_eq!(origin.requests().len(), 20);
    assert!(
        origin.accepted() <= 2,
        "{} connections for 20 requests one after the other",
        origin.accepted()
    );
}

fn upstream_connections_are_not_reused_after_close() {
    let origin = Origin::scripted(answer("200 OK", "Connection: close\r\n", b"bye"), Next::Close);
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send(get(&origin.url("/")));
        let response = client.response();
        assert_eq!(
            (response.text().as_str(), response.closes()),
            ("bye", false),
            "the origin's close is not the client's"
        );
    }
    assert_eq!(origin.accepted(), 3);
}

fn one_client_connection_serves_several_hosts() {
    let bodies = ["zero", "one", "two", "three"];
    let places = [PUBLIC, PUBLIC_B, PUBLIC_C, PUBLIC_6];
    let origins: Vec<Origin> = places
        .iter()
        .zip(bodies)
        .map(|(ip, body)| Origin::fixed_at(ip, body))
        .collect();
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    for index in [0, 1, 2, 3, 0, 3, 1, 2, 2, 1] {
        client.send(get(&origins[index].url("/")));
        assert_eq!(client.response().text(), bodies[index]);
    }
    let counts: Vec<usize> = origins.iter().map(|origin| origin.requests().len()).collect();
    assert_eq!(counts, [2, 3, 3, 2]);
}

fn pipelined_requests_are_answered_in_order() {
    let slow = Origin::http(|_, wire| {
        std::thread::sleep(Duration::from_millis(150));
        let _ = wire.try_send(ok("slow"));
        Next::Keep
    });
    let (proxy, fast) = (Setup::open().start(), Origin::fixed("fast"));
    let mut client = proxy.client();
    let denied = get("http://127.0.0.1/");
    client.send(
        [
            get(&slow.url("/1")),
            get(&fast.url("/2")),
            post(&fast.url("/3"), "bb"),
            denied,
            get(&slow.url("/4")),
        ]
        .concat(),
    );
    let got: Vec<(u16, String)> = (0..5)
        .map(|_| client.response())
        .map(|response| (response.status, response.text()))
        .collect();
    let statuses: Vec<u16> = got.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 407, 200]);
    let bodies: Vec<&str> = [0, 1, 2, 4].iter().map(|index| got[*index].1.as_str()).collect();
    assert_eq!(bodies, ["slow", "fast", "fast", "slow"]);
    assert_eq!(fast.requests()[1].body, b"bb");
}

fn a_client_that_asks_to_close_is_closed() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    client.send(request("GET", &origin.url("/"), "Connection: close\r\n") + &get(&origin.url("/never")));
    let response = client.response();
    assert!(response.closes() && response.text() == "ok", "{response:?}");
    client.expect_eof();
    assert_eq!(origin.requests().len(), 1);
}

fn http_1_0_clients_get_no_chunked_coding() {
    let body = "abc".repeat(5000);
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let origin = Origin::scripted([&head[..], &chunked(body.as_bytes(), 700)].concat(), Next::Keep);
    let proxy = Setup::open().start();
    for lines in ["", "Connection: keep-alive\r\n"] {
        let mut client = proxy.client();
        client.send(format!("GET {} HTTP/1.0\r\n{lines}\r\n", origin.url("/")));
        let response = client.response();
        assert_eq!(
            (response.framing, response.text()),
            (Framing::UntilClose, body.clone())
        );
        assert!(
            !response.fields.has("transfer-encoding") && response.closes(),
            "{response:?}"
        );
    }
    assert_eq!(origin.last().version, "HTTP/1.1");
}

fn http_1_0_clients_may_keep_alive() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send(format!(
            "GET {} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            origin.url("/")
        ));
        let response = client.response();
        assert_eq!(response.text(), "ok");
        assert_eq!(
            response
                .fields
                .get("connection")
                .map(|value| value.to_lowercase())
                .as_deref(),
            Some("keep-alive")
        );
    }
    client.send(format!("GET {} HTTP/1.0\r\n\r\n", origin.url("/")));
    assert_eq!(client.response().text(), "ok");
    client.expect_eof();
}

fn http_1_0_clients_need_no_host() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    assert_eq!(
        proxy
            .ask(format!("GET {} HTTP/1.0\r\n\r\n", origin.url("/")))
            .text(),
        "ok"
    );
    assert_eq!(origin.last().fields.all("host"), [origin.authority()]);
}

fn a_stale_pooled_connection_is_retried_once() {
    let origin = Origin::scripted(ok("one"), Next::Close);
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    for round in 1..=4 {
        client.send(get(&origin.url("/")));
        let response = client.response();
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, "one"),
            "round {round}"
        );
        origin.await_ended(round);
    }
}

fn a_post_is_never_sent_twice() {
    let origin = Origin::http(|_, _| Next::Close);
    let proxy = Setup::open().start();
    let response = proxy.ask(post(&origin.url("/"), "once"));
    assert_eq!(
        (response.status, origin.requests().len()),
        (502, 1),
        "{}",
        response.text()
    );
    assert!(
        response.text().starts_with("Failed to connect to remote host: "),
        "{}",
        response.text()
    );
    // The same on a reused connection that dies after it took the request.
    let origin = Origin::http(|seen, wire| {
        if seen.method == "POST" {
            return Next::Close;
        }
        let _ = wire.try_send(ok("warm"));
        Next::Keep
    });
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().text(), "warm");
    client.send(post(&origin.url("/"), "once"));
    assert_eq!(client.response().status, 502);
    assert_eq!(
        origin
            .requests()
            .iter()
            .filter(|seen| seen.method == "POST")
            .count(),
        1
    );
}

/// Also Pingora CVE-2026-2836: after an early answer the rest of the request body is still under way.
fn cve_2025_4366_an_undrained_body_is_never_reused() {
    let origin = Origin::raw(|mut wire| {
        let Ok(head) = wire.take_head() else { return };
        let body = if head.start.starts_with("POST") {
            "early"
        } else {
            "get"
        };
        let _ = wire.try_send(ok(body));
        let _ = wire.drain();
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client
        .send(request("POST", &origin.url("/"), "Content-Length: 1000\r\n") + &get(&origin.url("/smuggled")));
    assert_eq!(client.response().text(), "early");
    drop(client);
    assert_eq!(proxy.ask(get(&origin.url("/other"))).text(), "get");
    assert_eq!(
        origin.accepted(),
        2,
        "the connection with an unfinished request was reused"
    );
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn upgrade_switches_to_bytes() {
    let origin = Origin::raw(|mut wire| {
        let head = wire.take_head().expect("a head");
        assert_eq!(head.fields.get("upgrade").as_deref(), Some("websocket"));
        assert!(
            head.fields
                .get("connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("upgrade"))
        );
        let _ = wire.try_send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nHELLO",
        );
        while let Ok(bytes) = wire.take(4) {
            let _ = wire.try_send(bytes.to_ascii_uppercase());
        }
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(request("GET", &origin.url("/ws"), UPGRADE));
    let response = client.response();
    assert_eq!(
        (response.status, response.fields.get("upgrade").as_deref()),
        (101, Some("websocket"))
    );
    client.expect(b"HELLO");
    for _ in 0..3 {
        client.send("ping");
        client.expect(b"PING");
    }
    client.half_close();
    client.expect_eof();
}

/// Pingora forwarded what followed the head before the origin had agreed.
fn cve_2026_2833_bytes_behind_an_upgrade_wait_for_101() {
    let refusing = Origin::http(|_, wire| {
        let _ = wire.try_send(answer("200 OK", "", b"not switching"));
        Next::Keep
    });
    let (proxy, other) = (Setup::open().start(), Origin::fixed("next"));
    let mut client = proxy.client();
    client.send(request("GET", &refusing.url("/ws"), UPGRADE) + &get(&other.url("/after")));
    assert_eq!(client.response().text(), "not switching");
    match client.try_response("GET") {
        Ok(response) => assert_eq!(response.text(), "next"),
        Err(end) => assert_ne!(end, End::Silence),
    }
    let targets: Vec<String> = refusing.requests().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/ws"], "bytes for another host went to this one");
}

fn a_refused_upgrade_is_a_plain_response() {
    let origin = Origin::scripted(answer("426 Upgrade Required", "", b"no"), Next::Keep);
    let response = Setup::open()
        .start()
        .ask(request("GET", &origin.url("/ws"), UPGRADE));
    assert_eq!(
        (response.status, response.text().as_str(), response.whole),
        (426, "no", true)
    );
}

fn a_half_closed_client_gets_its_answer() {
    let origin = Origin::http(|_, wire| {
        std::thread::sleep(Duration::from_millis(300));
        let _ = wire.try_send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nlate");
        std::thread::sleep(Duration::from_millis(2500));
        let _ = wire.try_send("r on");
        Next::Keep
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    client.half_close();
    assert_eq!(client.response().text(), "later on");
    client.expect_eof();
}

fn a_half_closed_client_waits_two_seconds_for_the_beginning() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.drain();
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    origin.await_accepted(1);
    let start = Instant::now();
    client.half_close();
    let (_, end) = client.drain();
    let waited = start.elapsed();
    assert_ne!(end, End::Silence);
    assert!(waited > Duration::from_millis(1500), "{waited:?}");
    origin.await_ended(1);
}

fn a_client_that_resets_frees_everything() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.drain();
    });
    let proxy = Setup::open().start();
    // A timer would hold up each of them; a busy machine not all.
    let fastest = (1..=5).map(|count| {
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        origin.await_accepted(count);
        let start = Instant::now();
        client.reset();
        origin.await_ended(count);
        start.elapsed()
    });
    let fastest = fastest.min().expect("five");
    assert!(
        fastest < Duration::from_secs(1),
        "{fastest:?}: a reset frees at once"
    );
}

fn every_request_on_a_connection_is_judged_anew() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    for (url, status) in [
        (origin.url("/"), 200),
        ("http://127.0.0.1/".to_owned(), 407),
        (origin.url("/"), 200),
        ("http://gone.invalid/".to_owned(), 502),
        (origin.url("/"), 200),
    ] {
        client.send(get(&url));
        assert_eq!(client.response().status, status, "{url}");
    }
}

/// Such a connection is authenticated as a whole: another client's request on it would be answered as the first's.
fn ntlm_connections_are_private_to_their_client() {
    for (lines, response) in [
        (
            "Authorization: NTLM TlRMTVNTUAAB\r\n",
            answer("200 OK", "", b"ok"),
        ),
        ("Authorization: negotiate YII=\r\n", answer("200 OK", "", b"ok")),
        (
            "",
            answer("401 Unauthorized", "WWW-Authenticate: NTLM\r\n", b"ok"),
        ),
        (
            "",
            answer(
                "401 Unauthorized",
                "WWW-Authenticate: Basic realm=x, Negotiate\r\n",
                b"ok",
            ),
        ),
    ] {
        let origin = Origin::scripted(response, Next::Keep);
        let proxy = Setup::open().start();
        let mut first = proxy.client();
        first.send(request("GET", &origin.url("/"), lines));
        assert_eq!(first.response().text(), "ok");
        assert_eq!(proxy.ask(get(&origin.url("/"))).text(), "ok");
        assert_eq!(
            origin.accepted(),
            2,
            "{lines:?}: another client got the authenticated connection"
        );
        first.send(request("GET", &origin.url("/"), lines));
        assert_eq!(first.response().text(), "ok");
    }
}

fn a_failed_dial_keeps_the_client_connection() {
    let (proxy, origin, refusing) = (Setup::open().start(), Origin::fixed("ok"), Refusing::new());
    let mut client = proxy.client();
    client.send(get(&format!("http://{}/", refusing.authority())));
    let response = client.response();
    assert!(response.status == 502 && !response.closes(), "{response:?}");
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().text(), "ok");
}

fn concurrent_requests_do_not_mix() {
    let origin = Origin::http(|seen, wire| {
        std::thread::sleep(Duration::from_millis(5));
        let _ = wire.try_send(ok(&format!("echo:{}", seen.target)));
        Next::Keep
    });
    let proxy = Setup::open().start();
    std::thread::scope(|scope| {
        for worker in 0..20 {
            let (proxy, origin) = (&proxy, &origin);
            scope.spawn(move || {
                let mut client = proxy.client();
                for number in 0..8 {
                    let path = format!("/{worker}-{number}");
                    client.send(get(&origin.url(&path)));
                    assert_eq!(client.response().text(), format!("echo:{path}"));
                }
            });
        }
    });
    assert_eq!(origin.requests().len(), 160);
}

/// Response-queue poisoning: bytes that nobody asked for must not become the next request's answer.
fn an_unsolicited_response_on_a_pooled_connection_is_never_delivered() {
    let sent = Signal::new();
    let raised = sent.clone();
    let origin = Origin::http(move |seen, wire| {
        let _ = wire.try_send(ok("asked for"));
        if seen.target == "/first" {
            let _ = wire.try_send(ok("POISON"));
            raised.raise();
        }
        Next::Keep
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(get(&origin.url("/first")));
    assert_eq!(client.response().text(), "asked for");
    assert!(sent.wait());
    for _ in 0..3 {
        client.send(get(&origin.url("/next")));
        assert_eq!(client.response().text(), "asked for");
    }
}
