//! A socket in memory, with what a kernel may do: bytes that arrive in pieces, buffers that take a part, EAGAIN, edges
//! that come once, FINs announced or not, resets in either direction at any byte. Knows nothing of messages.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;

use smokescreen::io::wire::{Ready, Wire};

use crate::random::Random;

use super::Ended;

/// So many calls that come to nothing are not made before something happens.
const IDLE_CALLS_MAX: usize = 256;

/// How a wire behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// At most so many bytes are read or written at a time; the rest takes another edge.
    pub(crate) piece_max: usize,
    /// One in so many calls says EAGAIN though it need not; 0: none.
    pub(crate) again_one_in: usize,
    /// Bytes that the proxy may have written ahead of the peer.
    pub(crate) capacity: usize,
    /// As a plain socket; otherwise as something that buffers above it.
    pub(crate) short_read_means_drained: bool,
    /// The poll announces FINs.
    pub(crate) announces: bool,
    /// The wire breaks in this way once so many bytes were read.
    pub(crate) break_read: Option<(usize, ErrorKind)>,
    /// The wire breaks in this way once so many bytes were written.
    pub(crate) break_write: Option<(usize, ErrorKind)>,
}

impl Manner {
    /// Of a wire that is none.
    pub(crate) const DEAF: Manner = Manner {
        piece_max: 1,
        again_one_in: 0,
        capacity: 0,
        short_read_means_drained: true,
        announces: false,
        break_read: None,
        break_write: None,
    };
}

/// A connection: the proxy's end is a [`Wire`], the peer's are the methods that begin with `peer_`.
#[derive(Debug)]
pub(crate) struct MemoryWire {
    pub(crate) manner: Manner,
    random: Random,
    inbound: VecDeque<u8>,
    /// So many bytes of `inbound` have arrived.
    arrived: usize,
    peer_fin: bool,
    fin_arrived: bool,
    /// Both halves: whatever is written from now on is answered by a reset.
    peer_closed: bool,
    /// Everything that was ever accepted from the proxy.
    pub(crate) written: Vec<u8>,
    taken: usize,
    hung_up: bool,
    pub(crate) aborted: bool,
    /// The proxy closed it.
    pub(crate) closed: bool,
    /// The peer sees a reset.
    peer_sees_reset: bool,
    failure: Option<ErrorKind>,
    /// It was reset, from either end or on the way.
    pub(crate) broken: bool,
    pub(crate) read_bytes: usize,
    wants_room: bool,
    owes_read_edge: bool,
    owes_failure_edge: bool,
    /// Calls that came to nothing since something happened.
    idle_calls: usize,
    /// What the proxy did wrong.
    pub(crate) complaints: Vec<String>,
}

impl MemoryWire {
    pub(crate) fn new(manner: Manner, random: Random) -> MemoryWire {
        MemoryWire {
            manner,
            random,
            inbound: VecDeque::new(),
            arrived: 0,
            peer_fin: false,
            fin_arrived: false,
            peer_closed: false,
            written: Vec::new(),
            taken: 0,
            hung_up: false,
            aborted: false,
            closed: false,
            peer_sees_reset: false,
            failure: None,
            broken: false,
            read_bytes: 0,
            wants_room: false,
            owes_read_edge: false,
            owes_failure_edge: false,
            idle_calls: 0,
            complaints: Vec::new(),
        }
    }

    /// Does the network owe the proxy anything?
    pub(crate) fn owes_news(&self) -> bool {
        if self.closed {
            return false;
        }
        self.owes_read_edge
            || self.owes_failure_edge
            || !self.broken && (self.arrived < self.inbound.len() || self.fin_can_arrive())
            || self.wants_room && self.room() > 0
    }

    fn fin_can_arrive(&self) -> bool {
        let all_arrived = self.arrived == self.inbound.len();
        // A FIN that nobody announces must raise an edge of its own, behind the last byte.
        let silent = !self.manner.announces && self.manner.short_read_means_drained;
        self.peer_fin && !self.fin_arrived && all_arrived && (!silent || self.inbound.is_empty())
    }

    /// Something happens: bytes arrive, room appears, an end is told.
    pub(crate) fn stir(&mut self, ready: &mut Ready) {
        self.idle_calls = 0;
        if std::mem::take(&mut self.owes_failure_edge) {
            *ready = Ready {
                readable: true,
                writable: true,
                read_closed: true,
                failed: true,
                ..Ready::default()
            };
        }
        if self.wants_room && self.room() > 0 {
            self.wants_room = false;
            ready.writable = true;
        }
        if std::mem::take(&mut self.owes_read_edge) {
            ready.readable |= self.arrived > 0 || self.broken || self.fin_arrived;
        }
        let on_the_way = self.inbound.len() - self.arrived;
        if !self.broken && on_the_way > 0 {
            self.arrived += self.random.between(1, on_the_way);
            ready.readable = true;
        }
        if !self.broken && self.fin_can_arrive() && !self.random.one_in(3) {
            self.fin_arrived = true;
            ready.readable = true;
            ready.read_closed |= self.manner.announces;
        }
    }

    fn room(&self) -> usize {
        (self.manner.capacity + self.taken).saturating_sub(self.written.len())
    }

    fn fail(&mut self, kind: ErrorKind) {
        if !self.broken {
            self.broken = true;
            self.failure = Some(kind);
            self.owes_failure_edge = true;
            self.peer_sees_reset = true;
            self.inbound.truncate(self.arrived);
        }
    }

    /// A piece of at most `n` bytes; the rest takes another edge.
    fn piece(&mut self, n: usize) -> usize {
        let most = n.min(self.manner.piece_max);
        if self.random.one_in(2) {
            most
        } else {
            self.random.between(1, most)
        }
    }

    /// The peer sends; false: it was told that nobody reads.
    pub(crate) fn peer_send(&mut self, bytes: &[u8]) -> bool {
        if self.closed {
            self.peer_sees_reset = true;
        }
        if self.peer_sees_reset || self.broken {
            return false;
        }
        assert!(!self.peer_fin, "a peer of the test sends behind its FIN");
        self.inbound.extend(bytes);
        true
    }

    /// The peer half-closes.
    pub(crate) fn peer_fin(&mut self) {
        self.peer_fin = true;
    }

    /// The peer closes both halves.
    pub(crate) fn peer_close(&mut self) {
        self.peer_fin = true;
        self.peer_closed = true;
        if self.taken < self.written.len() {
            self.fail(ErrorKind::ConnectionReset);
        }
    }

    /// The peer is gone in this way.
    pub(crate) fn peer_reset(&mut self, kind: ErrorKind) {
        self.peer_closed = true;
        if !self.closed {
            self.fail(kind);
        }
    }

    /// Is there anything for the peer to take, bytes or an end?
    pub(crate) fn peer_has_news(&self) -> bool {
        !self.peer_closed && (self.peer_sees_reset || self.taken < self.written.len() || self.peer_sees_fin())
    }

    fn peer_sees_fin(&self) -> bool {
        self.hung_up || self.closed
    }

    /// The peer takes at most `most` bytes, or learns of the end.
    pub(crate) fn peer_take(&mut self, most: usize) -> Result<Vec<u8>, Ended> {
        if self.peer_sees_reset {
            return Err(Ended::Reset);
        }
        if self.taken == self.written.len() && self.peer_sees_fin() {
            return Err(Ended::Fin);
        }
        let from = self.taken;
        self.taken = self.written.len().min(from + most);
        Ok(self.written[from..self.taken].to_vec())
    }

    /// The proxy drops it. Unread bytes, or an abort, become a reset that overtakes what the peer has not taken yet.
    pub(crate) fn shut(&mut self) {
        if self.closed {
            self.complaints.push("closed twice".into());
        }
        self.closed = true;
        if self.aborted || !self.inbound.is_empty() {
            self.peer_sees_reset = true;
        }
        self.inbound.clear();
        self.arrived = 0;
    }
}

impl MemoryWire {
    /// So many of the bytes that are there are read now.
    fn readable_piece(&mut self, room: usize) -> io::Result<usize> {
        if self.closed {
            self.complaints.push("read after close".into());
        }
        if room == 0 {
            self.complaints.push("read without room".into());
        }
        let mut there = self.arrived.min(room);
        if let Some((at, kind)) = self.manner.break_read {
            if self.read_bytes >= at {
                self.arrived = 0;
                self.fail(kind);
                // What arrived before another failure is lost too, and that is no end.
                self.failure = Some(kind);
                self.manner.break_read = None;
                there = 0;
            }
            there = there.min(at.saturating_sub(self.read_bytes));
        }
        if there == 0 {
            return match self.failure.take() {
                Some(kind) => Err(kind.into()),
                None if self.broken || self.fin_arrived => Ok(0),
                None => Err(self.would_block()),
            };
        }
        if self.random.one_in(self.manner.again_one_in) {
            self.owes_read_edge = true;
            return Err(self.would_block());
        }
        let n = self.piece(there);
        // Whoever takes a short read for the last one must hear of the rest again.
        self.owes_read_edge |= n < self.arrived || self.broken || self.fin_arrived && !self.manner.announces;
        self.arrived -= n;
        self.read_bytes += n;
        Ok(n)
    }

    /// Nobody asks again and again though nothing happens.
    fn would_block(&mut self) -> io::Error {
        self.idle_calls += 1;
        if self.idle_calls == IDLE_CALLS_MAX {
            self.complaints
                .push(format!("{IDLE_CALLS_MAX} calls that came to nothing"));
        }
        ErrorKind::WouldBlock.into()
    }

    /// So many of the bytes offered are taken now.
    fn writable_piece(&mut self, offered: usize) -> io::Result<usize> {
        if self.closed || self.hung_up {
            self.complaints.push("write after close or half-close".into());
        }
        if offered == 0 {
            self.complaints.push("write of nothing".into());
        }
        if let Some((at, kind)) = self.manner.break_write
            && self.written.len() >= at
        {
            self.manner.break_write = None;
            self.fail(kind);
        }
        if let Some(kind) = self.failure.take() {
            return Err(kind.into());
        }
        if self.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut fits = offered.min(self.room());
        if let Some((at, _)) = self.manner.break_write {
            fits = fits.min(at - self.written.len());
        }
        if fits == 0 || self.random.one_in(self.manner.again_one_in) {
            self.wants_room = true;
            return Err(self.would_block());
        }
        let n = self.piece(fits);
        self.wants_room |= n < offered;
        Ok(n)
    }

    fn note_written(&mut self) {
        if self.peer_closed {
            self.fail(ErrorKind::ConnectionReset);
        }
    }
}

impl Wire for MemoryWire {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let n = self.readable_piece(into.capacity() - into.len())?;
        into.extend(self.inbound.drain(..n));
        Ok(n)
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let n = self.writable_piece(first.len() + second.len())?;
        self.written.extend(first.iter().chain(second).take(n));
        self.note_written();
        Ok(n)
    }

    fn can_splice(&self) -> bool {
        true
    }

    fn splice_to(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        let n = self.readable_piece(n)?;
        if n > 0 {
            let bytes: Vec<u8> = self.inbound.drain(..n).collect();
            assert_eq!(rustix::io::write(pipe, &bytes)?, n, "the pipe was not empty");
        }
        Ok(n)
    }

    fn splice_from(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        let n = self.writable_piece(n)?;
        let mut bytes = vec![0; n];
        assert_eq!(rustix::io::read(pipe, &mut bytes)?, n, "the pipe holds less");
        self.written.extend(bytes);
        self.note_written();
        Ok(n)
    }

    fn hangup(&mut self) -> io::Result<()> {
        if self.closed {
            self.complaints.push("half-close after close".into());
        }
        self.hung_up = true;
        Ok(())
    }

    fn abort(&mut self) {
        self.aborted = true;
    }

    /// A reset that was not announced is still on its way.
    fn has_news(&mut self) -> bool {
        self.arrived > 0 || self.fin_arrived || self.broken && !self.owes_failure_edge
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.failure.take().map(io::Error::from)
    }

    fn short_read_means_drained(&self) -> bool {
        self.manner.short_read_means_drained
    }
}
