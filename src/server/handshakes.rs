//! Whose handshake goes on next: those whose hello was answered come first, for little is left to be computed and what they
//! hold is given back then; among equals addresses take turns, so that one with many clients delays its own. Computes
//! nothing and knows no clock.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use crate::io::token::ConnId;
use crate::net::ClientKey;

/// After so many answers to what follows a hello there is one to a hello: peers who send in small pieces must not keep all
/// others out.
const SECOND_FLIGHTS_IN_A_ROW_MAX: u32 = 8;

/// How far a handshake has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flight {
    /// Its hello is to be answered, which takes most of the arithmetic.
    First,
    /// It was, and the client went on.
    Second,
}

/// The handshakes that wait to go on, each connection once.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    first: Turns,
    second: Turns,
    second_flights_in_a_row: u32,
}

impl Handshakes {
    /// Does none wait?
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.second.is_empty()
    }

    /// This one of that address waits from now on.
    pub(super) fn push(&mut self, id: ConnId, client: ClientKey, flight: Flight) {
        match flight {
            Flight::First => self.first.push(id, client),
            Flight::Second => self.second.push(id, client),
        }
    }

    /// The next.
    pub(super) fn pop(&mut self) -> Option<(ConnId, Flight)> {
        let is_first = self.second.is_empty()
            || self.second_flights_in_a_row >= SECOND_FLIGHTS_IN_A_ROW_MAX && !self.first.is_empty();
        let (flight, turns) = match is_first {
            true => (Flight::First, &mut self.first),
            false => (Flight::Second, &mut self.second),
        };
        self.second_flights_in_a_row = if is_first {
            0
        } else {
            self.second_flights_in_a_row + 1
        };
        Some((turns.pop()?, flight))
    }

    /// Gives back the memory that a crowd needed.
    pub(super) fn shrink_to_fit(&mut self) {
        for turns in [&mut self.first, &mut self.second] {
            turns.addresses.shrink_to_fit();
            turns.waiting.shrink_to_fit();
        }
    }
}

/// Those of one flight: by turns of their addresses, and of one address in the order in which they came.
#[derive(Debug, Default)]
struct Turns {
    /// Those of whom somebody waits, each once.
    addresses: VecDeque<ClientKey>,
    waiting: HashMap<ClientKey, VecDeque<ConnId>>,
}

impl Turns {
    fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    fn push(&mut self, id: ConnId, client: ClientKey) {
        let waiting = self.waiting.entry(client).or_default();
        if waiting.is_empty() {
            self.addresses.push_back(client);
        }
        waiting.push_back(id);
    }

    fn pop(&mut self) -> Option<ConnId> {
        let client = self.addresses.pop_front()?;
        let Entry::Occupied(mut waiting) = self.waiting.entry(client) else {
            return None;
        };
        let id = waiting.get_mut().pop_front();
        match waiting.get().is_empty() {
            true => drop(waiting.remove()),
            false => self.addresses.push_back(client),
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32) -> ConnId {
        ConnId { index, generation: 0 }
    }

    fn client(last: u8) -> ClientKey {
        ClientKey::of([192, 0, 2, last].into())
    }

    fn all(handshakes: &mut Handshakes) -> Vec<u32> {
        std::iter::from_fn(|| handshakes.pop())
            .map(|(id, _)| id.index)
            .collect()
    }

    #[test]
    fn an_address_with_many_delays_its_own() {
        let mut handshakes = Handshakes::default();
        for index in 0..4 {
            handshakes.push(id(index), client(1), Flight::First);
        }
        handshakes.push(id(10), client(2), Flight::First);
        handshakes.push(id(11), client(2), Flight::First);
        handshakes.push(id(20), client(3), Flight::First);
        assert_eq!(all(&mut handshakes), [0, 10, 20, 1, 11, 2, 3]);
        assert!(handshakes.is_empty());
    }

    #[test]
    fn who_comes_while_others_take_turns_waits_for_one_of_each() {
        let mut handshakes = Handshakes::default();
        for index in 0..3 {
            handshakes.push(id(index), client(1), Flight::First);
        }
        assert_eq!(handshakes.pop(), Some((id(0), Flight::First)));
        handshakes.push(id(10), client(2), Flight::First);
        // Gone and back: no turn is won by that.
        assert_eq!(handshakes.pop(), Some((id(1), Flight::First)));
        assert_eq!(handshakes.pop(), Some((id(10), Flight::First)));
        handshakes.push(id(11), client(2), Flight::First);
        assert_eq!(all(&mut handshakes), [2, 11]);
    }

    #[test]
    fn whose_hello_was_answered_goes_first() {
        let mut handshakes = Handshakes::default();
        for index in 0..3 {
            handshakes.push(id(index), client(1), Flight::First);
        }
        handshakes.push(id(10), client(1), Flight::Second);
        handshakes.push(id(11), client(2), Flight::Second);
        assert_eq!(handshakes.pop(), Some((id(10), Flight::Second)));
        assert_eq!(all(&mut handshakes), [11, 0, 1, 2]);
    }

    #[test]
    fn many_whose_hello_was_answered_do_not_keep_out_the_others() {
        let mut handshakes = Handshakes::default();
        for index in 0..20 {
            handshakes.push(id(index), client(1), Flight::Second);
        }
        handshakes.push(id(100), client(1), Flight::First);
        handshakes.push(id(101), client(1), Flight::First);
        let order = all(&mut handshakes);
        assert_eq!(order.len(), 22);
        assert_eq!((order[8], order[17]), (100, 101), "{order:?}");
    }

    #[test]
    fn nothing_is_kept_of_who_has_left() {
        let mut handshakes = Handshakes::default();
        for index in 0..1000 {
            let address = ClientKey::of(std::net::Ipv4Addr::from_bits(0xc000_0200 + index).into());
            handshakes.push(id(index), address, Flight::First);
        }
        assert_eq!(all(&mut handshakes).len(), 1000);
        assert!(handshakes.first.waiting.is_empty() && handshakes.first.addresses.is_empty());
        handshakes.shrink_to_fit();
        assert_eq!(
            (
                handshakes.first.waiting.capacity(),
                handshakes.first.addresses.capacity()
            ),
            (0, 0)
        );
    }
}
