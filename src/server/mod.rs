//! The event loop: poll, read the clock, note what happened, accept, run what can run. Single-threaded; nothing
//! in it waits but the poll.

mod accept;
mod accepting;
pub mod allowance;
pub mod conn;
pub mod core;
pub mod ends;
mod held;
pub mod inbox;
mod lifecycle;
pub mod pool;
pub mod ports;
pub mod stores;
pub mod stranger_lines;
mod tide;
pub mod turn;
mod work;
pub mod world;

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::io::arena::Arena;
use crate::io::crowd::Crowd;
use crate::io::deadlines::Deadlines;
use crate::io::heap;
use crate::io::inbox::Inbox;
use crate::io::listener::Acceptor;
use crate::io::resolver::News;
use crate::io::signal::Signals;
use crate::io::token::{ConnId, Source, Ticket};
use crate::io::wires::Owner;
use crate::policy::Policy;

use self::accepting::Accepting;
use self::allowance::Allowance;
use self::conn::Conn;
use self::core::Core;
use self::inbox::Message;
use self::tide::Tide;

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;

/// How long a step of the loop may take that others wait for: answers, deadlines, new clients, work that is left over.
const STEP_TIME_MAX: Duration = Duration::from_millis(2);

/// An answer or a deadline costs about as much as so many bytes.
const EVENT_BYTES: usize = 4096;

/// So many connections are a crowd.
const CROWD_MIN: usize = 1024;

/// So many bytes of heads and the like are a flood.
const FLOOD_BYTES_MIN: usize = 4 * 1024 * 1024;

/// How the server ends and how many clients it takes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Client connections at a time; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Between the signal and closing the listener.
    pub drain_delay: Duration,
    /// From then on what is still there may go on for so long.
    pub exit_timeout: Duration,
}

/// Makes the next policy; the error says why the present one stays.
pub type Reload = Box<dyn FnMut(&Policy) -> Result<Policy, String>>;

/// Whether and how far the server is on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Serving,
    /// Told to end; still accepting until then.
    Delaying(Instant),
    /// The listener is closed; what is left ends by then.
    Draining(Instant),
}

/// The loop with everything it owns.
pub struct Server {
    poll: Poll,
    /// The listening sockets, by the numbers of their tokens; none is left once they are closed.
    listeners: Vec<Accepting>,
    signals: Signals,
    inbox: Inbox<Message>,
    conns: Arena<Box<Conn<Core>>>,
    /// Those of whom nobody knows who they are, and whose first turn is over.
    strangers: Crowd,
    core: Core,
    deadlines: Deadlines<ConnId>,
    /// Those to whom something happened.
    run_queue: VecDeque<ConnId>,
    /// Those who used up a turn and have more to do.
    backlog: VecDeque<ConnId>,
    /// Answers that were not told yet.
    answers: VecDeque<(Ticket, News)>,
    limits: Limits,
    reload: Reload,
    phase: Phase,
    /// When the drain is told of again.
    tell_at: Option<Instant>,
    /// How many connections there were.
    crowd: Tide,
    /// How many bytes they held.
    flood: Tide,
    /// Why it ends, where nobody told it to.
    failure: Option<io::Error>,
}

impl Server {
    /// Puts a server together; nothing happens before [`Server::run`]. `signals` and `inbox` are the poll's.
    ///
    /// # Errors
    /// The poll's, when a listener can't be registered.
    pub fn new(
        poll: Poll,
        signals: Signals,
        inbox: Inbox<Message>,
        acceptors: Vec<Acceptor>,
        core: Core,
        limits: Limits,
        reload: Reload,
    ) -> io::Result<Server> {
        let numbered = (0..).zip(acceptors);
        let listeners = numbered.map(|(number, acceptor)| Accepting::new(acceptor, number, poll.registry()));
        let listeners = listeners.collect::<io::Result<_>>()?;
        Ok(Server {
            poll,
            listeners,
            signals,
            inbox,
            conns: Arena::default(),
            strangers: Crowd::default(),
            core,
            deadlines: Deadlines::new(Instant::now()),
            run_queue: VecDeque::new(),
            backlog: VecDeque::new(),
            answers: VecDeque::new(),
            limits,
            reload,
            phase: Phase::Serving,
            tell_at: None,
            crowd: Tide::new(CROWD_MIN),
            flood: Tide::new(FLOOD_BYTES_MIN),
            failure: None,
        })
    }

    /// Serves until told to end, or until the listener breaks and what was there has ended.
    ///
    /// # Errors
    /// The poll's and the listener's; anything else is a matter of one connection.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while self.phase_goes_on() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.core.read_clocks();
            self.note(&events);
            // In this order: an answer counts when it is just in time, and one that says which server was silent is.
            self.deliver_answers();
            self.expire();
            self.accept();
            self.run_queued();
            self.listen();
            self.give_back();
        }
        self.terminate();
        self.failure.map_or(Ok(()), Err)
    }

    /// How long the poll may wait: not at all while something can run.
    fn timeout(&mut self) -> Option<Duration> {
        let goes_on = !(self.run_queue.is_empty() && self.backlog.is_empty() && self.answers.is_empty());
        if goes_on || self.core.stores.budget.has_due() {
            return Some(Duration::ZERO);
        }
        let phase = match self.phase {
            Phase::Serving => None,
            Phase::Delaying(until) | Phase::Draining(until) => Some(until),
        };
        let paused = self.listeners.iter().filter_map(Accepting::deadline).min();
        let others = [
            self.core.resolver.deadline(),
            self.core.stores.pool.deadline(),
            self.core.stranger_lines.deadline(),
            paused.filter(|_| self.has_room()),
            phase,
            self.tell_at,
        ];
        let next = others.into_iter().flatten().chain(self.deadlines.next()).min()?;
        // From when the turn began: the clock is not read again, so a deadline may be missed by as long as a turn takes.
        Some(next.saturating_duration_since(self.core.world.now))
    }

    /// Events set flags and queue their owners; nothing is done yet.
    fn note(&mut self, events: &Events) {
        for event in events {
            match Source::of(event.token()) {
                Some(Source::Waker) => self.take_messages(),
                Some(Source::Signals) => self.take_signals(),
                Some(Source::Listener(number)) => self.note_client(number),
                Some(Source::Resolver(slot)) => self.core.resolver.on_event(slot, self.core.world.now),
                Some(Source::Wire(wire)) => match self.core.wires.note(wire, event) {
                    Some(Owner::Conn(conn, _) | Owner::Race(conn)) => self.enqueue(conn),
                    Some(Owner::Pool(idle))
                        if event.is_readable() || event.is_read_closed() || event.is_error() =>
                    {
                        self.core.stores.pool.drop_idle(idle);
                        self.core.wires.close(wire);
                    }
                    Some(Owner::Pool(_)) | None => {}
                },
                None => {}
            }
        }
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
        match self.phase {
            Phase::Delaying(until) if until <= now => self.drain(),
            _ => {}
        }
        if self.tell_at.is_some_and(|at| at <= now) {
            self.tell_of_drain();
        }
    }

    fn forget(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.remove(id) {
            self.deadlines.release(conn.filed);
            if conn.counted {
                self.strangers.remove(id);
            }
            let now = self.core.world.now;
            self.listeners
                .iter_mut()
                .for_each(|accepting| accepting.end_pause(now));
        }
    }

    fn enqueue(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id)
            && !conn.queued
        {
            conn.queued = true;
            self.run_queue.push_back(id);
        }
    }

    /// In the first quiet moment after most of a crowd or a flood has gone, its memory goes back to the system.
    fn give_back(&mut self) {
        self.crowd.note(self.conns.len());
        self.flood.note(self.core.stores.budget.used_bytes());
        if (self.crowd.has_ebbed() || self.flood.has_ebbed()) && self.run_queue.is_empty() {
            self.crowd.restart();
            self.flood.restart();
            self.run_queue.shrink_to_fit();
            self.backlog.shrink_to_fit();
            self.answers.shrink_to_fit();
            heap::trim();
        }
    }

    fn phase_goes_on(&self) -> bool {
        match self.phase {
            Phase::Draining(until) => !self.conns.is_empty() && self.core.world.now < until,
            _ => true,
        }
    }
}
