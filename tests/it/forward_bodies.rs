//! Bodies both ways: every framing, streaming, trailers, bodyless answers, interim responses, Expect.

use std::time::{Duration, Instant};

use crate::support::case::cases;
use crate::support::message::{Framing, answer, chunked, get, ok, post, request};
use crate::support::origin::{Next, Origin, Signal};
use crate::support::proxy::{Proxy, Setup};
use crate::support::{assert_same_bytes, pattern};

cases![
    request_bodies_of_known_length_are_exact,
    request_bodies_in_chunks_are_exact,
    response_bodies_of_known_length_are_exact,
    response_bodies_in_chunks_are_exact,
    response_bodies_until_close_are_exact,
    single_bytes_make_whole_messages,
    request_bodies_are_streamed,
    responses_are_streamed,
    server_sent_events_are_delivered_at_once,
    trailers_pass_both_ways,
    trailers_cannot_inject_fields,
    head_responses_have_no_body,
    statuses_without_a_body_have_none,
    interim_responses_pass,
    expect_100_is_forwarded_and_answered_by_the_origin,
    expect_100_is_answered_by_us_when_the_origin_is_silent,
    cve_2024_24791_a_final_answer_instead_of_100,
    an_early_answer_reaches_a_client_that_still_sends,
    an_origin_that_answers_early_gets_the_whole_body,
    an_origin_that_ends_behind_an_early_answer_has_enough,
    a_request_body_cut_by_the_client_is_not_completed,
    a_response_body_cut_by_the_origin_is_not_completed,
    rustsec_2020_0008_a_get_may_have_a_body,
];

const SIZES: [usize; 5] = [0, 1, 65_535, 1 << 20, 5 << 20];

/// Sends in a thread of its own, because the answer may fill the other direction meanwhile.
fn exchange(proxy: &Proxy, bytes: Vec<u8>) -> crate::support::message::Response {
    let mut client = proxy.client();
    let mut twin = client.twin();
    let sender = std::thread::spawn(move || twin.send(bytes));
    let response = client.response();
    sender.join().expect("sent");
    response
}

fn request_bodies_of_known_length_are_exact() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    for size in SIZES {
        let body = pattern(size, 3);
        let head = request("POST", &origin.url("/"), &format!("Content-Length: {size}\r\n"));
        assert_eq!(exchange(&proxy, [head.as_bytes(), &body].concat()).status, 200);
        let seen = origin.last();
        assert_same_bytes(&seen.body, &body);
        assert_eq!(seen.framing, Framing::Length(size));
    }
}

fn request_bodies_in_chunks_are_exact() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    for (size, chunk) in [
        (0, 1),
        (10, 1),
        (65_536, 1000),
        (5 << 20, 65_536),
        (1 << 20, 1 << 20),
    ] {
        let body = pattern(size, 5);
        let head = request("POST", &origin.url("/"), "Transfer-Encoding: chunked\r\n");
        assert_eq!(
            exchange(&proxy, [head.as_bytes(), &chunked(&body, chunk)].concat()).status,
            200
        );
        let seen = origin.last();
        assert_same_bytes(&seen.body, &body);
        assert_eq!(seen.framing, Framing::Chunked);
    }
}

fn response_bodies_of_known_length_are_exact() {
    let proxy = Setup::open().start();
    for size in SIZES {
        let body = pattern(size, 7);
        let origin = Origin::scripted(answer("200 OK", "", &body), Next::Keep);
        let response = proxy.ask(get(&origin.url("/")));
        assert_same_bytes(&response.body, &body);
        assert_eq!((response.framing, response.whole), (Framing::Length(size), true));
    }
}

fn response_bodies_in_chunks_are_exact() {
    let proxy = Setup::open().start();
    for (size, chunk) in [(0, 1), (10, 1), (65_536, 1000), (5 << 20, 65_536)] {
        let body = pattern(size, 11);
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let origin = Origin::scripted([&head[..], &chunked(&body, chunk)].concat(), Next::Keep);
        let response = proxy.ask(get(&origin.url("/")));
        assert_same_bytes(&response.body, &body);
        assert_eq!((response.framing, response.whole), (Framing::Chunked, true));
    }
}

fn response_bodies_until_close_are_exact() {
    let proxy = Setup::open().start();
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let body = pattern(2 << 20, 13);
        let origin = Origin::scripted(
            [format!("{version} 200 OK\r\nX-V: 1\r\n\r\n").as_bytes(), &body].concat(),
            Next::Close,
        );
        let response = proxy.ask(get(&origin.url("/")));
        assert_same_bytes(&response.body, &body);
        assert!(
            response.whole && response.start.starts_with("HTTP/1.1 200"),
            "{}",
            response.start
        );
        assert_eq!(response.fields.get("x-v").as_deref(), Some("1"));
    }
}

/// Both sides dribble: every split of every message is met on the way.
fn single_bytes_make_whole_messages() {
    let origin = Origin::http(|_, wire| {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-T: v\r\n\r\n";
        for byte in text {
            if wire.try_send([*byte]).is_err() {
                return Next::Close;
            }
            std::thread::yield_now();
        }
        Next::Keep
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    for _ in 0..2 {
        let head = request("POST", &origin.url("/"), "Transfer-Encoding: chunked\r\n");
        for byte in head.bytes().chain(*b"2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n") {
            client.send([byte]);
        }
        let response = client.response();
        assert_eq!((response.text().as_str(), response.whole), ("abcdefg", true));
        assert_eq!(origin.last().body, b"hi!");
    }
}

fn request_bodies_are_streamed() {
    let first = Signal::new();
    let raised = first.clone();
    let origin = Origin::raw(move |mut wire| {
        let _ = wire.take_until(b"first");
        raised.raise();
        let _ = wire.take_until(b"second");
        let _ = wire.try_send(ok("done"));
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(request("POST", &origin.url("/"), "Content-Length: 11\r\n") + "first");
    assert!(
        first.wait(),
        "the first part must arrive before the second was sent"
    );
    client.send("second");
    assert_eq!(client.response().text(), "done");
}

fn responses_are_streamed() {
    for (head, first, second) in [
        ("Content-Length: 11\r\n", "first", "second"),
        (
            "Transfer-Encoding: chunked\r\n",
            "5\r\nfirst\r\n",
            "6\r\nsecond\r\n0\r\n\r\n",
        ),
        ("", "first", "second"),
    ] {
        let release = Signal::new();
        let wait = release.clone();
        let origin = Origin::http(move |_, wire| {
            let _ = wire.try_send(format!("HTTP/1.1 200 OK\r\n{head}\r\n{first}"));
            wait.wait();
            let _ = wire.try_send(second);
            Next::Close
        });
        let proxy = Setup::open().start();
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        assert!(client.take_until(b"first").is_ok() && !release.is_raised());
        release.raise();
        assert!(client.take_until(b"second").is_ok());
    }
}

fn server_sent_events_are_delivered_at_once() {
    let proxy = Setup::open().start();
    let steps: Vec<Signal> = (0..5).map(|_| Signal::new()).collect();
    let waits = steps.clone();
    let origin = Origin::http(move |_, wire| {
        let _ = wire.try_send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for (index, step) in waits.iter().enumerate() {
            step.wait();
            let event = format!("data: {index}\n\n");
            let _ = wire.try_send(format!("{:x}\r\n{event}\r\n", event.len()));
        }
        Next::Close
    });
    let mut client = proxy.client();
    client.send(get(&origin.url("/events")));
    client.take_head().expect("a head at once");
    for (index, step) in steps.iter().enumerate() {
        step.raise();
        let event = format!("data: {index}\n\n");
        assert!(
            client.take_until(event.as_bytes()).is_ok(),
            "event {index} is late"
        );
    }
}

fn trailers_pass_both_ways() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\nX-U: w\r\n\r\n";
    let origin = Origin::scripted(text, Next::Keep);
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    for _ in 0..3 {
        let head = request(
            "POST",
            &origin.url("/"),
            "Transfer-Encoding: chunked\r\nTrailer: X-Q\r\nTE: trailers\r\nConnection: TE\r\n",
        );
        client.send(head + "2\r\nhi\r\n0\r\nX-Q: r\r\n\r\n");
        let response = client.response();
        assert_eq!(response.text(), "abc");
        assert_eq!(
            (
                response.trailers.get("x-t").as_deref(),
                response.trailers.get("x-u").as_deref()
            ),
            (Some("v"), Some("w"))
        );
        assert_eq!(origin.last().trailers.get("x-q").as_deref(), Some("r"));
    }
}

fn trailers_cannot_inject_fields() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    for trailer in [
        "Host: evil",
        "Content-Length: 99",
        "Transfer-Encoding: chunked",
        "Proxy-Authorization: x",
        "X-Smokescreen-Role: x",
        "Connection: close",
        "bad line",
        "X : y",
        "X: a\rb",
        "X: a\nY: b",
    ] {
        let mut client = proxy.client();
        client.send(
            request("POST", &origin.url("/"), "Transfer-Encoding: chunked\r\n")
                + "1\r\nx\r\n0\r\n"
                + trailer
                + "\r\n\r\n",
        );
        let (bytes, _) = {
            client.patience(Duration::from_secs(2));
            client.drain()
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(
            text.is_empty() || text.starts_with("HTTP/1.1 200") || text.starts_with("HTTP/1.1 400"),
            "{trailer}: {text}"
        );
    }
    for seen in origin.requests() {
        assert_eq!(
            (seen.fields.all("host"), seen.body.as_slice()),
            (vec![origin.authority()], &b"x"[..])
        );
        for name in [
            "host",
            "content-length",
            "transfer-encoding",
            "proxy-authorization",
            "x-smokescreen-role",
            "connection",
        ] {
            assert!(!seen.trailers.has(name), "{name} passed as a trailer");
        }
    }
    proxy.assert_serves();
}

fn head_responses_have_no_body() {
    let proxy = Setup::open().start();
    for lines in ["Content-Length: 1234\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let origin = Origin::scripted(format!("HTTP/1.1 200 OK\r\n{lines}X-H: 1\r\n\r\n"), Next::Keep);
        let other = Origin::fixed("next");
        let mut client = proxy.client();
        client.send(request("HEAD", &origin.url("/"), ""));
        let response = client.response_to("HEAD");
        assert_eq!(
            (response.status, response.fields.get("x-h").as_deref()),
            (200, Some("1"))
        );
        if lines.starts_with("Content-Length") {
            assert_eq!(response.fields.get("content-length").as_deref(), Some("1234"));
        }
        client.send(get(&other.url("/")));
        assert_eq!(client.response().text(), "next", "after HEAD with {lines:?}");
    }
}

fn statuses_without_a_body_have_none() {
    let proxy = Setup::open().start();
    for (status, lines) in [
        ("204 No Content", ""),
        ("304 Not Modified", ""),
        ("304 Not Modified", "Content-Length: 55\r\n"),
        ("205 Reset Content", "Content-Length: 0\r\n"),
    ] {
        let origin = Origin::scripted(
            format!("HTTP/1.1 {status}\r\nETag: \"x\"\r\n{lines}\r\n"),
            Next::Keep,
        );
        let other = Origin::fixed("next");
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        let response = client.response();
        assert_eq!(
            (response.start.as_str(), response.body.len()),
            (format!("HTTP/1.1 {status}").as_str(), 0)
        );
        client.send(get(&other.url("/")));
        assert_eq!(client.response().text(), "next", "after {status}");
    }
}

fn interim_responses_pass() {
    let proxy = Setup::open().start();
    for (interim, codes) in [
        ("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", vec![103]),
        (
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
            vec![102, 102, 103],
        ),
    ] {
        let origin = Origin::scripted([interim.as_bytes(), &ok("final")].concat(), Next::Keep);
        let response = proxy.ask(get(&origin.url("/")));
        assert_eq!((response.interim, response.body), (codes, b"final".to_vec()));
    }
}

fn expect_100_is_forwarded_and_answered_by_the_origin() {
    let origin = Origin::raw(|mut wire| {
        let head = wire.take_head();
        if head.is_ok_and(|head| head.fields.get("expect").as_deref() == Some("100-continue")) {
            let _ = wire.try_send("HTTP/1.1 100 Continue\r\nX-From: origin\r\n\r\n");
        }
        if wire.take(4) == Ok(b"data".to_vec()) {
            let _ = wire.try_send(ok("got it"));
        }
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(request(
        "POST",
        &origin.url("/"),
        "Expect: 100-continue\r\nContent-Length: 4\r\n",
    ));
    let interim = client.take_head().expect("an interim response");
    assert!(interim.start.starts_with("HTTP/1.1 100"));
    assert!(interim.fields.has("x-from"), "ours, not the origin's");
    client.send("data");
    let response = client.response();
    assert_eq!((response.text().as_str(), response.interim.len()), ("got it", 0));
}

/// Servers that know nothing of Expect wait for the body. After a second we ask for it; a 100 that comes then is not
/// the client's any more.
fn expect_100_is_answered_by_us_when_the_origin_is_silent() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.take_head();
        if wire.take(4) == Ok(b"data".to_vec()) {
            let _ = wire.try_send([b"HTTP/1.1 100 Continue\r\n\r\n".as_slice(), &ok("late")].concat());
        }
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    let start = Instant::now();
    client.send(request(
        "POST",
        &origin.url("/"),
        "Expect: 100-continue\r\nContent-Length: 4\r\n",
    ));
    assert!(
        client
            .take_head()
            .expect("an interim response")
            .start
            .starts_with("HTTP/1.1 100")
    );
    assert!(
        start.elapsed() > Duration::from_millis(800),
        "{:?}",
        start.elapsed()
    );
    client.send("data");
    let response = client.response();
    assert_eq!(
        (response.text().as_str(), response.interim.len()),
        ("late", 0),
        "a second 100 came through"
    );
}

fn cve_2024_24791_a_final_answer_instead_of_100() {
    let refusing = Origin::raw(|mut wire| {
        let _ = wire.take_head();
        let _ = wire.try_send(answer("417 Expectation Failed", "", b"no"));
        let _ = wire.drain();
    });
    let (proxy, other) = (Setup::open().start(), Origin::fixed("next"));
    let mut client = proxy.client();
    client.send(request(
        "POST",
        &refusing.url("/"),
        "Expect: 100-continue\r\nContent-Length: 4\r\n",
    ));
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (417, "no"));
    // The body was never sent: whatever follows must not be taken for it, nor the origin's connection be reused.
    let _ = client.try_send(get(&other.url("/")));
    match client.try_response("GET") {
        Ok(next) => assert_eq!(next.text(), "next"),
        Err(end) => assert!(response.closes(), "{end:?} though the connection was to be kept"),
    }
    assert_eq!(proxy.ask(get(&refusing.url("/"))).status, 417);
    assert_eq!(refusing.accepted(), 2, "the connection was reused");
}

fn an_early_answer_reaches_a_client_that_still_sends() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.take_head();
        let _ = wire.try_send(answer("413 Too Large", "Connection: close\r\n", b"early"));
        let _ = wire.drain();
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(request("POST", &origin.url("/"), "Content-Length: 100000\r\n") + &"x".repeat(1000));
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (413, "early"));
    proxy.assert_serves();
}

/// Some answer before they have read what they are sent, with a 202, or as they work on it. Of a body that is cut behind
/// the whole answer its client would never hear.
fn an_origin_that_answers_early_gets_the_whole_body() {
    const BYTES: usize = 4 << 20;
    let in_chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntaken\r\n0\r\n\r\n";
    for (version, answered, persists) in [
        ("1.1", answer("202 Accepted", "", b"taken"), true),
        ("1.1", in_chunks.into(), true),
        ("1.1", answer("200 OK", "Connection: close\r\n", b"taken"), false),
        // There the end is all that shows how long it is.
        ("1.0", in_chunks.into(), false),
    ] {
        let arrived = Signal::new();
        let all = arrived.clone();
        let origin = Origin::raw(move |mut wire| {
            let head = wire.take_head().expect("a head");
            if head.start.starts_with("GET") {
                let _ = wire.try_send(answer("200 OK", "", b"next"));
                return;
            }
            let _ = wire.try_send(answered.clone());
            let body = wire.take(BYTES).expect("the whole body");
            assert_same_bytes(&body, &pattern(BYTES, 5));
            all.raise();
        });
        let proxy = Setup::open().start();
        let mut client = proxy.client();
        let lines = format!("Content-Length: {BYTES}\r\n");
        let head = request("POST", &origin.url("/"), &lines);
        client.send(head.replace("HTTP/1.1", &format!("HTTP/{version}")));
        // Nothing of the body is sent before the whole answer is here; where its end is the connection's, that too.
        assert_eq!(client.response().text(), "taken");
        client.send(pattern(BYTES, 5));
        assert!(arrived.wait(), "the rest of the body never arrived");
        if persists {
            client.send(get(&origin.url("/")));
            assert_eq!(client.response().text(), "next");
            assert_eq!(origin.accepted(), 2, "what it took the rest for is not known");
        }
    }
}

/// As nginx answers what is too large: it ends its half, and throws away what still comes.
fn an_origin_that_ends_behind_an_early_answer_has_enough() {
    for close in ["", "Connection: close\r\n"] {
        let origin = Origin::raw(move |mut wire| {
            let _ = wire.take_head();
            let _ = wire.try_send(answer("413 Too Large", close, b"early"));
            wire.half_close();
            wire.drain();
        });
        let proxy = Setup::open().start();
        let mut client = proxy.client();
        client.send(request("POST", &origin.url("/"), "Content-Length: 100000\r\n") + &"x".repeat(1000));
        assert_eq!(client.response().text(), "early");
        let since = Instant::now();
        client.expect_eof();
        origin.await_ended(1);
        // Where nobody ends, it is half a minute.
        assert!(since.elapsed() < Duration::from_secs(20));
    }
}

fn a_request_body_cut_by_the_client_is_not_completed() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    for (lines, part) in [
        ("Content-Length: 100\r\n", "short"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nshort\r\n"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nsho"),
    ] {
        let accepted = origin.accepted();
        let mut client = proxy.client();
        client.send(request("POST", &origin.url("/"), lines) + part);
        origin.await_accepted(accepted + 1);
        drop(client);
        origin.await_ended(accepted + 1);
    }
    assert!(origin.requests().is_empty(), "a cut request looked whole");
}

fn a_response_body_cut_by_the_origin_is_not_completed() {
    let proxy = Setup::open().start();
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxxx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n64\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n",
    ] {
        let origin = Origin::scripted(bytes, Next::Close);
        let response = proxy.ask(get(&origin.url("/")));
        assert!(!response.whole, "a cut response looked whole: {response:?}");
    }
    proxy.assert_serves();
}

fn rustsec_2020_0008_a_get_may_have_a_body() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    let with_body = request("GET", &origin.url("/a"), "Content-Length: 4\r\n") + "body";
    client.send(with_body + &post(&origin.url("/b"), "two"));
    assert_eq!((client.response().status, client.response().status), (200, 200));
    let bodies: Vec<Vec<u8>> = origin.requests().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [b"body".to_vec(), b"two".to_vec()]);
}
