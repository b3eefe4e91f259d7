//! Counts what is allocated while the whole program, in this process, serves requests and tunnels over loopback: by
//! the loop and by the log's thread alike. Client and origin are threads that allocate nothing themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::alloc::System;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use smokescreen::config::{self, Start};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello";

/// `u:secret`.
const AUTHORIZATION: &str = "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n";

const WARM_UP: usize = 2_000;
const REQUESTS: usize = 1_000;
const TUNNELS: usize = 500;

/// Nothing is allocated per request; but a batch of log lines longer than all before makes their buffers grow.
const GROWTHS_MAX: usize = 8;

/// Allocations that a tunnel may cost, from accept to close line.
const PER_TUNNEL_MAX: usize = 6;

/// Reads until something ends so; gives the length, 0 at the end.
fn read_until(end: &[u8], stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut length = 0;
    while !buffer[..length].ends_with(end) {
        match stream.read(&mut buffer[length..]) {
            Ok(0) | Err(_) => return 0,
            Ok(n) => length += n,
        }
    }
    length
}

/// Answers requests, two connections at a time: one that waits in the proxy's pool, and a tunnel's.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let other = listener.try_clone().unwrap();
    for listener in [listener, other] {
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                stream.set_nodelay(true).unwrap();
                let mut buffer = [0; 2048];
                while read_until(b"\r\n\r\n", &mut stream, &mut buffer) > 0 {
                    stream.write_all(RESPONSE).unwrap();
                }
            }
        });
    }
    address
}

/// Starts the program on a thread with its log in a file; gives its address.
fn proxy(folder: &Path) -> SocketAddr {
    let log = folder.join("log");
    rustix::stdio::dup2_stderr(File::create(&log).unwrap()).unwrap();
    let arguments = [
        "--listen-ip=127.0.0.1",
        "--listen-port=0",
        "--allow-range=127.0.0.0/8",
        // What is counted takes no memory either.
        "--expose-prometheus-metrics",
        "--prometheus-listen-ip=127.0.0.1",
        "--prometheus-port=0",
        "--time-connect",
    ];
    let arguments: Vec<OsString> = arguments.map(OsString::from).into();
    let environment = [("PROXY_PASSWORD".into(), "secret".into())].into_iter().collect();
    let Start::Run(config) = config::from_process(&arguments, &environment).unwrap() else {
        panic!("nothing to run");
    };
    let (ready, started) = mpsc::channel();
    thread::spawn(move || {
        let (process, logger) =
            smokescreen::process::start(&config).unwrap_or_else(|error| panic!("{error:?}"));
        ready.send(logger.flush(Duration::from_secs(60))).unwrap();
        process.run()
    });
    assert!(started.recv().unwrap(), "the log is stuck");
    let log = std::fs::read_to_string(&log).unwrap();
    let (_, rest) = log.split_once("127.0.0.1:").expect("the start line");
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
}

/// How often something is allocated, or grows, while `work` is done.
fn allocations(work: impl FnOnce()) -> usize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.allocations + change.reallocations
}

fn requests(stream: &mut TcpStream, head: &[u8], expected: &mut Vec<u8>, count: usize) {
    let mut response = [0; 1024];
    for _ in 0..count {
        stream.write_all(head).unwrap();
        let length = read_until(b"hello", stream, &mut response);
        if expected.is_empty() {
            expected.extend_from_slice(&response[..length]);
        }
        assert_eq!(&response[..length], expected);
    }
}

fn tunnels(proxy: SocketAddr, connect: &[u8], request: &[u8], count: usize) {
    let mut buffer = [0; 1024];
    for _ in 0..count {
        let mut stream = TcpStream::connect(proxy).unwrap();
        stream.write_all(connect).unwrap();
        assert!(read_until(b"\r\n\r\n", &mut stream, &mut buffer) > 0);
        stream.write_all(request).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut length = 0;
        while let n @ 1.. = stream.read(&mut buffer[length..]).unwrap() {
            length += n;
        }
        assert_eq!(&buffer[..length], RESPONSE);
    }
}

#[test]
fn a_kept_alive_connection_allocates_nothing_per_request_and_a_tunnel_little() {
    let folder = tempfile::tempdir().unwrap();
    let (origin, proxy) = (origin(), proxy(folder.path()));
    let get = format!(
        "GET http://localhost:{}/x HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n{AUTHORIZATION}\r\n",
        origin.port()
    );
    let connect = format!("CONNECT {origin} HTTP/1.1\r\n{AUTHORIZATION}\r\n");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut expected = Vec::new();
    requests(&mut stream, get.as_bytes(), &mut expected, WARM_UP);
    let began = Instant::now();
    let per_requests = allocations(|| requests(&mut stream, get.as_bytes(), &mut expected, REQUESTS));
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "looked up again meanwhile"
    );
    drop(stream);

    tunnels(proxy, connect.as_bytes(), request, WARM_UP / 10);
    let per_tunnels = allocations(|| tunnels(proxy, connect.as_bytes(), request, TUNNELS));
    println!("{REQUESTS} requests: {per_requests} allocations, {TUNNELS} tunnels: {per_tunnels}");
    assert!(
        per_requests <= GROWTHS_MAX,
        "{per_requests} for {REQUESTS} requests"
    );
    assert!(
        per_tunnels <= TUNNELS * PER_TUNNEL_MAX,
        "{per_tunnels} for {TUNNELS} tunnels"
    );
}
