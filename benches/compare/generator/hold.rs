//! Many tunnels that are open at a time, and left alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{ERRORS_MAX, Generator};
use crate::tally::Tally;
use crate::work::{Way, Work};

/// Tunnels that are being opened at a time.
const OPENING: usize = 64;
/// For all of them.
const PATIENCE: Duration = Duration::from_secs(30);

impl Generator {
    /// Opens `count` tunnels, each proved to work by 1 KiB there and back; they stay open until
    /// [`Generator::dismiss`].
    pub(crate) fn hold(&mut self, way: &Way, origin: SocketAddr, count: usize) -> Tally {
        self.begin(way, origin, &[(Work::Idle, count)]);
        // No client is replaced that fails.
        self.shared.has_arrivals = true;
        let until = Instant::now() + PATIENCE;
        let mut opened = 0;
        loop {
            let done = usize::try_from(self.shared.tally.units + self.shared.tally.errors).expect("a count");
            while opened < count && opened < done + OPENING {
                self.reopen.push((Work::Idle, Instant::now()));
                opened += 1;
            }
            let failed = self.shared.tally.errors > ERRORS_MAX || Instant::now() > until;
            if done >= count || failed {
                break;
            }
            self.poll(if self.reopen.is_empty() {
                Duration::from_millis(10)
            } else {
                Duration::ZERO
            });
        }
        let mut tally = std::mem::take(&mut self.shared.tally);
        if tally.units + tally.errors < count as u64 {
            tally.error(format!("{} of {count} tunnels opened", tally.units));
        }
        tally
    }

    /// Lets time pass in which the proxy may do what it has to do.
    pub(crate) fn settle(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.poll(left.min(Duration::from_millis(20)));
        }
    }
}
