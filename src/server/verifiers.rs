//! The process's threads for credentials whose comparison takes longer than others may wait, and whose turn it is: of the
//! clients that wait, at whichever loop, the one that has fewest under way. Who asks, and what is compared, is the
//! session's and the policy's business.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::io::token::Ticket;
use crate::io::work::{Lost, Settings, Workers};
use crate::lock::unpoisoned;
use crate::net::ClientKey;
use crate::policy::{Question, Verified};

use super::orders::{Orders, Turn};

/// Hashes keep a processor busy: more threads would only take it from the loop. Half of the processors, within bounds;
/// each may need 64 MiB.
const THREADS_MIN: usize = 2;
const THREADS_MAX: usize = 8;

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

/// The threads, and who waits for them, at whichever loop.
#[derive(Clone)]
pub struct VerifierThreads(Arc<Desk>);

struct Desk {
    workers: Workers,
    threads: usize,
    /// How many of them one client may have.
    threads_each: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    orders: Orders<Waiting>,
    at_work: Vec<AtWork>,
}

/// A question, and where its answer goes to.
struct Waiting {
    ticket: Ticket,
    question: Question,
    deliver: Deliver,
}

/// Whose question a thread works on, and about whom it is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct AtWork {
    turn: Turn,
    subject: u64,
}

/// How many threads for so many processors.
fn threads(processors: usize) -> usize {
    (processors / 2).clamp(THREADS_MIN, THREADS_MAX)
}

impl VerifierThreads {
    /// For a machine with so many processors.
    pub fn new(processors: usize) -> VerifierThreads {
        let threads = threads(processors);
        let workers = Workers::new(Settings {
            name: "verify",
            threads_max: threads,
            // A thread tells before it is free again.
            waiting_max: threads,
            stack_bytes: STACK_BYTES,
            idle_timeout: IDLE_TIMEOUT,
        });
        VerifierThreads(Arc::new(Desk {
            workers,
            threads,
            threads_each: (threads / 4).max(1),
            state: Mutex::default(),
        }))
    }

    /// The way to them of a loop that gets its answers so.
    pub fn for_loop(&self, deliver: Deliver) -> Verifiers {
        Verifiers {
            desk: Arc::clone(&self.0),
            deliver,
        }
    }
}

impl Verifiers {
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
        while let Some((at_work, waiting)) = self.next() {
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
                    desk.lock().note(at_work);
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

    fn next(&self) -> Option<(AtWork, Waiting)> {
        self.lock().next(self.threads, self.threads_each)
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

impl State {
    /// Lets a client's question wait, if there is a place; who finds none is told to come again.
    fn wait(&mut self, client: ClientKey, waiting: Waiting) -> bool {
        match self.orders.push(client, waiting) {
            Ok(()) => true,
            Err(waiting) => {
                self.forget_unwanted();
                self.orders.push(client, waiting).is_ok()
            }
        }
    }

    /// A question was answered.
    fn note(&mut self, done: AtWork) {
        if let Some(at) = self.at_work.iter().position(|at_work| *at_work == done) {
            self.at_work.swap_remove(at);
        }
        self.orders.note_done(done.turn);
    }

    /// The question that a thread is to work on, if one of so many is free; `each` of them may have one client, and never two
    /// for the same name at a time.
    fn next(&mut self, threads: usize, each: usize) -> Option<(AtWork, Waiting)> {
        if self.at_work.len() >= threads {
            return None;
        }
        self.forget_unwanted();
        let is_at_work = |client, subject| {
            let is_it = |at_work: &AtWork| at_work.turn.client() == client && at_work.subject == subject;
            self.at_work.iter().any(is_it)
        };
        let may_be = |client, under_way: usize, waiting: &Waiting| {
            under_way < each && !is_at_work(client, waiting.question.subject())
        };
        let (turn, waiting) = self.orders.next_of(may_be)?;
        let subject = waiting.question.subject();
        let at_work = AtWork { turn, subject };
        self.at_work.push(at_work);
        Some((at_work, waiting))
    }

    /// Clients that went away need no answers.
    fn forget_unwanted(&mut self) {
        self.orders.retain(|waiting| waiting.question.is_wanted());
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
