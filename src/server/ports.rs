//! Where a connection meets the outside: what `conn` needs done that it can't do itself. The loop does it with sockets,
//! a simulation with wires in memory, so that the one carries out what sessions want as the other does. Decides nothing.

use std::net::{IpAddr, SocketAddr};

use crate::clock::Instant;
use crate::flow::Flows;
use crate::io::dialer::Standing;
use crate::io::resolver::Asked;
use crate::io::token::{ConnId, Ticket};
use crate::net::{ClientKey, Host, Name, Side};
use crate::policy::{Question, VettedList};
use crate::session::id::Id;
use crate::session::outcome::Record;
use crate::session::{Action, HandshakeFail, Input, Page, Session};
use crate::tls::Minted;

use super::ends::WireTable;
use super::stores::Stores;
use super::turn::Turn;
use super::world::World;

/// The outside of connections. What is known at once is returned; of anything else the owner tells the connection:
/// of credentials by [`Conn::verified`], of a lookup by [`Conn::resolved`], of a dial by a turn, in which
/// [`Ports::race_on`] says how it stands.
///
/// [`Conn::verified`]: super::conn::Conn::verified
/// [`Conn::resolved`]: super::conn::Conn::resolved
pub trait Ports {
    /// The table of all wires.
    type Wires: WireTable;
    /// A dial under way.
    type Race;

    /// What a turn works with, at once.
    fn parts(&mut self) -> Parts<'_, Self::Wires>;

    /// Finds out, beside the loop and on this client's account, whether credentials are right. An answer that nobody waits
    /// for any more is no harm.
    fn verify(&mut self, ticket: Ticket, client: ClientKey, question: Question);

    /// Has a certificate made for an intercepted tunnel to this host. What is there is given at once; otherwise the connection
    /// is told of it by [`Conn::minted`].
    ///
    /// [`Conn::minted`]: super::conn::Conn::minted
    fn mint(&mut self, ticket: Ticket, client: ClientKey, host: &Host) -> Option<Minted>;

    /// Looks a name up, on this address's account.
    fn look_up(&mut self, ticket: Ticket, name: &Name, asker: IpAddr) -> Asked;
    /// Nobody waits for that lookup any more.
    fn cancel_lookup(&mut self, ticket: Ticket);

    /// Starts a dial, on this client's account. A wire that won is the connection's; so is, where this says `Running`,
    /// the race, until it ends or is given up.
    fn dial(&mut self, ticket: Ticket, client: ClientKey, addresses: VettedList) -> (Self::Race, Standing);
    /// Takes further addresses into a dial.
    fn join(&mut self, race: &mut Self::Race, addresses: &VettedList) -> Standing;
    /// Goes on with a dial, as far as what happened and the time allow.
    fn race_on(&mut self, race: &mut Self::Race) -> Standing;
    /// When that is wanted though nothing happened.
    fn race_deadline(race: &Self::Race) -> Option<Instant>;
    /// Ends a dial, and closes its wires.
    fn give_up(&mut self, race: &mut Self::Race);

    /// Writes a record's lines.
    fn log(&mut self, record: Box<Record>);
    /// Says that what that side sends is cut off, of a request whose line was written.
    fn note_cut(&mut self, id: Id, whose: Side, why: &str) {
        let _ = (id, whose, why);
    }
    /// Warns of this client, which got no further than a handshake that failed so.
    fn warn(&mut self, client: SocketAddr, fail: HandshakeFail, words: &str);

    /// Sends a connection the part of a page that begins there, by [`Conn::feed`]. Only asked where somebody is let in
    /// to ask how the proxy is.
    ///
    /// [`Conn::feed`]: super::conn::Conn::feed
    fn show(&mut self, conn: ConnId, page: Page, start: u64) {
        let _ = (conn, page, start);
    }

    /// A role's bytes of the day are used up: its tunnels that nothing happens to are to be told.
    fn note_spent(&mut self) {}

    /// Hears of every step of a connection, in order. Nobody needs to: it is for who watches over one.
    fn observe(&mut self, conn: ConnId, session: &Session, step: Step<'_>) {
        let _ = (conn, session, step);
    }
}

/// What [`Ports`] lend for a turn.
#[derive(Debug)]
pub struct Parts<'a, W> {
    /// The table of all wires.
    pub wires: &'a mut W,
    /// What sessions see.
    pub world: &'a mut World,
    /// What connections share out among them.
    pub stores: &'a mut Stores,
}

/// A step of a connection.
#[derive(Debug)]
pub enum Step<'a> {
    /// Its session is about to be told this. Not what the pump tells it: that is part of a run.
    Told(&'a Input<'a>),
    /// Its session wants this, which is about to be carried out.
    Wants(&'a Action),
    /// Session and pump ran, until this.
    Ran(Turn, &'a Flows),
}
