//! Through upstream proxies: squid, tinyproxy, a second one of ours, and some that nobody would want.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::auth::basic;
use crate::origin_tls::{House, url};
use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::message::{answer, connect, get, post, request};
use crate::support::origin::{Next, Origin, Refusing};
use crate::support::pki::Leaf;
use crate::support::program::{self, Running};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::site::{rewrite, settle};
use crate::support::wire::Wire;
use crate::support::{PRIVATE, PUBLIC_B, eventually, pattern};

cases![
    squid_serves_tunnels_and_requests,
    squid_refuses_a_wrong_password,
    tinyproxy_serves_tunnels_and_requests,
    tinyproxy_refuses_a_wrong_password,
    two_of_ours_in_a_row,
    one_that_speaks_tls_serves_tunnels_requests_and_https_inside,
    one_that_speaks_tls_is_verified,
    the_lines_and_numbers_say_what_was_dialled,
    a_connection_to_it_is_kept_for_all_hosts_of_its_role,
    hostile_answers_to_connect_end_and_nothing_passes,
    a_dribbled_answer_has_the_dials_time,
    bytes_behind_the_200_arrive_once_and_ends_pass,
    one_that_is_down_is_named_and_nobody_goes_straight,
    no_proxy_goes_straight_and_other_variables_count_nothing,
    names_are_vetted_here_and_passed_on,
    our_own_listener_is_no_upstream,
    a_rule_has_its_own_and_a_reload_another,
    a_proxy_that_the_client_names,
    credentials_show_nowhere,
];

/// A proxy whose requests all go through this one.
fn through(upstream: &str) -> Setup {
    Setup::open()
        .option("--upstream-http-proxy-addr", upstream)
        .option("--upstream-https-proxy-addr", upstream)
}

/// A program that listens there once it runs.
fn started(command: &mut Command, address: SocketAddr) -> Running {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let running = Running(command.spawn().expect("a program"));
    eventually("its listener", || TcpStream::connect(address).ok());
    running
}

/// An address that nobody listens on at the moment.
fn free(ip: &str) -> SocketAddr {
    let listener = std::net::TcpListener::bind((ip, 0)).expect("a listener");
    listener.local_addr().expect("its address")
}

fn tinyproxy() -> Result<(Running, tempfile::TempDir, SocketAddr), String> {
    let program = program::find("tinyproxy")?;
    let (folder, address) = (tempfile::tempdir().expect("a folder"), free("127.0.0.1"));
    let file = folder.path().join("tinyproxy.conf");
    let text = format!(
        "Port {}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{}/log\"\nMaxClients 100\nBasicAuth user secret\n",
        address.port(),
        folder.path().display()
    );
    std::fs::write(&file, text).expect("a file");
    let running = started(Command::new(program).arg("-d").arg("-c").arg(&file), address);
    Ok((running, folder, address))
}

fn squid() -> Result<(Running, tempfile::TempDir, SocketAddr), String> {
    let program = program::find("squid").or_else(|missing| {
        let debians = std::path::PathBuf::from("/usr/sbin/squid");
        debians.is_file().then_some(debians).ok_or(missing)
    })?;
    let helper = "/usr/lib/squid/basic_ncsa_auth";
    if !std::path::Path::new(helper).exists() {
        return Err(format!("no {helper}"));
    }
    let (folder, address) = (tempfile::tempdir().expect("a folder"), free("127.0.0.1"));
    let at = folder.path().display();
    let hash = program::run(Command::new("openssl").args(["passwd", "-apr1", "secret"]));
    std::fs::write(
        folder.path().join("users"),
        format!("user:{}\n", hash.text().trim()),
    )
    .expect("a file");
    let text = format!(
        "http_port {address}\nauth_param basic program {helper} {at}/users\nauth_param basic children 1\n\
         acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all\ncache deny all\ncache_mem 0\n\
         access_log none\ncache_log {at}/cache.log\ncache_store_log none\npid_filename none\ncoredump_dir {at}\n\
         pinger_enable off\nnetdb_filename none\nvisible_hostname test\nmax_filedescriptors 1024\n\
         shutdown_lifetime 1 seconds\nmemory_cache_shared off\n"
    );
    let file = folder.path().join("squid.conf");
    std::fs::write(&file, text).expect("a file");
    // Root it would drop to a user that is not there.
    let mut command = Command::new(program::find("unshare")?);
    command
        .args(["-U", "--map-user=13", "--map-group=13"])
        .arg(program)
        .arg("-N")
        .arg("-f")
        .arg(&file);
    Ok((started(&mut command, address), folder, address))
}

/// Tunnels, requests and bodies through it, by a proxy that knows its password.
fn serves(upstream: SocketAddr) {
    let (proxy, origin, echo) = (
        through(&format!("http://user:secret@{upstream}")).start(),
        Origin::fixed("fetched"),
        Origin::echo(),
    );
    for _ in 0..3 {
        let response = proxy.ask(get(&origin.url("/a?b")));
        assert_eq!((response.status, response.text().as_str()), (200, "fetched"));
    }
    let sent = origin.last();
    assert_eq!(sent.target, "/a?b");
    assert!(!sent.fields.has("proxy-authorization"), "{sent:?}");
    assert_eq!(proxy.ask(post(&origin.url("/"), "a body")).status, 200);
    assert_eq!(origin.last().body, b"a body");
    let bytes = pattern(1 << 20, 7);
    let mut tunnel = proxy.tunnel(&echo.authority());
    let mut twin = tunnel.twin();
    let sender = {
        let bytes = bytes.clone();
        std::thread::spawn(move || twin.send(bytes))
    };
    tunnel.expect(&bytes);
    sender.join().expect("sent");
    drop(tunnel);
    let line = proxy.close_line();
    assert_eq!(line.get("outbound_remote_addr"), upstream.to_string());
    assert_eq!(
        (line.number("bytes_in"), line.number("bytes_out")),
        (1_048_576.0, 1_048_576.0)
    );
}

/// Without its password a proxy is told so, and its clients are not asked for theirs.
fn refuses(upstream: SocketAddr, asks: impl Fn(&Origin) -> Vec<String>) {
    let proxy = through(&format!("http://user:wrong@{upstream}")).start();
    let origin = Origin::fixed("never");
    for ask in asks(&origin) {
        let response = proxy.ask(&ask);
        let text = response.text();
        assert_eq!(
            (response.status, response.code().as_str()),
            (502, "upstream-refused"),
            "{text}"
        );
        let start = format!("Refused by upstream proxy http://{upstream}: HTTP/1.");
        assert!(
            text.starts_with(&start) && (text.contains(" 407 ") || text.contains(" 401 ")),
            "{text}"
        );
        assert!(!response.fields.has("proxy-authenticate") && !response.fields.has("www-authenticate"));
    }
    assert_eq!(origin.accepted(), 0);
}

fn squid_serves_tunnels_and_requests() -> Result<(), String> {
    let (_running, _folder, address) = squid()?;
    serves(address);
    Ok(())
}

fn squid_refuses_a_wrong_password() -> Result<(), String> {
    let (_running, _folder, address) = squid()?;
    refuses(address, |origin| {
        vec![get(&origin.url("/")), connect(&origin.authority())]
    });
    Ok(())
}

fn tinyproxy_serves_tunnels_and_requests() -> Result<(), String> {
    let (_running, _folder, address) = tinyproxy()?;
    serves(address);
    Ok(())
}

fn tinyproxy_refuses_a_wrong_password() -> Result<(), String> {
    let (_running, _folder, address) = tinyproxy()?;
    // It says 401 to plain requests, which might as well be an origin's.
    refuses(address, |origin| vec![connect(&origin.authority())]);
    Ok(())
}

fn two_of_ours_in_a_row() {
    let outer = Setup::locked()
        .acl("version: v1\nservices: [{name: authed, action: open}]\nglobal_deny_list: [denied.test]\n")
        .start();
    let address = outer.address();
    let encoded = "s3cr3t%3A%20pa55%25word";
    let inner = through(&format!("http://any:{encoded}@{address}")).start();
    let (origin, echo) = (Origin::fixed("fetched"), Origin::echo());
    let response = inner.ask(get(&origin.url("/")));
    assert_eq!((response.status, response.text().as_str()), (200, "fetched"));
    let mut tunnel = inner.tunnel(&echo.authority());
    tunnel.send("ping");
    tunnel.expect(b"ping");
    tunnel.half_close();
    tunnel.expect_eof();
    for proxy in [&inner, &outer] {
        let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
        assert!(lines.iter().all(|line| line.get("allow") == "true"), "{lines:#?}");
        assert_eq!(proxy.close_line().get("error"), "");
    }
    assert!(inner.close_line().get("outbound_remote_addr") == address.to_string());
    // The wrong password is not this one's client's fault.
    let wrong = through(&format!("http://any:wrong@{address}")).start();
    for ask in [get(&origin.url("/")), connect(&echo.authority())] {
        let response = wrong.ask(ask);
        assert_eq!(response.status, 502);
        assert!(
            response
                .text()
                .ends_with("HTTP/1.1 407 Proxy Authentication Required\n"),
            "{}",
            response.text()
        );
    }
}

/// One of ours that speaks TLS under this name, and one that goes through it and trusts the authority of both ends.
fn two_over_tls(house: &House, name: &str) -> (Proxy, Proxy) {
    let issued = house.ca.issue(&Leaf {
        dns: &[name],
        ..Leaf::server()
    });
    let setup = house.setup();
    let bundle = setup.file("server.pem", &issued.bundle());
    let second = setup.option("--tls-server-bundle-file", bundle).start();
    let upstream = format!("https://{}", second.address());
    let first = house
        .setup()
        .option("--upstream-http-proxy-addr", &upstream)
        .option("--upstream-https-proxy-addr", &upstream)
        .start();
    (first, second)
}

/// TLS to the upstream, and TLS with the origin through that.
fn one_that_speaks_tls_serves_tunnels_requests_and_https_inside() {
    let house = House::new();
    let (first, _second) = two_over_tls(&house, "127.0.0.1");
    let (origin, echo) = (Origin::fixed("plain"), Origin::echo());
    for _ in 0..3 {
        assert_eq!(first.ask(get(&origin.url("/"))).text(), "plain");
    }
    let bytes = pattern(3 << 20, 7);
    let mut tunnel = first.tunnel(&echo.authority());
    let mut twin = tunnel.twin();
    let sent = bytes.clone();
    let sender = std::thread::spawn(move || twin.send(sent));
    tunnel.expect(&bytes);
    sender.join().expect("sent");
    let body = bytes.clone();
    let secret = Origin::https(&house.server(&["good.test"]), move |_, wire| {
        let _ = wire.try_send(answer("200 OK", "", &body));
        Next::Keep
    });
    let mut client = first.client();
    for _ in 0..3 {
        client.send(get(&url(&secret, "good.test", "/")));
        let response = client.response();
        assert_eq!(response.status, 200);
        assert!(response.body == bytes, "other bytes");
    }
    client.send(post(&url(&secret, "good.test", "/"), &"b".repeat(100_000)));
    assert_eq!(client.response().status, 200);
    assert_eq!(secret.last().body.len(), 100_000);
    assert_eq!(secret.accepted(), 1);
}

fn one_that_speaks_tls_is_verified() {
    let house = House::new();
    let (first, second) = two_over_tls(&house, "other.test");
    let origin = Origin::fixed("never");
    for asked in [get(&origin.url("/")), connect(&origin.authority())] {
        let response = first.ask(asked);
        assert_eq!(response.status, 502);
        assert_eq!(response.code(), "tls-failed");
        let text = response.fields.get("x-smokescreen-error").unwrap_or_default();
        assert!(text.contains("upstream proxy https://127.0.0.1:"), "{text}");
        assert!(text.contains("other.test"), "{text}");
    }
    assert_eq!(origin.accepted(), 0);
    settle(&second);
    assert!(!second.log().join("\n").contains("CANONICAL"));
}

fn the_lines_and_numbers_say_what_was_dialled() {
    let upstream = Origin::http(|request, wire| {
        let connects = request.method == "CONNECT";
        let _ = wire.try_send(if connects {
            answer("403 No", "", b"")
        } else {
            answer("200 OK", "", b"x")
        });
        Next::Keep
    });
    let admin = free("127.0.0.1");
    let proxy = through(&format!("http://{}", upstream.authority()))
        .arg("--expose-prometheus-metrics")
        .option("--prometheus-listen-ip", "127.0.0.1")
        .option("--prometheus-port", admin.port().to_string())
        .start();
    assert_eq!(proxy.ask(get("http://44.9.9.9/")).status, 200);
    assert_eq!(proxy.ask(connect("44.9.9.9:443")).status, 502);
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
    for line in &lines {
        assert_eq!(line.get("outbound_remote_addr"), upstream.authority());
        assert_eq!(line.get("allow"), "true");
    }
    assert_eq!(lines[1].get("requested_host"), "44.9.9.9:443");
    assert_eq!(
        (lines[1].get("code"), lines[1].get("status_code")),
        ("upstream-refused", "502")
    );
    assert!(
        lines[1]
            .get("error")
            .starts_with("Refused by upstream proxy http://44.1.2.3:")
    );
    let mut scrape = Wire::connect(admin);
    scrape.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let text = scrape.response().text();
    assert!(text.contains("code=\"upstream-refused\""), "{text}");
}

fn a_connection_to_it_is_kept_for_all_hosts_of_its_role() {
    let upstream = Origin::fixed("from the upstream");
    let origin = Origin::fixed_at(PUBLIC_B, "straight");
    let proxy = Setup::open()
        .option(
            "--upstream-http-proxy-addr",
            format!("http://{}", upstream.authority()),
        )
        .env("NO_PROXY", &upstream.address().ip().to_string())
        .start();
    let mut client = proxy.client();
    for host in ["44.9.9.1", "44.9.9.2:8080", "44.9.9.3"] {
        client.send(get(&format!("http://{host}/")));
        assert_eq!(client.response().text(), "from the upstream");
        assert_eq!(upstream.last().target, format!("http://{host}/"));
    }
    assert_eq!(upstream.accepted(), 1);
    // Asked for itself, straight, it is another host: that connection is not its.
    client.send(get(&upstream.url("/own")));
    assert_eq!(client.response().status, 200);
    assert_eq!(
        (upstream.last().target.as_str(), upstream.accepted()),
        ("/own", 2)
    );
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().status, 200);
    assert_eq!(
        (upstream.last().target, upstream.accepted()),
        (origin.url("/"), 2)
    );
    assert_eq!(origin.accepted(), 0);
}

fn hostile_answers_to_connect_end_and_nothing_passes() {
    let huge = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(1 << 20));
    for (bytes, code) in [
        (
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000),
            "malformed-response",
        ),
        (huge, "malformed-response"),
        ("x".repeat(1 << 20), "malformed-response"),
        ("\0\0\0\0".to_owned(), "malformed-response"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_owned(),
            "malformed-response",
        ),
        ("HTTP/1.1 200 OK\r\nA: b".to_owned(), "origin-closed"),
        (String::new(), "origin-closed"),
        (
            "HTTP/1.1 407 \r\nContent-Length: 9999999\r\n\r\nx".to_owned(),
            "upstream-refused",
        ),
        (
            "HTTP/1.1 600 a\tb\u{7f}\u{1b}[31m\r\n\r\n".to_owned(),
            "malformed-response",
        ),
    ] {
        let said = bytes.clone();
        let upstream = Origin::raw(move |mut wire| {
            wire.take_head().expect("a CONNECT");
            let _ = wire.try_send(&said);
            wire.half_close();
            assert_eq!(wire.drain().0, b"", "what the client sent ahead went nowhere");
        });
        let proxy = through(&format!("http://{}", upstream.authority())).start();
        let mut client = proxy.client();
        client.send(connect("44.9.9.9:443") + "secret hello");
        let response = client.response_to("CONNECT");
        assert_eq!(response.status, 502, "{bytes:.60}");
        assert_eq!(response.code(), code, "{bytes:.60}");
        assert!(
            response
                .text()
                .contains(&format!("upstream proxy http://{}", upstream.authority())),
            "{}",
            response.text()
        );
        client.expect_eof();
        upstream.await_ended(1);
        assert_eq!(upstream.accepted(), 1, "one request only");
    }
}

fn a_dribbled_answer_has_the_dials_time() {
    let upstream = Origin::raw(|mut wire| {
        let _ = wire.take_head();
        while wire.try_send("HTTP/1.1 102 Processing\r\n").is_ok() && wire.try_send("\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let silent = Origin::raw(|mut wire| drop(wire.drain()));
    for upstream in [upstream, silent] {
        let proxy = through(&format!("http://{}", upstream.authority()))
            .option("--timeout", "1s")
            .start();
        let began = Instant::now();
        let response = proxy.ask(connect("44.9.9.9:443"));
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(
            (response.status, response.code().as_str()),
            (504, "connect-timeout")
        );
        assert!(
            response.text().contains(": no answer to CONNECT within 1s"),
            "{}",
            response.text()
        );
        upstream.await_ended(1);
    }
}

fn bytes_behind_the_200_arrive_once_and_ends_pass() {
    for length in [1, 5000, 300_000] {
        let bytes = pattern(length, 11);
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n".to_vec();
        let sent = [head, bytes.clone()].concat();
        let upstream = Origin::raw(move |mut wire| {
            let head = wire.take_head().expect("a CONNECT");
            assert!(
                head.raw
                    .starts_with(b"CONNECT 44.9.9.9:443 HTTP/1.1\r\nHost: 44.9.9.9:443\r\n\r\n")
            );
            wire.send(&sent);
            wire.expect(b"and back");
            wire.expect_eof();
        });
        let proxy = through(&format!("http://{}", upstream.authority())).start();
        let mut tunnel = proxy.tunnel("44.9.9.9:443");
        tunnel.expect(&bytes);
        tunnel.send("and back");
        tunnel.half_close();
        tunnel.expect_eof();
        upstream.await_ended(1);
        let line = proxy.close_line();
        assert_eq!(line.number("bytes_in"), length as f64);
        assert_eq!((line.number("bytes_out"), line.get("error")), (8.0, ""));
    }
}

fn one_that_is_down_is_named_and_nobody_goes_straight() {
    let (refusing, origin) = (Refusing::new(), Origin::fixed("straight"));
    let down = format!("http://{}", refusing.authority());
    let proxy = through(&down).start();
    for ask in [get(&origin.url("/")), connect(&origin.authority())] {
        let response = proxy.ask(ask);
        let words = format!(
            "Failed to connect to remote host: upstream proxy {down}: dial tcp {}: connection refused",
            refusing.authority()
        );
        assert_eq!((response.status, response.text()), (502, words + "\n"));
    }
    assert_eq!(origin.accepted(), 0);
}

fn no_proxy_goes_straight_and_other_variables_count_nothing() {
    let (upstream, origin) = (Origin::fixed("through"), Origin::fixed("straight"));
    let dns = Dns::start().name("a.example.com", &[&origin.address().ip().to_string()]);
    let by = format!("http://{}", upstream.authority());
    let port = origin.address().port();
    let url = format!("http://a.example.com:{port}/");
    for (name, list, body) in [
        ("NO_PROXY", "example.com".to_owned(), "straight"),
        ("no_proxy", ".example.com".to_owned(), "straight"),
        (
            "NO_PROXY",
            format!("other.test, *.example.com:{port}"),
            "straight",
        ),
        ("NO_PROXY", "*".to_owned(), "straight"),
        ("NO_PROXY", "example.com:1".to_owned(), "through"),
        ("NO_PROXY", "b.example.com".to_owned(), "through"),
        ("HTTP_PROXY", "http://127.0.0.1:1".to_owned(), "through"),
    ] {
        let proxy = through(&by).resolver(&dns).env(name, &list).start();
        assert_eq!(proxy.ask(get(&url)).text(), body, "{name}={list}");
    }
    // Without an upstream of ours there is none.
    let setup = Setup::open().resolver(&dns);
    let proxy = setup
        .env("HTTP_PROXY", &by)
        .env("http_proxy", &by)
        .env("ALL_PROXY", &by)
        .start();
    assert_eq!(proxy.ask(get(&url)).text(), "straight");
    // What is loopback goes straight, where it is denied.
    let proxy = through(&by).start();
    assert_eq!(
        proxy.ask(get("http://127.0.0.1:81/")).code(),
        "not-global-unicast"
    );
}

fn names_are_vetted_here_and_passed_on() {
    let upstream = Origin::fixed("through");
    let dns = Dns::start()
        .name("public.test", &[PUBLIC_B])
        .name("mixed.test", &[PUBLIC_B, PRIVATE])
        .name("private.test", &[PRIVATE])
        .name("proxy.test", &[&upstream.address().ip().to_string()]);
    let acl = "version: v1\nservices: []\ndefault: {action: open, upstream_resolves: RESOLVES}\n";
    let by = format!("http://proxy.test:{}", upstream.address().port());
    let proxy = through(&by)
        .resolver(&dns)
        .acl(&acl.replace("RESOLVES", "false"))
        .start();
    assert_eq!(proxy.ask(get("http://public.test/")).text(), "through");
    assert_eq!(upstream.last().target, "http://public.test/");
    for (host, code) in [
        ("mixed.test", "private-range"),
        ("private.test", "private-range"),
        ("gone.test", "dns-failed"),
        ("10.0.0.1", "private-range"),
    ] {
        for ask in [get(&format!("http://{host}/")), connect(&format!("{host}:443"))] {
            assert_eq!(proxy.ask(ask).code(), code, "{host}");
        }
    }
    assert_eq!(upstream.requests().len(), 1);
    let proxy = through(&by)
        .resolver(&dns)
        .acl(&acl.replace("RESOLVES", "true"))
        .start();
    for host in ["private.test", "gone.test"] {
        let before = dns.asked(host);
        assert_eq!(proxy.ask(get(&format!("http://{host}/"))).text(), "through");
        assert_eq!(dns.asked(host), before);
    }
    assert_eq!(proxy.ask(get("http://10.0.0.1/")).code(), "private-range");
}

fn our_own_listener_is_no_upstream() {
    let acl = "version: v1\nservices: []\ndefault: {action: open, upstream_proxy: 'http://u:hunter2@127.0.0.1:9977'}\n";
    let at = |setup: Setup| {
        setup
            .option("--listen-ip", "127.0.0.1")
            .option("--listen-port", "9977")
    };
    for setup in [
        at(Setup::open()).option("--upstream-http-proxy-addr", "http://127.0.0.1:9977"),
        at(Setup::open()).option("--upstream-https-proxy-addr", "http://localhost:9977"),
        at(Setup::open()).option("--upstream-https-proxy-addr", "http://[::ffff:127.0.0.1]:9977"),
        at(Setup::open()).acl(acl),
    ] {
        let ended = setup.run();
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("is an address of this proxy itself"),
            "{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    // Where its name leads here later.
    let dns = Dns::start().name("loop.test", &["127.0.0.1"]);
    let proxy = through("http://loop.test:9978").resolver(&dns).port(9978).start();
    for ask in [get("http://44.9.9.9/"), connect("44.9.9.9:443")] {
        let response = proxy.ask(ask);
        assert_eq!(
            (response.status, response.code().as_str()),
            (502, "self-connection")
        );
        assert_eq!(
            response.fields.get("proxy-status").as_deref(),
            Some("smokescreen; error=proxy_loop_detected; details=\"self-connection\"")
        );
        let words = "upstream proxy http://loop.test:9978 is 127.0.0.1:9978, where this proxy listens itself";
        assert!(response.text().contains(words), "{}", response.text());
    }
}

fn reload(proxy: &Proxy, said: &str) {
    proxy.signal(Signal::HUP);
    eventually(said, || {
        proxy.log().iter().any(|line| line.contains(said)).then_some(())
    });
}

fn a_rule_has_its_own_and_a_reload_another() {
    let (first, second, of_all) = (
        Origin::fixed("first"),
        Origin::fixed("second"),
        Origin::fixed("of all"),
    );
    let acl = |upstream: &Origin| {
        format!(
            "version: v1\nservices:\n- {{name: authed, action: open, upstream_proxy: 'http://{}'}}\ndefault: {{action: open}}\n",
            upstream.authority()
        )
    };
    let setup = Setup::locked().arg("--allow-missing-role");
    let path = setup.file("acl.yaml", &acl(&first));
    let by = format!("http://{}", of_all.authority());
    let proxy = setup
        .option("--egress-acl-file", &path)
        .option("--upstream-http-proxy-addr", by)
        .start();
    let authed = || request("GET", "http://44.9.9.9/", &(basic("u", PASSWORD) + "\r\n"));
    assert_eq!(proxy.ask(authed()).text(), "first");
    assert_eq!(proxy.ask(get("http://44.9.9.9/")).text(), "of all");
    rewrite(&path, &acl(&second));
    reload(&proxy, "upstream_proxy http://44.1.2.3:");
    assert_eq!(
        proxy.ask(authed()).text(),
        "second",
        "not over a kept connection either"
    );
    assert_eq!(proxy.ask(get("http://44.9.9.9/")).text(), "of all");
    rewrite(
        &path,
        &acl(&second).replace(&second.authority(), &proxy.address().to_string()),
    );
    reload(&proxy, "is an address of this proxy itself");
    assert_eq!(proxy.ask(authed()).text(), "second");
}

fn a_proxy_that_the_client_names() {
    let (upstream, own) = (Origin::echo(), Origin::fixed("own"));
    let named = Origin::raw(|mut wire| {
        let head = wire.take_head().expect("a CONNECT");
        wire.send(b"HTTP/1.1 200 OK\r\n\r\n");
        wire.send(&head.raw);
    });
    let acl = "version: v1\nservices: []\ndefault: {action: open, allowed_external_proxies: [44.1.2.3, 10.1.2.3]}\n";
    let by = format!("http://{}", own.authority());
    let proxy = through(&by).acl(acl).start();
    let ask = |url: &str| {
        request(
            "CONNECT",
            &upstream.authority(),
            &format!("X-Upstream-Https-Proxy: {url}\r\n"),
        )
    };
    let mut client = proxy.client();
    client.send(ask(&format!("http://me:mine@{}/", named.authority())));
    assert_eq!(client.response_to("CONNECT").status, 200);
    let to = upstream.authority();
    let asked =
        format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nProxy-Authorization: Basic bWU6bWluZQ==\r\n\r\n");
    client.expect(asked.as_bytes());
    for (url, code) in [
        ("http://10.1.2.3:3128", "private-range"),
        ("http://44.1.2.4:3128", "external-proxy-denied"),
    ] {
        assert_eq!(proxy.ask(ask(url)).code(), code);
    }
    let without = through(&by).start();
    let refused = without.ask(ask(&format!("http://{}", named.authority())));
    assert_eq!(refused.status, 407);
    assert!(
        refused.text().contains("connect proxy host not allowed in rule"),
        "{}",
        refused.text()
    );
    assert_eq!((named.accepted(), own.accepted(), upstream.accepted()), (1, 0, 0));
}

fn credentials_show_nowhere() {
    let origin = Origin::fixed("x");
    let upstream = Origin::http(|request, wire| {
        let refuses = request.target.contains("refused");
        let _ = wire.try_send(if refuses {
            answer("407 No", "", b"")
        } else {
            answer("200 OK", "", b"y")
        });
        Next::Close
    });
    let by = format!("http://user:hunter2@{}", upstream.authority());
    let (proxy, printed) = (
        through(&by)
            .env("NO_PROXY", &origin.address().ip().to_string())
            .option("--log-level", "trace"),
        through(&by).arg("--print-config").run(),
    );
    assert!(
        !printed.text().contains("hunter2") && printed.text().contains("http://***@"),
        "{}",
        printed.text()
    );
    let proxy = proxy.start();
    let mut said = String::new();
    for ask in [
        get("http://44.9.9.9/"),
        get("http://44.9.9.9/refused"),
        connect("44.9.9.9:443"),
        get(&origin.url("/")),
    ] {
        let response = proxy.ask(ask);
        said += &format!("{response:?}");
    }
    proxy.settle_log();
    said += &proxy.log().join("\n");
    for secret in ["hunter2", "dXNlcjpodW50ZXIy"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(
        !origin.last().fields.has("proxy-authorization"),
        "who goes straight has no use for them"
    );
    let given = upstream.requests();
    assert!(given.iter().all(
        |request| request.fields.get("proxy-authorization").as_deref() == Some("Basic dXNlcjpodW50ZXIy")
    ));
    assert_eq!(given.len(), 3);
}
