//! The proxy's memory with more and more idle tunnels. Draws nothing.

use std::time::Duration;

use crate::chart::{Curve, Panel, Point};
use crate::cost::{Bench, as_float, start};
use crate::peers::Running;

/// As many as 20,000 descriptors allow, two of which each tunnel takes on either side.
const SIZES: [(u32, &str); 4] = [(100, "100"), (1000, "1,000"), (4000, "4,000"), (9000, "9,000")];
/// Opened and closed before memory is looked at for the first time: what the first request needs is no tunnel's.
const FIRST_TUNNELS: usize = 50;

/// What each of so many tunnels adds to the resident memory.
pub(crate) fn tunnels(bench: &mut Bench) -> Panel {
    let point = |(tunnels, label): (u32, &str)| {
        eprintln!("idle tunnels: {label}");
        let (before, open) = memory_bytes(bench, tunnels as usize);
        Point {
            x: f64::from(tunnels),
            label: label.to_owned(),
            y: (open - before) / 1024.0 / f64::from(tunnels),
        }
    };
    Panel {
        across: "idle tunnels",
        up: "KiB of resident memory per tunnel",
        curves: vec![Curve {
            name: "idle".to_owned(),
            points: SIZES.map(point).into(),
        }],
    }
}

/// Resident before, and with so many open.
fn memory_bytes(bench: &mut Bench, tunnels: usize) -> (f64, f64) {
    let mut running = start(&[]);
    hold(bench, &running, FIRST_TUNNELS);
    bench.generator.dismiss();
    let before = resident_bytes(bench, &mut running);
    hold(bench, &running, tunnels);
    let open = resident_bytes(bench, &mut running);
    bench.generator.dismiss();
    (before, open)
}

fn hold(bench: &mut Bench, running: &Running, tunnels: usize) {
    let held = bench.generator.hold(&running.way, bench.origin, tunnels);
    assert!(held.errors == 0, "{:?}", held.first_error);
}

fn resident_bytes(bench: &mut Bench, running: &mut Running) -> f64 {
    bench.generator.settle(Duration::from_millis(500));
    let meter = running.meter.as_mut().expect("it is a process");
    as_float(meter.usage().memory_bytes)
}
