//! Much at once: what passes through pipes of the kernel arrives whole, in order, and ends as its source did.

use std::time::Duration;

use crate::support::case::cases;
use crate::support::message::{answer, get, request};
use crate::support::origin::{Next, Origin, Signal};
use crate::support::proxy::{Proxy, Setup};
use crate::support::wire::End;
use crate::support::{assert_same_bytes, eventually, pattern};

cases![
    a_long_body_is_exact_and_its_connections_go_on,
    a_long_upload_is_exact_and_its_connections_go_on,
    a_long_body_that_ends_with_its_connection_is_exact,
    a_reset_within_a_long_body_is_no_end,
    a_slow_reader_of_a_long_body_gets_all_of_it,
    with_few_descriptors_bulk_is_copied,
    many_stalled_tunnels_hold_few_pipes,
    an_aborted_tunnel_takes_its_pipes_along,
];

const LONG: usize = 100 << 20;

fn tunnel_both_ways(proxy: &Proxy, length: usize) {
    let exact = Signal::new();
    let raised = exact.clone();
    let origin = Origin::raw(move |mut wire| {
        let mut twin = wire.twin();
        let sender = std::thread::spawn(move || {
            twin.send(pattern(length, 21));
            twin.half_close();
        });
        if wire.drain() == (pattern(length, 23), End::Eof) {
            raised.raise();
        }
        sender.join().expect("sent");
    });
    let mut tunnel = proxy.tunnel(&origin.authority());
    let mut twin = tunnel.twin();
    let sender = std::thread::spawn(move || {
        twin.send(pattern(length, 23));
        twin.half_close();
    });
    let (got, end) = tunnel.drain();
    assert_same_bytes(&got, &pattern(length, 21));
    assert_eq!(end, End::Eof);
    sender.join().expect("sent");
    assert!(exact.wait(), "what the origin got differs");
}

fn a_long_body_is_exact_and_its_connections_go_on() {
    let origin = Origin::http(|request, wire| {
        let body = if request.target == "/long" {
            pattern(LONG, 31)
        } else {
            b"short".to_vec()
        };
        let _ = wire.try_send(answer("200 OK", "", &body));
        Next::Keep
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    for path in ["/long", "/", "/long", "/"] {
        client.send(get(&origin.url(path)));
        let response = client.response();
        match path {
            "/" => assert_eq!(response.text(), "short"),
            _ => assert_same_bytes(&response.body, &pattern(LONG, 31)),
        }
    }
    assert_eq!(origin.accepted(), 1, "a connection read to its last byte is kept");
}

fn a_long_upload_is_exact_and_its_connections_go_on() {
    let proxy = Setup::open().start();
    let origin = Origin::http(|_, wire| {
        let _ = wire.try_send(answer("200 OK", "Connection: keep-alive\r\n", b"ok"));
        Next::Keep
    });
    let mut client = proxy.client();
    for length in [8 << 20, 3, 8 << 20] {
        let body = pattern(length, 37);
        client.send(request(
            "POST",
            &origin.url("/"),
            &format!("Content-Length: {length}\r\n"),
        ));
        client.send(&body);
        assert_eq!(client.response().text(), "ok");
        assert_same_bytes(&origin.last().body, &body);
    }
    assert_eq!(origin.accepted(), 1);
}

fn a_long_body_that_ends_with_its_connection_is_exact() {
    let origin = Origin::http(|_, wire| {
        let _ = wire.try_send("HTTP/1.1 200 OK\r\n\r\n");
        let _ = wire.try_send(pattern(LONG / 2, 41));
        Next::Close
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    let response = client.response();
    assert!(response.whole);
    assert_same_bytes(&response.body, &pattern(LONG / 2, 41));
}

fn a_reset_within_a_long_body_is_no_end() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let read = Signal::new();
        let wait = read.clone();
        let origin = Origin::raw(move |mut wire| {
            let _ = wire.take_request();
            let _ = wire.try_send(head);
            let _ = wire.try_send(pattern(8 << 20, 43));
            wait.wait();
            wire.reset();
        });
        let proxy = Setup::open().start();
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        client.take_head().expect("a head");
        client.expect(&pattern(8 << 20, 43));
        read.raise();
        let (rest, end) = client.drain();
        assert_eq!(rest.len(), 0);
        // Where the length tells, an orderly end does no harm.
        let told = head.contains("Length") && end == End::Eof;
        assert!(end == End::Reset || told, "{end:?}");
    }
}

fn a_slow_reader_of_a_long_body_gets_all_of_it() {
    let origin = Origin::http(|_, wire| {
        let _ = wire.try_send(answer("200 OK", "", &pattern(8 << 20, 47)));
        Next::Keep
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    client.take_head().expect("a head");
    for part in pattern(8 << 20, 47).chunks(300_000) {
        client.expect(part);
        std::thread::sleep(Duration::from_millis(5));
    }
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().body.len(), 8 << 20);
}

fn with_few_descriptors_bulk_is_copied() {
    let proxy = Setup::open().descriptors(31).start();
    let before = proxy.open_descriptors();
    tunnel_both_ways(&proxy, 4 << 20);
    // One more may have been opened since the start line; a tunnel or a pipe takes two.
    eventually("descriptors to be given back", || {
        (proxy.open_descriptors() <= before + 1).then_some(())
    });
}

/// More directions than there are pipes stand still with bytes on the way.
fn many_stalled_tunnels_hold_few_pipes() {
    const TUNNELS: usize = 100;
    let origin = Origin::raw(|mut wire| {
        let _ = wire.try_send(pattern(16 << 20, 53));
        let _ = wire.drain();
    });
    let proxy = Setup::open().start();
    let before = proxy.open_descriptors();
    let mut tunnels: Vec<_> = (0..TUNNELS).map(|_| proxy.tunnel(&origin.authority())).collect();
    let pipes = || (proxy.open_descriptors() - before).saturating_sub(2 * TUNNELS) / 2;
    eventually("pipes to be in use", || (pipes() > 0).then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    assert!(pipes() <= 64, "{} pipes", pipes());
    for tunnel in tunnels.iter_mut().step_by(9) {
        tunnel.expect(&pattern(16 << 20, 53));
    }
    drop(tunnels);
    eventually("descriptors to be given back", || {
        (proxy.open_descriptors() <= before + 2 * 64).then_some(())
    });
    tunnel_both_ways(&proxy, 8 << 20);
}

fn an_aborted_tunnel_takes_its_pipes_along() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.try_send(pattern(16 << 20, 59));
    });
    let proxy = Setup::open().start();
    let before = proxy.open_descriptors();
    for _ in 0..20 {
        let mut tunnel = proxy.tunnel(&origin.authority());
        tunnel.expect(&pattern(16 << 20, 59)[..1 << 20]);
        tunnel.reset();
    }
    eventually("descriptors to be given back", || {
        (proxy.open_descriptors() <= before + 8).then_some(())
    });
    let echo = Origin::fixed("here");
    assert_eq!(proxy.ask(get(&echo.url("/"))).text(), "here");
}
