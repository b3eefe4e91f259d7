//! The wires of a seed: in memory (`memory`), or sealed over such a one, once or twice, as TLS would (`sealed`), or with
//! TLS itself (`tls`). What
//! travels over them is not known here.

mod engine;
mod memory;
mod peer;
mod record;
mod sealed;
mod tls;

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;

use smokescreen::io::wire::{Aside, Engine, Ready, Sealing, Secured, Wire};

use crate::random::Random;

pub(crate) use self::engine::Role;
pub(crate) use self::memory::{Manner, MemoryWire};
pub(crate) use self::sealed::{Sealed, Sent, Temper};
pub(crate) use self::tls::{Tls, leaf, sealing};

/// How a stream ended, as its receiver sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// By a FIN; behind the notice of an end where the wire has such.
    Fin,
    /// By a FIN without the notice that the wire has for ends: nobody takes what came for complete.
    Cut,
    Reset,
}

/// A connection as a seed draws it: the proxy's end is a [`Wire`], the peer's are the methods that begin with `peer_`.
#[derive(Debug)]
pub(crate) enum Stack {
    Plain(MemoryWire),
    Sealed(Box<Sealed>),
    Tls(Box<Tls>),
}

/// Calls the same method of whatever it is.
macro_rules! each {
    ($stack:expr, $wire:ident => $call:expr) => {
        match $stack {
            Stack::Plain($wire) => $call,
            Stack::Sealed($wire) => $call,
            Stack::Tls($wire) => $call,
        }
    };
}

impl Stack {
    /// The bottom.
    pub(crate) fn memory(&self) -> &MemoryWire {
        match self {
            Stack::Plain(wire) => wire,
            Stack::Sealed(wire) => wire.below.memory(),
            Stack::Tls(wire) => &wire.below,
        }
    }

    pub(crate) fn memory_mut(&mut self) -> &mut MemoryWire {
        match self {
            Stack::Plain(wire) => wire,
            Stack::Sealed(wire) => wire.below.memory_mut(),
            Stack::Tls(wire) => &mut wire.below,
        }
    }

    /// The layers that seal, from the top.
    pub(crate) fn sealed(&self) -> impl Iterator<Item = &Sealed> {
        std::iter::successors(self.top(), |wire| wire.below.top())
    }

    fn top(&self) -> Option<&Sealed> {
        match self {
            Stack::Plain(_) | Stack::Tls(_) => None,
            Stack::Sealed(wire) => Some(wire),
        }
    }

    /// The wire with TLS itself.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        match self {
            Stack::Plain(_) | Stack::Sealed(_) => None,
            Stack::Tls(wire) => Some(wire),
        }
    }

    /// Lets it do its handshake, of which so much was read.
    pub(crate) fn secure(&mut self, sealing: &Sealing, received: &[u8]) -> io::Result<()> {
        match self {
            Stack::Plain(_) | Stack::Sealed(_) => Err(ErrorKind::Unsupported.into()),
            Stack::Tls(wire) => wire.secure(sealing, received),
        }
    }

    /// The same inside of the tunnel that it is, by this engine.
    pub(crate) fn secure_inside(&mut self, engine: Engine) -> io::Result<()> {
        match self {
            Stack::Plain(_) | Stack::Sealed(_) => Err(ErrorKind::Unsupported.into()),
            Stack::Tls(wire) => {
                wire.secure_inside(engine);
                Ok(())
            }
        }
    }

    /// From now on it speaks TLS with an origin, by this engine of the proxy's.
    pub(crate) fn secure_origin(&mut self, engine: Engine, calm: bool, random: Random) {
        let gone = MemoryWire::new(Manner::DEAF, Random::new(0));
        match std::mem::replace(self, Stack::Plain(gone)) {
            Stack::Plain(below) => *self = Stack::Tls(Box::new(Tls::to_origin(below, engine, calm, random))),
            other => {
                *self = other;
                self.memory_mut()
                    .complaints
                    .push("an origin's wire is secured twice".into());
            }
        }
    }

    /// Everything that was ever accepted from the session.
    pub(crate) fn written(&self) -> &[u8] {
        each!(self, wire => &wire.written)
    }

    /// The proxy closed it.
    pub(crate) fn closed(&self) -> bool {
        self.memory().closed
    }

    /// What was done wrong on it, or arrived wrong.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let tls = self.tls().into_iter().flat_map(|wire| &wire.complaints);
        let above = self.sealed().flat_map(|wire| &wire.complaints).chain(tls);
        above.chain(&self.memory().complaints).cloned().collect()
    }

    /// Does the network owe the proxy anything?
    pub(crate) fn owes_news(&self) -> bool {
        each!(self, wire => wire.owes_news())
    }

    /// Something happens: bytes arrive, room appears, an end is told.
    pub(crate) fn stir(&mut self, ready: &mut Ready) {
        each!(self, wire => wire.stir(ready));
    }

    /// The peer sends; false: it was told that nobody reads.
    pub(crate) fn peer_send(&mut self, bytes: &[u8]) -> bool {
        each!(self, wire => wire.peer_send(bytes))
    }

    /// The peer half-closes.
    pub(crate) fn peer_fin(&mut self) {
        each!(self, wire => wire.peer_fin());
    }

    /// The peer closes both halves.
    pub(crate) fn peer_close(&mut self) {
        each!(self, wire => wire.peer_close());
    }

    /// The peer is gone in this way, or, where a FIN alone is no end, by one.
    pub(crate) fn peer_reset(&mut self, kind: ErrorKind) {
        each!(self, wire => wire.peer_reset(kind));
    }

    /// Is there anything for the peer to take, bytes or an end?
    pub(crate) fn peer_has_news(&self) -> bool {
        each!(self, wire => wire.peer_has_news())
    }

    /// The peer takes at most `most` bytes, or learns of the end. None at all may come of it: what was there was the
    /// engine's.
    pub(crate) fn peer_take(&mut self, most: usize) -> Result<Vec<u8>, Ended> {
        each!(self, wire => wire.peer_take(most))
    }

    /// The proxy drops it without saying its end.
    pub(crate) fn cut(&mut self) {
        match self {
            Stack::Plain(_) => {}
            Stack::Sealed(wire) => wire.was_cut_short = true,
            Stack::Tls(wire) => wire.was_cut_short = true,
        }
        self.shut();
    }

    /// The proxy drops it.
    pub(crate) fn shut(&mut self) {
        self.memory_mut().shut();
    }
}

impl Wire for Stack {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        each!(self, wire => wire.read(into))
    }

    fn aside(&mut self) -> Option<Aside> {
        each!(self, wire => wire.aside())
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        each!(self, wire => wire.write(first, second))
    }

    fn flush(&mut self) -> io::Result<()> {
        each!(self, wire => wire.flush())
    }

    fn under(&self) -> u32 {
        each!(self, wire => wire.under())
    }

    fn secured(&mut self) -> Option<Secured> {
        each!(self, wire => wire.secured())
    }

    fn hangup(&mut self) -> io::Result<()> {
        each!(self, wire => wire.hangup())
    }

    fn close(&mut self) {
        each!(self, wire => wire.close());
    }

    fn close_says_end(&self) -> bool {
        each!(self, wire => wire.close_says_end())
    }

    fn abort(&mut self) {
        each!(self, wire => wire.abort());
    }

    fn has_news(&mut self) -> bool {
        each!(self, wire => wire.has_news())
    }

    fn held_bytes(&self) -> usize {
        match self.closed() {
            true => 0,
            false => each!(self, wire => wire.held_bytes()),
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        each!(self, wire => wire.take_error())
    }

    fn short_read_means_drained(&self) -> bool {
        each!(self, wire => wire.short_read_means_drained())
    }

    fn can_splice(&self) -> bool {
        each!(self, wire => wire.can_splice())
    }

    fn splice_to(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        each!(self, wire => wire.splice_to(pipe, n))
    }

    fn splice_from(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        each!(self, wire => wire.splice_from(pipe, n))
    }
}
