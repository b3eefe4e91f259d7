//! One measurement: so many tunnels held open, so many clients at work beside them, and what the proxy's
//! processor spent. Chooses no sizes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::generator::{Generator, Outcome};
use crate::peers::{self, Running};
use crate::work::{Plan, Work};

/// Time of one measurement, which is repeated, so that a curve's median has seen all of the machine's moods.
const DURATION: Duration = Duration::from_millis(600);
const WARM_UP: Duration = Duration::from_millis(200);
/// ... where thousands of clients have to connect first.
const WARM_UP_CROWD: Duration = Duration::from_millis(2000);
/// A crowd has more clients than this.
const CROWD: usize = 500;
/// Bodies from this length on take longer than the usual time to be representative.
const LARGE_BYTES: usize = 64 << 20;
const DURATION_LARGE: Duration = Duration::from_millis(2500);

/// The generator, and where its origin is.
pub(crate) struct Bench {
    pub(crate) generator: Generator,
    pub(crate) origin: SocketAddr,
}

/// What was done, and what it took.
pub(crate) struct Spent {
    cpu_seconds: f64,
    units: f64,
    body_bytes: f64,
}

impl Spent {
    fn new(outcome: &Outcome) -> Spent {
        let tally = &outcome.tally;
        assert!(tally.errors == 0, "{:?}", tally.first_error);
        assert!(tally.units + tally.body_bytes > 0, "nothing was done");
        let cpu = outcome.after.cpu.saturating_sub(outcome.before.cpu);
        Spent {
            cpu_seconds: cpu.as_secs_f64(),
            units: as_float(tally.units),
            body_bytes: as_float(tally.body_bytes),
        }
    }

    /// Microseconds of processor time for a request or a message.
    pub(crate) fn per_unit(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.units
    }

    /// Microseconds of processor time for a MiB of body, its request's share with it.
    pub(crate) fn per_mebibyte(&self) -> f64 {
        self.cpu_seconds * 1e6 / (self.body_bytes / 1_048_576.0)
    }
}

impl Bench {
    /// `is_awake`: the generator has a processor of its own. `interrupted` ends whatever it does.
    pub(crate) fn new(is_awake: bool, interrupted: Arc<AtomicBool>) -> Bench {
        let generator = Generator::new(is_awake, interrupted);
        let origin = generator.origin(1);
        Bench { generator, origin }
    }

    /// The bare relay to the origin.
    pub(crate) fn floor(&self) -> Running {
        peers::floor_to(self.origin).expect("the floor to start")
    }

    /// Measures: `idle` tunnels are open while so many clients do this work.
    pub(crate) fn run(&mut self, running: &mut Running, idle: usize, work: Work, clients: usize) -> Spent {
        if idle > 0 {
            let held = self.generator.hold(&running.way, self.origin, idle);
            assert!(held.errors == 0, "{:?}", held.first_error);
        }
        let plan = Plan {
            groups: vec![(work, clients)],
            arrivals: None,
            counted: None,
            warm_up: if clients > CROWD { WARM_UP_CROWD } else { WARM_UP },
            duration: match work {
                Work::Get { bytes } if bytes >= LARGE_BYTES => DURATION_LARGE,
                _ => DURATION,
            },
        };
        let meter = running.meter.as_mut().expect("it is a process");
        meter.look_around();
        let outcome = self
            .generator
            .run(&running.way, self.origin, &plan, &mut || meter.usage());
        Spent::new(&outcome)
    }
}

/// Ours, fresh, with these arguments beside the usual ones.
pub(crate) fn start(arguments: &[String]) -> Running {
    peers::ours_with(arguments).expect("ours to start")
}

/// Counts here stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn as_float(count: u64) -> f64 {
    count as f64
}
