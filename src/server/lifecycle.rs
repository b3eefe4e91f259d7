//! How a server changes and ends: reload, drain, a second signal. Signals only set the phase; the loop acts on it.

use std::sync::Arc;

use crate::io::signal::Signal;
use crate::session::{Close, Input};

use super::{ConnId, Phase, Server};

/// Connections taken from the kernel's queue when the listener is about to close.
const ACCEPTS_ON_DRAIN: usize = 4096;

impl Server {
    pub(super) fn take_signals(&mut self) {
        let signals: Vec<Signal> = self.signals.drain().collect();
        for signal in signals {
            match (signal, self.phase) {
                (Signal::Reload, _) => self.reload(),
                (Signal::Drain, Phase::Serving) => {
                    log::info!("Shutting down: {} connections are open", self.conns.len());
                    self.phase = Phase::Delaying(self.core.world.now + self.limits.drain_delay);
                }
                (Signal::Drain, Phase::Delaying(_) | Phase::Draining(_)) => {
                    log::info!("Shutting down at once: {} connections are open", self.conns.len());
                    self.acceptor = None;
                    self.phase = Phase::Draining(self.core.world.now);
                }
            }
        }
    }

    fn reload(&mut self) {
        match (self.reload)(&self.core.world.policy) {
            Ok(policy) => self.core.world.policy = Arc::new(policy),
            Err(why) => log::error!("The egress ACL was not reloaded, the present one stays in force: {why}"),
        }
    }

    /// Takes what is queued, closes the listener, and lets what is there come to its end.
    pub(super) fn drain(&mut self) {
        self.take_clients(ACCEPTS_ON_DRAIN);
        self.acceptor = None;
        self.core.draining = true;
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
        for id in self.conns.keys() {
            if let Some(mut conn) = self.conns.remove::<ConnId>(id) {
                conn.feed(Input::Terminate, &mut self.core);
                conn.close(Close::Orderly, &mut self.core);
            }
        }
        log::info!("Shut down");
    }
}
