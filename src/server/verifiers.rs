//! The loop's threads for credentials whose comparison takes longer than others may wait. Their answers come by the
//! loop's inbox. Who asks, and what is compared, is the session's and the policy's business.

use std::time::Duration;

use crate::io::inbox::Outbox;
use crate::io::token::Ticket;
use crate::io::work::{Settings, Workers};
use crate::policy::Question;

use super::inbox::Message;

/// Hashes keep a processor busy: more threads would only take it from the loop.
const THREADS_MAX: usize = 2;

/// Comparisons that wait. Who comes then is told to come again.
const WAITING_MAX: usize = 256;

/// What hashes need lies on the heap.
const STACK_BYTES: usize = 256 * 1024;

/// So long a thread without work stays.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Threads that there are only while there is something to compare.
pub struct Verifiers {
    workers: Workers,
    outbox: Outbox<Message>,
}

impl Verifiers {
    /// Of the loop that reads what is sent here.
    pub fn new(outbox: Outbox<Message>) -> Verifiers {
        let workers = Workers::new(Settings {
            name: "verify",
            threads_max: THREADS_MAX,
            waiting_max: WAITING_MAX,
            stack_bytes: STACK_BYTES,
            idle_timeout: IDLE_TIMEOUT,
        });
        Verifiers { workers, outbox }
    }

    /// Answers a question in a [`Message::Verified`]; by `None` where nobody is free to, or it can't be answered.
    pub(super) fn ask(&self, ticket: Ticket, question: Question) {
        let outbox = self.outbox.clone();
        self.workers.submit(
            || question.answer(),
            move |answer| outbox.send(Message::Verified(ticket, answer.ok())),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mio::{Events, Poll, Token, Waker};

    use crate::io::inbox::inbox;
    use crate::io::token::ConnId;
    use crate::policy::auth::Password;
    use crate::policy::ranges::Ranges;
    use crate::policy::{Credentials, Network, Policy, PolicyParts, Unidentified, Verify};

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
        let policy = Policy::new(PolicyParts {
            acl: None,
            ranges: Ranges::new(Vec::new(), Vec::new(), false, Vec::new()),
            password: Password::new("another"),
            allow_missing_role: false,
            network: Network::Any,
        });
        let policy = policy.verified_by(Arc::new(Word));
        match policy.authenticate(Credentials::Given(word.as_bytes()), None) {
            Err(Unidentified::Asks(question)) => question,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_question_is_answered_by_a_message_also_one_that_panics() {
        let mut poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(7)).unwrap());
        let (outbox, inbox) = inbox(waker);
        let verifiers = Verifiers::new(outbox);
        for (seq, (word, expected)) in [("right", Some(true)), ("wrong", Some(false)), ("bomb", None)]
            .into_iter()
            .enumerate()
        {
            let conn = ConnId {
                index: 3,
                generation: 4,
            };
            let ticket = Ticket {
                conn,
                seq: u32::try_from(seq).unwrap(),
            };
            verifiers.ask(ticket, question(word));
            let mut events = Events::with_capacity(4);
            poll.poll(&mut events, Some(Duration::from_secs(60))).unwrap();
            match &inbox.take()[..] {
                [Message::Verified(answered, right)] => {
                    assert_eq!((*answered, *right), (ticket, expected), "{word}");
                }
                other => panic!("{word}: {} messages", other.len()),
            }
        }
    }
}
