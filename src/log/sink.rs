//! Where lines end up, written as whole lines per write. Waits where a non-blocking sink does not, and counts the
//! lines that one refuses; knows no queue.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use rustix::fs::FileType;

/// What a pipe takes whole or not at all (PIPE_BUF), so that lines of several processes on one pipe don't mix.
pub(super) const PIPE_WRITE_LENGTH_MAX: usize = 4096;
/// A regular file takes any write whole: the kernel locks it meanwhile. More would save few calls and wait long for
/// a slow disk.
pub(super) const FILE_WRITE_LENGTH_MAX: usize = 64 << 10;
/// The waits between attempts at a non-blocking sink that takes no more.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(1);
const RETRY_WAIT_MAX: Duration = Duration::from_millis(32);

/// Descriptor 2 without std's lock: a panic elsewhere must be able to say so while a write of ours is stuck.
pub(super) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stderr(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes of lines may go to this descriptor together.
pub(super) fn write_length_max(descriptor: impl AsFd) -> usize {
    match rustix::fs::fstat(descriptor) {
        Ok(status) if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile => {
            FILE_WRITE_LENGTH_MAX
        }
        _ => PIPE_WRITE_LENGTH_MAX,
    }
}

/// A sink that is given whole lines.
pub(super) struct Sink<W> {
    sink: W,
    write_length_max: usize,
    /// The last write that succeeded ended within a line.
    torn: bool,
}

impl<W: Write> Sink<W> {
    /// Lines leave together up to `write_length_max` bytes.
    pub(super) fn new(sink: W, write_length_max: usize) -> Sink<W> {
        Sink {
            sink,
            write_length_max,
            torn: false,
        }
    }

    /// Writes whole lines batch by batch; gives the number of lines lost to errors.
    pub(super) fn write_lines(&mut self, mut lines: &[u8]) -> u64 {
        let mut lost = 0;
        while !lines.is_empty() {
            let (batch, rest) = lines.split_at(batch_length(lines, self.write_length_max));
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
fn batch_length(lines: &[u8], length_max: usize) -> usize {
    match lines.split_at_checked(length_max) {
        None => lines.len(),
        Some((head, tail)) => match (memchr::memrchr(b'\n', head), memchr::memchr(b'\n', tail)) {
            (Some(last), _) => last + 1,
            (None, Some(first)) => length_max + first + 1,
            (None, None) => lines.len(),
        },
    }
}

fn line_feeds(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
