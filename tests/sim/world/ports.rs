//! What connections need done, done in memory. What resolver and dialer answer is `answers`, what must hold meanwhile
//! `watch`.

use std::net::{IpAddr, SocketAddr};

use smokescreen::clock::Instant;
use smokescreen::io::dialer::Standing;
use smokescreen::io::resolver::Asked;
use smokescreen::io::token::{ConnId, Ticket};
use smokescreen::net::{ClientKey, Host, Name};
use smokescreen::policy::{Question, Vetted, VettedList};
use smokescreen::server::ends::WireTable;
use smokescreen::server::ports::{Parts, Ports, Step};
use smokescreen::session::outcome::Record;
use smokescreen::session::{HandshakeFail, Session};
use smokescreen::tls::Minted;

use crate::setting::Spoil;

use super::links::Links;
use super::{FIRST_CLIENT_PORT, PEER, World};

impl Ports for World {
    type Wires = Links;
    /// A dial by its question; how it stands is known by its connection.
    type Race = Ticket;

    fn parts(&mut self) -> Parts<'_, Links> {
        self.links.looks = 0;
        Parts {
            wires: &mut self.links,
            world: &mut self.view,
            stores: &mut self.stores,
        }
    }

    fn verify(&mut self, ticket: Ticket, _: ClientKey, question: Question) {
        self.find_out(ticket, question);
    }

    fn mint(&mut self, ticket: Ticket, _: ClientKey, host: &Host) -> Option<Minted> {
        self.make_leaf(ticket, host)
    }

    fn look_up(&mut self, ticket: Ticket, name: &Name, _: IpAddr) -> Asked {
        let nth = ticket.conn.index as usize;
        if let Some(seq) = self.conns[nth].looking_up {
            self.complain(format!("conn {nth} asks {} beside {seq}", ticket.seq));
        }
        let asked = self.ask(ticket, name.as_str());
        if matches!(asked, Asked::Pending | Asked::Partly(_)) {
            self.conns[nth].looking_up = Some(ticket.seq);
        }
        asked
    }

    /// The answer may come all the same.
    fn cancel_lookup(&mut self, ticket: Ticket) {
        let nth = ticket.conn.index as usize;
        if self.conns[nth].looking_up.take() != Some(ticket.seq) {
            self.complain(format!("conn {nth} cancels {} and does not ask it", ticket.seq));
        }
    }

    fn dial(&mut self, ticket: Ticket, _: ClientKey, addresses: VettedList) -> (Ticket, Standing) {
        let nth = ticket.conn.index as usize;
        if let Some(other) = &self.conns[nth].dial {
            let complaint = format!("conn {nth} dials {} beside {other:?}", ticket.seq);
            self.complain(complaint);
        }
        let addresses: Vec<SocketAddr> = addresses.iter().map(Vetted::address).collect();
        let standing = self.start_dial(ticket, &addresses);
        if let Standing::Running = standing {
            self.conns[nth].dial = Some((ticket.seq, Standing::Running));
        }
        (ticket, standing)
    }

    fn join(&mut self, _: &mut Ticket, _: &VettedList) -> Standing {
        Standing::Running
    }

    fn race_on(&mut self, race: &mut Ticket) -> Standing {
        match self.conns[race.conn.index as usize].dial.take() {
            Some((seq, standing)) if seq == race.seq => {
                if let Standing::Running = standing {
                    self.conns[race.conn.index as usize].dial = Some((seq, Standing::Running));
                }
                standing
            }
            other => panic!("{race:?} is raced on, and {other:?} is under way"),
        }
    }

    fn race_deadline(_: &Ticket) -> Option<Instant> {
        None
    }

    fn give_up(&mut self, race: &mut Ticket) {
        match self.conns[race.conn.index as usize].dial.take() {
            Some((seq, standing)) if seq == race.seq => {
                if let Standing::Won { wire, .. } = standing {
                    self.links.close(wire);
                }
            }
            other => panic!("{race:?} is given up, and {other:?} is under way"),
        }
    }

    fn warn(&mut self, client: SocketAddr, _: HandshakeFail, words: &str) {
        // A client may leave while it shakes hands, and a wire may break then.
        if self.setting.taste.calm {
            self.complain(format!("{client}: {words}"));
        }
    }

    fn log(&mut self, record: Box<Record>) {
        let nth = usize::from(record.client.port() - FIRST_CLIENT_PORT);
        // Of a header that never came whole nothing is known.
        let is_headless = record
            .decision_reason
            .starts_with("PROXY protocol header expected");
        let client = match is_headless {
            true => SocketAddr::new(PEER, record.client.port()),
            false => self.conns[nth].client,
        };
        if record.client != client {
            self.complain(format!("conn {nth} is logged as {}'s", record.client));
        }
        let records = &mut self.conns[nth].records;
        match self.setting.spoil {
            Spoil::LostRecord => {}
            Spoil::DoubleRecord => records.extend([(*record).clone(), *record]),
            _ => records.push(*record),
        }
    }

    fn observe(&mut self, conn: ConnId, session: &Session, step: Step<'_>) {
        self.watch(conn.index as usize, session, step);
    }
}
