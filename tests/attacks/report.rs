//! One attack's figures: a row of the table, and what of them is wrong.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::form::Form;
use crate::honest::{Group, Seen};

/// What an attack may add to a percentile of the honest, where twice is less.
const NOISE: Duration = Duration::from_millis(50);

/// Before, at worst during, and after.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Level {
    pub(crate) before: u64,
    pub(crate) worst: u64,
    pub(crate) after: u64,
}

/// All that was measured.
pub(crate) struct Figures {
    pub(crate) attack: &'static str,
    pub(crate) before: Seen,
    pub(crate) during: Seen,
    /// How long the attack lasted.
    pub(crate) lasted: Duration,
    pub(crate) log_lines: u64,
    pub(crate) log_bytes: u64,
    pub(crate) resident_kib: Level,
    pub(crate) descriptors: Level,
    /// What the attackers did and got.
    pub(crate) tally: String,
}

/// What is expected of the honest.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// Those at the attacker's address too.
    pub(crate) shared: bool,
    /// Memory that the proxy may keep, beside half as much again as it had.
    pub(crate) kept_kib: u64,
}

impl Default for Expected {
    fn default() -> Self {
        Expected {
            shared: true,
            kept_kib: 4096,
        }
    }
}

impl Figures {
    /// What is not as it must be.
    pub(crate) fn faults(&self, expected: Expected) -> Vec<String> {
        let mut faults = Vec::new();
        let mut groups = vec![
            ("elsewhere", &self.before.apart, &self.during.apart),
            ("health checks", &self.before.probes, &self.during.probes),
        ];
        if expected.shared {
            groups.push(("same address", &self.before.shared, &self.during.shared));
        }
        for (name, before, during) in groups {
            if before.refused_count() + during.refused_count() > 0 {
                faults.push(format!(
                    "{name}: refused: {:?}, before {:?}",
                    during.refused, before.refused
                ));
            }
            if before.count() == 0 || during.count() == 0 {
                faults.push(format!("{name}: nobody was served"));
            }
            if Form::get().is_full() {
                faults.extend(
                    [50, 99]
                        .into_iter()
                        .filter_map(|p| slower(name, p, before, during)),
                );
            }
        }
        let memory = self.resident_kib;
        if memory.after > memory.before * 3 / 2 + expected.kept_kib {
            faults.push(format!("memory stays: {memory:?} KiB"));
        }
        if self.descriptors.after > self.descriptors.before + 24 {
            faults.push(format!("descriptors stay: {:?}", self.descriptors));
        }
        faults
    }

    /// Adds the rows to the table and fails the case if there are faults.
    #[track_caller]
    pub(crate) fn judge(&self, expected: Expected, more: Vec<String>) {
        self.tabulate();
        let mut faults = self.faults(expected);
        faults.extend(more);
        assert!(faults.is_empty(), "{}: {faults:#?}", self.attack);
    }

    fn tabulate(&self) {
        let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, during) = (&self.before, &self.during);
        rows.push(self.row(self.attack, &before.apart, &during.apart));
        if before.shared.count() > 0 {
            rows.push(self.row("… same address", &before.shared, &during.shared));
        }
        if !self.tally.is_empty() {
            eprintln!("{}: {}", self.attack, self.tally);
        }
    }

    fn row(&self, name: &str, before: &Group, during: &Group) -> String {
        let pair = |group: &Group| {
            format!(
                "{} / {}",
                milliseconds(group.percentile(50)),
                milliseconds(group.percentile(99))
            )
        };
        let log = self.log_bytes as f64 / self.lasted.as_secs_f64() / 1024.0;
        let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
        let memory = self.resident_kib;
        format!(
            "| {name} | {} | {} | {} of {} | {log:.0} | {} / {} / {} | {} / {} / {} |",
            pair(before),
            pair(during),
            during.refused_count(),
            during.count() + during.refused_count(),
            mib(memory.before),
            mib(memory.worst),
            mib(memory.after),
            self.descriptors.before,
            self.descriptors.worst,
            self.descriptors.after,
        )
    }
}

fn slower(name: &str, percentile: usize, before: &Group, during: &Group) -> Option<String> {
    let (then, now) = (before.percentile(percentile), during.percentile(percentile));
    let allowed = (2 * then).max(then + NOISE);
    (now > allowed).then(|| format!("{name}: p{percentile} {now:?} instead of {then:?}"))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

static ROWS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Prints the table of all that was measured.
pub(crate) fn print() {
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.is_empty() {
        return;
    }
    println!(
        "\n| attack | before: p50 / p99, ms | during: p50 / p99, ms | refused | log, KiB/s | resident before / worst / after, MiB | descriptors |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for row in rows.iter() {
        println!("{row}");
    }
}
