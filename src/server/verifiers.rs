//! The loop's threads for credentials whose comparison takes longer than others may wait. Who asks, and
//! what is compared, is the session's and the policy's business.

use std::sync::Arc;
use std::time::Duration;

use crate::io::shares::Shares;
use crate::io::token::Ticket;
use crate::io::work::{Settings, Workers};
use crate::net::ClientKey;
use crate::policy::{Question, Verified};

/// Hashes keep a processor busy: more threads would only take it from the loop.
const THREADS_MAX: usize = 2;

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
    deliver: Arc<dyn Fn(Answered) + Send + Sync>,
    /// The questions that are not answered yet, cancelled or not: each has a place in the queue, or a thread.
    shares: Shares,
}

impl Verifiers {
    /// `deliver` gets each answer, on one of the threads or at once, and must not block.
    pub fn new(deliver: Arc<dyn Fn(Answered) + Send + Sync>) -> Verifiers {
        let workers = Workers::new(Settings {
            name: "verify",
            threads_max: THREADS_MAX,
            waiting_max: QUESTIONS_MAX,
            stack_bytes: STACK_BYTES,
            idle_timeout: IDLE_TIMEOUT,
        });
        Verifiers {
            workers,
            deliver,
            shares: Shares::new(QUESTIONS_MAX),
        }
    }

    /// Has a client's question answered.
    pub(super) fn ask(&mut self, ticket: Ticket, client: ClientKey, question: Question) {
        let deliver = Arc::clone(&self.deliver);
        let tell = move |holder, verified| {
            deliver(Answered {
                ticket,
                holder,
                verified,
            });
        };
        match self.shares.take(client) {
            true => self.workers.submit(
                || question.answer(),
                move |answer| tell(Some(client), answer.ok()),
            ),
            false => tell(None, None),
        }
    }

    /// A question was answered.
    pub(super) fn note(&mut self, answered: &Answered) {
        if let Some(client) = answered.holder {
            self.shares.give_back(client);
        }
    }
}

/// An answer on its way.
pub struct Answered {
    /// Which question it is to.
    pub(super) ticket: Ticket,
    /// On whose account that was; nobody's, where it was not taken.
    holder: Option<ClientKey>,
    /// What was found out; nothing where nobody is free to, or it can't be.
    pub(super) verified: Option<Verified>,
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::mpsc::{self, Receiver};

    use crate::io::token::ConnId;
    use crate::policy::{Credentials, Policy, PolicyParts, Unidentified, Verify};

    use super::*;

    /// Knows one word, and fails at another.
    struct Word;

    impl Verify for Word {
        fn is_right(&self, field: &[u8]) -> bool {
            assert_ne!(field, b"bomb");
            field == b"right"
        }
    }

    fn question(word: &str) -> Question {
        let policy = Policy::new(PolicyParts::without_rules()).verified_by(Arc::new(Word));
        match policy.authenticate(Credentials::Given(word.as_bytes()), None) {
            Err(Unidentified::Asks(question)) => question,
            other => panic!("{other:?}"),
        }
    }

    fn ticket(seq: u32) -> Ticket {
        let conn = ConnId {
            index: 3,
            generation: 4,
        };
        Ticket { conn, seq }
    }

    fn client(last: u8) -> ClientKey {
        ClientKey::of(IpAddr::from([192, 0, 2, last]))
    }

    struct House {
        answers: Receiver<Answered>,
        verifiers: Verifiers,
    }

    impl House {
        fn new() -> House {
            let (sender, answers) = mpsc::channel();
            let deliver = move |answered| sender.send(answered).unwrap();
            let verifiers = Verifiers::new(Arc::new(deliver));
            House { answers, verifiers }
        }

        /// The next answer, taken note of.
        fn answer(&mut self) -> Answered {
            let answered = self.answers.recv_timeout(Duration::from_secs(60)).unwrap();
            self.verifiers.note(&answered);
            answered
        }
    }

    #[test]
    fn each_question_is_answered_also_by_one_that_panics() {
        let mut house = House::new();
        for (seq, word, found_out) in [(0, "right", true), (1, "wrong", true), (2, "bomb", false)] {
            house.verifiers.ask(ticket(seq), client(1), question(word));
            let answered = house.answer();
            assert_eq!(answered.ticket, ticket(seq));
            assert_eq!(answered.verified.is_some(), found_out, "{word}");
        }
        assert!(house.verifiers.shares.is_unused());
    }

    #[test]
    fn whoever_asks_without_end_leaves_a_quarter_to_the_others() {
        let mut house = House::new();
        let holds = u32::try_from(QUESTIONS_MAX - QUESTIONS_MAX / 4).unwrap();
        (0..holds + 9).for_each(|seq| house.verifiers.ask(ticket(seq), client(1), question("wrong")));
        house.verifiers.ask(ticket(1000), client(2), question("right"));
        let answers: Vec<Answered> = (0..holds + 10).map(|_| house.answer()).collect();
        let refused = answers.iter().filter(|answered| answered.verified.is_none());
        let refused: Vec<u32> = refused.map(|answered| answered.ticket.seq).collect();
        assert_eq!(refused, (holds..holds + 9).collect::<Vec<u32>>());
        assert!(house.verifiers.shares.is_unused());
    }
}
