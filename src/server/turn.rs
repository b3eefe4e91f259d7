//! Where control and data meet: one turn of one connection. Session and pump alternate over the two flows
//! until neither moves. Generic over the wires, so that the simulation runs this very code.

use crate::flow::{End, Flow, Flows, Gate};
use crate::io::budget::Budget;
use crate::io::pipe::{Pipe, Pipes};
use crate::io::pump::{self, Bypass, Pumped};
use crate::io::scratch::Scratch;
use crate::io::wire::{Ready, Wire, io_fail};
use crate::net::Side;
use crate::session::{Cx, Input, Session};

/// Bytes one connection may move before it is another's turn.
pub const TURN_BYTES: usize = 256 * 1024;

/// Turns in a row that one direction may use up, so that it can't starve the other. To go to and fro more often costs
/// bulk both ways up to twice the processor's time: peers are woken for less each time.
const LEAD_TURNS_MAX: u8 = 16;

/// The two wires of a connection, one at a time.
pub trait Ends {
    /// What a wire is.
    type Wire: Wire;
    /// The wire of that side, if there is one now.
    fn end(&mut self, side: Side) -> Option<(&mut Self::Wire, &mut Ready)>;
}

/// Why a turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Nothing moves until something happens.
    Rest,
    /// The session wants something done first.
    Acts,
    /// The allowance is used up; there is more to do.
    Spent,
}

/// What a connection holds of the loop's stores: nothing, unless it once had much to move or to keep at a time.
#[derive(Default, Debug)]
pub struct Held(Option<Box<Stores>>);

/// What becomes of bulk from turn to turn.
#[derive(Debug)]
struct Stores {
    /// Bytes charged to the budget.
    charged: u32,
    /// The pipes with bytes in them, (up, down); between turns there are no others.
    pipes: [Option<Box<Pipe>>; 2],
    /// The source of the direction that moves first in a turn and may use up all of it.
    lead: Side,
    /// Turns in a row that it did.
    led_turns: u8,
}

impl Default for Stores {
    fn default() -> Stores {
        Stores {
            charged: 0,
            pipes: [None, None],
            lead: Side::Client,
            led_turns: 0,
        }
    }
}

impl Stores {
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
    fn pipe_mut(&mut self, from: Side) -> Option<&mut Pipe> {
        self.0.as_mut()?.pipe(from).as_deref_mut()
    }

    fn take_pipe(&mut self, from: Side) -> Option<Box<Pipe>> {
        self.0.as_mut()?.pipe(from).take()
    }

    fn keep_pipe(&mut self, from: Side, pipe: Box<Pipe>) {
        *self.0.get_or_insert_default().pipe(from) = Some(pipe);
    }

    fn lead(&self) -> Side {
        self.0.as_ref().map_or(Side::Client, |stores| stores.lead)
    }

    /// The direction from `from` used up a turn: it goes on in the next one, until it is the other's time.
    fn note_spent(&mut self, from: Side) {
        let Stores { lead, led_turns, .. } = &mut **self.0.get_or_insert_default();
        if from != *lead {
            (*lead, *led_turns) = (from, 0);
        }
        *led_turns += 1;
        if *led_turns >= LEAD_TURNS_MAX {
            (*lead, *led_turns) = (from.other(), 0);
        }
    }

    fn settle(&mut self, flows: &Flows, budget: &mut Budget) {
        let before = self.0.as_ref().map_or(0, |stores| stores.charged);
        let charged = budget.settle(flows, before);
        if charged != before {
            self.0.get_or_insert_default().charged = charged;
        }
    }

    /// The connection is no more: everything goes back.
    pub fn release(&mut self, budget: &mut Budget, pipes: &mut Pipes) {
        if let Some(stores) = self.0.take() {
            budget.release(stores.charged);
            stores
                .pipes
                .into_iter()
                .flatten()
                .for_each(|pipe| pipes.put(pipe));
        }
    }
}

/// What a turn works with beside the connection itself.
pub struct Means<'a> {
    /// The loop's buffers, lent for the turn.
    pub scratch: &'a mut Scratch,
    /// The bytes all connections may hold.
    pub budget: &'a mut Budget,
    /// The pipes for bulk.
    pub pipes: &'a mut Pipes,
    /// What this connection has of them.
    pub held: &'a mut Held,
    /// Bytes this connection may still move in its turn.
    pub allowance_bytes: usize,
}

/// Runs both directions until nothing moves, the session acts, or the allowance is spent. When the session has
/// acted it may be run again; at the end of the turn [`end`] must be called.
pub fn run<E: Ends>(
    ends: &mut E,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> Turn {
    let lead = means.held.lead();
    loop {
        let mut moved = false;
        for from in [lead, lead.other()] {
            while step(from, ends, flows, session, cx, means) {
                moved = true;
                if session.is_done() || !cx.actions.is_empty() || means.allowance_bytes == 0 {
                    break;
                }
            }
            // What was read stays where it is while the session acts: it goes on from there.
            if session.is_done() || !cx.actions.is_empty() {
                return Turn::Acts;
            }
            take_back(from, flows, means);
            if means.allowance_bytes == 0 {
                means.held.note_spent(from);
                return Turn::Spent;
            }
        }
        if !moved {
            return Turn::Rest;
        }
    }
}

/// One write and one read of one direction, each followed by a look of the session. Did anything happen?
fn step<E: Ends>(
    from: Side,
    ends: &mut E,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> bool {
    let to = from.other();
    if is_second_end(from, flows) {
        flows.from(from).end = End::Passed;
        session.advance(Input::Moved, flows, cx);
        return true;
    }
    let (drained, is_open) = match ends.end(to) {
        Some((wire, ready)) => {
            let pipe = means.held.pipe_mut(from);
            let drained = pump::drain(wire, ready, flows.from(from), pipe, cx.now);
            (drained, wire.can_splice())
        }
        None => (Pumped::Idle, false),
    };
    let mut moved = tell(drained, Input::Unwritable, to, flows, session, cx, means);
    if session.is_done() || !cx.actions.is_empty() {
        return moved;
    }
    lend(from, flows.from(from), means);
    let Some((wire, ready)) = ends.end(from) else {
        return moved;
    };
    let filled = match unread_failure(wire, ready, from, flows.from(from)) {
        Some(failed) => failed,
        None => {
            let mut pipe = means.held.take_pipe(from);
            let bypass = Bypass {
                pipe: &mut pipe,
                pipes: means.pipes,
                is_open,
            };
            let budget_spent = means.budget.is_spent();
            let filled = pump::fill(wire, ready, flows.from(from), bypass, budget_spent, cx.now);
            pipe.into_iter().for_each(|pipe| means.held.keep_pipe(from, pipe));
            filled
        }
    };
    // A reset is no FIN, though the poll calls it the end of reading too.
    let announced = ready.read_closed && !ready.failed && flows.from(from).end == End::Open;
    if announced {
        flows.from(from).end = End::Announced;
    }
    // Of an origin that ended its half before, all that can be lost is what is on the way to it.
    let failed = match from == Side::Origin && flows.from(from).end >= End::Reached {
        true => Input::Unwritable,
        false => Input::Broken,
    };
    moved |= tell(filled, failed, from, flows, session, cx, means);
    if announced && !session.is_done() {
        session.advance(Input::Moved, flows, cx);
        moved = true;
    }
    moved
}

/// Is all that is left of a tunnel to tell one side of the other's end? The close that follows does: a shutdown before
/// it would be a call more.
fn is_second_end(from: Side, flows: &mut Flows) -> bool {
    let other = flows.to(from);
    other.gate == Gate::Open && other.end == End::Passed && flows.from(from).end_is_due()
}

/// Tells the session what the pump did.
fn tell(
    pumped: Pumped,
    failed: impl FnOnce(Side, crate::net::IoFail) -> Input<'static>,
    side: Side,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> bool {
    let input = match pumped {
        Pumped::Idle => return false,
        Pumped::Piped => return true,
        Pumped::Moved(n) => {
            means.allowance_bytes = means.allowance_bytes.saturating_sub(n);
            Input::Moved
        }
        Pumped::Starved => Input::Starved,
        Pumped::Failed(fail) => failed(side, fail),
    };
    session.advance(input, flows, cx);
    true
}

/// An error on a wire that nobody is going to read: a reset must free everything even then. Bytes that wait
/// for their receiver come first, and an origin's unread ones are read when their turn comes.
fn unread_failure(wire: &mut impl Wire, ready: &mut Ready, from: Side, flow: &Flow) -> Option<Pumped> {
    if !ready.failed || flow.wants_bytes() {
        return None;
    }
    if from == Side::Origin && flow.has_unsent() {
        return None;
    }
    let error = wire.take_error()?;
    ready.failed = false;
    Some(Pumped::Failed(io_fail(&error)))
}

/// An empty direction reads into the loop's own buffer; what it can't pass on is copied out again in the end. With the
/// budget spent it gets no more than the grant. Memory of its own, which is just as large as the last rest was, goes:
/// reading into that, a direction would go on in pieces of a few bytes.
fn lend(from: Side, flow: &mut Flow, means: &mut Means<'_>) {
    if flow.wants_bytes() && flow.rx.is_empty() && means.scratch.read_bytes() > 0 {
        flow.rx.release();
        if !means.budget.is_spent() {
            means.scratch.lend_rx(from, flow);
        }
    }
}

/// Nothing moves from that side for now: the other may need what it borrowed.
fn take_back(from: Side, flows: &mut Flows, means: &mut Means<'_>) {
    means.scratch.take_back_rx(from, flows.from(from));
    if flows.from(from).piped_bytes == 0
        && let Some(pipe) = means.held.take_pipe(from)
    {
        means.pipes.put(pipe);
    }
}

/// Ends a turn: what was lent goes back, and what the connection holds on to is charged.
pub fn end(flows: &mut Flows, session: &Session, means: &mut Means<'_>) {
    for side in [Side::Client, Side::Origin] {
        if session.is_done() {
            flows.from(side).rx.clear();
            flows.from(side).drop_unsent();
        }
        take_back(side, flows, means);
    }
    means.scratch.take_back(flows);
    means.held.settle(flows, means.budget);
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
