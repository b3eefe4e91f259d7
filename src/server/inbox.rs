//! What a loop is told by the process and by other threads.

use std::sync::Arc;

use crate::io::listener::Acceptor;
use crate::io::resolver::LookedUp;
use crate::io::token::{ConnId, Ticket};
use crate::policy::Policy;
use crate::session::Surface;
use crate::tls::{Client, Leaves, Minted, Server};

use super::Loop;
use super::verifiers::Answered;

/// What a loop is told.
pub enum Message {
    /// A thread of the resolver's is done.
    LookedUp(LookedUp),
    /// It was found out whether credentials are right, or nobody was free to.
    Answered(Answered),
    /// A certificate was made that a connection waits for, or can't be.
    Minted(Ticket, Minted),
    /// This CA signs for intercepted tunnels from now on.
    Mitm(Arc<Leaves>),
    /// New clients are presented this from now on.
    Tls(Arc<Server>),
    /// Origins are believed as this does from now on; other CAs than before are trusted.
    Trust(Arc<Client>),
    /// This policy is in force from now on.
    Policy(Arc<Policy>),
    /// It can be asked here too how the proxy is.
    Admin(Acceptor, Surface),
    /// The process is to end: who asks whether it is ready is told so.
    Leaving,
    /// Take no further clients, and end with the last of those that are there.
    Drain,
    /// End.
    Terminate,
}

impl Loop {
    /// Does as it was told.
    pub(super) fn take_messages(&mut self) {
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
                Message::Mitm(leaves) => self.core.minter.sign_with(leaves),
                Message::Policy(policy) => {
                    self.core.note_policy(&policy);
                    let old = std::mem::replace(&mut self.core.world.policy, policy);
                    self.heard.replaced = Some(old);
                    self.meter();
                    self.begin_recheck();
                    // Its limits may be lower.
                    self.core.is_spent = true;
                }
                Message::Tls(server) => self.core.wires.present(server),
                Message::Admin(acceptor, surface) => self.listen_for_admins(acceptor, surface),
                Message::Trust(client) => {
                    self.core.wires.believe(client);
                    // They were verified by the CAs before.
                    self.core.close_idle();
                }
                Message::Leaving => self.core.world.admin.is_leaving = true,
                Message::Drain => self.drain(),
                Message::Terminate => {
                    self.listeners.clear();
                    self.terminating = true;
                }
            }
        }
    }

    /// The policy may limit the bytes of roles whose tunnels and exchanges were admitted by another one.
    fn meter(&mut self) {
        let policy = &self.core.world.policy;
        for id in self.conns.keys::<ConnId>() {
            if let Some(conn) = self.conns.get_mut(id) {
                conn.meter(policy);
            }
        }
    }
}
