//! One listening socket of the loop and how it stands: whether the poll tells of clients that wait there, and if not, why.
//! Who is taken, and in whose place, is `accept`'s business.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Registry, Token};

use crate::clock::Instant;
use crate::io::listener::{AcceptError, Acceptor};
use crate::io::token::Source;
use crate::io::told::Told;

/// Connections accepted in one turn of the loop, so that a flood of them can't starve those that are there.
pub(super) const ACCEPTS_PER_TURN: usize = 128;

/// How long accepting pauses when it failed and no connection of ours ended meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// A pause is told of when the one before it began at least so long ago.
const QUIET_MIN: Duration = Duration::from_secs(10);

/// How a listening socket stands.
///
/// ```text
///              an event                 taken
/// Listening ------------> Waiting ------------------> Listening
///     ^  |                   |
///     |  `--- no room -------+--- accepting fails
///     |           v                     v
///     |         Full                  Paused
///     `-- room ---'---- room, and over -'
/// ```
/// From `Waiting` it gets `Broken` for good where accepting can never succeed again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The poll tells of clients that wait.
    Listening,
    /// It told of one.
    Waiting,
    /// Not in the poll, which would tell without end: no further client may be taken.
    Full,
    /// Not in the poll: accepting failed. It is tried again from then on.
    Paused(Instant),
    /// Not in the poll: it will not get better.
    Broken,
}

/// A listening socket, and how it stands.
#[derive(Debug)]
pub(super) struct Accepting {
    acceptor: Acceptor,
    token: Token,
    state: State,
    /// How many clients to take when the poll tells of one.
    burst: usize,
    told: Told,
}

impl Accepting {
    /// Lets the poll tell of the socket's clients under this number.
    ///
    /// # Errors
    /// The poll's.
    pub(super) fn new(acceptor: Acceptor, number: u32, registry: &Registry) -> io::Result<Accepting> {
        let token = Source::Listener(number).token();
        acceptor.register(registry, token)?;
        Ok(Accepting {
            acceptor,
            token,
            state: State::Listening,
            burst: 1,
            told: Told::new(QUIET_MIN),
        })
    }

    /// The poll told of a client that waits.
    pub(super) fn note(&mut self) {
        if self.state == State::Listening {
            self.state = State::Waiting;
        }
    }

    /// How many clients to take in this turn: one, and twice as many each time more were waiting in the turn before.
    pub(super) fn take_burst(&mut self) -> Option<usize> {
        if self.state == State::Waiting {
            self.state = State::Listening;
            return Some(self.burst);
        }
        self.burst = 1;
        None
    }

    /// A burst was taken. Were there as many clients?
    pub(super) fn burst_is_over(&mut self, were_more: bool) {
        self.burst = match were_more {
            true => ACCEPTS_PER_TURN.min(2 * self.burst),
            false => 1,
        };
    }

    /// The next client that waits; see [`Acceptor::accept`].
    pub(super) fn accept(&mut self) -> Result<Option<(TcpStream, SocketAddr)>, AcceptError> {
        self.acceptor.accept()
    }

    /// Is accepting not to be tried yet?
    pub(super) fn is_paused(&self, now: Instant) -> bool {
        matches!(self.state, State::Paused(until) if until > now)
    }

    /// Is it not to be tried any more?
    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Accepting failed. The `open` connections that are there go on, and a descriptor will come free.
    pub(super) fn pause(&mut self, error: &dyn Display, open: usize, now: Instant, registry: &Registry) {
        if self.told.is_news(&error.to_string(), now) {
            log::warn!("Accepting is paused with {open} connections open: {error}");
        }
        self.leave(registry);
        self.state = State::Paused(now + PAUSE);
    }

    /// Accepting fails for good.
    pub(super) fn give_up(&mut self, registry: &Registry) {
        self.leave(registry);
        self.state = State::Broken;
    }

    /// A connection ended: its descriptors may be what was wanting.
    pub(super) fn end_pause(&mut self, now: Instant) {
        if let State::Paused(until) = &mut self.state {
            *until = now.min(*until);
        }
    }

    /// Lets the poll tell of clients that wait as long as one may be taken, and only then. `open` connections are there.
    pub(super) fn settle(&mut self, has_room: bool, open: usize, now: Instant, registry: &Registry) {
        match self.state {
            State::Listening | State::Waiting if !has_room => {
                self.leave(registry);
                self.state = State::Full;
            }
            State::Paused(until) if until <= now && !has_room => self.state = State::Full,
            State::Full if has_room => self.enter(open, now, registry),
            State::Paused(until) if until <= now => self.enter(open, now, registry),
            State::Listening | State::Waiting | State::Full | State::Paused(_) | State::Broken => {}
        }
    }

    /// When a pause is over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Paused(until) => Some(until),
            State::Listening | State::Waiting | State::Full | State::Broken => None,
        }
    }

    fn enter(&mut self, open: usize, now: Instant, registry: &Registry) {
        match self.acceptor.register(registry, self.token) {
            Ok(()) => self.state = State::Listening,
            Err(error) => self.pause(&error, open, now, registry),
        }
    }

    fn leave(&self, registry: &Registry) {
        if matches!(self.state, State::Listening | State::Waiting) {
            // It can only fail where the socket is not in the poll.
            let _ = self.acceptor.deregister(registry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use mio::{Events, Poll};

    use super::*;
    use crate::io::listener;

    struct House {
        poll: Poll,
        accepting: Accepting,
        now: Instant,
    }

    impl House {
        fn new() -> House {
            let poll = Poll::new().unwrap();
            let acceptor = Acceptor::new(listener::bind(Some("127.0.0.1"), 0).unwrap()).unwrap();
            House {
                accepting: Accepting::new(acceptor, 3, poll.registry()).unwrap(),
                poll,
                now: Instant::now(),
            }
        }

        fn client(&self) -> Client {
            Client::connect(self.accepting.acceptor.local_addr()).unwrap()
        }

        /// Does the poll tell of it?
        fn is_told(&mut self) -> bool {
            let mut events = Events::with_capacity(4);
            self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
            for event in &events {
                assert_eq!(Source::of(event.token()), Some(Source::Listener(3)));
                self.accepting.note();
            }
            !events.is_empty()
        }

        fn settle(&mut self, has_room: bool) {
            self.accepting.settle(has_room, 0, self.now, self.poll.registry());
        }

        fn pause(&mut self) {
            self.accepting
                .pause(&"too many open files", 0, self.now, self.poll.registry());
        }
    }

    #[test]
    fn the_poll_tells_of_clients_only_while_one_may_be_taken() {
        let mut house = House::new();
        let _client = house.client();
        assert!(house.is_told() && house.is_told(), "as long as it waits");
        house.settle(false);
        assert!(!house.is_told() && house.accepting.take_burst().is_none());
        assert_eq!(house.accepting.deadline(), None, "room is no matter of time");
        house.settle(false);
        house.settle(true);
        assert!(house.is_told());
        assert_eq!(house.accepting.take_burst(), Some(1));
        assert!(house.accepting.accept().unwrap().is_some());
        assert!(!house.is_told());
    }

    #[test]
    fn a_pause_ends_with_its_time_or_with_a_connection() {
        for by_time in [true, false] {
            let mut house = House::new();
            let _client = house.client();
            house.pause();
            house.settle(true);
            assert!(!house.is_told() && house.accepting.is_paused(house.now));
            assert_eq!(house.accepting.deadline(), Some(house.now + PAUSE));
            match by_time {
                true => house.now += PAUSE,
                false => house.accepting.end_pause(house.now),
            }
            assert!(!house.accepting.is_paused(house.now));
            house.settle(true);
            assert!(house.is_told());
        }
    }

    #[test]
    fn a_pause_that_is_over_while_there_is_no_room_waits_for_room() {
        let mut house = House::new();
        let _client = house.client();
        house.settle(false);
        house.pause();
        house.now += PAUSE;
        house.settle(false);
        assert!(!house.is_told() && house.accepting.deadline().is_none());
        house.settle(true);
        assert!(house.is_told());
    }

    #[test]
    fn a_broken_one_is_left_alone() {
        let mut house = House::new();
        let _client = house.client();
        house.accepting.give_up(house.poll.registry());
        for has_room in [true, false, true] {
            house.settle(has_room);
            assert!(!house.is_told() && house.accepting.is_broken());
        }
        assert_eq!(house.accepting.deadline(), None);
    }

    #[test]
    fn a_burst_doubles_while_more_wait_and_begins_anew_after_a_quiet_turn() {
        let mut house = House::new();
        let mut next = |were_more| {
            house.accepting.note();
            let burst = house.accepting.take_burst().unwrap();
            house.accepting.burst_is_over(were_more);
            burst
        };
        let bursts = [true, true, true, true, true, true, true, true, true, false].map(&mut next);
        assert_eq!(bursts, [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]);
        assert_eq!([true, true].map(&mut next), [1, 2]);
        assert_eq!(house.accepting.take_burst(), None);
        house.accepting.note();
        assert_eq!(house.accepting.take_burst(), Some(1));
    }
}
