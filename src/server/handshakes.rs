//! Whose handshake goes on next: those whose hello was answered come first, for little is left to be computed and what they
//! hold is given back then; among equals addresses take turns, so that one with many clients delays its own. Computes
//! nothing and knows no clock.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::io::token::ConnId;
use crate::net::ClientKey;

/// After so many answers to what follows a hello there is one to a hello: peers who send in small pieces must not keep all
/// others out.
const ANSWERED_IN_A_ROW_MAX: u32 = 8;

/// Who has less time than this left is not answered any more where others wait.
const TIME_MIN: Duration = Duration::from_secs(1);

/// How far a handshake has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Its hello was not answered yet, but perhaps by asking for another: most of the arithmetic is to come.
    Unanswered,
    /// It was.
    Answered,
}

impl Stage {
    /// Is it worth going on, where so much time is left? A hello that is answered just before its time is over was answered in
    /// vain, and kept others waiting.
    pub(super) fn is_worth_going_on(self, left: Duration, others_wait: bool) -> bool {
        self == Stage::Answered || left >= TIME_MIN || !others_wait
    }
}

/// The handshakes that wait to go on, each connection once.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    unanswered: Turns,
    answered: Turns,
    answered_in_a_row: u32,
}

impl Handshakes {
    /// Does none wait?
    pub(super) fn is_empty(&self) -> bool {
        self.unanswered.is_empty() && self.answered.is_empty()
    }

    /// This one of that address waits from now on.
    pub(super) fn push(&mut self, id: ConnId, client: ClientKey, stage: Stage) {
        match stage {
            Stage::Unanswered => self.unanswered.push(id, client),
            Stage::Answered => self.answered.push(id, client),
        }
    }

    /// The next.
    pub(super) fn pop(&mut self) -> Option<(ConnId, Stage)> {
        let is_hello = self.answered.is_empty()
            || self.answered_in_a_row >= ANSWERED_IN_A_ROW_MAX && !self.unanswered.is_empty();
        let (stage, turns) = match is_hello {
            true => (Stage::Unanswered, &mut self.unanswered),
            false => (Stage::Answered, &mut self.answered),
        };
        self.answered_in_a_row = if is_hello { 0 } else { self.answered_in_a_row + 1 };
        Some((turns.pop()?, stage))
    }

    /// Gives back the memory that a crowd needed.
    pub(super) fn shrink_to_fit(&mut self) {
        for turns in [&mut self.unanswered, &mut self.answered] {
            turns.addresses.shrink_to_fit();
            turns.waiting.shrink_to_fit();
        }
    }
}

/// Those of one stage: by turns of their addresses, and of one address in the order in which they came.
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
            handshakes.push(id(index), client(1), Stage::Unanswered);
        }
        handshakes.push(id(10), client(2), Stage::Unanswered);
        handshakes.push(id(11), client(2), Stage::Unanswered);
        handshakes.push(id(20), client(3), Stage::Unanswered);
        assert_eq!(all(&mut handshakes), [0, 10, 20, 1, 11, 2, 3]);
        assert!(handshakes.is_empty());
    }

    #[test]
    fn who_comes_while_others_take_turns_waits_for_one_of_each() {
        let mut handshakes = Handshakes::default();
        for index in 0..3 {
            handshakes.push(id(index), client(1), Stage::Unanswered);
        }
        assert_eq!(handshakes.pop(), Some((id(0), Stage::Unanswered)));
        handshakes.push(id(10), client(2), Stage::Unanswered);
        // Gone and back: no turn is won by that.
        assert_eq!(handshakes.pop(), Some((id(1), Stage::Unanswered)));
        assert_eq!(handshakes.pop(), Some((id(10), Stage::Unanswered)));
        handshakes.push(id(11), client(2), Stage::Unanswered);
        assert_eq!(all(&mut handshakes), [2, 11]);
    }

    #[test]
    fn whose_hello_was_answered_goes_first() {
        let mut handshakes = Handshakes::default();
        for index in 0..3 {
            handshakes.push(id(index), client(1), Stage::Unanswered);
        }
        handshakes.push(id(10), client(1), Stage::Answered);
        handshakes.push(id(11), client(2), Stage::Answered);
        assert_eq!(handshakes.pop(), Some((id(10), Stage::Answered)));
        assert_eq!(all(&mut handshakes), [11, 0, 1, 2]);
    }

    #[test]
    fn many_whose_hello_was_answered_do_not_keep_out_the_others() {
        let mut handshakes = Handshakes::default();
        for index in 0..20 {
            handshakes.push(id(index), client(1), Stage::Answered);
        }
        handshakes.push(id(100), client(1), Stage::Unanswered);
        handshakes.push(id(101), client(1), Stage::Unanswered);
        let order = all(&mut handshakes);
        assert_eq!(order.len(), 22);
        assert_eq!((order[8], order[17]), (100, 101), "{order:?}");
    }

    #[test]
    fn a_hello_is_not_answered_in_vain_while_others_wait() {
        let (short, long) = (TIME_MIN - Duration::from_millis(1), TIME_MIN);
        let all = [
            (short, true),
            (short, false),
            (long, true),
            (Duration::ZERO, false),
        ];
        let worth = |stage: Stage| all.map(|(left, others_wait)| stage.is_worth_going_on(left, others_wait));
        assert_eq!(worth(Stage::Unanswered), [false, true, true, true]);
        assert_eq!(worth(Stage::Answered), [true; 4]);
    }

    #[test]
    fn nothing_is_kept_of_who_has_left() {
        let mut handshakes = Handshakes::default();
        for index in 0..1000 {
            let address = ClientKey::of(std::net::Ipv4Addr::from_bits(0xc000_0200 + index).into());
            handshakes.push(id(index), address, Stage::Unanswered);
        }
        assert_eq!(all(&mut handshakes).len(), 1000);
        assert!(handshakes.unanswered.waiting.is_empty() && handshakes.unanswered.addresses.is_empty());
        handshakes.shrink_to_fit();
        assert_eq!(
            (
                handshakes.unanswered.waiting.capacity(),
                handshakes.unanswered.addresses.capacity()
            ),
            (0, 0)
        );
    }
}
