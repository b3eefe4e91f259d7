//! The process: what its loops share and what all of them are told: a new policy, that they are to end. It has the signals,
//! the time it may take to end, and the exit code. Knows no connection and moves no byte: that is a loop's business
//! (`server`).
//!
//! There is one loop, and it runs on the process's own thread: the process lets it have its turns until it heard something
//! that is not for it alone. It talks to the loop by its inbox all the same, as it would to several on threads of their own.

mod admin_port;
mod bound;
mod descriptors;
mod exit;
mod files;
mod loops;
mod mitm_files;
mod reload;
mod shared;
mod start;
mod supervisor;
mod telemetry;
mod tls_files;
mod trust_files;
mod users_file;
mod warnings;
mod watch;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::io::inbox::Outbox;
use crate::io::local_socket::SocketFile;
use crate::io::signal::{Signal, Signals};
use crate::server::inbox::Message;
use crate::server::{Loop, Open};
use crate::session::Surface;
use crate::tls::Leaves;

use self::admin_port::Awaited;
use self::exit::{Exit, Step};
use self::reload::Reload;
use self::shared::Shared;
pub use self::start::{StartError, check, lookups, policy_of, start};
use self::supervisor::Supervisor;
use self::tls_files::Reminder;
use self::watch::Watch;

/// The program, once it has started.
pub struct Process {
    shared: Shared,
    /// Registered with the loop's poll, which tells of them.
    signals: Signals,
    exit: Exit,
    /// Why it ends, where nobody told it to.
    failure: Option<io::Error>,
    reload: Reload,
    /// Tells when there is something to reload, if anything does beside SIGHUP.
    watch: Option<Watch>,
    reminder: Reminder,
    supervisor: Supervisor,
    /// The statistics socket's, which goes with the process.
    #[expect(dead_code, reason = "removed when it is dropped")]
    stats_file: Option<SocketFile>,
    /// The port where it can be asked how the proxy is, as long as another instance has it.
    admin_port: Option<Awaited>,
    serving: Loop,
    /// To the loop.
    outbox: Outbox<Message>,
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
            if let Some(Open { tunnels, others }) = heard.ended {
                log::info!("Shut down, cut: {tunnels} tunnels, {others} other connections");
                return self.failure.as_ref().map_or(0, failed);
            }
            if let Some(old) = heard.replaced {
                self.reload.replaced(old, &self.shared.in_force);
            }
            let now = self.serving.now();
            if heard.messages {
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
            let open = self.serving.open().all();
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
                    let open = self.serving.open().all();
                    if self.exit.begin(now) {
                        self.outbox.send(Message::Leaving);
                        log::info!("Shutting down: {open} connections are open");
                    } else {
                        log::info!("Shutting down at once: {open} connections are open");
                        self.exit.cut_short();
                        self.outbox.send(Message::Terminate);
                    }
                }
            }
        }
    }

    /// The files are to be read again.
    fn ask_to_reload(&mut self, now: Instant) {
        self.supervisor.reloading(now);
        self.reload.ask(&self.shared.in_force);
    }

    /// Puts in force what a reload has read.
    fn take_reload(&mut self) {
        if let Some(in_force) = self.reload.take(&self.shared.in_force) {
            let before = std::mem::replace(&mut self.shared.in_force, in_force.clone());
            if !in_force.trust.trusts_as(&before.trust) {
                self.outbox.send(Message::Trust(in_force.trust));
            }
            // The loop takes all before it serves anybody else.
            let is_new = |leaves: &Arc<Leaves>| !before.mitm.iter().any(|other| Arc::ptr_eq(other, leaves));
            let leaves = in_force.mitm.filter(is_new);
            leaves
                .into_iter()
                .for_each(|leaves| self.outbox.send(Message::Mitm(leaves)));
            in_force
                .tls
                .into_iter()
                .for_each(|tls| self.outbox.send(Message::Tls(tls)));
            self.outbox.send(Message::Policy(in_force.policy));
        }
    }

    /// Does what is due by now on the way out.
    fn go_on(&mut self, now: Instant) {
        let tls = self.shared.in_force.tls.as_deref();
        let mitm = self.shared.in_force.mitm.as_deref();
        for warning in self.reminder.tell((tls, mitm), now, SystemTime::now()) {
            log::warn!("{warning}");
        }
        match self.exit.step(now) {
            Some(Step::Drain) => self.outbox.send(Message::Drain),
            Some(Step::Terminate) => self.outbox.send(Message::Terminate),
            None => {}
        }
        if let Some(left) = self.exit.tell(now) {
            log::info!("{}", draining(self.serving.open(), left));
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
            self.outbox.send(Message::Admin(acceptor, Surface::Port));
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
        let serving = &self.serving;
        self.supervisor.tell(now, || match (left, serving.open()) {
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
