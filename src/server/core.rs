//! What all connections of a loop share: the world as sessions see it, wires, resolver, pool, log. What is done with it
//! for one connection is `conn`.

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
use crate::policy::Vetted;
use crate::policy::rates::Excess;
use crate::session::Wanted;
use crate::session::outcome::Record;

use super::pool::{Found, Pool, Taken};
use super::stranger_lines::StrangerLines;
use super::world::World;

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
    /// No connection is kept for later any more.
    pub draining: bool,
    /// Turns records into lines.
    pub logger: Logger,
    /// How many of them are about strangers.
    pub stranger_lines: StrangerLines,
}

impl Core {
    /// Reads the clocks: once per turn of the loop.
    pub fn read_clocks(&mut self) {
        self.world.now = Instant::now();
        self.world.wall = SystemTime::now();
    }

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
