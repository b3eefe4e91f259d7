//! The admin port: metrics after a known sequence of requests, health, the pages for people, who may see them, and that
//! nobody who asks can hold up the proxy or another who asks.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::Signal as Sig;
use socket2::{Domain, Socket, Type};

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::message::{Response, connect, get, request};
use crate::support::origin::{Origin, Refusing};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::wire::{End, Wire};
use crate::support::{DEADLINE, PRIVATE, PUBLIC, eventually, program};

cases![
    numbers_after_a_known_sequence,
    hostile_names_stay_values,
    only_get_and_head_and_only_what_is_there,
    pages_are_for_those_who_are_near,
    a_drain_shows_and_the_port_stays_to_the_end,
    the_port_cannot_be_reached_through_the_proxy,
    a_busy_port_ends_the_start,
    who_reads_slowly_or_says_nothing_stops_nobody,
    who_says_nothing_takes_no_place_of_one_that_reads,
    forty_who_read_at_a_time_all_get_whole_pages_beside_idlers,
    an_address_with_all_places_leaves_some_to_another,
    statsd_hears_of_it,
    a_reload_counts,
    health_says_0_or_1,
];

static NEXT_PORT: AtomicU16 = AtomicU16::new(9_000);

/// A setup with an admin port, and where that is. Ports are below those of proxies.
pub(crate) fn with_admin(setup: Setup) -> (Setup, SocketAddr) {
    let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
    let admin = SocketAddr::from(([127, 0, 0, 1], port));
    (with_admin_at(setup, admin), admin)
}

/// The same where another proxy has or had that port.
pub(crate) fn with_admin_at(setup: Setup, admin: SocketAddr) -> Setup {
    setup
        .arg("--expose-prometheus-metrics")
        .option("--prometheus-port", admin.port().to_string())
}

fn start(setup: Setup) -> (Proxy, SocketAddr) {
    let (setup, admin) = with_admin(setup);
    (setup.start(), admin)
}

#[track_caller]
pub(crate) fn ask(admin: SocketAddr, bytes: &str) -> Response {
    let mut client = Wire::connect(admin);
    client.send(bytes);
    let response = client.response_to(bytes.split(' ').next().unwrap());
    client.expect_eof();
    response
}

pub(crate) fn fetch(admin: SocketAddr, path: &str) -> Response {
    ask(admin, &format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n"))
}

/// The value of a sample, by its name and labels; none where it is not told.
fn sample(admin: SocketAddr, key: &str) -> Option<f64> {
    let text = fetch(admin, "/metrics").text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a number"))
}

#[track_caller]
fn await_sample(admin: SocketAddr, key: &str, value: f64) {
    let last = std::cell::Cell::new(None);
    eventually(&format!("{key} {value}"), || {
        last.set(sample(admin, key));
        (last.get() == Some(value)).then_some(())
    });
}

fn authed(url: &str) -> String {
    request("GET", url, &format!("{}\r\n", basic("u", PASSWORD)))
}

fn numbers_after_a_known_sequence() {
    let acl = "version: v1\nservices: [{name: authed, project: users, action: enforce, allowed_domains: [127.0.0.1, 10.1.2.3, 44.1.2.3]}]\n\
        default: {project: rest, action: enforce}\n";
    let setup = Setup::locked()
        .acl(acl)
        .option("--allow-range", "44.1.2.3/32")
        .arg("--time-connect");
    let (proxy, admin) = start(setup);
    let origin = Origin::fixed("hello");
    let refusing = Refusing::new();
    for _ in 0..3 {
        assert_eq!(proxy.ask(authed(&origin.url("/"))).status, 200);
    }
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 407);
    assert_eq!(proxy.ask(authed("http://other.test/")).status, 407);
    assert_eq!(proxy.ask(authed(&format!("http://{PRIVATE}:9/"))).status, 407);
    assert_eq!(
        proxy
            .ask(authed(&format!("http://{}/", refusing.authority())))
            .status,
        502
    );
    assert_eq!(proxy.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status, 400);
    let echo = Origin::echo();
    let mut tunnel = proxy.client();
    tunnel.send(
        connect(&echo.authority()).replace("\r\n\r\n", &format!("\r\n{}\r\n\r\n", basic("u", PASSWORD))),
    );
    assert_eq!(tunnel.response_to("CONNECT").status, 200);
    await_sample(admin, "tunnels_open", 1.0);
    await_sample(admin, "connections_open", 1.0);
    tunnel.send("12345");
    tunnel.expect(b"12345");
    drop(tunnel);
    await_sample(admin, r#"cn_close{role="authed",project="users"}"#, 1.0);
    for (key, value) in [
        (
            r#"acl_allow{role="authed",project="users",def_rule="false"}"#,
            6.0,
        ),
        (r#"acl_deny{role="authed",project="users",def_rule="false"}"#, 1.0),
        ("acl_role_not_determined", 1.0),
        (r#"cn_atpt_total{success="false"}"#, 1.0),
        (r#"cn_atpt_connect_err{type="refused"}"#, 1.0),
        (r#"cn_bytes_in_sum{role="authed",project="users"}"#, 5.0),
        (r#"cn_bytes_out_sum{role="authed",project="users"}"#, 5.0),
        (r#"cn_duration_count{role="authed",project="users"}"#, 1.0),
        ("resolver_attempts_total", 6.0),
        ("resolver_errors_total", 1.0),
        // One of them could not be reached.
        ("resolver_allow_user_configured", 5.0),
        ("resolver_allow_default", 0.0),
        ("resolver_deny_private_range", 1.0),
        (r#"refusals{code="credentials-missing",role=""}"#, 1.0),
        (r#"refusals{code="not-in-allowed-domains",role="authed"}"#, 1.0),
        (r#"refusals{code="private-range",role="authed"}"#, 1.0),
        (r#"refusals{code="connect-failed",role="authed"}"#, 1.0),
        (r#"refusals{code="not-a-proxy-request",role=""}"#, 1.0),
        ("tunnels_open", 0.0),
        ("requests_concurrent", 0.0),
        ("log_lines_dropped", 0.0),
        ("acl_generation", 1.0),
    ] {
        await_sample(admin, key, value);
    }
    // Three requests over connections that may have been kept, and a tunnel.
    let connected = sample(admin, r#"cn_atpt_total{success="true"}"#).unwrap();
    assert!((2.0..=4.0).contains(&connected), "{connected}");
    assert_eq!(sample(admin, "cn_atpt_connect_time_timer_count"), Some(connected));
    let dialled = connected + 1.0;
    assert_eq!(sample(admin, "proxy_duration_ms_timer_count"), Some(dialled));
    let response = fetch(admin, "/metrics");
    assert_eq!(
        response.fields.get("Content-Type").unwrap(),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    assert!(response.text().contains("policy_info{sha256=\""));
    // None of it is a request that was to be let out.
    let lines = proxy.log_lines();
    assert!(!lines.iter().any(|line| {
        line.find("requested_host")
            .is_some_and(|host| host.contains("metrics"))
    }));
}

fn hostile_names_stay_values() {
    let (proxy, admin) = start(Setup::open());
    let hostile = "GET http://</script><img>\"',{}\u{e9}/ HTTP/1.1\r\nHost: a\r\n\r\n";
    let status = proxy.ask(hostile).status;
    assert!(status == 400 || status == 407, "{status}");
    let refusals = eventually("the refusal", || {
        let text = fetch(admin, "/refusals").text();
        text.contains("\"code\":").then_some(text)
    });
    assert!(
        !refusals.contains("<img") && !refusals.contains("</script"),
        "{refusals}"
    );
    let metrics = fetch(admin, "/metrics").text();
    assert!(
        !metrics.contains("img") && metrics.contains("refusals{code=\"malformed-request\",role=\"\"} 1"),
        "{metrics}"
    );
    let page = fetch(admin, "/");
    assert!(!page.text().contains("img>"));
    let policy = page.fields.get("Content-Security-Policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; connect-src 'self'"),
        "{policy}"
    );
    assert_eq!(page.fields.get("X-Content-Type-Options").unwrap(), "nosniff");
}

fn only_get_and_head_and_only_what_is_there() {
    let (_proxy, admin) = start(Setup::open().option("--prometheus-endpoint", "/numbers"));
    for (path, status) in [
        ("/numbers", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/", 200),
        ("/tunnels", 200),
        ("/refusals", 200),
        ("/metrics", 404),
        ("/favicon.ico", 404),
    ] {
        let get = fetch(admin, path);
        assert_eq!(get.status, status, "{path}");
        assert!(!get.text().is_empty(), "{path}");
        let head = ask(admin, &format!("HEAD {path} HTTP/1.1\r\nHost: {admin}\r\n\r\n"));
        assert_eq!((head.status, head.text().as_str()), (status, ""), "{path}");
        let old = ask(admin, &format!("GET {path} HTTP/1.0\r\nHost: {admin}\r\n\r\n"));
        assert_eq!(old.status, status, "{path}");
        assert!(!old.fields.has("Transfer-Encoding"), "{path}");
        let post = ask(
            admin,
            &format!("POST {path} HTTP/1.1\r\nHost: {admin}\r\nContent-Length: 0\r\n\r\n"),
        );
        match status {
            200 => {
                assert_eq!(post.status, 405, "{path}");
                assert_eq!(post.fields.get("Allow").unwrap(), "GET, HEAD");
            }
            _ => assert_eq!(post.status, 404, "{path}"),
        }
    }
    assert_eq!(
        ask(admin, "GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: a\r\n\r\n").status,
        200
    );
    assert_eq!(
        ask(admin, "CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: a\r\n\r\n").status,
        404
    );
    assert_eq!(ask(admin, "nonsense\r\n\r\n").status, 400);
}

fn pages_are_for_those_who_are_near() {
    for is_open in [false, true] {
        let (setup, admin) = with_admin(Setup::open());
        let setup = if is_open {
            setup.arg("--admin-status")
        } else {
            setup
        };
        let _proxy = setup.start();
        let far = SocketAddr::new(PUBLIC.parse().unwrap(), admin.port());
        for (path, host, status) in [
            ("/metrics", "proxy.internal:9810", 200),
            ("/readyz", "x", 200),
            ("/", PUBLIC, if is_open { 200 } else { 403 }),
            ("/tunnels", PUBLIC, if is_open { 200 } else { 403 }),
            ("/refusals", "evil.test", if is_open { 421 } else { 403 }),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let mut client = Wire::connect_from(PUBLIC, far);
            client.send(&request);
            assert_eq!(client.response_to("GET").status, status, "{path} {is_open}");
        }
        for (host, status) in [("localhost:1", 200), ("[::1]", 200), ("evil.test", 421)] {
            let request = format!("GET /tunnels HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(ask(admin, &request).status, status, "{host} {is_open}");
        }
    }
}

fn a_drain_shows_and_the_port_stays_to_the_end() {
    for delay in ["0", "10m"] {
        let setup = Setup::open()
            .option("--allow-range", "127.0.0.0/8")
            .option("--drain-delay", delay);
        let (mut proxy, admin) = start(setup);
        let origin = Origin::echo();
        let mut tunnel = proxy.tunnel(&origin.authority());
        assert_eq!(fetch(admin, "/readyz").status, 200);
        proxy.signal(Sig::TERM);
        eventually("not ready", || {
            (fetch(admin, "/readyz").status == 503).then_some(())
        });
        assert_eq!(fetch(admin, "/healthz").status, 200);
        let tunnels = fetch(admin, "/tunnels").text();
        assert!(
            tunnels.contains(&format!("\"host\":\"{}\"", origin.authority())),
            "{tunnels}"
        );
        let state = ask(
            admin,
            "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n",
        )
        .text();
        assert!(
            state.contains("\"state\":\"draining\"") && state.contains("\"tunnels_open\":1"),
            "{state}"
        );
        tunnel.send("x");
        tunnel.expect(b"x");
        // Somebody who only asks does not keep the process.
        let _silent = Wire::connect(admin);
        drop(tunnel);
        if delay != "0" {
            proxy.signal(Sig::TERM);
        }
        assert_eq!(proxy.wait().code(), Some(0));
    }
}

fn the_port_cannot_be_reached_through_the_proxy() {
    let (proxy, admin) = start(Setup::open().option("--allow-range", "0.0.0.0/0"));
    for ip in ["127.0.0.1", PUBLIC, "0.0.0.0"] {
        let response = proxy.ask(get(&format!("http://{ip}:{}/metrics", admin.port())));
        assert_eq!(response.status, 407, "{ip}");
        assert_eq!(
            response.fields.get("X-Smokescreen-Code").unwrap(),
            "self-connection"
        );
    }
}

fn a_busy_port_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let finished = Setup::open()
        .option("--listen-ip", "127.0.0.1")
        .option("--listen-port", "0")
        .arg("--expose-prometheus-metrics")
        .option("--prometheus-listen-ip", "127.0.0.1")
        .option("--prometheus-port", address.port().to_string())
        .run();
    let text = &finished.stderr;
    assert_eq!(finished.code, Some(1), "{text}");
    assert!(
        text.contains(&address.to_string()) && text.contains("in use"),
        "{text}"
    );
}

fn who_reads_slowly_or_says_nothing_stops_nobody() {
    let setup = Setup::open().option("--allow-range", "127.0.0.0/8");
    let (proxy, admin) = start(setup);
    let origin = Origin::echo();
    let tunnels: Vec<Wire> = (0..200).map(|_| proxy.tunnel(&origin.authority())).collect();
    let mut idlers: Vec<Wire> = (0..80).map(|_| Wire::connect(admin)).collect();
    let mut slow: Vec<Wire> = (0..40)
        .map(|_| {
            let mut client = Wire::connect(admin);
            client.send(format!("GET /tunnels HTTP/1.1\r\nHost: {admin}\r\n\r\n"));
            client
        })
        .collect();
    assert_eq!(fetch(admin, "/readyz").status, 200);
    let list = fetch(admin, "/tunnels").text();
    assert_eq!(list.matches("\"host\":").count(), 200);
    assert!(
        list.starts_with("[\n{") && list.ends_with("}\n]\n"),
        "a whole list"
    );
    await_sample(admin, "tunnels_open", 200.0);
    proxy.assert_serves();
    // The oldest gave their places up.
    idlers[0].patience(DEADLINE);
    idlers[0].expect_gone();
    drop((idlers, slow.pop(), tunnels));
    await_sample(admin, "tunnels_open", 0.0);
}

/// A proxy whose list of refusals is long, and where that can be asked for.
fn with_long_list() -> (Proxy, SocketAddr) {
    let (proxy, admin) = start(Setup::open().option("--deny-range", "44.0.0.0/8"));
    let label = "a".repeat(60);
    let denied = get(&format!("http://{PUBLIC}/"));
    let long = format!("{label}.{label}.{label}.{label}");
    let refused = get(&format!("http://{long}:65536/"));
    for request in [&denied, &refused] {
        for _ in 0..100 {
            assert!([400, 407].contains(&proxy.ask(request).status));
        }
    }
    (proxy, admin)
}

/// One who has asked for that list, and got no more than the kernel takes ahead, which is little.
fn reader(admin: SocketAddr) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    socket.set_tcp_mss(536).unwrap();
    socket.connect(&admin.into()).unwrap();
    let mut reader = Wire::new(socket.into());
    reader.send(format!("GET /refusals HTTP/1.1\r\nHost: {admin}\r\n\r\n"));
    let start = reader.take(15).unwrap();
    assert_eq!(start, b"HTTP/1.1 200 OK");
    reader
}

#[track_caller]
fn expect_whole(mut reader: Wire) {
    let (rest, end) = reader.drain();
    assert!(rest.len() > 48 * 1024, "{} bytes", rest.len());
    assert!(
        rest.ends_with(b"\r\n0\r\n\r\n") && end == End::Eof,
        "{end:?}: a whole page"
    );
}

fn who_says_nothing_takes_no_place_of_one_that_reads() {
    let (_proxy, admin) = with_long_list();
    let reader = reader(admin);
    let _idlers: Vec<Wire> = (0..100).map(|_| Wire::connect(admin)).collect();
    // They were all taken, for it came behind them.
    assert_eq!(fetch(admin, "/readyz").status, 200);
    expect_whole(reader);
}

fn forty_who_read_at_a_time_all_get_whole_pages_beside_idlers() {
    let (_proxy, admin) = with_long_list();
    let mut idlers: Vec<Wire> = (0..100).map(|_| Wire::connect(admin)).collect();
    // Each is in the midst of its page when the next comes.
    let readers: Vec<Wire> = (0..40).map(|_| reader(admin)).collect();
    idlers.extend((0..100).map(|_| Wire::connect(admin)));
    assert_eq!(fetch(admin, "/readyz").status, 200);
    readers.into_iter().for_each(expect_whole);
    // Scrapes that come all at once.
    std::thread::scope(|scope| {
        let scrapes: Vec<_> = (0..40)
            .map(|_| scope.spawn(|| fetch(admin, "/metrics")))
            .collect();
        for scrape in scrapes {
            let response = scrape.join().expect("a scrape");
            assert_eq!(response.status, 200);
            assert!(response.text().contains("\nacl_generation 1\n"), "a whole one");
        }
    });
}

fn an_address_with_all_places_leaves_some_to_another() {
    let (_proxy, admin) = with_long_list();
    let far = SocketAddr::new(PUBLIC.parse().unwrap(), admin.port());
    let scrape = format!("GET /metrics HTTP/1.1\r\nHost: {far}\r\n\r\n");
    // More than there are places, of one address.
    let _crowd: Vec<Wire> = (0..100).map(|_| crowding(admin)).collect();
    for _ in 0..3 {
        let mut client = Wire::connect_from(PUBLIC, far);
        client.send(&scrape);
        let response = client.response_to("GET");
        assert!(response.status == 200 && response.text().contains("\nacl_generation 1\n"));
    }
}

/// One who asks for much and reads nothing of it.
fn crowding(admin: SocketAddr) -> Wire {
    let mut client = Wire::connect(admin);
    // It may be turned away.
    let _ = client.try_send(format!("GET /refusals HTTP/1.1\r\nHost: {admin}\r\n\r\n"));
    client
}

fn statsd_hears_of_it() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let proxy = Setup::open()
        .option("--statsd-address", receiver.local_addr().unwrap().to_string())
        .start();
    assert_eq!(proxy.ask(get("http://10.1.2.3:9/")).status, 407);
    let mut seen = String::new();
    let mut packet = [0; 2048];
    eventually("the numbers", || {
        if let Ok(length) = receiver.recv(&mut packet) {
            assert!(length <= 1432, "{length} bytes");
            seen.push_str(std::str::from_utf8(&packet[..length]).expect("a text"));
            seen.push('\n');
        }
        let lines = [
            "smokescreen.resolver.deny.private_range:1|c\n",
            "smokescreen.refusals:1|c|#code:private-range,role:\n",
            "smokescreen.connections_open:",
        ];
        lines.iter().all(|line| seen.contains(line)).then_some(())
    });
    // Nobody listening is no reason to stop.
    drop(receiver);
    proxy.assert_serves();
}

fn a_reload_counts() {
    let setup = Setup::locked();
    let text = "version: v1\nservices: []\ndefault: {project: p, action: enforce}\n";
    let path = setup.file("a.yaml", text);
    let (proxy, admin) = start(setup.option("--egress-acl-file", &path));
    let info = || {
        let text = fetch(admin, "/metrics").text();
        text.lines()
            .find(|line| line.starts_with("policy_info{"))
            .unwrap()
            .to_owned()
    };
    let before = info();
    std::fs::write(&path, text.replace("enforce", "report")).unwrap();
    proxy.signal(Sig::HUP);
    await_sample(admin, "acl_generation", 2.0);
    let after = info();
    assert!(before != after && after.len() == before.len(), "{before} {after}");
}

fn health_says_0_or_1() {
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_smokescreen"));
        command.env_clear().arg("health").args(arguments);
        let finished = program::run(&mut command);
        (finished.code, finished.stderr)
    };
    let (mut proxy, admin) = start(Setup::open().option("--drain-delay", "10m"));
    let (port, own) = (admin.port().to_string(), proxy.address().port().to_string());
    let with_admin = ["--expose-prometheus-metrics", "--prometheus-port", &port];
    assert_eq!(run(&with_admin), (Some(0), String::new()));
    assert_eq!(run(&["--listen-port", &own]), (Some(0), String::new()));
    assert_eq!(run(&["--listen-ip", "::", "--listen-port", &own]).0, Some(0));
    proxy.signal(Sig::TERM);
    eventually("not ready", || (run(&with_admin).0 == Some(1)).then_some(()));
    assert!(run(&with_admin).1.contains("503"), "{:?}", run(&with_admin));
    proxy.signal(Sig::TERM);
    proxy.wait();
    assert_eq!(run(&with_admin).0, Some(1));
    let (code, text) = run(&["--listen-port", &own]);
    assert!(
        code == Some(1) && text.contains(&format!("127.0.0.1:{own}")),
        "{code:?} {text}"
    );
    assert_eq!(run(&["--listen-port", "x"]).0, Some(2));
    assert_eq!(run(&["--help"]).0, Some(0));
}
