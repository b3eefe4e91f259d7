//! The rows of the table: what is done, and which of the figures it is about. Does none of it.

use crate::knobs::Knobs;
use crate::work::Work;

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
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// So many clients do this for a while.
    Load { work: Work, clients: usize, key: Key },
    /// At most so many clients do this, and begin at a rate that is the same for every proxy.
    Arrivals { work: Work, clients: usize },
    /// Ping-pong in so many tunnels, alone and beside a tunnel with bulk: the p99 of both.
    Fairness { tunnels: usize },
    /// Memory for each of so many tunnels that are open and idle.
    Idle { tunnels: usize },
    /// Memory before so many tunnels, while they are open, and when they are gone.
    Burst { tunnels: usize },
    /// Resident memory after start, and the size of the executable.
    Start,
}

/// A row for each proxy.
pub(crate) struct Row {
    /// For `COMPARE_ROWS`.
    pub(crate) name: &'static str,
    /// As it stands in the table.
    pub(crate) title: String,
    pub(crate) kind: Kind,
}

/// All of them, in the order of the table.
pub(crate) fn all(knobs: &Knobs) -> Vec<Row> {
    let load = |work, clients| Kind::Load {
        work,
        clients,
        key: Key::Cpu,
    };
    let small = Work::Get { bytes: 1024 };
    let large = Work::Get { bytes: 1 << 20 };
    let slowest = Kind::Load {
        work: Work::Exchange,
        clients: 32,
        key: Key::P99,
    };
    let equal = Kind::Arrivals {
        work: Work::Exchange,
        clients: 256,
    };
    let equal_title = format!(
        "CONNECT + 1 KiB + close, {} arriving a second: p99",
        knobs.arrivals
    );
    let row = |name, title: &str, kind| Row {
        name,
        title: title.to_owned(),
        kind,
    };
    vec![
        row("get-1k", "GET 1 KiB, kept alive, 8 clients", load(small, 8)),
        row("get-1m", "GET 1 MiB, kept alive, 2 clients", load(large, 2)),
        row(
            "connect-8",
            "CONNECT + 1 KiB + close, 8 clients",
            load(Work::Exchange, 8),
        ),
        row(
            "bulk-one-way",
            "tunnel, bulk one way, 1 tunnel",
            load(Work::Download, 1),
        ),
        row(
            "bulk-both-ways",
            "tunnel, bulk both ways, 1 tunnel",
            load(Work::Both, 1),
        ),
        row(
            "ping-pong-1",
            "tunnel, 64 B ping-pong, 1 tunnel",
            load(Work::PingPong, 1),
        ),
        row(
            "ping-pong-16",
            "tunnel, 64 B ping-pong, 16 tunnels",
            load(Work::PingPong, 16),
        ),
        row("connect-32", "CONNECT + 1 KiB + close, 32 clients: p99", slowest),
        row("equal-load", &equal_title, equal),
        row(
            "fairness",
            "64 ping-pong tunnels beside a bulk one",
            Kind::Fairness { tunnels: 64 },
        ),
        row(
            "idle",
            "4,000 idle tunnels, memory of each",
            Kind::Idle { tunnels: 4000 },
        ),
        row(
            "burst",
            "8,000 tunnels: before, open, gone",
            Kind::Burst { tunnels: 8000 },
        ),
        row("start", "after start: resident, executable", Kind::Start),
    ]
}

impl Row {
    /// Whether every measurement needs a proxy that has done nothing yet.
    pub(crate) fn wants_fresh(&self) -> bool {
        matches!(self.kind, Kind::Idle { .. } | Kind::Burst { .. } | Kind::Start)
    }

    /// Whether it is about the proxy's memory only.
    pub(crate) fn is_about_memory(&self) -> bool {
        self.wants_fresh()
    }

    /// What its rate and its processor time are about.
    pub(crate) fn unit(&self) -> Unit {
        match self.kind {
            Kind::Load {
                work: Work::Download | Work::Both,
                ..
            }
            | Kind::Fairness { .. } => Unit::Gigabyte,
            _ => Unit::Unit,
        }
    }
}
