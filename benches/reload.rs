//! Measures what a reload costs those who are served meanwhile: how long a GET on a kept-alive connection takes without
//! reloads, and while the proxy reads an ACL of 100,000 names twice a second, all of them other names each time.
//!
//! A request is due each millisecond, and its time counts from then: a proxy that stands still for 100 ms makes a hundred
//! requests late, not one. Does not measure how long the reload itself takes.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench says what it expects by failing, and prints what it found"
)]

#[path = "relay/client.rs"]
#[allow(dead_code, reason = "another bench needs the rest")]
mod client;
#[path = "relay/origin.rs"]
#[allow(dead_code, reason = "another bench needs the rest")]
mod origin;
#[path = "relay/proxy.rs"]
#[allow(dead_code, reason = "another bench needs the rest")]
mod proxy;

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use client::{Way, first_response};
use proxy::Proxy;

const NAMES: usize = 100_000;

/// How long each kind is measured, and how many times in turn.
const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: usize = 4;

const REQUEST_INTERVAL: Duration = Duration::from_millis(1);
const RELOAD_INTERVAL: Duration = Duration::from_millis(500);

fn acl(letter: char) -> String {
    let mut text =
        String::from("version: v1\nservices: []\ndefault: {project: p, action: open, allowed_domains: [\n");
    for number in 0..NAMES {
        writeln!(text, "  {letter}{number}.example.com,").expect("a string");
    }
    text + "]}\n"
}

/// Replaces the file and says so, all the time, until told to stop; gives how often.
fn reloads(proxy: &Proxy, path: &Path, stop: &AtomicBool) -> usize {
    let texts = [acl('a'), acl('b')];
    let mut count = 0;
    for text in texts.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let new = path.with_extension("new");
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(&new, path).expect("a file");
        proxy.reload();
        count += 1;
        thread::sleep(RELOAD_INTERVAL);
    }
    count
}

/// Asks at regular times, for one round; how late each answer was.
fn ask(stream: &mut TcpStream, head: &str, expected: &[u8], times: &mut Vec<Duration>) {
    let start = Instant::now();
    let mut response = vec![0; expected.len()];
    let mut due = start;
    while due < start + ROUND {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(head.as_bytes()).expect("to ask");
        stream.read_exact(&mut response).expect("a response");
        assert!(response == expected, "another response");
        times.push(due.elapsed());
        due += REQUEST_INTERVAL;
    }
}

fn say(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a few thousand times a share"
        )]
        let place = (times.len() as f64 * share) as usize;
        times[place.min(times.len() - 1)]
    };
    println!(
        "{what}: {} GETs, median {:?}, p99 {:?}, p99.9 {:?}, longest {:?}",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("acl.yaml");
    std::fs::write(&path, acl('b')).expect("a file");
    let origin = origin::spawn(origin::http);
    let proxy = Proxy::start(&[
        "--allow-missing-role",
        "--allow-range",
        "127.0.0.0/8",
        "--egress-acl-file",
        path.to_str().expect("a plain path"),
    ]);
    let way = Way::Through(proxy.address);
    let (mut stream, head) = (way.connect(origin), way.get(origin));
    let expected = first_response(&mut stream, &head, &origin::body());
    let (mut without, mut with, mut count) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        ask(&mut stream, &head, &expected, &mut without);
        let stop = AtomicBool::new(false);
        thread::scope(|threads| {
            let reloading = threads.spawn(|| reloads(&proxy, &path, &stop));
            ask(&mut stream, &head, &expected, &mut with);
            stop.store(true, Ordering::Relaxed);
            count += reloading.join().expect("the reloads");
        });
    }
    say("without reloads", without);
    say(&format!("with {count} reloads"), with);
}
