//! Bytes in motion, as words: a buffer (in `buf`), a gate, one direction of a connection. The session sets gates and
//! reads what is held; `io/pump` moves bytes. Neither sockets nor message syntax are known here.

mod buf;
mod metered;

use std::num::NonZeroU64;

use crate::clock::Instant;
use crate::net::Side;
use crate::text::slices::within;

pub use self::buf::Buf;

/// Rests of up to this many bytes are always granted; what a direction holds beyond comes out of the budget.
pub const GRANTED_BYTES: usize = 4096;

/// Passed bytes up to this count are copied behind our own, so that many small pieces leave in one write.
const COALESCED_BYTES_MAX: u64 = 2048;

/// Bytes of our own that may wait before the session is told to stop producing more.
const TX_BYTES_HIGH: usize = 16 * 1024;

/// How many bytes may leave without asking the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// None: the session looks first. More is read meanwhile.
    Hold,
    /// This many; then the session is asked. `Pass(0)` is a shut gate: nothing is read either.
    Pass(u64),
    /// All, until the source ends; that end is then passed on as a half-close.
    Open,
    /// As `Pass(left)`, or, without `left`, as `Open` but for the end: only that of what was read no more than this may
    /// leave before the session is asked again.
    Metered {
        /// So many bytes may leave now.
        granted: u32,
        /// So many are to come in all; none: all, until the source ends.
        left: Option<NonZeroU64>,
    },
}

/// What is known of the end of a source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum End {
    /// More may come.
    Open,
    /// The source's connection broke otherwise than by reading: bytes sent before may still be unread, and whatever end
    /// comes behind them is a cut.
    Broken,
    /// The kernel told of a FIN; bytes sent before it may still be unread.
    Announced,
    /// Everything was read.
    Reached,
    /// Everything was read, and what came behind it was no end: a reset, or a FIN without the notice that the transport
    /// has for ends (TLS's close_notify, RFC 8446, 6.1). Nobody may take what came for complete, so it is never passed on.
    Cut,
    /// Everything was read and the other side told.
    Passed,
}

/// What left the flow and has not reached the destination's kernel yet: it leaves before `tx` and `rx`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Below {
    /// Nothing.
    Nothing,
    /// So many bytes wait in a pipe of the kernel. The gate has not counted them, and they may still be dropped.
    Pipe(u32),
    /// So many bytes wait in the destination's wire, such as in a TLS engine, sealed: they have passed the gate. They need
    /// not be of this direction's: an engine that is read from may have to answer.
    Engine(u32),
}

/// What is known of how fast a direction's bytes come. The pump's note: only it makes use of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Nothing yet.
    #[default]
    Unknown,
    /// In small pieces.
    Slow,
    /// The last piece was large.
    Brisk,
    /// One large piece after another.
    Bulk,
}

/// One direction of a connection: from the source's wire to the destination's.
#[derive(Debug)]
pub struct Flow {
    /// Read from the source, not passed on yet.
    pub rx: Buf,
    /// Written by the session; leaves before anything of `rx`.
    pub tx: Buf,
    /// What waits below both, taken apart: a connection pays for two.
    below_bytes: u32,
    below_in_engine: bool,
    /// How fast the source's bytes come.
    pub pace: Pace,
    /// What may leave of `rx`.
    pub gate: Gate,
    /// The source's end.
    pub end: End,
    /// The destination takes nothing any more: what was meant for it stays here and the source is not read.
    pub dead: bool,
    /// Bytes of `rx` that were passed on, or queued to be, by a tunnel since it began; the session's own are not counted.
    pub moved_bytes: u64,
    /// When a byte last moved.
    pub touched: Instant,
}

impl Flow {
    /// A direction in which nothing has happened yet.
    pub fn new(gate: Gate, now: Instant) -> Flow {
        Flow {
            rx: Buf::default(),
            tx: Buf::default(),
            below_bytes: 0,
            below_in_engine: false,
            pace: Pace::Unknown,
            gate,
            end: End::Open,
            dead: false,
            moved_bytes: 0,
            touched: now,
        }
    }

    /// How many bytes of `rx` may leave now.
    pub fn passable(&self) -> usize {
        match self.gate {
            _ if self.dead => 0,
            Gate::Hold => 0,
            Gate::Pass(n) => usize::try_from(n).unwrap_or(usize::MAX).min(self.rx.len()),
            Gate::Open => self.rx.len(),
            Gate::Metered { granted, .. } => self.rx.len().min(granted as usize),
        }
    }

    /// How many of so many bytes in a pipe may leave now.
    pub fn pipe_passable(&self, piped_bytes: usize) -> usize {
        match self.gate {
            Gate::Metered { granted, .. } => piped_bytes.min(granted as usize),
            Gate::Hold | Gate::Pass(_) | Gate::Open => piped_bytes,
        }
    }

    /// Is there anything to write?
    pub fn has_unsent(&self) -> bool {
        self.below_bytes > 0 || !self.tx.is_empty() || self.passable() > 0
    }

    /// Should the source be read? Passing directions read only when everything before has left: that is all
    /// of back-pressure.
    pub fn wants_bytes(&self) -> bool {
        if self.dead || self.end >= End::Reached {
            return false;
        }
        match self.gate {
            Gate::Hold => self.tx_has_room(),
            Gate::Pass(0) => false,
            Gate::Pass(_) | Gate::Open | Gate::Metered { .. } => {
                self.rx.is_empty() && self.tx.is_empty() && self.below_bytes == 0
            }
        }
    }

    /// May the session add to `tx`?
    pub fn tx_has_room(&self) -> bool {
        self.tx.len() < TX_BYTES_HIGH
    }

    /// Lets the next `n` bytes pass. A small piece that is already there is queued behind our own at once: a body of many
    /// small chunks leaves in few writes, and for one behind its head send(2) takes a third of a microsecond less than
    /// writev(2). Metered ones wait, each to be asked for.
    pub fn pass(&mut self, n: u64, metered: bool) {
        self.gate = Gate::Pass(n);
        if !metered && n <= COALESCED_BYTES_MAX && n <= self.rx.len() as u64 {
            let n_bytes = self.passable();
            self.tx.push(within(self.rx.as_slice(), ..n_bytes));
            self.rx.consume(n_bytes);
            self.count_passed(n_bytes);
        }
    }

    /// Accounts for `n` bytes of the source that left.
    pub fn count_passed(&mut self, n: usize) {
        self.moved_bytes += n as u64;
        match &mut self.gate {
            Gate::Pass(left) => {
                debug_assert!(n as u64 <= *left, "more left than may pass");
                *left = left.saturating_sub(n as u64);
            }
            Gate::Metered { granted, left } => {
                debug_assert!(n <= *granted as usize, "more left than was granted");
                *granted = granted.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX));
                if let Some(bytes) = left {
                    match NonZeroU64::new(bytes.get().saturating_sub(n as u64)) {
                        Some(fewer) => *bytes = fewer,
                        None => self.gate = Gate::Pass(0),
                    }
                }
            }
            Gate::Hold | Gate::Open => {}
        }
    }

    /// Everything up to the source's end has left: the end itself can be passed on.
    pub fn end_is_due(&self) -> bool {
        self.gate == Gate::Open && self.end == End::Reached && !self.dead && !self.has_unsent()
    }

    /// What waits below `tx` and `rx`.
    pub fn below(&self) -> Below {
        match (self.below_bytes, self.below_in_engine) {
            (0, _) => Below::Nothing,
            (bytes, false) => Below::Pipe(bytes),
            (bytes, true) => Below::Engine(bytes),
        }
    }

    /// So many bytes wait in a pipe.
    pub fn set_piped(&mut self, bytes: u32) {
        (self.below_bytes, self.below_in_engine) = (bytes, false);
    }

    /// The source's end was read.
    pub fn note_end(&mut self) {
        self.end = match self.end {
            End::Broken => End::Cut,
            _ => End::Reached,
        };
    }

    /// The cut is all that is left: everything before it has left.
    pub fn is_cut(&self) -> bool {
        self.end == End::Cut && !self.has_unsent()
    }

    /// So many bytes wait in the destination's wire. Did it get more to send?
    pub fn note_under(&mut self, bytes: u32) -> bool {
        if let Below::Pipe(_) = self.below() {
            // A wire that seals its bytes can't splice: it has none waiting.
            return false;
        }
        let more = bytes > self.below_bytes && !self.dead;
        self.below_bytes = if self.dead { 0 } else { bytes };
        self.below_in_engine = true;
        more
    }

    /// The destination is gone: nothing leaves any more and nothing more is read. What was read stays, for it may
    /// belong to the next request.
    pub fn kill(&mut self) {
        self.tx.clear();
        self.below_bytes = 0;
        self.dead = true;
    }

    /// Drops what is on the way to the destination, but for what was read and did not leave yet, and what can't be taken
    /// back. The pump closes a pipe that still holds some of it.
    pub fn drop_unsent(&mut self) {
        self.tx.clear();
        self.drop_piped();
    }

    fn drop_piped(&mut self) {
        if let Below::Pipe(_) = self.below() {
            self.below_bytes = 0;
        }
    }

    /// Nothing will be passed on any more: the end was, or there is nobody to pass it to.
    pub fn is_over(&self) -> bool {
        self.dead || self.end == End::Passed
    }
}

/// Both directions of a connection.
#[derive(Debug)]
pub struct Flows {
    /// From the client to the origin.
    pub up: Flow,
    /// From the origin to the client.
    pub down: Flow,
}

impl Flows {
    /// A new client: its bytes are looked at first.
    pub fn new(now: Instant) -> Flows {
        Flows {
            up: Flow::new(Gate::Hold, now),
            down: Flow::new(Gate::Pass(0), now),
        }
    }

    /// The direction whose source is `side`.
    pub fn from(&mut self, side: Side) -> &mut Flow {
        match side {
            Side::Client => &mut self.up,
            Side::Origin => &mut self.down,
        }
    }

    /// The direction whose destination is `side`.
    pub fn to(&mut self, side: Side) -> &mut Flow {
        match side {
            Side::Client => &mut self.down,
            Side::Origin => &mut self.up,
        }
    }

    /// The origin's connection is gone or another's now: what was on the way to it is dropped, and nothing
    /// of what it sent and was not passed on may be taken for the next one's.
    pub fn forget_origin(&mut self) {
        self.up.tx.clear();
        self.up.below_bytes = 0;
        self.up.gate = Gate::Pass(0);
        self.up.dead = false;
        self.down.drop_piped();
        self.down.rx.clear();
        self.down.gate = Gate::Pass(0);
        self.down.end = End::Open;
    }

    /// The origin takes nothing any more, and what was on the way to it is lost; what it sent before may still be read. Had
    /// it not ended its half? Then its connection broke, and the end that will be read is a cut.
    pub fn lose_origin(&mut self) -> bool {
        self.up.kill();
        let broke = self.down.end == End::Open;
        if broke {
            self.down.end = End::Broken;
        }
        broke
    }

    /// Was either source cut?
    pub fn has_cut(&self) -> bool {
        self.up.end == End::Cut || self.down.end == End::Cut
    }

    /// When a byte last moved, either way.
    pub fn touched(&self) -> Instant {
        self.up.touched.max(self.down.touched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(gate: Gate, rx: &[u8]) -> Flow {
        let mut flow = Flow::new(gate, Instant::now());
        flow.rx.push(rx);
        flow
    }

    #[test]
    fn gates_bound_what_may_leave() {
        assert_eq!(flow(Gate::Hold, b"abc").passable(), 0);
        assert_eq!(flow(Gate::Pass(2), b"abc").passable(), 2);
        assert_eq!(flow(Gate::Pass(9), b"abc").passable(), 3);
        assert_eq!(flow(Gate::Open, b"abc").passable(), 3);
    }

    #[test]
    fn a_passing_direction_reads_only_when_all_has_left() {
        assert!(flow(Gate::Open, b"").wants_bytes());
        assert!(!flow(Gate::Open, b"a").wants_bytes());
        assert!(!flow(Gate::Pass(0), b"").wants_bytes());
        assert!(flow(Gate::Hold, b"a").wants_bytes());
        let mut ended = flow(Gate::Hold, b"a");
        ended.end = End::Reached;
        assert!(!ended.wants_bytes());
    }

    #[test]
    fn small_pieces_join_our_own_bytes() {
        let mut f = flow(Gate::Hold, b"abcdef");
        f.tx.push(b"3\r\n");
        f.pass(3, false);
        assert_eq!(
            (f.tx.as_slice(), f.rx.as_slice()),
            (&b"3\r\nabc"[..], &b"def"[..])
        );
        assert_eq!((f.gate, f.moved_bytes), (Gate::Pass(0), 3));
        f.pass(4, false);
        assert_eq!(
            (f.gate, f.rx.len()),
            (Gate::Pass(4), 3),
            "not there yet: left to the pump"
        );
        f.pass(3, true);
        assert_eq!(
            (f.gate, f.rx.len()),
            (Gate::Pass(3), 3),
            "metered: asked for first"
        );
    }

    #[test]
    fn a_cut_is_never_due() {
        for (before, end) in [
            (End::Open, End::Reached),
            (End::Announced, End::Reached),
            (End::Broken, End::Cut),
        ] {
            let mut f = flow(Gate::Open, b"a");
            f.end = before;
            f.note_end();
            assert_eq!((f.end, f.is_cut()), (end, false));
            f.rx.consume(1);
            assert_eq!(
                (f.end_is_due(), f.is_cut()),
                (end == End::Reached, end == End::Cut)
            );
            assert!(!f.wants_bytes());
        }
    }

    #[test]
    fn what_an_engine_holds_is_unsent_and_can_not_be_dropped() {
        let mut f = flow(Gate::Open, b"");
        f.note_under(7);
        f.drop_unsent();
        assert!(f.has_unsent() && !f.wants_bytes() && f.below() == Below::Engine(7));
        f.note_under(0);
        assert!(!f.has_unsent() && f.wants_bytes());
        f.note_under(7);
        f.kill();
        assert!(!f.has_unsent());
    }

    #[test]
    fn the_end_is_due_only_behind_the_last_byte() {
        let mut f = flow(Gate::Open, b"a");
        f.end = End::Reached;
        assert!(!f.end_is_due());
        f.rx.consume(1);
        assert!(f.end_is_due());
    }
}
