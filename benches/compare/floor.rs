//! The floor: a bare relay to one target, as lean as the kernel lets it be. No protocol, no policy, no log, no limits,
//! no time-outs: what is left is what moving the bytes costs. Runs as a process of its own, out of this executable.
//!
//! Small pieces are received and sent through one buffer; a direction that filled it is spliced through an enlarged
//! pipe from then on.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};
use rustix::pipe::{self, PipeFlags, SpliceFlags};

const BUFFER_BYTES: usize = 32 * 1024;
const PIPE_BYTES: usize = 1 << 20;
/// More than a pipe ever holds.
const SPLICE_BYTES: usize = 16 << 20;
/// Pieces a direction moves before others have their turn.
const TURN: usize = 8;
const LISTENER: u64 = u64::MAX;

type Pipe = (OwnedFd, OwnedFd);

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

struct Relay {
    sockets: [OwnedFd; 2],
    /// By their sources.
    directions: [Direction; 2],
}

struct Floor {
    epoll: OwnedFd,
    listener: OwnedFd,
    target: SocketAddr,
    relays: Vec<Option<Box<Relay>>>,
    free: Vec<usize>,
    pipes: Vec<Pipe>,
    buffer: Vec<u8>,
    ready: VecDeque<(usize, usize)>,
}

/// What a move of one piece came to.
enum Step {
    Moved,
    /// Nothing to be had, or no room at the other end: an event will come.
    Blocked,
    Ended,
}

/// Relays from one address to the other until it is killed.
pub(crate) fn relay(listen: SocketAddr, target: SocketAddr) -> Result<(), Errno> {
    // Not to be left behind, whatever happens to the bench.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    // Connections inherit it.
    sockopt::set_tcp_nodelay(&listener, true)?;
    net::bind(&listener, &listen)?;
    net::listen(&listener, 4096)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut floor = Floor {
        epoll,
        listener,
        target,
        relays: Vec::new(),
        free: Vec::new(),
        pipes: Vec::new(),
        buffer: vec![0; BUFFER_BYTES],
        ready: VecDeque::new(),
    };
    floor.turn_for_ever()
}

impl Floor {
    fn turn_for_ever(&mut self) -> Result<(), Errno> {
        let mut events: Vec<Event> = Vec::with_capacity(256);
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        loop {
            events.clear();
            let timeout = if self.ready.is_empty() { None } else { Some(&now) };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            for event in &events {
                let token = event.data.u64();
                if token == LISTENER {
                    self.accept();
                    continue;
                }
                let (index, side) = (
                    usize::try_from(token >> 1).unwrap_or(usize::MAX),
                    usize::from(token & 1 == 1),
                );
                let flags = event.flags;
                let hung_up = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
                if hung_up && let Some(Some(relay)) = self.relays.get_mut(index) {
                    relay.directions[side].hung_up = true;
                }
                if hung_up || flags.contains(EventFlags::IN) {
                    self.drive(index, side);
                }
                if flags.contains(EventFlags::OUT) && self.waits(index, 1 - side) {
                    self.drive(index, 1 - side);
                }
            }
            for _ in 0..self.ready.len() {
                if let Some((index, side)) = self.ready.pop_front() {
                    self.drive(index, side);
                }
            }
        }
    }

    /// One connection, and its way on.
    fn accept(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let Ok(client) = net::accept_with(&self.listener, flags) else {
            return;
        };
        let connect = || {
            let target = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
            sockopt::set_tcp_nodelay(&target, true)?;
            match net::connect(&target, &self.target) {
                Ok(()) | Err(Errno::INPROGRESS) => Ok(target),
                Err(error) => Err(error),
            }
        };
        let Ok(target) = connect() else { return };
        let index = self.free.pop().unwrap_or_else(|| {
            self.relays.push(None);
            self.relays.len() - 1
        });
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        for (side, socket) in [&client, &target].into_iter().enumerate() {
            if epoll::add(
                &self.epoll,
                socket,
                EventData::new_u64((index * 2 + side) as u64),
                flags,
            )
            .is_err()
            {
                self.free.push(index);
                return;
            }
        }
        self.relays[index] = Some(Box::new(Relay {
            sockets: [client, target],
            directions: Default::default(),
        }));
    }

    /// Whether this direction has bytes that could not be sent.
    fn waits(&self, index: usize, side: usize) -> bool {
        let relay = self.relays.get(index).and_then(Option::as_ref);
        relay.is_some_and(|relay| {
            let direction = &relay.directions[side];
            !direction.rest.is_empty() || direction.piped > 0
        })
    }

    /// Moves what there is from one side to the other.
    fn drive(&mut self, index: usize, side: usize) {
        let Some(mut relay) = self.relays.get_mut(index).and_then(Option::take) else {
            return;
        };
        let mut moved = 0;
        let over = loop {
            match relay.step(side, &mut self.buffer, &mut self.pipes) {
                Ok(Step::Moved) if moved < TURN => moved += 1,
                Ok(Step::Moved) => {
                    self.ready.push_back((index, side));
                    break false;
                }
                Ok(Step::Blocked) => break false,
                Ok(Step::Ended) => break relay.end(side),
                Err(_) => break true,
            }
        };
        if over {
            for direction in &mut relay.directions {
                if let (Some(pipe), 0) = (direction.pipe.take(), direction.piped) {
                    self.pipes.push(pipe);
                }
            }
            self.free.push(index);
        } else {
            self.relays[index] = Some(relay);
        }
    }
}

impl Relay {
    /// One piece, received and sent.
    fn step(&mut self, side: usize, buffer: &mut [u8], pipes: &mut Vec<Pipe>) -> Result<Step, Errno> {
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
    fn end(&mut self, side: usize) -> bool {
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
