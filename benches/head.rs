//! Measures what a message head costs: five request heads as clients send them to a proxy, and three response heads,
//! each found, parsed, framed and written for the next hop.
//!
//! Does not measure reading from a socket, heads that arrive in pieces, the host (that is `ranges`), the policy (that
//! is `acl`), or bodies. Every head that comes out is compared with one made in the plainest way, inside the measured
//! time: that is a comparison of some hundred bytes.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a bench says what it expects by failing"
)]

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use smokescreen::http::framing::{self, Body};
use smokescreen::http::head::{self, Scan, Scanned};
use smokescreen::http::max_forwards::Forwards;
use smokescreen::http::rewrite::{self, RequestPlan, ResponsePlan};
use smokescreen::http::target::{self, Form};
use smokescreen::http::{HeadLimits, Version};

/// curl 8: `curl -x proxy http://example.com/`.
const CURL: &str = "\
    GET http://example.com/ HTTP/1.1\n\
    Host: example.com\n\
    Proxy-Authorization: Basic YW55OnNlY3JldA==\n\
    User-Agent: curl/8.5.0\n\
    Accept: */*\n\
    Proxy-Connection: Keep-Alive\n";

/// A navigation by Chrome behind a configured proxy.
const CHROME: &str = "\
    GET http://www.example.com/articles/2026/11/proxies?utm_source=newsletter&utm_medium=email HTTP/1.1\n\
    Host: www.example.com\n\
    Proxy-Connection: keep-alive\n\
    Proxy-Authorization: Basic YW55OnNlY3JldA==\n\
    Cache-Control: max-age=0\n\
    Upgrade-Insecure-Requests: 1\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
    application/signed-exchange;v=b3;q=0.7\n\
    Referer: http://www.example.com/\n\
    Accept-Encoding: gzip, deflate\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\n\
    Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark\n\
    If-None-Match: \"5f3c-62b1f0a9c4d80\"\n\
    If-Modified-Since: Thu, 19 Nov 2026 08:12:44 GMT\n";

/// What [`cookies`] replaces.
const COOKIES: &str = "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark";

/// Python's requests with a bearer token.
const REQUESTS: &str = "\
    GET http://api.example.com/v2/items?page=3&per_page=100 HTTP/1.1\n\
    Host: api.example.com\n\
    User-Agent: python-requests/2.32.3\n\
    Accept-Encoding: gzip, deflate, br\n\
    Accept: */*\n\
    Connection: keep-alive\n\
    Authorization: Bearer 0d9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f\n\
    Proxy-Authorization: Basic YW55OnNlY3JldA==\n";

/// A webhook's delivery, signed twice over.
const WEBHOOK: &str = "\
    POST http://hooks.example.com:8080/incoming/4711 HTTP/1.1\n\
    Host: hooks.example.com:8080\n\
    User-Agent: Acme-Hookshot/0a1b2c3\n\
    Content-Type: application/json\n\
    X-Smokescreen-Trace-ID: 4bf92f3577b34da6a3ce929d0e0e4736\n\
    X-Acme-Event: invoice.paid\n\
    X-Acme-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\n\
    X-Acme-Signature: t=1795368633,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd,\
    v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39\n\
    X-Hub-Signature-256: sha256=d57c68ca6f92289e6987922ff26938930f6e66a2d161ef06abdf1859230aa23c\n\
    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n\
    Accept-Encoding: gzip\n\
    Proxy-Authorization: Basic YW55OnNlY3JldA==\n\
    Connection: keep-alive, X-Acme-Attempt\n\
    X-Acme-Attempt: 1\n\
    Content-Length: 18231\n";

/// A static file from nginx.
const NGINX: &str = "\
    HTTP/1.1 200 OK\n\
    Server: nginx/1.26.3\n\
    Date: Sun, 22 Nov 2026 17:30:33 GMT\n\
    Content-Type: text/html\n\
    Last-Modified: Thu, 19 Nov 2026 08:12:44 GMT\n\
    Connection: keep-alive\n\
    ETag: \"673c4b1c-264\"\n\
    Accept-Ranges: bytes\n\
    Content-Length: 612\n";

/// A page that came through a content delivery network, with all its policies.
const NETWORK: &str = "\
    HTTP/1.1 200 OK\n\
    Date: Sun, 22 Nov 2026 17:30:33 GMT\n\
    Content-Type: text/html; charset=utf-8\n\
    Connection: keep-alive\n\
    Vary: Accept-Encoding, Cookie\n\
    Cache-Control: private, max-age=0, must-revalidate\n\
    Strict-Transport-Security: max-age=63072000; includeSubDomains; preload\n\
    Content-Security-Policy: default-src 'none'; base-uri 'self'; connect-src 'self' api.example.com; \
    font-src assets.example.com; form-action 'self'; frame-ancestors 'none'; img-src 'self' data: \
    assets.example.com; script-src assets.example.com; style-src 'unsafe-inline' assets.example.com\n\
    X-Content-Type-Options: nosniff\n\
    X-Frame-Options: deny\n\
    Referrer-Policy: strict-origin-when-cross-origin\n\
    Set-Cookie: session=8f14e45fceea167a5a36dedd4bea2543; path=/; expires=Mon, 22 Nov 2027 17:30:33 GMT; \
    HttpOnly; SameSite=Lax\n\
    Set-Cookie: seen=1; path=/; SameSite=Lax\n\
    Report-To: {\"endpoints\":[{\"url\":\"https://reports.example.com/v4?s=abcdef\"}],\"max_age\":604800}\n\
    Alt-Svc: h3=\":443\"; ma=86400\n\
    CF-RAY: 8e6c1a2b3c4d5e6f-AMS\n\
    Content-Encoding: gzip\n\
    Transfer-Encoding: chunked\n";

/// Nothing new.
const NOT_MODIFIED: &str = "\
    HTTP/1.1 304 Not Modified\n\
    Date: Sun, 22 Nov 2026 17:30:33 GMT\n\
    Connection: keep-alive\n\
    ETag: \"673c4b1c-264\"\n\
    Cache-Control: max-age=600\n";

/// Fields of the heads above that no next hop gets as they were sent.
const DROPPED: [&str; 8] = [
    "host",
    "connection",
    "proxy-connection",
    "proxy-authorization",
    "x-smokescreen-trace-id",
    "x-acme-attempt",
    "content-length",
    "transfer-encoding",
];

/// A browser that has collected cookies: a head of about 4 KiB.
fn cookies() -> String {
    let cookies: Vec<String> = (0..32)
        .map(|n| format!("_tracker_{n:02}=GA1.2.{:098}", 1_795_368_633_u64 * (n + 1)))
        .collect();
    CHROME.replace(COOKIES, &cookies.join("; "))
}

/// The head to expect: a first line, our fields, then those that are left over.
fn expected(first: &str, source: &str, framing: &[&str]) -> Vec<u8> {
    let kept = source.lines().skip(1).filter(|line| {
        let name = line.split(':').next().unwrap_or_default().to_lowercase();
        !DROPPED.contains(&name.as_str())
    });
    let lines = first.lines().chain(kept).chain(framing.iter().copied());
    lines
        .chain([""])
        .fold(String::new(), |head, line| head + line + "\r\n")
        .into_bytes()
}

fn on_the_wire(source: &str) -> Vec<u8> {
    (source.replace('\n', "\r\n") + "\r\n").into_bytes()
}

fn whole(scanned: Scanned, length: usize) {
    assert_eq!(scanned, Scanned::Head(length), "the end of the head");
}

/// All that happens to the bytes of a request's head.
fn forward_request(bytes: &[u8], host: &str, body: Body, out: &mut Vec<u8>) {
    let limits = HeadLimits::default();
    whole(Scan::request().advance(bytes, &limits), bytes.len());
    head::with_request(bytes, &limits, |parsed| {
        let head = parsed.expect("a head");
        let Ok(Form::Absolute { path_and_query, .. }) = target::form(&head) else {
            panic!("not in absolute form");
        };
        assert_eq!(framing::request_body(&head), Ok(body));
        let plan = RequestPlan {
            absolute: None,
            path_and_query,
            host,
            port: None,
            protocols: b"",
            forwards: Forwards::Unbounded,
            body,
        };
        rewrite::request(&head, &plan, out);
    });
}

/// All that happens to the bytes of a response's head.
fn forward_response(bytes: &[u8], body: Body, out: &mut Vec<u8>) {
    let limits = HeadLimits::default();
    whole(Scan::response().advance(bytes, &limits), bytes.len());
    head::with_response(bytes, &limits, |parsed| {
        let head = parsed.expect("a head");
        assert_eq!(framing::response_body(&head, false, false), Ok(body));
        let plan = ResponsePlan {
            version_client: Version::Http11,
            body,
            request_is_head: false,
            client_persists: true,
            upgrade: false,
        };
        rewrite::response(&head, &plan, out);
    });
}

fn requests(criterion: &mut Criterion) {
    let cookies = cookies();
    let article = "GET /articles/2026/11/proxies?utm_source=newsletter&utm_medium=email HTTP/1.1";
    let cases = [
        ("curl", CURL, "GET / HTTP/1.1", "example.com", Body::None),
        ("chrome", CHROME, article, "www.example.com", Body::None),
        (
            "requests",
            REQUESTS,
            "GET /v2/items?page=3&per_page=100 HTTP/1.1",
            "api.example.com",
            Body::None,
        ),
        (
            "webhook",
            WEBHOOK,
            "POST /incoming/4711 HTTP/1.1",
            "hooks.example.com:8080",
            Body::Length(18231),
        ),
        (
            "cookies",
            cookies.as_str(),
            article,
            "www.example.com",
            Body::None,
        ),
    ];
    let mut group = criterion.benchmark_group("head/request");
    for (name, source, first, host, body) in cases {
        let bytes = on_the_wire(source);
        let length = if body == Body::None {
            &[][..]
        } else {
            &["Content-Length: 18231"]
        };
        let expected = expected(&format!("{first}\nHost: {host}"), source, length);
        let mut out = Vec::with_capacity(8192);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                forward_request(black_box(&bytes), host, body, &mut out);
                assert!(out == expected, "{}", String::from_utf8_lossy(&out));
            });
        });
    }
    group.finish();
}

fn responses(criterion: &mut Criterion) {
    let cases = [
        ("nginx", NGINX, Body::Length(612), &["Content-Length: 612"][..]),
        ("network", NETWORK, Body::Chunked, &["Transfer-Encoding: chunked"]),
        ("not-modified", NOT_MODIFIED, Body::None, &[]),
    ];
    let mut group = criterion.benchmark_group("head/response");
    for (name, source, body, framing) in cases {
        let bytes = on_the_wire(source);
        let expected = expected(source.lines().next().unwrap_or_default(), source, framing);
        let mut out = Vec::with_capacity(8192);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                forward_response(black_box(&bytes), body, &mut out);
                assert!(out == expected, "{}", String::from_utf8_lossy(&out));
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = common::criterion();
    requests(&mut criterion);
    responses(&mut criterion);
    criterion.final_summary();
}
