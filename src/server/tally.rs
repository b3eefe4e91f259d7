//! How many of a loop's connections are what: kept up as they change, so that nobody has to look at each to know.

use crate::session::Standing;

/// The count of each standing that somebody asks for.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Requests under way.
    pub requests: u64,
    /// Tunnels but those that are intercepted.
    pub tunnels: u64,
    /// Intercepted tunnels.
    pub intercepted: u64,
}

impl Tally {
    /// A connection that was counted as the one is the other now.
    pub fn change(&mut self, [before, now]: [Standing; 2]) {
        self.forget(before);
        for count in self.of(now) {
            *count += 1;
        }
    }

    /// A connection that was counted so is gone.
    pub fn forget(&mut self, standing: Standing) {
        for count in self.of(standing) {
            debug_assert!(*count > 0, "{standing:?} was never counted");
            *count = count.saturating_sub(1);
        }
    }

    fn of(&mut self, standing: Standing) -> impl Iterator<Item = &mut u64> {
        let Tally {
            requests,
            tunnels,
            intercepted,
        } = self;
        let [asks, is_tunnel, is_intercepted] = match standing {
            Standing::Idle => [false, false, false],
            Standing::Request => [true, false, false],
            Standing::Tunnel => [false, true, false],
            Standing::Inside { asks } => [asks, false, true],
        };
        let counts = [
            asks.then_some(requests),
            is_tunnel.then_some(tunnels),
            is_intercepted.then_some(intercepted),
        ];
        counts.into_iter().flatten()
    }
}
