//! The load generator: clients and origin in one thread over one epoll. Starts no proxy and prints nothing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use crate::client::Client;
use crate::origin::Origin;
use crate::pattern::Source;
use crate::socket::Socket;
use crate::tally::Tally;
use crate::work::{Way, Work};

/// Most bytes one connection sends, and receives, before others have their turn.
const TURN_BYTES: usize = 256 * 1024;
const SCRATCH_BYTES: usize = 128 * 1024;
/// What of a bulk tunnel is looked at before [`SCRATCH_BYTES`] are skipped.
const LOOK_BYTES: usize = 4 * 1024;
/// Errors after which nothing more is tried.
const ERRORS_MAX: u64 = 100;
const LISTENER: u64 = u64::MAX;

/// What becomes of a connection after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits for what comes.
    Keep,
    /// It had its share, and there is more to receive, to send, or both.
    Again(EventFlags),
    /// It waits for the next request that arrives.
    Rest,
    /// It ended before a request that began then was answered, as a kept connection may: another has to ask.
    Lost(Instant),
    /// Its work is done.
    Done,
}

/// Bulk bytes there and back; whatever was sent has to arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) sent_up: u64,
    pub(crate) received_up: u64,
    pub(crate) sent_down: u64,
    pub(crate) received_down: u64,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) pattern: Source,
    pub(crate) request: Source,
    pub(crate) response: Source,
    /// What asks for a tunnel.
    pub(crate) connect: Option<Source>,
    pub(crate) tally: Tally,
    pub(crate) balance: Balance,
    /// Bulk tunnels come to their end.
    pub(crate) stopping: bool,
    /// Units begin by the clock, not when one is done.
    pub(crate) has_arrivals: bool,
    /// Only units of this work count.
    pub(crate) counted: Option<Work>,
}

impl Shared {
    /// A unit of this work is done that began at `since`.
    pub(crate) fn unit(&mut self, work: Work, since: Instant) {
        if self.counted.is_none_or(|counted| counted == work) {
            self.tally.unit(since);
        }
    }
}

enum Side {
    Client(Client),
    Origin(Origin),
}

struct Connection {
    socket: Socket,
    side: Side,
    /// What comes next in a bulk tunnel is not looked at.
    skips: bool,
}

impl Connection {
    fn new(socket: Socket, side: Side) -> Connection {
        Connection {
            socket,
            side,
            skips: false,
        }
    }
}

struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// Clients and origin.
pub(crate) struct Generator {
    epoll: OwnedFd,
    listener: OwnedFd,
    port: u16,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Connections that had their share and go on.
    ready: VecDeque<(u32, EventFlags)>,
    /// Clients to open: what they do, and when their first units began.
    reopen: Vec<(Work, Instant)>,
    /// Clients that are connected and wait for a request that arrives, the one that waits longest first.
    resting: VecDeque<u32>,
    /// Never sleeps while it measures. A client on another machine costs a proxy no wake-up, so one here must not
    /// either; on some virtual machines that is half of what a small piece costs.
    is_awake: bool,
    clients: usize,
    origins: usize,
    /// Where the clients of this measurement connect to.
    way: Option<Way>,
    shared: Shared,
    scratch: Vec<u8>,
    events: Vec<Event>,
    interrupted: Arc<AtomicBool>,
}

mod hold;
mod run;
mod turn;

pub(crate) use run::Outcome;

impl Generator {
    /// Listens on a free port of all addresses of 127.0.0.0/8. `is_awake`: it never sleeps while it measures.
    /// `interrupted` stops whatever it does, by a panic.
    pub(crate) fn new(is_awake: bool, interrupted: Arc<AtomicBool>) -> Generator {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let listener =
            net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).expect("a socket");
        // Connections inherit it.
        sockopt::set_tcp_nodelay(&listener, true).expect("no delay");
        net::bind(&listener, &SocketAddr::from(([0, 0, 0, 0], 0))).expect("an address");
        net::listen(&listener, 4096).expect("a listener");
        let address = net::getsockname(&listener).expect("an address");
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN).expect("epoll_ctl");
        let pattern = Source::pattern();
        let nothing = Source::new(vec![0]);
        Generator {
            epoll,
            listener,
            port: SocketAddr::try_from(address).expect("an IP address").port(),
            slots: Vec::new(),
            free: Vec::new(),
            ready: VecDeque::new(),
            reopen: Vec::new(),
            resting: VecDeque::new(),
            is_awake,
            clients: 0,
            origins: 0,
            way: None,
            shared: Shared {
                pattern,
                request: nothing.clone(),
                response: nothing,
                connect: None,
                tally: Tally::default(),
                balance: Balance::default(),
                stopping: false,
                has_arrivals: false,
                counted: None,
            },
            scratch: vec![0; SCRATCH_BYTES],
            events: Vec::with_capacity(512),
            interrupted,
        }
    }

    /// The origin's address number `n`: one for each proxy, so that they don't share the ports of closed connections.
    pub(crate) fn origin(&self, n: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 1, n], self.port))
    }

    fn insert(&mut self, connection: Connection) -> u32 {
        match connection.side {
            Side::Client(_) => self.clients += 1,
            Side::Origin(_) => self.origins += 1,
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                connection: None,
            });
            u32::try_from(self.slots.len() - 1).expect("fewer connections")
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        let token = u64::from(slot.generation) << 32 | u64::from(index);
        let registered = connection.socket.register(&self.epoll, token);
        slot.connection = Some(Box::new(connection));
        if let Err(error) = registered {
            self.shared.tally.error(error);
            self.remove(index);
        }
        index
    }

    fn remove(&mut self, index: u32) {
        let Some(connection) = self.slots[index as usize].connection.take() else {
            return;
        };
        self.free.push(index);
        self.resting.retain(|resting| *resting != index);
        match connection.side {
            Side::Client(_) => self.clients -= 1,
            Side::Origin(_) => self.origins -= 1,
        }
    }

    fn accept(&mut self) {
        while let Ok(fd) = net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            let socket = Socket::new(fd, self.shared.pattern.clone());
            self.insert(Connection::new(socket, Side::Origin(Origin::New)));
        }
    }

    /// A new client, whose first unit began at `since`.
    fn open(&mut self, work: Work, since: Instant) {
        let way = self.way.as_ref().expect("a measurement goes on");
        match Socket::connect(way.address(), self.shared.pattern.clone(), way.terms()) {
            Ok(mut socket) => {
                let client = Client::new(work, since, &mut socket, &self.shared);
                let side = Side::Client(client);
                let index = self.insert(Connection::new(socket, side));
                self.drive(index, EventFlags::OUT);
            }
            Err(error) => self.shared.tally.error(error),
        }
    }

    /// A client that rested asks for what arrived at `since`.
    fn wake(&mut self, index: u32, since: Instant) {
        if let Some(connection) = &mut self.slots[index as usize].connection
            && let Side::Client(client) = &mut connection.side
        {
            client.ask(since, &mut connection.socket, &self.shared);
            self.drive(index, EventFlags::OUT);
        }
    }

    /// Waits for events, at most `patience`, and lets all that have any take their turn.
    fn poll(&mut self, patience: Duration) {
        assert!(!self.interrupted.load(Ordering::Relaxed), "interrupted");
        let patience = if self.ready.is_empty() {
            patience
        } else {
            Duration::ZERO
        };
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).expect("not so long"),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll_wait: {error}"),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => self.accept(),
                token => self.event(token, event.flags),
            }
        }
        self.events = events;
        for _ in 0..self.ready.len() {
            if let Some((index, flags)) = self.ready.pop_front() {
                self.drive(index, flags);
            }
        }
        for (work, since) in std::mem::take(&mut self.reopen) {
            self.open(work, since);
        }
    }

    fn event(&mut self, token: u64, flags: EventFlags) {
        let index = u32::try_from(token & u64::from(u32::MAX)).expect("masked");
        if u64::from(self.slots[index as usize].generation) == token >> 32 {
            self.drive(index, flags);
        }
    }
}
