//! What a request costs ours as work grows: more connections, a longer ACL, larger heads, larger bodies. Prints a table
//! of the points and draws them into `benches/growth.svg`. The load is that of the `compare` bench, the cost the
//! scheduler's count of the proxy's time on its processor. Compares with nobody (that is `compare`).
//!
//! `cargo bench --bench growth`; `SMOKESCREEN_BIN` names another binary.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench says what it expects by failing, and prints what it found"
)]
#![allow(dead_code, unused_imports, reason = "most modules are those of another bench")]

#[path = "growth/chart.rs"]
mod chart;
#[path = "compare/client.rs"]
mod client;
#[path = "compare/generator/mod.rs"]
mod generator;
#[path = "compare/message.rs"]
mod message;
#[path = "compare/origin.rs"]
mod origin;
#[path = "compare/pattern.rs"]
mod pattern;
#[path = "compare/peers/mod.rs"]
mod peers;
#[path = "compare/priority.rs"]
mod priority;
#[path = "compare/process.rs"]
mod process;
#[path = "compare/socket.rs"]
mod socket;
#[path = "compare/tally.rs"]
mod tally;
#[path = "compare/usage.rs"]
mod usage;
#[path = "compare/work.rs"]
mod work;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use chart::Panel;
use generator::Generator;
use peers::Running;
use work::{Plan, Way, Work};

/// Clients that ask, one request after the other.
const ACTIVE: usize = 8;
const BODY_BYTES: usize = 1024;
const DURATION: Duration = Duration::from_millis(1500);
/// Thousands of tunnels have to be opened before the others are counted.
const WARM_UP: Duration = Duration::from_millis(2500);

const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/growth.svg");

fn main() {
    if std::env::var_os("CARGO").is_some() && !std::env::args().any(|argument| argument == "--bench") {
        println!("growth: takes a minute or two, so it is run by `cargo bench` only");
        return;
    }
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("it may be raised so far");
    let is_pinned = process::pin(process::GENERATOR);
    let _priority = priority::Priority::raise();
    let mut generator = Generator::new(is_pinned, Arc::new(AtomicBool::new(false)));
    let panels = [
        connections(&mut generator),
        domains(&mut generator),
        heads(&mut generator),
        bodies(&mut generator),
    ];
    for panel in &panels {
        println!("| {} | {} |\n|---|---|", panel.across, panel.up);
        for (x, y) in &panel.points {
            println!("| {x} | {y:.2} |");
        }
        println!();
    }
    std::fs::write(PICTURE, chart::svg(&panels)).expect("to write the picture");
}

/// Microseconds on the processor per unit of the work that is named first.
fn cost(
    generator: &mut Generator,
    running: &mut Running,
    groups: &[(Work, usize)],
    duration: Duration,
) -> f64 {
    let plan = Plan {
        groups: groups.to_vec(),
        arrivals: None,
        warm_up: WARM_UP,
        duration,
    };
    let meter = running.meter.as_mut().expect("ours is a process");
    meter.look_around();
    let origin = generator.origin(1);
    let outcome = generator.run(&running.way, origin, &plan, &mut || meter.usage());
    let tally = &outcome.tally;
    assert!(tally.errors == 0, "{:?}", tally.first_error);
    assert!(tally.units > 0, "nothing was done");
    let spent = outcome.after.cpu.saturating_sub(outcome.before.cpu);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let units = tally.units as f64;
    spent.as_secs_f64() * 1e6 / units
}

fn start(arguments: &[String]) -> Running {
    peers::ours_with(arguments).expect("ours to start")
}

fn get(clients: usize) -> (Work, usize) {
    (Work::Get { bytes: BODY_BYTES }, clients)
}

/// Idle tunnels beside eight clients that ask.
fn connections(generator: &mut Generator) -> Panel {
    let points = [10, 100, 1000, 8000].map(|count: u32| {
        let idle = count as usize - ACTIVE;
        let groups = [get(ACTIVE), (Work::Idle, idle)];
        (
            f64::from(count),
            cost(generator, &mut start(&[]), &groups, DURATION),
        )
    });
    Panel::new(
        "connections, all but 8 idle tunnels",
        "µs a GET of 1 KiB",
        &points,
    )
}

/// The host that is asked for stands last.
fn domains(generator: &mut Generator) -> Panel {
    let folder = tempfile::tempdir().expect("a folder");
    let points = [10, 100, 1000, 10_000, 100_000].map(|count: u32| {
        let mut acl = String::from(
            "version: v1\nservices:\n- name: authed\n  project: p\n  action: enforce\n  allowed_domains:\n",
        );
        for n in 1..count {
            writeln!(acl, "  - service-{n}.example.com").expect("a String takes everything");
        }
        writeln!(acl, "  - {}", generator.origin(1).ip()).expect("a String takes everything");
        let path = folder.path().join(count.to_string());
        std::fs::write(&path, acl).expect("a file");
        let arguments = ["--egress-acl-file".to_owned(), path.display().to_string()];
        let running = &mut start(&arguments);
        (
            f64::from(count),
            cost(generator, running, &[get(ACTIVE)], DURATION),
        )
    });
    Panel::new(
        "domains of the ACL, the last one asked for",
        "µs a GET of 1 KiB",
        &points,
    )
}

/// Fields of 200 bytes are added until the head has that length.
fn heads(generator: &mut Generator) -> Panel {
    let points = [200, 1024, 4096, 16 * 1024, 32 * 1024].map(|bytes: u32| {
        let mut running = start(&[]);
        let origin = generator.origin(1);
        let mut left = (bytes as usize).saturating_sub(running.way.get_head(origin).len());
        if let Way::Forward {
            authorization: Some(value),
            ..
        } = &mut running.way
        {
            for n in 100.. {
                let length = left.min(200);
                if length < 12 {
                    break;
                }
                write!(value, "\r\nX-F-{n}: {}", "v".repeat(length - 11)).expect("a String takes everything");
                left -= length;
            }
        }
        (
            f64::from(bytes),
            cost(generator, &mut running, &[get(ACTIVE)], DURATION),
        )
    });
    Panel::new("bytes of the request's head", "µs a GET of 1 KiB", &points)
}

/// Two clients; what a MiB costs, the request included.
fn bodies(generator: &mut Generator) -> Panel {
    let points = [10, 14, 18, 22, 26, 30].map(|exponent: u32| {
        let bytes = 1_usize << exponent;
        let duration = if exponent < 26 { DURATION } else { 4 * DURATION };
        let each = cost(generator, &mut start(&[]), &[(Work::Get { bytes }, 2)], duration);
        let bytes = f64::from(1_u32 << exponent);
        (bytes, each / bytes * f64::from(1 << 20))
    });
    Panel::new("bytes of the response's body", "µs a MiB", &points)
}
