//! The process's threads for credentials whose comparison takes longer than others may wait, and whose turn it is: of the
//! clients that wait, at whichever loop, the one that has fewest under way. Who asks, and what is compared, is the
//! session's and the policy's business.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::io::shares::Shares;
use crate::io::token::Ticket;
use crate::io::work::{Lost, Settings, Workers};
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

/// What gets a loop's answers, on one of the threads or at once; it must not block.
pub type Deliver = Arc<dyn Fn(Answered) + Send + Sync>;

/// A loop's way to the threads, of which there are some only while there is something to compare.
pub struct Verifiers {
    desk: Arc<Desk>,
    deliver: Deliver,
}

/// The threads, and who waits for them.
struct Desk {
    workers: Workers,
    threads: usize,
    /// How many of them one client may have.
    threads_each: usize,
    state: Mutex<State>,
}

struct State {
    /// The questions that wait or are worked on: each has a place.
    shares: Shares,
    /// Whoever has one of them.
    clients: HashMap<ClientKey, Client>,
    at_work: usize,
    /// Grows by one with each turn, and each client that comes.
    turns: u64,
}

/// A question, and where its answer goes to.
struct Waiting {
    ticket: Ticket,
    question: Question,
    deliver: Deliver,
}

/// A question whose turn it is, and whose that was.
struct Turn {
    waiting: Waiting,
    client: ClientKey,
    subject: u64,
}

/// What there is of a client.
struct Client {
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
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
        let is_ready = |waiting: &Waiting| !self.at_work.contains(&waiting.question.subject());
        self.waiting.iter().position(is_ready)
    }
}

/// How many threads for so many processors.
fn threads(processors: usize) -> usize {
    (processors / 2).clamp(THREADS_MIN, THREADS_MAX)
}

impl Verifiers {
    /// For a machine with so many processors, and the first of its loops.
    pub fn new(processors: usize, deliver: Deliver) -> Verifiers {
        let threads = threads(processors);
        let workers = Workers::new(Settings {
            name: "verify",
            threads_max: threads,
            // A thread tells before it is free again.
            waiting_max: threads,
            stack_bytes: STACK_BYTES,
            idle_timeout: IDLE_TIMEOUT,
        });
        let desk = Desk {
            workers,
            threads,
            threads_each: (threads / 4).max(1),
            state: Mutex::new(State {
                shares: Shares::new(QUESTIONS_MAX),
                clients: HashMap::new(),
                at_work: 0,
                turns: 0,
            }),
        };
        Verifiers {
            desk: Arc::new(desk),
            deliver,
        }
    }

    /// The same threads, for a loop that gets its answers so.
    #[must_use]
    pub fn for_loop(&self, deliver: Deliver) -> Verifiers {
        Verifiers {
            desk: Arc::clone(&self.desk),
            deliver,
        }
    }

    /// Has a client's question answered.
    pub(super) fn ask(&self, ticket: Ticket, client: ClientKey, question: Question) {
        let waiting = Waiting {
            ticket,
            question,
            deliver: Arc::clone(&self.deliver),
        };
        if self.desk.lock().wait(client, waiting) {
            return self.desk.go_on();
        }
        (self.deliver)(Answered {
            ticket,
            verified: None,
        });
    }
}

impl Desk {
    /// Has threads work on what may be worked on.
    fn go_on(self: &Arc<Desk>) {
        // Never under the lock: a job that can't be taken is answered at once.
        while let Some(turn) = self.next() {
            let Turn {
                waiting,
                client,
                subject,
            } = turn;
            let Waiting {
                ticket,
                question,
                deliver,
            } = waiting;
            // Jobs that wait must not keep the threads that they wait for.
            let desk = Arc::downgrade(self);
            let job = move || question.answer();
            self.workers.submit(job, move |result| {
                if let Some(desk) = desk.upgrade() {
                    desk.lock().note(client, subject);
                    // Who submitted one that was not taken goes on with the next by itself.
                    if !matches!(result, Err(Lost::Full | Lost::NoThread)) {
                        desk.go_on();
                    }
                }
                let verified = result.ok().flatten();
                deliver(Answered { ticket, verified });
            });
        }
    }

    fn next(&self) -> Option<Turn> {
        self.lock().turn(self.threads, self.threads_each)
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets a client's question wait, if there is a place.
    fn wait(&mut self, client: ClientKey, waiting: Waiting) -> bool {
        if !self.shares.has_one_for(client) {
            self.forget_unwanted();
        }
        let has_place = self.shares.take(client);
        if has_place {
            self.turns += 1;
            let came = self.turns;
            let entry = self.clients.entry(client).or_insert_with(|| Client::new(came));
            entry.waiting.push_back(waiting);
        }
        has_place
    }

    /// A question was answered.
    fn note(&mut self, client: ClientKey, subject: u64) {
        self.at_work -= 1;
        if let Some(entry) = self.clients.get_mut(&client)
            && let Some(at) = entry.at_work.iter().position(|&at_work| at_work == subject)
        {
            entry.at_work.swap_remove(at);
        }
        self.give_back(client);
    }

    /// The question that a thread is to work on, if one of so many is free; `each` of them may have one client.
    fn turn(&mut self, threads: usize, each: usize) -> Option<Turn> {
        while self.at_work < threads {
            let client = self.next(each)?;
            let entry = self.clients.get_mut(&client)?;
            let ready = entry.ready();
            let waiting = ready.and_then(|at| entry.waiting.remove(at))?;
            if !waiting.question.is_wanted() {
                self.give_back(client);
                continue;
            }
            self.turns += 1;
            entry.turn = self.turns;
            let subject = waiting.question.subject();
            entry.at_work.push(subject);
            self.at_work += 1;
            return Some(Turn {
                waiting,
                client,
                subject,
            });
        }
        None
    }

    /// The client whose turn it is: of those that may have another thread and have something for it, the one that has
    /// fewest, and of these the one that has waited longest since its last turn.
    fn next(&self, each: usize) -> Option<ClientKey> {
        let may_go_on = |entry: &Client| entry.at_work.len() < each && entry.ready().is_some();
        let ready = self.clients.iter().filter(|(_, entry)| may_go_on(entry));
        let next = ready.min_by_key(|(_, entry)| (entry.at_work.len(), entry.turn));
        next.map(|(client, _)| *client)
    }

    /// Clients that went away need no answers.
    fn forget_unwanted(&mut self) {
        let mut freed = Vec::new();
        for (client, entry) in &mut self.clients {
            let before = entry.waiting.len();
            entry.waiting.retain(|waiting| waiting.question.is_wanted());
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
    /// What was found out; nothing where nobody is free to, or it can't be.
    pub(super) verified: Option<Verified>,
}

#[cfg(test)]
#[path = "verifiers_tests.rs"]
mod tests;
