//! Which hosts are malformed, that malformed ones are never looked up, and what lookups that fail look like.

use crate::support::case::cases;
use crate::support::dns::{Answer, Dns, parse};
use crate::support::message::{connect, get};
use crate::support::origin::Origin;
use crate::support::proxy::Setup;
use crate::support::{PUBLIC, PUBLIC_6};

cases![
    cve_2021_29922_octal_quads_are_malformed,
    cve_2024_12224_idna_twins_of_addresses_are_malformed,
    cve_2025_22870_parser_splits_are_malformed,
    ports_are_digits_from_1_to_65535,
    names_are_strict,
    schemes_other_than_http_are_malformed,
    a_name_that_does_not_exist_is_502,
    a_name_server_that_fails_is_502,
    a_silent_name_server_is_504,
    a_second_resolver_takes_over,
    nonexistence_is_an_answer_and_needs_no_second_resolver,
    truncated_answers_are_asked_again_over_tcp,
    the_system_resolver_reads_hosts_and_asks_dns,
    answers_are_cached_briefly,
    questions_in_flight_are_shared,
    cve_2026_33655_an_unresolved_host_is_not_dialled,
];

/// Every spelling is refused as malformed, in both ways, and nobody is asked about it.
#[track_caller]
fn assert_malformed(hosts: &[&str]) {
    let dns = Dns::start();
    let proxy = Setup::open().resolver(&dns).start();
    for host in hosts {
        for ask in [get(&format!("http://{host}/")), connect(&format!("{host}:80"))] {
            let response = proxy.ask(&ask);
            assert_eq!(response.status, 400, "{ask:?}: {}", response.text());
        }
    }
    assert_eq!(dns.questions(), Vec::<String>::new());
    proxy.assert_serves();
}

/// Also CVE-2023-42282, CVE-2024-29415, CVE-2021-28918, CVE-2021-29418, CVE-2021-29424, CVE-2020-28360,
/// CVE-2021-29921 and GHSA-r46f-3rpw-hxrv: getaddrinfo understands all of these.
fn cve_2021_29922_octal_quads_are_malformed() {
    assert_malformed(&[
        "0177.0.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "127.1",
        "127.0.1",
        "01200034567",
        "012.1.2.3",
        "0127.0.0.1",
        "010.8.8.8",
        "127.0.0.1.",
        "127.0.0.01",
        "00.0.0.0",
        "256.0.0.1",
        "1.2.3.4.5",
        "1.2.3",
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "0",
        "1",
        "0x0",
        "0X7F.1",
        "4294967295",
        "a.0x7f",
        "example.1",
        "example.0x1",
        "1.2.3.4x.5",
        "00000127.0.0.1",
    ]);
}

/// Also RUSTSEC-2024-0421 and Go CVE-2026-39821: what the mapping makes of it counts.
fn cve_2024_12224_idna_twins_of_addresses_are_malformed() {
    assert_malformed(&[
        "１２７.０.０.１",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "１２７．０．０．１",
        "127.0.0.１",
        "2130706433．",
        "xn--example-.com",
        "example.org.xn--",
        "xn--a.test",
        "０x7f.1",
        "0177。0。0。1",
        "12\u{ad}7.1",
    ]);
}

/// Also CVE-2025-47912, CVE-2026-25679 and SQUID-2004:1.
fn cve_2025_22870_parser_splits_are_malformed() {
    assert_malformed(&[
        "[::1%25.example.com]",
        "[::1%lo]",
        "[fe80::1%1]",
        "[example.com]",
        "[::1",
        "::1",
        "[]",
        "[127.0.0.1]",
        "[::1].test",
        "[::1]x",
        "allowed.test@127.0.0.1",
        "u:p@allowed.test",
        "evil%00.allowed.test",
        "evil\\@allowed.test",
        "evil\\.test",
        "127.0.0.1%00.test",
        "a%2eb",
        "[v1.x]",
        "[0:0:0:0:0:0:0:0:1]",
        "[:::1]",
        "[1::2::3]",
        "[::1.2.3]",
        "[::01.2.3.4]",
    ]);
    let dns = Dns::start();
    let proxy = Setup::open().resolver(&dns).start();
    for target in [
        "http:///path",
        "http://",
        "http://:80/",
        "http:/x",
        "http:x",
        "http//x",
        "://x/",
        "http://a b/",
        "http://#a.test/",
        "http://?a.test/",
    ] {
        let response = proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(response.status, 400, "{target:?}: {}", response.text());
    }
    assert!(dns.questions().is_empty());
}

/// Also tinyproxy's port 65616, which overflows to 80 (CVE-2025-63938).
fn ports_are_digits_from_1_to_65535() {
    let dns = Dns::start();
    let proxy = Setup::open().resolver(&dns).start();
    for port in [
        "0",
        "65536",
        "65616",
        "99999999999999999999",
        "+443",
        "-1",
        "0x50",
        "80a",
        " 80",
        "８０",
        "4_4",
        "443:443",
        "00000000080x",
    ] {
        for ask in [
            get(&format!("http://a.test:{port}/")),
            connect(&format!("a.test:{port}")),
            connect(&format!("{PUBLIC}:{port}")),
        ] {
            let response = proxy.ask(&ask);
            assert_eq!(response.status, 400, "{ask:?}: {}", response.text());
        }
    }
    for authority in ["a.test", "a.test:", PUBLIC, "[::1]", ""] {
        let response = proxy.ask(format!("CONNECT {authority} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(response.status, 400, "{authority:?}: {}", response.text());
    }
    assert!(dns.questions().is_empty());
}

fn names_are_strict() {
    let long_label = format!("{}.test", "a".repeat(64));
    let long_name = format!("{}.test", "a123456789.".repeat(25).trim_end_matches('.'));
    assert_malformed(&[
        "a..b",
        ".a.test",
        "a.test..",
        "exa!mple.test",
        "exa$mple.test",
        "a,b.test",
        "a'b.test",
        "a\"b.test",
        "a;b.test",
        "a=b.test",
        "{}.test",
        "a|b.test",
        "a%20b.test",
        &long_label,
        &long_name,
        "\u{202e}a.test",
        "a\u{200b}\u{fffe}.test",
    ]);
}

/// Also squid's `ftp://`, `gopher://` and `urn:`; the scheme's case does not matter (CVE-2026-40280).
fn schemes_other_than_http_are_malformed() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("in"));
    for scheme in [
        "ftp",
        "gopher",
        "file",
        "javascript",
        "wsx",
        "httpx",
        "cache_object",
    ] {
        let response = proxy.ask(get(&origin.url("/").replace("http", scheme)));
        assert_eq!(response.status, 400, "{scheme}: {}", response.text());
    }
    assert_eq!(proxy.ask("GET urn:x HTTP/1.1\r\nHost: x\r\n\r\n").status, 400);
    assert_eq!(origin.accepted(), 0);
    assert_eq!(
        proxy.ask(get(&origin.url("/").replace("http", "HTTP"))).status,
        200
    );
    let denied = proxy.ask(get("HTTP://127.0.0.1/"));
    assert_eq!(denied.status, 407);
}

fn a_name_that_does_not_exist_is_502() {
    let dns = Dns::start();
    let proxy = Setup::open().resolver(&dns).start();
    for ask in [get("http://gone.test/"), connect("gone.test:443")] {
        let response = proxy.ask(ask);
        assert_eq!(response.status, 502);
        assert!(
            response.text().starts_with("Failed to resolve remote hostname: "),
            "{}",
            response.text()
        );
    }
    let line = proxy.decision();
    assert_eq!(line.get("level"), "error");
    assert!(line.get("error").contains("gone.test"), "{line:?}");
}

fn a_name_server_that_fails_is_502() {
    let dns = Dns::start()
        .answer("broken.test", Answer::Failure)
        .name("empty.test", &[]);
    let proxy = Setup::open().resolver(&dns).start();
    for name in ["broken.test", "empty.test"] {
        let response = proxy.ask(connect(&format!("{name}:443")));
        assert_eq!(response.status, 502, "{name}");
        assert!(
            response.text().starts_with("Failed to resolve remote hostname: "),
            "{}",
            response.text()
        );
    }
}

fn a_silent_name_server_is_504() {
    let dns = Dns::start().answer("silent.test", Answer::Silence);
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--dns-timeout", "700ms")
        .start();
    for ask in [get("http://silent.test/"), connect("silent.test:443")] {
        let response = proxy.ask(ask);
        assert_eq!(response.status, 504);
        let text = response.text();
        let words = "Timed out resolving remote hostname: lookup silent.test on ";
        assert!(text.starts_with(words), "which server was silent: {text}");
    }
    proxy.assert_serves();
}

fn a_second_resolver_takes_over() {
    let origin = Origin::fixed("in");
    for first in [Answer::Silence, Answer::Failure] {
        let first = Dns::start().answer("a.test", first);
        let second = Dns::start().name("a.test", &[PUBLIC]);
        let proxy = Setup::open().resolver(&first).resolver(&second).start();
        assert_eq!(proxy.ask(get(&origin.url_at("a.test", "/"))).text(), "in");
        assert!(first.asked("a.test") > 0);
    }
}

fn nonexistence_is_an_answer_and_needs_no_second_resolver() {
    let (first, second) = (Dns::start(), Dns::start().name("a.test", &[PUBLIC]));
    let proxy = Setup::open().resolver(&first).resolver(&second).start();
    assert_eq!(proxy.ask(connect("a.test:443")).status, 502);
    assert_eq!(second.asked("a.test"), 0);
}

fn truncated_answers_are_asked_again_over_tcp() {
    let origin = Origin::fixed("in");
    let dns = Dns::start().answer("big.test", Answer::Truncated(parse(&[PUBLIC])));
    let proxy = Setup::open().resolver(&dns).start();
    assert_eq!(proxy.ask(get(&origin.url_at("big.test", "/"))).text(), "in");
}

fn the_system_resolver_reads_hosts_and_asks_dns() {
    let dns = Dns::start_at(53)
        .name("system.test", &[PUBLIC])
        .name("inside.test", &["127.0.0.1"])
        .answer("silent.test", Answer::Silence);
    // Less than the second after which glibc gives up here.
    let setup = Setup::open().option("--dns-timeout", "500ms");
    let (proxy, origin) = (setup.start(), Origin::fixed("in"));
    assert_eq!(proxy.ask(get(&origin.url_at("public.test", "/"))).text(), "in");
    assert_eq!(proxy.ask(get(&origin.url_at("system.test", "/"))).text(), "in");
    assert!(dns.asked("system.test") > 0);
    assert_eq!(proxy.ask(get(&origin.url_at("inside.test", "/"))).status, 407);
    let denied = proxy.ask(get("http://localhost/"));
    assert!(
        denied.text().contains("Deny: Not Global Unicast"),
        "{}",
        denied.text()
    );
    assert_eq!(proxy.ask(get("http://gone.test/")).status, 502);
    let response = proxy.ask(get("http://silent.test/"));
    assert_eq!(response.status, 504);
    let (text, words) = (
        response.text(),
        "Timed out resolving remote hostname: lookup silent.test: i/o timeout",
    );
    assert!(text.starts_with(words), "{text}");
}

fn answers_are_cached_briefly() {
    let origin = Origin::fixed_at(PUBLIC_6, "in");
    let dns = Dns::start().name("a.test", &[PUBLIC_6]);
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--dns-cache-ttl", "0")
        .start();
    for _ in 0..3 {
        assert_eq!(proxy.ask(get(&origin.url_at("a.test", "/"))).text(), "in");
    }
    // Not fewer; more where an answer took the server two seconds.
    assert!(dns.asked("a.test") >= 6, "A and AAAA for each request");
}

fn questions_in_flight_are_shared() {
    let origin = Origin::fixed("in");
    let release = crate::support::origin::Signal::new();
    let held = release.clone();
    let dns = Dns::start().script("slow.test", move |_| {
        held.wait();
        Answer::Addresses(parse(&[PUBLIC]))
    });
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--dns-timeout", "60s")
        .start();
    let mut clients: Vec<_> = (0..20).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(get(&origin.url_at("slow.test", "/")));
    }
    // Who came behind them has its answer, so all of them have asked.
    proxy.assert_serves();
    release.raise();
    for client in &mut clients {
        assert_eq!(client.response().text(), "in");
    }
    // A and AAAA, and each once more if all that took longer than a server is waited for.
    assert!(
        dns.asked("slow.test") <= 4,
        "{} questions for one name",
        dns.asked("slow.test")
    );
}

fn cve_2026_33655_an_unresolved_host_is_not_dialled() {
    let dns = Dns::start().answer("nowhere.test", Answer::Failure);
    let proxy = Setup::open().resolver(&dns).start();
    assert_eq!(proxy.ask(connect("nowhere.test:443")).status, 502);
    let line = proxy.decision();
    assert_eq!(line.find("outbound_remote_addr").unwrap_or(""), "", "{line:?}");
}
