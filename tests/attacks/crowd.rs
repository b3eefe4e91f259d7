//! The attackers: many connections of one thread, each doing the same, as fast as it may.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memchr::memmem;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::form;
use crate::honest::SHARED;

/// Bytes that one connection moves before the next has its turn.
const PIECE: usize = 65536;

/// When a connection says its piece again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Never.
    Never,
    /// Each time so much has passed.
    Each(Duration),
    /// As soon as there is room.
    AtOnce,
}

/// What each connection of a crowd does.
pub(crate) struct Plan {
    pub(crate) to: SocketAddr,
    /// The addresses that they come from, in turn.
    pub(crate) from: Vec<Ipv4Addr>,
    pub(crate) count: usize,
    /// What is said next.
    pub(crate) piece: Box<dyn FnMut() -> Vec<u8> + Send>,
    pub(crate) again: Again,
    /// After so long a connection is given up, and another takes its place.
    pub(crate) life: Option<Duration>,
    /// Between the end of a connection and the one that takes its place.
    pub(crate) breath: Duration,
}

impl Plan {
    /// Connections that always say the same.
    pub(crate) fn new(to: SocketAddr, count: usize, piece: impl Into<Vec<u8>>) -> Plan {
        let piece = piece.into();
        Plan {
            to,
            from: mixed(count),
            count,
            piece: Box::new(move || piece.clone()),
            again: Again::Never,
            life: None,
            breath: Duration::from_millis(20),
        }
    }
}

/// Half of them behind the address that honest clients share, the others each at an own one.
pub(crate) fn mixed(count: usize) -> Vec<Ipv4Addr> {
    let own = scattered(count);
    own.into_iter()
        .flat_map(|own| [SHARED, own])
        .take(count)
        .collect()
}

/// An address for each.
pub(crate) fn scattered(count: usize) -> Vec<Ipv4Addr> {
    let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
    (first..).take(count).map(Ipv4Addr::from).collect()
}

/// What a crowd did and got.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    pub(crate) connected: u64,
    pub(crate) failed: u64,
    pub(crate) closed: u64,
    pub(crate) bytes: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
}

/// A crowd at work; it stops when asked to or dropped.
pub(crate) struct Crowd {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Tally>>,
}

impl Crowd {
    pub(crate) fn start(plan: Plan) -> Crowd {
        let over = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            form::step_back();
            Mob::new(plan).run(&shared)
        });
        Crowd {
            over,
            thread: Some(thread),
        }
    }

    /// Closes all connections.
    pub(crate) fn stop(mut self) -> Tally {
        self.over.store(true, Ordering::SeqCst);
        let thread = self.thread.take().expect("stopped once");
        thread.join().expect("the crowd")
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Member {
    stream: Option<TcpStream>,
    connected: bool,
    readable: bool,
    writable: bool,
    unsent: Vec<u8>,
    sent: usize,
    /// When it said its piece, or failed to connect.
    last: Instant,
    born: Instant,
    /// The last bytes read, for a status line that comes in two parts.
    tail: Vec<u8>,
}

struct Mob {
    plan: Plan,
    poll: Poll,
    members: Vec<Member>,
    tally: Tally,
    buffer: Vec<u8>,
}

impl Mob {
    fn new(plan: Plan) -> Mob {
        let now = Instant::now();
        let members = (0..plan.count).map(|_| Member {
            stream: None,
            connected: false,
            readable: false,
            writable: false,
            unsent: Vec::new(),
            sent: 0,
            last: now.checked_sub(plan.breath).unwrap_or(now),
            born: now,
            tail: Vec::new(),
        });
        Mob {
            members: members.collect(),
            plan,
            poll: Poll::new().expect("a poll"),
            tally: Tally::default(),
            buffer: vec![0; PIECE],
        }
    }

    fn run(mut self, over: &AtomicBool) -> Tally {
        let mut events = Events::with_capacity(1024);
        let mut busy = false;
        while !over.load(Ordering::SeqCst) {
            let patience = Duration::from_millis(if busy { 0 } else { 10 });
            let _ = self.poll.poll(&mut events, Some(patience));
            for event in &events {
                if let Some(member) = self.members.get_mut(event.token().0) {
                    member.readable |= event.is_readable() || event.is_error() || event.is_read_closed();
                    member.writable |= event.is_writable() || event.is_error();
                }
            }
            busy = false;
            for index in 0..self.members.len() {
                busy |= self.turn(index);
            }
        }
        self.tally
    }

    /// Lets one connection do something; tells whether it could do more.
    fn turn(&mut self, index: usize) -> bool {
        let now = Instant::now();
        let member = &mut self.members[index];
        if member.stream.is_none() {
            if now - member.last >= self.plan.breath {
                self.connect(index, now);
            }
            return false;
        }
        if self.plan.life.is_some_and(|life| now - member.born > life) {
            member.leave(Instant::now());
            return true;
        }
        if member.readable && !self.read(index) {
            return true;
        }
        self.write(index, now);
        let member = &self.members[index];
        member.readable || (member.writable && self.plan.again == Again::AtOnce)
    }

    fn connect(&mut self, index: usize, now: Instant) {
        let from = self.plan.from[index % self.plan.from.len()];
        let opened = open(from, self.plan.to).and_then(|mut stream| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(index), interest)?;
            Ok(stream)
        });
        let member = &mut self.members[index];
        member.leave(now);
        match opened {
            Ok(stream) => {
                member.stream = Some(stream);
                member.born = now;
                member.unsent = (self.plan.piece)();
            }
            Err(_) => self.tally.failed += 1,
        }
    }

    /// Reads and drops; false when the connection is gone.
    fn read(&mut self, index: usize) -> bool {
        let member = &mut self.members[index];
        let Some(stream) = &mut member.stream else {
            return false;
        };
        match stream.read(&mut self.buffer) {
            Ok(0) => {
                self.tally.closed += 1;
                member.leave(Instant::now());
                false
            }
            Ok(length) => {
                self.tally.bytes += length as u64;
                member.tail.extend_from_slice(&self.buffer[..length]);
                for at in memmem::find_iter(&member.tail, b"HTTP/1.1 ") {
                    let code = member.tail.get(at + 9..at + 12).map(String::from_utf8_lossy);
                    if let Some(code) = code.and_then(|code| code.parse().ok()) {
                        *self.tally.statuses.entry(code).or_default() += 1;
                    }
                }
                // Eleven bytes are one too few for a status line that was counted.
                let keep = member.tail.len().saturating_sub(11);
                member.tail.drain(..keep);
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                member.readable = false;
                true
            }
            Err(_) => {
                self.tally.closed += 1;
                member.leave(Instant::now());
                false
            }
        }
    }

    fn write(&mut self, index: usize, now: Instant) {
        let member = &mut self.members[index];
        let Some(stream) = &mut member.stream else { return };
        if !member.writable {
            return;
        }
        if !member.connected {
            member.connected = true;
            member.last = now;
            self.tally.connected += 1;
            let _ = stream.set_nodelay(true);
        }
        if member.sent == member.unsent.len() {
            let due = match self.plan.again {
                Again::Never => false,
                Again::Each(interval) => now - member.last >= interval,
                Again::AtOnce => true,
            };
            if !due {
                return;
            }
            member.unsent = (self.plan.piece)();
            member.sent = 0;
            member.last = now;
        }
        match stream.write(&member.unsent[member.sent..]) {
            Ok(length) => member.sent += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => member.writable = false,
            Err(_) => {
                // What was answered before the end is read first.
                member.writable = false;
                member.readable = true;
            }
        }
    }
}

impl Member {
    fn leave(&mut self, now: Instant) {
        self.stream = None;
        self.connected = false;
        self.readable = false;
        self.writable = false;
        self.unsent.clear();
        self.sent = 0;
        self.tail.clear();
        self.last = now;
    }
}

fn open(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    match socket.connect(&to.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}
