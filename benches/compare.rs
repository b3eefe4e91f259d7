//! Ours side by side with other proxies and with what the kernel itself costs, on loopback: one table in Markdown.
//!
//! Every proxy is a process of its own, pinned to one processor; the load generator, clients and origin in one thread,
//! has another. They take turns, round after round, and the table shows medians. What counts is the processor time of
//! the proxy per unit of work, which is the scheduler's own count: it is right on a busy machine too, where rates and
//! times are not. Every answer is checked, and samples of all bytes are compared with what stands at their position, at
//! both ends; of TLS, what was agreed on. Measures no network, no DNS: names don't occur.
//!
//! `cargo bench --bench compare`; what can be set is in `compare/knobs.rs` and `compare/peers/ours.rs`.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench says what it expects by failing, and prints what it found"
)]

#[path = "compare/client.rs"]
mod client;
#[path = "compare/floor/mod.rs"]
mod floor;
#[path = "compare/generator/mod.rs"]
mod generator;
#[path = "compare/knobs.rs"]
mod knobs;
#[path = "compare/measure.rs"]
mod measure;
#[path = "compare/message.rs"]
mod message;
#[path = "compare/origin.rs"]
mod origin;
#[path = "compare/pattern.rs"]
mod pattern;
#[allow(dead_code, reason = "shared with the growth bench")]
#[path = "compare/peers/mod.rs"]
mod peers;
#[path = "../tests/pki/mod.rs"]
mod pki;
#[path = "compare/priority.rs"]
mod priority;
#[path = "compare/process.rs"]
mod process;
#[path = "compare/rows.rs"]
mod rows;
#[path = "compare/socket.rs"]
mod socket;
#[path = "compare/table.rs"]
mod table;
#[path = "compare/tally.rs"]
mod tally;
#[path = "compare/tls/mod.rs"]
mod tls;
#[path = "compare/usage.rs"]
mod usage;
#[path = "compare/work.rs"]
mod work;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use generator::Generator;
use knobs::Knobs;
use measure::{Figures, Subject};
use peers::{Peer, Running};
use rows::Row;
use tls::Credentials;

/// Whose figures those of the others are compared with where TLS is spoken: there is no floor for that.
const TLS_YARDSTICK: &str = "haproxy";

/// A proxy that takes part in a row, with its origin's address and what was measured.
struct Contestant<'p> {
    peer: &'p Peer,
    number: u8,
    running: Option<Running>,
    rounds: Vec<Figures>,
}

fn main() {
    floor::serve_if_asked();
    if std::env::var_os("CARGO").is_some() && !std::env::args().any(|argument| argument == "--bench") {
        println!("compare: takes minutes, so it is run by `cargo bench` only");
        return;
    }
    raise_descriptor_limit();
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).expect("a signal");
    }
    let mut remarks = Vec::new();
    let knobs = Knobs::read();
    peers::build_ours();
    let is_pinned = process::pin(process::GENERATOR);
    if !is_pinned {
        remarks.push("one processor: generator and proxies share it".to_owned());
    }
    let priority = priority::Priority::raise();
    if !priority.is_raised() {
        remarks.push("the priority could not be raised: what else ran shows in rates and times".to_owned());
    }
    let mut generator = Generator::new(is_pinned && !knobs.sleeps, interrupted);
    let peers: Vec<Peer> = peers::all(&mut remarks)
        .into_iter()
        .filter(|peer| knobs.wants_peer(&peer.name))
        .collect();
    remarks.extend(peers.iter().filter_map(Peer::version));
    println!("{}", table::head());
    for row in rows::all(&knobs).iter().filter(|row| knobs.wants_row(&row.name)) {
        compare(row, &peers, &mut generator, &knobs, &mut remarks);
    }
    println!();
    remarks.dedup();
    for remark in remarks {
        println!("- {remark}");
    }
}

/// All rounds of one row, and its lines of the table.
fn compare(row: &Row, peers: &[Peer], generator: &mut Generator, knobs: &Knobs, remarks: &mut Vec<String>) {
    let mut contestants = Vec::new();
    let credentials = row.tls.map(Credentials::new);
    for (peer, number) in peers.iter().zip(1..) {
        if !peer.takes_part(row.tls.is_some()) || row.is_about_memory() && !peer.is_proxy() {
            continue;
        }
        let mut contestant = Contestant {
            peer,
            number,
            running: None,
            rounds: Vec::new(),
        };
        if row.wants_fresh() || start(&mut contestant, credentials.as_ref(), generator, remarks) {
            contestants.push(contestant);
        }
    }
    for round in 0..knobs.rounds {
        for contestant in &mut contestants {
            eprintln!("{}, round {}: {}", row.name, round + 1, contestant.peer.name);
            if row.wants_fresh() && !start(contestant, credentials.as_ref(), generator, remarks) {
                continue;
            }
            let Some(running) = contestant.running.as_mut() else {
                continue;
            };
            let origin = generator.origin(contestant.number);
            let subject = Subject {
                peer: contestant.peer,
                origin,
                running,
            };
            contestant.rounds.push(row.measure(generator, subject, knobs));
            if row.wants_fresh() {
                contestant.running = None;
            }
        }
    }
    contestants.retain(|contestant| !contestant.rounds.is_empty());
    let yardstick = contestants
        .iter()
        .find(|contestant| row.tls.is_none() || contestant.peer.name == TLS_YARDSTICK)
        .and_then(|contestant| table::median(&contestant.rounds).key);
    for contestant in &contestants {
        let figures = table::median(&contestant.rounds);
        println!("{}", table::line(row, &contestant.peer.name, &figures, yardstick));
        if let Some(error) = figures.first_error {
            remarks.push(format!("{}, {}: {error}", contestant.peer.name, row.name));
        }
    }
}

/// Starts its proxy. One that does not start is left out.
fn start(
    contestant: &mut Contestant<'_>,
    credentials: Option<&Credentials>,
    generator: &Generator,
    remarks: &mut Vec<String>,
) -> bool {
    match contestant
        .peer
        .start(generator.origin(contestant.number), credentials)
    {
        Ok(running) => contestant.running = Some(running),
        Err(error) => remarks.push(format!("{}: {error}", contestant.peer.name)),
    }
    contestant.running.is_some()
}

/// Thousands of tunnels take as many descriptors, here and in the proxies, which inherit the limit.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .expect("it may be raised so far");
}
