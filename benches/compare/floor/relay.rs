//! Two sockets of the floor and the two directions between them. Waits for nothing.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, Shutdown};
use rustix::pipe::{self, PipeFlags, SpliceFlags};

const PIPE_BYTES: usize = 1 << 20;
/// More than a pipe ever holds.
const SPLICE_BYTES: usize = 16 << 20;

pub(super) type Pipe = (OwnedFd, OwnedFd);

/// One direction, from its source to the other one's.
#[derive(Default)]
struct Direction {
    /// Received, not sent: the rest of a piece.
    rest: Vec<u8>,
    pipe: Option<Pipe>,
    /// Bytes in the pipe.
    piped: usize,
    is_bulky: bool,
    /// The end is known to be near: no event will tell of it again.
    hung_up: bool,
    ended: bool,
    shut: bool,
}

/// A client and its way on.
pub(super) struct Relay {
    sockets: [OwnedFd; 2],
    /// By their sources.
    directions: [Direction; 2],
}

/// What a move of one piece came to.
pub(super) enum Step {
    Moved,
    /// Nothing to be had, or no room at the other end: an event will come.
    Blocked,
    Ended,
}

impl Relay {
    pub(super) fn new(client: OwnedFd, target: OwnedFd) -> Relay {
        Relay {
            sockets: [client, target],
            directions: Default::default(),
        }
    }

    /// Whether this direction has bytes that could not be sent.
    pub(super) fn waits(&self, side: usize) -> bool {
        let direction = &self.directions[side];
        !direction.rest.is_empty() || direction.piped > 0
    }

    /// This side's end is near, or there.
    pub(super) fn hang_up(&mut self, side: usize) {
        self.directions[side].hung_up = true;
    }

    /// The pipes that others can use.
    pub(super) fn empty_pipes(&mut self) -> impl Iterator<Item = Pipe> {
        let directions = self
            .directions
            .iter_mut()
            .filter(|direction| direction.piped == 0);
        directions.filter_map(|direction| direction.pipe.take())
    }

    /// One piece, received and sent.
    pub(super) fn step(
        &mut self,
        side: usize,
        buffer: &mut [u8],
        pipes: &mut Vec<Pipe>,
    ) -> Result<Step, Errno> {
        let (source, sink) = (&self.sockets[side], &self.sockets[1 - side]);
        let direction = &mut self.directions[side];
        if direction.ended {
            return Ok(Step::Blocked);
        }
        if direction.is_bulky {
            return direction.splice(source, sink, pipes);
        }
        if !direction.rest.is_empty() {
            let sent = match net::send(sink, &direction.rest, SendFlags::NOSIGNAL) {
                Ok(sent) => sent,
                Err(Errno::AGAIN) => return Ok(Step::Blocked),
                Err(error) => return Err(error),
            };
            direction.rest.drain(..sent);
            if !direction.rest.is_empty() {
                return Ok(Step::Blocked);
            }
            direction.rest = Vec::new();
        }
        let length = match net::recv(source, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Ok(Step::Ended),
            Ok((length, _)) => length,
            Err(Errno::AGAIN) => return Ok(Step::Blocked),
            Err(error) => return Err(error),
        };
        direction.is_bulky = length == buffer.len();
        let sent = match net::send(sink, &buffer[..length], SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN) => 0,
            Err(error) => return Err(error),
        };
        if sent < length {
            direction.is_bulky = false;
            direction.rest.extend_from_slice(&buffer[sent..length]);
            return Ok(Step::Blocked);
        }
        Ok(if direction.hung_up || length == buffer.len() {
            Step::Moved
        } else {
            Step::Blocked
        })
    }

    /// A source has ended. Whether both have.
    pub(super) fn end(&mut self, side: usize) -> bool {
        self.directions[side].ended = true;
        if self.directions[1 - side].ended {
            return true;
        }
        if !std::mem::replace(&mut self.directions[side].shut, true) {
            // Whoever is gone need not be told.
            let _ = net::shutdown(&self.sockets[1 - side], Shutdown::Write);
        }
        false
    }
}

impl Direction {
    fn splice(&mut self, source: &OwnedFd, sink: &OwnedFd, pipes: &mut Vec<Pipe>) -> Result<Step, Errno> {
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => pipes.pop().map_or_else(new_pipe, Ok)?,
        };
        let (output, input) = self.pipe.insert(pipe);
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        if self.piped == 0 {
            match pipe::splice(source, None, &*input, None, SPLICE_BYTES, flags) {
                Ok(0) => return Ok(Step::Ended),
                Ok(length) => self.piped = length,
                Err(Errno::AGAIN) => return Ok(Step::Blocked),
                Err(error) => return Err(error),
            }
        }
        match pipe::splice(&*output, None, sink, None, self.piped, flags) {
            Ok(length) => self.piped -= length,
            Err(Errno::AGAIN) => return Ok(Step::Blocked),
            Err(error) => return Err(error),
        }
        Ok(if self.piped == 0 {
            Step::Moved
        } else {
            Step::Blocked
        })
    }
}

fn new_pipe() -> Result<Pipe, Errno> {
    let pipe = pipe::pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
    // A pipe of the default size does too.
    let _ = pipe::fcntl_setpipe_size(&pipe.0, PIPE_BYTES);
    Ok(pipe)
}
