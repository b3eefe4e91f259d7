//! A wire in memory: arrives in pieces, takes what there is room for, ends and breaks when the input says so.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use smokescreen::io::wire::{Ready, Wire};
use smokescreen::io::wires::Owner;

/// A connection: the proxy's end of it, what the poll said, and what its peer did and saw.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) ready: Ready,
    pub(crate) wire: Memory,
    pub(crate) owner: Owner,
}

/// What the proxy reads from and writes to.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Bytes the proxy may read or write at a time.
    piece_max: usize,
    /// Bytes the peer still takes.
    room: usize,
    inbound: VecDeque<u8>,
    fin: bool,
    failure: Option<ErrorKind>,
    broken: bool,
    /// Everything the peer sent, whether or not it was read.
    pub(crate) sent: Vec<u8>,
    /// Everything the peer received.
    pub(crate) received: Vec<u8>,
    hung_up: bool,
    pub(crate) closed: bool,
}

impl Pipe {
    pub(crate) fn new(piece_max: usize, room: usize, owner: Owner) -> Pipe {
        Pipe {
            ready: Ready {
                writable: true,
                ..Ready::default()
            },
            wire: Memory {
                piece_max,
                room,
                inbound: VecDeque::new(),
                fin: false,
                failure: None,
                broken: false,
                sent: Vec::new(),
                received: Vec::new(),
                hung_up: false,
                closed: false,
            },
            owner,
        }
    }

    /// The peer sends.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let Pipe { ready, wire, .. } = self;
        if !wire.fin && !wire.broken && !wire.closed && !bytes.is_empty() {
            wire.inbound.extend(bytes);
            wire.sent.extend(bytes);
            ready.readable = true;
        }
    }

    /// The peer half-closes.
    pub(crate) fn fin(&mut self) {
        if !self.wire.broken && !self.wire.closed {
            self.wire.fin = true;
            self.ready.readable = true;
            self.ready.read_closed = true;
        }
    }

    /// The peer is gone in this way; what the proxy has not read is lost.
    pub(crate) fn fail(&mut self, kind: ErrorKind) {
        if !self.wire.broken && !self.wire.closed {
            self.wire.broken = true;
            self.wire.failure = Some(kind);
            self.wire.inbound.clear();
            self.ready = Ready {
                readable: true,
                writable: true,
                read_closed: true,
                failed: true,
                ..Ready::default()
            };
        }
    }

    /// The peer takes so many bytes more.
    pub(crate) fn make_room(&mut self, bytes: usize) {
        self.wire.room = self.wire.room.saturating_add(bytes);
        self.ready.writable = true;
    }

    /// Raises the edges that a piece left behind; true if there were any.
    pub(crate) fn stir(&mut self) -> bool {
        let readable = !self.wire.inbound.is_empty() && !self.ready.readable;
        let writable = self.wire.room > 0 && !self.ready.writable;
        self.ready.readable |= readable;
        self.ready.writable |= writable;
        readable || writable
    }

    /// Would a connection that nobody uses be dropped?
    pub(crate) fn is_stale(&self) -> bool {
        self.ready.readable || self.ready.read_closed || self.ready.failed
    }

    pub(crate) fn close(&mut self) {
        assert!(!self.wire.closed, "closed twice");
        self.wire.closed = true;
    }
}

impl Wire for Memory {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        assert!(!self.closed, "read after close");
        let room = into.capacity() - into.len();
        assert!(room > 0, "read without room");
        if let Some(kind) = self.failure.take() {
            return Err(kind.into());
        }
        let n = self.inbound.len().min(room).min(self.piece_max);
        if n == 0 {
            return match self.fin || self.broken {
                true => Ok(0),
                false => Err(ErrorKind::WouldBlock.into()),
            };
        }
        into.extend(self.inbound.drain(..n));
        Ok(n)
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        assert!(!self.closed && !self.hung_up, "write after an end");
        let offered = first.len() + second.len();
        assert!(offered > 0, "write of nothing");
        if let Some(kind) = self.failure.take() {
            return Err(kind.into());
        }
        if self.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let n = offered.min(self.room).min(self.piece_max);
        if n == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.received.extend(first.iter().chain(second).take(n));
        self.room -= n;
        Ok(n)
    }

    fn hangup(&mut self) -> io::Result<()> {
        assert!(!self.closed, "half-close after close");
        self.hung_up = true;
        Ok(())
    }

    fn abort(&mut self) {}

    fn has_news(&mut self) -> bool {
        !self.inbound.is_empty() || self.fin || self.broken
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.failure.take().map(io::Error::from)
    }

    fn short_read_means_drained(&self) -> bool {
        self.piece_max == usize::MAX
    }
}
