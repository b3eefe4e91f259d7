//! Who waits for an answer, until when and on whose account: the queue's bound and the fair shares. Which
//! question a waiter waits for is only noted here, never judged, and nobody's wait is ended.

use std::collections::HashMap;
use std::time::Instant;

use crate::io::shares::Shares;
use crate::io::token::Ticket;
use crate::net::ClientKey;

use super::QuestionId;

/// What one asker may always hold, however small the queue.
const SHARE_MIN: usize = 16;

/// The waiting tickets.
pub(super) struct Waiters {
    tickets: HashMap<Ticket, Waiter>,
    shares: Shares,
    share_max: usize,
}

struct Waiter {
    question: QuestionId,
    asker: ClientKey,
    until: Instant,
}

impl Waiters {
    /// Nobody waits yet; at most `queue_max` will, of one asker at most a quarter of that (but 16). Of these, the last
    /// quarter is for those of whom nothing waits yet.
    pub(super) fn new(queue_max: usize) -> Waiters {
        Waiters {
            tickets: HashMap::new(),
            shares: Shares::new(queue_max),
            share_max: (queue_max / 4).max(SHARE_MIN),
        }
    }

    /// May one more of this asker's wait?
    pub(super) fn room_for(&self, asker: ClientKey) -> bool {
        self.shares.has_one_for(asker) && self.shares.held(asker) < self.share_max
    }

    /// Lets a ticket wait, which must not wait already.
    pub(super) fn add(&mut self, ticket: Ticket, question: QuestionId, asker: ClientKey, until: Instant) {
        self.tickets.insert(
            ticket,
            Waiter {
                question,
                asker,
                until,
            },
        );
        let taken = self.shares.take(asker);
        debug_assert!(taken, "there was room");
    }

    /// Ends a ticket's wait and gives its share back. Says what it waited for.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<QuestionId> {
        let waiter = self.tickets.remove(&ticket)?;
        self.shares.give_back(waiter.asker);
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

    #[test]
    fn one_asker_holds_at_most_a_quarter() {
        let now = Instant::now();
        let mut waiters = Waiters::new(80);
        for seq in 0..20 {
            assert!(waiters.room_for(asker(1)));
            waiters.add(ticket(seq), QUESTION, asker(1), now);
        }
        assert!(!waiters.room_for(asker(1)));
        assert!(waiters.room_for(asker(2)));
        assert_eq!(waiters.remove(ticket(7)), Some(QUESTION));
        assert!(waiters.room_for(asker(1)));
        assert_eq!(waiters.remove(ticket(7)), None);
    }

    #[test]
    fn the_queue_is_bounded_and_sixteen_are_always_one_askers() {
        let now = Instant::now();
        let mut waiters = Waiters::new(32);
        let mut seq = 0;
        let mut fill = |last: u8| {
            let before = seq;
            while waiters.room_for(asker(last)) {
                waiters.add(ticket(seq), QUESTION, asker(last), now);
                seq += 1;
            }
            seq - before
        };
        assert_eq!((fill(1), fill(2)), (16, 8));
        let others: Vec<u32> = (3..=11).map(fill).collect();
        assert_eq!(others, [1, 1, 1, 1, 1, 1, 1, 1, 0], "the last quarter");
    }

    #[test]
    fn who_waits_no_more_leaves_nothing_behind() {
        let now = Instant::now();
        let mut waiters = Waiters::new(100);
        for seq in 0..3 {
            waiters.add(ticket(seq), QUESTION, asker(1), now);
        }
        for seq in 0..3 {
            assert_eq!(waiters.remove(ticket(seq)), Some(QUESTION));
        }
        assert!(waiters.tickets.is_empty() && waiters.shares.is_unused());
    }
}
