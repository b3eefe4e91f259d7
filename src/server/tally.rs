//! How many of a loop's connections are what: kept up as they change, so that nobody has to look at each to know.

use crate::session::Standing;

/// The count of each standing that somebody asks for.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Requests under way.
    pub requests: u64,
    /// Tunnels.
    pub tunnels: u64,
}

impl Tally {
    /// A connection that was counted as the one is the other now.
    pub fn change(&mut self, [before, now]: [Standing; 2]) {
        self.forget(before);
        if let Some(count) = self.of(now) {
            *count += 1;
        }
    }

    /// A connection that was counted so is gone.
    pub fn forget(&mut self, standing: Standing) {
        if let Some(count) = self.of(standing) {
            debug_assert!(*count > 0, "{standing:?} was never counted");
            *count = count.saturating_sub(1);
        }
    }

    fn of(&mut self, standing: Standing) -> Option<&mut u64> {
        match standing {
            Standing::Idle => None,
            Standing::Request => Some(&mut self.requests),
            Standing::Tunnel => Some(&mut self.tunnels),
        }
    }
}
