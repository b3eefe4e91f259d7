//! How many connections are what, in all loops: kept up as they change, so that nobody has to look at each to know.

use crate::io::gauge::Gauge;
use crate::session::Standing;

/// The count of each standing that somebody asks for, as one loop keeps it.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Requests under way.
    requests: Gauge,
    /// Tunnels but those that are intercepted.
    tunnels: Gauge,
    /// Intercepted tunnels.
    intercepted: Gauge,
}

impl Tally {
    /// None, for so many loops; as the first keeps it.
    pub fn new(loops: usize) -> Tally {
        Tally {
            requests: Gauge::new(loops),
            tunnels: Gauge::new(loops),
            intercepted: Gauge::new(loops),
        }
    }

    /// As the loop of this number keeps it.
    #[must_use]
    pub fn for_loop(&self, number: u8) -> Tally {
        let Tally {
            requests,
            tunnels,
            intercepted,
        } = self;
        Tally {
            requests: requests.for_loop(number),
            tunnels: tunnels.for_loop(number),
            intercepted: intercepted.for_loop(number),
        }
    }

    /// Requests under way, in all loops.
    pub fn requests(&self) -> usize {
        self.requests.sum()
    }

    /// Tunnels in all loops, but those that are intercepted.
    pub fn tunnels(&self) -> usize {
        self.tunnels.sum()
    }

    /// Tunnels in all loops, intercepted or not.
    pub fn all_tunnels(&self) -> usize {
        self.tunnels.sum() + self.intercepted.sum()
    }

    /// This loop's tunnels, intercepted or not.
    pub fn own_tunnels(&self) -> usize {
        self.tunnels.own() + self.intercepted.own()
    }

    /// A connection that was counted as the one is the other now.
    pub fn change(&mut self, [before, now]: [Standing; 2]) {
        self.forget(before);
        for gauge in self.of(now) {
            gauge.set(gauge.own() + 1);
        }
    }

    /// A connection that was counted so is gone.
    pub fn forget(&mut self, standing: Standing) {
        for gauge in self.of(standing) {
            debug_assert!(gauge.own() > 0, "{standing:?} was never counted");
            gauge.set(gauge.own().saturating_sub(1));
        }
    }

    /// This loop has no connections any more.
    pub fn forget_all(&mut self) {
        let gauges = [&self.requests, &self.tunnels, &self.intercepted];
        gauges.into_iter().for_each(|gauge| gauge.set(0));
    }

    fn of(&self, standing: Standing) -> impl Iterator<Item = &Gauge> {
        let [asks, is_tunnel, is_intercepted] = match standing {
            Standing::Idle => [false, false, false],
            Standing::Request => [true, false, false],
            Standing::Tunnel => [false, true, false],
            Standing::Inside { asks } => [asks, false, true],
        };
        let gauges = [
            asks.then_some(&self.requests),
            is_tunnel.then_some(&self.tunnels),
            is_intercepted.then_some(&self.intercepted),
        ];
        gauges.into_iter().flatten()
    }
}
