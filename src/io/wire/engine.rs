//! TLS over a wire (RFC 8446, RFC 5246), as a server or as a client: seals what is written and opens what is read. rustls does the
//! protocol (`core`); here is what lies between it and the contract of a wire: which bytes are kept, when they leave, what
//! is an end and what a cut. Certificates and keys are `tls`'s business.

mod core;
mod outbox;
mod role;
mod room;
mod writing;

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use crate::net::Peer;
use crate::text::slices::within;
use crate::tls::{Client, Failure, Leaf, Server};

use self::core::{Core, Stop};
use self::outbox::Outbox;
use self::role::Role;
pub(super) use self::room::Room;
use self::room::{RECORD_OVERHEAD_BYTES_MAX, RECORD_TEXT_BYTES, ROOM_BYTES, keep};
use super::{Aside, Secured, Wire};

/// What an engine takes beside the bytes that it keeps: nearly all of it is rustls's state with the keys of both directions.
/// As 4,000 idle tunnels showed it (ARCHITECTURE.md, "TLS: where a microsecond goes").
const ENGINE_BYTES: usize = 3600;

/// A handshake message may be in as many records as a peer likes, and all of them are kept until it is whole: that is less
/// than this in every handshake that means well.
const UNOPENED_BYTES_MAX: usize = 40 * 1024;

/// So many records are opened at a time, however small they are.
const RECORDS_PER_READ_MAX: usize = 32;

/// What each byte of a record costs that is no text of its, in bytes as they count in a turn: small records, and updates of
/// keys, cost more than they are long.
const TOLL: usize = 48;

/// Behind a failure so much is read at a time, a roomful each, and no more where that was not all.
const SWALLOWED_READS_MAX: usize = 16;

/// One end of a TLS connection, over a wire that it is handed with each call.
pub struct Engine {
    core: Core,
    /// Until the handshake is done: it says whom a certificate names.
    judge: Option<Role>,
    room: Rc<Room>,
    /// Read from below and not opened: part of a record, or more than there was room for.
    sealed: Vec<u8>,
    /// There may be a whole record in it.
    may_open: bool,
    /// Opened, and more than there was room for.
    opened: Vec<u8>,
    /// The last read left nothing that could be had.
    is_drained: bool,
    aside: Aside,
    /// Of the peer's certificates, which rustls keeps as long as the connection.
    chain_bytes: usize,
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
    pub(super) fn server(server: &Arc<Server>, room: &Rc<Room>, received: &[u8]) -> io::Result<Engine> {
        let core = Core::server(server.config(), Failure::of_client).map_err(io::Error::other)?;
        Ok(Engine::over(
            core,
            Role::Server(Arc::clone(server)),
            room,
            received,
        ))
    }

    /// For the client of an intercepted tunnel that has sent this much.
    ///
    /// # Errors
    /// As above.
    pub(super) fn inside(leaf: &Leaf, room: &Rc<Room>, received: &[u8]) -> io::Result<Engine> {
        let core = Core::server(leaf.config(), Failure::inside).map_err(io::Error::other)?;
        Ok(Engine::over(core, Role::Inside, room, received))
    }

    /// For a connection that we made, of which the peer has sent this much.
    ///
    /// # Errors
    /// As above, and in words where no certificate can be for the peer's name.
    pub(super) fn client(
        client: &Arc<Client>,
        peer: &Peer,
        room: &Rc<Room>,
        received: &[u8],
    ) -> io::Result<Engine> {
        let core = Core::client(client, peer).map_err(io::Error::other)?;
        Ok(Engine::over(core, Role::Client(peer.trust), room, received))
    }

    fn over(core: Core, judge: Role, room: &Rc<Room>, received: &[u8]) -> Engine {
        Engine {
            core,
            judge: Some(judge),
            room: Rc::clone(room),
            sealed: received.to_vec(),
            may_open: true,
            opened: Vec::new(),
            is_drained: false,
            aside: Aside::default(),
            chain_bytes: 0,
            secured: None,
            told_failure: false,
            said_end: false,
            owes_fin: false,
        }
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
            let read = self.read_lent(below, into);
            // Who has nothing to read may have nothing to write for long.
            self.core.is_due |= read.is_err() && !self.core.outbox.is_empty();
            if !matches!(read, Ok(0)) {
                return read;
            }
        }
        if self.said_end && self.core.failure.is_some() && !self.owes_fin {
            // Nothing may follow our end, no alert either, and nobody waits for what comes.
            (self.core.outbox, self.core.is_due, self.told_failure) = (Outbox::default(), false, true);
        }
        match &self.core.failure {
            Some(failure) if !std::mem::replace(&mut self.told_failure, true) => {
                let told = io::Error::new(io::ErrorKind::InvalidData, failure.clone());
                // The alert leaves while it can: who hears of this may abort.
                let _ = self.flush(below);
                Err(told)
            }
            Some(_) => self.swallow(below),
            None => Ok(0),
        }
    }

    /// Reads into the shared buffer, or, for a reader who takes little, into a small one: no more is read than a record
    /// beyond what it takes.
    fn read_lent(&mut self, below: &mut impl Wire, into: &mut Vec<u8>) -> io::Result<usize> {
        let wanted = (into.capacity() - into.len()).max(RECORD_TEXT_BYTES) + RECORD_OVERHEAD_BYTES_MAX;
        let is_shared = wanted > ROOM_BYTES;
        let mut inbound = match is_shared {
            true => self.room.take_inbound(),
            false => Vec::with_capacity(wanted.max(self.sealed.len() + 1)),
        };
        inbound.extend_from_slice(&self.sealed);
        let read = self.read_through(below, &mut inbound, into);
        keep(&mut self.sealed, &inbound);
        if is_shared {
            self.room.put_inbound(inbound);
        }
        read
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
                let is_over = self.core.heard_end || self.core.failure.is_some();
                if n > 0 {
                    self.may_open = is_full;
                    // Of an end, or a failure, behind the text only the next read tells.
                    self.is_drained = was_short && !is_full && !is_over;
                    return Ok(n);
                }
                if is_over {
                    return Ok(0);
                }
                if is_full {
                    self.may_open = true;
                    continue;
                }
                if inbound.len() > UNOPENED_BYTES_MAX {
                    self.core
                        .fail(Failure::protocol("a handshake message has more than 40 KiB"));
                    return Ok(0);
                }
            }
            if inbound.len() == inbound.capacity() {
                inbound.reserve(RECORD_TEXT_BYTES);
            }
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
        let (opened, sealed_bytes, mut records) = (&mut self.opened, inbound.len(), 0);
        let take = |text: &[u8]| {
            let fits = text.len().min(into.capacity() - into.len());
            into.extend_from_slice(within(text, ..fits));
            opened.extend_from_slice(within(text, fits..));
            records += 1;
            into.len() < into.capacity() && records < RECORDS_PER_READ_MAX
        };
        let stop = self.core.go_on(inbound, take, |_, _| ());
        let text_bytes = into.len() - before + self.opened.len();
        self.aside.toll_bytes += TOLL * (sealed_bytes - inbound.len()).saturating_sub(text_bytes);
        self.note_handshake();
        if self.core.failure.is_some() && self.judge.is_some() {
            // Nobody may be asked anything by somebody who is not known to be who he says.
            into.truncate(before);
            self.opened.clear();
        }
        (into.len() - before, matches!(stop, Stop::Full))
    }

    /// Is the handshake done since this was asked last? Then the peer is known, and writes are taken.
    fn note_handshake(&mut self) {
        let Some(judge) = &self.judge else {
            return;
        };
        if self.core.failure.is_some() || self.core.is_handshaking() {
            return;
        }
        match judge.certified(&self.core, SystemTime::now()) {
            Ok(certificate) => {
                self.judge = None;
                self.chain_bytes = self.core.peer_certificates().iter().map(|der| der.len()).sum();
                self.aside.takes_again = true;
                self.secured = Some(Secured { certificate });
            }
            Err(failure) => self.core.fail(failure),
        }
    }

    /// See [`Wire::aside`].
    pub fn aside(&mut self) -> Aside {
        std::mem::take(&mut self.aside)
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

    /// See [`Wire::flush`].
    ///
    /// # Errors
    /// As the contract has it.
    pub fn flush(&mut self, below: &mut impl Wire) -> io::Result<()> {
        if !self.core.outbox.push(below)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.core.outbox = Outbox::default();
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

    /// See [`Wire::secured`].
    pub fn secured(&mut self) -> Option<Secured> {
        self.secured.take()
    }

    /// See [`Wire::has_answered`].
    pub fn has_answered(&self) -> bool {
        self.core.has_answered()
    }

    /// See [`Wire::has_news`]. What came may be for the engine alone, as tickets are, which servers send behind the handshake
    /// or with its last word: that is none.
    pub fn hears_news(&mut self, below: &mut impl Wire) -> bool {
        let is_unopened = self.may_open && !self.sealed.is_empty();
        let is_known = self.has_news() && !is_unopened || !self.opened.is_empty();
        if is_known || !is_unopened && !below.has_news() {
            return is_known;
        }
        let mut text = Vec::with_capacity(1);
        let read = self.read(below, &mut text);
        // Nothing is taken.
        self.opened.splice(0..0, text);
        self.has_news() || !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The same, of what is kept here.
    pub fn has_news(&self) -> bool {
        !self.opened.is_empty()
            || !self.sealed.is_empty()
            || self.core.heard_end
            || self.core.failure.is_some()
    }

    /// See [`Wire::held_bytes`].
    pub fn held_bytes(&self) -> usize {
        let kept = self.sealed.capacity() + self.opened.capacity() + self.core.outbox.held_bytes();
        ENGINE_BYTES + self.chain_bytes + kept
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
#[path = "engine_client_tests.rs"]
mod client_tests;
#[cfg(test)]
mod tests;
