//! Where control and data meet: one turn of one connection. Session and pump alternate over the two flows
//! until neither moves. Generic over the wires, so that the simulation runs this very code.

use crate::flow::{End, Flow, Flows};
use crate::io::budget::Budget;
use crate::io::pump::{self, Pumped};
use crate::io::wire::{Ready, Wire, io_fail};
use crate::net::Side;
use crate::session::{Cx, Input, Session};

/// Bytes one connection may move before it is another's turn.
pub const TURN_BYTES: usize = 256 * 1024;

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

/// What a turn works with beside the connection itself.
pub struct Means<'a> {
    /// The loop's buffer, lent to one direction at a time; empty between turns.
    pub scratch: &'a mut Vec<u8>,
    /// The bytes all connections may hold.
    pub budget: &'a mut Budget,
    /// What this connection was charged, (up, down).
    pub charged: &'a mut [u32; 2],
    /// Bytes this connection may still move in its turn.
    pub allowance_bytes: usize,
}

/// Runs both directions until nothing moves, the session acts, or the allowance is spent.
pub fn run<E: Ends>(
    ends: &mut E,
    flows: &mut Flows,
    session: &mut Session,
    cx: &mut Cx<'_>,
    means: &mut Means<'_>,
) -> Turn {
    loop {
        let mut moved = false;
        for from in [Side::Client, Side::Origin] {
            while step(from, ends, flows, session, cx, means) {
                moved = true;
                if session.is_done() || !cx.actions.is_empty() || means.allowance_bytes == 0 {
                    break;
                }
            }
            take_back(from, flows, means);
            if session.is_done() || !cx.actions.is_empty() {
                return Turn::Acts;
            }
            if means.allowance_bytes == 0 {
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
    let to = other(from);
    let drained = match ends.end(to) {
        Some((wire, ready)) => pump::drain(wire, ready, flows.from(from), cx.now),
        None => Pumped::Idle,
    };
    let mut moved = tell(drained, Input::Unwritable, to, flows, session, cx, means);
    if session.is_done() || !cx.actions.is_empty() {
        return moved;
    }
    lend(flows.from(from), means);
    let Some((wire, ready)) = ends.end(from) else {
        return moved;
    };
    let filled = match unread_failure(wire, ready, from, flows.from(from)) {
        Some(failed) => failed,
        None => pump::fill(wire, ready, flows.from(from), means.budget.is_spent(), cx.now),
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

/// An empty direction reads into the loop's own buffer; what it can't pass on at once is copied out again.
/// With the budget spent it gets no more than the grant. Memory of its own, which is just as large as the last
/// rest was, goes: reading into that, a direction would go on in pieces of a few bytes.
fn lend(flow: &mut Flow, means: &mut Means<'_>) {
    let lent = means.scratch.capacity() == 0;
    if lent || !flow.rx.is_empty() || !flow.wants_bytes() {
        return;
    }
    flow.rx.release();
    if !means.budget.is_spent() {
        flow.rx.swap_memory(means.scratch);
    }
}

fn take_back(from: Side, flows: &mut Flows, means: &mut Means<'_>) {
    let flow = flows.from(from);
    if means.scratch.capacity() == 0 {
        if flow.rx.is_empty() {
            flow.rx.clear();
            flow.rx.swap_memory(means.scratch);
        } else {
            *means.scratch = flow.rx.give_back();
        }
    }
    if flow.rx.is_empty() {
        flow.rx.release();
    }
    for (flow, charged) in [&mut flows.up, &mut flows.down]
        .into_iter()
        .zip(means.charged.iter_mut())
    {
        if flow.tx.is_empty() && flow.tx.capacity() > 0 {
            flow.tx.release();
        }
        *charged = means.budget.settle(flow, *charged);
    }
}

/// The other side.
pub fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Origin,
        Side::Origin => Side::Client,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Instant;

    use super::*;
    use crate::flow::Gate;

    /// A wire that was reset.
    struct Reset;

    impl Wire for Reset {
        fn read(&mut self, _: &mut Vec<u8>) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
        fn write(&mut self, _: &[u8], _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
        fn hangup(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn abort(&mut self) {}
        fn take_error(&mut self) -> Option<io::Error> {
            Some(io::ErrorKind::ConnectionReset.into())
        }
        fn short_read_means_drained(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_reset_behind_a_fin_is_noticed() {
        for from in [Side::Client, Side::Origin] {
            let mut ready = Ready {
                failed: true,
                ..Ready::default()
            };
            let mut flow = Flow::new(Gate::Open, Instant::now());
            flow.end = End::Passed;
            let noticed = unread_failure(&mut Reset, &mut ready, from, &flow);
            assert!(matches!(noticed, Some(Pumped::Failed(_))) && !ready.failed);
        }
    }

    /// Lends to a direction whose last byte of a rest has just left.
    fn lent(budget: &mut Budget) -> (Flow, Vec<u8>) {
        let mut flow = Flow::new(Gate::Open, Instant::now());
        flow.rx.push(b"x");
        flow.rx.give_back();
        flow.rx.consume(1);
        let (mut scratch, mut charged) = (Vec::with_capacity(65536), [0; 2]);
        let mut means = Means {
            scratch: &mut scratch,
            budget,
            charged: &mut charged,
            allowance_bytes: TURN_BYTES,
        };
        lend(&mut flow, &mut means);
        lend(&mut flow, &mut means);
        (flow, scratch)
    }

    #[test]
    fn the_size_of_a_rest_does_not_bound_the_reads_after_it() {
        let (flow, scratch) = lent(&mut Budget::new(1));
        assert_eq!((flow.rx.capacity(), scratch.capacity()), (65536, 0));
    }

    #[test]
    fn with_the_budget_spent_memory_is_made_anew() {
        let (flow, scratch) = lent(&mut Budget::new(0));
        assert_eq!((flow.rx.capacity(), scratch.capacity()), (0, 65536));
    }
}
