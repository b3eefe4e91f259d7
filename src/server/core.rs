//! What all connections of a loop share: the world as sessions see it, wires, resolver, pool, log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::io::budget::Budget;
use crate::io::dialer::Dialer;
use crate::io::pipe::Pipes;
use crate::io::resolver::Resolver;
use crate::io::scratch::Scratch;
use crate::io::shares::Shares;
use crate::io::token::ConnId;
use crate::io::wires::Wires;
use crate::log::Logger;
use crate::net::ClientKey;
use crate::policy::rates::{Excess, Rates};
use crate::policy::{Policy, Vetted};
use crate::session::id::Ids;
use crate::session::outcome::Record;
use crate::session::spares::Spares;
use crate::session::{Action, Cx, Settings, Wanted};

use super::pool::{Found, Pool, Taken};
use super::stranger_lines::StrangerLines;

/// Everything sessions see of the world.
pub struct World {
    /// Read once per turn of the loop.
    pub now: Instant,
    /// Likewise.
    pub wall: SystemTime,
    /// Replaced as a whole on reload.
    pub policy: Arc<Policy>,
    /// Fixed at start.
    pub settings: Settings,
    /// Makes request ids.
    pub ids: Ids,
    /// How often clients may give wrong credentials.
    pub guesses: Rates,
    /// Memory that sessions use again.
    pub spares: Spares,
    /// Is an address this machine's?
    pub is_local: Box<dyn Fn(IpAddr) -> bool>,
    /// What the session that is at work wants done.
    pub actions: Vec<Action>,
}

impl World {
    /// The view a session gets.
    pub fn cx(&mut self) -> Cx<'_> {
        Cx {
            now: self.now,
            wall: self.wall,
            policy: &self.policy,
            settings: &self.settings,
            ids: &mut self.ids,
            guesses: &mut self.guesses,
            spares: &mut self.spares,
            is_local: &*self.is_local,
            actions: &mut self.actions,
        }
    }

    /// Reads the clocks.
    pub fn tick(&mut self) {
        self.now = Instant::now();
        self.wall = SystemTime::now();
    }
}

/// What all connections of a loop share.
pub struct Core {
    /// As sessions see it.
    pub world: World,
    /// All sockets that carry traffic.
    pub wires: Wires,
    /// So many of them at most, as long as idle ones can be closed for others.
    pub wires_max: usize,
    /// Attempts beside the first of a dial.
    pub second_attempts: Shares,
    /// Names to addresses.
    pub resolver: Resolver,
    /// Idle upstream connections.
    pub pool: Pool,
    /// Lent to one direction at a time.
    pub scratch: Scratch,
    /// The bytes all connections may hold.
    pub budget: Budget,
    /// The pipes for bulk.
    pub pipes: Pipes,
    /// How long a connection's turn may take at present.
    pub turn_time: Duration,
    /// An empty list that takes turns with `world.actions`.
    pub actions_done: Vec<Action>,
    /// No connection is kept for later any more.
    pub draining: bool,
    /// Turns records into lines.
    pub logger: Logger,
    /// How many of them are about strangers.
    pub stranger_lines: StrangerLines,
}

impl Core {
    /// An idle upstream connection for a request, if there is one on which nothing happened: a byte or an end that came
    /// behind its last response, some microseconds late, would be taken for this request's. One peek tells; what the
    /// poll told before then is not in the pool any more.
    pub fn take_kept(&mut self, wanted: &Wanted, addresses: &[Vetted], asker: ConnId) -> Option<Taken> {
        loop {
            match self.pool.take(wanted, addresses, asker, self.world.now)? {
                Found::Fits(taken) if self.wires.is_quiet(taken.wire) => return Some(taken),
                Found::Fits(Taken { wire, .. }) | Found::Ended(wire) => self.wires.close(wire),
            }
        }
    }

    /// What dials take.
    pub fn dialer(&mut self) -> Dialer<'_> {
        Dialer {
            wires: &mut self.wires,
            second_attempts: &mut self.second_attempts,
            now: self.world.now,
        }
    }

    /// Makes room for so many sockets: idle upstream connections have only what nobody else needs.
    pub fn make_room(&mut self, sockets: usize) {
        while self.wires.len() + sockets > self.wires_max
            && let Some(idle) = self.pool.pop_oldest()
        {
            self.wires.close(idle);
        }
    }

    /// Closes the idle upstream connections and pipes; tells how many there were.
    pub fn close_idle(&mut self) -> usize {
        let idle = self.pool.len();
        while let Some(wire) = self.pool.pop_oldest() {
            self.wires.close(wire);
        }
        idle + self.pipes.close_idle()
    }

    /// Says how many lines were left out.
    pub fn log_left_out(&mut self, excess: Option<Excess>) {
        if let Some(Excess { count, addresses }) = excess {
            self.logger.left_out(count, addresses, self.world.wall);
        }
    }

    /// Writes a record's lines, unless it is about a stranger and there are too many such.
    pub fn log(&mut self, record: Box<Record>) {
        let may_be_written = !record.by_stranger || {
            let (client, lines) = (ClientKey::of(record.client.ip()), Logger::lines_of(&record));
            self.stranger_lines.admits(client, lines, self.world.now)
        };
        if may_be_written {
            self.logger.record(&record, self.world.wall);
        }
        self.world.spares.records.put_back(record);
    }
}
