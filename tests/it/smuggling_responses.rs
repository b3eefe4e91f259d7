//! Origins that lie about their messages: the client gets 502 or a cut response, never another request's bytes.

use crate::support::case::cases;
use crate::support::message::{answer, get, ok, request};
use crate::support::origin::{Next, Origin};
use crate::support::proxy::Setup;
use crate::support::wire::End;

cases![
    responses_that_are_no_http_are_502,
    ambiguous_framing_is_502,
    cve_2020_15811_bad_heads_are_502,
    heads_beyond_the_limits_are_502,
    bad_chunks_cut_the_response,
    bytes_behind_a_response_are_never_another,
    cve_2024_23326_a_success_instead_of_101_stays_http,
    switching_without_being_asked_is_502,
    endless_interim_responses_end,
    a_body_on_head_or_204_never_becomes_a_response,
    an_origin_that_closes_at_once_is_502,
    an_origin_that_resets_is_502,
    http_1_0_responses_are_read_as_such,
];

/// Every answer must become a 502 of ours, and the proxy must go on.
#[track_caller]
fn assert_bad_gateway(answers: &[&[u8]]) {
    let proxy = Setup::open().start();
    for bytes in answers {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        let origin = Origin::scripted(*bytes, Next::Close);
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        let response = client
            .try_response("GET")
            .unwrap_or_else(|end| panic!("{shown:?}: {end:?}"));
        assert_eq!(response.status, 502, "{shown:?}: {response:?}");
        assert!(response.fields.has("x-smokescreen-error"), "{response:?}");
        assert!(!response.text().contains("LEAK"), "{response:?}");
    }
    proxy.assert_serves();
}

fn responses_that_are_no_http_are_502() {
    assert_bad_gateway(&[
        b"garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\0\0\0",
        b"<html>LEAK</html>",
        b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
        b" HTTP/1.1 200 OK\r\n\r\n",
    ]);
}

fn ambiguous_framing_is_502() {
    assert_bad_gateway(&[
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nLEAKS",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\nLEAKS",
        b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nLEAK",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ]);
}

/// Also RUSTSEC-2017-0002 and CVE-2019-16276 on the way back.
fn cve_2020_15811_bad_heads_are_502() {
    assert_bad_gateway(&[
        b"HTTP/1.1 200 OK\r\nbad header line\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 4\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\nContent-Length: 4\n\nLEAK",
        b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 4\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 4\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 4\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\nLEAK",
        b"HTTP/1.1 200 O\rK\r\n\r\nLEAK",
        b"HTTP/1.1 200 OK\r\n\n",
    ]);
}

fn heads_beyond_the_limits_are_502() {
    let big = format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\n\r\n", "a".repeat(160 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(300));
    assert_bad_gateway(&[big.as_bytes(), many.as_bytes()]);
    let endless = Origin::http(|_, wire| {
        let _ = wire.try_send("HTTP/1.1 200 OK\r\n");
        while wire.try_send("X-Endless: yes\r\n".repeat(1000)).is_ok() {}
        Next::Close
    });
    let proxy = Setup::open().start();
    assert_eq!(proxy.ask(get(&endless.url("/"))).status, 502);
    endless.await_ended(1);
}

fn bad_chunks_cut_the_response() {
    let proxy = Setup::open().start();
    for body in [
        "zz\r\nabc",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc",
        "3\r\nabc\r\n-1\r\n\r\n",
        "3\r\nabc\r\n3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nbad line\r\n\r\n",
        "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
    ] {
        let origin = Origin::scripted(
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
            Next::Keep,
        );
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        match client.try_response("GET") {
            Ok(response) => assert!(
                response.status == 502 || !response.whole,
                "{body:?} looked whole: {response:?}"
            ),
            Err(end) => assert_ne!(end, End::Silence, "{body:?}"),
        }
        // The origin's connection is not used again.
        let _ = proxy.ask(get(&origin.url("/")));
        assert_eq!(origin.accepted(), 2);
    }
}

/// More than the response said, on a connection that could be kept: the rest must not answer the next request.
fn bytes_behind_a_response_are_never_another() {
    let poison = ok("LEAK");
    let proxy = Setup::open().start();
    for first in [
        ok("one"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n".to_vec(),
        answer("204 No Content", "", b"").clone(),
    ] {
        let first = if first.starts_with(b"HTTP/1.1 204") {
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
        } else {
            first
        };
        let both = [first, poison.clone()].concat();
        let origin = Origin::http(move |seen, wire| {
            let _ = if seen.target == "/first" {
                wire.try_send(&both)
            } else {
                wire.try_send(ok("honest"))
            };
            Next::Keep
        });
        let mut client = proxy.client();
        client.send(get(&origin.url("/first")));
        let response = client.response();
        assert!(!response.text().contains("LEAK"), "{response:?}");
        for _ in 0..2 {
            client.send(get(&origin.url("/next")));
            assert_eq!(client.response().text(), "honest");
        }
        assert_eq!(proxy.ask(get(&origin.url("/other"))).text(), "honest");
    }
}

/// Envoy switched to raw bytes although the origin had answered 200.
fn cve_2024_23326_a_success_instead_of_101_stays_http() {
    let origin = Origin::http(|_, wire| {
        let _ = wire.try_send(ok("plain"));
        Next::Keep
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(request(
        "GET",
        &origin.url("/"),
        "Upgrade: websocket\r\nConnection: Upgrade\r\n",
    ));
    assert_eq!(client.response().text(), "plain");
    let _ = client.try_send(get("http://127.0.0.1/internal"));
    match client.try_response("GET") {
        Ok(response) => assert_eq!(response.status, 407, "the next request must be judged"),
        Err(end) => assert_ne!(end, End::Silence),
    }
    assert_eq!(origin.requests().len(), 1);
}

fn switching_without_being_asked_is_502() {
    assert_bad_gateway(&[
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nLEAK",
    ]);
}

fn endless_interim_responses_end() {
    let origin = Origin::http(|_, wire| {
        while wire
            .try_send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(100))
            .is_ok()
        {}
        Next::Close
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    let mut heads = 0;
    while let Ok(head) = client.take_head() {
        heads += 1;
        if !head.start.starts_with("HTTP/1.1 103") {
            assert!(head.start.starts_with("HTTP/1.1 502"), "{}", head.start);
            break;
        }
        assert!(heads < 100_000, "interim responses without end");
    }
    drop(client);
    origin.await_ended(1);
}

fn a_body_on_head_or_204_never_becomes_a_response() {
    let proxy = Setup::open().start();
    for (method, bytes) in [
        ("HEAD", ok("LEAK")),
        (
            "GET",
            b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nLEAK".to_vec(),
        ),
        (
            "GET",
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nLEAK".to_vec(),
        ),
    ] {
        let origin = Origin::scripted(bytes, Next::Keep);
        let other = Origin::fixed("next");
        let mut client = proxy.client();
        client.send(request(method, &origin.url("/"), ""));
        client.response_to(method);
        client.send(get(&other.url("/")));
        assert_eq!(client.response().text(), "next");
    }
}

fn an_origin_that_closes_at_once_is_502() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.take_head();
    });
    let response = Setup::open().start().ask(get(&origin.url("/")));
    assert_eq!(response.status, 502);
    assert!(
        response.text().starts_with("Failed to connect to remote host: "),
        "{}",
        response.text()
    );
}

fn an_origin_that_resets_is_502() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.take_head();
        wire.reset();
    });
    assert_eq!(Setup::open().start().ask(get(&origin.url("/"))).status, 502);
}

fn http_1_0_responses_are_read_as_such() {
    let proxy = Setup::open().start();
    let origin = Origin::scripted("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\noldLEAK", Next::Close);
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    let response = client.response();
    assert_eq!(
        (response.text().as_str(), response.start.as_str()),
        ("old", "HTTP/1.1 200 OK")
    );
}
