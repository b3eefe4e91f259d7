//! What a loop is told by the process and by other threads.

use std::io;
use std::sync::Arc;

use mio::{Poll, Waker};

use crate::io::inbox::{Inbox, Outbox, inbox};
use crate::io::resolver::LookedUp;
use crate::io::token::Source;
use crate::policy::Policy;

use super::Loop;

/// What a loop is told.
pub enum Message {
    /// A thread of the resolver's is done.
    LookedUp(LookedUp),
    /// This policy is in force from now on.
    Policy(Arc<Policy>),
    /// Take no further clients, and end with the last of those that are there.
    Drain,
    /// End.
    Terminate,
}

/// The inbox of the loop that uses this poll, and what sends to it.
///
/// # Errors
/// The poll's.
pub fn of(poll: &Poll) -> io::Result<(Outbox<Message>, Inbox<Message>)> {
    let waker = Waker::new(poll.registry(), Source::Waker.token())?;
    Ok(inbox(Arc::new(waker)))
}

impl Loop {
    /// Does as it was told.
    pub(super) fn take_messages(&mut self) {
        for message in self.inbox.take() {
            match message {
                Message::LookedUp(looked_up) => {
                    self.core.resolver.on_looked_up(looked_up, self.core.world.now);
                }
                Message::Policy(policy) => self.core.world.policy = policy,
                Message::Drain => self.drain(),
                Message::Terminate => {
                    self.listeners.clear();
                    self.terminating = true;
                }
            }
        }
    }
}
