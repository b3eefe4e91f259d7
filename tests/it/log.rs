//! The log: fields of both canonical lines in both formats, nobody can forge one, and writing never stops traffic.

use std::time::{Duration, Instant};

use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::log_line::{self, LogLine};
use crate::support::message::{answer, connect, get, request};
use crate::support::origin::{Next, Origin, Refusing};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::{PUBLIC, eventually};

cases![
    decision_lines_have_their_fields,
    close_lines_have_their_fields,
    denials_are_warnings_and_failures_are_errors,
    failed_dials_add_their_own_line,
    one_decision_line_for_every_request,
    lines_in_a_row_are_written_though_nothing_else_happens,
    only_tunnels_have_close_lines,
    plain_requests_say_where_they_went,
    keys_are_sorted_after_time_level_and_message,
    json_lines_have_the_same_fields,
    cve_2026_56853_values_cannot_forge_a_line,
    hosts_cannot_forge_a_line,
    long_values_are_cut,
    paths_and_headers_are_not_logged,
    a_closed_stderr_does_not_end_the_proxy,
    a_stalled_stderr_does_not_stall_the_proxy,
    levels_filter,
    priorities_stand_before_lines_where_journald_reads_them,
    startup_errors_have_their_priority_too,
];

const DECISION: &str = "CANONICAL-PROXY-DECISION";
const CLOSE: &str = "CANONICAL-PROXY-CN-CLOSE";
const COMMON: &[&str] = &[
    "time",
    "level",
    "msg",
    "id",
    "inbound_remote_addr",
    "project",
    "proxy_type",
    "requested_host",
    "role",
    "start_time",
    "trace_id",
];

#[track_caller]
fn assert_has(line: &LogLine, keys: &[&str]) {
    let missing: Vec<&&str> = COMMON
        .iter()
        .chain(keys)
        .filter(|key| line.find(key).is_none())
        .collect();
    assert!(missing.is_empty(), "{missing:?} is not in {line:?}");
}

fn is_xid(id: &str) -> bool {
    id.len() == 20 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v'))
}

fn authed(lines: &str) -> String {
    format!("{}\r\n{lines}", crate::auth::basic("u", PASSWORD))
}

fn decision_lines_have_their_fields() {
    let dns = Dns::start().name("log.test", &[PUBLIC]);
    let origin = Origin::fixed("ok");
    let acl = "version: v1\nservices: [{name: authed, project: users, action: report, allowed_domains: [log.test]}]\n";
    for kind in ["http", "connect"] {
        let proxy = Setup::locked().resolver(&dns).acl(acl).start();
        let lines = authed("X-Smokescreen-Trace-ID: trace-77\r\n");
        let host = format!("log.test:{}", origin.address().port());
        let ask = if kind == "http" {
            request("GET", &origin.url_at("log.test", "/"), &lines)
        } else {
            request("CONNECT", &host, &lines)
        };
        let mut client = proxy.client();
        client.send(ask);
        assert_eq!(
            client
                .response_to(if kind == "http" { "GET" } else { "CONNECT" })
                .status,
            200
        );
        let local = client.stream().local_addr().expect("an address").to_string();
        drop(client);
        let line = proxy.decision();
        assert_has(
            &line,
            &[
                "allow",
                "decision_reason",
                "dns_lookup_time_ms",
                "enforce_would_deny",
            ],
        );
        assert_eq!(
            (
                line.get("allow"),
                line.get("enforce_would_deny"),
                line.get("level")
            ),
            ("true", "false", "info")
        );
        assert_eq!(
            (line.get("proxy_type"), line.get("requested_host")),
            (kind, host.as_str())
        );
        assert_eq!(
            (line.get("role"), line.get("project"), line.get("trace_id")),
            ("authed", "users", "trace-77")
        );
        assert_eq!(line.get("decision_reason"), "host matched allowed domain in rule");
        assert_eq!(line.get("inbound_remote_addr"), local);
        assert!(is_xid(line.get("id")), "{}", line.get("id"));
        assert!(line.number("dns_lookup_time_ms") >= 0.0);
    }
}

fn close_lines_have_their_fields() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut client = proxy.client();
    let before = Instant::now();
    client.send(request(
        "CONNECT",
        &origin.authority(),
        "X-Smokescreen-Trace-ID: tt\r\n",
    ));
    assert_eq!(client.response_to("CONNECT").status, 200);
    client.send("x".repeat(1000));
    client.expect("x".repeat(1000).as_bytes());
    std::thread::sleep(Duration::from_millis(300));
    assert!(
        !proxy.log_lines().iter().any(|line| line.says(CLOSE)),
        "logged before it was closed"
    );
    drop(client);
    let line = proxy.close_line();
    let lasted_at_most = before.elapsed().as_secs_f64();
    let keys = [
        "bytes_in",
        "bytes_out",
        "conn_establish_time_ms",
        "duration",
        "end_time",
        "error",
        "last_activity",
        "outbound_local_addr",
        "outbound_remote_addr",
    ];
    assert_has(&line, &keys);
    assert_eq!(
        (line.get("bytes_in"), line.get("bytes_out"), line.get("error")),
        ("1000", "1000", "")
    );
    assert_eq!(
        (
            line.get("outbound_remote_addr"),
            line.get("trace_id"),
            line.get("level")
        ),
        (origin.authority().as_str(), "tt", "info")
    );
    assert!(
        line.number("duration") >= 0.25 && line.number("duration") <= lasted_at_most,
        "{}",
        line.get("duration")
    );
    let decision = proxy.decision();
    for key in [
        "id",
        "requested_host",
        "inbound_remote_addr",
        "proxy_type",
        "trace_id",
        "role",
        "project",
        "start_time",
    ] {
        assert_eq!(line.get(key), decision.get(key), "{key}");
    }
}

fn denials_are_warnings_and_failures_are_errors() {
    let (proxy, refusing) = (Setup::open().start(), Refusing::new());
    proxy.ask(connect("10.0.0.1:5"));
    proxy.ask(connect(&refusing.authority()));
    proxy.ask(connect("gone.invalid:443"));
    let lines = proxy.await_lines(DECISION, 3);
    let seen: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line.get("level"), line.get("allow")))
        .collect();
    assert_eq!((seen[0], seen[1]), (("warning", "false"), ("error", "true")));
    assert_eq!(lines[2].get("level"), "error");
    assert_eq!(lines[0].get("enforce_would_deny"), "true");
    assert_eq!(
        lines[0].get("decision_reason"),
        "The destination address (10.0.0.1) was denied by rule 'Deny: Private Range'. destination address was denied by rule, see error"
    );
    assert!(lines[2].get("error").contains("gone.invalid"), "{:?}", lines[2]);
}

fn failed_dials_add_their_own_line() {
    let (proxy, refusing) = (Setup::open().start(), Refusing::new());
    assert_eq!(proxy.ask(connect(&refusing.authority())).status, 502);
    let id = proxy.decision().get("id").to_owned();
    let line = eventually("the line about the dial", || {
        let lines = proxy.log_lines();
        lines
            .into_iter()
            .find(|line| line.get("msg").starts_with("Failed to connect to remote host: "))
    });
    assert_eq!(
        (line.get("level"), line.get("status_code"), line.get("id")),
        ("error", "502", id.as_str())
    );
}

fn one_decision_line_for_every_request() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    for _ in 0..5 {
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 200);
    }
    let tunnel = proxy.tunnel(&origin.authority());
    drop(tunnel);
    proxy.close_line();
    let lines = proxy.await_lines(DECISION, 6);
    let ids: std::collections::BTreeSet<&str> = lines.iter().map(|line| line.get("id")).collect();
    assert_eq!((lines.len(), ids.len()), (6, 6));
}

/// Those that gather behind a first one: the proxy must wake for them, as its client stays and says nothing more.
fn lines_in_a_row_are_written_though_nothing_else_happens() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    for count in 1..=20 {
        for _ in 0..count {
            client.send(get(&origin.url("/")));
            assert_eq!(client.response().status, 200);
        }
        let so_far = (1..=count).sum();
        assert_eq!(proxy.await_lines(DECISION, so_far).len(), so_far);
    }
}

fn only_tunnels_have_close_lines() {
    let (proxy, origin, refusing) = (Setup::open().start(), Origin::fixed("ok"), Refusing::new());
    assert_eq!(
        proxy
            .ask(request("GET", &origin.url("/"), "Connection: close\r\n"))
            .status,
        200
    );
    assert_eq!(proxy.ask(connect(&refusing.authority())).status, 502);
    assert_eq!(proxy.ask(connect("127.0.0.1:1")).status, 407);
    drop(proxy.tunnel(&origin.authority()));
    proxy.close_line();
    assert_eq!(proxy.await_lines(CLOSE, 1).len(), 1);
    assert_eq!(proxy.await_lines(DECISION, 4).len(), 4);
}

fn plain_requests_say_where_they_went() {
    let origin = Origin::scripted(answer("200 OK", "", &[b'x'; 321]), Next::Keep);
    let proxy = Setup::open().start();
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    let line = proxy.decision();
    assert_eq!(
        (line.get("outbound_remote_addr"), line.get("content_length")),
        (origin.authority().as_str(), "321")
    );
    assert!(line.get("outbound_local_addr").contains(':') && line.number("conn_establish_time_ms") >= 0.0);
}

fn keys_are_sorted_after_time_level_and_message() {
    let proxy = Setup::open().start();
    proxy.ask(connect("10.0.0.1:5"));
    proxy.decision();
    for line in proxy.log() {
        let positions: Vec<usize> = ["time=", "level=", "msg="]
            .iter()
            .filter_map(|key| line.find(key))
            .collect();
        assert!(
            positions.len() == 3 && positions.is_sorted() && positions[0] == 0,
            "{line}"
        );
    }
    let line = proxy
        .log()
        .into_iter()
        .find(|line| line.contains(DECISION))
        .expect("the line");
    let tail = line.split_once(DECISION).expect("the message").1;
    let keys = [
        "allow=",
        "decision_reason=",
        "enforce_would_deny=",
        "id=",
        "inbound_remote_addr=",
        "project=",
        "proxy_type=",
        "requested_host=",
        "role=",
        "start_time=",
        "trace_id=",
    ];
    let positions: Vec<Option<usize>> = keys.iter().map(|key| tail.find(&format!(" {key}"))).collect();
    assert!(
        positions.iter().all(Option::is_some) && positions.is_sorted(),
        "{line}"
    );
}

fn json_lines_have_the_same_fields() {
    let (proxy, origin) = (
        Setup::open().option("--log-format", "json").start(),
        Origin::echo(),
    );
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.send("ping");
    tunnel.expect(b"ping");
    drop(tunnel);
    proxy.ask(request(
        "GET",
        "http://10.0.0.1/",
        "X-Smokescreen-Trace-ID: \"},{\"msg\":\"x\\\r\n",
    ));
    let lines = proxy.await_lines(DECISION, 2);
    assert_has(&lines[0], &["allow", "decision_reason", "enforce_would_deny"]);
    assert_eq!(lines[1].get("trace_id"), "\"},{\"msg\":\"x\\");
    let close = proxy.close_line();
    assert_eq!((close.get("bytes_in"), close.get("bytes_out")), ("4", "4"));
    for line in proxy.log() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
    }
    let raw = proxy
        .log()
        .into_iter()
        .find(|line| line.contains(CLOSE))
        .expect("the line");
    assert!(
        raw.contains("\"bytes_in\":4") && raw.contains("\"level\":\"info\""),
        "numbers are numbers: {raw}"
    );
}

/// Whatever came, every line parses, there is one decision line, and it says what happened.
#[track_caller]
fn assert_unforged(proxy: &Proxy, count: usize) -> Vec<LogLine> {
    let lines = proxy.await_lines(DECISION, count);
    assert_eq!(lines.len(), count);
    for line in proxy.log() {
        let parsed = log_line::parse(&line).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            !parsed.says("fake") && line.is_char_boundary(line.len()) && !line.chars().any(char::is_control),
            "{line:?}"
        );
    }
    lines
}

/// Also CVE-2026-42507: CR, LF, ESC, quotes and brackets in what the network sends.
fn cve_2026_56853_values_cannot_forge_a_line() {
    let values = [
        "x\" level=error msg=fake allow=true",
        "\",\"allow\":true,\"msg\":\"fake\"}",
        "a\\",
        "a\\nlevel=info msg=fake",
        "a=b c=d",
        "%s%n%x%0a",
        "a\tb",
        "\u{2603}\u{e9}",
        "\u{2028}msg=fake",
        "\u{85}msg=fake",
        "",
    ];
    for format in ["text", "json"] {
        let proxy = Setup::open().option("--log-format", format).start();
        for value in values {
            proxy.ask(request(
                "GET",
                "http://10.0.0.1/",
                &format!("X-Smokescreen-Trace-ID: {value}\r\n"),
            ));
        }
        let lines = assert_unforged(&proxy, values.len());
        for (line, value) in lines.iter().zip(values) {
            assert_eq!(
                (line.get("trace_id"), line.get("allow")),
                (value, "false"),
                "{format}"
            );
        }
        let mut latin = request("GET", "http://10.0.0.1/", "X-Smokescreen-Trace-ID: caf").into_bytes();
        latin.truncate(latin.len() - 2);
        latin.extend_from_slice(b"\xe9\xff\r\n\r\n");
        proxy.ask(latin);
        assert_unforged(&proxy, values.len() + 1);
    }
}

fn hosts_cannot_forge_a_line() {
    let proxy = Setup::open().start();
    for host in [
        "a.test%0alevel=info",
        "a\"b.test",
        "a.test\\n",
        "a=b.test",
        "{}.test",
        "a.test\u{2028}",
        "a'b.test",
        "\u{1b}[31m",
        "a.test\",\"allow\":true,\"x\":\"",
        &"x".repeat(3000),
    ] {
        let mut client = proxy.client();
        client.send(format!("CONNECT {host}:443 HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(client.response().status, 400, "{host}");
        let mut client = proxy.client();
        client.send(format!("GET http://{host}/ HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(client.response().status, 400, "{host}");
    }
    proxy.ask(connect("10.0.0.1:1"));
    for line in proxy.await_lines(DECISION, 1) {
        assert_eq!(line.get("allow"), "false");
    }
    for line in proxy.log() {
        log_line::parse(&line).unwrap_or_else(|error| panic!("{error}"));
        assert!(line.len() < 16 << 10, "{} bytes", line.len());
    }
}

fn long_values_are_cut() {
    let proxy = Setup::open().start();
    let long = "L".repeat(60_000);
    proxy.ask(request(
        "GET",
        "http://10.0.0.1/",
        &format!("X-Smokescreen-Trace-ID: {long}\r\n"),
    ));
    let line = proxy.decision();
    let length = line.get("trace_id").len();
    assert!(length > 1000 && length <= 4096, "{length} bytes");
    assert_eq!(line.get("requested_host"), "10.0.0.1");
}

fn paths_and_headers_are_not_logged() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let lines = "Cookie: sess=hunter2\r\nAuthorization: Bearer hunter2\r\nReferer: http://hunter2/\r\n";
    assert_eq!(
        proxy
            .ask(request("GET", &origin.url("/hunter2?token=hunter2"), lines))
            .status,
        200
    );
    proxy.decision();
    assert!(!proxy.log().join("\n").contains("hunter2"));
}

fn a_closed_stderr_does_not_end_the_proxy() {
    let (mut proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    proxy.close_log();
    for _ in 0..200 {
        assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    }
    assert!(proxy.is_running());
}

/// A pipe holds 64 KiB; more than that many lines must be dropped, not waited for.
fn a_stalled_stderr_does_not_stall_the_proxy() {
    let proxy = Setup::open().start();
    proxy.stall_log();
    let mut client = proxy.client();
    for _ in 0..5000 {
        client.send(get("http://10.0.0.1/"));
        assert_eq!(client.response().status, 407);
    }
    assert!(proxy.resident_kib() < 64 << 10, "{} KiB", proxy.resident_kib());
}

fn levels_filter() {
    let origin = Origin::fixed("ok");
    let proxy = Setup::open().option("--log-level", "info").start();
    proxy.ask(get(&origin.url("/")));
    proxy.decision();
    let debugging = Setup::open().env("RUST_LOG", "debug").start();
    debugging.ask(get(&origin.url("/")));
    debugging.decision();
    for ambient in ["hyper=debug", "off", "smokescreen=off", "garbage/x"] {
        let proxy = Setup::open().env("RUST_LOG", ambient).start();
        proxy.ask(get(&origin.url("/")));
        proxy.decision();
    }
    let finished = Setup::open().option("--log-level", "loud").run();
    assert!(
        finished.code == Some(2) && finished.stderr.contains("log-level"),
        "{finished:?}"
    );
}

/// What systemd says where journald reads standard error.
const NAMES_STDERR: &str = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2)";
/// A variable that names another stream.
const NAMES_ANOTHER: &str = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/0)";

fn priorities_stand_before_lines_where_journald_reads_them() {
    for (setup, are_there) in [
        (Setup::open().step(NAMES_STDERR), true),
        (
            Setup::open().step(NAMES_STDERR).option("--log-format", "json"),
            true,
        ),
        (Setup::open().step(NAMES_STDERR).arg("--log-prefix=false"), false),
        (Setup::open().step(NAMES_ANOTHER), false),
        (Setup::open().step(NAMES_ANOTHER).arg("--log-prefix"), true),
        (Setup::open(), false),
    ] {
        let proxy = setup.start();
        proxy.ask(connect("10.0.0.1:9"));
        let line = eventually("the decision", || {
            let lines = proxy.log();
            lines.iter().find(|line| line.contains(DECISION)).cloned()
        });
        let start = proxy.log().remove(0);
        for (line, priority) in [(start, "<6>"), (line, "<4>")] {
            let rest = line.strip_prefix(priority);
            assert_eq!(rest.is_some(), are_there, "{line}");
            log_line::parse(rest.unwrap_or(&line)).expect("a well-formed line");
        }
    }
}

fn startup_errors_have_their_priority_too() {
    for (setup, start) in [
        (
            Setup::open().step(NAMES_STDERR).option("--listen-port", "x"),
            "<3>smokescreen: ",
        ),
        (
            Setup::open()
                .step(NAMES_STDERR)
                .option("--egress-acl-file", "/dev/null"),
            "<3>smokescreen: ",
        ),
        (
            Setup::open()
                .step(NAMES_STDERR)
                .option("--listen-port", "x")
                .arg("--log-prefix=false"),
            "smokescreen: ",
        ),
        (
            Setup::open().step(NAMES_ANOTHER).option("--listen-port", "x"),
            "smokescreen: ",
        ),
    ] {
        let finished = setup.run();
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.starts_with(start), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
}
