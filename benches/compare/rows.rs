//! The rows of the table: what is done, and which of the figures it is about. Starts nothing.

use std::time::Duration;

use crate::generator::{Generator, Outcome};
use crate::knobs::Knobs;
use crate::peers::{Peer, Running};
use crate::usage::Usage;
use crate::work::{Plan, Work};

use std::net::SocketAddr;

/// Figures of one measurement. What a row has no use for is not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Units, or GB, a second.
    pub(crate) rate: Option<f64>,
    /// Seconds.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// Seconds on the processor per unit, or per GB.
    pub(crate) cpu: Option<f64>,
    /// Bytes; what they are is the row's.
    pub(crate) memory: Vec<f64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// What is compared with the first row's.
    pub(crate) key: Option<f64>,
}

/// Which figure a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Cpu,
    P99,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Unit,
    Gigabyte,
}

/// What a row does.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Load for a while.
    Load {
        groups: Vec<(Work, usize)>,
        arrivals: Option<f64>,
        unit: Unit,
        key: Key,
    },
}

/// A row for each proxy.
pub(crate) struct Row {
    /// For `COMPARE_ROWS`.
    pub(crate) name: &'static str,
    /// As it stands in the table.
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
}

fn load(name: &'static str, title: &'static str, work: Work, clients: usize) -> Row {
    let unit = match work {
        Work::Download | Work::Both => Unit::Gigabyte,
        _ => Unit::Unit,
    };
    let kind = Kind::Load {
        groups: vec![(work, clients)],
        arrivals: None,
        unit,
        key: Key::Cpu,
    };
    Row { name, title, kind }
}

/// All of them, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    vec![
        load(
            "get-1k",
            "GET 1 KiB, kept alive, 8 clients",
            Work::Get { bytes: 1024 },
            8,
        ),
        load(
            "get-1m",
            "GET 1 MiB, kept alive, 2 clients",
            Work::Get { bytes: 1 << 20 },
            2,
        ),
        load("connect", "CONNECT + 1 KiB + close, 8 clients", Work::Exchange, 8),
        load(
            "bulk-one-way",
            "tunnel, bulk one way, 1 tunnel",
            Work::Download,
            1,
        ),
        load(
            "bulk-both-ways",
            "tunnel, bulk both ways, 1 tunnel",
            Work::Both,
            1,
        ),
        load(
            "ping-pong-1",
            "tunnel, 64 B ping-pong, 1 tunnel",
            Work::PingPong,
            1,
        ),
        load(
            "ping-pong-16",
            "tunnel, 64 B ping-pong, 16 tunnels",
            Work::PingPong,
            16,
        ),
    ]
}

/// Whom a row is measured with.
pub(crate) struct Subject<'s> {
    pub(crate) peer: &'s Peer,
    pub(crate) origin: SocketAddr,
    pub(crate) running: &'s mut Running,
}

impl Row {
    /// Whether every measurement needs a proxy that has done nothing yet.
    pub(crate) fn wants_fresh(&self) -> bool {
        match self.kind {
            Kind::Load { .. } => false,
        }
    }

    /// One measurement.
    pub(crate) fn measure(&self, generator: &mut Generator, subject: Subject<'_>, knobs: &Knobs) -> Figures {
        match &self.kind {
            Kind::Load {
                groups,
                arrivals,
                unit,
                key,
            } => {
                let plan = Plan {
                    groups: groups.clone(),
                    arrivals: *arrivals,
                    warm_up: knobs.measure.mul_f64(0.2),
                    duration: knobs.measure,
                };
                let outcome = run(generator, subject, &plan);
                figures(outcome, *unit, *key)
            }
        }
    }
}

fn run(generator: &mut Generator, subject: Subject<'_>, plan: &Plan) -> Outcome {
    let Running { way, meter, .. } = subject.running;
    if let Some(meter) = meter {
        meter.look_around();
    }
    let mut probe = || meter.as_mut().map_or_else(Usage::default, |meter| meter.usage());
    generator.run(way, subject.origin, plan, &mut probe)
}

fn figures(mut outcome: Outcome, unit: Unit, key: Key) -> Figures {
    let count = match unit {
        Unit::Unit => as_float(outcome.tally.units),
        Unit::Gigabyte => as_float(outcome.tally.bulk_bytes) / 1e9,
    };
    let cpu = outcome.after.cpu.saturating_sub(outcome.before.cpu).as_secs_f64();
    let seconds = |time: Duration| time.as_secs_f64();
    let mut figures = Figures {
        rate: Some(count / outcome.elapsed.as_secs_f64()),
        p50: outcome.tally.quantile(0.5).map(seconds),
        p99: outcome.tally.quantile(0.99).map(seconds),
        cpu: (cpu > 0.0 && count > 0.0).then_some(cpu / count),
        memory: match outcome.after.memory_bytes {
            0 => Vec::new(),
            bytes => vec![as_float(bytes)],
        },
        errors: outcome.tally.errors,
        first_error: outcome.tally.first_error,
        key: None,
    };
    figures.key = match key {
        Key::Cpu => figures.cpu,
        Key::P99 => figures.p99,
    };
    figures
}

/// Counts here stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn as_float(count: u64) -> f64 {
    count as f64
}
