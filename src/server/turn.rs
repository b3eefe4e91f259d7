//! Where control and data meet: one turn of one connection. Session and pump alternate over the two flows
//! until neither moves. Generic over the wires, so that the simulation runs this very code.

use std::time::Duration;

use crate::flow::{Below, End, Flow, Flows, Gate};
use crate::io::pump::{self, Bypass, Pumped};
use crate::io::token::ConnId;
use crate::io::wire::{Aside, Ready, Secured, Wire, io_fail};
use crate::net::Side;
use crate::session::{Cx, Input, Session};

use super::allowance::Allowance;
use super::ends::{Ends, WireTable};
use super::held::{Held, holder};
use super::stores::Stores;

/// Bytes one connection may move before it is another's turn,
pub const TURN_BYTES: usize = 256 * 1024;

/// and how long it may take.
pub const TURN_TIME_MAX: Duration = Duration::from_millis(1);

/// What the session does costs time as bytes do: a client that pipelines requests which we refuse makes it act without
/// end.
const ACT_BYTES: usize = 4096;

/// What a session's act takes of a turn. A stranger gets an answer a turn, for it may have many connections.
pub(super) fn act_bytes(session: &Session) -> usize {
    match session.is_stranger() {
        true => TURN_BYTES / 2,
        false => ACT_BYTES,
    }
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

/// What a turn works with beside the connection itself.
pub(super) struct Means<'a> {
    /// What all connections share out among them.
    pub(super) stores: &'a mut Stores,
    /// What this connection has of them.
    pub(super) held: &'a mut Held,
    /// The connection.
    pub(super) id: ConnId,
    /// What this connection may still use up in its turn.
    pub(super) allowance: &'a mut Allowance,
}

/// Runs both directions until nothing moves, the session acts, or the allowance is spent. When the session has
/// acted it may be run again; at the end of the turn [`end`] must be called.
pub(super) fn run<W: WireTable>(
    ends: &mut Ends<'_, W>,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> Turn {
    let lead = means.held.lead();
    loop {
        let mut moved = false;
        for from in [lead, lead.other()] {
            while !is_at_rest(from, ends, flows, means.held) && step(from, ends, flows, session, cx, means) {
                moved = true;
                if session.is_done() || !cx.actions.is_empty() || means.allowance.is_spent() {
                    break;
                }
            }
            // What was read stays where it is while the session acts: it goes on from there.
            if session.is_done() || !cx.actions.is_empty() {
                return Turn::Acts;
            }
            take_back(from, flows, means);
            if means.allowance.is_spent() {
                means.held.note_spent(from);
                return Turn::Spent;
            }
        }
        if !moved {
            return Turn::Rest;
        }
    }
}

/// Is there nothing to be written, read, or told of in one direction? Most steps would find that out, and at more cost.
fn is_at_rest<W: WireTable>(from: Side, ends: &mut Ends<'_, W>, flows: &mut Flows, held: &mut Held) -> bool {
    let flow = flows.from(from);
    if flow.has_unsent() || flow.end_is_due() {
        return false;
    }
    let has_more = ends.end(from).is_some_and(|(wire, ready)| {
        let may_read = ready.readable && flow.wants_bytes();
        let may_tell = ready.failed || (ready.read_closed && flow.end == End::Open);
        may_read || may_tell || wire.under() > 0
    });
    if !has_more {
        held.note_fed(from);
    }
    !has_more
}

/// One write and one read of one direction, each followed by a look of the session. Did anything happen?
// Not a part of `run`, where what it needs would be laid out before each look whether there is anything to do.
#[inline(never)]
fn step<W: WireTable>(
    from: Side,
    ends: &mut Ends<'_, W>,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> bool {
    let to = from.other();
    if is_second_end(from, flows) && ends.end(to).is_none_or(|(wire, _)| wire.close_says_end()) {
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
    let moved = tell(drained, Failure::Unwritable, to, flows, session, cx, means);
    if session.is_done() || !cx.actions.is_empty() {
        return moved;
    }
    read(from, is_open, ends, flows, session, cx, means) || moved
}

/// The read of a step, and what came without one: a failure, the news of an end. `is_open` says whether the destination
/// takes what is in a pipe. Did anything happen?
#[inline]
fn read<W: WireTable>(
    from: Side,
    is_open: bool,
    ends: &mut Ends<'_, W>,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> bool {
    let has_room = means.stores.budget.is_ample() || means.stores.budget.admits(holder(session, means.id));
    lend(from, flows.from(from), has_room, means);
    let Some((wire, ready)) = ends.end(from) else {
        means.held.note_fed(from);
        return false;
    };
    let mut moved = false;
    let mut filled = match unread_failure(wire, ready, from, flows.from(from)) {
        Some(failed) => failed,
        None => {
            let mut pipe = means.held.take_pipe(from);
            let bypass = Bypass {
                pipe: &mut pipe,
                pipes: &mut means.stores.pipes,
                client: session.client().ip(),
                is_open,
            };
            let filled = pump::fill(wire, ready, flows.from(from), bypass, has_room, cx.now);
            if let Some(aside) = wire.aside() {
                moved = note_aside(aside, wire, ready, flows.to(from), means.allowance);
            }
            pipe.into_iter().for_each(|pipe| means.held.keep_pipe(from, pipe));
            filled
        }
    };
    if matches!(filled, Pumped::Starved) {
        filled = starved(from, wire, ready, session, cx, means);
    } else {
        means.held.note_fed(from);
    }
    if moved && let Some(secured) = wire.secured() {
        let Some(untold) = tell_secured(from, &secured, filled, flows, session, cx, means) else {
            return true;
        };
        filled = untold;
    }
    let announced = note_announced(ready, flows.from(from));
    // Of an origin that ended its half before, all that can be lost is what is on the way to it.
    let failure = match from == Side::Origin && flows.from(from).end >= End::Reached {
        true => Failure::Unwritable,
        false => Failure::Broken,
    };
    moved |= tell(filled, failure, from, flows, session, cx, means);
    // One that acts now was told of what was read, and saw the end beside it.
    if announced && !session.is_done() && cx.actions.is_empty() {
        session.advance(Input::Moved, flows, cx);
        moved = true;
    }
    moved
}

/// What a wire read may have been for itself: then it may have to answer, or take what it refused before. `flow` leads
/// to it. Is there anything to be done?
#[inline(never)]
fn note_aside(
    Aside {
        toll_bytes,
        takes_again,
    }: Aside,
    wire: &mut impl Wire,
    ready: &mut Ready,
    flow: &mut Flow,
    allowance: &mut Allowance,
) -> bool {
    allowance.spend(toll_bytes);
    // The poll told so long ago, and does not again.
    ready.writable |= takes_again;
    flow.note_under(wire.under()) | takes_again
}

/// Was an end announced? A reset is no FIN, though the poll calls it the end of reading too.
#[inline]
fn note_announced(ready: &Ready, flow: &mut Flow) -> bool {
    let announced = ready.read_closed && !ready.failed && flow.end == End::Open;
    if announced {
        flow.end = End::Announced;
    }
    announced
}

/// Tells the session who is at the other end; what was read behind the handshake it sees then. Gives what is still to be told;
/// nothing, where the session acts first: it does so on what was read, so the read did not fail, and an end stays announced.
#[cold]
fn tell_secured(
    from: Side,
    Secured { certificate }: &Secured,
    filled: Pumped,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> Option<Pumped> {
    session.advance(Input::Secured(from, certificate.as_ref()), flows, cx);
    let untold = match filled {
        Pumped::Moved(n) => {
            means.allowance.spend(n);
            Pumped::Idle
        }
        filled => filled,
    };
    (!session.is_done() && cx.actions.is_empty()).then_some(untold)
}

/// What becomes of a source for whose bytes there is no room: strangers are refused, others wait, though not for ever;
/// and who is gone needs none.
#[cold]
fn starved(
    from: Side,
    wire: &mut impl Wire,
    ready: &mut Ready,
    session: &Session,
    cx: &Cx<'_>,
    means: &mut Means<'_>,
) -> Pumped {
    if let Some(error) = ready.failed.then(|| wire.take_error()).flatten() {
        ready.failed = false;
        return Pumped::Failed(io_fail(&error));
    }
    if !session.is_stranger()
        && !means
            .held
            .starve(from, means.id, &mut means.stores.budget, cx.now)
    {
        return Pumped::Idle;
    }
    means.held.note_fed(from);
    Pumped::Starved
}

/// Is all that is left of a tunnel to tell one side of the other's end? The close that follows does: a shutdown before
/// it would be a call more.
fn is_second_end(from: Side, flows: &mut Flows) -> bool {
    let other = flows.to(from);
    other.gate == Gate::Open && other.end == End::Passed && flows.from(from).end_is_due()
}

/// What a wire that failed is good for.
enum Failure {
    /// What its peer sent before may still be read.
    Unwritable,
    /// Nothing.
    Broken,
}

/// Tells the session what the pump did.
fn tell(
    pumped: Pumped,
    failure: Failure,
    side: Side,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> bool {
    let input = match pumped {
        Pumped::Idle => return false,
        // Of what leaves without being asked for, the session sees nothing before it does.
        Pumped::Piped if flows.from(side).ungranted_bytes() == 0 => return true,
        Pumped::Piped => Input::Moved,
        Pumped::Moved(n) => {
            means.allowance.spend(n);
            Input::Moved
        }
        Pumped::Starved => Input::Starved(side),
        Pumped::Failed(fail) => {
            let input = match failure {
                Failure::Unwritable => Input::Unwritable(side, &fail),
                Failure::Broken => Input::Broken(side, &fail),
            };
            session.advance(input, flows, cx);
            return true;
        }
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

/// An empty direction reads into the loop's own buffer; what it can't pass on is copied out again in the end. Without
/// room in the budget it gets no more than the grant. Memory of its own, which is just as large as the last rest was,
/// goes: reading into that, a direction would go on in pieces of a few bytes.
fn lend(from: Side, flow: &mut Flow, has_room: bool, means: &mut Means<'_>) {
    if flow.wants_bytes() && flow.rx.is_empty() && means.stores.scratch.read_bytes() > 0 {
        flow.rx.release();
        if has_room {
            means.stores.scratch.lend_rx(from, flow);
        }
    }
}

/// Nothing moves from that side for now: the other may need what it borrowed.
fn take_back(from: Side, flows: &mut Flows, means: &mut Means<'_>) {
    means.stores.scratch.take_back_rx(from, flows.from(from));
    if !matches!(flows.from(from).below(), Below::Pipe(_))
        && let Some(pipe) = means.held.take_pipe(from)
    {
        means.stores.pipes.put(pipe);
    }
}

/// Ends a turn: what was lent goes back, and what the connection holds on to is charged.
pub(super) fn end<W: WireTable>(
    ends: &mut Ends<'_, W>,
    flows: &mut Flows,
    session: &Session,
    means: &mut Means<'_>,
) {
    let mut beside_bytes = session.held_bytes();
    for side in [Side::Client, Side::Origin] {
        beside_bytes += ends.end(side).map_or(0, |(wire, _)| wire.held_bytes());
        if session.is_done() {
            flows.from(side).rx.clear();
            flows.from(side).drop_unsent();
        }
        take_back(side, flows, means);
    }
    means.stores.scratch.take_back(flows);
    let budget = &mut means.stores.budget;
    means.held.settle(flows, beside_bytes, session, means.id, budget);
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
