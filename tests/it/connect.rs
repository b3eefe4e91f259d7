//! CONNECT up to the answer: what is said when, and how it ends when it fails. Bytes in tunnels: `relay`.

use std::time::{Duration, Instant};

use crate::support::case::cases;
use crate::support::message::{connect, get, request};
use crate::support::origin::{Deaf, Origin, Refusing};
use crate::support::proxy::Setup;
use crate::support::{PUBLIC, PUBLIC_6, pattern};

cases![
    the_answer_is_exactly_this,
    success_is_said_only_after_the_dial,
    early_data_behind_the_head_arrives_once,
    cve_2025_64763_early_data_of_a_refused_connect_is_never_a_request,
    a_refused_port_is_502_with_address_and_reason,
    an_unreachable_network_is_502,
    a_silent_host_is_504_after_the_timeout,
    a_failed_connect_closes_the_connection,
    a_denied_connect_closes_the_connection,
    ipv6_literals_need_brackets_and_work,
    http_1_0_clients_may_tunnel,
    connect_after_a_plain_request_on_one_connection,
    a_connect_head_may_come_byte_by_byte,
    a_client_that_leaves_during_the_dial_frees_it,
    framing_fields_of_a_connect_mean_no_body,
    many_tunnels_at_once,
];

fn the_answer_is_exactly_this() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut client = proxy.client();
    client.send(connect(&origin.authority()));
    let head = client.take_head().expect("a head");
    assert_eq!(
        String::from_utf8_lossy(&head.raw),
        "HTTP/1.1 200 Connection established\r\n\r\n"
    );
    client.send("ping");
    client.expect(b"ping");
}

fn success_is_said_only_after_the_dial() {
    let deaf = Deaf::new();
    let proxy = Setup::open().option("--timeout", "700ms").start();
    let mut client = proxy.client();
    client.send(connect(&deaf.authority()) + "early");
    assert_eq!(
        client.response_to("CONNECT").status,
        504,
        "nothing else may come first"
    );
}

fn early_data_behind_the_head_arrives_once() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    for length in [1, 1000, 300_000] {
        let early = pattern(length, 3);
        let mut client = proxy.client();
        let mut twin = client.twin();
        let bytes = [connect(&origin.authority()).as_bytes(), &early, b"."].concat();
        let sender = std::thread::spawn(move || twin.send(bytes));
        assert_eq!(client.response_to("CONNECT").status, 200);
        client.expect(&early);
        client.expect(b".");
        sender.join().expect("sent");
    }
}

fn cve_2025_64763_early_data_of_a_refused_connect_is_never_a_request() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("smuggled"));
    let refusing = Refusing::new();
    for target in [
        "127.0.0.1:1".to_owned(),
        refusing.authority(),
        "0177.0.0.1:1".to_owned(),
    ] {
        let mut client = proxy.client();
        client.send(connect(&target) + &get(&origin.url("/smuggled")));
        let response = client.response_to("POST");
        assert!(matches!(response.status, 400 | 407 | 502), "{response:?}");
        client.expect_gone();
    }
    assert_eq!(origin.accepted(), 0);
}

fn a_refused_port_is_502_with_address_and_reason() {
    let (proxy, refusing) = (Setup::open().start(), Refusing::new());
    let response = proxy.ask(connect(&refusing.authority()));
    assert_eq!(response.status, 502);
    let text = response.text();
    assert!(text.starts_with("Failed to connect to remote host: "), "{text}");
    assert!(
        text.contains(&refusing.authority()) && text.to_lowercase().contains("connection refused"),
        "{text}"
    );
    let line = proxy.decision();
    assert_eq!(
        (line.get("allow"), line.get("level"), line.get("status_code")),
        ("true", "error", "502")
    );
}

fn an_unreachable_network_is_502() {
    let proxy = Setup::open().start();
    let response = proxy.ask(connect("44.9.9.9:443"));
    assert_eq!(response.status, 502);
    assert!(
        response.text().to_lowercase().contains("unreachable"),
        "{}",
        response.text()
    );
}

fn a_silent_host_is_504_after_the_timeout() {
    let deaf = Deaf::new();
    let proxy = Setup::open().option("--timeout", "800ms").start();
    let start = Instant::now();
    let response = proxy.ask(connect(&deaf.authority()));
    let waited = start.elapsed();
    assert_eq!(response.status, 504);
    assert!(
        response
            .text()
            .starts_with("Timed out connecting to remote host: "),
        "{}",
        response.text()
    );
    assert!(response.text().contains(PUBLIC), "{}", response.text());
    assert!(waited >= Duration::from_millis(700), "{waited:?}");
}

fn a_failed_connect_closes_the_connection() {
    let (proxy, refusing) = (Setup::open().start(), Refusing::new());
    let mut client = proxy.client();
    client.send(connect(&refusing.authority()));
    let response = client.response_to("POST");
    assert!(response.status == 502 && response.closes(), "{response:?}");
    client.expect_eof();
}

fn a_denied_connect_closes_the_connection() {
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(connect("127.0.0.1:443"));
    let response = client.response_to("POST");
    assert!(response.status == 407 && response.closes(), "{response:?}");
    client.expect_eof();
}

fn ipv6_literals_need_brackets_and_work() {
    let proxy = Setup::open().start();
    let origin = Origin::fixed_at(PUBLIC_6, "six");
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.send(get("http://x/"));
    assert_eq!(tunnel.response().text(), "six");
    let bare = format!("{PUBLIC_6}:{}", origin.address().port());
    assert_eq!(proxy.ask(connect(&bare)).status, 400);
}

fn http_1_0_clients_may_tunnel() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut client = proxy.client();
    client.send(format!("CONNECT {} HTTP/1.0\r\n\r\n", origin.authority()));
    assert_eq!(client.response_to("CONNECT").status, 200);
    client.send("ping");
    client.expect(b"ping");
}

fn connect_after_a_plain_request_on_one_connection() {
    let (proxy, plain, echo) = (Setup::open().start(), Origin::fixed("plain"), Origin::echo());
    let mut client = proxy.client();
    client.send(get(&plain.url("/")));
    assert_eq!(client.response().text(), "plain");
    client.send(connect(&echo.authority()));
    assert_eq!(client.response_to("CONNECT").status, 200);
    client.send("ping");
    client.expect(b"ping");
}

fn a_connect_head_may_come_byte_by_byte() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut client = proxy.client();
    for byte in connect(&origin.authority()).bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response_to("CONNECT").status, 200);
    client.send("ping");
    client.expect(b"ping");
}

fn a_client_that_leaves_during_the_dial_frees_it() {
    let deaf = Deaf::new();
    let proxy = Setup::open().option("--timeout", "60s").start();
    let before = proxy.open_descriptors();
    let mut clients: Vec<_> = (0..20).map(|_| proxy.client()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send(connect(&deaf.authority())));
    crate::support::eventually("the dials", || {
        (proxy.open_descriptors() >= before + 40).then_some(())
    });
    clients.into_iter().for_each(crate::support::wire::Wire::reset);
    crate::support::eventually("everything to be freed", || {
        (proxy.open_descriptors() <= before + 1).then_some(())
    });
    proxy.assert_serves();
}

/// RFC 9110, 9.3.6: a CONNECT has no content; what follows its head belongs to the tunnel, or is refused.
fn framing_fields_of_a_connect_mean_no_body() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    for lines in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut client = proxy.client();
        client.send(request("CONNECT", &origin.authority(), lines) + "hello");
        let response = client.response_to("CONNECT");
        match response.status {
            200 => client.expect(b"hello"),
            status => assert_eq!(status, 400, "{}", response.text()),
        }
    }
}

fn many_tunnels_at_once() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut tunnels: Vec<_> = (0..100).map(|_| proxy.tunnel(&origin.authority())).collect();
    for (index, tunnel) in tunnels.iter_mut().enumerate() {
        tunnel.send(format!("{index:05}"));
    }
    for (index, tunnel) in tunnels.iter_mut().enumerate() {
        tunnel.expect(format!("{index:05}").as_bytes());
    }
    drop(tunnels);
    let lines = proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 100);
    assert!(
        lines
            .iter()
            .all(|line| line.get("bytes_in") == "5" && line.get("bytes_out") == "5")
    );
}
