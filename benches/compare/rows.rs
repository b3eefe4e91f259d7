//! The rows of the table: what is done, and which of the figures it is about. Does none of it.

use crate::knobs::Knobs;
use crate::tls::Tls;
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
    /// So many clients do this for a while. What is compared is the processor's time.
    Load { work: Work, clients: usize },
    /// At most so many clients do this, and so many units a second begin, which is the same for every proxy. What is
    /// compared is the p99.
    Arrivals { work: Work, clients: usize, rate: f64 },
    /// Ping-pong in so many tunnels, alone and beside a tunnel with bulk: the p99 of both.
    Fairness { tunnels: usize },
    /// Ping-pong in so many tunnels, while so many clients a second come, exchange 1 KiB and go: the p99 of the former.
    Handshakes { tunnels: usize, rate: f64 },
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
    pub(crate) name: String,
    /// As it stands in the table.
    pub(crate) title: String,
    pub(crate) kind: Kind,
    /// How clients speak TLS to the proxy, if they do.
    pub(crate) tls: Option<Tls>,
}

/// All of them, in the order of the table.
pub(crate) fn all(knobs: &Knobs) -> Vec<Row> {
    let mut rows = loads();
    rows.extend(equal_loads(knobs));
    let row = |name: &str, title: &str, kind| Row {
        name: name.to_owned(),
        title: title.to_owned(),
        kind,
        tls: None,
    };
    rows.extend([
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
    ]);
    rows.extend(handshakes());
    rows.extend(by_tls());
    rows
}

/// A handshake, a tunnel, 1 KiB there and back, and the end; by what the certificate's key is, whether a session is
/// resumed, and whether the client has a certificate too.
fn handshakes() -> Vec<Row> {
    let row = |n: u8| {
        let [resumed, rsa, certified] = [n & 4 != 0, n & 2 != 0, n & 1 != 0];
        let tls = Tls {
            rsa,
            resumed,
            certified,
        };
        let kind = if resumed { "resumed" } else { "full" };
        let (key, key_title) = if rsa {
            ("rsa", "RSA-2048")
        } else {
            ("p256", "P-256")
        };
        let (end, end_title) = if certified {
            ("-certified", ", client certificate")
        } else {
            ("", "")
        };
        Row {
            name: format!("tls-{kind}-{key}{end}"),
            title: format!("TLS {kind}, {key_title}{end_title} + CONNECT + 1 KiB + close, 32 clients"),
            kind: Kind::Load {
                work: Work::Exchange,
                clients: 32,
            },
            tls: Some(tls),
        }
    };
    (0..8).map(row).collect()
}

/// What others do without TLS.
fn by_tls() -> Vec<Row> {
    let row = |name: &str, title: &str, kind| Row {
        name: format!("tls-{name}"),
        title: format!("TLS, {title}"),
        kind,
        tls: Some(Tls::default()),
    };
    let load = |work, clients| Kind::Load { work, clients };
    vec![
        row(
            "get-1k-64",
            "GET 1 KiB, kept alive, 64 clients",
            load(Work::Get { bytes: 1024 }, 64),
        ),
        row(
            "bulk-one-way-8",
            "tunnel, bulk one way, 8 at a time",
            load(Work::Download, 8),
        ),
        row(
            "ping-pong-64",
            "tunnel, 64 B ping-pong, 64 at a time",
            load(Work::PingPong, 64),
        ),
        row(
            "handshakes",
            "64 ping-pong tunnels while 500 full handshakes a second arrive",
            Kind::Handshakes {
                tunnels: 64,
                rate: 500.0,
            },
        ),
        row(
            "idle",
            "4,000 idle tunnels, memory of each",
            Kind::Idle { tunnels: 4000 },
        ),
        row(
            "burst",
            "4,000 tunnels: before, open, gone",
            Kind::Burst { tunnels: 4000 },
        ),
    ]
}

/// As much as can be done, by so many at a time.
fn loads() -> Vec<Row> {
    let small = Work::Get { bytes: 1024 };
    let large = Work::Get { bytes: 1 << 20 };
    let of = |work, name: &str, title: &str, counts: &[usize]| {
        let row = |clients: &usize| Row {
            name: format!("{name}-{clients}"),
            title: title.replace("{}", &clients.to_string()),
            kind: Kind::Load {
                work,
                clients: *clients,
            },
            tls: None,
        };
        counts.iter().map(row).collect::<Vec<_>>()
    };
    [
        of(
            small,
            "get-1k",
            "GET 1 KiB, kept alive, {} clients",
            &[8, 64, 512],
        ),
        of(large, "get-1m", "GET 1 MiB, kept alive, {} clients", &[2, 8]),
        of(
            Work::Exchange,
            "connect",
            "CONNECT + 1 KiB + close, {} clients",
            &[8, 32, 256],
        ),
        of(
            Work::Download,
            "bulk-one-way",
            "tunnel, bulk one way, {} at a time",
            &[1, 8, 64],
        ),
        of(
            Work::Both,
            "bulk-both-ways",
            "tunnel, bulk both ways, {} at a time",
            &[1, 8, 64],
        ),
        of(
            Work::PingPong,
            "ping-pong",
            "tunnel, 64 B ping-pong, {} at a time",
            &[1, 16, 64, 512],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// As much as every proxy can carry: what is compared is the p99.
fn equal_loads(knobs: &Knobs) -> Vec<Row> {
    let small = Work::Get { bytes: 1024 };
    let gets = [200, 2000, 10_000].map(|rate| Row {
        name: format!("equal-load-get-{rate}"),
        title: format!("GET 1 KiB, kept alive, 64 clients, {rate} arriving a second: p99"),
        kind: Kind::Arrivals {
            work: small,
            clients: 64,
            rate: f64::from(rate),
        },
        tls: None,
    });
    let tunnels = Row {
        name: "equal-load-connect".to_owned(),
        title: format!(
            "CONNECT + 1 KiB + close, {} arriving a second: p99",
            knobs.arrivals
        ),
        kind: Kind::Arrivals {
            work: Work::Exchange,
            clients: 256,
            rate: knobs.arrivals,
        },
        tls: None,
    };
    gets.into_iter().chain([tunnels]).collect()
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
