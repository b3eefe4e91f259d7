//! Kernel pipes for bulk: bytes pass from socket to socket by splice(2) without being copied into the process. A
//! pool of them, bounded, and which directions are worth one. What may pass is the gate's matter and the pump's.

use std::cell::RefCell;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::pipe::PipeFlags;

use crate::clock::Instant;
use crate::flow::{Flow, Gate, Pace};
use crate::net::ClientKey;

use super::shares::Shares;
use super::wire::Wire;

/// What a pipe is enlarged to. It counts in pages, and a piece of a packet takes one, however small it is.
const PIPE_BYTES: usize = 1024 * 1024;

/// A pipe that could not be made at least this large moves less at a time than a copy does.
const PIPE_BYTES_MIN: usize = 64 * 1024;

/// What one splice asks for where few share the loop and few pipes are in use, and so the most that is in a pipe. Pages
/// may be large, so the pipe's own size does not bound this. Large pieces cost less each byte.
const LARGE_PIECE_BYTES: usize = 1024 * 1024;

/// What it asks for elsewhere: others wait for their turns, and what is in pipes is memory.
const PIECE_BYTES: usize = 256 * 1024;

/// No more connections than these have turns to take where pieces are large.
const FEW_CONNECTIONS: usize = 8;

/// No more pipes than these are in use where pieces are large.
const FEW_PIPES: usize = 16;

/// After the kernel refused a pipe, everything is copied for so long.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Does this error of [`Pipe::fill`] come from splicing itself, so that copying may do?
pub fn is_refusal(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    error.kind() == io::ErrorKind::Unsupported
        || matches!(
            errno,
            Some(Errno::INVAL | Errno::NOSYS | Errno::NOMEM | Errno::PERM | Errno::OPNOTSUPP)
        )
}

/// One pipe and how much is in it.
#[derive(Debug)]
pub struct Pipe {
    input: OwnedFd,
    output: OwnedFd,
    bytes: usize,
    /// While a direction has it.
    permit: Option<Permit>,
}

/// A client's share of the pipes; given back when it goes.
#[derive(Debug)]
struct Permit {
    client: ClientKey,
    shares: Rc<RefCell<Shares>>,
}

impl Permit {
    fn take(client: ClientKey, shares: &Rc<RefCell<Shares>>) -> Option<Permit> {
        let taken = shares.borrow_mut().take(client);
        taken.then(|| Permit {
            client,
            shares: Rc::clone(shares),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shares.borrow_mut().give_back(self.client);
    }
}

impl Pipe {
    fn new(permit: Permit) -> io::Result<Pipe> {
        let (output, input) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Refused beyond the user's share of pages; what was given may do.
        let size = rustix::pipe::fcntl_setpipe_size(&input, PIPE_BYTES)
            .or_else(|_| rustix::pipe::fcntl_getpipe_size(&input))?;
        if size < PIPE_BYTES_MIN {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        Ok(Pipe {
            input,
            output,
            bytes: 0,
            permit: Some(permit),
        })
    }

    /// Is nothing in it?
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Takes at most `n` bytes from `source`, which must not be more than [`Pipes::piece_bytes`]; `Ok(0)` is the
    /// source's end, or an urgent mark before it.
    ///
    /// # Errors
    /// The source's. `WouldBlock` means that *it* is empty only where the pipe is: fill no other.
    pub fn fill(&mut self, source: &mut impl Wire, n: usize) -> io::Result<usize> {
        let n = source.splice_to(self.input.as_fd(), n)?;
        self.bytes += n;
        Ok(n)
    }

    /// Gives what `destination` takes of what is there, at most `n` bytes.
    ///
    /// # Errors
    /// The destination's.
    pub fn drain(&mut self, destination: &mut impl Wire, n: usize) -> io::Result<usize> {
        let n = destination.splice_from(self.output.as_fd(), self.bytes.min(n))?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes = self.bytes.saturating_sub(n);
        Ok(n)
    }
}

/// From when on a direction is worth a pipe.
#[derive(Clone, Copy, Debug)]
pub struct Worth {
    /// Two reads in a row of at least so many bytes.
    pub read_bytes: usize,
    /// A body of at least so many bytes, before anything is known of its pace.
    pub body_bytes: u64,
    /// A splice of fewer bytes than these shows that copying would do.
    pub splice_bytes: usize,
}

impl Default for Worth {
    fn default() -> Worth {
        Worth {
            read_bytes: 32 * 1024,
            body_bytes: 256 * 1024,
            splice_bytes: 16 * 1024,
        }
    }
}

impl Worth {
    /// Should the next bytes of `flow` be spliced?
    pub fn covers(&self, flow: &Flow) -> bool {
        let left = match flow.gate {
            Gate::Hold => return false,
            Gate::Open => None,
            Gate::Pass(n) => Some(n),
            Gate::Metered { left, .. } => left.map(NonZeroU64::get),
        };
        match (left, flow.pace) {
            (None, pace) => pace == Pace::Bulk,
            (Some(n), Pace::Bulk) => n >= self.read_bytes as u64,
            (Some(n), pace) => pace == Pace::Unknown && n >= self.body_bytes,
        }
    }

    /// What a read of `n` bytes says of a direction's pace.
    pub fn after_read(&self, flow: &Flow, n: usize) -> Pace {
        match (flow.gate, flow.pace) {
            // What is looked at is a head or a chunk's size; how fast its body comes is not known.
            (Gate::Hold, _) => Pace::Unknown,
            _ if n < self.read_bytes => Pace::Slow,
            (_, Pace::Unknown | Pace::Slow) => Pace::Brisk,
            (_, Pace::Brisk | Pace::Bulk) => Pace::Bulk,
        }
    }

    /// What a splice of `n` bytes says.
    pub fn after_splice(&self, flow: &Flow, n: usize) -> Pace {
        match n < self.splice_bytes {
            true => Pace::Slow,
            false => flow.pace,
        }
    }
}

/// All pipes of a loop: those in use are counted by client, those that are free are kept. Who doesn't read what he asked
/// for holds pipes for as long as he likes, but the last quarter is for others.
#[derive(Debug)]
pub struct Pipes {
    #[expect(
        clippy::vec_box,
        reason = "a direction holds a pointer; a pipe goes to and fro without an allocation"
    )]
    idle: Vec<Box<Pipe>>,
    shares: Rc<RefCell<Shares>>,
    refused_until: Option<Instant>,
    /// Few connections have turns to take.
    few_share: bool,
    /// Which directions get one.
    pub worth: Worth,
}

impl Pipes {
    /// At most `pipes_max` pipes, two descriptors each; with 0 everything is copied.
    pub fn new(pipes_max: usize, worth: Worth) -> Pipes {
        Pipes {
            idle: Vec::new(),
            shares: Rc::new(RefCell::new(Shares::new(pipes_max))),
            refused_until: None,
            few_share: true,
            worth,
        }
    }

    /// So many connections have a turn to take now.
    pub fn share_among(&mut self, connections: usize) {
        self.few_share = connections <= FEW_CONNECTIONS;
    }

    /// How much one splice may take out of a socket.
    pub fn piece_bytes(&self) -> usize {
        match self.few_share && self.in_use() <= FEW_PIPES {
            true => LARGE_PIECE_BYTES,
            false => PIECE_BYTES,
        }
    }

    /// An empty pipe on this client's account, if there may be one more.
    pub fn take(&mut self, client: ClientKey, now: Instant) -> Option<Box<Pipe>> {
        let permit = Permit::take(client, &self.shares)?;
        if let Some(mut pipe) = self.idle.pop() {
            pipe.permit = Some(permit);
            return Some(pipe);
        }
        if self.refused_until.is_some_and(|until| now < until) {
            return None;
        }
        match Pipe::new(permit) {
            Ok(pipe) => Some(Box::new(pipe)),
            Err(_) => {
                self.refuse(now);
                None
            }
        }
    }

    /// Makes no pipe for a while: the kernel gave none, or won't splice.
    pub fn refuse(&mut self, now: Instant) {
        self.idle.clear();
        self.refused_until = Some(now + REFUSED_PAUSE);
    }

    /// Takes a pipe back. One with bytes in it is closed: they are nobody else's.
    pub fn put(&mut self, mut pipe: Box<Pipe>) {
        if pipe.is_empty() {
            pipe.permit = None;
            self.idle.push(pipe);
        }
    }

    /// Closes the free ones; tells how many there were.
    pub fn close_idle(&mut self) -> usize {
        std::mem::take(&mut self.idle).len()
    }

    /// How many are with directions now.
    pub fn in_use(&self) -> usize {
        self.shares.borrow().taken()
    }
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
