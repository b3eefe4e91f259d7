//! What grows, from where to where, and what of the processor's time each size takes. Draws nothing.

use std::fmt::Write as _;

use crate::chart::{Curve, Panel, Point};
use crate::cost::{Bench, start};
use crate::work::{Way, Work};

/// Clients that ask, one request after the other.
const ACTIVE: usize = 8;
const GET: Work = Work::Get { bytes: 1024 };
/// Every size has its turn so often; what counts is the median.
const ROUNDS: usize = 3;

/// What `cost` finds at each of these sizes.
fn curve(name: &str, sizes: &[(usize, &str)], mut cost: impl FnMut(usize) -> f64) -> Curve {
    let mut found = vec![Vec::new(); sizes.len()];
    for round in 0..ROUNDS {
        for ((size, label), costs) in sizes.iter().zip(&mut found) {
            eprintln!("{name}, round {}: {label}", round + 1);
            costs.push(cost(*size));
        }
    }
    let point = |((size, label), mut costs): (&(usize, &str), Vec<f64>)| {
        costs.sort_by(f64::total_cmp);
        Point {
            x: f64::from(u32::try_from(*size).expect("at most a GiB")),
            label: (*label).to_owned(),
            y: costs[costs.len() / 2],
        }
    };
    Curve {
        name: name.to_owned(),
        points: sizes.iter().zip(found).map(point).collect(),
    }
}

const CROWDS: [(usize, &str); 4] = [(8, "8"), (64, "64"), (512, "512"), (4096, "4,096")];

/// Clients that ask: few beside others that are idle, and all of them.
pub(crate) fn clients(bench: &mut Bench) -> Panel {
    let beside_idle = curve("8 ask, the others are idle tunnels", &CROWDS, |count| {
        bench.run(&mut start(&[]), count - ACTIVE, GET, ACTIVE).per_unit()
    });
    let all = curve("all of them ask", &CROWDS, |count| {
        bench.run(&mut start(&[]), 0, GET, count).per_unit()
    });
    let relayed = curve("... through the bare relay", &CROWDS, |count| {
        bench.run(&mut bench.floor(), 0, GET, count).per_unit()
    });
    Panel {
        across: "connections of clients",
        up: "µs of CPU per GET of 1 KiB",
        curves: vec![beside_idle, all, relayed],
    }
}

/// Tunnels, all of them busy.
pub(crate) fn tunnels(bench: &mut Bench) -> Panel {
    let ours = curve("64 B there and back", &CROWDS, |count| {
        bench.run(&mut start(&[]), 0, Work::PingPong, count).per_unit()
    });
    let relayed = curve("... through the bare relay", &CROWDS, |count| {
        bench.run(&mut bench.floor(), 0, Work::PingPong, count).per_unit()
    });
    Panel {
        across: "tunnels, all of them busy",
        up: "µs of CPU per message there and back",
        curves: vec![ours, relayed],
    }
}

/// The ACL's length; the host that is asked for stands last.
pub(crate) fn domains(bench: &mut Bench) -> Panel {
    const SIZES: [(usize, &str); 5] = [
        (10, "10"),
        (100, "100"),
        (1000, "1,000"),
        (10_000, "10,000"),
        (100_000, "100,000"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let only = curve("GET of 1 KiB, 8 clients", &SIZES, |count| {
        let path = folder.path().join(count.to_string());
        if !path.exists() {
            let acl = acl(count, &bench.origin.ip().to_string());
            std::fs::write(&path, acl).expect("a file");
        }
        let arguments = ["--egress-acl-file".to_owned(), path.display().to_string()];
        bench.run(&mut start(&arguments), 0, GET, ACTIVE).per_unit()
    });
    Panel {
        across: "domains in the ACL, the last one asked for",
        up: "µs of CPU per GET",
        curves: vec![only],
    }
}

/// So many domains, `host` the last of them.
fn acl(count: usize, host: &str) -> String {
    let mut text = String::from(
        "version: v1\nservices: []\ndefault:\n  name: default\n  project: bench\n  action: enforce\n  allowed_domains:\n",
    );
    for n in 1..count {
        writeln!(text, "  - service-{n}.example.com").expect("a String takes everything");
    }
    text + "  - " + host + "\n"
}

/// The request's head: fields of some 200 bytes are added until it has its length.
pub(crate) fn heads(bench: &mut Bench) -> Panel {
    const SIZES: [(usize, &str); 5] = [
        (200, "200 B"),
        (1 << 10, "1 KiB"),
        (4 << 10, "4 KiB"),
        (16 << 10, "16 KiB"),
        (32 << 10, "32 KiB"),
    ];
    let only = curve("GET of 1 KiB, 8 clients", &SIZES, |bytes| {
        let mut running = start(&[]);
        let short = running.way.get_head(bench.origin).len();
        if let Way::Forward { further, .. } = &mut running.way {
            *further = fields(bytes - short);
        }
        assert_eq!(running.way.get_head(bench.origin).len(), bytes);
        bench.run(&mut running, 0, GET, ACTIVE).per_unit()
    });
    Panel {
        across: "head of the request, in fields of 200 B",
        up: "µs of CPU per GET",
        curves: vec![only],
    }
}

/// Field lines of exactly so many bytes together, at least 12.
fn fields(bytes: usize) -> String {
    const LINE: usize = 200;
    const AROUND: usize = "X-100: \r\n".len();
    let mut text = String::new();
    for n in 100.. {
        let left = bytes - text.len();
        // What is left for the last one must do for a whole line.
        let length = if left < LINE + 2 * AROUND { left } else { LINE };
        if length < AROUND {
            break;
        }
        write!(text, "X-{n}: {}\r\n", "v".repeat(length - AROUND)).expect("a String takes everything");
    }
    text
}

/// The response's body.
pub(crate) fn bodies(bench: &mut Bench) -> Panel {
    const SIZES: [(usize, &str); 6] = [
        (1 << 10, "1 KiB"),
        (16 << 10, "16 KiB"),
        (256 << 10, "256 KiB"),
        (4 << 20, "4 MiB"),
        (64 << 20, "64 MiB"),
        (1 << 30, "1 GiB"),
    ];
    let get = |bytes| Work::Get { bytes };
    let ours = curve("GET, 2 clients", &SIZES, |bytes| {
        bench.run(&mut start(&[]), 0, get(bytes), 2).per_mebibyte()
    });
    let relayed = curve("... through the bare relay", &SIZES, |bytes| {
        bench.run(&mut bench.floor(), 0, get(bytes), 2).per_mebibyte()
    });
    Panel {
        across: "body of the response, Content-Length",
        up: "µs of CPU per MiB",
        curves: vec![ours, relayed],
    }
}
