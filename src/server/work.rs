//! Whose turn it is: those to whom something happened, then those who have more to do than fits in a turn; and what a
//! turn leads to: who counts as a stranger, who must give up memory, who gets some. What a turn is stands in `turn`.

use std::time::Duration;

use crate::clock::Instant;
use crate::io::token::ConnId;
use crate::net::Side;
use crate::session::Input;

use super::allowance::Allowance;
use super::conn::After;
use super::message::Message;
use super::world::World;
use super::{Loop, STEP_TIME_MAX, turn};

/// So many turns may be as long as a turn can be, and more of them take no longer together, where they can be that short.
const LONG_TURNS: usize = 8;

/// A shorter turn is not worth the change.
const TURN_TIME_MIN: Duration = Duration::from_micros(100);

/// So long a turn of the loop goes on with handshakes.
const HANDSHAKES_TIME_MAX: Duration = Duration::from_millis(1);

/// Connections asked in one turn of the loop whether there is room for what they want to read.
const FED_PER_TURN: usize = 64;

/// How long each of so many connections may have its turn.
fn turn_time(queued: usize) -> Duration {
    if queued <= LONG_TURNS {
        return turn::TURN_TIME_MAX;
    }
    let share = u32::try_from(queued / LONG_TURNS).unwrap_or(u32::MAX);
    (turn::TURN_TIME_MAX / share).max(TURN_TIME_MIN)
}

impl Loop {
    /// One turn for each connection to which something happened; then those go on that had more to do than fits in one,
    /// as far as the time reaches: as long as the others took, or a little. So who has little to do waits for nobody
    /// who has much, however many these are.
    pub(super) fn run_queued(&mut self) {
        let queued = self.run_queue.len() + self.backlog.len();
        self.core.stores.pipes.share_among(queued);
        self.core.stores.turn = Allowance::new(turn::TURN_BYTES, turn_time(queued));
        let began = (!self.backlog.is_empty()).then(Instant::now);
        for _ in 0..self.run_queue.len() {
            if let Some(id) = self.run_queue.pop_front() {
                self.run_one(id);
            }
        }
        self.run_handshakes();
        if let Some(began) = began {
            self.run_backlog(began);
        }
        self.feed_waiting();
    }

    /// Goes on with handshakes, one at least: each computes for as long as many turns take, and who waits for one can wait.
    /// One that is not worth it any more rests until its deadline ends it.
    fn run_handshakes(&mut self) {
        if self.handshakes.is_empty() {
            return;
        }
        let (began, now) = (Instant::now(), self.core.world.now);
        self.core.stores.computes = true;
        while let Some((id, stage)) = self.handshakes.pop() {
            let others_wait = !self.handshakes.is_empty();
            let Some(conn) = self.conns.get_mut(id) else {
                continue;
            };
            let deadline = conn.deadline(&self.core.world.settings);
            let left = deadline.map_or(Duration::MAX, |at| at.duration_since(now));
            // The time of one with an origin is the operator's, and may be short from the start.
            match conn.is_securing_origin() || stage.is_worth_going_on(left, others_wait) {
                true => self.run_one(id),
                false => conn.queued = false,
            }
            if began.elapsed() >= HANDSHAKES_TIME_MAX {
                break;
            }
        }
        self.core.stores.computes = false;
    }

    fn run_backlog(&mut self, began: Instant) {
        let time = (2 * began.elapsed()).max(STEP_TIME_MAX);
        for _ in 0..self.backlog.len() {
            if let Some(id) = self.backlog.pop_front() {
                self.run_one(id);
            }
            if began.elapsed() >= time {
                return;
            }
        }
    }

    /// Strangers who hold more of the byte budget than is theirs are refused; those of other loops, by these.
    pub(super) fn shed(&mut self) {
        while let Some(id) = self.core.stores.budget.surplus() {
            if id.loop_number() != self.core.peers.own() {
                if self.core.stores.budget.is_to_be_told_of(id) {
                    self.core.peers.tell(id.loop_number(), Message::Shed);
                }
                return;
            }
            let Some(conn) = self.conns.get_mut(id) else {
                return;
            };
            conn.feed(Input::Starved(Side::Client), &mut self.core);
            if conn.turn(&mut self.core) == After::Over {
                self.forget(id);
                continue;
            }
            self.enqueue(id);
            if self.core.stores.budget.surplus() == Some(id) {
                self.replace(id);
            }
        }
    }

    /// Those who waited for room in the byte budget go on where there is some.
    fn feed_waiting(&mut self) {
        for _ in 0..FED_PER_TURN {
            let Some(id) = self.core.stores.budget.next_waiting() else {
                return;
            };
            if let Some(conn) = self.conns.get_mut(id)
                && conn.may_go_on(&mut self.core.stores)
            {
                self.enqueue(id);
            }
        }
    }

    /// One turn of a connection, and what follows from it.
    pub(super) fn run_one(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        conn.queued = false;
        let after = conn.turn(&mut self.core);
        if let Some(change) = conn.note_standing() {
            self.core.tally.change(change);
        }
        match after {
            After::Over => return self.forget(id),
            After::Again => {
                conn.queued = true;
                self.backlog.push_back(id);
            }
            After::Computes(stage) => {
                conn.queued = true;
                self.handshakes.push(id, conn.client_key(), stage);
            }
            After::Rests => {}
        }
        let World { now, settings, .. } = &self.core.world;
        let deadline = conn.deadline(settings);
        self.deadlines.set(&mut conn.filed, id, *now, deadline);
        if conn.is_stranger() || conn.counted {
            self.count(id);
        }
        if self.core.stores.budget.is_scarce() {
            self.shed();
        }
    }

    /// Counts a connection among the strangers, by the address that it has now, or no longer. One that says who it is in its
    /// first turn, as most do, never comes here.
    pub(super) fn count(&mut self, id: ConnId) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.counted = conn.is_stranger();
            self.core.census.count(id, conn.client_key(), conn.counted);
        }
    }
}
