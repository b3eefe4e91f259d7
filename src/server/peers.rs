//! The loops of the process, as one of them knows the others: by what each can be told. What there is to tell is `message`'s business.

use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;

use crate::io::inbox::Outbox;
use crate::io::token::ConnId;

use super::message::{Asked, Dealt, Message, Wanted, Wish};

/// All loops, and which of them one is.
#[derive(Clone)]
pub struct Peers {
    outboxes: Arc<[Outbox<Message>]>,
    own: u8,
}

impl Peers {
    /// Loops that are told things so, in the order of their numbers; as the first knows them.
    pub fn new(outboxes: impl IntoIterator<Item = Outbox<Message>>) -> Peers {
        Peers {
            outboxes: outboxes.into_iter().collect(),
            own: 0,
        }
    }

    /// As the loop of this number knows them.
    #[must_use]
    pub fn for_loop(&self, number: u8) -> Peers {
        Peers {
            outboxes: Arc::clone(&self.outboxes),
            own: number,
        }
    }

    /// The number of the loop itself.
    pub fn own(&self) -> u8 {
        self.own
    }

    /// How many there are, the loop itself included.
    pub fn count(&self) -> usize {
        self.outboxes.len()
    }

    /// The number of the loop behind this one, if there is one.
    pub fn next(&self, number: u8) -> Option<u8> {
        number
            .checked_add(1)
            .filter(|next| usize::from(*next) < self.outboxes.len())
    }

    /// Tells one of them, or itself. One that has ended hears nothing.
    pub fn tell(&self, number: u8, message: Message) {
        if let Some(outbox) = self.outboxes.get(usize::from(number)) {
            outbox.send(message);
        }
    }

    /// Asks one of them for a part of a page.
    pub(super) fn ask(&self, number: u8, wanted: Wanted) {
        if let Some(own) = self.outbox() {
            self.tell(number, Message::Asked(Asked::new(wanted, own)));
        }
    }

    /// Asks the loop that has this stranger for its place.
    pub(super) fn wish(&self, id: ConnId) {
        if let Some(own) = self.outbox() {
            self.tell(id.loop_number(), Message::Replace(Wish::new(id, own)));
        }
    }

    /// Has one of them take in a client. This loop gets it back where that one has ended.
    pub(super) fn deal(&self, number: u8, client: (TcpStream, SocketAddr)) {
        if let Some(own) = self.outbox() {
            self.tell(number, Message::Client(Dealt::new(client, own)));
        }
    }

    fn outbox(&self) -> Option<Outbox<Message>> {
        self.outboxes.get(usize::from(self.own)).cloned()
    }

    /// Tells each of the others.
    pub fn tell_others(&self, message: impl Fn() -> Message) {
        self.each(|number| number != self.own, message);
    }

    /// Tells all of them, and itself.
    pub fn tell_all(&self, message: impl Fn() -> Message) {
        self.each(|_| true, message);
    }

    fn each(&self, which: impl Fn(u8) -> bool, message: impl Fn() -> Message) {
        for (number, outbox) in (0..=u8::MAX).zip(self.outboxes.iter()) {
            if which(number) {
                outbox.send(message());
            }
        }
    }
}
