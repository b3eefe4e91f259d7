//! What a connection holds of the loop's stores from turn to turn: its share of the byte budget, pipes with bytes in
//! them, and what it waits for. When it may have them is decided in `turn`.

use std::time::Duration;

use crate::clock::Instant;
use crate::flow::Flows;
use crate::io::budget::{Budget, Charge, Holder};
use crate::io::pipe::{Pipe, Pipes};
use crate::io::token::ConnId;
use crate::net::Side;
use crate::session::Session;

/// Turns in a row that one direction may use up, so that it can't starve the other. To go to and fro more often costs
/// bulk both ways up to twice the processor's time: peers are woken for less each time.
pub(super) const LEAD_TURNS_MAX: u8 = 16;

/// A head that finds no room for so long is given up: its own deadline may be an hour away, and who holds the room may
/// wait for more as well.
const STARVED_TIMEOUT: Duration = Duration::from_secs(30);

/// On whose account a connection's bytes are.
pub(super) fn holder(session: &Session, id: ConnId) -> Holder {
    Holder {
        id,
        address: session.client().ip(),
        is_stranger: session.is_stranger(),
    }
}

/// What a connection holds of the loop's stores: nothing, unless it once had much to move or to keep at a time.
#[derive(Default, Debug)]
pub(super) struct Held(Option<Box<Holdings>>);

/// What becomes of bulk from turn to turn.
#[derive(Debug)]
struct Holdings {
    /// What is charged to the budget.
    charged: Charge,
    /// The source that is not read for want of room, and since when.
    starved: Option<(Side, Instant)>,
    /// It is among those who wait for room.
    waits: bool,
    /// The pipes with bytes in them, (up, down); between turns there are no others.
    pipes: [Option<Box<Pipe>>; 2],
    /// The source of the direction that moves first in a turn and may use up all of it.
    lead: Side,
    /// Turns in a row that it did.
    led_turns: u8,
}

impl Default for Holdings {
    fn default() -> Holdings {
        Holdings {
            charged: Charge::default(),
            starved: None,
            waits: false,
            pipes: [None, None],
            lead: Side::Client,
            led_turns: 0,
        }
    }
}

impl Holdings {
    /// The pipe of the direction whose source is `from`.
    fn pipe(&mut self, from: Side) -> &mut Option<Box<Pipe>> {
        let [up, down] = &mut self.pipes;
        match from {
            Side::Client => up,
            Side::Origin => down,
        }
    }
}

impl Held {
    pub(super) fn pipe_mut(&mut self, from: Side) -> Option<&mut Pipe> {
        self.0.as_mut()?.pipe(from).as_deref_mut()
    }

    pub(super) fn take_pipe(&mut self, from: Side) -> Option<Box<Pipe>> {
        self.0.as_mut()?.pipe(from).take()
    }

    pub(super) fn keep_pipe(&mut self, from: Side, pipe: Box<Pipe>) {
        *self.0.get_or_insert_default().pipe(from) = Some(pipe);
    }

    pub(super) fn lead(&self) -> Side {
        self.0.as_ref().map_or(Side::Client, |holdings| holdings.lead)
    }

    /// The direction from `from` used up a turn: it goes on in the next one, until it is the other's time.
    pub(super) fn note_spent(&mut self, from: Side) {
        let Holdings { lead, led_turns, .. } = &mut **self.0.get_or_insert_default();
        if from != *lead {
            (*lead, *led_turns) = (from, 0);
        }
        *led_turns += 1;
        if *led_turns >= LEAD_TURNS_MAX {
            (*lead, *led_turns) = (from.other(), 0);
        }
    }

    /// Charges for what the connection holds: its flows, and so many bytes beside them.
    pub(super) fn settle(
        &mut self,
        flows: &Flows,
        beside_bytes: usize,
        session: &Session,
        id: ConnId,
        budget: &mut Budget,
    ) {
        let before = self
            .0
            .as_ref()
            .map_or(Charge::default(), |holdings| holdings.charged);
        let charged = Budget::charge(flows, beside_bytes, session.is_stranger());
        // A stranger's may be another address's since.
        if charged != before || charged.is_to_stranger() {
            budget.settle(holder(session, id), before, charged);
            self.0.get_or_insert_default().charged = charged;
        }
    }

    /// That source is not read for want of room. Has it been so for too long?
    pub(super) fn starve(&mut self, from: Side, id: ConnId, budget: &mut Budget, now: Instant) -> bool {
        let holdings = self.0.get_or_insert_default();
        if !std::mem::replace(&mut holdings.waits, true) {
            budget.wait(id);
        }
        let (_, since) = *holdings.starved.get_or_insert((from, now));
        since + STARVED_TIMEOUT <= now
    }

    /// That source was read, or is not to be read.
    pub(super) fn note_fed(&mut self, from: Side) {
        if let Some(holdings) = &mut self.0
            && holdings.starved.is_some_and(|(starved, _)| starved == from)
        {
            holdings.starved = None;
        }
    }

    /// When a source has not been read for want of room for too long: a turn is due then.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (_, since) = self.0.as_ref()?.starved?;
        Some(since + STARVED_TIMEOUT)
    }

    /// It is no longer among those who wait for room, for it is asked now: is there?
    pub(super) fn may_go_on(&mut self, session: &Session, id: ConnId, budget: &mut Budget) -> bool {
        let admitted = budget.admits(holder(session, id));
        if let Some(holdings) = &mut self.0 {
            holdings.waits = !admitted;
        }
        if !admitted {
            budget.wait(id);
        }
        admitted
    }

    /// The connection is no more: everything goes back.
    pub(super) fn release(&mut self, session: &Session, id: ConnId, budget: &mut Budget, pipes: &mut Pipes) {
        if let Some(holdings) = self.0.take() {
            budget.release(holder(session, id), holdings.charged);
            holdings
                .pipes
                .into_iter()
                .flatten()
                .for_each(|pipe| pipes.put(pipe));
        }
    }
}
