//! What ours costs as work grows: more connections, a longer ACL, larger heads, larger bodies, more idle tunnels.
//! Prints tables in Markdown and draws `benches/growth.svg`. The load is that of the `compare` bench, the cost the
//! scheduler's own count of the proxy's time on its processor. Compares with no other proxy: that is `compare`; the
//! bare relay is there where the kernel's own cost grows.
//!
//! `cargo bench --bench growth`, some five minutes; `COMPARE_BIN` names another binary, `GROWTH_PANELS` some of the
//! panels (`clients,tunnels`; then no picture is drawn).
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench says what it expects by failing, and prints what it found"
)]

#[path = "growth/axis.rs"]
mod axis;
#[path = "growth/chart.rs"]
mod chart;
#[path = "compare/client.rs"]
mod client;
#[path = "growth/cost.rs"]
mod cost;
#[path = "growth/curves.rs"]
mod curves;
#[path = "compare/floor/mod.rs"]
mod floor;
#[allow(dead_code, reason = "shared with the compare bench")]
#[path = "compare/generator/mod.rs"]
mod generator;
#[path = "growth/idle.rs"]
mod idle;
#[path = "compare/message.rs"]
mod message;
#[path = "compare/origin.rs"]
mod origin;
#[path = "compare/pattern.rs"]
mod pattern;
#[allow(dead_code, reason = "shared with the compare bench")]
#[path = "compare/peers/mod.rs"]
mod peers;
#[path = "../tests/pki/mod.rs"]
mod pki;
#[path = "compare/priority.rs"]
mod priority;
#[path = "compare/process.rs"]
mod process;
#[path = "compare/socket.rs"]
mod socket;
#[allow(dead_code, reason = "shared with the compare bench")]
#[path = "compare/tally.rs"]
mod tally;
#[allow(dead_code, reason = "shared with the compare bench")]
#[path = "compare/tls/mod.rs"]
mod tls;
#[path = "compare/usage.rs"]
mod usage;
#[allow(dead_code, reason = "shared with the compare bench")]
#[path = "compare/work.rs"]
mod work;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use chart::Panel;
use cost::Bench;

const PICTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/growth.svg");

type Measure = fn(&mut Bench) -> Panel;

/// By what `GROWTH_PANELS` calls them.
const PANELS: [(&str, Measure); 6] = [
    ("clients", curves::clients),
    ("tunnels", curves::tunnels),
    ("domains", curves::domains),
    ("heads", curves::heads),
    ("bodies", curves::bodies),
    ("idle", idle::tunnels),
];

fn main() {
    floor::serve_if_asked();
    if std::env::var_os("CARGO").is_some() && !std::env::args().any(|argument| argument == "--bench") {
        println!("growth: takes minutes, so it is run by `cargo bench` only");
        return;
    }
    // Thousands of tunnels take as many descriptors, here and in the proxy, which inherits the limit.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("it may be raised so far");
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).expect("a signal");
    }
    peers::build_ours();
    let is_pinned = process::pin(process::GENERATOR);
    let priority = priority::Priority::raise();
    if !is_pinned || !priority.is_raised() {
        eprintln!("growth: without a processor of its own, or without priority, its figures are rough");
    }
    let mut bench = Bench::new(is_pinned, interrupted);
    let chosen = std::env::var("GROWTH_PANELS").ok();
    let is_chosen = |name: &str| {
        chosen
            .as_ref()
            .is_none_or(|names| names.split(',').any(|n| n == name))
    };
    let mut panels = Vec::new();
    for (name, panel) in PANELS.iter().filter(|(name, _)| is_chosen(name)) {
        eprintln!("growth: {name}");
        let panel = panel(&mut bench);
        println!("{}", table(&panel));
        panels.push(panel);
    }
    if panels.len() == PANELS.len() {
        std::fs::write(PICTURE, chart::svg(&panels)).expect("to write the picture");
    }
}

/// A panel's points, a line for each curve.
fn table(panel: &Panel) -> String {
    let mut lines = Vec::new();
    for curve in &panel.curves {
        if lines.is_empty() {
            let labels: Vec<&str> = curve.points.iter().map(|point| point.label.as_str()).collect();
            lines.push(format!(
                "| {}: {} | {} |",
                panel.across,
                panel.up,
                labels.join(" | ")
            ));
            lines.push(format!("|---|{}", "---|".repeat(labels.len())));
        }
        let costs: Vec<String> = curve.points.iter().map(|point| axis::short(point.y)).collect();
        lines.push(format!("| {} | {} |", curve.name, costs.join(" | ")));
    }
    lines.join("\n") + "\n"
}
