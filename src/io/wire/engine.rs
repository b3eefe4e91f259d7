//! TLS over a wire (RFC 8446, RFC 5246), as a server: seals what is written and opens what is read. rustls does the
//! protocol (`core`); here is what lies between it and the contract of a wire: which bytes are kept, when they leave, what
//! is an end and what a cut. Certificates and keys are `tls`'s business.

mod core;
mod room;

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::server::UnbufferedServerConnection;

use crate::text::slices::within;
use crate::tls::Server;

use self::core::{Core, Stop, append_sealed};
pub(super) use self::room::Room;
use self::room::{ROOM_BYTES, keep, push, roomful};
use super::{Secured, Wire};

/// The text of a full record (RFC 8446, 5.1).
const RECORD_TEXT_BYTES: usize = 16 * 1024;

/// A record as it travels has at most so much beside its text, header included (RFC 8446, 5.2; RFC 5246, 6.2.3).
const RECORD_OVERHEAD_BYTES_MAX: usize = 5 + 2048;

/// What a record that rustls seals has beside its text, at most.
const SEALED_OVERHEAD_BYTES: usize = 64;

/// Behind a failure so much is read at a time, a roomful each, and no more where that was not all.
const SWALLOWED_READS_MAX: usize = 16;

/// One end of a TLS connection, over a wire that it is handed with each call.
pub struct Engine {
    core: Core,
    /// Until the handshake is done: it says whom a certificate names.
    server: Option<Arc<Server>>,
    room: Rc<Room>,
    /// Read from below and not opened: part of a record, or more than there was room for.
    sealed: Vec<u8>,
    /// There may be a whole record in it.
    may_open: bool,
    /// Opened, and more than there was room for.
    opened: Vec<u8>,
    /// The last read left nothing that could be had.
    is_drained: bool,
    takes_again: bool,
    secured: Option<Secured>,
    /// Whoever reads was told of the failure.
    told_failure: bool,
    /// Nothing more is said.
    said_end: bool,
    /// The wire below is to end behind the outbox.
    owes_fin: bool,
}

impl Engine {
    /// For a client that has sent this much.
    ///
    /// # Errors
    /// rustls's, where there is no randomness to be had.
    pub(super) fn new(server: &Arc<Server>, room: &Rc<Room>, received: &[u8]) -> io::Result<Engine> {
        let config = Arc::clone(server.config());
        let connection = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Engine {
            core: Core::new(connection),
            server: Some(Arc::clone(server)),
            room: Rc::clone(room),
            sealed: received.to_vec(),
            may_open: true,
            opened: Vec::new(),
            is_drained: false,
            takes_again: false,
            secured: None,
            told_failure: false,
            said_end: false,
            owes_fin: false,
        })
    }

    /// See [`Wire::read`]. Behind a failure, of which it tells once, it reads on for the end alone: who closed with
    /// something unread would reset the connection, and the alert might never be read.
    ///
    /// # Errors
    /// `InvalidData`: the handshake failed, or what came is no TLS, in words. Others as the contract has them.
    pub fn read(&mut self, below: &mut impl Wire, into: &mut Vec<u8>) -> io::Result<usize> {
        self.is_drained = false;
        if !self.opened.is_empty() {
            return Ok(self.give(into));
        }
        if self.core.failure.is_none() && !self.core.heard_end {
            let mut inbound = self.room.take_inbound();
            inbound.extend_from_slice(&self.sealed);
            let read = self.read_through(below, &mut inbound, into);
            keep(&mut self.sealed, &inbound);
            self.room.put_inbound(inbound);
            // Who has nothing to read may have nothing to write for long.
            self.core.is_due |= read.is_err() && !self.core.outbox.is_empty();
            if !matches!(read, Ok(0)) {
                return read;
            }
        }
        match &self.core.failure {
            Some(words) if !std::mem::replace(&mut self.told_failure, true) => {
                let told = io::Error::new(io::ErrorKind::InvalidData, words.clone());
                // The alert leaves while it can: who hears of this may abort.
                let _ = self.flush(below);
                Err(told)
            }
            Some(_) => self.swallow(below),
            None => Ok(0),
        }
    }

    /// Opens what is there, then what comes, until there is something for the reader. Nothing, where it can get no more.
    fn read_through(
        &mut self,
        below: &mut impl Wire,
        inbound: &mut Vec<u8>,
        into: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut was_short = false;
        loop {
            if std::mem::take(&mut self.may_open) {
                let (n, is_full) = self.open(inbound, into);
                if n > 0 {
                    self.may_open = is_full;
                    self.is_drained = was_short && !is_full;
                    return Ok(n);
                }
                if self.core.heard_end || self.core.failure.is_some() {
                    return Ok(0);
                }
            }
            let wanted = (into.capacity() - into.len()).clamp(RECORD_TEXT_BYTES, ROOM_BYTES);
            inbound.reserve(
                (wanted + RECORD_OVERHEAD_BYTES_MAX)
                    .saturating_sub(inbound.len())
                    .max(1),
            );
            if below.read(inbound)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            was_short = inbound.len() < inbound.capacity() && below.short_read_means_drained();
            self.may_open = true;
        }
    }

    /// Opens what is in `inbound`, and takes it out. How much text was there for the reader, and may there be more of it?
    fn open(&mut self, inbound: &mut Vec<u8>, into: &mut Vec<u8>) -> (usize, bool) {
        let before = into.len();
        let opened = &mut self.opened;
        let take = |text: &[u8]| {
            let fits = text.len().min(into.capacity() - into.len());
            into.extend_from_slice(within(text, ..fits));
            opened.extend_from_slice(within(text, fits..));
            into.len() < into.capacity()
        };
        let stop = self.core.go_on(inbound, take, |_, _| ());
        self.note_handshake();
        if self.core.failure.is_some() && self.server.is_some() {
            // Nobody may be asked anything by somebody who is not known to be who he says.
            into.truncate(before);
            self.opened.clear();
        }
        (into.len() - before, matches!(stop, Stop::Full))
    }

    /// Is the handshake done since this was asked last? Then the peer is known, and writes are taken.
    fn note_handshake(&mut self) {
        if self.server.is_none() || self.core.failure.is_some() || self.core.is_handshaking() {
            return;
        }
        let certified = match &self.server {
            Some(server) => server.certified(self.core.peer_certificates(), SystemTime::now()),
            None => return,
        };
        match certified {
            Ok(certificate) => {
                self.server = None;
                self.takes_again = true;
                self.secured = Some(Secured { certificate });
            }
            Err(words) => self.core.failure = Some(words),
        }
    }

    /// Gives what was opened before.
    fn give(&mut self, into: &mut Vec<u8>) -> usize {
        let n = self.opened.len().min(into.capacity() - into.len());
        into.extend(self.opened.drain(..n));
        if self.opened.is_empty() {
            self.opened = Vec::new();
        }
        n
    }

    /// Reads for the end alone; who sends without end has had it.
    fn swallow(&mut self, below: &mut impl Wire) -> io::Result<usize> {
        self.sealed = Vec::new();
        let mut inbound = self.room.take_inbound();
        let mut read = Ok(0);
        for _ in 0..SWALLOWED_READS_MAX {
            inbound.clear();
            inbound.reserve(ROOM_BYTES);
            read = below.read(&mut inbound);
            if !matches!(read, Ok(1..)) {
                break;
            }
        }
        self.room.put_inbound(inbound);
        read.map(|_| 0)
    }

    /// See [`Wire::write`]. Before the handshake is done it takes nothing.
    ///
    /// # Errors
    /// `WouldBlock` where nothing was taken; `BrokenPipe` behind a failure.
    pub fn write(&mut self, below: &mut impl Wire, first: &[u8], second: &[u8]) -> io::Result<usize> {
        debug_assert!(!self.said_end, "a write behind the end");
        if self.core.failure.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.core.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.core.is_due {
            self.flush(below)?;
        }
        let mut outbound = self.room.take_outbound();
        outbound.append(&mut self.core.outbox);
        self.core.outbox = outbound;
        let written = self.write_through(below, first, second);
        let outbound = std::mem::take(&mut self.core.outbox);
        keep(&mut self.core.outbox, &outbound);
        self.room.put_outbound(outbound);
        written
    }

    /// Seals and sends, a roomful at a time, until the wire below takes no more.
    fn write_through(&mut self, below: &mut impl Wire, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < first.len() + second.len() {
            taken += match taken.checked_sub(first.len()) {
                // Both in one record as far as they go: that is cheaper than two, and than two packets.
                None if !second.is_empty() && first.len() - taken < RECORD_TEXT_BYTES => {
                    let head = within(first, taken..);
                    let tail_bytes = second.len().min(RECORD_TEXT_BYTES - head.len());
                    self.seal(&[head, within(second, ..tail_bytes)].concat())?
                }
                None => self.seal(roomful(within(first, taken..)))?,
                Some(at) => self.seal(roomful(within(second, at..)))?,
            };
            if self.core.outbox.len() >= ROOM_BYTES || taken == first.len() + second.len() {
                self.core.is_due = !push(below, &mut self.core.outbox)?;
                if self.core.is_due {
                    break;
                }
            }
        }
        Ok(taken)
    }

    /// Seals all of a text; gives its length.
    fn seal(&mut self, text: &[u8]) -> io::Result<usize> {
        let records = text.len().div_ceil(RECORD_TEXT_BYTES);
        let room_bytes = text.len() + records * SEALED_OVERHEAD_BYTES;
        let opened = &mut self.opened;
        let take = |text: &[u8]| {
            opened.extend_from_slice(text);
            true
        };
        let stop = self.core.go_on(&mut self.sealed, take, |traffic, outbox| {
            append_sealed(outbox, room_bytes, |room| traffic.encrypt(text, room))
        });
        match stop {
            Stop::Wrote(Ok(())) => Ok(text.len()),
            Stop::Wrote(Err(error)) => Err(io::Error::other(error.to_string())),
            Stop::Full | Stop::Waits | Stop::Failed => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// See [`Wire::flush`].
    ///
    /// # Errors
    /// As the contract has it.
    pub fn flush(&mut self, below: &mut impl Wire) -> io::Result<()> {
        if !push(below, &mut self.core.outbox)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.core.outbox = Vec::new();
        self.core.is_due = false;
        match std::mem::take(&mut self.owes_fin) {
            true => below.hangup(),
            false => Ok(()),
        }
    }

    /// See [`Wire::under`].
    pub fn under(&self) -> u32 {
        match self.core.is_due {
            true => u32::try_from(self.core.outbox.len()).unwrap_or(u32::MAX),
            false => 0,
        }
    }

    /// See [`Wire::takes_again`].
    pub fn takes_again(&mut self) -> bool {
        std::mem::take(&mut self.takes_again)
    }

    /// See [`Wire::secured`].
    pub fn secured(&mut self) -> Option<Secured> {
        self.secured.take()
    }

    /// See [`Wire::hangup`]: a close_notify (RFC 8446, 6.1), and the end of the wire below behind it.
    ///
    /// # Errors
    /// The wire's below.
    pub fn hangup(&mut self, below: &mut impl Wire) -> io::Result<()> {
        if self.said_end {
            return Ok(());
        }
        self.say_end();
        self.owes_fin = true;
        match self.flush(below) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            flushed => flushed,
        }
    }

    /// See [`Wire::close`].
    pub fn close(&mut self, below: &mut impl Wire) {
        if !self.said_end {
            self.say_end();
        }
        // What the socket does not take now it never will: the peer then sees a cut, as it should.
        let _ = self.flush(below);
        below.close();
    }

    /// Seals the notice of the end, where there is somebody to read it.
    fn say_end(&mut self) {
        if !self.core.is_handshaking() && self.core.failure.is_none() {
            let opened = &mut self.opened;
            let take = |text: &[u8]| {
                opened.extend_from_slice(text);
                true
            };
            let stop = self.core.go_on(&mut self.sealed, take, |traffic, outbox| {
                append_sealed(outbox, SEALED_OVERHEAD_BYTES, |room| {
                    traffic.queue_close_notify(room)
                })
            });
            debug_assert!(!matches!(stop, Stop::Wrote(Err(_))), "no close_notify");
        }
        (self.said_end, self.core.is_due) = (true, true);
    }

    /// See [`Wire::has_news`]: of what is kept here.
    pub fn has_news(&self) -> bool {
        !self.opened.is_empty()
            || !self.sealed.is_empty()
            || self.core.heard_end
            || self.core.failure.is_some()
    }

    /// See [`Wire::held_bytes`].
    pub fn held_bytes(&self) -> usize {
        self.sealed.capacity() + self.opened.capacity() + self.core.outbox.capacity()
    }

    /// Did the last read leave nothing that could be had?
    pub fn is_drained(&self) -> bool {
        self.is_drained
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("failure", &self.core.failure)
            .field("heard_end", &self.core.heard_end)
            .field("said_end", &self.said_end)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
