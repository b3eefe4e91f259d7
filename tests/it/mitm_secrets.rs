//! What is added to requests inside of intercepted tunnels: who gets it, and who never does.

use rustix::process::Signal;

use crate::mitm::{GOOD, House, acl, at, of_path};
use crate::origin_tls::told;
use crate::support::case::cases;
use crate::support::eventually;
use crate::support::message::{get, ok, request};
use crate::support::origin::{Next, Origin};
use crate::support::proxy::Proxy;
use crate::support::tls::Tls;

cases![
    values_come_from_the_environment_and_from_files,
    a_clients_own_field_is_replaced_however_it_is_spelled,
    nobody_else_gets_them,
    no_line_shows_them_at_any_level,
    a_reload_reads_them_again_and_kept_connections_get_the_new_ones,
    a_secret_that_is_rotated_is_told_of_by_name,
    a_secret_that_is_rotated_is_read_where_files_are_watched,
    a_reload_that_fails_leaves_all_as_it_was,
    a_reload_that_takes_the_host_out_ends_its_sessions,
    detailed_logs_tell_of_each_request_without_its_values,
    detailed_logs_tell_of_refused_requests_too,
];

const FROM_OUTSIDE: &str = "  - domain: good.test\n    add_headers:\n      Authorization: 'Bearer ${env:TOKEN}'\n      X-File: 'a${file:key}b'\n";

/// Asks inside, and gives the field of this name that the origin got.
#[track_caller]
fn got(client: &mut Tls, origin: &Origin, name: &str) -> Vec<String> {
    client.send(of_path("GET", "/", &at("good.test", origin), ""));
    assert_eq!(client.response().status, 200);
    origin.last().fields.all(name)
}

fn values_come_from_the_environment_and_from_files() {
    let house = House::new();
    let setup = house.setup(&acl(FROM_OUTSIDE)).env("TOKEN", "t0ken");
    setup.file("key", "f1le\n");
    let (proxy, origin) = (setup.start(), house.fixed("x"));
    let mut client = house.inside(&proxy, "good.test", &origin);
    assert_eq!(got(&mut client, &origin, "authorization"), ["Bearer t0ken"]);
    assert_eq!(got(&mut client, &origin, "x-file"), ["af1leb"]);
}

fn a_clients_own_field_is_replaced_however_it_is_spelled() {
    let house = House::new();
    let (proxy, origin) = (house.proxy(GOOD), house.fixed("x"));
    let host = at("good.test", &origin);
    for lines in [
        "X-Key: mine\r\n",
        "x-key: mine\r\nX-KEY: too\r\n",
        "X_Key: mine\r\n",
        "X-Key: mine\r\nConnection: X-Key\r\n",
        "Connection: x-key, keep-alive\r\n",
    ] {
        let mut client = house.inside(&proxy, "good.test", &origin);
        client.send(of_path("GET", "/", &host, lines));
        assert_eq!(client.response().text(), "x");
        let fields = origin.last().fields;
        assert_eq!(fields.all("x-key"), ["s3cret"], "{lines}");
        assert!(!fields.has("x_key"), "{lines}");
    }
    let mut client = house.inside(&proxy, "good.test", &origin);
    let body = "2\r\nab\r\n0\r\nX-Key: mine\r\nX_KEY: mine\r\nX-Sum: 7\r\n\r\n";
    let lines = "Transfer-Encoding: chunked\r\nTrailer: X-Key, X-Sum\r\n";
    client.send(of_path("POST", "/", &host, lines) + body);
    assert_eq!(client.response().text(), "x");
    let seen = origin.last();
    assert_eq!(seen.trailers.names(), ["x-sum"], "{seen:?}");
    assert_eq!(seen.fields.all("x-key"), ["s3cret"]);
    // Its answer would tell.
    client.send(of_path("TRACE", "/", &host, ""));
    let response = client.response();
    assert_eq!(
        (response.status, response.code().as_str()),
        (405, "method-not-allowed")
    );
    assert_eq!(origin.last().method, "POST");
}

fn nobody_else_gets_them() {
    let house = House::new();
    let entries = format!("{GOOD}  - domain: '*.good.test'\n");
    let (proxy, origin) = (house.proxy(&entries), house.fixed("x"));
    let plain = Origin::fixed("in the clear");
    let response = proxy.ask(get(&plain.url_at("good.test", "/")));
    assert_eq!(response.text(), "in the clear");
    assert!(!plain.last().fields.has("x-key"));
    for url in ["https", "wss"].map(|scheme| format!("{scheme}://{}/", at("good.test", &origin))) {
        assert_eq!(proxy.ask(request("GET", &url, "")).text(), "x");
        assert!(!origin.last().fields.has("x-key"), "{url}");
    }
    let mut client = house.inside(&proxy, "www.good.test", &origin);
    client.send(of_path("GET", "/", &at("www.good.test", &origin), ""));
    assert_eq!(client.response().text(), "x");
    assert!(!origin.last().fields.has("x-key"));
    // An upgrade gets it as any request.
    let switching = Origin::sealed(&house.server(), |mut wire| {
        let request = wire.take_request().expect("a request");
        assert_eq!(request.fields.all("x-key"), ["s3cret"]);
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
        let _ = wire.try_send(head);
        let said = wire.take(5).expect("what the client says");
        let _ = wire.try_send([b"you said ", &said[..]].concat());
        wire.drain();
    });
    let mut client = house.inside(&proxy, "good.test", &switching);
    let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    client.send(of_path("GET", "/chat", &at("good.test", &switching), lines));
    let head = client.take_until(b"\r\n\r\n").expect("a head");
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    client.expect(b"hello");
    client.send("frame");
    client.expect(b"you said frame");
    client.half_close();
    client.expect_eof();
}

fn no_line_shows_them_at_any_level() {
    let house = House::new();
    let entries = FROM_OUTSIDE.to_owned()
        + "    detailed_http_logs: true\n    detailed_http_logs_full_headers: [Authorization, X-File]\n";
    let setup = house
        .setup(&acl(&entries))
        .env("TOKEN", "t0ken")
        .option("--log-level", "trace");
    setup.file("key", "f1le\n");
    let (proxy, origin) = (setup.start(), house.fixed("x"));
    let mut client = house.inside(&proxy, "good.test", &origin);
    let _ = got(&mut client, &origin, "authorization");
    proxy.signal(Signal::HUP);
    told(&proxy, "The egress ACL was reloaded", 1);
    let _ = got(&mut client, &origin, "authorization");
    client.send(of_path("BREW", "/", "denied.test", ""));
    assert_eq!(client.response().status, 407);
    proxy.await_lines("CANONICAL-PROXY-DECISION", 4);
    drop(client);
    proxy.close_line();
    let log = proxy.log().join("\n");
    assert!(!log.contains("t0ken") && !log.contains("f1le"), "{log}");
}

/// A proxy with the secret in a file, and where that is.
fn with_file(house: &House) -> (Proxy, String) {
    let entry = "  - domain: good.test\n    add_headers: {X-Key: '${file:key}'}\n";
    let setup = house.setup(&acl(entry));
    let path = setup.file("key", "first");
    (setup.start(), path)
}

fn a_reload_reads_them_again_and_kept_connections_get_the_new_ones() {
    let house = House::new();
    let ((proxy, path), origin) = (with_file(&house), house.fixed("x"));
    let mut client = house.inside(&proxy, "good.test", &origin);
    assert_eq!(got(&mut client, &origin, "x-key"), ["first"]);
    std::fs::write(&path, "second\n").expect("a file");
    proxy.signal(Signal::HUP);
    told(&proxy, "The egress ACL was reloaded", 1);
    told(
        &proxy,
        "The CA of intercepted tunnels was read again: it is the same",
        1,
    );
    assert_eq!(got(&mut client, &origin, "x-key"), ["second"]);
    assert_eq!(origin.accepted(), 1, "both ends are kept");
}

fn a_secret_that_is_rotated_is_told_of_by_name() {
    let house = House::new();
    let ((proxy, path), origin) = (with_file(&house), house.fixed("x"));
    let mut client = house.inside(&proxy, "good.test", &origin);
    for (text, count, changes) in [("first\n", 1, 0), ("second", 2, 1)] {
        std::fs::write(&path, text).expect("a file");
        proxy.signal(Signal::HUP);
        let lines = told(&proxy, "The egress ACL was reloaded", count);
        let end = format!("changes: {changes}");
        assert!(lines[count - 1].get("msg").ends_with(&end), "{lines:?}");
    }
    let words = "the default rule: mitm_domains: 'good.test' adds other values, which were read anew";
    let lines = told(&proxy, words, 1);
    assert_eq!(lines[0].get("level"), "info");
    assert_eq!(got(&mut client, &origin, "x-key"), ["second"]);
}

fn a_secret_that_is_rotated_is_read_where_files_are_watched() {
    let house = House::new();
    let entry = "  - domain: good.test\n    add_headers: {X-Key: '${file:key}'}\n";
    let setup = house.setup(&acl(entry)).arg("--watch");
    let path = setup.file("key", "first");
    let (proxy, origin) = (setup.start(), house.fixed("x"));
    let mut client = house.inside(&proxy, "good.test", &origin);
    assert_eq!(got(&mut client, &origin, "x-key"), ["first"]);
    let next = format!("{path}.next");
    for (text, count) in [("second", 1), ("third", 2)] {
        std::fs::write(&next, text).expect("a file");
        std::fs::rename(&next, &path).expect("a file");
        told(&proxy, "adds other values, which were read anew", count);
        eventually("the new value", || {
            (got(&mut client, &origin, "x-key") == [text]).then_some(())
        });
    }
}

fn a_reload_that_fails_leaves_all_as_it_was() {
    let house = House::new();
    let ((proxy, path), origin) = (with_file(&house), house.fixed("x"));
    let mut client = house.inside(&proxy, "good.test", &origin);
    for broken in ["", "two\nlines"] {
        std::fs::write(&path, broken).expect("a file");
        proxy.signal(Signal::HUP);
        told(
            &proxy,
            "Nothing was reloaded",
            1 + usize::from(!broken.is_empty()),
        );
    }
    assert_eq!(got(&mut client, &origin, "x-key"), ["first"]);
    std::fs::write(&path, "third").expect("a file");
    proxy.signal(Signal::HUP);
    told(&proxy, "The egress ACL was reloaded", 1);
    assert_eq!(got(&mut client, &origin, "x-key"), ["third"]);
}

fn a_reload_that_takes_the_host_out_ends_its_sessions() {
    let house = House::new();
    let setup = house.setup(&acl(GOOD));
    let path = setup.file("acl.yaml", &acl(GOOD));
    let (proxy, origin) = (setup.start(), house.fixed("x"));
    let mut first = house.inside(&proxy, "good.test", &origin);
    let mut second = house.inside(&proxy, "good.test", &origin);
    assert_eq!(got(&mut first, &origin, "x-key"), ["s3cret"]);
    let (before, _) = acl("")
        .split_once("  mitm_domains")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("two");
    std::fs::write(&path, &before).expect("a file");
    proxy.signal(Signal::HUP);
    told(&proxy, "The egress ACL was reloaded", 1);
    first.send(of_path("GET", "/", &at("good.test", &origin), ""));
    let response = first.response();
    assert!(response.status == 200 && response.closes(), "{response:?}");
    assert!(!origin.last().fields.has("x-key"));
    first.expect_eof();
    std::fs::write(&path, before.replace("[good.test, ", "[")).expect("a file");
    proxy.signal(Signal::HUP);
    told(&proxy, "The egress ACL was reloaded", 2);
    second.send(of_path("GET", "/", &at("good.test", &origin), ""));
    let response = second.response();
    assert_eq!((response.status, response.code().as_str()), (407, "default-rule"));
}

fn detailed_logs_tell_of_each_request_without_its_values() {
    let house = House::new();
    let entries = "  - domain: good.test\n    add_headers: {X-Key: s3cret}\n    detailed_http_logs: true\n    \
                   detailed_http_logs_full_headers: [user-agent]\n";
    let origin = Origin::https(&house.server(), |_, wire| {
        let _ = wire.try_send(ok("x"));
        Next::Keep
    });
    for format in ["text", "json"] {
        let proxy = house.setup(&acl(entries)).option("--log-format", format).start();
        let mut client = house.inside(&proxy, "good.test", &origin);
        let host = at("good.test", &origin);
        let lines = "User-Agent: test/1\r\nCookie: private\r\ncookie: \"also\" ] level=error\r\n";
        client.send(of_path("GET", "/a?b=c", &host, lines));
        assert_eq!(client.response().text(), "x");
        let line = proxy.await_lines("CANONICAL-PROXY-DECISION", 2).remove(1);
        assert_eq!(line.get("mitm_req_method"), "GET");
        assert_eq!(line.get("mitm_req_url"), format!("https://{host}/a?b=c"));
        let log = proxy.log().join("\n");
        let shown = match format {
            "text" => "map[Cookie:[[REDACTED] [REDACTED]] Host:[[REDACTED]] User-Agent:[test/1]]",
            _ => r#"{"Cookie":["[REDACTED]","[REDACTED]"],"Host":["[REDACTED]"],"User-Agent":["test/1"]}"#,
        };
        assert!(log.contains(shown), "{log}");
        assert!(
            !log.contains("private") && !log.contains("s3cret") && !log.contains("also"),
            "{log}"
        );
        drop(client);
        assert_eq!(proxy.close_line().get("mitm_req_method"), "GET");
    }
}

fn detailed_logs_tell_of_refused_requests_too() {
    let house = House::new();
    let entries = "  - domain: good.test\n    detailed_http_logs: true\n    detailed_http_logs_full_headers: [User-Agent]\n";
    let origin = house.fixed("x");
    let proxy = house
        .setup(&acl(entries))
        .option("--max-request-rate", "0.001")
        .option("--max-request-burst", "2")
        .start();
    let own = at("good.test", &origin);
    let mut client = house.inside(&proxy, "good.test", &origin);
    let asked = [
        ("denied.test", 407, "default-rule"),
        ("other.test", 421, "misdirected-request"),
        (own.as_str(), 200, ""),
        (own.as_str(), 429, "rate-limited"),
    ];
    for (host, status, code) in asked {
        client.send(of_path(
            "GET",
            &format!("/{status}"),
            host,
            "User-Agent: test/1\r\n",
        ));
        let response = client.response();
        assert_eq!((response.status, response.code().as_str()), (status, code));
    }
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 5);
    for ((host, status, code), line) in asked.iter().zip(&lines[1..]) {
        assert!(line.get("mitm_req_url").starts_with("https://"), "{line:?}");
        assert!(
            line.get("mitm_req_url").ends_with(&format!("/{status}")),
            "{line:?}"
        );
        assert_eq!(line.get("mitm_req_method"), "GET");
        assert!(
            line.get("mitm_req_headers").contains("User-Agent:[test/1]"),
            "{line:?}"
        );
        assert_eq!((line.get("requested_host"), line.get("project")), (*host, "all"));
        assert_eq!(line.find("code").unwrap_or_default(), *code);
    }
    // The entry that has the tunnel intercepted is what sends others away.
    assert!(lines[2].get("rule").ends_with("acl.yaml:8"), "{lines:?}");
    assert_eq!(lines[2].get("matched"), "good.test");
    assert!(lines[2].get("hint").contains("a CONNECT of its own"), "{lines:?}");
    drop(client);
    assert!(proxy.close_line().get("mitm_req_url").ends_with("/429"));
}
