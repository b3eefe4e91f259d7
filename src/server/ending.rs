//! How a loop ends: it takes no further clients and lets what is there come to its end, or ends it. When is the process's
//! business.

use std::time::Duration;

use crate::io::token::ConnId;
use crate::session::{Close, Input};

use super::Loop;
use super::allowance::Allowance;
use super::tally::Tally;

/// Connections taken from the kernel's queue when a listener is about to close.
const ACCEPTS_ON_DRAIN: usize = 4096;

/// How long that may take.
const ACCEPT_TIME_ON_DRAIN: Duration = Duration::from_secs(1);

/// How many client connections are open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open {
    /// Those that are tunnels, intercepted or not.
    pub tunnels: usize,
    /// Those that are none.
    pub others: usize,
}

impl Open {
    /// All of them.
    pub fn all(self) -> usize {
        self.tunnels + self.others
    }
}

impl Loop {
    /// How many connections are open.
    pub fn open(&self) -> Open {
        let Tally {
            tunnels, intercepted, ..
        } = self.core.tally;
        let tunnels = usize::try_from(tunnels + intercepted).unwrap_or(usize::MAX);
        Open {
            tunnels,
            others: self.clients().saturating_sub(tunnels),
        }
    }

    /// Where a role's bytes of the day are used up, its tunnels end, those too in which nothing moves.
    pub(super) fn end_spent(&mut self) {
        if !std::mem::take(&mut self.core.is_spent) {
            return;
        }
        for id in self.conns.keys() {
            if let Some(conn) = self.conns.get_mut(id)
                && conn.is_metered()
            {
                conn.feed(Input::Moved, &mut self.core);
                self.enqueue(id);
            }
        }
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
        self.core.world.admin.is_leaving = true;
        self.core.world.admin.listeners = 0;
        // Who asks how the proxy is may do so to the end.
        let mut clients = self.conns.keys();
        clients.retain(|id| !self.admin.has(*id));
        for id in clients {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.drain(&mut self.core);
            }
            self.enqueue(id);
        }
    }

    /// Ends what is left, if it is time to; tells what that was.
    pub(super) fn end(&mut self) -> Option<Open> {
        let is_over = self.terminating || self.core.stores.draining && self.clients() == 0;
        if !is_over {
            return None;
        }
        let cut = self.open();
        for id in self.conns.keys() {
            if let Some(mut conn) = self.conns.remove::<ConnId>(id) {
                conn.feed(Input::Terminate, &mut self.core);
                conn.close(Close::Orderly, &mut self.core);
            }
        }
        let left_out = self.core.stranger_lines.last_summary();
        self.core.log_left_out(left_out);
        Some(cut)
    }
}
