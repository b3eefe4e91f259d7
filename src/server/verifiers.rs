//! The loop's threads for credentials whose comparison takes longer than others may wait, and whose turn it is: of the
//! clients that wait, the one that has fewest under way. Who asks, and what is compared, is the session's and the policy's
//! business.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::io::shares::Shares;
use crate::io::token::Ticket;
use crate::io::work::{Settings, Workers};
use crate::net::ClientKey;
use crate::policy::{Question, Verified};

/// Hashes keep a processor busy: more threads would only take it from the loop. Half of the processors, within bounds;
/// each may need 64 MiB.
const THREADS_MIN: usize = 2;
const THREADS_MAX: usize = 8;

/// Comparisons that wait or are under way: the last quarter of them for clients of whom there are none. Who comes then is
/// told to come again.
const QUESTIONS_MAX: usize = 256;

/// What hashes need lies on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// So long a thread without work stays.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Threads that there are only while there is something to compare.
pub struct Verifiers {
    workers: Workers,
    threads: usize,
    /// How many of them one client may have.
    threads_each: usize,
    deliver: Arc<dyn Fn(Answered) + Send + Sync>,
    /// The questions that wait or are worked on: each has a place.
    shares: Shares,
    /// Whoever has one of them.
    clients: HashMap<ClientKey, Client>,
    at_work: usize,
    /// Grows by one with each turn, and each client that comes.
    turns: u64,
}

/// What there is of a client.
struct Client {
    /// In the order in which they came.
    waiting: VecDeque<(Ticket, Question)>,
    /// The subjects of those that are worked on.
    at_work: Vec<u64>,
    /// When it had its latest turn, or came.
    turn: u64,
}

impl Client {
    fn new(turn: u64) -> Client {
        Client {
            waiting: VecDeque::new(),
            at_work: Vec::new(),
            turn,
        }
    }

    /// The first question that may be worked on: never two about the same name at a time.
    fn ready(&self) -> Option<usize> {
        let is_ready = |(_, question): &(Ticket, Question)| !self.at_work.contains(&question.subject());
        self.waiting.iter().position(is_ready)
    }
}

/// How many threads for so many processors.
fn threads(processors: usize) -> usize {
    (processors / 2).clamp(THREADS_MIN, THREADS_MAX)
}

impl Verifiers {
    /// For a machine with so many processors. `deliver` gets each answer, on one of the threads or at once, and must not
    /// block.
    pub fn new(processors: usize, deliver: Arc<dyn Fn(Answered) + Send + Sync>) -> Verifiers {
        let threads = threads(processors);
        let workers = Workers::new(Settings {
            name: "verify",
            threads_max: threads,
            // A thread tells before it is free again.
            waiting_max: threads,
            stack_bytes: STACK_BYTES,
            idle_timeout: IDLE_TIMEOUT,
        });
        Verifiers {
            workers,
            threads,
            threads_each: (threads / 4).max(1),
            deliver,
            shares: Shares::new(QUESTIONS_MAX),
            clients: HashMap::new(),
            at_work: 0,
            turns: 0,
        }
    }

    /// Has a client's question answered.
    pub(super) fn ask(&mut self, ticket: Ticket, client: ClientKey, question: Question) {
        if !self.shares.has_one_for(client) {
            self.forget_unwanted();
        }
        if !self.shares.take(client) {
            return (self.deliver)(Answered {
                ticket,
                holder: None,
                verified: None,
            });
        }
        self.turns += 1;
        let came = self.turns;
        let entry = self.clients.entry(client).or_insert_with(|| Client::new(came));
        entry.waiting.push_back((ticket, question));
        self.go_on();
    }

    /// A question was answered.
    pub(super) fn note(&mut self, answered: &Answered) {
        if let Some((client, subject)) = answered.holder {
            self.at_work -= 1;
            if let Some(entry) = self.clients.get_mut(&client)
                && let Some(at) = entry.at_work.iter().position(|&at_work| at_work == subject)
            {
                entry.at_work.swap_remove(at);
            }
            self.give_back(client);
            self.go_on();
        }
    }

    /// Has threads work on what may be worked on.
    fn go_on(&mut self) {
        while self.at_work < self.threads
            && let Some(client) = self.next()
        {
            let Some(entry) = self.clients.get_mut(&client) else {
                return;
            };
            let ready = entry.ready();
            let Some((ticket, question)) = ready.and_then(|at| entry.waiting.remove(at)) else {
                return;
            };
            if !question.is_wanted() {
                self.give_back(client);
                continue;
            }
            self.turns += 1;
            entry.turn = self.turns;
            let subject = question.subject();
            entry.at_work.push(subject);
            self.at_work += 1;
            let (deliver, holder) = (Arc::clone(&self.deliver), Some((client, subject)));
            let tell = move |verified| {
                deliver(Answered {
                    ticket,
                    holder,
                    verified,
                });
            };
            let job = move || question.answer();
            self.workers
                .submit(job, move |answer| tell(answer.ok().flatten()));
        }
    }

    /// The client whose turn it is: of those that may have another thread and have something for it, the one that has
    /// fewest, and of these the one that has waited longest since its last turn.
    fn next(&self) -> Option<ClientKey> {
        let may_go_on = |entry: &Client| entry.at_work.len() < self.threads_each && entry.ready().is_some();
        let ready = self.clients.iter().filter(|(_, entry)| may_go_on(entry));
        let next = ready.min_by_key(|(_, entry)| (entry.at_work.len(), entry.turn));
        next.map(|(client, _)| *client)
    }

    /// Clients that went away need no answers.
    fn forget_unwanted(&mut self) {
        let mut freed = Vec::new();
        for (client, entry) in &mut self.clients {
            let before = entry.waiting.len();
            entry.waiting.retain(|(_, question)| question.is_wanted());
            freed.extend(std::iter::repeat_n(*client, before - entry.waiting.len()));
        }
        freed.into_iter().for_each(|client| self.give_back(client));
    }

    fn give_back(&mut self, client: ClientKey) {
        self.shares.give_back(client);
        if self.shares.held(client) == 0 {
            self.clients.remove(&client);
        }
    }
}

/// An answer on its way.
pub struct Answered {
    /// Which question it is to.
    pub(super) ticket: Ticket,
    /// On whose account that was, and what about; nobody's, where it was not taken.
    holder: Option<(ClientKey, u64)>,
    /// What was found out; nothing where nobody is free to, or it can't be.
    pub(super) verified: Option<Verified>,
}

#[cfg(test)]
#[path = "verifiers_tests.rs"]
mod tests;
