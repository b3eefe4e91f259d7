//! What a loop does as it is told things by the process, by other loops and by other threads. What there is to tell is
//! `message`'s business.

use super::Loop;
use super::message::Message;
use super::verifiers::Answered;

impl Loop {
    /// Does as it was told.
    pub(super) fn take_messages(&mut self) {
        // Whatever woke the loop may be that something came free.
        self.core.resolver.on_wake(self.core.world.now);
        for message in self.inbox.take() {
            match message {
                Message::LookedUp(looked_up) => {
                    self.core.resolver.on_looked_up(looked_up, self.core.world.now);
                }
                Message::Answered(answered) => {
                    let Answered { ticket, verified } = answered;
                    if let Some(conn) = self.conns.get_mut(ticket.conn) {
                        conn.verified(ticket.seq, verified.as_ref(), &mut self.core);
                        self.enqueue(ticket.conn);
                    }
                }
                Message::Minted(ticket, minted) => {
                    self.core.minter.note(&minted, self.core.world.now);
                    if let Some(conn) = self.conns.get_mut(ticket.conn) {
                        conn.minted(ticket.seq, &minted, &mut self.core);
                        self.enqueue(ticket.conn);
                    }
                }
                Message::InForce(next) => self.put_in_force(next),
                Message::Admin(acceptor, surface) => self.listen_for_admins(acceptor, surface),
                Message::Client(dealt) => {
                    if let Some((stream, peer)) = dealt.take() {
                        self.take_in(stream, peer);
                    }
                }
                Message::Returned(stream, peer) => self.take_in(stream, peer),
                Message::Replace(wish) => self.give_place(wish.id()),
                Message::SeenTo => self.awaits_room = false,
                Message::Shed => {
                    self.core.stores.budget.was_told();
                    self.shed();
                }
                Message::MakeRoom(sockets) => self.core.give_room(sockets),
                Message::Spent => self.core.is_spent = true,
                Message::Asked(asked) => self.make_part(asked),
                Message::Given(wanted, given) => self.take_part(wanted, given),
                Message::Leaving => self.core.world.admin.is_leaving = true,
                Message::Drain => self.drain(),
                Message::Terminate => {
                    self.listeners.clear();
                    self.closing = None;
                    self.core.listening.set(0);
                    self.terminating = true;
                }
            }
        }
    }
}
