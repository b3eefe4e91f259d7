//! Processor time and memory of a process and all its descendants, out of /proc.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

/// What was used, so far and right now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// On a processor, by all threads since they started.
    pub(crate) cpu: Duration,
    /// Resident.
    pub(crate) memory_bytes: u64,
}

/// The length of a tick in /proc/PID/stat: USER_HZ is 100 on every architecture that has these tools.
const TICK: Duration = Duration::from_millis(10);

/// Watches one process and its descendants.
pub(crate) struct Meter {
    root: u32,
    pids: BTreeSet<u32>,
    /// Nanoseconds by thread; what an ended thread used last stays.
    threads: BTreeMap<(u32, u32), u64>,
}

impl Meter {
    /// Watches this process.
    pub(crate) fn new(root: u32) -> Meter {
        let mut meter = Meter {
            root,
            pids: BTreeSet::new(),
            threads: BTreeMap::new(),
        };
        meter.look_around();
        meter
    }

    /// Looks for new descendants. Slower than the rest, so not to be done while time counts.
    pub(crate) fn look_around(&mut self) {
        self.pids = descendants(self.root);
    }

    /// Processor time from the scheduler's own nanoseconds, and memory.
    pub(crate) fn usage(&mut self) -> Usage {
        let (mut ticks, mut memory_bytes) = (Duration::ZERO, 0);
        for pid in self.pids.clone() {
            for thread in threads(pid) {
                let path = format!("/proc/{pid}/task/{thread}/schedstat");
                if let Some(nanoseconds) = fs::read_to_string(path).ok().as_deref().and_then(first_number) {
                    self.threads.insert((pid, thread), nanoseconds);
                }
            }
            ticks += ticks_of(pid).unwrap_or_default();
            memory_bytes += resident(pid).unwrap_or_default();
        }
        let precise = Duration::from_nanos(self.threads.values().sum());
        // Threads and children that came and went are in the coarse count only. Each process may be off by two ticks.
        let slack = TICK * 2 * u32::try_from(self.pids.len()).unwrap_or(1);
        let cpu = if ticks > precise + slack { ticks } else { precise };
        Usage { cpu, memory_bytes }
    }
}

/// A process and all its descendants, by their ids.
pub(crate) fn descendants(root: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = numbers("/proc")
        .into_iter()
        .filter_map(|pid| Some((pid, fields_of(pid)?.get(1)?.parse().ok()?)))
        .collect();
    let mut family = BTreeSet::from([root]);
    loop {
        let before = family.len();
        let children = parents.iter().filter(|(_, parent)| family.contains(parent));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        family.extend(children);
        if family.len() == before {
            return family;
        }
    }
}

/// The threads of a process, by their ids.
pub(crate) fn threads(pid: u32) -> Vec<u32> {
    numbers(&format!("/proc/{pid}/task"))
}

/// Entries of a folder whose names are numbers.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// The fields of /proc/PID/stat behind the name: state, parent, ...
fn fields_of(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// User and system time, its own and that of children that ended (fields 14 to 17).
fn ticks_of(pid: u32) -> Option<Duration> {
    let fields = fields_of(pid)?;
    let ticks: u32 = fields
        .get(11..15)?
        .iter()
        .filter_map(|ticks| ticks.parse::<u32>().ok())
        .sum();
    Some(TICK * ticks)
}

fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(first_number(line)? * 1024)
}
