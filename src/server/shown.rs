//! What those who ask how the proxy is are shown: pages that they get a part of at a time, made as they are read, over all
//! loops; and the numbers that are sent without being asked for. What stands on pages, but for tunnels, is known to `stats`.
//!
//! A list of tunnels goes through the loops one after the other: a part that begins in another loop is asked of that one,
//! which answers in its next turn.

use crate::clock::Instant;
use crate::io::token::ConnId;
use crate::session::{Input, Page};
use crate::stats::{Part, Standing};

use super::Loop;
use super::core::Core;
use super::message::{Asked, Given, Wanted};

/// Parts of pages made in one turn of the loop, all of which clients wait for.
const PARTS_PER_TURN: usize = 16;

/// So large is a part of a page, and a little more.
const PART_BYTES: usize = 8 * 1024;

/// So many of the loop's connections are looked at for a part of a page, whether they are tunnels or not.
const CONNS_PER_PART: usize = 1024;

/// A place in a list over all loops, as a number: the loop's above the slot's.
fn position(number: u8, slot: u32) -> u64 {
    u64::from(number) << 32 | u64::from(slot)
}

/// The loop whose connections the part of a list has that begins there, and the first slot.
fn place(position: u64) -> (u8, u32) {
    let number = u8::try_from(position >> 32).unwrap_or(u8::MAX);
    let slot = u32::try_from(position & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    (number, slot)
}

impl Loop {
    /// Sends parts of pages that were asked for, as many as one turn may take. Each takes little.
    pub(super) fn show(&mut self) {
        if self.core.wanted.is_empty() {
            return;
        }
        let mut part = std::mem::take(&mut self.admin.part);
        let count = self.core.wanted.len().min(PARTS_PER_TURN);
        let wanted: Vec<Wanted> = self.core.wanted.drain(..count).collect();
        for wanted in wanted {
            part.clear();
            let (number, _) = place(wanted.start >> 1);
            if is_of_loops(wanted.page) && number != self.core.peers.own() {
                self.core.peers.ask(number, wanted);
                continue;
            }
            let next = self.part(wanted, &mut part);
            self.give(wanted.id, &part, next);
        }
        self.admin.part = part;
    }

    fn give(&mut self, id: ConnId, part: &[u8], next: Option<u64>) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.feed(Input::Shown(part, next), &mut self.core);
            self.enqueue(id);
        }
    }

    /// Makes a part that another loop's connection wants.
    pub(super) fn make_part(&mut self, asked: Asked) {
        let mut part = Vec::new();
        let next = self.tunnels(asked.wanted(), &mut part);
        asked.answer(part, next);
    }

    /// Another loop made a part, or has ended.
    pub(super) fn take_part(&mut self, wanted: Wanted, given: Given) {
        let (part, next) = given.unwrap_or_else(|| {
            let mut part = Vec::new();
            let (list, at) = Part::new(&mut part, PART_BYTES).list(wanted.start);
            let (number, _) = place(at);
            let next = match self.core.peers.next(number) {
                Some(next) => Some(list.next(position(next, 0))),
                None => {
                    list.end();
                    None
                }
            };
            (part, next)
        });
        self.give(wanted.id, &part, next);
    }

    /// Appends the part of a page; gives where the next begins, if there is one.
    fn part(&mut self, wanted: Wanted, out: &mut Vec<u8>) -> Option<u64> {
        if is_of_loops(wanted.page) {
            return self.tunnels(wanted, out);
        }
        let standing = self.standing();
        let stats = self.core.stats.as_ref()?.lock();
        stats.page(wanted.page, wanted.start, &standing, Part::new(out, PART_BYTES))
    }

    /// A part of a list of tunnels, which begins with a slot of this loop's table.
    fn tunnels(&self, wanted: Wanted, out: &mut Vec<u8>) -> Option<u64> {
        let now = self.core.world.now;
        let peers = &self.core.peers;
        let (mut list, first) = Part::new(out, PART_BYTES).list(wanted.start);
        let (_, first) = place(first);
        let mut slot = usize::try_from(first).ok()?;
        for conn in self.conns.slots_from(slot).take(CONNS_PER_PART) {
            if let Some(tunnel) = conn.and_then(|conn| conn.tunnel()) {
                tunnel.write(wanted.page, now, &mut list);
            }
            slot += 1;
            if list.is_full() {
                break;
            }
        }
        let has_more = self.conns.slots_from(slot).next().is_some();
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        match (has_more, peers.next(peers.own())) {
            (true, _) => Some(list.next(position(peers.own(), slot))),
            (false, Some(next)) => Some(list.next(position(next, 0))),
            (false, None) => {
                list.end();
                None
            }
        }
    }

    fn standing(&self) -> Standing {
        let core = &self.core;
        Standing {
            connections_open: core.census.clients() as u64,
            connections_max: core.census.clients_max() as u64,
            tunnels_open: core.tally.tunnels() as u64,
            requests_concurrent: core.tally.requests() as u64,
            buffered_bytes: core.stores.budget.used_bytes() as u64,
            log_lines_dropped: core.logger.dropped(),
            is_leaving: core.world.admin.is_leaving,
            wall: core.world.wall,
        }
    }

    /// Sends what is counted to whom it is sent without being asked, if it is time to.
    pub(super) fn send_numbers(&mut self) {
        let now = self.core.world.now;
        if self.core.telemetry_deadline().is_some_and(|due| due <= now) {
            let standing = self.standing();
            let Core { stats, datagrams, .. } = &mut self.core;
            if let (Some(stats), Some((datagrams, statsd))) = (stats, datagrams) {
                statsd.send(now, stats, &standing, &mut |packet| datagrams.send(packet));
            }
        }
    }
}

impl Core {
    /// When numbers are to be sent.
    pub(super) fn telemetry_deadline(&self) -> Option<Instant> {
        self.datagrams.as_ref().map(|(_, statsd)| statsd.due())
    }
}

/// Is it a list that each loop has a part of?
fn is_of_loops(page: Page) -> bool {
    matches!(page, Page::Tunnels | Page::Connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_a_list_survives_its_number() {
        for (number, slot) in [(0, 0), (0, u32::MAX), (1, 0), (255, u32::MAX)] {
            assert_eq!(place(position(number, slot)), (number, slot));
        }
        assert_eq!(position(0, 0), 0, "a list begins with the first loop's");
    }
}
