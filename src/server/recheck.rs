//! `--recheck-tunnels`: once another policy is in force each tunnel is judged by it, a slice of them in each turn of the loop.
//! How one is judged, and ended, is the session's business.

use std::time::Duration;

use crate::io::token::ConnId;
use crate::session::Input;

use super::Loop;
use super::allowance::Allowance;
use super::conn::Conn;
use super::ports::Ports;

/// What a slice may take of a turn.
const SLICE_TIME_MAX: Duration = Duration::from_millis(1);

/// To judge a tunnel costs about as much as to move so many bytes. So the clock is read after each second one.
const TUNNEL_BYTES: usize = 8192;

/// To find that a connection is none.
const OTHER_BYTES: usize = 256;

/// Those that are still to be judged by the policy in force.
#[derive(Default)]
pub(super) struct Recheck {
    left: Vec<ConnId>,
}

impl Recheck {
    /// Is nothing left to do?
    pub(super) fn is_over(&self) -> bool {
        self.left.is_empty()
    }
}

impl<P: Ports> Conn<P> {
    /// Is it a tunnel?
    pub fn is_tunnel(&self) -> bool {
        self.tunnel().is_some()
    }

    /// Judges its tunnel by the policy in force. Does that end it? Then it wants a turn.
    pub fn recheck(&mut self, ports: &mut P) -> bool {
        self.feed(Input::Recheck, ports);
        !self.is_tunnel()
    }
}

impl Loop {
    /// Another policy is in force: whatever was judged since the one before is to be judged anew. What comes later is judged
    /// by this one, or, where it was asked for before, as it becomes a tunnel.
    pub(super) fn begin_recheck(&mut self) {
        if self.core.world.settings.rechecks_tunnels {
            self.recheck.left = self.conns.keys();
        }
    }

    /// Judges some of those that are left.
    pub(super) fn go_on_with_recheck(&mut self) {
        if self.recheck.is_over() {
            return;
        }
        let mut allowance = Allowance::new(usize::MAX, SLICE_TIME_MAX);
        while !allowance.is_spent()
            && let Some(id) = self.recheck.left.pop()
        {
            let Some(conn) = self.conns.get_mut(id) else {
                continue;
            };
            allowance.spend(match conn.is_tunnel() {
                true => TUNNEL_BYTES,
                false => OTHER_BYTES,
            });
            if conn.is_tunnel() && conn.recheck(&mut self.core) && !conn.queued {
                // To end it takes several times what the verdict did, and is a part of the slice.
                self.run_one(id);
            }
        }
        if self.recheck.is_over() {
            self.recheck = Recheck::default();
        }
    }
}
