//! The thread that writes log lines, and the bounded queue before it. Whoever logs never waits: when the sink
//! stalls, lines are dropped and counted; when it is closed, they are dropped too, and nothing ends.
//! Knows no levels and no fields: a line is bytes.

use std::collections::TryReserveError;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Lines waiting, those in the thread's hand included.
pub const LINES_MAX: usize = 8192;
/// Bytes waiting, those in the thread's hand included.
pub const BYTES_MAX: usize = 4 << 20;
/// Lines that wait together leave together, up to this many bytes: what a pipe takes whole or not at all
/// (PIPE_BUF), so that lines of several processes on one pipe don't mix.
const BATCH_LENGTH_MAX: usize = 4096;
/// What a buffer keeps of its room after a burst.
const CAPACITY_KEPT: usize = 64 << 10;
/// The waits between attempts at a non-blocking sink that takes no more.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(1);
const RETRY_WAIT_MAX: Duration = Duration::from_millis(32);

/// The way in. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something is there for the thread.
    filled: Condvar,
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
    /// The thread waits for `filled`.
    thread_idle: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lines == 0 && self.lines_in_hand == 0 && self.dropped_unsaid == 0
    }

    fn has_room_for(&self, length: usize) -> bool {
        self.lines + self.lines_in_hand < LINES_MAX
            && self.bytes.len() + self.bytes_in_hand + length <= BYTES_MAX
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
        notice: impl Fn(u64, &mut Vec<u8>) + Send + 'static,
    ) -> io::Result<Queue> {
        let queue = Queue(Arc::new(Shared::default()));
        let shared = Arc::clone(&queue.0);
        // Detached on purpose: it may be stuck in a write for ever, and the process ends without it.
        thread::Builder::new()
            .name("log".into())
            .spawn(move || shared.write_all(sink, notice))?;
        Ok(queue)
    }

    /// Takes a line, its line feed included, or drops and counts it. Never waits for the sink.
    pub fn push(&self, line: &[u8]) {
        let mut waiting = self.0.lock();
        if !waiting.has_room_for(line.len()) || waiting.add(line).is_err() {
            waiting.dropped_unsaid += 1;
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if waiting.thread_idle {
            waiting.thread_idle = false;
            self.0.filled.notify_one();
        }
    }

    /// Waits until everything is written, but no longer than `timeout`. Says whether it was.
    pub fn flush(&self, timeout: Duration) -> bool {
        let waited = self
            .0
            .emptied
            .wait_timeout_while(self.0.lock(), timeout, |waiting| !waiting.is_empty());
        let (_waiting, result) = waited.unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }

    /// How many lines were dropped so far, because the queue was full or the sink failed.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.dropped)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life.
    fn write_all(&self, sink: impl Write, notice: impl Fn(u64, &mut Vec<u8>)) {
        let mut sink = Sink { sink, torn: false };
        let mut hand = Vec::new();
        let mut unsaid = 0;
        loop {
            unsaid += self.take(&mut hand);
            let lost = sink.write_lines(&hand);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            unsaid += lost;
            hand.clear();
            // While the sink fails nothing is said, so that one that fails for ever doesn't keep us busy.
            if unsaid > 0 && lost == 0 {
                notice(unsaid, &mut hand);
                if sink.write_lines(&hand) == 0 {
                    unsaid = 0;
                }
                hand.clear();
            }
            hand.shrink_to(CAPACITY_KEPT);
        }
    }

    /// Waits for lines and takes them all; the room of `hand`, which is empty, is left for the next ones.
    /// Gives the number of lines dropped that nobody has been told of.
    fn take(&self, hand: &mut Vec<u8>) -> u64 {
        let mut waiting = self.lock();
        (waiting.bytes_in_hand, waiting.lines_in_hand) = (0, 0);
        while waiting.is_empty() {
            self.emptied.notify_all();
            waiting.thread_idle = true;
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.thread_idle = false;
        std::mem::swap(&mut waiting.bytes, hand);
        waiting.bytes_in_hand = hand.len();
        waiting.lines_in_hand = waiting.lines.max(1);
        waiting.lines = 0;
        std::mem::take(&mut waiting.dropped_unsaid)
    }
}

struct Sink<W> {
    sink: W,
    /// The last write that succeeded ended within a line.
    torn: bool,
}

impl<W: Write> Sink<W> {
    /// Writes whole lines batch by batch; gives the number of lines lost to errors.
    fn write_lines(&mut self, mut lines: &[u8]) -> u64 {
        let mut lost = 0;
        while !lines.is_empty() {
            let (batch, rest) = lines.split_at(batch_length(lines));
            if self.torn && self.write(b"\n").is_ok() {
                self.torn = false;
            }
            if let Err(unwritten) = self.write(batch) {
                let left = batch.len() - unwritten;
                self.torn |= left > 0 && batch.get(left - 1) != Some(&b'\n');
                lost += line_feeds(batch.get(left..).unwrap_or_default());
            }
            lines = rest;
        }
        lost
    }

    /// Writes all of `bytes`, or gives the number that could not be written. Waits where a non-blocking sink does not.
    fn write(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut rest = bytes;
        let mut wait = RETRY_WAIT_MIN;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => return Err(rest.len()),
                Ok(n) => {
                    rest = rest.get(n..).unwrap_or_default();
                    wait = RETRY_WAIT_MIN;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(wait);
                    wait = (wait * 2).min(RETRY_WAIT_MAX);
                }
                Err(_) => return Err(rest.len()),
            }
        }
        Ok(())
    }
}

/// The length of as many whole lines as fit into a batch; of one, when that is longer.
fn batch_length(lines: &[u8]) -> usize {
    match lines.split_at_checked(BATCH_LENGTH_MAX) {
        None => lines.len(),
        Some((head, tail)) => match (memchr::memrchr(b'\n', head), memchr::memchr(b'\n', tail)) {
            (Some(last), _) => last + 1,
            (None, Some(first)) => BATCH_LENGTH_MAX + first + 1,
            (None, None) => lines.len(),
        },
    }
}

fn line_feeds(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
