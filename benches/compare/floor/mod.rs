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
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

mod relay;

use relay::{Pipe, Relay, Step};

const BUFFER_BYTES: usize = 32 * 1024;
/// Pieces a direction moves before others have their turn.
const TURN: usize = 1;
const LISTENER: u64 = u64::MAX;

/// The variable that makes a floor out of a bench's executable: where to listen, and where to relay to.
pub(crate) const ADDRESSES: &str = "COMPARE_FLOOR";

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

/// Does nothing in a bench that is run by hand; in one that was started as a floor, nothing else.
pub(crate) fn serve_if_asked() {
    let Ok(addresses) = std::env::var(ADDRESSES) else {
        return;
    };
    let mut addresses = addresses
        .split(' ')
        .map(|address| address.parse().expect("an address"));
    let (listen, target) = (addresses.next().expect("one"), addresses.next().expect("another"));
    let error = relay(listen, target);
    eprintln!("floor: {error:?}");
    std::process::exit(1);
}

/// Relays from one address to the other until it is killed.
fn relay(listen: SocketAddr, target: SocketAddr) -> Result<(), Errno> {
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
                    relay.hang_up(side);
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
        self.relays[index] = Some(Box::new(Relay::new(client, target)));
    }

    /// Whether this direction has bytes that could not be sent.
    fn waits(&self, index: usize, side: usize) -> bool {
        let relay = self.relays.get(index).and_then(Option::as_ref);
        relay.is_some_and(|relay| relay.waits(side))
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
            self.pipes.extend(relay.empty_pipes());
            self.free.push(index);
        } else {
            self.relays[index] = Some(relay);
        }
    }
}
