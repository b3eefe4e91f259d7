//! Counts the instructions that the program itself (not the kernel) spends on a request and on a tunnel, of one client and
//! of a crowd, with valgrind's callgrind, and holds them against `benches/instructions.txt`. Unlike times these figures
//! don't depend on what else the machine does, but for how often the loop turns; they do depend on the compiler, so a new
//! one may need a new baseline, and on whether the profile's counts fit (README.md, "The profile").
//!
//! Run by hand: `cargo bench --bench instructions`. It fails when a figure is more than 3 % above the baseline,
//! or has none;
//! `INSTRUCTIONS_WRITE=1` writes the baseline anew; the commit says why it changed.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench says what it expects by failing"
)]

#[allow(dead_code, reason = "shared with the relay bench")]
#[path = "relay/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the relay bench")]
#[path = "relay/origin.rs"]
mod origin;
#[allow(dead_code, reason = "shared with the relay bench")]
#[path = "relay/proxy.rs"]
mod proxy;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use client::Way;
use proxy::Proxy;

/// The difference between two runs is what this many more units cost: start and end cancel out.
const UNITS: [usize; 2] = [640, 2560];

/// A crowd: all of them have something to do in a turn of the loop.
const CROWD: usize = 64;

/// Above the baseline by more than this is a failure.
const EXCESS_MAX: f64 = 0.03;

/// Does so many units.
type Work = fn(Way, usize);

const _: () = assert!(UNITS[0].is_multiple_of(CROWD) && UNITS[1].is_multiple_of(CROWD));

/// By their names in the baseline, none the beginning of another's, and the options that they take.
const WORKS: [(&str, Work, &[&str]); 8] = [
    ("request, one client", requests::<1>, &[]),
    ("request, 64 clients", requests::<CROWD>, &[]),
    ("tunnel, one client", tunnels::<1>, &[]),
    ("tunnel, 64 clients", tunnels::<CROWD>, &[]),
    ("hello and tunnel, one client", hellos, &[]),
    (
        "counted request, one client",
        requests::<1>,
        &["--max-concurrent-requests", "1000"],
    ),
    (
        "rated request, one client",
        requests::<1>,
        &["--max-request-rate", "1000000"],
    ),
    (
        "counted tunnel, one client",
        tunnels::<1>,
        &["--max-concurrent-connect-tunnels", "1000"],
    ),
];

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

/// Full log, password, loopback allowed.
const ARGUMENTS: [&str; 2] = ["--allow-range", "127.0.0.0/8"];

/// GETs of 1 KiB on so many kept-alive connections: all ask, then all are answered.
fn requests<const CLIENTS: usize>(way: Way, count: usize) {
    let origin = origin::spawn(origin::http);
    let head = way.get(origin);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| way.connect(origin)).collect();
    let mut expected = Vec::new();
    for client in &mut clients {
        expected = client::first_response(client, &head, &origin::body());
    }
    let mut response = vec![0; expected.len()];
    for _ in 0..count / CLIENTS {
        for client in &mut clients {
            client.write_all(head.as_bytes()).expect("to ask");
        }
        for client in &mut clients {
            client.read_exact(&mut response).expect("a response");
            assert!(response == expected, "the response differs");
        }
    }
}

/// CONNECT, 1 KiB there and back, close; so many at a time.
fn tunnels<const CLIENTS: usize>(way: Way, count: usize) {
    carry::<CLIENTS>(&origin::pattern()[..1024], way, count);
}

/// The same of 1 KiB that begins with the TLS hello of a browser's size.
fn hellos(way: Way, count: usize) {
    let hello = include_bytes!("../tests/hellos/curl-address.bin");
    let rest = 1024 - hello.len();
    carry::<1>(&[hello, &origin::pattern()[..rest]].concat(), way, count);
}

fn carry<const CLIENTS: usize>(message: &[u8], way: Way, count: usize) {
    let origin = origin::spawn(origin::echo);
    for _ in 0..count / CLIENTS {
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| way.ask(origin)).collect();
        for client in &mut clients {
            way.open(client);
            client::send_last(client, message);
        }
        for client in clients {
            client::expect_last(client, message);
        }
    }
}

/// Instructions of a whole run.
fn count(folder: &Path, work: Work, options: &[&str], units: usize) -> u64 {
    let log = folder.join("log");
    let output = format!("--callgrind-out-file={}", folder.join("out").display());
    let log_file = format!("--log-file={}", log.display());
    let arguments = [&ARGUMENTS, options].concat();
    let proxy = Proxy::start_under(&["valgrind", "--tool=callgrind", &output, &log_file], &arguments);
    work(Way::Through(proxy.address), units);
    proxy.terminate();
    let text = std::fs::read_to_string(&log).expect("valgrind's log");
    let (_, collected) = text.split_once("Collected : ").expect("a sum");
    let digits: String = collected.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

fn per_unit(folder: &Path, work: Work, options: &[&str]) -> u64 {
    let [few, many] = UNITS;
    (count(folder, work, options, many) - count(folder, work, options, few)) / (many - few) as u64
}

fn baseline(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(BASELINE).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

fn main() -> ExitCode {
    let there = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !there.is_ok_and(|status| status.success()) {
        println!("skipped: no valgrind");
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (mut written, mut worse) = (String::new(), false);
    println!("| unit | instructions | baseline |\n|---|---|---|");
    for (name, work, options) in WORKS {
        let now = per_unit(folder.path(), work, options);
        let before = baseline(name);
        let shown = before.map_or_else(|| "none".to_owned(), |before| before.to_string());
        println!("| {name} | {now} | {shown} |");
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let exceeds = |before: u64| now as f64 > before as f64 * (1.0 + EXCESS_MAX);
        // What has no baseline is not held against anything.
        worse |= before.is_none_or(exceeds);
        writeln!(written, "{name} {now}").expect("a String takes everything");
    }
    if std::env::var_os("INSTRUCTIONS_WRITE").is_some() {
        std::fs::write(BASELINE, written).expect("the baseline");
        return ExitCode::SUCCESS;
    }
    ExitCode::from(u8::from(worse))
}
