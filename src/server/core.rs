//! What all connections of a loop share, and their ports to it: sockets, resolver, dialer, log. What a connection does
//! with it is `conn`.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::io::datagrams::Datagrams;
use crate::io::dialer::{self, ATTEMPTS_MAX, Dialer, Race, Standing};
use crate::io::gauge::Gauge;
use crate::io::resolver::{Asked, Resolver};
use crate::io::shares::CommonShares;
use crate::io::token::{ConnId, Ticket};
use crate::io::wires::Wires;
use crate::log::{Cut, Logger};
use crate::net::{ClientKey, Host, Name, Networks, Side};
use crate::policy::rates::Excess;
use crate::policy::{Question, VettedList};
use crate::session::id::Id;
use crate::session::outcome::Record;
use crate::session::{HandshakeFail, Page};
use crate::stats::{self, Statsd};
use crate::tls::Minted;

use super::census::Census;
use super::message::{Message, Wanted};
use super::minter::Minter;
use super::peers::Peers;
use super::ports::{Parts, Ports};
use super::stores::Stores;
use super::stranger_lines::StrangerLines;
use super::tally::Tally;
use super::tide::Ebbs;
use super::verifiers::Verifiers;
use super::world::World;

/// Within this time another loop closes the idle upstream connections that it is asked to close: some of its turns.
const IDLE_CLOSED_WITHIN: Duration = Duration::from_millis(50);

/// So many records wait for the end of their turn; then they become lines before.
const RECORDS_MAX: usize = 64;

/// What all connections of a loop share.
pub struct Core {
    /// As sessions see it.
    pub world: World,
    /// What connections share out among them.
    pub stores: Stores,
    /// All sockets that carry traffic.
    pub wires: Wires,
    /// So many of them at most, in all loops, as long as idle ones can be closed for others.
    pub wires_max: usize,
    /// The others were asked in this turn to close idle ones.
    pub asked_for_room: bool,
    /// When they were asked last since a client was accepted, for want of a descriptor.
    pub asked_for_idle_at: Option<Instant>,
    /// Attempts beside the first of a dial.
    pub second_attempts: CommonShares,
    /// Names to addresses.
    pub resolver: Resolver,
    /// Compares credentials that take long to compare.
    pub verifiers: Verifiers,
    /// Has certificates made for intercepted tunnels.
    pub minter: Minter,
    /// Turns records into lines.
    pub logger: Logger,
    /// Records of this turn that are to become lines, in order: see [`Core::write_records`].
    pub records: Vec<Box<Record>>,
    /// How many of them are about strangers.
    pub stranger_lines: StrangerLines,
    /// A role's bytes may be used up, and its tunnels do not know.
    pub is_spent: bool,
    /// What is counted, if anything is.
    pub stats: Option<stats::Common>,
    /// Where numbers go that are sent without being asked for, and what makes packets of them.
    pub datagrams: Option<(Datagrams, Statsd)>,
    /// How many clients there are, and which of them are strangers.
    pub census: Census,
    /// Which loop gives memory back.
    pub ebbs: Ebbs,
    /// The other loops.
    pub peers: Peers,
    /// On how many sockets clients are taken.
    pub listening: Gauge,
    /// How many idle upstream connections all loops have, as of the ends of their last turns.
    pub idle: Gauge,
    /// How many connections are what.
    pub tally: Tally,
    /// The parts of pages that were asked for.
    pub wanted: Vec<Wanted>,
    /// So many may ask how the proxy is at a time.
    pub admin_places: usize,
    /// Who may connect and say whose connection it is; empty: any address.
    pub balancers: Networks,
}

impl Core {
    /// Reads the clocks: once per turn of the loop.
    pub fn read_clocks(&mut self) {
        self.world.now = Instant::now();
        self.world.wall = SystemTime::now();
        self.asked_for_room = false;
    }

    /// Is it one who may say whose connection it is, where that has to be said?
    pub(super) fn may_connect(&self, peer: SocketAddr) -> bool {
        self.balancers.is_empty() || self.balancers.contains(peer.ip())
    }

    /// What dials take.
    fn dialer(&mut self) -> Dialer<'_> {
        Dialer {
            wires: &mut self.wires,
            second_attempts: &self.second_attempts,
            now: self.world.now,
        }
    }

    /// Makes room for so many sockets: idle upstream connections have only what nobody else needs.
    pub fn make_room(&mut self, sockets: usize) {
        while self.wires.len_of_all() + sockets > self.wires_max {
            if !self.close_oldest_idle() {
                return self.ask_for_room(sockets);
            }
        }
    }

    /// Closes the idle upstream connection that has been it for longest, if there is one.
    fn close_oldest_idle(&mut self) -> bool {
        let idle = self.stores.pool.pop_oldest();
        idle.inspect(|idle| self.wires.close(*idle)).is_some()
    }

    /// The others may have idle ones: once in a turn they are asked. Who finds no descriptor meanwhile tries again.
    fn ask_for_room(&mut self, sockets: usize) {
        if !std::mem::replace(&mut self.asked_for_room, true) {
            self.peers.tell_others(|| Message::MakeRoom(sockets));
        }
    }

    /// No descriptor is left: has the others close some of their idle upstream connections, if they have any. Is it worth
    /// trying again at once? For as long as they may need for it; where it did not help, it is asked for again by the next
    /// try, and no more is hoped for.
    pub(super) fn ask_for_idle(&mut self, sockets: usize) -> bool {
        if self.idle.sum() <= self.idle.own() {
            // The last of them may have been closed since there was no descriptor.
            return self.asked_for_idle_at.take().is_some();
        }
        let now = self.world.now;
        let is_hopeful = match self.asked_for_idle_at {
            Some(at) if now < at + IDLE_CLOSED_WITHIN => return true,
            asked => asked.is_none(),
        };
        self.asked_for_idle_at = Some(now);
        self.ask_for_room(sockets);
        is_hopeful
    }

    /// Another loop finds no room, and this one may have some.
    pub(super) fn give_room(&mut self, sockets: usize) {
        for _ in 0..sockets {
            if !self.close_oldest_idle() {
                return;
            }
        }
    }

    /// Closes the idle upstream connections and pipes; tells how many there were.
    pub fn close_idle(&mut self) -> usize {
        let idle = self.stores.pool.len();
        while let Some(wire) = self.stores.pool.pop_oldest() {
            self.wires.close(wire);
        }
        idle + self.stores.pipes.close_idle()
    }

    /// Makes lines of the turn's records, one after the other: so what makes them is fetched once for all, and not once for
    /// each by a processor that meanwhile did something else. To be called before any other line, and at a turn's end.
    pub fn write_records(&mut self) {
        for record in self.records.drain(..) {
            self.logger.record(&record, self.world.wall);
            self.world.spares.records.put_back(record);
        }
    }

    /// Says how many lines were left out.
    pub fn log_left_out(&mut self, excess: Option<Excess>) {
        self.write_records();
        if let Some(Excess { count, addresses }) = excess {
            self.logger.left_out(count, addresses, self.world.wall);
        }
    }
}

impl Ports for Core {
    type Wires = Wires;
    type Race = Race;

    fn parts(&mut self) -> Parts<'_, Wires> {
        Parts {
            wires: &mut self.wires,
            world: &mut self.world,
            stores: &mut self.stores,
        }
    }

    fn verify(&mut self, ticket: Ticket, client: ClientKey, question: Question) {
        self.verifiers.ask(ticket, client, question);
    }

    fn mint(&mut self, ticket: Ticket, client: ClientKey, host: &Host) -> Option<Minted> {
        let minted = self.minter.ask(ticket, client, host, self.world.wall);
        minted.inspect(|minted| self.minter.note(minted, self.world.now))
    }

    fn look_up(&mut self, ticket: Ticket, name: &Name, asker: IpAddr) -> Asked {
        self.resolver.ask(ticket, name, asker, self.world.now)
    }

    fn cancel_lookup(&mut self, ticket: Ticket) {
        self.resolver.cancel(ticket);
    }

    fn dial(&mut self, ticket: Ticket, client: ClientKey, addresses: VettedList) -> (Race, Standing) {
        let timeout = self.world.settings.connect_timeout;
        self.make_room(ATTEMPTS_MAX);
        dialer::dial((ticket.conn, client), addresses, timeout, &mut self.dialer())
    }

    fn join(&mut self, race: &mut Race, addresses: &VettedList) -> Standing {
        self.make_room(ATTEMPTS_MAX);
        race.join(addresses, &mut self.dialer())
    }

    fn race_on(&mut self, race: &mut Race) -> Standing {
        self.make_room(ATTEMPTS_MAX);
        race.advance(&mut self.dialer())
    }

    fn race_deadline(race: &Race) -> Option<Instant> {
        race.deadline()
    }

    fn give_up(&mut self, race: &mut Race) {
        race.close(&mut self.dialer());
    }

    fn note_spent(&mut self) {
        if !std::mem::replace(&mut self.is_spent, true) {
            self.peers.tell_others(|| Message::Spent);
        }
    }

    fn warn(&mut self, client: SocketAddr, fail: HandshakeFail, words: &str) {
        if let Some(stats) = &self.stats {
            stats.lock().note_handshake(fail);
        }
        if self
            .stranger_lines
            .admits(ClientKey::of(client.ip()), 1, self.world.now)
        {
            log::warn!("{words}, client {client}");
        }
    }

    fn note_cut(&mut self, id: Id, whose: Side, why: &str) {
        let what = match whose {
            Side::Client => Cut::Request,
            Side::Origin => Cut::Response,
        };
        self.write_records();
        self.logger.cut(id, what, why, self.world.wall);
    }

    fn show(&mut self, conn: ConnId, page: Page, start: u64) {
        self.wanted.push(Wanted {
            id: conn,
            page,
            start,
        });
    }

    /// A record about a stranger is not written where there are too many such.
    fn log(&mut self, record: Box<Record>) {
        let may_be_written = !record.by_stranger || {
            let (client, lines) = (ClientKey::of(record.client.ip()), Logger::lines_of(&record));
            self.stranger_lines.admits(client, lines, self.world.now)
        };
        if let Some(stats) = &self.stats {
            stats.lock().absorb(&record);
        }
        match may_be_written {
            true => self.records.push(record),
            false => self.world.spares.records.put_back(record),
        }
        if self.records.len() >= RECORDS_MAX {
            self.write_records();
        }
    }
}
