//! The process: what its loops share and what all of them are told: a new policy, that they are to end. It has the signals,
//! the time it may take to end, and the exit code. Knows no connection and moves no byte: that is a loop's business
//! (`server`).
//!
//! The first loop runs on the process's own thread: the process lets it have its turns until it heard something that is not
//! for it alone. The others have threads of their own (`others`). All are told things by their inboxes.

mod admin_port;
mod bound;
mod descriptors;
mod exit;
mod files;
mod loops;
mod mitm_files;
mod others;
mod prepared;
mod reload;
mod replacing;
mod shared;
mod start;
mod start_error;
mod supervisor;
mod telemetry;
mod tls_files;
mod trust_files;
mod users_file;
mod warnings;
mod watch;

use std::io;
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::io::local_socket::SocketFile;
use crate::io::signal::{Signal, Signals};
use crate::server::in_force::InForce;
use crate::server::message::Message;
use crate::server::peers::Peers;
use crate::server::{Loop, Open};
use crate::session::Surface;
use crate::stats;

use self::admin_port::Awaited;
use self::exit::{Exit, Step};
use self::files::{Fresh, Line};
use self::others::{Others, Told, What};
pub use self::prepared::policy_of;
use self::reload::Reload;
use self::replacing::Replacing;
pub use self::start::{check, lookups, start};
pub use self::start_error::StartError;
use self::supervisor::Supervisor;
use self::tls_files::Reminder;
use self::watch::Watch;

/// The program, once it has started.
pub struct Process {
    in_force: InForce,
    /// Registered with the loop's poll, which tells of them.
    signals: Signals,
    exit: Exit,
    /// Why it ends, where nobody told it to.
    failure: Option<io::Error>,
    reload: Reload,
    replacing: Replacing,
    /// Tells when there is something to reload, if anything does beside SIGHUP.
    watch: Option<Watch>,
    reminder: Reminder,
    supervisor: Supervisor,
    /// The statistics socket's, which goes with the process.
    #[expect(dead_code, reason = "removed when it is dropped")]
    stats_file: Option<SocketFile>,
    /// The port where it can be asked how the proxy is, as long as another instance has it.
    admin_port: Option<Awaited>,
    /// What is counted, if anything is.
    stats: Option<stats::Common>,
    /// The first loop.
    serving: Loop,
    others: Others,
    /// To all loops.
    peers: Peers,
}

impl Process {
    /// Serves until told to end, or until a listener breaks and what was there has ended. Gives the exit code: 0, or 1
    /// when this machine would not go on.
    pub fn run(mut self) -> u8 {
        self.supervisor.ready(self.serving.now());
        loop {
            let heard = match self.serving.serve(self.deadline()) {
                Ok(heard) => heard,
                Err(error) => return failed(&error),
            };
            if let Some(open) = heard.ended {
                return self.end(open);
            }
            if heard.is_replaced {
                self.note_replaced(0);
            }
            let now = self.serving.now();
            if heard.messages {
                if let Err(error) = self.hear_others(now) {
                    return failed(&error);
                }
                self.take_reload();
                if self.watch.as_ref().is_some_and(Watch::is_changed) {
                    self.ask_to_reload(now);
                }
            }
            if let Some(error) = heard.broken {
                self.fail(error, now);
            }
            if heard.signals {
                self.take_signals(now);
            }
            self.go_on(now);
            self.take_admin_port(now);
            self.tell_supervisor(now);
        }
    }

    /// The first loop has ended, and so many connections with it; the others have by now, or were told to.
    fn end(self, open: Open) -> u8 {
        let Open { tunnels, others } = self.others.wait(open);
        log::info!("Shut down, cut: {tunnels} tunnels, {others} other connections");
        self.failure.as_ref().map_or(0, failed)
    }

    /// Takes what the other loops told.
    ///
    /// # Errors
    /// One of them can't go on: then the process can't.
    fn hear_others(&mut self, now: Instant) -> io::Result<()> {
        for Told { number, what } in self.others.told() {
            let heard = match what {
                What::Heard(heard) => *heard,
                What::Failed(error) => return Err(error),
                What::Panicked => return Err(io::Error::other(format!("loop {number} panicked"))),
            };
            if let Some(open) = heard.ended {
                self.others.note_end(number, open);
            }
            if heard.ended.is_some() || heard.is_replaced {
                self.note_replaced(number);
            }
            if let Some(error) = heard.broken {
                self.fail(error, now);
            }
        }
        Ok(())
    }

    /// A loop has what is in force now, or has ended.
    fn note_replaced(&mut self, number: u8) {
        if let Some((old, lines)) = self.replacing.note(number) {
            lines.into_iter().for_each(Line::log);
            self.reload.replaced(old, &self.in_force);
        }
    }

    /// When something is due though nothing is heard.
    fn deadline(&self) -> Option<Instant> {
        let others = [
            self.exit.deadline(),
            self.supervisor.deadline(),
            self.admin_port.as_ref().map(Awaited::deadline),
        ];
        let others = others.into_iter().flatten();
        others.chain([self.reminder.deadline()]).min()
    }

    /// A listener will not get better. As on a signal, what is there may come to its end; then whoever supervises the
    /// process starts it again.
    fn fail(&mut self, error: io::Error, now: Instant) {
        if self.exit.fail(now) {
            let open = self.serving.open_in_all().all();
            log::error!("Shutting down with {open} connections open, as only a restart can help: {error}");
            self.failure = Some(error);
        }
    }

    fn take_signals(&mut self, now: Instant) {
        let signals: Vec<Signal> = self.signals.drain().collect();
        for signal in signals {
            match signal {
                Signal::Reload => self.ask_to_reload(now),
                Signal::Nothing => log::info!("SIGUSR1 does nothing"),
                Signal::Drain => {
                    let open = self.serving.open_in_all().all();
                    if self.exit.begin(now) {
                        self.peers.tell_all(|| Message::Leaving);
                        log::info!("Shutting down: {open} connections are open");
                    } else {
                        log::info!("Shutting down at once: {open} connections are open");
                        self.exit.cut_short();
                        self.peers.tell_all(|| Message::Terminate);
                    }
                }
            }
        }
    }

    /// The files are to be read again.
    fn ask_to_reload(&mut self, now: Instant) {
        self.supervisor.reloading(now);
        self.reload.ask(&self.in_force);
    }

    /// Puts in force what a reload has read. Each loop takes all of it at once.
    fn take_reload(&mut self) {
        let Some(Fresh {
            in_force,
            layout,
            lines,
        }) = self.reload.take(&self.in_force)
        else {
            return;
        };
        let before = std::mem::replace(&mut self.in_force, in_force.clone());
        if let (Some(stats), Some(layout)) = (&self.stats, layout) {
            stats.note_policy(layout);
        }
        let others = self.others.running().iter().copied();
        self.replacing
            .begin(before, lines, std::iter::once(0).chain(others));
        self.peers.tell_all(|| Message::InForce(in_force.clone()));
    }

    /// Does what is due by now on the way out.
    fn go_on(&mut self, now: Instant) {
        let tls = self.in_force.tls.as_deref();
        let mitm = self.in_force.mitm.as_deref();
        for warning in self.reminder.tell((tls, mitm), now, SystemTime::now()) {
            log::warn!("{warning}");
        }
        match self.exit.step(now) {
            Some(Step::Drain) => self.peers.tell_all(|| Message::Drain),
            Some(Step::Terminate) => self.peers.tell_all(|| Message::Terminate),
            None => {}
        }
        if let Some(left) = self.exit.tell(now) {
            log::info!("{}", draining(self.serving.open_in_all(), left));
        }
    }

    /// Takes the port where it can be asked how the proxy is, if the instance that had it has ended. One that is on its way
    /// out itself leaves it to its successor.
    fn take_admin_port(&mut self, now: Instant) {
        if self.exit.left(now).is_some() {
            self.admin_port = None;
        }
        if let Some((acceptor, address)) = self.admin_port.as_mut().and_then(|awaited| awaited.take(now)) {
            self.admin_port = None;
            // The first loop has all who ask.
            self.peers.tell(0, Message::Admin(acceptor, Surface::Port));
            log::info!("Metrics and health are served on {address} now");
        }
    }

    /// Tells whoever supervises the process what is due by now.
    fn tell_supervisor(&mut self, now: Instant) {
        let left = self.exit.left(now);
        if left.is_some() {
            self.supervisor.stopping(now);
        } else if !self.reload.is_under_way() {
            self.supervisor.reloaded(now);
        }
        let (serving, others) = (&self.serving, &self.others);
        let interval = self.supervisor.alive_interval();
        let are_alive = interval.is_none_or(|interval| others.are_alive(interval, now));
        self.supervisor
            .tell(now, are_alive, || match (left, serving.open_in_all()) {
                (Some(left), open) => draining(open, left),
                (None, Open { tunnels, others }) => {
                    format!(
                        "serving: {} connections, {tunnels} of them tunnels",
                        tunnels + others
                    )
                }
            });
    }
}

/// How a drain goes, for a person.
fn draining(open: Open, left: Duration) -> String {
    let Open { tunnels, others } = open;
    let left = left.as_secs_f64().ceil();
    match others {
        0 => format!("draining: {tunnels} tunnels left, {left}s"),
        _ => format!("draining: {tunnels} tunnels left, {left}s; {others} other connections"),
    }
}

/// Says why the process ends; gives the exit code.
fn failed(error: &io::Error) -> u8 {
    log::error!("Ended by a failure: {error}");
    1
}
