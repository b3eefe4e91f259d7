//! Connections to origins between two requests: who may use one that was idle, and until when. An origin closes them
//! when its own time is over, and a request that meets the close is lost if it can't be sent twice.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use crate::support::case::cases;
use crate::support::eventually;
use crate::support::message::{answer, get, post, request};
use crate::support::origin::{Next, Origin};
use crate::support::proxy::Setup;

cases![
    what_can_not_be_sent_twice_meets_no_dying_connection,
    what_can_not_be_sent_twice_shares_fresh_connections,
    a_close_that_nobody_announced_meets_no_post,
    a_large_head_goes_on_a_kept_connection_and_is_sent_again_where_that_has_ended,
    a_connection_is_closed_by_the_time_its_origin_announced,
    a_crowd_that_asks_one_origin_does_not_dial_again,
    only_who_asks_for_more_than_there_is_room_is_told,
    kept_connections_give_way_to_clients_and_dials,
];

/// Longer than any connection counts as fresh.
const STALE: Duration = Duration::from_millis(1100);

/// Answers the first request and what comes soon after another; of a connection that was idle it has forgotten all, as
/// one whose close is on its way.
fn forgetful(lines: &'static str) -> Origin {
    Origin::raw(move |mut wire| {
        let mut last: Option<Instant> = None;
        while wire.take_request().is_ok() && last.is_none_or(|last| last.elapsed() < STALE) {
            let _ = wire.try_send(answer("200 OK", lines, b"ok"));
            last = Some(Instant::now());
        }
    })
}

/// caddy#6452, sozu#1442, h2o#281: `curl -d` every 5.02 s to a server that keeps connections for 5 s.
fn what_can_not_be_sent_twice_meets_no_dying_connection() {
    let proxy = Setup::open().start();
    let body = |method: &str, url: &str| request(method, url, "Content-Length: 2\r\n") + "hi";
    let mut asked = Vec::new();
    for announced in [
        "",
        "Keep-Alive: timeout=5\r\n",
        "Keep-Alive: timeout=60, max=100\r\n",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "REPORT"] {
            let origin = forgetful(announced);
            let mut client = proxy.client();
            client.send(get(&origin.url("/")));
            assert_eq!(client.response().text(), "ok");
            asked.push((origin, client, method));
        }
    }
    std::thread::sleep(STALE + Duration::from_millis(200));
    for (origin, client, method) in &mut asked {
        client.send(body(method, &origin.url("/")));
        let response = client.response();
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, "ok"),
            "{method}"
        );
        assert_eq!(origin.accepted(), 2, "{method}");
    }
    // What can be sent twice is.
    let (origin, client, _) = &mut asked[0];
    std::thread::sleep(STALE + Duration::from_millis(200));
    for ask in [
        get(&origin.url("/")),
        request("PUT", &origin.url("/"), "Content-Length: 0\r\n"),
    ] {
        client.send(ask);
        assert_eq!(client.response().text(), "ok");
    }
}

fn what_can_not_be_sent_twice_shares_fresh_connections() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    // Twice on the same one: this origin keeps connections.
    for _ in 0..2 {
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().text(), "ok");
    }
    for _ in 0..50 {
        client.send(post(&origin.url("/"), "x"));
        assert_eq!(client.response().text(), "ok");
    }
    assert!(
        origin.accepted() < 25,
        "{} connections for 50 requests",
        origin.accepted()
    );
}

/// As tinyproxy does, the origin closes behind each response and does not say so: here when the next request has come. How
/// long a response takes says nothing.
fn a_close_that_nobody_announced_meets_no_post() {
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    let mut judged = 0;
    for pause in [Duration::ZERO, Duration::from_millis(150)].repeat(10) {
        let origin = Origin::raw(move |mut wire| {
            if wire.take_request().is_ok() {
                let response = answer("200 OK", "", b"ok");
                let (begun, rest) = response.split_at(response.len() - 1);
                let _ = wire.try_send(begun);
                std::thread::sleep(pause);
                let _ = wire.try_send(rest);
                let _ = wire.take_head();
            }
        });
        let since = Instant::now();
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 200);
        client.send(post(&origin.url("/"), "x"));
        let status = client.response().status;
        // On a busy machine the connection may have been open for as long as one that is kept, and the close meets it.
        let was_soon = since.elapsed() < pause + Duration::from_millis(100);
        assert!(status == 200 || !was_soon, "{status}");
        judged += usize::from(status == 200);
    }
    assert!(judged > 0, "this machine was too busy to judge any");
}

/// However large: the connection was idle for too long to be called fresh, and is used all the same.
fn a_large_head_goes_on_a_kept_connection_and_is_sent_again_where_that_has_ended() {
    let (proxy, kept, ends) = (Setup::open().start(), Origin::fixed("ok"), forgetful(""));
    let field = format!("X-Large: {}\r\n", "l".repeat(24 * 1024));
    let mut client = proxy.client();
    for _ in 0..2 {
        for origin in [&kept, &ends] {
            client.send(request("GET", &origin.url("/"), &field));
            assert_eq!(client.response().text(), "ok");
        }
        std::thread::sleep(STALE + Duration::from_millis(200));
    }
    assert_eq!((kept.accepted(), ends.accepted()), (1, 2));
}

fn a_connection_is_closed_by_the_time_its_origin_announced() {
    let proxy = Setup::open().start();
    for lines in [
        "Keep-Alive: timeout=0\r\n",
        "Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n",
        "Keep-Alive: timeout=60, max=0\r\n",
    ] {
        let origin = Origin::scripted(answer("200 OK", lines, b"ok"), Next::Keep);
        let mut client = proxy.client();
        for _ in 0..3 {
            client.send(get(&origin.url("/")));
            let response = client.response();
            assert!(
                response.text() == "ok" && !response.fields.has("keep-alive"),
                "{response:?}"
            );
        }
        origin.await_ended(3);
        assert_eq!(origin.accepted(), 3, "{lines}");
    }
    // It waits for this end: the proxy's own limit is 90 s.
    let origin = Origin::scripted(answer("200 OK", "Keep-Alive: timeout=3\r\n", b"ok"), Next::Keep);
    assert_eq!(proxy.ask(get(&origin.url("/"))).text(), "ok");
    let since = Instant::now();
    origin.await_ended(1);
    assert!(since.elapsed() < Duration::from_secs(60));
}

fn a_crowd_that_asks_one_origin_does_not_dial_again() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut clients: Vec<_> = (0..64).map(|_| proxy.client()).collect();
    for _ in 0..6 {
        for client in &mut clients {
            client.send(get(&origin.url("/")));
        }
        for client in &mut clients {
            assert_eq!(client.response().text(), "ok");
        }
    }
    assert!(
        origin.accepted() <= 64,
        "{} connections for 64 clients",
        origin.accepted()
    );
}

fn only_who_asks_for_more_than_there_is_room_is_told() {
    let warns = |setup: Setup| {
        let proxy = setup.descriptors(512).start();
        proxy.assert_serves();
        proxy.settle_log();
        let lines = proxy.log();
        lines
            .iter()
            .any(|line| line.contains("idle upstream connections are kept at most"))
    };
    assert!(!warns(Setup::open()));
    assert!(warns(Setup::open().option("--transport-max-idle-conns", "2048")));
    assert!(!warns(Setup::open().option("--transport-max-idle-conns", "50")));
}

/// At 128 descriptors 44 clients are taken; 40 kept connections would leave room for half of their origins.
fn kept_connections_give_way_to_clients_and_dials() {
    const KEPT: usize = 40;
    const CLIENTS: usize = 44;
    let all_asked = Arc::new(Barrier::new(KEPT));
    let crowded = Origin::raw(move |mut wire| {
        if wire.take_until(b"\r\n\r\n").is_ok() {
            all_asked.wait();
            let _ = wire.try_send(answer("200 OK", "", b"ok"));
            let _ = wire.take_until(b"never");
        }
    });
    let proxy = Setup::open().descriptors(128).start();
    let before = proxy.open_descriptors();
    let mut clients: Vec<_> = (0..KEPT).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(get(&crowded.url("/")));
    }
    for client in &mut clients {
        assert_eq!(client.response().text(), "ok");
    }
    drop(clients);
    eventually("all connections to be kept", || {
        (proxy.open_descriptors() <= before + KEPT + 2 && crowded.accepted() == KEPT).then_some(())
    });
    let echo = Origin::echo();
    let mut tunnels: Vec<_> = (0..CLIENTS).map(|_| proxy.tunnel(&echo.authority())).collect();
    for tunnel in &mut tunnels {
        tunnel.send("x");
        tunnel.expect(b"x");
    }
    assert!(proxy.open_descriptors() <= 128);
}
