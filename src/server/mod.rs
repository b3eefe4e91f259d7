//! The event loop: poll, read the clock, note what happened, accept, run what can run. Single-threaded; nothing
//! in it waits but the poll. What concerns the whole process (signals, when to end) it only passes on.

mod accept;
mod accepting;
pub mod admin;
pub mod allowance;
pub mod census;
pub mod conn;
pub mod core;
mod ending;
pub mod ends;
pub mod handshakes;
mod held;
pub mod in_force;
mod inbox;
pub mod message;
pub mod minter;
mod orders;
pub mod peers;
mod places;
pub mod pool;
pub mod ports;
mod recheck;
pub mod shown;
pub mod stores;
pub mod stranger_lines;
pub mod tally;
pub mod tide;
pub mod turn;
pub mod verifiers;
mod work;
pub mod world;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mio::{Events, Poll};

use crate::clock::Instant;
use crate::io::arena::Arena;
use crate::io::deadlines::Deadlines;
use crate::io::heap;
use crate::io::inbox::Inbox;
use crate::io::listener::Acceptor;
use crate::io::resolver::News;
use crate::io::token::{ConnId, Source, Ticket};
use crate::io::wires::Owner;
use crate::session::{Surface, earliest};

use self::accepting::Accepting;
use self::admin::Admin;
use self::allowance::Allowance;
use self::conn::Conn;
use self::core::Core;
pub use self::ending::Open;
use self::ends::WireTable as _;
use self::handshakes::Handshakes;
use self::message::Message;
use self::recheck::Recheck;
use self::tide::Tide;

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;

/// How long a step of the loop may take that others wait for: answers, deadlines, new clients, work that is left over.
const STEP_TIME_MAX: Duration = Duration::from_millis(2);

/// An answer or a deadline costs about as much as so many bytes.
const EVENT_BYTES: usize = 4096;

/// So many clients are a crowd, in all loops together.
const CROWD_MIN: usize = 1024;

/// So many bytes of heads and the like are a flood.
const FLOOD_BYTES_MIN: usize = 4 * 1024 * 1024;

/// The loop with everything it owns.
pub struct Loop {
    poll: Poll,
    /// The listening sockets, by the numbers of their tokens; none is left once they are closed.
    listeners: Vec<Accepting>,
    /// Where it is asked how the proxy is, and who does.
    admin: Admin,
    /// The one whose clients were taken first in this turn.
    first_listener: usize,
    inbox: Inbox<Message>,
    conns: Arena<Box<Conn<Core>>>,
    core: Core,
    deadlines: Deadlines<ConnId>,
    /// Those to whom something happened.
    run_queue: VecDeque<ConnId>,
    /// Those who used up a turn and have more to do.
    backlog: VecDeque<ConnId>,
    /// Those whose handshake goes on when it is time for such.
    handshakes: Handshakes,
    /// The tunnels that another policy let out.
    recheck: Recheck,
    /// Answers that were not told yet.
    answers: VecDeque<(Ticket, News)>,
    /// Another loop was asked to end a stranger, whose place a new client may have.
    awaits_room: bool,
    /// Who comes is shared out among the loops, which have no listeners of their own: the next one to get one.
    hands_out: Option<u8>,
    /// Until when those are taken who wait at a listener that is to be closed.
    closing: Option<Instant>,
    /// It is to end with this turn.
    terminating: bool,
    /// How many clients all loops had,
    crowd: Tide,
    /// and how many bytes they held.
    flood: Tide,
    /// What was heard and not told yet.
    heard: Heard,
    events: Events,
}

/// What the loop heard that is the process's business.
#[derive(Default)]
pub struct Heard {
    /// Signals arrived.
    pub signals: bool,
    /// The inbox's waker was called.
    pub messages: bool,
    /// A listener broke, and takes no further clients.
    pub broken: Option<io::Error>,
    /// Something else is in force than before this turn, and the loop has nothing of that any more but what connections keep.
    pub is_replaced: bool,
    /// The loop has ended, and so many connections with it.
    pub ended: Option<Open>,
}

impl Heard {
    /// Is there anything to be told?
    fn is_something(&self) -> bool {
        let Heard {
            signals,
            messages,
            broken,
            is_replaced,
            ended,
        } = self;
        *signals || *messages || broken.is_some() || *is_replaced || ended.is_some()
    }
}

impl Loop {
    /// Puts a loop together; nothing happens before [`Loop::serve`]. `inbox` is the poll's.
    ///
    /// # Errors
    /// The poll's, when a listener can't be registered.
    pub fn new(
        poll: Poll,
        inbox: Inbox<Message>,
        (acceptors, admin): (Vec<Acceptor>, Vec<(Acceptor, Surface)>),
        core: Core,
    ) -> io::Result<Loop> {
        let numbered = (0..).zip(acceptors);
        let listeners = numbered.map(|(number, acceptor)| Accepting::new(acceptor, number, poll.registry()));
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        core.listening.set(listeners.len());
        let admin = Admin::new(admin, poll.registry())?;
        Ok(Loop {
            poll,
            listeners,
            admin,
            first_listener: 0,
            inbox,
            conns: Arena::of_loop(core.peers.own()),
            core,
            deadlines: Deadlines::default(),
            run_queue: VecDeque::new(),
            backlog: VecDeque::new(),
            handshakes: Handshakes::default(),
            recheck: Recheck::default(),
            answers: VecDeque::new(),
            awaits_room: false,
            hands_out: None,
            closing: None,
            terminating: false,
            crowd: Tide::new(CROWD_MIN),
            flood: Tide::new(FLOOD_BYTES_MIN),
            heard: Heard::default(),
            events: Events::with_capacity(EVENTS_MAX),
        })
    }

    /// Its clients are handed out to all loops in turn: the others have no listeners.
    #[must_use]
    pub fn handing_out(self) -> Loop {
        Loop {
            hands_out: Some(0),
            ..self
        }
    }

    /// Takes turns until there is something to tell the process, or until then. Most turns have nothing for it.
    ///
    /// # Errors
    /// The poll's; anything else is a matter of one connection.
    pub fn serve(&mut self, until: Option<Instant>) -> io::Result<Heard> {
        loop {
            self.turn(until)?;
            if self.heard.is_something() || until.is_some_and(|at| at <= self.now()) {
                return Ok(std::mem::take(&mut self.heard));
            }
        }
    }

    /// One turn: waits until something happens, or until then, and does what can be done.
    fn turn(&mut self, until: Option<Instant>) -> io::Result<()> {
        let timeout = self.timeout(until);
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        self.core.read_clocks();
        self.core.world.has_room_to_spare = self.core.stores.budget.is_hardly_used();
        self.note();
        if self.heard.messages {
            self.take_messages();
        }
        // In this order: an answer counts when it is just in time, and one that says which server was silent is.
        self.deliver_answers();
        self.expire();
        self.accept();
        self.close_listeners();
        self.accept_admin();
        self.run_queued();
        self.end_spent();
        self.go_on_with_recheck();
        self.listen();
        self.show();
        self.core.idle.set(self.core.stores.pool.len());
        self.give_back();
        self.heard.ended = self.end();
        self.core.write_records();
        self.core.logger.call(self.core.world.now);
        Ok(())
    }

    /// When this turn began.
    pub fn now(&self) -> Instant {
        self.core.world.now
    }

    /// How long the poll may wait: not at all while something can run.
    fn timeout(&mut self, until: Option<Instant>) -> Option<Duration> {
        let queues = [&self.run_queue, &self.backlog];
        let goes_on = !(queues.iter().all(|queue| queue.is_empty())
            && self.handshakes.is_empty()
            && self.recheck.is_over()
            && self.answers.is_empty()
            && self.core.wanted.is_empty());
        if goes_on || self.core.stores.budget.has_due() {
            return Some(Duration::ZERO);
        }
        let paused = self.listeners.iter().filter_map(Accepting::deadline).min();
        let others = [
            self.core.resolver.deadline(),
            self.core.stores.pool.deadline(),
            self.core.stranger_lines.deadline(),
            self.core.logger.due(),
            paused.filter(|_| self.has_room()),
            self.admin.deadline(),
            self.core.telemetry_deadline(),
            self.closing,
            until,
        ];
        let next = others.into_iter().fold(self.deadlines.next(), earliest)?;
        // From when the turn began: the clock is not read again, so a deadline may be missed by as long as a turn takes.
        Some(next.duration_since(self.core.world.now))
    }

    /// Events set flags and queue their owners; nothing is done yet.
    fn note(&mut self) {
        // Lent for the walk: whom an event is for is found in the loop.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            match Source::of(event.token()) {
                Some(Source::Waker) => self.heard.messages = true,
                Some(Source::Signals) => self.heard.signals = true,
                Some(Source::Listener(number)) => self.note_client(number),
                Some(Source::Resolver(slot)) => self.core.resolver.on_event(slot, self.core.world.now),
                Some(Source::Wire(wire)) => match self.core.wires.note(wire, event) {
                    Some(Owner::Conn(conn, _) | Owner::Race(conn)) => self.enqueue(conn),
                    Some(Owner::Pool(idle))
                        if (event.is_readable() || event.is_read_closed() || event.is_error())
                            && !self.core.wires.is_quiet(wire) =>
                    {
                        self.core.stores.pool.drop_idle(idle);
                        self.core.wires.close(wire);
                    }
                    Some(Owner::Pool(_)) | None => {}
                },
                None => {}
            }
        }
        self.events = events;
    }

    fn deliver_answers(&mut self) {
        let now = self.core.world.now;
        if self.core.resolver.deadline().is_some_and(|at| at <= now) {
            self.core.resolver.on_deadline(now);
        }
        if self.core.resolver.has_answers() {
            self.answers.extend(self.core.resolver.answers());
        }
        if self.answers.is_empty() {
            return;
        }
        let mut allowance = Allowance::new(usize::MAX, STEP_TIME_MAX);
        while !allowance.is_spent()
            && let Some((ticket, answer)) = self.answers.pop_front()
        {
            allowance.spend(EVENT_BYTES);
            if let Some(conn) = self.conns.get_mut(ticket.conn) {
                conn.resolved(ticket.seq, &answer, &mut self.core);
                self.enqueue(ticket.conn);
            }
        }
    }

    fn expire(&mut self) {
        let now = self.core.world.now;
        while let Some(wire) = self.core.stores.pool.pop_expired(now) {
            self.core.wires.close(wire);
        }
        let mut allowance = Allowance::new(usize::MAX, STEP_TIME_MAX);
        while !allowance.is_spent()
            && let Some(id) = self.deadlines.pop_due(now, &mut self.conns, |conns, id| {
                Some(&mut conns.get_mut(id)?.filed)
            })
        {
            allowance.spend(EVENT_BYTES);
            if let Some(conn) = self.conns.get_mut(id) {
                conn.expired(&mut self.core);
                self.enqueue(id);
            }
        }
        let left_out = self.core.stranger_lines.summary(now);
        self.core.log_left_out(left_out);
        self.send_numbers();
    }

    /// A connection is over.
    fn forget(&mut self, id: ConnId) {
        if self.remove(id) {
            self.core.census.give_back(1);
        }
    }

    /// The same, but its place is not given back. Was it a client's, so that it had one?
    fn remove(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.conns.remove(id) else {
            return false;
        };
        self.deadlines.release(conn.filed);
        self.core.tally.forget(conn.standing);
        if conn.counted {
            self.core.census.forget(id);
        }
        let now = self.core.world.now;
        self.listeners
            .iter_mut()
            .for_each(|accepting| accepting.end_pause(now));
        !self.admin.forget(id)
    }

    fn enqueue(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.queued
        {
            conn.queued = true;
            self.run_queue.push_back(id);
        }
    }

    /// In the first quiet moment after most of a crowd or a flood has gone, its memory goes back to the system. Each loop sees
    /// it go, and one gives back.
    fn give_back(&mut self) {
        self.crowd.note(self.core.census.clients());
        self.flood.note(self.core.stores.budget.used_bytes());
        if !(self.crowd.has_ebbed() || self.flood.has_ebbed()) {
            self.core.ebbs.look();
        } else if self.run_queue.is_empty() {
            self.crowd.restart();
            self.flood.restart();
            self.run_queue.shrink_to_fit();
            self.backlog.shrink_to_fit();
            self.handshakes.shrink_to_fit();
            self.answers.shrink_to_fit();
            if self.core.ebbs.is_first() {
                heap::trim();
            }
        }
    }
}
