//! The thread that writes log lines, and the bounded queue before it. Whoever logs never waits: when the sink
//! stalls, lines are dropped and counted; when it is closed, they are dropped too, and nothing ends.
//! Knows no levels and no fields: a line is bytes. Nor does it know when a line is due: it writes when it is called.

use std::collections::TryReserveError;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::lock::unpoisoned;

use super::sink::Sink;

/// Lines waiting, those in the thread's hand included.
pub const LINES_MAX: usize = 8192;
/// Bytes waiting, those in the thread's hand included.
pub const BYTES_MAX: usize = 4 << 20;
/// After so long without a call the room that a burst needed is given back.
pub const QUIET_TIME: Duration = Duration::from_secs(1);
/// What a buffer keeps of its room then.
const CAPACITY_KEPT: usize = 64 << 10;
const THREAD_NAME: &str = "log";

/// How lines are gathered into writes.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// Lines leave together up to this many bytes a write; a longer one leaves alone.
    pub write_length_max: usize,
    /// [`QUIET_TIME`], but in tests.
    pub quiet_time: Duration,
}

/// The way in. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// The thread is wanted: it is `Busy` from now on.
    wanted: Condvar,
    /// Everything has been written.
    emptied: Condvar,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whole lines, one after the other.
    bytes: Vec<u8>,
    lines: usize,
    /// What the thread is writing right now.
    bytes_in_hand: usize,
    lines_in_hand: usize,
    /// Dropped since a line last said so.
    dropped_unsaid: u64,
    /// How many wait for `emptied`.
    flushers: usize,
    thread: Thread,
}

/// What the writing thread is doing. While it writes, lines gather until it is called again: otherwise it would write
/// them one by one, and never be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Thread {
    /// Writing, or on its way.
    #[default]
    Busy,
    /// The same, and called meanwhile.
    Called,
    /// Asleep. Who makes it `Busy` wakes it.
    Idle,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines == 0 && self.lines_in_hand == 0 && self.dropped_unsaid == 0
    }

    fn has_room_for(&self, length: usize) -> bool {
        self.lines + self.lines_in_hand < LINES_MAX
            && self.bytes.len() + self.bytes_in_hand + length <= BYTES_MAX
    }

    /// Must lines not wait for a call? A queue half full leaves room for a burst while the thread gets going.
    fn is_urgent(&self) -> bool {
        self.flushers > 0 || self.lines >= LINES_MAX / 2 || self.bytes.len() >= BYTES_MAX / 2
    }

    /// Is there anything that the thread should go on for, having written?
    fn goes_on(&self) -> bool {
        !self.is_empty() && (self.thread == Thread::Called || self.is_urgent())
    }

    /// Calls the thread, if there is anything for it. Must it be woken?
    fn call(&mut self) -> bool {
        if self.is_empty() {
            return false;
        }
        let sleeps = self.thread == Thread::Idle;
        self.thread = if sleeps { Thread::Busy } else { Thread::Called };
        sleeps
    }

    fn add(&mut self, line: &[u8]) -> Result<(), TryReserveError> {
        self.bytes.try_reserve(line.len())?;
        self.bytes.extend_from_slice(line);
        self.lines += 1;
        Ok(())
    }
}

impl Queue {
    /// Starts the thread. `notice` appends the line that says how many lines were dropped, its line feed included.
    ///
    /// # Errors
    /// When the system has no thread for us.
    pub fn start(
        sink: impl Write + Send + 'static,
        batching: Batching,
        notice: impl Fn(u64, &mut Vec<u8>) + Send + 'static,
    ) -> io::Result<Queue> {
        let queue = Queue(Arc::new(Shared::default()));
        let shared = Arc::clone(&queue.0);
        // Detached on purpose: it may be stuck in a write for ever, and the process ends without it.
        thread::Builder::new()
            .name(THREAD_NAME.into())
            .spawn(move || shared.write_all(sink, batching, notice))?;
        Ok(queue)
    }

    /// Takes a line, its line feed included, or drops and counts it; it is written at once. Never waits for the sink.
    pub fn push(&self, line: &[u8]) {
        self.wake(self.take_in(line));
    }

    /// The same, but the line waits for [`Queue::call`], unless half the queue is full before: so it costs no system call.
    pub fn put(&self, line: &[u8]) {
        let waiting = self.take_in(line);
        if waiting.is_urgent() {
            self.wake(waiting);
        }
    }

    /// How many lines were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Has written what was only put.
    pub fn call(&self) {
        self.wake(self.0.lock());
    }

    fn take_in(&self, line: &[u8]) -> MutexGuard<'_, Waiting> {
        let mut waiting = self.0.lock();
        if !waiting.has_room_for(line.len()) || waiting.add(line).is_err() {
            waiting.dropped_unsaid += 1;
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        waiting
    }

    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        if waiting.call() {
            // Unlocked first: the thread wants the lock as soon as it wakes.
            drop(waiting);
            self.0.wanted.notify_one();
        }
    }

    /// Has everything written, and waits until it is, but no longer than `timeout`. Says whether it was.
    /// The writing thread itself, should it panic, does not wait for itself.
    pub fn flush(&self, timeout: Duration) -> bool {
        if thread::current().name() == Some(THREAD_NAME) {
            return false;
        }
        let mut waiting = self.0.lock();
        waiting.flushers += 1;
        if waiting.call() {
            self.0.wanted.notify_one();
        }
        let waited = self
            .0
            .emptied
            .wait_timeout_while(waiting, timeout, |waiting| !waiting.is_empty());
        let (mut waiting, result) = unpoisoned(waited);
        waiting.flushers -= 1;
        !result.timed_out()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        unpoisoned(self.waiting.lock())
    }

    /// The thread's life.
    fn write_all(&self, sink: impl Write, batching: Batching, notice: impl Fn(u64, &mut Vec<u8>)) {
        let mut sink = Sink::new(sink, batching.write_length_max);
        let mut hand = Vec::new();
        let mut unsaid = 0;
        loop {
            unsaid += self.take(&mut hand, batching.quiet_time);
            let lost = sink.write_lines(&hand);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            unsaid += lost;
            // Room for the like of this batch stays, so that steady load allocates nothing.
            let length = hand.len();
            hand.clear();
            hand.shrink_to(CAPACITY_KEPT.max(2 * length));
            // While the sink fails nothing is said, so that one that fails for ever doesn't keep us busy.
            if unsaid > 0 && lost == 0 {
                notice(unsaid, &mut hand);
                if sink.write_lines(&hand) == 0 {
                    unsaid = 0;
                }
                hand.clear();
            }
        }
    }

    /// Takes all lines, as soon as there is reason to; the room of `hand`, whose lines are written, is left for the next
    /// ones. Gives the number of lines dropped that nobody has been told of.
    fn take(&self, hand: &mut Vec<u8>, quiet_time: Duration) -> u64 {
        let mut waiting = self.lock();
        (waiting.bytes_in_hand, waiting.lines_in_hand) = (0, 0);
        if waiting.flushers > 0 && waiting.is_empty() {
            self.emptied.notify_all();
        }
        if !waiting.goes_on() {
            waiting = self.sleep(waiting, hand, quiet_time);
        }
        waiting.thread = Thread::Busy;
        std::mem::swap(&mut waiting.bytes, hand);
        waiting.bytes_in_hand = hand.len();
        waiting.lines_in_hand = waiting.lines.max(1);
        waiting.lines = 0;
        std::mem::take(&mut waiting.dropped_unsaid)
    }

    /// Waits to be woken. What a burst left behind is given back when it seems to be over, and not before: under steady
    /// load nothing is allocated.
    fn sleep<'a>(
        &'a self,
        mut waiting: MutexGuard<'a, Waiting>,
        hand: &mut Vec<u8>,
        quiet_time: Duration,
    ) -> MutexGuard<'a, Waiting> {
        let sleeps = |waiting: &mut Waiting| waiting.thread == Thread::Idle;
        waiting.thread = Thread::Idle;
        if hand.capacity().max(waiting.bytes.capacity()) > CAPACITY_KEPT {
            let waited = self.wanted.wait_timeout_while(waiting, quiet_time, sleeps);
            let result;
            (waiting, result) = unpoisoned(waited);
            if result.timed_out() {
                hand.shrink_to(CAPACITY_KEPT);
                waiting.bytes.shrink_to(CAPACITY_KEPT);
            }
        }
        let waited = self.wanted.wait_while(waiting, sleeps);
        unpoisoned(waited)
    }
}

#[cfg(test)]
#[path = "batching_tests.rs"]
mod batching_tests;
#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
