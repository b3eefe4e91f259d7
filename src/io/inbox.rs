//! What other threads have for the one that polls: messages, and the wake-up that tells of them. What they mean is said
//! where they are taken out.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use mio::Waker;

/// Where the messages of all [`Outbox`]es come out.
pub struct Inbox<M> {
    messages: Receiver<M>,
}

/// Sends to an [`Inbox`], from any thread.
pub struct Outbox<M> {
    messages: Sender<M>,
    waker: Arc<Waker>,
}

/// An inbox, and the first of its outboxes. `waker` wakes the thread that polls for each message.
///
/// How many wait is not bounded here: each kind of message has its own bound, such as the jobs that may be under way.
pub fn inbox<M>(waker: Arc<Waker>) -> (Outbox<M>, Inbox<M>) {
    let (sender, receiver) = channel();
    let outbox = Outbox {
        messages: sender,
        waker,
    };
    (outbox, Inbox { messages: receiver })
}

impl<M> Inbox<M> {
    /// What is there by now. What comes in while it is dealt with is left for the next time, of which the waker tells.
    pub fn take(&self) -> Vec<M> {
        self.messages.try_iter().collect()
    }

    /// The next one, waited for; none where none comes in this time. For who has nothing else to do.
    pub fn wait(&self, longest: Duration) -> Option<M> {
        self.messages.recv_timeout(longest).ok()
    }
}

impl<M> Outbox<M> {
    /// Sends a message and wakes its reader. Where there is none any more it is dropped: nobody is left to be told.
    pub fn send(&self, message: M) {
        if self.messages.send(message).is_ok()
            && let Err(error) = self.waker.wake()
        {
            log::error!("can't wake the loop: {error}");
        }
    }
}

impl<M> Clone for Outbox<M> {
    fn clone(&self) -> Outbox<M> {
        Outbox {
            messages: self.messages.clone(),
            waker: Arc::clone(&self.waker),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use mio::{Events, Poll, Token};

    use super::*;

    #[test]
    fn whoever_polls_is_woken_and_finds_what_was_sent_in_order() {
        let mut poll = Poll::new().unwrap();
        let (outbox, inbox) = inbox(Arc::new(Waker::new(poll.registry(), Token(7)).unwrap()));
        assert!(inbox.take().is_empty());
        let other = outbox.clone();
        thread::spawn(move || (1..=3).for_each(|message| other.send(message)))
            .join()
            .unwrap();
        let mut events = Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(60))).unwrap();
        assert!(events.iter().any(|event| event.token() == Token(7)));
        assert_eq!(inbox.take(), [1, 2, 3]);
        assert_eq!(inbox.wait(Duration::ZERO), None);
        outbox.send(4);
        assert_eq!(inbox.wait(Duration::from_secs(60)), Some(4));
        drop(inbox);
        outbox.send(4);
    }
}
