//! The loops beside the first, each on a thread of its own: how they are started, what they tell the process, and whether
//! they are alive. What each does is a loop's business.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mio::Waker;

use crate::clock::Instant;
use crate::config::Config;
use crate::io::inbox::{Inbox, Outbox, inbox};
use crate::log::{FLUSH_TIMEOUT, Logger};
use crate::server::{Heard, Loop, Open};

use super::loops::{self, Acceptors};
use super::shared::{Seat, Shared};

/// How long loops that were told to end may take for it, once the first has.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A loop that has ended shows no signs of life, and needs none.
const ENDED: u64 = u64::MAX;

/// What a loop tells the process.
pub(super) struct Told {
    /// Which loop.
    pub(super) number: u8,
    pub(super) what: What,
}

/// What there is to tell.
pub(super) enum What {
    Heard(Box<Heard>),
    /// Its poll failed.
    Failed(io::Error),
    Panicked,
}

/// When each loop last showed that it is alive, in milliseconds since the start.
struct Signs {
    start: Instant,
    /// By the loops' numbers, the first aside.
    at: Box<[AtomicU64]>,
}

impl Signs {
    fn of(&self, number: u8) -> Option<&AtomicU64> {
        self.at.get(usize::from(number).checked_sub(1)?)
    }

    fn since_start(&self, now: Instant) -> u64 {
        let time = now.duration_since(self.start).as_millis();
        u64::try_from(time).unwrap_or(ENDED - 1)
    }

    fn give(&self, number: u8, now: Instant) {
        if let Some(at) = self.of(number) {
            at.store(self.since_start(now), Ordering::Relaxed);
        }
    }

    fn are_fresh(&self, interval: Duration, now: Instant) -> bool {
        let now = self.since_start(now);
        let interval = u64::try_from(interval.as_millis()).unwrap_or(ENDED);
        let is_fresh = |at: &AtomicU64| at.load(Ordering::Relaxed).saturating_add(interval) >= now;
        self.at.iter().all(is_fresh)
    }

    fn end(&self, number: u8) {
        if let Some(at) = self.of(number) {
            at.store(ENDED, Ordering::Relaxed);
        }
    }
}

/// All of them.
pub(super) struct Others {
    inbox: Inbox<Told>,
    /// Those that have not ended.
    running: Vec<u8>,
    /// What those that have ended had open.
    cut: Open,
    signs: Arc<Signs>,
}

impl Others {
    /// Starts a loop for each of these seats, which tells what it hears by `waker`, and where somebody wants to know shows
    /// twice in each `interval` that it is alive.
    ///
    /// # Errors
    /// No thread, or the loop's poll.
    pub(super) fn start(
        config: &Config,
        shared: &Shared,
        seats: Vec<(Seat, Acceptors)>,
        waker: Arc<Waker>,
        interval: Option<Duration>,
    ) -> io::Result<Others> {
        let (outbox, inbox) = inbox(waker);
        let signs = Arc::new(Signs {
            start: Instant::now(),
            at: seats.iter().map(|_| AtomicU64::new(0)).collect(),
        });
        let mut running = Vec::new();
        let (made, results) = mpsc::channel();
        for (seat, acceptors) in seats {
            let number = seat.number;
            let (config, shared, made) = (config.clone(), shared.clone(), made.clone());
            let thread = Thread {
                number,
                outbox: outbox.clone(),
                signs: Arc::clone(&signs),
                beat: interval.map(|interval| interval / 2),
                logger: shared.logger.clone(),
            };
            // A loop can't go from thread to thread: it is made where it serves.
            let body = move || match loops::make(&config, &shared, seat, acceptors) {
                Ok(serving) => {
                    let _ = made.send(Ok(()));
                    drop((config, shared, made));
                    thread.run(serving);
                }
                Err(error) => {
                    let _ = made.send(Err(error));
                }
            };
            thread::Builder::new()
                .name(format!("loop-{number}"))
                .spawn(body)?;
            running.push(number);
        }
        drop(made);
        for _ in &running {
            // A thread that panics before it has said anything leaves nobody behind that could.
            results
                .recv()
                .unwrap_or_else(|_| Err(io::Error::other("it panicked")))?;
        }
        Ok(Others {
            inbox,
            running,
            cut: Open::default(),
            signs,
        })
    }

    /// What they told since the last call.
    pub(super) fn told(&self) -> Vec<Told> {
        self.inbox.take()
    }

    /// The numbers of those that have not ended.
    pub(super) fn running(&self) -> &[u8] {
        &self.running
    }

    /// One of them has ended, and so many connections with it.
    pub(super) fn note_end(&mut self, number: u8, open: Open) {
        self.running.retain(|running| *running != number);
        self.cut = self.cut.and(open);
    }

    /// Has each that has not ended shown within this time that it is alive?
    pub(super) fn are_alive(&self, interval: Duration, now: Instant) -> bool {
        self.signs.are_fresh(interval, now)
    }

    /// Waits until those that were told to end have, but for no longer than they may take. What all of them had open, beside
    /// these.
    pub(super) fn wait(mut self, open: Open) -> Open {
        let until = Instant::now() + END_TIMEOUT;
        while !self.running.is_empty()
            && let Some(left) = until.checked_duration_since(Instant::now())
            && let Some(Told { number, what }) = self.inbox.wait(left)
        {
            match what {
                What::Heard(heard) => {
                    if let Some(open) = heard.ended {
                        self.note_end(number, open);
                    }
                }
                What::Failed(_) | What::Panicked => self.note_end(number, Open::default()),
            }
        }
        self.cut.and(open)
    }
}

/// A loop's thread.
struct Thread {
    number: u8,
    outbox: Outbox<Told>,
    signs: Arc<Signs>,
    /// How often it shows that it is alive.
    beat: Option<Duration>,
    logger: Logger,
}

impl Thread {
    fn run(self, mut serving: Loop) {
        loop {
            let until = self.beat.map(|beat| serving.now() + beat);
            let heard = match serving.serve(until) {
                Ok(heard) => heard,
                Err(error) => return self.tell(What::Failed(error)),
            };
            self.signs.give(self.number, serving.now());
            let has_ended = heard.ended.is_some();
            if has_ended || heard.broken.is_some() || heard.is_replaced {
                if has_ended {
                    // What it had is given back before anybody counts on it.
                    drop(serving);
                    self.logger.flush(FLUSH_TIMEOUT);
                    return self.tell(What::Heard(Box::new(heard)));
                }
                self.tell(What::Heard(Box::new(heard)));
            }
        }
    }

    fn tell(&self, what: What) {
        self.outbox.send(Told {
            number: self.number,
            what,
        });
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.signs.end(self.number);
        if thread::panicking() {
            self.tell(What::Panicked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_are_missed_of_each_loop_that_has_not_ended() {
        let start = Instant::now();
        let signs = Signs {
            start,
            at: (0..2).map(|_| AtomicU64::new(0)).collect(),
        };
        let second = Duration::from_secs(1);
        assert!(signs.are_fresh(second, start + second));
        let later = start + 5 * second;
        signs.give(1, later);
        assert!(!signs.are_fresh(second, later), "the second gave none");
        signs.give(2, later);
        signs.give(0, later);
        assert!(signs.are_fresh(second, later));
        signs.end(2);
        assert!(!signs.are_fresh(second, later + 2 * second));
        signs.end(1);
        assert!(signs.are_fresh(second, later + 2 * second), "nobody is left");
    }
}
