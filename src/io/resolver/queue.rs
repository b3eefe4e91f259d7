//! Lookups that wait for a thread or a socket, and whose turn it is: of the clients that wait, the one that has fewest.
//! What is asked, and with what, is the back ends' business.

use std::collections::VecDeque;

use crate::io::shares::Shares;
use crate::net::ClientKey;

/// The lookups that wait, and the shares they wait for.
pub(super) struct Queue<T> {
    shares: Shares,
    waiting: VecDeque<Waiting<T>>,
}

/// A lookup, and who waits for it: each at most once.
struct Waiting<T> {
    lookup: T,
    clients: Vec<ClientKey>,
}

impl<T: Copy + PartialEq> Queue<T> {
    /// An empty queue for `places` places, at least one.
    pub(super) fn new(places: usize) -> Queue<T> {
        Queue {
            shares: Shares::new(places.max(1)),
            waiting: VecDeque::new(),
        }
    }

    /// Does none wait?
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a lookup that this client waits for.
    pub(super) fn push(&mut self, lookup: T, client: ClientKey) {
        self.waiting.push_back(Waiting {
            lookup,
            clients: vec![client],
        });
    }

    /// Another client waits for this lookup too: its turn comes as soon as it is either's. Nothing, if it has had its
    /// turn.
    pub(super) fn join(&mut self, lookup: T, client: ClientKey) {
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.lookup == lookup);
        if let Some(waiting) = waiting.filter(|waiting| !waiting.clients.contains(&client)) {
            waiting.clients.push(client);
        }
    }

    /// Nobody waits for this lookup any more.
    pub(super) fn remove(&mut self, lookup: T) {
        self.waiting.retain(|waiting| waiting.lookup != lookup);
    }

    /// The lookup whose turn it is, and on whose account it has its place; `None` while there is none to be had. The
    /// earliest of those whose clients hold equally few.
    pub(super) fn next(&mut self) -> Option<(T, ClientKey)> {
        let payer = |waiting: &Waiting<T>| {
            let clients = waiting.clients.iter();
            clients.copied().min_by_key(|&client| self.shares.held(client))
        };
        // Each is looked at once; their number is bounded by the front's.
        let (at, client) = self
            .waiting
            .iter()
            .enumerate()
            .filter_map(|(at, waiting)| Some((at, payer(waiting)?)))
            .min_by_key(|&(_, client)| self.shares.held(client))?;
        if !self.shares.take(client) {
            return None;
        }
        let lookup = self.waiting.remove(at)?.lookup;
        Some((lookup, client))
    }

    /// A lookup is over: its place is free.
    pub(super) fn give_back(&mut self, client: ClientKey) {
        self.shares.give_back(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::of([10, 0, 0, last].into())
    }

    #[test]
    fn the_client_that_has_fewest_is_next_however_long_others_wait() {
        let mut queue = Queue::new(8);
        for lookup in 0..20 {
            queue.push(lookup, client(1));
        }
        for expected in 0..6 {
            assert_eq!(queue.next(), Some((expected, client(1))));
        }
        assert_eq!(queue.next(), None, "the last quarter is for others");
        queue.push(100, client(2));
        queue.push(101, client(2));
        assert_eq!(queue.next(), Some((100, client(2))));
        assert_eq!(queue.next(), None);
        queue.push(102, client(3));
        assert_eq!(queue.next(), Some((102, client(3))));
        // All places are taken. The first to come free is for one who has none, the next for who has one.
        queue.push(103, client(4));
        assert_eq!(queue.next(), None);
        queue.give_back(client(1));
        assert_eq!(queue.next(), Some((103, client(4))));
        for _ in 0..3 {
            queue.give_back(client(1));
        }
        assert_eq!(queue.next(), Some((101, client(2))));
        assert_eq!(queue.next(), None);
        queue.give_back(client(1));
        assert_eq!(queue.next(), Some((6, client(1))));
    }

    #[test]
    fn who_joins_a_waiting_lookup_lends_it_his_turn() {
        let mut queue = Queue::new(4);
        for lookup in 0..9 {
            queue.push(lookup, client(1));
        }
        for expected in 0..3 {
            assert_eq!(queue.next(), Some((expected, client(1))));
        }
        assert_eq!(queue.next(), None);
        queue.join(7, client(2));
        queue.join(7, client(2));
        queue.join(1, client(3));
        assert_eq!(queue.next(), Some((7, client(2))));
    }

    #[test]
    fn what_is_removed_has_no_turn() {
        let mut queue = Queue::new(1);
        queue.push(1, client(1));
        queue.push(2, client(1));
        queue.remove(1);
        assert_eq!(queue.next(), Some((2, client(1))));
        queue.give_back(client(1));
        assert_eq!(queue.next(), None);
    }
}
