//! Requests that two readers could take differently: each is refused, and no byte of it reaches an origin.

use crate::support::AT_ONCE;
use crate::support::case::cases;
use crate::support::message::{get, request};
use crate::support::origin::{Next, Origin};
use crate::support::proxy::Setup;
use crate::support::wire::End;

cases![
    cve_2026_31842_transfer_encoding_must_be_exactly_chunked,
    cve_2026_54387_length_and_coding_together_are_refused,
    cve_2026_54388_several_lengths_are_refused,
    rustsec_2021_0078_lengths_are_digits,
    cve_2026_3945_chunk_sizes_do_not_overflow,
    cve_2023_46846_chunk_extensions_and_spaces_cannot_smuggle,
    cve_2025_22871_bare_line_ends_are_refused,
    cve_2019_16276_no_space_before_the_colon,
    rustsec_2017_0002_no_line_end_in_a_value,
    folded_lines_are_refused,
    request_lines_are_strict,
    versions_are_known_ones,
    rustsec_2024_0332_http_2_is_not_spoken,
    several_hosts_are_refused,
    cve_2026_2835_http_1_0_with_a_transfer_coding_is_refused,
    bytes_that_are_no_http_are_refused_at_once,
    smuggled_prefixes_never_reach_the_origin,
    cve_2023_29406_hosts_with_spaces_or_slashes,
    empty_lines_before_a_request_are_tolerated,
    cve_2025_62168_nothing_is_echoed_but_the_host,
];

/// Sends each message, followed by a request that only a confused reader would find, and expects 400 and the end.
#[track_caller]
fn assert_refused(messages: impl IntoIterator<Item = (String, Vec<u8>)>) {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("smuggled"));
    let url = origin.url("/");
    for (name, message) in messages {
        let message = replace(&message, b"{URL}", url.as_bytes());
        let message = replace(&message, b"{HOST}", origin.authority().as_bytes());
        let mut client = proxy.client();
        let _ = client.try_send([message.as_slice(), get(&origin.url("/smuggled")).as_bytes()].concat());
        let response = client
            .try_response("POST")
            .unwrap_or_else(|end| panic!("{name}: {end:?}"));
        assert_eq!(response.status, 400, "{name}: {response:?}");
        assert!(response.closes() && response.whole, "{name}: {response:?}");
        let (rest, end) = client.drain();
        assert_eq!((rest.len(), end), (0, End::Eof), "{name}");
    }
    assert_eq!(origin.requests().len(), 0, "a refused request reached the origin");
    assert!(origin.take_complaints().is_empty());
    proxy.assert_serves();
}

fn replace(text: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(by);
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// POSTs with these header lines and this body.
fn posts(table: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let message = |lines: &str, body: &str| {
        format!("POST {{URL}} HTTP/1.1\r\nHost: {{HOST}}\r\n{lines}\r\n{body}").into_bytes()
    };
    table
        .iter()
        .map(|(lines, body)| (format!("{lines:?} {body:?}"), message(lines, body)))
        .collect()
}

fn cve_2026_31842_transfer_encoding_must_be_exactly_chunked() {
    let codings = [
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked, identity",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        "\"chunked\"",
        "",
        ",chunked",
        "chunked,",
        "\tx",
        "chunk",
        "chunked\u{b}",
        "c h u n k e d",
    ];
    let lines: Vec<String> = codings
        .iter()
        .map(|coding| format!("Transfer-Encoding: {coding}\r\n"))
        .collect();
    let table: Vec<(&str, &str)> = lines.iter().map(|line| (line.as_str(), "0\r\n\r\n")).collect();
    assert_refused(posts(&table));
    assert_refused(posts(&[
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        ),
        (
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        ),
    ]));
    // Another case is another spelling of the same coding, or refused; never forwarded as it stands.
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let response = proxy
        .ask(request("POST", &origin.url("/"), "Transfer-Encoding: Chunked\r\n") + "1\r\nx\r\n0\r\n\r\n");
    match response.status {
        200 => assert_eq!(origin.last().fields.all("transfer-encoding"), ["chunked"]),
        status => assert_eq!((status, origin.accepted()), (400, 0)),
    }
}

fn cve_2026_54387_length_and_coding_together_are_refused() {
    assert_refused(posts(&[
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", "hello"),
        ("content-length: 5\r\ntransfer-encoding: CHUNKED\r\n", "0\r\n\r\n"),
    ]));
}

fn cve_2026_54388_several_lengths_are_refused() {
    assert_refused(posts(&[
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        ("Content-Length: 5, 5\r\n", "hello"),
        ("Content-Length: 5, 6\r\n", "hello!"),
        ("Content-Length: 0\r\ncontent-length: 5\r\n", "hello"),
    ]));
}

/// Also RUSTSEC-2021-0079 (overflow) and hyper's `+3`.
fn rustsec_2021_0078_lengths_are_digits() {
    let values = [
        "+3",
        "-3",
        "0x3",
        "3 ",
        "3a",
        "",
        "3.0",
        "1e1",
        "18446744073709551616",
        "18446744073709551619",
        "99999999999999999999",
        "3;",
        "\"3\"",
        "３",
        "1 2",
        "1_0",
    ];
    let lines: Vec<String> = values
        .iter()
        .filter(|value| **value != "3 ")
        .map(|value| format!("Content-Length: {value}\r\n"))
        .collect();
    let table: Vec<(&str, &str)> = lines.iter().map(|line| (line.as_str(), "abc")).collect();
    assert_refused(posts(&table));
}

/// The head is good, so the exchange may have begun: what matters is that the body never becomes whole and that
/// nothing behind it is taken for a request.
#[track_caller]
fn assert_never_whole(bodies: &[&str]) {
    let (proxy, origin) = (
        Setup::open().start(),
        Origin::http(|_, wire| {
            let _ = wire.try_send(crate::support::message::ok("whole"));
            Next::Keep
        }),
    );
    for body in bodies {
        let mut client = proxy.client();
        let _ = client.try_send(
            request("POST", &origin.url("/"), "Transfer-Encoding: chunked\r\n")
                + body
                + &get(&origin.url("/smuggled")),
        );
        match client.try_response("POST") {
            Ok(response) => assert_eq!(response.status, 400, "{body:?}: {response:?}"),
            Err(end) => assert_ne!(end, End::Silence, "{body:?}"),
        }
        let (rest, end) = client.drain();
        assert!(
            rest.is_empty() && end != End::Silence,
            "{body:?}: {end:?} {:?}",
            String::from_utf8_lossy(&rest)
        );
    }
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());
    // Whatever part was forwarded was cut, not malformed.
    assert_eq!(origin.take_complaints(), Vec::<String>::new());
    proxy.assert_serves();
}

fn cve_2026_3945_chunk_sizes_do_not_overflow() {
    assert_never_whole(&[
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "10000000000000000\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "00000000000000000000000000000000000000000000000003\r\nabc\r\n0\r\n\r\n",
        "100000003 \r\nabc\r\n0\r\n\r\n",
    ]);
}

/// Also CVE-2019-18678 and llhttp's kin. An extension may be dropped, but never half-read.
fn cve_2023_46846_chunk_extensions_and_spaces_cannot_smuggle() {
    assert_never_whole(&[
        "3 \r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "\t3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "3g\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        ";x\r\nabc\r\n0\r\n\r\n",
        "3;x\nabc\r\n0\r\n\r\n",
        "3;x\ry\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r0\r\n\r\n",
        "3\r\rabc\r\n0\r\n\r\n",
        "3\u{0}\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\nX: y\r\n\r\n",
    ]);
    // A huge extension on every chunk is memory and time for nothing.
    let huge = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(300_000));
    assert_never_whole(&[&huge]);
}

fn cve_2025_22871_bare_line_ends_are_refused() {
    let raw = [
        "POST {URL} HTTP/1.1\nHost: {HOST}\r\n\r\n",
        "POST {URL} HTTP/1.1\r\nHost: {HOST}\n\r\n",
        "POST {URL} HTTP/1.1\r\nHost: {HOST}\r\nX: y\n\r\n",
        "POST {URL} HTTP/1.1\r\nHost: {HOST}\r\nX: y\nContent-Length: 4\r\n\r\nbody",
        "POST {URL} HTTP/1.1\r\nHost: {HOST}\r\nX: y\rContent-Length: 4\r\n\r\nbody",
        "POST {URL} HTTP/1.1\r\nHost: {HOST}\r\nX: y\r\r\n\r\n",
        "POST {URL} HTTP/1.1\r\nHost: {HOST}\r\nX: y\n\n",
        "POST {URL} HTTP/1.1\r\nHost: {HOST}\r\n\n",
        "POST {URL} HTTP/1.1\rHost: {HOST}\r\n\r\n",
        "POST {URL} HTTP/1.1\r\r\nHost: {HOST}\r\n\r\n",
    ];
    assert_refused(
        raw.iter()
            .map(|text| (format!("{text:?}"), text.as_bytes().to_vec())),
    );
}

/// Also squid's and tinyproxy's. A space in a name hides the field from one of two readers.
fn cve_2019_16276_no_space_before_the_colon() {
    assert_refused(posts(&[
        ("Content-Length : 4\r\n", "body"),
        ("Content-Length\t: 4\r\n", "body"),
        (" Content-Length: 4\r\n", "body"),
        ("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        ("X Y: z\r\n", ""),
        (": empty\r\n", ""),
        ("no colon\r\n", ""),
        ("X(y): z\r\n", ""),
        ("X\u{e9}: z\r\n", ""),
        ("X[]: z\r\n", ""),
        ("X,Y: z\r\n", ""),
        ("X\"y: z\r\n", ""),
    ]));
}

fn rustsec_2017_0002_no_line_end_in_a_value() {
    let bytes: [&[u8]; 6] = [
        b"X: a\0b\r\n",
        b"X\0: a\r\n",
        b"X: a\x01b\r\n",
        b"X: a\x7fb\r\n",
        b"X: a\x1bb\r\n",
        b"X: a\x0bb\r\n",
    ];
    assert_refused(bytes.iter().map(|line| {
        let message = [
            b"GET {URL} HTTP/1.1\r\nHost: {HOST}\r\n".as_slice(),
            line,
            b"\r\n",
        ]
        .concat();
        (format!("{:?}", String::from_utf8_lossy(line)), message)
    }));
}

fn folded_lines_are_refused() {
    assert_refused(posts(&[
        ("X: a\r\n b\r\n", ""),
        ("X: a\r\n\tb\r\n", ""),
        ("X: a\r\n Content-Length: 4\r\n", "body"),
        ("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"),
        ("X:\r\n \r\n", ""),
    ]));
    let first = "GET {URL} HTTP/1.1\r\n Host: {HOST}\r\n\r\n";
    assert_refused([("a folded first line".to_owned(), first.as_bytes().to_vec())]);
}

fn request_lines_are_strict() {
    let lines = [
        "GET  {URL} HTTP/1.1",
        "GET {URL}  HTTP/1.1",
        "GET {URL} HTTP/1.1 ",
        " GET {URL} HTTP/1.1",
        "GET\t{URL} HTTP/1.1",
        "GET {URL}\tHTTP/1.1",
        "GET {URL}",
        "GET {URL} ",
        "GET",
        "GET  HTTP/1.1",
        "G(T {URL} HTTP/1.1",
        "G\u{e9}T {URL} HTTP/1.1",
        "GET {URL}\u{0} HTTP/1.1",
        "GET {URL}\u{1} HTTP/1.1",
        "GET {URL} x HTTP/1.1",
        "GET / HTTP/1.1",
        "GET * HTTP/1.1",
        "GET {HOST} HTTP/1.1",
        "CONNECT {URL} HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "CONNECT * HTTP/1.1",
        "CONNECT {HOST}/ HTTP/1.1",
        "CONNECT x@{HOST} HTTP/1.1",
    ];
    assert_refused(lines.iter().map(|line| {
        (
            format!("{line:?}"),
            format!("{line}\r\nHost: {{HOST}}\r\n\r\n").into_bytes(),
        )
    }));
}

fn versions_are_known_ones() {
    let versions = [
        "HTTP/2.0",
        "HTTP/1.2",
        "HTTP/0.9",
        "HTTP/1.10",
        "HTTP/11",
        "HTTP/1",
        "HTTP/1.",
        "http/1.1",
        "HTTP/ 1.1",
        "HTTP/1.1x",
        "HTTP/01.1",
        "HTTPS/1.1",
        "HTTP/3",
        "ICY/1.1",
        "HTTP/1,1",
    ];
    assert_refused(versions.iter().map(|version| {
        (
            (*version).to_owned(),
            format!("GET {{URL}} {version}\r\nHost: {{HOST}}\r\n\r\n").into_bytes(),
        )
    }));
}

/// Also CVE-2023-44487 and its kin: what is not spoken cannot be flooded with resets.
fn rustsec_2024_0332_http_2_is_not_spoken() {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_refused([("HTTP/2 preface".to_owned(), preface.as_bytes().to_vec())]);
}

/// RFC 9112, 3.2: several are refused even though the target decides. None is tolerated: nothing is ambiguous then.
fn several_hosts_are_refused() {
    let raw = [
        "GET {URL} HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n",
        "GET {URL} HTTP/1.1\r\nHost: {HOST}\r\nhost: evil.test\r\n\r\n",
    ];
    assert_refused(
        raw.iter()
            .map(|text| (format!("{text:?}"), text.as_bytes().to_vec())),
    );
}

fn cve_2026_2835_http_1_0_with_a_transfer_coding_is_refused() {
    let raw = "POST {URL} HTTP/1.0\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_refused([(raw.to_owned(), raw.as_bytes().to_vec())]);
}

/// The peer speaks first and then waits: it must not have to wait for a timeout.
fn bytes_that_are_no_http_are_refused_at_once() {
    let proxy = Setup::open().option("--read-header-timeout", "300s").start();
    for banner in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x05\x01\x00",
        b"EHLO mail.test\r\n",
        b"\0\0\0\0",
        b"{\"json\": true}\n",
        b"HELP\r\n",
    ] {
        let mut client = proxy.client();
        client.send(banner);
        let start = std::time::Instant::now();
        let response = client.response();
        assert_eq!(response.status, 400, "{:?}", String::from_utf8_lossy(banner));
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
        client.expect_gone();
    }
    proxy.assert_serves();
}

/// The classic pairs (CL.TE, TE.CL, TE.TE): the inner request must reach nobody.
fn smuggled_prefixes_never_reach_the_origin() {
    let inner = "GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n";
    let cl_te = format!(
        "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
        inner.len() + 5
    );
    let bodies = format!("0\r\n\r\n{inner}");
    assert_refused(posts(&[
        (&cl_te, &bodies),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
            &format!("5c\r\n{inner}\r\n0\r\n\r\n"),
        ),
        ("Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n", &bodies),
        ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", &bodies),
        ("Transfer-Encoding:\u{b}chunked\r\n", &bodies),
        ("X: y\nTransfer-Encoding: chunked\r\n", &bodies),
    ]));
}

fn cve_2023_29406_hosts_with_spaces_or_slashes() {
    let raw = [
        "a b", "a/b", "a\\b", "a?b", "a#b", "a@b", "a,b", "<x>", "a:b", "a:70000", "a\u{0}b",
    ];
    let messages: Vec<(String, Vec<u8>)> = raw
        .iter()
        .map(|host| {
            (
                format!("{host:?}"),
                format!("GET {{URL}} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes(),
            )
        })
        .collect();
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    for (name, message) in messages {
        let message = replace(&message, b"{URL}", origin.url("/").as_bytes());
        let response = proxy.ask(message);
        // Refused, or replaced by the target's authority; never passed on.
        assert!(matches!(response.status, 200 | 400), "{name}: {response:?}");
        if response.status == 200 {
            assert_eq!(origin.last().fields.all("host"), [origin.authority()], "{name}");
        }
    }
}

/// RFC 9112, 2.2: some clients send an empty line behind a body.
fn empty_lines_before_a_request_are_tolerated() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    client.send(
        request("POST", &origin.url("/"), "Content-Length: 4\r\n") + "body\r\n" + &get(&origin.url("/next")),
    );
    assert_eq!(client.response().status, 200);
    match client.try_response("GET") {
        Ok(response) => assert!(matches!(response.status, 200 | 400), "{response:?}"),
        Err(end) => assert_ne!(end, End::Silence),
    }
}

/// Squid's error page repeated the request's Authorization.
fn cve_2025_62168_nothing_is_echoed_but_the_host() {
    let proxy = Setup::open().start();
    let secret = "hunter2-echo";
    for message in [
        request(
            "GET",
            "http://10.0.0.1/path-hunter2-echo?q=hunter2-echo",
            "Authorization: Bearer hunter2-echo\r\nCookie: hunter2-echo\r\nX-hunter2-echo: 1\r\n",
        ),
        "GET /hunter2-echo HTTP/1.1\r\nHost: x\r\nCookie: hunter2-echo\r\n\r\n".to_owned(),
        "hunter2-echo http://10.0.0.1/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET http://10.0.0.1/ hunter2-echo\r\nHost: x\r\n\r\n".to_owned(),
        "GET http://10.0.0.1/ HTTP/1.1\r\nhunter2-echo : 1\r\n\r\n".to_owned(),
        request("POST", "http://10.0.0.1/", "Transfer-Encoding: hunter2-echo\r\n"),
    ] {
        let mut client = proxy.client();
        client.send(&message);
        client.half_close();
        let (bytes, _) = client.drain();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(
            text.starts_with("HTTP/1.1 4") && !text.contains(secret),
            "{message:?}: {text}"
        );
    }
    proxy.settle_log();
    let log = proxy.log().join("\n");
    assert!(!log.contains(secret), "{log}");
}
