//! Measures the whole program over loopback: bytes per second through a tunnel, tunnels per second, requests per
//! second on kept-alive connections, and the time from exec to listening.
//!
//! The proxy is the binary that ships (the bench profile is the release profile), a process of its own with the
//! default log level, its lines read and thrown away. Client and origin are threads of this process on the same
//! processors, so these are figures of three programs and the kernel, not of the proxy alone; `direct` is the same
//! client and origin without the proxy between. Does not measure a network, TLS, DNS, or memory. Every byte that
//! comes back is compared, inside the measured time.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a bench says what it expects by failing"
)]

#[path = "relay/client.rs"]
mod client;
#[path = "relay/origin.rs"]
mod origin;
#[path = "relay/proxy.rs"]
mod proxy;

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};

use client::Way;
use proxy::Proxy;

/// Clients at a time where it says so.
const CLIENTS: usize = 8;
/// What each of them does in one round; a round starts its threads anew, which must not show.
const TUNNELS_PER_ROUND: usize = 64;
const REQUESTS_PER_ROUND: usize = 256;

/// Clients need no password and loopback is allowed: there is nothing else here to go to.
const OPEN: [&str; 3] = ["--allow-missing-role", "--allow-range", "127.0.0.0/8"];

fn group<'c>(criterion: &'c mut Criterion, name: &str, elements: Throughput) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(elements)
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    group
}

/// 64 MiB from the origin to the client, through one tunnel.
fn throughput(criterion: &mut Criterion) {
    let (origin, proxy) = (origin::spawn(origin::bulk), Proxy::start(&OPEN));
    let bytes = Throughput::Bytes(origin::BULK_BYTES as u64);
    let mut group = group(criterion, "relay/tunnel-64-MiB", bytes);
    for way in [Way::Direct, Way::Through(proxy.address)] {
        let (mut stream, pattern) = (way.tunnel(origin), origin::pattern());
        let mut buffer = vec![0; 256 * 1024];
        group.bench_function(way.to_string(), |bencher| {
            bencher.iter(|| {
                stream.write_all(b"!").expect("to ask");
                let mut received = 0;
                while received < origin::BULK_BYTES {
                    let length = stream.read(&mut buffer).expect("bytes");
                    assert!(length > 0, "the end after {received} bytes");
                    origin::check(&pattern, received, &buffer[..length]);
                    received += length;
                }
                assert_eq!(received, origin::BULK_BYTES);
            });
        });
    }
    group.finish();
}

fn tunnels(criterion: &mut Criterion) {
    let (origin, proxy) = (origin::spawn(origin::echo), Proxy::start(&OPEN));
    let ways = [Way::Direct, Way::Through(proxy.address)];
    let message = &origin::pattern()[..1024];
    let mut one = group(criterion, "relay/tunnels/1-client", Throughput::Elements(1));
    for way in ways {
        one.bench_function(way.to_string(), |bencher| {
            bencher.iter(|| way.echo(origin, black_box(message)));
        });
    }
    one.finish();
    let round = Throughput::Elements((CLIENTS * TUNNELS_PER_ROUND) as u64);
    let mut many = group(criterion, "relay/tunnels/8-clients", round);
    for way in ways {
        many.bench_function(way.to_string(), |bencher| {
            bencher.iter(|| {
                let client = || (0..TUNNELS_PER_ROUND).for_each(|_| way.echo(origin, message));
                thread::scope(|scope| (0..CLIENTS).for_each(|_| _ = scope.spawn(client)));
            });
        });
    }
    many.finish();
}

/// One GET with a response of 1 KiB; `expected` is the whole response.
fn request(stream: &mut TcpStream, head: &str, expected: &[u8]) {
    stream.write_all(head.as_bytes()).expect("to ask");
    let mut response = [0; 2048];
    let response = &mut response[..expected.len()];
    stream.read_exact(response).expect("a response");
    assert!(response == expected, "the response differs");
}

fn requests(criterion: &mut Criterion) {
    let (origin, proxy) = (origin::spawn(origin::http), Proxy::start(&OPEN));
    let ways = [Way::Direct, Way::Through(proxy.address)];
    let mut one = group(criterion, "relay/requests/1-client", Throughput::Elements(1));
    for way in ways {
        let (mut stream, head) = (way.connect(origin), way.get(origin));
        let expected = client::first_response(&mut stream, &head, &origin::body());
        one.bench_function(way.to_string(), |bencher| {
            bencher.iter(|| request(&mut stream, &head, &expected));
        });
    }
    one.finish();
    let round = Throughput::Elements((CLIENTS * REQUESTS_PER_ROUND) as u64);
    let mut many = group(criterion, "relay/requests/8-clients", round);
    for way in ways {
        let (mut streams, head) = ([(); CLIENTS].map(|()| way.connect(origin)), way.get(origin));
        let expected = client::first_response(&mut streams[0], &head, &origin::body());
        many.bench_function(way.to_string(), |bencher| {
            bencher.iter(|| {
                thread::scope(|scope| {
                    for stream in &mut streams {
                        scope.spawn(|| {
                            (0..REQUESTS_PER_ROUND).for_each(|_| request(stream, &head, &expected));
                        });
                    }
                });
            });
        });
    }
    many.finish();
}

/// From before the fork to the line that says where it listens; then a connection must succeed.
fn start(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("acl.yaml");
    let mut acl =
        String::from("version: v1\nservices:\n- name: authed\n  project: users\n  action: enforce\n");
    acl.push_str("  allowed_domains:\n");
    for n in 0..10_000 {
        writeln!(acl, "  - service-{n}.example.com").expect("a String takes everything");
    }
    std::fs::write(&path, acl).expect("a file");
    let path = path.to_str().expect("a plain path");
    let cases = [
        ("no-acl", vec!["--allow-missing-role"]),
        (
            "acl-of-10000-domains",
            vec!["--allow-missing-role", "--egress-acl-file", path],
        ),
    ];
    let mut group = criterion.benchmark_group("relay/exec-to-listening");
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
    for (name, arguments) in cases {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                let once = |_| {
                    let proxy = Proxy::start(&arguments);
                    TcpStream::connect(proxy.address).expect("a listener");
                    proxy.listening_after
                };
                (0..count).map(once).sum()
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    throughput(&mut criterion);
    tunnels(&mut criterion);
    requests(&mut criterion);
    start(&mut criterion);
    criterion.final_summary();
}
