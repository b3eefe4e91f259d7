//! One connection's turn: send, receive, check, until it would block or had its share.

use std::time::Instant;

use rustix::event::epoll::EventFlags;

use super::{Connection, Generator, LOOK_BYTES, Next, Shared, Side, TURN_BYTES};
use crate::socket::Received;

impl Generator {
    /// Lets this connection take a turn, and sees to what becomes of it.
    pub(super) fn drive(&mut self, index: u32, flags: EventFlags) {
        let Some(mut connection) = self.slots[index as usize].connection.take() else {
            return;
        };
        let next = connection.turn(flags, &mut self.shared, &mut self.scratch);
        let work = match &connection.side {
            Side::Client(client) => Some(client.work),
            Side::Origin(_) => None,
        };
        self.slots[index as usize].connection = Some(connection);
        match next {
            Ok(Next::Keep) => {}
            Ok(Next::Again(flags)) => self.ready.push_back((index, flags)),
            Ok(Next::Rest) => self.resting.push_back(index),
            Ok(Next::Lost(since)) => {
                self.remove(index);
                let again = work.filter(|_| !self.shared.stopping);
                self.reopen.extend(again.map(|work| (work, since)));
            }
            Ok(Next::Done) => {
                self.remove(index);
                self.replace(work);
            }
            Err(error) => {
                self.remove(index);
                // At the end connections are cut, by either side.
                if !self.shared.stopping {
                    self.shared.tally.error(error);
                    self.replace(work);
                }
            }
        }
    }

    /// A client is gone: where each begins the next unit at once, another comes.
    fn replace(&mut self, work: Option<crate::work::Work>) {
        if let (Some(work), false, false) = (work, self.shared.stopping, self.shared.has_arrivals) {
            self.reopen.push((work, Instant::now()));
        }
    }
}

impl Connection {
    fn turn(&mut self, flags: EventFlags, shared: &mut Shared, scratch: &mut [u8]) -> Result<Next, String> {
        // A bulk sender waits until there is room worth it, which the event says; else it would send in crumbs.
        let mut sent = 0;
        if !self.is_bulk() || flags.contains(EventFlags::OUT) || shared.stopping {
            sent = self.flush(shared)?;
        }
        let hung_up = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let mut readable = hung_up || flags.contains(EventFlags::IN);
        let mut received = 0;
        while readable && received < TURN_BYTES {
            // Of bulk one piece is looked at, and many more are left where they are: the generator must not be slower
            // than what it measures.
            let is_bulk = self.is_bulk();
            let is_sealed = self.socket.is_sealed();
            let skips = is_bulk && self.skips;
            let room = if is_bulk && !skips && !is_sealed {
                &mut scratch[..LOOK_BYTES]
            } else {
                &mut scratch[..]
            };
            let found = if skips {
                self.socket.skip(room)?
            } else {
                self.socket.receive(room)?
            };
            match found {
                Received::Nothing => readable = false,
                Received::End => return self.end(shared),
                Received::Bytes(length) => {
                    received += length;
                    readable = hung_up || self.socket.may_have_more(length, room.len());
                    self.skips = is_bulk && !skips && !is_sealed && length == room.len();
                    let bytes = &room[..length];
                    let next = match &mut self.side {
                        Side::Client(client) if skips => client.advance(length, &mut self.socket, shared),
                        Side::Origin(origin) if skips => origin.advance(length, &mut self.socket, shared),
                        Side::Client(client) => client.bytes(bytes, &mut self.socket, shared)?,
                        Side::Origin(origin) => origin.bytes(bytes, &mut self.socket, shared)?,
                    };
                    if next == Next::Rest && hung_up {
                        return Ok(Next::Done);
                    }
                    if next != Next::Keep {
                        return Ok(next);
                    }
                    if !is_bulk && sent < TURN_BYTES {
                        sent += self.flush(shared)?;
                    }
                }
            }
        }
        let mut left = EventFlags::empty();
        left.set(EventFlags::IN, readable);
        left.set(EventFlags::OUT, sent >= TURN_BYTES);
        Ok(if left.is_empty() {
            Next::Keep
        } else {
            Next::Again(left)
        })
    }

    fn flush(&mut self, shared: &mut Shared) -> Result<usize, String> {
        if shared.stopping && self.is_bulk() {
            self.socket.goal = self.socket.sent;
        }
        let sent = self.socket.flush(TURN_BYTES)?;
        match &self.side {
            Side::Origin(origin) if origin.is_bulk() => shared.balance.sent_down += sent as u64,
            Side::Client(client) if client.is_both() => shared.balance.sent_up += sent as u64,
            _ => {}
        }
        Ok(sent)
    }

    fn is_bulk(&self) -> bool {
        match &self.side {
            Side::Origin(origin) => origin.is_bulk(),
            Side::Client(client) => client.is_bulk(),
        }
    }

    /// The other end will send no more.
    fn end(&mut self, shared: &mut Shared) -> Result<Next, String> {
        match &mut self.side {
            Side::Client(client) => client.end(shared),
            Side::Origin(_) => Ok(Next::Done),
        }
    }
}
