//! How a loop ends: it takes no further clients and lets what is there come to its end, or ends it. When is the process's
//! business.

use std::time::Duration;

use crate::io::token::ConnId;
use crate::session::{Close, Input};

use super::Loop;
use super::accept::Taken;
use super::allowance::Allowance;

/// Connections taken from the kernel's queue when a listener is about to close.
const ACCEPTS_ON_DRAIN: usize = 4096;

/// How long that may take.
const ACCEPT_TIME_ON_DRAIN: Duration = Duration::from_secs(1);

/// How long those wait for whom there is no place yet: all loops end those that are idle meanwhile.
const PLACE_TIME_ON_DRAIN: Duration = Duration::from_millis(200);

/// How many client connections are open.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Open {
    /// Those that are tunnels, intercepted or not.
    pub tunnels: usize,
    /// Those that are none.
    pub others: usize,
}

impl Open {
    fn of(tunnels: usize, clients: usize) -> Open {
        Open {
            tunnels,
            others: clients.saturating_sub(tunnels),
        }
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Open) -> Open {
        Open {
            tunnels: self.tunnels + others.tunnels,
            others: self.others + others.others,
        }
    }

    /// All of them.
    pub fn all(self) -> usize {
        self.tunnels + self.others
    }
}

impl Loop {
    /// How many connections are open.
    pub fn open(&self) -> Open {
        Open::of(self.core.tally.own_tunnels(), self.clients())
    }

    /// How many connections all loops have open.
    pub fn open_in_all(&self) -> Open {
        Open::of(self.core.tally.all_tunnels(), self.core.census.clients())
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
        // The others drain too, and may be gone by the time they are handed somebody.
        self.hands_out = None;
        self.closing = Some(self.core.world.now + PLACE_TIME_ON_DRAIN);
        self.close_listeners();
        self.core.stores.draining = true;
        self.core.close_idle();
        self.core.world.admin.is_leaving = true;
        // Who asks how the proxy is may do so to the end.
        let mut clients = self.conns.keys();
        clients.retain(|id| !self.admin.has(*id));
        for id in clients {
            self.drain_one(id);
        }
    }

    /// Closes the listeners that are to be closed, once all who wait there were taken, or have waited long enough for a place.
    pub(super) fn close_listeners(&mut self) {
        let Some(until) = self.closing else { return };
        let mut allowance = Allowance::new(usize::MAX, ACCEPT_TIME_ON_DRAIN);
        let mut is_over = true;
        for listener in 0..self.listeners.len() {
            let taken = self.take_clients(listener, ACCEPTS_ON_DRAIN, false, &mut allowance);
            is_over &= taken != Taken::NotYet;
        }
        if is_over || self.core.world.now >= until {
            self.listeners.clear();
            self.core.listening.set(0);
            self.closing = None;
        }
    }

    /// Lets a connection come to its end.
    pub(super) fn drain_one(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.drain(&mut self.core);
        }
        self.enqueue(id);
    }

    /// Ends what is left, if it is time to; tells what that was.
    pub(super) fn end(&mut self) -> Option<Open> {
        // The first loop is there for those who ask how the proxy is until the others have ended.
        let waits_for_others = self.core.peers.own() == 0 && !self.core.census.is_last();
        let takes_none = self.core.stores.draining && self.closing.is_none();
        let is_drained = takes_none && self.clients() == 0 && !waits_for_others;
        if is_drained && !self.terminating {
            // Whom a loop that has ended by now did not take in any more has come back.
            self.take_messages();
        }
        if !(self.terminating || is_drained && self.clients() == 0) {
            return None;
        }
        // Likewise those who were dealt to this one: before the others know that it has ended.
        drop(self.inbox.take());
        let cut = self.open();
        for id in self.conns.keys() {
            if let Some(mut conn) = self.conns.remove::<ConnId>(id) {
                if conn.counted {
                    self.core.census.forget(id);
                }
                conn.feed(Input::Terminate, &mut self.core);
                conn.close(Close::Orderly, &mut self.core);
            }
        }
        let left_out = self.core.stranger_lines.last_summary();
        self.core.log_left_out(left_out);
        self.core.tally.forget_all();
        self.core.idle.set(0);
        self.core.census.leave(cut.all());
        Some(cut)
    }
}
