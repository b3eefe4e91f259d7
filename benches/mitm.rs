//! What intercepted tunnels cost, beside Squid's (`ssl_bump`) and HAProxy as the floor: that ends TLS and speaks it to the origin
//! likewise, but knows neither CONNECT nor policy, and has one certificate for all. Counted is the processor's time of the
//! proxy, by the scheduler, so that the generator's does not matter; medians of some rounds.
//!
//! `cargo bench --bench mitm`; `MITM_SQUID` names a Squid with OpenSSL, and beside it its `security_file_certgen`, `MITM_MITMDUMP` a
//! mitmproxy's `mitmdump`. Measures no latency and no crowds: `compare` does, of what is below.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench says what it expects by failing, and prints what it found"
)]

#[path = "mitm/lenient.rs"]
mod lenient;
#[path = "mitm/origin.rs"]
mod origin;
#[path = "mitm/peers.rs"]
mod peers;
#[path = "../tests/pki/mod.rs"]
mod pki;
#[allow(dead_code, reason = "compare needs the rest")]
#[path = "compare/process.rs"]
mod process;
#[allow(dead_code, reason = "compare needs the rest")]
#[path = "compare/usage.rs"]
mod usage;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use lenient::Lenient;
use origin::{Origin, hosts};
use peers::{House, Running};

const ROUNDS: usize = 3;

/// How long requests are made on connections that are kept, and by how many clients.
const GETS: Duration = Duration::from_secs(4);
const CLIENTS: usize = 16;

/// Tunnels to a host that is known, by the same.
const TUNNELS: usize = 800;

const BULK_BYTES: u64 = 64 << 20;
const BULKS: u64 = 8;

/// One client's connection, inside.
struct Inside(BufReader<StreamOwned<ClientConnection, TcpStream>>);

/// How clients get inside of whatever is measured.
struct Way {
    running: Running,
    port: u16,
    config: Arc<ClientConfig>,
}

impl Way {
    fn new(running: Running, port: u16, own: &str) -> Way {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(own.as_bytes()).expect("a certificate");
        roots.add(root).expect("a root");
        let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Lenient::new(roots)))
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Way {
            running,
            port,
            config: Arc::new(config),
        }
    }

    fn enter(&self, host: &str) -> Inside {
        let mut stream = TcpStream::connect(self.running.process.address).expect("the proxy");
        stream.set_nodelay(true).expect("a socket");
        if self.running.takes_connect {
            let authority = format!("{host}:{}", self.port);
            let connect = format!(
                "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{}\r\n",
                self.running.authorization
            );
            stream.write_all(connect.as_bytes()).expect("a CONNECT");
            let head = head(&mut stream);
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        }
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.config), name).expect("a client");
        Inside(BufReader::with_capacity(
            256 * 1024,
            StreamOwned::new(connection, stream),
        ))
    }

    /// The processor's time that this takes of the proxy, by unit, in seconds.
    fn cost(&mut self, work: impl FnOnce(&Way) -> u64) -> f64 {
        self.running.meter.look_around();
        let before = self.running.meter.usage().cpu;
        let units = work(self);
        // What follows an end is part of it.
        thread::sleep(Duration::from_millis(200));
        let used = self.running.meter.usage().cpu - before;
        used.as_secs_f64() / units as f64
    }
}

impl Inside {
    /// Asks for so many bytes, and takes them.
    fn get(&mut self, host: &str, bytes: u64) {
        let request = format!("GET /{bytes} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("a request");
        let (mut line, mut length) = (String::new(), None);
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("a head");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse::<u64>().ok();
            }
            match line.as_str() {
                "\r\n" => break,
                "" => panic!("an end in a head"),
                _ => {}
            }
        }
        assert_eq!(length, Some(bytes));
        let taken = std::io::copy(&mut self.0.by_ref().take(bytes), &mut std::io::sink());
        assert_eq!(taken.expect("a body"), bytes);
    }
}

/// Byte by byte, for what is behind it is another's.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer to a CONNECT");
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// All clients at once; how many units they did.
fn together(client: impl Fn() -> u64 + Sync) -> u64 {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(&client)).collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .sum()
    })
}

/// What the rows are, in the order in which they are measured: the first needs a proxy that knows no host yet.
const ROWS: [&str; 4] = [
    "tunnel to a new host, GET 1 KiB, close: ms",
    "tunnel to a known host, GET 1 KiB, close: ms",
    "GET 1 KiB, kept alive, 16 clients: µs",
    "GET 64 MiB, kept alive: s/GB",
];

fn measure(way: &mut Way, port: u16) -> [f64; 4] {
    let known = &hosts()[0];
    let authority = |host: &str| format!("{host}:{port}");
    let visit = |way: &Way, host: &str| way.enter(host).get(&authority(host), 1024);
    let new = way.cost(|way| {
        let hosts = hosts();
        hosts.iter().for_each(|host| visit(way, host));
        hosts.len() as u64
    });
    let again = way.cost(|way| {
        together(|| {
            let tunnels = TUNNELS / CLIENTS;
            (0..tunnels).for_each(|_| visit(way, known));
            tunnels as u64
        })
    });
    let get = way.cost(|way| {
        together(|| {
            let (mut inside, mut count, until) = (way.enter(known), 0, Instant::now() + GETS);
            while Instant::now() < until {
                inside.get(&authority(known), 1024);
                count += 1;
            }
            count
        })
    });
    let bulk = way.cost(|way| {
        let mut inside = way.enter(known);
        (0..BULKS).for_each(|_| inside.get(&authority(known), BULK_BYTES));
        BULKS * BULK_BYTES
    });
    [new * 1e3, again * 1e3, get * 1e6, bulk * 1e9]
}

fn main() {
    if std::env::var_os("CARGO").is_some() && !std::env::args().any(|argument| argument == "--bench") {
        println!("mitm: takes minutes, so it is run by `cargo bench` only");
        return;
    }
    peers::program();
    process::pin(process::GENERATOR);
    let house = House::new();
    let origin = Origin::start(&house.origins);
    println!(
        "| proxy | {} |\n|---|{}",
        ROWS.join(" | "),
        "---|".repeat(ROWS.len())
    );
    for (name, start) in peers::all() {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let running = start(&house, origin.port).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut way = Way::new(running, origin.port, &house.own.pem());
            rounds.push(measure(&mut way, origin.port));
        }
        let median = |row: usize| {
            let mut figures: Vec<f64> = rounds.iter().map(|round| round[row]).collect();
            figures.sort_by(f64::total_cmp);
            format!("{:.3}", figures[ROUNDS / 2])
        };
        let figures: Vec<String> = (0..ROWS.len()).map(median).collect();
        println!("| {name} | {} |", figures.join(" | "));
    }
}
