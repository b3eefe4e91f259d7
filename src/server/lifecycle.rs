//! How a server changes and ends: reload, drain, a second signal. Signals only set the phase; the loop acts on it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::io::heap;
use crate::io::signal::Signal;
use crate::session::{Close, Input};

use super::allowance::Allowance;
use super::{ConnId, Phase, Server};

/// Connections taken from the kernel's queue when the listener is about to close.
const ACCEPTS_ON_DRAIN: usize = 4096;

/// How long that may take.
const ACCEPT_TIME_ON_DRAIN: Duration = Duration::from_secs(1);

/// How often a drain is told of.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

impl Server {
    pub(super) fn take_signals(&mut self) {
        let signals: Vec<Signal> = self.signals.drain().collect();
        for signal in signals {
            match (signal, self.phase) {
                (Signal::Reload, _) => self.reload(),
                (Signal::Nothing, _) => log::info!("SIGUSR1 does nothing"),
                (Signal::Drain, Phase::Serving) => {
                    log::info!("Shutting down: {} connections are open", self.conns.len());
                    self.phase = Phase::Delaying(self.core.world.now + self.limits.drain_delay);
                    self.tell_of_drain();
                }
                (Signal::Drain, Phase::Delaying(_) | Phase::Draining(_)) => {
                    log::info!("Shutting down at once: {} connections are open", self.conns.len());
                    self.listeners.clear();
                    self.phase = Phase::Draining(self.core.world.now);
                }
            }
        }
    }

    fn reload(&mut self) {
        match (self.reload)(&self.core.world.policy) {
            Ok(policy) => self.core.world.policy = Arc::new(policy),
            Err(why) => log::error!("Nothing was reloaded, what was read before stays in force: {why}"),
        }
        // A long ACL is there twice for a moment, and its text beside it.
        heap::trim();
    }

    /// The listener will not get better. As on the signal, what is there may come to its end; but at once, for there is
    /// nothing to delay, and [`Server::run`] gives the error, so that whoever supervises the process starts it again.
    pub(super) fn listener_broke(&mut self, error: io::Error) {
        let open = self.conns.len();
        log::error!("Shutting down with {open} connections open, as only a restart can help: {error}");
        self.listeners.clear();
        self.failure = Some(error);
        self.drain();
        self.tell_of_drain();
    }

    /// Says how far the drain is, and when to say it again.
    pub(super) fn tell_of_drain(&mut self) {
        let now = self.core.world.now;
        let end = match self.phase {
            Phase::Serving => return,
            Phase::Delaying(until) => until + self.limits.exit_timeout,
            Phase::Draining(until) => until,
        };
        self.tell_at = Some(now + TELL_INTERVAL);
        let left = end.saturating_duration_since(now).as_secs_f64().ceil();
        let (tunnels, others) = self.count_open();
        if others > 0 {
            log::info!("draining: {tunnels} tunnels left, {left}s; {others} other connections");
        } else {
            log::info!("draining: {tunnels} tunnels left, {left}s");
        }
    }

    /// How many tunnels are open, and how many connections that are none.
    fn count_open(&self) -> (usize, usize) {
        let conns = self.conns.keys::<ConnId>().into_iter();
        let tunnels = conns.filter(|id| self.conns.get(*id).is_some_and(|conn| conn.is_tunnel()));
        let tunnels = tunnels.count();
        (tunnels, self.conns.len() - tunnels)
    }

    /// Takes what is queued, closes the listeners, and lets what is there come to its end.
    pub(super) fn drain(&mut self) {
        let mut allowance = Allowance::new(usize::MAX, ACCEPT_TIME_ON_DRAIN);
        for listener in 0..self.listeners.len() {
            self.take_clients(listener, ACCEPTS_ON_DRAIN, &mut allowance);
        }
        self.listeners.clear();
        self.core.stores.draining = true;
        self.core.close_idle();
        self.phase = Phase::Draining(self.core.world.now + self.limits.exit_timeout);
        for id in self.conns.keys() {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.drain(&mut self.core);
            }
            self.enqueue(id);
        }
    }

    /// Ends what is left.
    pub(super) fn terminate(&mut self) {
        let (tunnels, others) = self.count_open();
        for id in self.conns.keys() {
            if let Some(mut conn) = self.conns.remove::<ConnId>(id) {
                conn.feed(Input::Terminate, &mut self.core);
                conn.close(Close::Orderly, &mut self.core);
            }
        }
        let left_out = self.core.stranger_lines.last_summary();
        self.core.log_left_out(left_out);
        log::info!("Shut down, cut: {tunnels} tunnels, {others} other connections");
    }
}
