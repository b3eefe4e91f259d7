//! What happened, as numbers: a [`Record`] is counted as it goes into the log, and can be read as Prometheus reads it, sent
//! as StatsD takes it, and looked at by people. Opens no socket, and formats nothing unless somebody asks.
//!
//! Counting allocates nothing: what can be counted apart is laid out when a policy comes into force (`roles`).

mod counts;
mod exposition;
mod families;
mod histogram;
mod observed;
mod pages;
mod part;
mod refusals;
mod roles;
mod statsd;
mod tunnel;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::lock::unpoisoned;
use crate::policy::acl::Acl;
use crate::session::outcome::{Extent, Record};
use crate::session::{HandshakeFail, Page};

use self::counts::Counts;
pub use self::families::{FAMILIES, Family};
use self::observed::Samples;
pub use self::part::{List, Part};
use self::refusals::Refusals;
use self::roles::Roles;
pub use self::statsd::Statsd;
pub use self::tunnel::Tunnel;

/// How often StatsD is sent what was counted.
pub const STATSD_INTERVAL: Duration = Duration::from_secs(1);

/// What is to be counted, and for whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The time of each connect is measured (`--time-connect`).
    pub times_connects: bool,
    /// Somebody can look at the latest refusals.
    pub keeps_refusals: bool,
    /// Numbers are sent as StatsD takes them.
    pub sends: bool,
    /// What the page for people says of limits and the like, as names and values.
    pub facts: Vec<(&'static str, String)>,
}

/// How things stand at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Client connections.
    pub connections_open: u64,
    /// So many of them at most.
    pub connections_max: u64,
    /// Those that are tunnels.
    pub tunnels_open: u64,
    /// Requests under way.
    pub requests_concurrent: u64,
    /// Bytes of the budget that are taken.
    pub buffered_bytes: u64,
    /// Lines of the log that were dropped since the start.
    pub log_lines_dropped: u64,
    /// The process is to end.
    pub is_leaving: bool,
    /// The wall clock.
    pub wall: SystemTime,
}

/// Everything that was counted since the start.
#[derive(Debug)]
pub struct Stats {
    settings: Settings,
    started: SystemTime,
    counts: Counts,
    refusals: Refusals,
    policy: PolicyFacts,
    samples: Option<Samples>,
}

/// The numbers of a process, which all its loops add to. One lock guards them: to count takes less than a microsecond of
/// the 30 that a request takes, so loops that count hardly ever meet there, and whoever reads sees one moment. What takes long
/// is done beside it: roles are laid out before, and packets for StatsD are made of a copy. So it is held for as long as it takes
/// to copy all rows, 512 of less than 1 KiB at most, or to write a part of a page, 8 KiB. Clones are the same.
#[derive(Clone, Debug)]
pub struct Common(Arc<Mutex<Stats>>);

impl Common {
    /// These.
    pub fn new(stats: Stats) -> Common {
        Common(Arc::new(Mutex::new(stats)))
    }

    /// To count, or to read. Nothing panics under the lock.
    pub fn lock(&self) -> MutexGuard<'_, Stats> {
        unpoisoned(self.0.lock())
    }

    /// How roles are to be counted by this ACL, once [`Common::note_policy`] is told of it: no other is laid out meanwhile.
    pub fn lay_out(&self, acl: Option<&Acl>) -> Layout {
        let before = Arc::clone(&self.lock().counts.roles);
        Layout::behind(&before, acl)
    }

    /// From now on roles are counted so; what was counted stays.
    pub fn note_policy(&self, layout: Layout) {
        let old = self.lock().note_policy(layout);
        // A long ACL's names are freed when nobody is kept waiting.
        drop(old);
    }
}

/// How roles are counted by an ACL.
#[derive(Debug)]
pub struct Layout {
    roles: Arc<Roles>,
    sha256: String,
}

impl Layout {
    fn behind(before: &Roles, acl: Option<&Acl>) -> Layout {
        Layout {
            roles: Arc::new(before.behind(acl)),
            sha256: acl.map_or_else(String::new, |acl| roles::hexadecimal(acl.sha256())),
        }
    }
}

/// What is told of the policy in force.
#[derive(Clone, Debug, Default)]
struct PolicyFacts {
    /// How many policies there were since the start.
    generation: u64,
    /// Of the ACL's bytes, in hexadecimal; empty where there is no ACL.
    sha256: String,
}

impl Stats {
    /// Nothing is counted yet.
    pub fn new(settings: Settings, acl: Option<&Acl>, wall: SystemTime) -> Stats {
        let mut stats = Stats {
            samples: settings.sends.then(Samples::new),
            settings,
            started: wall,
            counts: Counts::default(),
            refusals: Refusals::default(),
            policy: PolicyFacts::default(),
        };
        stats.note_policy(Layout::behind(&Roles::default(), acl));
        stats
    }

    /// From now on roles are counted so. Gives what they were counted by.
    fn note_policy(&mut self, layout: Layout) -> Arc<Roles> {
        self.policy.generation += 1;
        self.policy.sha256 = layout.sha256;
        self.counts.lay_out(layout.roles)
    }

    /// Counts what became of a request or tunnel.
    pub fn absorb(&mut self, record: &Record) {
        match &record.extent {
            Extent::Tunnel(end) => self.counts.close(record, end, &mut self.samples),
            Extent::Unknown | Extent::Content(_) => {
                let times_connects = self.settings.times_connects;
                self.counts.decision(record, times_connects, &mut self.samples);
            }
        }
        if self.settings.keeps_refusals {
            self.refusals.note(record);
        }
    }

    /// Counts a handshake that failed.
    pub fn note_handshake(&mut self, fail: HandshakeFail) {
        self.counts.handshake(fail);
    }

    /// Writes the part of a page that begins there, and tells where the next does, if there is one. Lists of tunnels are not
    /// known here: they have no pages.
    pub fn page(&self, page: Page, start: u64, standing: &Standing, part: Part<'_>) -> Option<u64> {
        match page {
            Page::Metrics => exposition::write(&self.counts, &self.policy, standing, start, part),
            Page::Refusals => self.refusals.write(start, part),
            Page::Home => pages::home(part),
            Page::State => pages::state(self, standing, part),
            Page::Tunnels | Page::Connections => None,
        }
    }
}

#[cfg(test)]
mod tests;
