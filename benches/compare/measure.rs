//! One measurement of one row with one proxy, and the figures that come of it. Prints nothing.

use std::net::SocketAddr;
use std::time::Duration;

use crate::generator::{Generator, Outcome};
use crate::knobs::Knobs;
use crate::peers::{Peer, Running};
use crate::rows::{Key, Kind, Row, Unit};
use crate::tally::Tally;
use crate::usage::Usage;
use crate::work::{Plan, Work};

/// Figures of one measurement. What a row has no use for is not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Units, or GB, a second.
    pub(crate) rate: Option<f64>,
    /// Seconds.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// The same without what is beside it.
    pub(crate) p99_alone: Option<f64>,
    /// Seconds on the processor per unit, or per GB.
    pub(crate) cpu: Option<f64>,
    /// Bytes; what they are is the row's.
    pub(crate) memory: Vec<f64>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// What is compared with the first row's.
    pub(crate) key: Option<f64>,
}

/// Whom a row is measured with.
pub(crate) struct Subject<'s> {
    pub(crate) peer: &'s Peer,
    pub(crate) origin: SocketAddr,
    pub(crate) running: &'s mut Running,
}

/// Under way at a time, beside others.
const HANDSHAKES_MAX: usize = 256;
/// Tunnels that were opened and closed before memory is looked at for the first time.
const FIRST_TUNNELS: usize = 50;
/// How long a proxy has for tidying up.
const TIDY_UP: Duration = Duration::from_secs(2);

impl Row {
    /// One measurement.
    pub(crate) fn measure(
        &self,
        generator: &mut Generator,
        mut subject: Subject<'_>,
        knobs: &Knobs,
    ) -> Figures {
        let plan = |groups: &[(Work, usize)], arrivals| Plan {
            groups: groups.to_vec(),
            arrivals,
            counted: None,
            warm_up: knobs.measure.mul_f64(0.2),
            duration: knobs.measure,
        };
        match self.kind {
            Kind::Load { work, clients } => {
                let outcome = run(generator, &mut subject, &plan(&[(work, clients)], None));
                figures(outcome, self.unit(), Key::Cpu)
            }
            Kind::Arrivals { work, clients, rate } => {
                let plan = plan(&[(work, clients)], Some(rate));
                figures(run(generator, &mut subject, &plan), Unit::Unit, Key::P99)
            }
            Kind::Fairness { tunnels } => {
                let ping_pong = (Work::PingPong, tunnels);
                let alone = run(generator, &mut subject, &plan(&[ping_pong], None));
                let alone = figures(alone, Unit::Unit, Key::P99);
                let groups = [ping_pong, (Work::Download, 1)];
                let beside = run(generator, &mut subject, &plan(&groups, None));
                let beside = figures(beside, Unit::Gigabyte, Key::P99);
                Figures {
                    p99_alone: alone.p99,
                    cpu: None,
                    key: beside.p99.zip(alone.p99).map(|(beside, alone)| beside / alone),
                    ..beside
                }
            }
            Kind::Handshakes { tunnels, rate } => {
                let ping_pong = (Work::PingPong, tunnels);
                let alone = run(generator, &mut subject, &plan(&[ping_pong], None));
                let alone = figures(alone, Unit::Unit, Key::P99);
                let groups = [(Work::Exchange, tunnels + HANDSHAKES_MAX), ping_pong];
                let plan = Plan {
                    counted: Some(Work::PingPong),
                    ..plan(&groups, Some(rate))
                };
                let beside = figures(run(generator, &mut subject, &plan), Unit::Unit, Key::P99);
                Figures {
                    p99_alone: alone.p99,
                    cpu: None,
                    ..beside
                }
            }
            Kind::Idle { tunnels } => idle(generator, &mut subject, tunnels),
            Kind::Burst { tunnels } => burst(generator, &mut subject, tunnels),
            Kind::Start => start(generator, &mut subject),
        }
    }
}

fn idle(generator: &mut Generator, subject: &mut Subject<'_>, tunnels: usize) -> Figures {
    generator.hold(&subject.running.way, subject.origin, FIRST_TUNNELS);
    generator.dismiss();
    let before = memory(generator, subject, TIDY_UP / 4);
    let tally = generator.hold(&subject.running.way, subject.origin, tunnels);
    let open = memory(generator, subject, TIDY_UP / 4);
    generator.dismiss();
    let each = (open - before) / as_float(tally.units.max(1));
    of_memory(vec![each], tally)
}

fn burst(generator: &mut Generator, subject: &mut Subject<'_>, tunnels: usize) -> Figures {
    generator.hold(&subject.running.way, subject.origin, FIRST_TUNNELS);
    generator.dismiss();
    let before = memory(generator, subject, TIDY_UP / 4);
    let tally = generator.hold(&subject.running.way, subject.origin, tunnels);
    let open = memory(generator, subject, TIDY_UP / 4);
    generator.dismiss();
    let gone = memory(generator, subject, TIDY_UP);
    of_memory(vec![before, open, gone], tally)
}

fn start(generator: &mut Generator, subject: &mut Subject<'_>) -> Figures {
    let resident = memory(generator, subject, TIDY_UP / 4);
    let executable = std::fs::metadata(&subject.peer.binary).map_or(0, |metadata| metadata.len());
    let figures = of_memory(vec![resident, as_float(executable)], Tally::default());
    Figures {
        key: Some(resident),
        ..figures
    }
}

/// Bytes that are resident after some time.
fn memory(generator: &mut Generator, subject: &mut Subject<'_>, after: Duration) -> f64 {
    generator.settle(after);
    let Some(meter) = &mut subject.running.meter else {
        return 0.0;
    };
    meter.look_around();
    as_float(meter.usage().memory_bytes)
}

fn of_memory(memory: Vec<f64>, tally: Tally) -> Figures {
    Figures {
        key: memory.last().copied(),
        memory,
        errors: tally.errors,
        first_error: tally.first_error,
        ..Figures::default()
    }
}

fn run(generator: &mut Generator, subject: &mut Subject<'_>, plan: &Plan) -> Outcome {
    let Running { way, meter, .. } = &mut *subject.running;
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
        p99_alone: None,
    };
    if count == 0.0 {
        figures.errors += 1;
        figures.first_error.get_or_insert("nothing was done".to_owned());
    }
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
