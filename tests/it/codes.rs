//! Readable refusals: the code, the id and the error type of every answer of ours, where a denial comes from, JSON for
//! those who ask for it, and that no origin can say any of this.

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::dns::{Answer, Dns};
use crate::support::eventually;
use crate::support::log_line::{self, LogLine};
use crate::support::message::{Response, answer, connect, get, request};
use crate::support::origin::{Deaf, Next, Origin, Refusing};
use crate::support::proxy::{PASSWORD, Proxy, Setup};

cases![
    every_answer_of_ours_has_its_code_id_and_error_type,
    slow_and_large_requests_have_their_codes,
    a_full_house_has_its_code,
    the_status_line_says_why,
    the_reference_style_keeps_the_headers,
    missing_and_wrong_credentials_differ,
    a_denial_says_which_line_which_entry_and_what_would_help,
    a_hint_lets_the_request_out,
    json_is_for_those_who_ask_for_it,
    json_has_no_body_for_head_and_holds_the_additional_message,
    json_holds_whatever_was_asked_for,
    no_origin_and_no_client_can_forge_these_headers,
    first_ipv4_address_of_localhost_is_named,
];

const DECISION: &str = "CANONICAL-PROXY-DECISION";

/// The codes of an answer: header, error type. What must hold of every one is looked at here.
#[track_caller]
fn codes(response: &Response) -> (String, String) {
    let only = |name: &str| {
        let all = response.fields.all(name);
        assert_eq!(all.len(), 1, "{name}: {response:?}");
        all[0].clone()
    };
    let code = only("x-smokescreen-code");
    assert_eq!(only("x-smokescreen-request-id").len(), 20);
    let status = only("proxy-status");
    let error = status
        .strip_prefix("smokescreen; error=")
        .and_then(|rest| rest.strip_suffix(&format!("; details=\"{code}\"")))
        .unwrap_or_else(|| panic!("{status}"));
    (code, error.to_owned())
}

/// The log's line of the request that was answered.
#[track_caller]
fn line_of(proxy: &Proxy, response: &Response) -> LogLine {
    let id = response.fields.get("x-smokescreen-request-id").expect("an id");
    let is_it = |line: &LogLine| line.says(DECISION) && line.get("id") == id;
    eventually("its line", || proxy.log_lines().into_iter().find(is_it))
}

fn authed(method: &str, target: &str) -> String {
    request(method, target, &(basic("u", PASSWORD) + "\r\n"))
}

fn every_answer_of_ours_has_its_code_id_and_error_type() {
    let (refusing, deaf) = (Refusing::new(), Deaf::new());
    let closing = Origin::raw(drop);
    let nonsense = Origin::scripted("nonsense\r\n\r\n", Next::Close);
    let dns = Dns::start().answer("silent.test", Answer::Silence);
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--dns-timeout", "700ms")
        .option("--timeout", "700ms")
        .option("--network", "ip4")
        .option("--deny-address", "44.1.2.9")
        .start();
    let own = proxy.address().to_string();
    let (prohibited, malformed) = ("destination_ip_prohibited", "http_request_error");
    for (target, status, code, error) in [
        ("127.0.0.1:81", 407, "not-global-unicast", prohibited),
        ("169.254.169.254:80", 407, "not-global-unicast", prohibited),
        ("10.0.0.1:81", 407, "private-range", prohibited),
        ("100.64.0.1:81", 407, "cgnat-range", prohibited),
        ("198.51.100.1:81", 407, "special-purpose-range", prohibited),
        ("44.1.2.9:81", 407, "user-configured", prohibited),
        (&own, 407, "self-connection", prohibited),
        ("[2a00::1]:81", 407, "no-usable-address", prohibited),
        ("gone.test:81", 502, "dns-failed", "dns_error"),
        ("silent.test:81", 504, "dns-timeout", "dns_timeout"),
        (&refusing.authority(), 502, "connect-failed", "connection_refused"),
        (&deaf.authority(), 504, "connect-timeout", "connection_timeout"),
        ("0177.0.0.1:81", 400, "malformed-request", malformed),
        ("x.test:0", 400, "malformed-request", malformed),
    ] {
        for ask in [get(&format!("http://{target}/")), connect(target)] {
            let response = proxy.ask(&ask);
            assert_eq!(response.status, status, "{ask:?}");
            assert_eq!(codes(&response), (code.to_owned(), error.to_owned()), "{ask:?}");
            assert_eq!(line_of(&proxy, &response).get("code"), code, "{ask:?}");
        }
    }
    for (ask, status, code, error) in [
        (
            get(&closing.url("/")),
            502,
            "origin-closed",
            "connection_terminated",
        ),
        (
            get(&nonsense.url("/")),
            502,
            "malformed-response",
            "http_protocol_error",
        ),
        (
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
            400,
            "not-a-proxy-request",
            malformed,
        ),
        ("nonsense\r\n\r\n".to_owned(), 400, "malformed-request", malformed),
        (get("ftp://a.test/"), 400, "scheme-unsupported", malformed),
    ] {
        let response = proxy.ask(&ask);
        assert_eq!(response.status, status, "{ask:?}");
        assert_eq!(codes(&response), (code.to_owned(), error.to_owned()), "{ask:?}");
        assert_eq!(line_of(&proxy, &response).get("code"), code, "{ask:?}");
    }
}

fn slow_and_large_requests_have_their_codes() {
    let origin = Origin::http(|_, wire| {
        let _ = wire.fill();
        Next::Close
    });
    let proxy = Setup::open()
        .option("--read-header-timeout", "300ms")
        .option("--read-timeout", "300ms")
        .option("--head-bytes-max", "2KiB")
        .start();
    let large = request("GET", "http://44.1.2.3/", &format!("X: {}\r\n", "a".repeat(3000)));
    let body = request("POST", &origin.url("/"), "Content-Length: 10\r\n");
    for (ask, status, code) in [
        (large, 431, "head-too-large"),
        (
            "GET http://44.1.2.3/ HTTP/1.1\r\nHost".to_owned(),
            408,
            "head-too-slow",
        ),
        (body, 408, "body-too-slow"),
    ] {
        let mut client = proxy.client();
        client.send(ask);
        let response = client.response();
        assert_eq!(response.status, status);
        assert_eq!(
            codes(&response),
            (code.to_owned(), "http_request_error".to_owned())
        );
        assert_eq!(line_of(&proxy, &response).get("code"), code);
    }
}

/// A quarter of the lookups that may wait is for one client.
fn a_full_house_has_its_code() {
    let names: Vec<String> = (0..300).map(|n| format!("n{n}.silent.test")).collect();
    let dns = names
        .iter()
        .fold(Dns::start(), |dns, name| dns.answer(name, Answer::Silence));
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--dns-timeout", "60s")
        .start();
    let mut clients: Vec<_> = names
        .iter()
        .map(|name| {
            let mut client = proxy.client();
            client.send(get(&format!("http://{name}/")));
            client
        })
        .collect();
    let response = clients.last_mut().expect("clients").response();
    assert_eq!(response.status, 503);
    let error = "connection_limit_reached".to_owned();
    assert_eq!(codes(&response), ("overloaded".to_owned(), error));
    assert_eq!(response.fields.get("retry-after").as_deref(), Some("1"));
    assert_eq!(line_of(&proxy, &response).get("code"), "overloaded");
}

const ACL: &str = "version: v1
services:
  - name: authed
    project: users
    action: enforce
    allowed_domains: [listed.test, both.test]
global_deny_list:
  - both.test
  - '*.denied.test'
";

fn the_status_line_says_why() {
    let proxy = Setup::locked().acl(ACL).start();
    let origin = Origin::fixed("in");
    let listed = Setup::locked().option("--deny-status", "403").start();
    for (proxy, target, start) in [
        (
            &proxy,
            "other.test:81",
            "407 Request rejected by proxy (not-in-allowed-domains)",
        ),
        (
            &proxy,
            "a.denied.test:81",
            "407 Request rejected by proxy (global-deny-list)",
        ),
        (
            &listed,
            "10.0.0.1:81",
            "403 Request rejected by proxy (private-range)",
        ),
        (
            &listed,
            "db.internal:81",
            "403 Request rejected by proxy (global-deny-list)",
        ),
    ] {
        for ask in [
            authed("GET", &format!("http://{target}/")),
            authed("CONNECT", target),
        ] {
            assert_eq!(proxy.ask(ask).start, format!("HTTP/1.1 {start}"));
        }
    }
    let unauthorised = "HTTP/1.1 407 Proxy Authentication Required";
    assert_eq!(proxy.ask(connect(&origin.authority())).start, unauthorised);
}

fn the_reference_style_keeps_the_headers() {
    let proxy = Setup::locked().option("--deny-style", "reference").start();
    for (ask, code) in [
        (authed("CONNECT", "10.0.0.1:81"), "private-range"),
        (authed("GET", "http://db.internal/"), "global-deny-list"),
        (connect("10.0.0.1:81"), "credentials-missing"),
        (
            request("CONNECT", "a.test:81", &(basic("u", "wrong") + "\r\n")),
            "credentials-wrong",
        ),
    ] {
        let response = proxy.ask(ask);
        assert_eq!(response.start, "HTTP/1.1 407 Request rejected by proxy");
        assert_eq!(codes(&response), (code.to_owned(), error_of(code).to_owned()));
        assert_eq!(
            response.fields.has("proxy-authenticate"),
            code.starts_with("credentials")
        );
    }
}

fn error_of(code: &str) -> &'static str {
    match code {
        "private-range" => "destination_ip_prohibited",
        _ => "http_request_denied",
    }
}

fn missing_and_wrong_credentials_differ() {
    let proxy = Setup::locked().start();
    let wrong = basic("u", "wrong");
    for (lines, code) in [
        (String::new(), "credentials-missing"),
        (format!("{wrong}\r\n"), "credentials-wrong"),
        (format!("{wrong}\r\n{wrong}\r\n"), "credentials-wrong"),
        (
            "Proxy-Authorization: Bearer x\r\n".to_owned(),
            "credentials-wrong",
        ),
        ("Proxy-Authorization: Basic !\r\n".to_owned(), "credentials-wrong"),
        ("Proxy-Authorization: \r\n".to_owned(), "credentials-wrong"),
    ] {
        for ask in [
            request("GET", "http://44.1.2.3/", &lines),
            request("CONNECT", "44.1.2.3:443", &lines),
        ] {
            let response = proxy.ask(&ask);
            assert_eq!(
                codes(&response),
                (code.to_owned(), "http_request_denied".to_owned())
            );
            let challenge = ["Basic realm=\"smokescreen\", charset=\"UTF-8\""];
            assert_eq!(response.fields.all("proxy-authenticate"), challenge);
            assert!(response.text().contains("Client role cannot be determined"));
            let line = line_of(&proxy, &response);
            assert_eq!((line.get("code"), line.get("allow")), (code, "false"));
            assert_eq!((line.get("rule"), line.get("matched")), ("", ""));
            assert!(line.get("hint").contains("password"), "{line:?}");
        }
    }
}

fn a_denial_says_which_line_which_entry_and_what_would_help() {
    for format in ["text", "json"] {
        let setup = Setup::locked().option("--log-format", format);
        let path = setup.file("an \"odd\" name.yaml", ACL);
        let proxy = setup
            .option("--egress-acl-file", &path)
            .option("--deny-range", "44.1.0.0/16")
            .start();
        let entry = |host: &str| format!("{host} in allowed_domains of service 'authed'");
        for (target, line, matched, hint) in [
            ("other.test:81", Some(3), "", entry("other.test")),
            (
                "A.b.denied.test.:81",
                Some(9),
                "*.denied.test",
                entry("a.b.denied.test"),
            ),
        ] {
            let response = proxy.ask(authed("CONNECT", target));
            let said = line_of(&proxy, &response);
            assert_eq!(
                (said.get("rule"), said.get("matched"), said.get("hint")),
                (
                    line.map(|line| format!("{path}:{line}"))
                        .unwrap_or_default()
                        .as_str(),
                    matched,
                    hint.as_str()
                ),
                "{target}"
            );
        }
    }
    let proxy = Setup::open().option("--deny-range", "44.1.0.0/16").start();
    for (target, matched, hint) in [
        (
            "44.1.2.3:81",
            "44.1.0.0/16",
            "--allow-address 44.1.2.3:81, which goes before what denies it",
        ),
        (
            "10.0.0.1:81",
            "",
            "--allow-address 10.0.0.1:81 would let it out and is unwise where users choose URLs: it is an internal address",
        ),
        (
            "169.254.169.254:80",
            "",
            "--allow-address 169.254.169.254:80 would let it out and is unwise: a metadata service hands out the machine's credentials",
        ),
        (&proxy.address().to_string(), "", ""),
    ] {
        let said = line_of(&proxy, &proxy.ask(connect(target)));
        assert_eq!(
            (said.get("rule"), said.get("matched"), said.get("hint")),
            ("", matched, hint),
            "{target}"
        );
    }
    let proxy = Setup::locked().start();
    let said = line_of(&proxy, &proxy.ask(authed("CONNECT", "db.internal:5432")));
    assert!(said.get("rule").starts_with("built-in:"), "{said:?}");
    assert_eq!(
        (said.get("matched"), said.get("hint")),
        (
            "*.internal",
            "--egress-acl-file with db.internal in allowed_domains of service 'authed'"
        )
    );
}

/// What a hint names is there in this version, and does it.
fn a_hint_lets_the_request_out() {
    let origin = Origin::fixed("in");
    let denying = || Setup::open().option("--deny-range", "44.0.0.0/8");
    let proxy = denying().start();
    let hint = line_of(&proxy, &proxy.ask(get(&origin.url("/"))))
        .get("hint")
        .to_owned();
    let (option, rest) = hint.split_once(' ').expect("an option and a value");
    let value = rest.split(',').next().expect("a value");
    let proxy = denying().option(option, value).start();
    assert_eq!(proxy.ask(get(&origin.url("/"))).text(), "in");
}

fn json_is_for_those_who_ask_for_it() {
    let proxy = Setup::locked().acl(ACL).start();
    let ask = |method: &str, target: &str, accept: &[&str]| {
        let fields: String = accept
            .iter()
            .map(|value| format!("aCCEPT: {value}\r\n"))
            .collect();
        let lines = format!("{}\r\n{fields}", basic("u", PASSWORD));
        proxy.ask(request(method, target, &lines))
    };
    for (accept, json) in [
        (&["application/json"][..], true),
        (&["Application/JSON; charset=utf-8;q=0.1"], true),
        (&["*/*", "application/json"], true),
        (&["application/json, text/html;q=0"], true),
        (&["application/json;q=0"], false),
        (&["application/json;q=0.000"], false),
        (&["application/json", "text/plain;q=0.1"], false),
        (&["text/html,application/json"], false),
        (&["*/*"], false),
        (&[], false),
    ] {
        for (method, target) in [
            ("GET", "http://a.denied.test/x?y"),
            ("CONNECT", "a.denied.test:443"),
        ] {
            let response = ask(method, target, accept);
            assert_eq!(response.status, 407);
            let kind = if json {
                "application/json"
            } else {
                "text/plain; charset=utf-8"
            };
            assert_eq!(response.fields.all("content-type"), [kind], "{accept:?}");
            let text = response.text();
            if !json {
                assert!(text.starts_with("Egress proxying is denied to host "), "{text}");
                continue;
            }
            let said = log_line::parse(text.trim_end()).expect("JSON");
            let keys: Vec<&str> = said.0.keys().map(String::as_str).collect();
            assert_eq!(keys, ["code", "error", "hint", "host", "id", "role", "rule"]);
            let line = line_of(&proxy, &response);
            for key in ["code", "hint", "id", "role", "rule"] {
                assert_eq!(said.get(key), line.get(key), "{key}");
            }
            assert_eq!(said.get("host"), line.get("requested_host"));
            assert_eq!(
                Some(said.get("error").to_owned()),
                response.fields.get("x-smokescreen-error")
            );
            assert_eq!(said.get("code"), "global-deny-list");
        }
    }
    // Everything that is ours, not only denials.
    let lines = "Accept: application/json\r\n";
    for (asked, status) in [
        (request("GET", "http://44.1.2.3/", lines), 407),
        (request("GET", "http://0177.0.0.1/", lines), 400),
        (request("GET", "/", lines), 400),
    ] {
        let response = proxy.ask(asked);
        assert_eq!(response.status, status);
        let said = log_line::parse(response.text().trim_end()).expect("JSON");
        assert_eq!(said.get("code"), codes(&response).0);
    }
    let refusing = Refusing::new();
    let open = Setup::open().start();
    let failed = open.ask(request("CONNECT", &refusing.authority(), lines));
    assert_eq!(failed.status, 502);
    let said = log_line::parse(failed.text().trim_end()).expect("JSON");
    assert_eq!(said.get("code"), "connect-failed");
}

fn json_has_no_body_for_head_and_holds_the_additional_message() {
    let proxy = Setup::open()
        .option("--additional-error-message-on-deny", "see \"wiki\"")
        .start();
    let lines = "Accept: application/json\r\n";
    let got = proxy.ask(request("GET", "http://10.0.0.1/", lines));
    let said = log_line::parse(got.text().trim_end()).expect("JSON");
    assert!(said.get("error").ends_with(".\n\nsee \"wiki\""), "{said:?}");
    let mut client = proxy.client();
    client.send(request("HEAD", "http://10.0.0.1/", lines) + &get("http://10.0.0.1/"));
    let head = client.response_to("HEAD");
    for name in ["content-type", "content-length", "x-smokescreen-code"] {
        assert_eq!(head.fields.all(name), got.fields.all(name), "{name}");
    }
    assert!(
        client.response().text().starts_with("Egress"),
        "a body behind the HEAD's answer"
    );
}

/// Quotes, escapes and controls in a host end no string.
fn json_holds_whatever_was_asked_for() {
    let proxy = Setup::open().start();
    for host in [
        "a\"b.test",
        "a\\.test",
        "\u{1b}[31m.test",
        "\u{202e}.test",
        "<script>.test",
        "é.\u{7f}test",
    ] {
        let mut client = proxy.client();
        client.send(format!(
            "CONNECT {host}:443 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n"
        ));
        let response = client.response();
        assert_eq!(response.status, 400, "{host:?}");
        let text = response.text();
        assert!(text.is_ascii() && !text.contains('<'), "{text}");
        // Those that are no request at all have no head to ask for anything in.
        if response.fields.all("content-type") == ["application/json"] {
            let said = log_line::parse(text.trim_end()).expect("JSON");
            // Nor has a target that nothing could be read of a host.
            let said = said.get("host");
            assert!(said.is_empty() || said == format!("{host}:443"), "{said}");
        }
    }
}

/// Both directions: from an origin to the client, head, interim head and trailers, and from a client to an origin.
fn no_origin_and_no_client_can_forge_these_headers() {
    const FORGED: &str = "X-Smokescreen-Code: private-range\r\nX-Smokescreen-Request-Id: 1\r\n\
        x-smokescreen-error: no\r\nProxy-Status: smokescreen; error=dns_error; details=\"x\"\r\n";
    let origin = Origin::http(|_, wire| {
        wire.send(format!("HTTP/1.1 103 Early Hints\r\n{FORGED}\r\n"));
        wire.send(answer(
            "407 Request rejected by proxy (private-range)",
            FORGED,
            b"ok",
        ));
        Next::Close
    });
    let trailing = Origin::scripted(
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{FORGED}\r\n2\r\nok\r\n0\r\n{FORGED}\r\n"),
        Next::Close,
    );
    let proxy = Setup::open().start();
    for origin in [&origin, &trailing] {
        let mut client = proxy.client();
        client.send(request(
            "GET",
            &origin.url("/"),
            &format!("Connection: close\r\n{FORGED}"),
        ));
        let (bytes, _) = client.drain();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(text.contains("ok"), "{text}");
        assert!(
            !text.contains("x-smokescreen") && !text.contains("proxy-status"),
            "{text}"
        );
        let raw = String::from_utf8_lossy(&origin.last().raw).to_lowercase();
        assert!(
            !raw.contains("x-smokescreen") && !raw.contains("proxy-status"),
            "{raw}"
        );
    }
}

fn first_ipv4_address_of_localhost_is_named() {
    let dns = Dns::start().name("both.test", &["::1", "127.0.0.1", "10.0.0.1"]);
    let stub = Setup::open().resolver(&dns).start();
    let system = Setup::open().start();
    for (proxy, host) in [(stub, "both.test"), (system, "localhost")] {
        for ask in [get(&format!("http://{host}/")), connect(&format!("{host}:443"))] {
            let text = proxy.ask(ask).text();
            assert!(
                text.contains("The destination address (127.0.0.1) was denied"),
                "{text}"
            );
        }
    }
}
