//! The dumb half: moves bytes of one direction between two wires as far as gate and kernel allow. What the
//! bytes mean is not known here.

use std::io;
use std::time::Instant;

use crate::flow::{Flow, GRANTED_BYTES, Gate};
use crate::net::IoFail;

use super::wire::{Ready, Wire, io_fail};

/// What one step of the pump came to.
#[derive(Debug)]
pub enum Pumped {
    /// So many bytes moved, or an end did (0).
    Moved(usize),
    /// Nothing to do, or the kernel takes or gives nothing now.
    Idle,
    /// The gate holds, the sender goes on, and the byte budget is spent: the session must give up.
    Starved,
    /// The wire broke.
    Failed(IoFail),
}

/// Reads from `source` what the direction wants. `rx` has either borrowed the scratch buffer or memory of its
/// own; `budget_spent` keeps the latter from growing beyond the grant.
pub fn fill(
    source: &mut impl Wire,
    ready: &mut Ready,
    flow: &mut Flow,
    budget_spent: bool,
    now: Instant,
) -> Pumped {
    if !ready.readable || !flow.wants_bytes() {
        return Pumped::Idle;
    }
    let into = flow.rx.writer();
    if into.capacity() == into.len() {
        if budget_spent && into.len() >= GRANTED_BYTES {
            return if flow.gate == Gate::Hold {
                Pumped::Starved
            } else {
                Pumped::Idle
            };
        }
        into.reserve(GRANTED_BYTES);
    }
    let room = into.capacity() - into.len();
    match source.read(into) {
        Ok(0) => {
            ready.readable = false;
            flow.end = crate::flow::End::Reached;
            Pumped::Moved(0)
        }
        Ok(n) => {
            // A FIN that came with the bytes raises no second edge, so where one was announced the end is
            // read for at once.
            if n < room && source.short_read_means_drained() && !ready.read_closed {
                ready.readable = false;
            }
            flow.touched = now;
            Pumped::Moved(n)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            ready.readable = false;
            Pumped::Idle
        }
        Err(error) => {
            ready.readable = false;
            Pumped::Failed(io_fail(&error))
        }
    }
}

/// Writes to `destination` what may leave: our own bytes first, then what the gate lets pass.
pub fn drain(destination: &mut impl Wire, ready: &mut Ready, flow: &mut Flow, now: Instant) -> Pumped {
    if !flow.has_unsent() {
        if flow.end_is_due() {
            // A half-close that fails leaves nothing to be told: the peer is gone.
            let _ = destination.hangup();
            flow.end = crate::flow::End::Passed;
            return Pumped::Moved(0);
        }
        return Pumped::Idle;
    }
    if !ready.writable {
        return Pumped::Idle;
    }
    let passable = flow.passable();
    let theirs = flow.rx.as_slice().get(..passable).unwrap_or_default();
    let offered = flow.tx.len() + passable;
    match destination.write(flow.tx.as_slice(), theirs) {
        Ok(n) => {
            let ours = n.min(flow.tx.len());
            flow.tx.consume(ours);
            flow.rx.consume(n - ours);
            flow.count_passed(n - ours);
            flow.touched = now;
            if n < offered {
                ready.writable = false;
            }
            Pumped::Moved(n)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            ready.writable = false;
            Pumped::Idle
        }
        Err(error) => {
            ready.writable = false;
            Pumped::Failed(io_fail(&error))
        }
    }
}
