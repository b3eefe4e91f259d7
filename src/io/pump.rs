//! The dumb half: moves bytes of one direction between two wires as far as gate and kernel allow, by copying or, where
//! there are many, through a pipe of the kernel. What the bytes mean is not known here.

use std::io;
use std::net::IpAddr;

use crate::clock::Instant;
use crate::flow::{Below, End, Flow, GRANTED_BYTES, Gate};
use crate::net::{ClientKey, IoFail, IoFailKind};
use crate::text::slices::within;

use super::pipe::{self, Pipe, Pipes};
use super::wire::{Ready, Wire, io_fail};

/// What one step of the pump came to.
#[derive(Debug)]
pub enum Pumped {
    /// Bytes moved, or an end did (0). Spliced ones cost less than copied ones and count half, and only as they leave.
    Moved(usize),
    /// Bytes went into the pipe: nothing that the session could look at.
    Piped,
    /// Nothing to do, or the kernel takes or gives nothing now.
    Idle,
    /// The gate holds, the sender goes on, and there is no room in the byte budget.
    Starved,
    /// The wire broke.
    Failed(IoFail),
}

/// A direction's way around the process.
pub struct Bypass<'a> {
    /// The pipe it has, if any. It stays with it while there are bytes in it.
    pub pipe: &'a mut Option<Box<Pipe>>,
    /// Where pipes come from.
    pub pipes: &'a mut Pipes,
    /// On whose account.
    pub client: IpAddr,
    /// The destination can be written to from a pipe.
    pub is_open: bool,
}

/// Reads from `source` what the direction wants. `rx` has either borrowed the scratch buffer or memory of its
/// own; the latter grows beyond the grant only where there is room for it.
pub fn fill(
    source: &mut impl Wire,
    ready: &mut Ready,
    flow: &mut Flow,
    bypass: Bypass<'_>,
    has_room: bool,
    now: Instant,
) -> Pumped {
    if !ready.readable || !flow.wants_bytes() {
        return Pumped::Idle;
    }
    let worth = bypass.pipes.worth;
    // A splice finds nothing at an urgent mark, and nothing behind it.
    if bypass.is_open
        && !ready.urgent
        && worth.covers(flow)
        && source.can_splice()
        && let Some(pumped) = fill_pipe(source, ready, flow, bypass, now)
    {
        return pumped;
    }
    let held_bytes = flow.rx.len();
    let into = flow.rx.writer();
    if into.capacity() == into.len() {
        // Behind an announced end nothing more comes, and only reading it tells that the source is gone.
        if !has_room && !ready.read_closed && held_bytes >= GRANTED_BYTES {
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
            flow.note_end();
            Pumped::Moved(0)
        }
        Ok(n) => {
            // A FIN that came with the bytes raises no second edge, so where one was announced the end is
            // read for at once.
            if n < room && source.short_read_means_drained() && !ready.read_closed && !ready.urgent {
                ready.readable = false;
            }
            flow.pace = worth.after_read(flow, n);
            flow.touched = now;
            Pumped::Moved(n)
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ready.readable = false;
            flow.end = End::Cut;
            Pumped::Moved(0)
        }
        Err(error) => stopped(&mut ready.readable, &error),
    }
}

/// Reads into the direction's pipe; `None` where a read is to be tried, for want of a pipe or of bytes that a splice
/// finds. Nothing of the direction waits elsewhere, and the pipe is empty: so `WouldBlock` is the source's.
fn fill_pipe(
    source: &mut impl Wire,
    ready: &mut Ready,
    flow: &mut Flow,
    bypass: Bypass<'_>,
    now: Instant,
) -> Option<Pumped> {
    // Bytes that were given up must not be taken for those that come now.
    if bypass.pipe.as_ref().is_none_or(|pipe| !pipe.is_empty()) {
        *bypass.pipe = None;
        *bypass.pipe = bypass.pipes.take(ClientKey::of(bypass.client), now);
    }
    let pipe = bypass.pipe.as_mut()?;
    let piece_bytes = bypass.pipes.piece_bytes();
    let n = match flow.gate {
        Gate::Pass(n) => usize::try_from(n).unwrap_or(usize::MAX).min(piece_bytes),
        Gate::Metered { left: Some(n), .. } => {
            usize::try_from(n.get()).unwrap_or(usize::MAX).min(piece_bytes)
        }
        Gate::Hold | Gate::Open | Gate::Metered { left: None, .. } => piece_bytes,
    };
    match pipe.fill(source, n) {
        // The end, or an urgent mark before it that the poll has not told of yet: a read tells which.
        Ok(0) => None,
        Ok(n) => {
            flow.set_piped(u32::try_from(n).unwrap_or(u32::MAX));
            flow.pace = bypass.pipes.worth.after_splice(flow, n);
            flow.touched = now;
            Some(Pumped::Piped)
        }
        Err(error) if pipe::is_refusal(&error) => {
            // Given back, it would be the next to be tried.
            *bypass.pipe = None;
            bypass.pipes.refuse(now);
            None
        }
        Err(error) => Some(stopped(&mut ready.readable, &error)),
    }
}

/// Writes out of the direction's pipe, in which so many bytes are. Only `WouldBlock` says that the destination is full.
fn drain_pipe(
    destination: &mut impl Wire,
    ready: &mut Ready,
    flow: &mut Flow,
    piped_bytes: u32,
    pipe: Option<&mut Pipe>,
    now: Instant,
) -> Pumped {
    let Some(pipe) = pipe else {
        flow.drop_unsent();
        return Pumped::Failed(IoFail {
            kind: IoFailKind::Other,
            text: "a pipe is gone".into(),
        });
    };
    let n = flow.pipe_passable(piped_bytes as usize);
    if n == 0 {
        return Pumped::Idle;
    }
    match pipe.drain(destination, n) {
        Ok(n) => {
            flow.set_piped(piped_bytes.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX)));
            flow.count_passed(n);
            flow.touched = now;
            Pumped::Moved(n / 2)
        }
        Err(error) => stopped(&mut ready.writable, &error),
    }
}

/// Lets the destination's wire give the kernel what it took before, so many bytes.
fn flush(
    destination: &mut impl Wire,
    ready: &mut Ready,
    flow: &mut Flow,
    before: u32,
    now: Instant,
) -> Pumped {
    let flushed = destination.flush();
    let left = destination.under();
    flow.note_under(left);
    if left < before {
        flow.touched = now;
    }
    match flushed {
        Ok(()) => Pumped::Moved((before - left.min(before)) as usize),
        Err(error) => stopped(&mut ready.writable, &error),
    }
}

/// Writes to `destination` what may leave: what waits below, then our own bytes, then what the gate lets pass.
pub fn drain(
    destination: &mut impl Wire,
    ready: &mut Ready,
    flow: &mut Flow,
    pipe: Option<&mut Pipe>,
    now: Instant,
) -> Pumped {
    if !flow.has_unsent() {
        if flow.end_is_due() {
            hang_up(destination, flow);
            flow.end = End::Passed;
            return Pumped::Moved(0);
        }
        return Pumped::Idle;
    }
    if !ready.writable {
        return Pumped::Idle;
    }
    match flow.below() {
        Below::Nothing => write(destination, ready, flow, now),
        Below::Pipe(bytes) => drain_pipe(destination, ready, flow, bytes, pipe, now),
        Below::Engine(bytes) => flush(destination, ready, flow, bytes, now),
    }
}

/// Half-closes the destination; what tells of it may wait there. A half-close that fails leaves nothing to be told: the
/// peer is gone, which reading finds out.
pub fn hang_up(destination: &mut impl Wire, flow: &mut Flow) {
    let _ = destination.hangup();
    flow.note_under(destination.under());
}

/// Writes our own bytes, then what the gate lets pass.
fn write(destination: &mut impl Wire, ready: &mut Ready, flow: &mut Flow, now: Instant) -> Pumped {
    let passable = flow.passable();
    let theirs = within(flow.rx.as_slice(), ..passable);
    let offered = flow.tx.len() + passable;
    let written = destination.write(flow.tx.as_slice(), theirs);
    let under = destination.under();
    flow.note_under(under);
    match written {
        Ok(n) => {
            let ours = n.min(flow.tx.len());
            flow.tx.consume(ours);
            flow.rx.consume(n - ours);
            flow.count_passed(n - ours);
            flow.touched = now;
            // Of a wire that keeps some of it, only flushing tells whether the kernel takes more.
            if n < offered && under == 0 {
                ready.writable = false;
            }
            Pumped::Moved(n)
        }
        // Likewise: it may have refused for want of a handshake, of which it holds a part.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && under > 0 => {
            flush(destination, ready, flow, under, now)
        }
        Err(error) => stopped(&mut ready.writable, &error),
    }
}

/// What an error comes to: nothing is to be had from the wire until the poll says so again, or ever.
fn stopped(ready: &mut bool, error: &io::Error) -> Pumped {
    *ready = false;
    match error.kind() {
        io::ErrorKind::WouldBlock => Pumped::Idle,
        _ => Pumped::Failed(io_fail(error)),
    }
}

#[cfg(test)]
#[path = "pump_tests.rs"]
mod tests;
