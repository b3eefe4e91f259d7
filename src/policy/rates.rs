//! How often something may happen, for each client address and for all together. The time is handed in; what becomes of
//! those who come too often is decided elsewhere.
//!
//! A bucket of tokens is kept as the moment at which it will be full again: so it is one number, and one that lies
//! behind us need not be remembered.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Instant;
use crate::lock::unpoisoned;
use crate::net::ClientKey;

/// So many addresses are remembered, those that came last; where there are more, a few that came before may begin anew,
/// but all of them together don't.
pub const ADDRESSES_MAX: usize = 4096;

/// What may happen in a second, and at once after a quiet time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// In the long run; above 0.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

impl Rate {
    fn time_for(self, count: u32) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1) * count
    }

    /// When a bucket is full again of which so many are taken now; `None` where it does not hold them.
    fn take(self, full_at: Instant, count: u32, now: Instant) -> Option<Instant> {
        let next = full_at.max(now) + self.time_for(count);
        (next <= now + self.time_for(self.burst)).then_some(next)
    }
}

/// How much was too much since it was last asked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Excess {
    /// Times.
    pub count: u64,
    /// Of so many addresses; one that was forgotten meanwhile may be counted twice.
    pub addresses: u64,
}

/// Buckets of one kind.
#[derive(Debug)]
pub struct Rates {
    each: Rate,
    all: Rate,
    all_full_at: Instant,
    /// Those that came since `recent_since`, and those that came before that and not since.
    recent: HashMap<ClientKey, Address>,
    earlier: HashMap<ClientKey, Address>,
    recent_since: Instant,
    excess: Excess,
    /// Which excess is counted: grows by one when it is taken.
    period: u32,
}

#[derive(Clone, Copy, Debug)]
struct Address {
    full_at: Instant,
    /// The period whose excess counts this address; 0: none.
    exceeded_in: u32,
}

impl Rates {
    /// Full buckets of `each` for addresses, and one of `all` for all together.
    pub fn new(each: Rate, all: Rate, now: Instant) -> Rates {
        Rates {
            each,
            all,
            all_full_at: now,
            recent: HashMap::new(),
            earlier: HashMap::new(),
            recent_since: now,
            excess: Excess::default(),
            period: 1,
        }
    }

    /// For what strangers may cause: wrong credentials, lines of the log.
    pub fn of_strangers(now: Instant) -> Rates {
        let each = Rate {
            per_second: 100,
            burst: 1_000,
        };
        let all = Rate {
            per_second: 1_000,
            burst: 1_000,
        };
        Rates::new(each, all, now)
    }

    /// May it happen `count` times more from this address? If not, it counts as excess, and takes nothing from anybody.
    pub fn admits(&mut self, key: ClientKey, count: u32, now: Instant) -> bool {
        self.forget(now);
        let (each, period) = (self.each, self.period);
        let of_all = self.all.take(self.all_full_at, count, now);
        let address = self.address(key, now);
        let of_each = each.take(address.full_at, count, now);
        if let (Some(of_each), Some(of_all)) = (of_each, of_all) {
            address.full_at = of_each;
            self.all_full_at = of_all;
            return true;
        }
        let is_first = std::mem::replace(&mut address.exceeded_in, period) != period;
        self.excess.addresses += u64::from(is_first);
        self.excess.count += u64::from(count);
        false
    }

    /// How much was too much since the last call.
    pub fn take_excess(&mut self) -> Excess {
        self.period = self.period.wrapping_add(1).max(1);
        std::mem::take(&mut self.excess)
    }

    /// What is known of an address, among the recent ones.
    fn address(&mut self, key: ClientKey, now: Instant) -> &mut Address {
        let earlier = &mut self.earlier;
        self.recent.entry(key).or_insert_with(|| {
            earlier.remove(&key).unwrap_or(Address {
                full_at: now,
                exceeded_in: 0,
            })
        })
    }

    /// Forgets those that did not come lately. After the time in which any bucket fills nothing is lost with them;
    /// sooner only where there are too many.
    fn forget(&mut self, now: Instant) {
        let old = self.recent_since + self.each.time_for(self.each.burst);
        if now >= old || self.recent.len() >= ADDRESSES_MAX {
            self.earlier = std::mem::take(&mut self.recent);
            self.recent_since = now;
        }
    }
}

/// How often clients may give wrong credentials, whichever loop they are with.
#[derive(Debug)]
pub struct Guesses(Mutex<Rates>);

impl Guesses {
    /// None so far.
    pub fn new(now: Instant) -> Guesses {
        Guesses(Mutex::new(Rates::of_strangers(now)))
    }

    /// May this address be told once more that its credentials are wrong?
    pub fn admits(&self, key: ClientKey, now: Instant) -> bool {
        // Nothing panics under the lock.
        let mut rates = unpoisoned(self.0.lock());
        rates.admits(key, 1, now)
    }
}

#[cfg(test)]
#[path = "rates_tests.rs"]
mod tests;
