//! What a loop is told by the process, by other loops and by other threads. What it does then is `inbox`'s business.

use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::io::inbox::Outbox;
use crate::io::listener::Acceptor;
use crate::io::resolver::LookedUp;
use crate::io::token::{ConnId, Ticket};
use crate::session::{Page, Surface};
use crate::tls::Minted;

use super::in_force::InForce;
use super::verifiers::Answered;

/// What a loop is told.
pub enum Message {
    /// A thread of the resolver's is done.
    LookedUp(LookedUp),
    /// It was found out whether credentials are right, or nobody was free to.
    Answered(Answered),
    /// A certificate was made that a connection waits for, or can't be.
    Minted(Ticket, Minted),
    /// This is in force from now on.
    InForce(InForce),
    /// This client is to be taken in. Another loop accepted it.
    Client(Dealt),
    /// This one too, which the loop itself accepted: the loop that was to take it in has ended.
    Returned(TcpStream, SocketAddr),
    /// Another loop wants the place of a stranger.
    Replace(Wish),
    /// What this loop wished was seen to.
    SeenTo,
    /// A stranger of this loop holds too much of the byte budget.
    Shed,
    /// Another loop finds no descriptors for so many sockets: idle ones may go.
    MakeRoom(usize),
    /// A role's bytes of the day are used up.
    Spent,
    /// A connection of another loop wants a part of a list.
    Asked(Asked),
    /// The part that a connection of this loop wanted.
    Given(Wanted, Given),
    /// It can be asked here too how the proxy is.
    Admin(Acceptor, Surface),
    /// The process is to end: who asks whether it is ready is told so.
    Leaving,
    /// Take no further clients, and end with the last of those that are there.
    Drain,
    /// End.
    Terminate,
}

/// Which part of which page a connection wants.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The connection.
    pub id: ConnId,
    /// The page.
    pub page: Page,
    /// Where the part begins.
    pub start: u64,
}

/// The place of a stranger, which the loop that has it is to end if it is one still. Who wishes is told that this was seen
/// to, also where that loop has ended: by the drop.
pub struct Wish {
    id: ConnId,
    /// To the loop that wishes.
    outbox: Outbox<Message>,
}

impl Wish {
    /// Of the loop that hears by `outbox`.
    pub(super) fn new(id: ConnId, outbox: Outbox<Message>) -> Wish {
        Wish { id, outbox }
    }

    /// The stranger's connection.
    pub(super) fn id(&self) -> ConnId {
        self.id
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.outbox.send(Message::SeenTo);
    }
}

/// A client that one loop accepted for another. It has its place already, and comes back where nobody takes it in, since the
/// other loop has ended: by the drop.
pub struct Dealt {
    client: Option<(TcpStream, SocketAddr)>,
    /// To the loop that accepted it.
    outbox: Outbox<Message>,
}

impl Dealt {
    /// By the loop that hears by `outbox`.
    pub(super) fn new(client: (TcpStream, SocketAddr), outbox: Outbox<Message>) -> Dealt {
        let client = Some(client);
        Dealt { client, outbox }
    }

    /// Whoever calls this takes it in.
    pub(super) fn take(mut self) -> Option<(TcpStream, SocketAddr)> {
        self.client.take()
    }
}

impl Drop for Dealt {
    fn drop(&mut self) {
        if let Some((stream, peer)) = self.client.take() {
            self.outbox.send(Message::Returned(stream, peer));
        }
    }
}

/// A part of a list that another loop made, and where the next begins; none where that loop has ended.
pub type Given = Option<(Vec<u8>, Option<u64>)>;

/// A part that another loop's connection wants. It is answered also where the loop that is asked has ended, and nobody takes
/// it: by its drop.
pub struct Asked {
    wanted: Wanted,
    /// To the loop that asks.
    outbox: Outbox<Message>,
    is_answered: bool,
}

impl Asked {
    /// Of the loop that hears by `outbox`.
    pub(super) fn new(wanted: Wanted, outbox: Outbox<Message>) -> Asked {
        Asked {
            wanted,
            outbox,
            is_answered: false,
        }
    }

    /// What is asked for.
    pub(super) fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Answers it.
    pub(super) fn answer(mut self, part: Vec<u8>, next: Option<u64>) {
        self.tell(Some((part, next)));
    }

    fn tell(&mut self, given: Given) {
        self.is_answered = true;
        self.outbox.send(Message::Given(self.wanted, given));
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_answered {
            self.tell(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use mio::{Poll, Token, Waker};

    use crate::io::inbox::inbox;

    use super::*;

    #[test]
    fn a_client_that_nobody_takes_in_comes_back() {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(1)).unwrap());
        let ((own, returned), (other, dealt)) = (inbox(Arc::clone(&waker)), inbox(waker));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let deal = || {
            let stream = TcpStream::connect(address).unwrap();
            let peer = stream.local_addr().unwrap();
            other.send(Message::Client(Dealt::new((stream, peer), own.clone())));
            peer
        };
        deal();
        match dealt.wait(Duration::from_secs(60)) {
            Some(Message::Client(dealt)) => assert!(dealt.take().is_some()),
            _ => panic!("a client was dealt"),
        }
        let left_lying = deal();
        drop(dealt);
        let too_late = deal();
        let peers = returned.take().into_iter().map(|message| match message {
            Message::Returned(_, peer) => peer,
            _ => panic!("a client"),
        });
        assert_eq!(peers.collect::<Vec<_>>(), [left_lying, too_late]);
        // Nobody is left at either end.
        drop(returned);
        deal();
    }

    #[test]
    fn what_nobody_takes_is_answered_too_and_nothing_twice() {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(1)).unwrap());
        let ((own, answers), (other, asked)) = (inbox(Arc::clone(&waker)), inbox(waker));
        let id = ConnId {
            index: 1,
            generation: 2,
        };
        let page = Page::Tunnels;
        let ask = |start| {
            other.send(Message::Asked(Asked::new(
                Wanted { id, page, start },
                own.clone(),
            )))
        };
        ask(1);
        match asked.wait(Duration::from_secs(60)) {
            Some(Message::Asked(asked)) => asked.answer(vec![7], Some(3)),
            _ => panic!("it was asked"),
        }
        ask(2);
        drop(asked);
        ask(3);
        other.send(Message::Replace(Wish::new(id, own.clone())));
        let given = answers.take().into_iter().map(|message| match message {
            Message::Given(wanted, given) => (wanted.start, given),
            Message::SeenTo => (4, None),
            _ => panic!("an answer"),
        });
        assert_eq!(
            given.collect::<Vec<_>>(),
            [(1, Some((vec![7], Some(3)))), (2, None), (3, None), (4, None)]
        );
    }
}
