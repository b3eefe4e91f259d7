//! Work that waits for a thread, and whose turn it is: of the clients that wait, the one that has least under way, and of
//! these the one that has waited longest since its last turn. So who asks for much waits for himself. What the work is, and
//! with what it is done, is the caller's business.

use std::collections::HashMap;

use crate::io::shares::Shares;
use crate::net::ClientKey;

/// Orders that wait or are under way: the last quarter of them for clients that have none.
pub(super) const ORDERS_MAX: usize = 256;

/// The orders of all clients. What is asked of them is looked for one by one: there are few, and each takes long.
#[derive(Debug)]
pub(super) struct Orders<T> {
    /// In the order in which they came.
    waiting: Vec<Waiting<T>>,
    clients: HashMap<ClientKey, Client>,
    shares: Shares,
    /// Grows by one with each turn, and each client that comes.
    turns: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    what: T,
    /// Who wants it: the first takes a place with it.
    clients: Vec<ClientKey>,
}

/// What there is of a client.
#[derive(Debug)]
struct Client {
    waiting: usize,
    under_way: usize,
    /// When it had its latest turn, or came.
    turn: u64,
}

/// Whose turn it is, until what it brought is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    /// Who has it.
    client: ClientKey,
    /// Whose place it takes.
    holder: ClientKey,
}

impl Turn {
    /// Who has it.
    pub(super) fn client(self) -> ClientKey {
        self.client
    }
}

impl<T> Default for Orders<T> {
    fn default() -> Self {
        Orders {
            waiting: Vec::new(),
            clients: HashMap::new(),
            shares: Shares::new(ORDERS_MAX),
            turns: 0,
        }
    }
}

impl<T> Orders<T> {
    /// Adds what a client wants.
    ///
    /// # Errors
    /// There is no place for it: here it is again.
    pub(super) fn push(&mut self, client: ClientKey, what: T) -> Result<(), T> {
        if !self.shares.take(client) {
            return Err(what);
        }
        self.client(client).waiting += 1;
        let clients = vec![client];
        self.waiting.push(Waiting { what, clients });
        Ok(())
    }

    /// Another client wants one that is waiting: its turn comes as soon as it is either's. Nothing, if none such waits.
    pub(super) fn join(&mut self, client: ClientKey, is_it: impl Fn(&T) -> bool) {
        let joined = self
            .waiting
            .iter_mut()
            .find(|waiting| is_it(&waiting.what))
            .filter(|waiting| !waiting.clients.contains(&client));
        if let Some(waiting) = joined {
            waiting.clients.push(client);
            self.client(client).waiting += 1;
        }
    }

    /// What is to be done next, with whose turn it is.
    pub(super) fn next(&mut self) -> Option<(Turn, T)> {
        self.next_of(|_, _, _| true)
    }

    /// What is to be done next of that which may be for a client that has so many under way.
    pub(super) fn next_of(&mut self, may_be: impl Fn(ClientKey, usize, &T) -> bool) -> Option<(Turn, T)> {
        let rank = |client: &ClientKey| {
            let known = self.clients.get(client);
            known.map_or((0, 0), |known| (known.under_way, known.turn))
        };
        let each = self.waiting.iter().enumerate();
        let ranked = each.filter_map(|(at, waiting)| {
            let clients = waiting.clients.iter();
            let may = clients.filter(|client| may_be(**client, rank(client).0, &waiting.what));
            let client = may.min_by_key(|client| rank(client))?;
            Some((rank(client), at, *client))
        });
        let (_, at, client) = ranked.min_by_key(|(rank, at, _)| (*rank, *at))?;
        let Waiting { what, clients } = self.waiting.remove(at);
        for waits in &clients {
            self.client(*waits).waiting -= 1;
        }
        self.turns += 1;
        let turn = self.turns;
        let known = self.client(client);
        (known.under_way, known.turn) = (known.under_way + 1, turn);
        clients.iter().for_each(|client| self.forget_idle(*client));
        let holder = clients.first().copied().unwrap_or(client);
        Some((Turn { client, holder }, what))
    }

    /// What is wanted no more leaves.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&T) -> bool) {
        let mut left = Vec::new();
        self.waiting.retain(|waiting| {
            let stays = is_wanted(&waiting.what);
            if !stays {
                left.push(waiting.clients.clone());
            }
            stays
        });
        for clients in left {
            for waits in &clients {
                self.client(*waits).waiting -= 1;
                self.forget_idle(*waits);
            }
            clients
                .first()
                .into_iter()
                .for_each(|holder| self.shares.give_back(*holder));
        }
    }

    /// It is done.
    pub(super) fn note_done(&mut self, Turn { client, holder }: Turn) {
        let known = self.client(client);
        known.under_way = known.under_way.saturating_sub(1);
        self.forget_idle(client);
        self.shares.give_back(holder);
    }

    /// Is nothing there, and nobody remembered?
    #[cfg(test)]
    pub(super) fn is_unused(&self) -> bool {
        self.shares.is_unused() && self.clients.is_empty() && self.waiting.is_empty()
    }

    fn client(&mut self, client: ClientKey) -> &mut Client {
        let turns = &mut self.turns;
        self.clients.entry(client).or_insert_with(|| {
            *turns += 1;
            Client {
                waiting: 0,
                under_way: 0,
                turn: *turns,
            }
        })
    }

    fn forget_idle(&mut self, client: ClientKey) {
        let is_idle = |known: &Client| known.waiting == 0 && known.under_way == 0;
        if self.clients.get(&client).is_some_and(is_idle) {
            self.clients.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::of([10, 0, 0, last].into())
    }

    fn next(orders: &mut Orders<u32>) -> Option<(ClientKey, u32)> {
        let (turn, what) = orders.next()?;
        orders.note_done(turn);
        Some((turn.client, what))
    }

    #[test]
    fn who_asks_for_much_waits_for_himself() {
        let mut orders = Orders::default();
        for nth in 0..100 {
            orders.push(client(1), nth).unwrap();
        }
        let (first, _) = orders.next().unwrap();
        let (second, _) = orders.next().unwrap();
        orders.push(client(2), 200).unwrap();
        orders.push(client(2), 201).unwrap();
        orders.push(client(3), 300).unwrap();
        // Those that have none under way come first, in turn.
        let (third, what) = orders.next().unwrap();
        assert_eq!((third.client, what), (client(2), 200));
        let (fourth, what) = orders.next().unwrap();
        assert_eq!((fourth.client, what), (client(3), 300));
        for turn in [first, second, third, fourth] {
            orders.note_done(turn);
        }
        let order: Vec<u32> = (0..4)
            .filter_map(|_| next(&mut orders))
            .map(|(_, what)| what)
            .collect();
        assert_eq!(order, [2, 201, 3, 4]);
    }

    #[test]
    fn one_client_leaves_places_to_the_others_and_gives_all_back() {
        let mut orders = Orders::default();
        let pushed = (0..1000)
            .filter(|&nth| orders.push(client(1), nth).is_ok())
            .count();
        assert_eq!(pushed, ORDERS_MAX / 4 * 3);
        let others = (2..=255)
            .filter(|&nth| orders.push(client(nth), 0).is_ok())
            .count();
        assert_eq!(others, ORDERS_MAX / 4);
        assert_eq!(orders.push(client(1), 7), Err(7));
        while next(&mut orders).is_some() {}
        assert!(orders.is_unused());
    }

    #[test]
    fn what_another_wants_too_comes_when_it_is_the_turn_of_either() {
        let mut orders = Orders::default();
        for nth in 0..10 {
            orders.push(client(1), nth).unwrap();
        }
        let (_, under_way) = orders.next().unwrap();
        assert_eq!(under_way, 0);
        orders.join(client(2), |&what| what == 9);
        orders.join(client(2), |&what| what == 9);
        orders.join(client(3), |&what| what == 77);
        let (turn, what) = orders.next().unwrap();
        assert_eq!((turn.client, turn.holder, what), (client(2), client(1), 9));
        orders.note_done(turn);
        assert_eq!(
            orders.clients.len(),
            1,
            "nobody waits that has nothing to wait for"
        );
        assert_eq!(orders.waiting.len(), 8);
    }
}
