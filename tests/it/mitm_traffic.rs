//! What passes inside of intercepted tunnels, by which ways, and under which limits.

use rustix::process::Signal as Sig;

use crate::mitm::{GOOD, House, acl, at, inside, of_path};
use crate::support::case::cases;
use crate::support::message::{chunked, connect, ok};
use crate::support::origin::{Next, Origin, Signal};
use crate::support::pki::Leaf;
use crate::support::proxy::Setup;
use crate::support::site::Site;
use crate::support::tls::{ANY, Client};
use crate::support::{assert_same_bytes, eventually, pattern};

cases![
    bodies_of_every_framing_pass_both_ways,
    large_bodies_pass,
    server_sent_events_are_not_delayed,
    an_upload_that_waits_is_asked_for,
    limits_count_requests_and_the_tunnel_once,
    bytes_of_the_day_are_counted_inside,
    an_upgrade_inside_is_one_tunnel_with_the_one_around_it,
    a_drain_ends_idle_sessions_and_finishes_what_runs,
    a_drain_counts_intercepted_tunnels_as_tunnels,
    an_idle_session_ends_with_the_idle_timeout,
    tls_goes_through_tls_with_a_certificate_outside,
    upstream_proxies_are_gone_through,
    a_client_that_goes_away_leaves_nothing_behind,
    another_authority_signs_after_a_reload,
];

fn bodies_of_every_framing_pass_both_ways() {
    let house = House::new();
    let origin = Origin::https(&house.server(), |request, wire| {
        let body = [b"echo ", request.body.as_slice()].concat();
        let bytes = match request.target.as_str() {
            "/chunked" => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
                let body = chunked(&body, 3);
                let body = body.strip_suffix(b"\r\n").expect("an end");
                [head, body, b"X-Sum: 7\r\n\r\n"].concat()
            }
            _ => crate::support::message::answer("200 OK", "Connection: keep-alive\r\n", &body),
        };
        let _ = wire.try_send(bytes);
        Next::Keep
    });
    let proxy = house.proxy(GOOD);
    let host = at("good.test", &origin);
    let mut client = house.inside(&proxy, "good.test", &origin);
    client.send(of_path("POST", "/length", &host, "Content-Length: 4\r\n") + "body");
    assert_eq!(client.response().text(), "echo body");
    let lines = "Transfer-Encoding: chunked\r\nTrailer: X-Mine\r\n";
    client.send(of_path("PUT", "/chunked", &host, lines) + "3\r\nabc\r\n1\r\nd\r\n0\r\nX-Mine: 1\r\n\r\n");
    let response = client.response();
    assert_eq!(response.text(), "echo abcd");
    assert_eq!(response.trailers.get("x-sum").as_deref(), Some("7"));
    assert_eq!(origin.last().trailers.get("x-mine").as_deref(), Some("1"));
    client.send(of_path("HEAD", "/length", &host, ""));
    assert_eq!(client.response_to("HEAD").status, 200);
    assert_eq!(origin.accepted(), 1);
}

fn large_bodies_pass() {
    let house = House::new();
    let origin = Origin::https(&house.server(), |request, wire| {
        let _ = wire.try_send(crate::support::message::answer("200 OK", "", &request.body));
        Next::Keep
    });
    let proxy = house.proxy(GOOD);
    let body = pattern(3 << 20, 7);
    let mut client = house.inside(&proxy, "good.test", &origin);
    let lines = format!("Content-Length: {}\r\n", body.len());
    client.send(of_path("POST", "/", &at("good.test", &origin), &lines));
    client.send(&body);
    assert_same_bytes(&client.response().body, &body);
    drop(client);
    let end = proxy.close_line();
    assert_eq!(
        (end.get("bytes_out"), end.get("bytes_in")),
        ("3145728", "3145728")
    );
}

fn server_sent_events_are_not_delayed() {
    let house = House::new();
    let steps: Vec<Signal> = (0..4).map(|_| Signal::new()).collect();
    let waits = steps.clone();
    let origin = Origin::https(&house.server(), move |_, wire| {
        let _ = wire.try_send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for (number, step) in waits.iter().enumerate() {
            step.wait();
            let event = format!("data: {number}\n\n");
            let _ = wire.try_send(format!("{:x}\r\n{event}\r\n", event.len()));
        }
        Next::Close
    });
    let proxy = house.proxy(GOOD);
    let mut client = house.inside(&proxy, "good.test", &origin);
    client.send(of_path("GET", "/events", &at("good.test", &origin), ""));
    client.take_head().expect("a head at once");
    for (number, step) in steps.iter().enumerate() {
        step.raise();
        let event = format!("data: {number}\n\n");
        assert!(
            client.take_until(event.as_bytes()).is_ok(),
            "event {number} is late"
        );
    }
}

fn an_upload_that_waits_is_asked_for() {
    let house = House::new();
    let origin = house.fixed("uploaded");
    let proxy = house.proxy(GOOD);
    let mut client = house.inside(&proxy, "good.test", &origin);
    let lines = "Content-Length: 4\r\nExpect: 100-continue\r\n";
    client.send(of_path("POST", "/", &at("good.test", &origin), lines));
    let head = client.take_head().expect("a head");
    assert!(head.start.starts_with("HTTP/1.1 100 "), "{head:?}");
    client.send("body");
    assert_eq!(client.response().text(), "uploaded");
    assert_eq!(origin.last().body, b"body");
}

fn limits_count_requests_and_the_tunnel_once() {
    let house = House::new();
    let origin = house.fixed("x");
    let host = at("good.test", &origin);
    let setup = house
        .setup(&acl(GOOD))
        .option("--max-concurrent-connect-tunnels", "1");
    let proxy = setup.start();
    let mut first = house.inside(&proxy, "good.test", &origin);
    first.send(of_path("GET", "/", &host, ""));
    assert_eq!(first.response().text(), "x");
    let refused = proxy.ask(connect(&host));
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "tunnels-limited")
    );
    drop(first);
    proxy.close_line();
    let mut second = house.inside(&proxy, "good.test", &origin);
    second.send(of_path("GET", "/", &host, ""));
    assert_eq!(second.response().text(), "x");

    let setup = house
        .setup(&acl(GOOD))
        .option("--max-request-rate", "0.001")
        .option("--max-request-burst", "3");
    let proxy = setup.start();
    let mut client = house.inside(&proxy, "good.test", &origin);
    for (status, code) in [(200, ""), (200, ""), (429, "rate-limited")] {
        client.send(of_path("GET", "/", &host, ""));
        let response = client.response();
        assert_eq!((response.status, response.code().as_str()), (status, code));
    }

    // Idle sessions take no request's place.
    let proxy = house
        .setup(&acl(GOOD))
        .option("--max-concurrent-requests", "1")
        .start();
    let mut clients: Vec<_> = (0..3)
        .map(|_| house.inside(&proxy, "good.test", &origin))
        .collect();
    for client in &mut clients {
        client.send(of_path("GET", "/", &host, ""));
        assert_eq!(client.response().text(), "x");
    }
}

fn bytes_of_the_day_are_counted_inside() {
    let house = House::new();
    let origin = Origin::https(&house.server(), |_, wire| {
        let _ = wire.try_send(ok(&"x".repeat(600)));
        Next::Keep
    });
    let limited = acl(GOOD).replace("  action:", "  limits: {bytes_per_day: 1000}\n  action:");
    let proxy = house.setup(&limited).start();
    let host = at("good.test", &origin);
    let mut client = house.inside(&proxy, "good.test", &origin);
    client.send(of_path("GET", "/", &host, ""));
    assert_eq!(client.response().body.len(), 600);
    client.send(of_path("GET", "/", &host, ""));
    let cut = client.response();
    assert_eq!((cut.body.len(), cut.whole), (400, false));
    let refused = proxy.ask(connect(&host));
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "quota-exhausted")
    );
}

fn a_drain_ends_idle_sessions_and_finishes_what_runs() {
    let house = House::new();
    let release = Signal::new();
    let wait = release.clone();
    let origin = Origin::https(&house.server(), move |request, wire| {
        if request.target == "/slow" {
            wait.wait();
        }
        let _ = wire.try_send(ok("finished"));
        Next::Keep
    });
    let mut proxy = house.proxy(GOOD);
    let host = at("good.test", &origin);
    let mut idle = house.inside(&proxy, "good.test", &origin);
    idle.send(of_path("GET", "/", &host, ""));
    assert_eq!(idle.response().text(), "finished");
    let mut running = house.inside(&proxy, "good.test", &origin);
    running.send(of_path("GET", "/slow", &host, ""));
    origin.await_requests(2);
    proxy.signal(Sig::TERM);
    idle.expect_eof();
    release.raise();
    let response = running.response();
    assert!(response.text() == "finished" && response.closes(), "{response:?}");
    running.expect_eof();
    assert_eq!(proxy.wait().code(), Some(0));
}

fn an_idle_session_ends_with_the_idle_timeout() {
    let house = House::new();
    let origin = house.fixed("x");
    let proxy = house.setup(&acl(GOOD)).option("--idle-timeout", "1s").start();
    let mut client = house.inside(&proxy, "good.test", &origin);
    client.send(of_path("GET", "/", &at("good.test", &origin), ""));
    assert_eq!(client.response().text(), "x");
    client.expect_eof();
    assert_eq!(proxy.close_line().get("error"), "");
}

fn tls_goes_through_tls_with_a_certificate_outside() {
    let (house, site) = (House::new(), Site::new());
    let text = acl(GOOD).replace("services: []\ndefault:\n", "services:\n- name: web\n");
    let proxy = site.mutual(house.setup(&text)).start();
    let origin = house.fixed("sealed twice");
    let issued = site.clients.issue(&Leaf::client("web"));
    let outer = Client::new(&site.servers.pem(), ANY, Some((&issued.chain, &issued.key)));
    let host = at("good.test", &origin);
    let mut tunnel = outer.connect(proxy.address());
    tunnel.send(connect(&host));
    assert_eq!(tunnel.response_to("CONNECT").status, 200);
    let stream = tunnel.stream().try_clone().expect("a handle");
    let mut client = house.client().over(stream, |stream| stream).expect("TLS in TLS");
    let body = pattern(300_000, 3);
    for _ in 0..2 {
        let lines = format!("Content-Length: {}\r\n", body.len());
        client.send(of_path("POST", "/", &host, &lines));
        client.send(&body);
        assert_eq!(client.response().text(), "sealed twice");
    }
    assert_same_bytes(&origin.last().body, &body);
    assert_eq!(origin.last().fields.get("x-key").as_deref(), Some("s3cret"));
    let line = proxy.await_lines("CANONICAL-PROXY-DECISION", 3).remove(2);
    assert_eq!(
        (line.get("role"), line.get("inbound_remote_x509_cn")),
        ("web", "web")
    );
    drop((client, tunnel));
    proxy.close_line();
}

fn upstream_proxies_are_gone_through() {
    let house = House::new();
    let origin = house.fixed("by another");
    let host = at("good.test", &origin);
    for is_sealed in [false, true] {
        let second = Setup::open().resolver(&house.dns);
        let issued = house.origins.issue(&Leaf::server());
        let second = match is_sealed {
            true => {
                let bundle = second.file("server.pem", &issued.bundle());
                second.option("--tls-server-bundle-file", bundle)
            }
            false => second,
        };
        let second = second.start();
        let scheme = if is_sealed { "https" } else { "http" };
        let upstream = format!("{scheme}://{}", second.address());
        let proxy = house
            .setup(&acl(GOOD))
            .option("--upstream-https-proxy-addr", upstream)
            .start();
        let mut client = house.inside(&proxy, "good.test", &origin);
        for _ in 0..2 {
            client.send(of_path("GET", "/", &host, ""));
            assert_eq!(client.response().text(), "by another");
            assert_eq!(origin.last().fields.get("x-key").as_deref(), Some("s3cret"));
        }
        drop(client);
        drop(proxy);
        let tunnels = second.await_lines("CANONICAL-PROXY-CN-CLOSE", 1);
        assert_eq!(tunnels.len(), 1, "one tunnel for all");
        assert_eq!(tunnels[0].get("requested_host"), host);
    }
    assert_eq!(origin.accepted(), 2);
}

fn a_client_that_goes_away_leaves_nothing_behind() {
    let house = House::new();
    let release = Signal::new();
    let wait = release.clone();
    let origin = Origin::https(&house.server(), move |_, wire| {
        wait.wait();
        let _ = wire.try_send(ok("late"));
        Next::Keep
    });
    let proxy = house
        .setup(&acl(GOOD))
        .option("--transport-max-idle-conns", "0")
        .start();
    let before = proxy.open_descriptors();
    let host = at("good.test", &origin);
    for asks in [true, false] {
        let mut client = house.inside(&proxy, "good.test", &origin);
        if asks {
            client.send(of_path("GET", "/", &host, ""));
            origin.await_requests(1);
        }
        client.reset();
    }
    let mut begun = proxy.tunnel(&host);
    begun.send(&house.client().hello()[..40]);
    begun.reset();
    proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 3);
    release.raise();
    eventually("all to be closed", || {
        (proxy.open_descriptors() <= before).then_some(())
    });
    proxy.assert_serves();
}

fn another_authority_signs_after_a_reload() {
    let (house, other) = (House::new(), House::new());
    let setup = house.setup(&acl(GOOD));
    let paths = [
        setup.file("mitm.pem", &house.own.pem()),
        setup.file("mitm.key", &house.own.key_pem()),
    ];
    let (proxy, origin) = (setup.start(), house.fixed("x"));
    let host = at("good.test", &origin);
    let mut kept = house.inside(&proxy, "good.test", &origin);
    // A key that does not belong to it changes nothing.
    std::fs::write(&paths[1], other.own.key_pem()).expect("a file");
    proxy.signal(Sig::HUP);
    crate::origin_tls::told(&proxy, "Nothing was reloaded", 1);
    drop(house.inside(&proxy, "good.test", &origin));
    std::fs::write(&paths[0], other.own.pem()).expect("a file");
    proxy.signal(Sig::HUP);
    crate::origin_tls::told(
        &proxy,
        "The CA of intercepted tunnels was read again: it is another one",
        1,
    );
    let mut client = inside(&other.client(), &proxy, &host);
    for client in [&mut client, &mut kept] {
        client.send(of_path("GET", "/", &host, ""));
        assert_eq!(client.response().text(), "x");
    }
}

fn an_upgrade_inside_is_one_tunnel_with_the_one_around_it() {
    let house = House::new();
    let origin = Origin::sealed(&house.server(), |mut wire| {
        let _ = wire.take_request().expect("a request");
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
        let _ = wire.try_send(head);
        let _ = wire.take(5).expect("what the client says");
        wire.drain();
    });
    let proxy = house.proxy(GOOD);
    let mut client = house.inside(&proxy, "good.test", &origin);
    let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    client.send(of_path("GET", "/chat", &at("good.test", &origin), lines));
    client.take_until(b"\r\n\r\n").expect("a head");
    client.expect(b"hello");
    client.send("frame");
    client.half_close();
    client.expect_eof();
    let asked = proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
    let end = proxy.close_line();
    assert_eq!(
        (end.get("bytes_in"), end.get("bytes_out"), end.get("error")),
        ("5", "5", "")
    );
    assert_eq!(end.get("id"), asked[0].get("id"));
    // Whatever else would have been said was by now.
    proxy.ask(connect("denied.test:443"));
    proxy.await_lines("CANONICAL-PROXY-DECISION", 3);
    assert_eq!(proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 1).len(), 1);
}

fn a_drain_counts_intercepted_tunnels_as_tunnels() {
    let house = House::new();
    let release = Signal::new();
    let wait = release.clone();
    let origin = Origin::https(&house.server(), move |_, wire| {
        wait.wait();
        let _ = wire.try_send(ok("finished"));
        Next::Keep
    });
    let mut proxy = house.proxy(GOOD);
    let mut running = house.inside(&proxy, "good.test", &origin);
    running.send(of_path("GET", "/", &at("good.test", &origin), ""));
    origin.await_requests(1);
    proxy.signal(Sig::TERM);
    crate::origin_tls::told(&proxy, "draining: 1 tunnels left", 1);
    proxy.signal(Sig::TERM);
    assert_eq!(proxy.wait().code(), Some(0));
    crate::origin_tls::told(&proxy, "cut: 1 tunnels, 0 other connections", 1);
    assert_eq!(proxy.close_line().get("active_at_termination"), "true");
    release.raise();
}
