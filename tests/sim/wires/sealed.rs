//! A wire that seals what it takes, over another: whatever an engine may do over a socket, TLS's for example. It has to
//! say something while it reads, keeps what it took, takes nothing before its handshake, opens more than is asked for,
//! and knows an end from a cut. The peer's half is `peer`.

use std::io::{self, ErrorKind};

use smokescreen::io::wire::{Aside, Wire};

use crate::random::Random;
use crate::setting::Spoil;

use super::Stack;
use super::engine::{Engine, Form, Role};
use super::peer::{Manners, Peer};
use super::record::{Kind, Opener};

/// What a seed says of its sealed wires.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temper {
    /// Peers say their ends.
    pub(crate) calm: bool,
    pub(crate) spoil: Spoil,
}

/// What has left through a sealed wire, as its records tell.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) text: Vec<u8>,
    /// The notice of the end came last.
    pub(crate) has_notice: bool,
}

#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) below: Stack,
    pub(super) random: Random,
    /// The proxy's end.
    pub(super) engine: Engine,
    pub(super) peer: Peer,
    role: Role,
    secret: u64,
    spoil: Spoil,
    /// Everything that was ever accepted from the session.
    pub(crate) written: Vec<u8>,
    /// The proxy's engine keeps about so many bytes at most.
    outbox_bytes_max: usize,
    /// So much is read from the wire below at a time.
    read_bytes_max: usize,
    /// What is written before the handshake is refused; else it is kept, as far as there is room.
    refuses_early: bool,
    /// The wire below took no more the last time.
    is_full: bool,
    /// Something waits for the handshake.
    waits: bool,
    /// The handshake came to its end meanwhile.
    again: bool,
    /// A write while reading failed in this way; whoever writes next learns of it.
    failure: Option<ErrorKind>,
    /// The session asked it to say its end, and goes on until that has left.
    pub(crate) was_asked_end: bool,
    /// The wire below was told that nothing more comes.
    has_hung_up: bool,
    /// It was told so, or dropped, with something unsaid: the wire below took no more.
    pub(crate) was_cut_short: bool,
    /// Its reader was told that what came was cut.
    pub(crate) cut_read: bool,
    /// What the proxy did wrong, and what arrived wrong.
    pub(crate) complaints: Vec<String>,
}

impl Sealed {
    /// Seals over `below`; `role` is the proxy's.
    pub(crate) fn new(below: Stack, role: Role, temper: Temper, mut random: Random) -> Sealed {
        let secret = random.bits();
        let mut form = || Form {
            record_bytes_max: random.pick(&[16, 300, 4_000, 16_384]),
            answer_bytes: random.pick(&[10, 300, 3_000]),
            tickets: random.below(3),
        };
        let (ours, theirs) = (form(), form());
        let mut sealed = Sealed {
            engine: Engine::new(role, secret, ours),
            peer: Peer::new(
                Engine::new(role.other(), secret, theirs),
                Manners {
                    is_calm: temper.calm,
                    cuts: !temper.calm && random.one_in(6),
                    // What is sent below behind the end of what is above would make a reset of our close.
                    is_late: temper.calm && matches!(below, Stack::Sealed(_)) || random.one_in(2),
                },
            ),
            below,
            role,
            secret,
            spoil: temper.spoil,
            written: Vec::new(),
            outbox_bytes_max: random.pick(&[64, 1_000, 40_000]),
            read_bytes_max: random.pick(&[5, 600, 20_000]),
            refuses_early: random.one_in(2),
            is_full: false,
            waits: false,
            again: false,
            failure: None,
            was_asked_end: false,
            has_hung_up: false,
            was_cut_short: false,
            cut_read: false,
            complaints: Vec::new(),
            random,
        };
        sealed.peer_push();
        sealed
    }

    /// What these bytes of the wire below are, as far as they are whole records.
    pub(crate) fn sent(&self, below: &[u8]) -> Result<Sent, String> {
        let mut opener = Opener::new(self.role.key(self.secret));
        let mut sent = Sent::default();
        for (kind, bytes) in opener.open(below)? {
            match kind {
                Kind::Text => sent.text.extend(bytes),
                Kind::Notice => sent.has_notice = true,
                _ => {}
            }
        }
        Ok(sent)
    }

    /// Gives the wire below what it takes. Was it anything?
    fn push(&mut self) -> io::Result<bool> {
        let mut has_moved = false;
        self.is_full = false;
        while !self.engine.outbox.is_empty() {
            if self.spoil == Spoil::ClearByte && self.engine.done {
                self.engine.outbox.insert(0, b'G');
                self.spoil = Spoil::Nothing;
            }
            match self.below.write(&self.engine.outbox, &[]) {
                Ok(n) => {
                    has_moved = true;
                    let is_short = n < self.engine.outbox.len();
                    self.engine.note_left(n);
                    if is_short {
                        self.is_full = true;
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_full = true;
                    return Ok(has_moved);
                }
                Err(error) => return Err(error),
            }
        }
        if self.engine.said_end && !self.has_hung_up {
            self.has_hung_up = true;
            self.below.hangup()?;
        }
        Ok(has_moved)
    }

    /// The same where nobody can be told of a failure yet.
    fn push_aside(&mut self) {
        if self.is_full {
            return;
        }
        if let Err(error) = self.push() {
            self.failure = Some(error.kind());
        }
    }

    fn fail_late(&mut self) -> io::Result<()> {
        match self.failure.take() {
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    /// Takes what came from below.
    fn receive(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (was_done, unsaid) = (self.engine.done, self.engine.outbox.len());
        if let Err(complaint) = self.engine.receive(bytes) {
            self.complaints.push(format!("the proxy reads {complaint}"));
            return Err(ErrorKind::InvalidData.into());
        }
        if !was_done && self.engine.done {
            self.again = std::mem::take(&mut self.waits);
        }
        if self.engine.outbox.len() > unsaid && self.random.one_in(2) {
            self.push_aside();
        }
        Ok(())
    }

    /// Takes what is written before the handshake is done, or not.
    fn write_early(&mut self, all: &[u8]) -> io::Result<usize> {
        self.waits = true;
        if self.random.one_in(2) {
            self.push_aside();
        }
        let room = self.outbox_bytes_max.saturating_sub(self.engine.delayed.len());
        if self.refuses_early || room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = room.min(all.len());
        self.engine.say(&all[..n]);
        Ok(n)
    }

    /// Takes less than all only where the wire below takes no more.
    fn write_sealed(&mut self, all: &[u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < all.len() {
            let room = self.outbox_bytes_max.saturating_sub(self.engine.outbox.len());
            if room == 0 {
                match self.push() {
                    Ok(true) => continue,
                    Ok(false) => break,
                    Err(error) if n == 0 => return Err(error),
                    Err(error) => {
                        self.failure = Some(error.kind());
                        break;
                    }
                }
            }
            let piece = room.min(all.len() - n);
            self.engine.say(&all[n..n + piece]);
            n += piece;
        }
        if n == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.random.one_in(2) {
            self.push_aside();
        }
        Ok(n)
    }

    fn end(&mut self) {
        match self.spoil {
            Spoil::LostNotice => self.engine.leave_out_notice(),
            _ => self.engine.end(),
        }
    }
}

impl Wire for Sealed {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let room = into.capacity() - into.len();
        if room == 0 {
            self.complaints.push("read without room".into());
        }
        loop {
            let there = room.min(self.engine.plain.len());
            if there > 0 {
                let n = match self.random.one_in(3) {
                    true => self.random.between(1, there),
                    false => there,
                };
                into.extend(self.engine.plain.drain(..n));
                return Ok(n);
            }
            if self.engine.heard_end {
                return Ok(0);
            }
            let mut sealed = Vec::with_capacity(self.read_bytes_max);
            match self.below.read(&mut sealed) {
                Ok(0) => {
                    self.cut_read = true;
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Ok(_) => self.receive(&sealed)?,
                Err(error) => {
                    self.cut_read |= error.kind() == ErrorKind::UnexpectedEof;
                    return Err(error);
                }
            }
        }
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        self.fail_late()?;
        let all = [first, second].concat();
        if all.is_empty() || self.engine.has_ended() {
            self.complaints
                .push(format!("a write of {} bytes, or behind the end", all.len()));
        }
        let n = match self.engine.done {
            false => self.write_early(&all)?,
            true => self.write_sealed(&all)?,
        };
        self.written.extend(&all[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.fail_late()?;
        if self.spoil == Spoil::LostFlush && self.engine.done && !self.engine.outbox.is_empty() {
            let forgotten = self.engine.outbox.len();
            self.engine.note_left(forgotten);
            self.spoil = Spoil::Nothing;
        }
        loop {
            let has_moved = self.push()?;
            self.below.flush()?;
            if self.under() == 0 {
                return Ok(());
            }
            if !has_moved {
                self.waits |= !self.engine.done;
                return Err(ErrorKind::WouldBlock.into());
            }
        }
    }

    fn under(&self) -> u32 {
        self.engine.waiting_bytes() as u32 + self.below.under()
    }

    fn aside(&mut self) -> Option<Aside> {
        let below = self.below.aside().unwrap_or_default();
        Some(Aside {
            takes_again: std::mem::take(&mut self.again) | below.takes_again,
            ..below
        })
    }

    fn hangup(&mut self) -> io::Result<()> {
        self.was_asked_end = true;
        self.end();
        self.waits |= !self.engine.done;
        // Where there is nothing to say, nobody would flush it.
        match self.engine.outbox.is_empty() || self.random.one_in(2) {
            true => self.push().map(drop),
            false => Ok(()),
        }
    }

    fn close(&mut self) {
        if self.engine.done {
            self.end();
        }
        let failed = self.push().is_err();
        self.was_cut_short = failed || self.under() > 0 || !self.engine.done;
        self.below.close();
    }

    fn close_says_end(&self) -> bool {
        false
    }

    fn abort(&mut self) {
        self.below.abort();
    }

    fn has_news(&mut self) -> bool {
        let holds = !self.engine.plain.is_empty() || self.engine.heard_end || self.engine.holds_part();
        holds || self.below.has_news()
    }

    fn held_bytes(&self) -> usize {
        self.engine.held_bytes() + self.below.held_bytes()
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.below.take_error()
    }

    fn short_read_means_drained(&self) -> bool {
        false
    }
}
