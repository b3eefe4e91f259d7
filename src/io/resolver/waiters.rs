//! Who waits for an answer, until when and on whose account: the queue's bound and the fair shares. Which
//! question a waiter waits for is only noted here, never judged, and nobody's wait is ended.

use std::collections::HashMap;

use crate::clock::Instant;
use crate::io::shares::CommonShares;
use crate::io::token::Ticket;
use crate::net::ClientKey;

use super::QuestionId;

/// What one asker may always hold, however small the queue.
const SHARE_MIN: usize = 16;

/// The waiting tickets.
pub(super) struct Waiters {
    tickets: HashMap<Ticket, Waiter>,
    /// Those of all loops.
    places: Places,
}

struct Waiter {
    question: QuestionId,
    asker: ClientKey,
    until: Instant,
}

/// How many may wait, in all loops together.
#[derive(Clone)]
pub(super) struct Places {
    shares: CommonShares,
    share_max: usize,
}

impl Places {
    /// At most `queue_max` will wait, of one asker at most a quarter of that (but 16). Of these, the last quarter is for
    /// those of whom nothing waits yet.
    pub(super) fn new(queue_max: usize) -> Places {
        Places {
            shares: CommonShares::new(queue_max),
            share_max: (queue_max / 4).max(SHARE_MIN),
        }
    }
}

impl Waiters {
    /// Nobody waits yet.
    pub(super) fn new(places: Places) -> Waiters {
        Waiters {
            tickets: HashMap::new(),
            places,
        }
    }

    /// Takes a place for one more of this asker's, if it may wait, which [`Waiters::add`] must follow.
    #[must_use]
    pub(super) fn take_place(&self, asker: ClientKey) -> bool {
        let Places { shares, share_max } = &self.places;
        shares.take_below(asker, *share_max)
    }

    /// Lets a ticket wait, which must not wait already, in a place that was taken for its asker.
    pub(super) fn add(&mut self, ticket: Ticket, question: QuestionId, asker: ClientKey, until: Instant) {
        self.tickets.insert(
            ticket,
            Waiter {
                question,
                asker,
                until,
            },
        );
    }

    /// Ends a ticket's wait and gives its share back. Says what it waited for.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<QuestionId> {
        let waiter = self.tickets.remove(&ticket)?;
        self.places.shares.give_back(waiter.asker);
        Some(waiter.question)
    }

    /// Until when a ticket waits.
    pub(super) fn until(&self, ticket: Ticket) -> Option<Instant> {
        self.tickets.get(&ticket).map(|waiter| waiter.until)
    }

    /// On whose account a ticket waits.
    pub(super) fn asker(&self, ticket: Ticket) -> Option<ClientKey> {
        self.tickets.get(&ticket).map(|waiter| waiter.asker)
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tickets.len()
    }
}

impl Drop for Waiters {
    /// The loop has ended before their answers came.
    fn drop(&mut self) {
        for waiter in self.tickets.values() {
            self.places.shares.give_back(waiter.asker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::token::ConnId;

    const QUESTION: QuestionId = QuestionId(1);

    fn ticket(seq: u32) -> Ticket {
        Ticket {
            conn: ConnId {
                index: 0,
                generation: 0,
            },
            seq,
        }
    }

    fn asker(last: u8) -> ClientKey {
        ClientKey::of([10, 0, 0, last].into())
    }

    /// So many wait at most.
    fn waiters(queue_max: usize) -> Waiters {
        Waiters::new(Places::new(queue_max))
    }

    /// Lets it wait, if it may.
    fn waits(waiters: &mut Waiters, seq: u32, last: u8) -> bool {
        let may = waiters.take_place(asker(last));
        if may {
            waiters.add(ticket(seq), QUESTION, asker(last), Instant::now());
        }
        may
    }

    #[test]
    fn one_asker_holds_at_most_a_quarter() {
        let mut waiters = waiters(80);
        assert!((0..20).all(|seq| waits(&mut waiters, seq, 1)));
        assert!(!waits(&mut waiters, 20, 1));
        assert!(waits(&mut waiters, 20, 2));
        assert_eq!(waiters.remove(ticket(7)), Some(QUESTION));
        assert_eq!(waiters.remove(ticket(7)), None);
        assert!(waits(&mut waiters, 7, 1));
        assert!(!waits(&mut waiters, 21, 1));
    }

    #[test]
    fn the_queue_is_bounded_and_sixteen_are_always_one_askers() {
        let mut waiters = waiters(32);
        let mut seq = 0;
        let mut fill = |last: u8| {
            let before = seq;
            while waits(&mut waiters, seq, last) {
                seq += 1;
            }
            seq - before
        };
        assert_eq!((fill(1), fill(2)), (16, 8));
        let others: Vec<u32> = (3..=11).map(fill).collect();
        assert_eq!(others, [1, 1, 1, 1, 1, 1, 1, 1, 0], "the last quarter");
    }

    #[test]
    fn who_waits_no_more_leaves_nothing_behind_nor_does_a_loop_that_ends() {
        let places = Places::new(100);
        let mut first = Waiters::new(places.clone());
        let mut second = Waiters::new(places.clone());
        for seq in 0..3 {
            assert!(waits(&mut first, seq, 1) && waits(&mut second, seq, 1));
        }
        for seq in 0..3 {
            assert_eq!(first.remove(ticket(seq)), Some(QUESTION));
        }
        assert!(first.tickets.is_empty() && !places.shares.is_unused());
        drop(second);
        assert!(places.shares.is_unused());
    }

    #[test]
    fn the_waiting_of_two_loops_share_the_places() {
        let places = Places::new(80);
        let mut loops = [Waiters::new(places.clone()), Waiters::new(places)];
        let waiting = (0..80).filter(|&seq| waits(&mut loops[seq as usize % 2], seq, 1));
        assert_eq!(waiting.count(), 20);
        assert!(loops.iter_mut().all(|waiters| waits(waiters, 99, 2)));
    }
}
