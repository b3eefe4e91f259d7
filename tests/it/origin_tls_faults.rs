//! Origins whose TLS comes to nothing: what the client is told and what the log says, and that nothing of the request left.

use std::time::{Duration, Instant};

use crate::origin_tls::{House, told, url};
use crate::support::AT_ONCE;
use crate::support::case::cases;
use crate::support::message::{get, ok, request};
use crate::support::origin::Origin;
use crate::support::pki::{Ca, Leaf};
use crate::support::proxy::{Proxy, Setup};
use crate::support::tls::{ANY, Server, TLS_1_2, TLS_1_3};
use crate::support::wire::Wire;

cases![
    who_is_not_believed_is_told_of_and_gets_nothing,
    an_origin_that_ends_the_handshake_is_told_of,
    an_origin_that_says_nothing_has_the_time_of_the_dial,
    an_origin_of_http_2_alone_is_told_of,
    without_a_ca_it_is_said_at_start_and_in_the_answer,
    a_client_that_leaves_takes_its_handshake_along,
    a_drain_lets_a_handshake_finish,
    a_file_that_is_no_ca_file_keeps_the_proxy_from_starting,
    many_certificates_are_too_many,
];

/// What was refused, and how: the answer's error type, and its text.
#[track_caller]
fn refused(proxy: &Proxy, url: &str) -> (String, String) {
    let response = proxy.ask(request("POST", url, "Content-Length: 6\r\n") + "secret");
    assert_eq!(response.status, 502, "{}", response.text());
    assert_eq!(response.code(), "tls-failed");
    let id = response.fields.get("x-smokescreen-request-id").expect("an id");
    let status = response.fields.get("proxy-status").expect("a status");
    let error = status.split_once("error=").expect("an error").1;
    let error = error.split(';').next().expect("a word").to_owned();
    let text = response.text();
    let told = crate::support::eventually("its line", || {
        let lines = proxy.log_lines();
        lines
            .into_iter()
            .find(|line| line.find("id") == Some(&id) && line.find("code") == Some("tls-failed"))
    });
    assert!(text.trim_end().starts_with(told.get("error")), "{text} {told:?}");
    (error, text)
}

/// An origin that accepts whatever comes and sends this.
fn babbling(bytes: &'static [u8]) -> Origin {
    Origin::raw(move |mut wire: Wire| {
        let _ = wire.fill();
        let _ = wire.try_send(bytes);
        let _ = wire.drain();
    })
}

fn who_is_not_believed_is_told_of_and_gets_nothing() {
    let house = House::new();
    let proxy = house.proxy();
    let stranger = Ca::new("Stranger");
    let named = Leaf {
        dns: &["good.test"],
        ..Leaf::server()
    };
    let faults = [
        (
            house.ca.issue(&Leaf {
                years: (2020, 2021),
                ..named.clone()
            }),
            "has expired (Jan  1 00:00:00 2021",
        ),
        (
            house.ca.issue(&Leaf {
                years: (2039, 2040),
                ..named.clone()
            }),
            "is not valid before Jan  1 00:00:00 2039",
        ),
        (stranger.issue(&named), "is signed by no CA that is trusted here"),
        (
            house.ca.issue(&Leaf {
                dns: &["a.test", "b.test"],
                ..named.clone()
            }),
            "is for another name: ",
        ),
        (
            house.ca.issue(&Leaf {
                dns: &["good.test"],
                ..Leaf::client("good.test")
            }),
            "is not for servers",
        ),
    ];
    for (issued, words) in faults {
        for versions in [TLS_1_2, TLS_1_3] {
            let server = Server::new(&issued.chain, &issued.key, versions);
            let (told, asked) = std::sync::mpsc::channel();
            let told = std::sync::Mutex::new(told);
            let origin = Origin::sealed(&server, move |mut wire| {
                let request = wire.take_request();
                let _ = told.lock().expect("no panic").send(request.is_ok());
            });
            let (error, text) = refused(&proxy, &url(&origin, "good.test", "/"));
            assert_eq!(error, "tls_certificate_error");
            let whom = format!("TLS with good.test at {}: its certificate ", origin.authority());
            assert!(text.contains(&whom) && text.contains(words), "{text}");
            origin.await_ended(1);
            assert_ne!(asked.try_recv(), Ok(true), "the request left: {text}");
        }
    }
    let (_, text) = refused(&proxy, &url(&house.fixed("x"), "other.test", "/"));
    assert!(text.contains("good.test"), "the names that it has: {text}");
}

fn an_origin_that_ends_the_handshake_is_told_of() {
    let house = House::new();
    let proxy = house.proxy();
    for (bytes, error, words) in [
        (
            &b"\x15\x03\x03\x00\x02\x02\x28"[..],
            "tls_alert_received",
            "it ended the handshake or the connection (alert: handshake failure)",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x70",
            "tls_alert_received",
            "it does not know this name (alert: unrecognised name)",
        ),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "tls_protocol_error",
            "what it sent is no TLS",
        ),
        (
            b"220 mail.test ESMTP\r\n",
            "tls_protocol_error",
            "what it sent is no TLS",
        ),
    ] {
        let origin = babbling(bytes);
        let (said, text) = refused(&proxy, &url(&origin, "good.test", "/"));
        assert!(said == error && text.contains(words), "{said} {text}");
    }
    let closing = Origin::raw(|mut wire: Wire| {
        let _ = wire.fill();
    });
    let (error, text) = refused(&proxy, &url(&closing, "good.test", "/"));
    assert_eq!(error, "connection_terminated", "{text}");
    let resetting = Origin::raw(|mut wire: Wire| {
        let _ = wire.fill();
        wire.reset();
    });
    let (error, text) = refused(&proxy, &url(&resetting, "good.test", "/"));
    assert!(
        error == "connection_terminated" && text.contains("reset"),
        "{text}"
    );
}

fn an_origin_that_says_nothing_has_the_time_of_the_dial() {
    let house = House::new();
    let proxy = house.setup().option("--timeout", "700ms").start();
    for bytes in [&b""[..], b"\x16\x03\x03"] {
        let silent = babbling(bytes);
        let began = Instant::now();
        let (error, text) = refused(&proxy, &url(&silent, "good.test", "/"));
        assert!(began.elapsed() >= Duration::from_millis(700) && began.elapsed() < AT_ONCE);
        assert_eq!(error, "connection_timeout");
        assert!(text.contains("no answer within "), "{text}");
        silent.await_ended(1);
    }
}

fn an_origin_of_http_2_alone_is_told_of() {
    let house = House::new();
    let server = house.server(&["good.test"]).alpn(&[b"h2"]);
    let origin = Origin::sealed(&server, drop);
    let (_, text) = refused(&house.proxy(), &url(&origin, "good.test", "/"));
    assert!(text.contains("it does not speak HTTP/1.1 (ALPN)"), "{text}");
}

fn without_a_ca_it_is_said_at_start_and_in_the_answer() {
    let house = House::new();
    let setup = Setup::open().resolver(&house.dns);
    let proxy = setup.config("upstream_system_roots: false\n").start();
    let warning = told(&proxy, "No CA is trusted for connections to origins", 1);
    assert_eq!(warning[0].get("level"), "warning");
    let origin = house.fixed("x");
    let (_, text) = refused(&proxy, &url(&origin, "good.test", "/"));
    assert!(text.contains("no CA is trusted here"), "{text}");
}

fn a_client_that_leaves_takes_its_handshake_along() {
    let house = House::new();
    let proxy = house.proxy();
    let silent = babbling(b"");
    let mut client = proxy.client();
    client.send(get(&url(&silent, "good.test", "/")));
    silent.await_accepted(1);
    client.reset();
    silent.await_ended(1);
    let line = proxy.decision();
    assert_eq!(
        (line.get("allow"), line.get("error")),
        ("true", "connection reset by peer")
    );
}

fn a_drain_lets_a_handshake_finish() {
    let house = House::new();
    let mut proxy = house.proxy();
    let server = house.server(&["good.test"]);
    let (go, wait) = (
        crate::support::origin::Signal::new(),
        crate::support::origin::Signal::new(),
    );
    let (raised, awaited) = (wait.clone(), go.clone());
    let origin = Origin::streams(move |stream| {
        raised.raise();
        awaited.wait();
        let Ok(mut wire) = server.accept(stream) else {
            return;
        };
        if wire.take_request().is_ok() {
            let _ = wire.try_send(ok("just in time"));
        }
    });
    let mut client = proxy.client();
    client.send(get(&url(&origin, "good.test", "/")));
    assert!(wait.wait());
    proxy.signal(rustix::process::Signal::TERM);
    told(&proxy, "Shutting down", 1);
    go.raise();
    let response = client.response();
    assert_eq!(response.text(), "just in time");
    assert!(response.closes());
    assert!(proxy.wait().success());
}

fn a_file_that_is_no_ca_file_keeps_the_proxy_from_starting() {
    for (content, words) in [
        ("nothing", "there is no certificate in it"),
        (
            "-----BEGIN CERTIFICATE-----\nMAMCAQA=\n-----END CERTIFICATE-----\n",
            "can't be a CA's",
        ),
    ] {
        let setup = Setup::open();
        let file = setup.file("upstream.pem", content);
        let finished = setup.option("--upstream-ca-file", file).run();
        assert_eq!(finished.code, Some(2), "{finished:?}");
        let said = finished.stderr;
        assert!(said.contains("upstream.pem") && said.contains(words), "{said}");
    }
}

/// A chain of more than 24 KiB would be kept with each idle connection.
fn many_certificates_are_too_many() {
    let house = House::new();
    let issued = house.ca.issue(&Leaf {
        dns: &["good.test"],
        ..Leaf::server()
    });
    let further: String = (0..60).map(|_| house.ca.pem()).collect();
    let server = Server::new(&format!("{}{further}", issued.chain), &issued.key, ANY);
    let origin = Origin::sealed(&server, drop);
    let (_, text) = refused(&house.proxy(), &url(&origin, "good.test", "/"));
    assert!(text.contains("comes with too many others"), "{text}");
}
