//! Lookups that wait for a thread or a socket, and whose turn it is: of the clients that wait, the one that has fewest.
//! What is asked, and with what, is the back ends' business.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use crate::io::shares::Shares;
use crate::net::ClientKey;

/// The lookups that wait, and the shares they wait for. Whatever is asked or changed costs O(log n): everybody's lookups
/// pay for it, however many of one client wait.
pub(super) struct Queue<T> {
    shares: Shares,
    /// When each came, and who waits for it: each client at most once.
    waiting: HashMap<T, Waiting>,
    /// The lookups that a client waits for, in the order in which they came.
    clients: HashMap<ClientKey, BTreeMap<u64, T>>,
    /// The clients that wait, by what each holds and when its first lookup came.
    order: BTreeSet<(usize, u64, ClientKey)>,
    came: u64,
}

struct Waiting {
    came: u64,
    clients: Vec<ClientKey>,
}

impl<T: Copy + Eq + Hash> Queue<T> {
    /// An empty queue for `places` places, at least one.
    pub(super) fn new(places: usize) -> Queue<T> {
        Queue {
            shares: Shares::new(places.max(1)),
            waiting: HashMap::new(),
            clients: HashMap::new(),
            order: BTreeSet::new(),
            came: 0,
        }
    }

    /// Does none wait?
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a lookup that this client waits for.
    pub(super) fn push(&mut self, lookup: T, client: ClientKey) {
        let came = self.came;
        self.came += 1;
        let clients = vec![client];
        self.waiting.insert(lookup, Waiting { came, clients });
        self.change(client, |_, lookups| lookups.insert(came, lookup));
    }

    /// Another client waits for this lookup too: its turn comes as soon as it is either's. Nothing, if it has had its
    /// turn.
    pub(super) fn join(&mut self, lookup: T, client: ClientKey) {
        let waiting = self.waiting.get_mut(&lookup);
        if let Some(waiting) = waiting.filter(|waiting| !waiting.clients.contains(&client)) {
            waiting.clients.push(client);
            let came = waiting.came;
            self.change(client, |_, lookups| lookups.insert(came, lookup));
        }
    }

    /// Nobody waits for this lookup any more.
    pub(super) fn remove(&mut self, lookup: T) {
        if let Some(Waiting { came, clients }) = self.waiting.remove(&lookup) {
            for client in clients {
                self.change(client, |_, lookups| lookups.remove(&came));
            }
        }
    }

    /// The lookup whose turn it is, and on whose account it would have its place; `None` while there is none to be had. The
    /// earliest of those whose clients hold equally few.
    pub(super) fn first(&self) -> Option<(T, ClientKey)> {
        // Where who holds fewest may not take one, nobody may.
        let &(_, came, client) = self.order.first()?;
        if !self.shares.has_one_for(client) {
            return None;
        }
        Some((*self.clients.get(&client)?.get(&came)?, client))
    }

    /// Gives that lookup its place.
    pub(super) fn next(&mut self) -> Option<(T, ClientKey)> {
        let (lookup, client) = self.first()?;
        self.remove(lookup);
        self.change(client, |shares, _| shares.take(client))
            .then_some((lookup, client))
    }

    /// A lookup is over: its place is free.
    pub(super) fn give_back(&mut self, client: ClientKey) {
        self.change(client, |shares, _| shares.give_back(client));
    }

    /// Changes what a client holds or waits for, and its place in the order with it.
    fn change<R>(
        &mut self,
        client: ClientKey,
        change: impl FnOnce(&mut Shares, &mut BTreeMap<u64, T>) -> R,
    ) -> R {
        let mut lookups = self.clients.remove(&client).unwrap_or_default();
        if let Some((&first, _)) = lookups.first_key_value() {
            self.order.remove(&(self.shares.held(client), first, client));
        }
        let result = change(&mut self.shares, &mut lookups);
        if let Some((&first, _)) = lookups.first_key_value() {
            self.order.insert((self.shares.held(client), first, client));
            self.clients.insert(client, lookups);
        }
        result
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

    /// What was taken, joined, removed and given back leaves nothing behind.
    #[test]
    fn an_empty_queue_remembers_nobody() {
        let mut queue = Queue::new(2);
        for lookup in 0..40 {
            queue.push(lookup, client(lookup % 5));
            queue.join(lookup, client(9));
        }
        let mut turns = 0;
        while let Some((_, payer)) = queue.next() {
            queue.give_back(payer);
            turns += 1;
            queue.remove(turns + 20);
        }
        assert!(queue.is_empty() && queue.clients.is_empty() && queue.order.is_empty());
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
