//! How an engine writes: text is sealed a roomful at a time, and what the wire below does not take is kept; and how it says
//! its end.

use std::io;

use rustls::unbuffered::EncryptError;

use crate::text::slices::within;

use super::super::Wire;
use super::Engine;
use super::core::{Stop, Traffic, append_sealed};
use super::room::{RECORD_TEXT_BYTES, ROOM_BYTES, roomful};

/// What a record that rustls seals has beside its text, at most.
const SEALED_OVERHEAD_BYTES: usize = 64;

impl Engine {
    /// See [`Wire::write`]. Before the handshake is done it takes nothing.
    ///
    /// # Errors
    /// `WouldBlock` where nothing was taken; `BrokenPipe` behind a failure, and behind our end.
    pub fn write(&mut self, below: &mut impl Wire, first: &[u8], second: &[u8]) -> io::Result<usize> {
        // Behind our end an engine over this one may still have an alert to write.
        if self.core.failure.is_some() || self.said_end {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.core.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.core.is_due {
            self.flush(below)?;
        }
        let mut outbound = self.room.take_outbound();
        outbound.append(self.core.outbox.bytes());
        self.core.outbox = outbound;
        let written = self.write_through(below, first, second);
        let outbound = std::mem::take(&mut self.core.outbox);
        self.core.outbox = outbound.kept();
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
                self.core.is_due = !self.core.outbox.push(below)?;
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
        match self.append(room_bytes, |traffic, room| traffic.encrypt(text, room)) {
            Stop::Wrote(Ok(())) => Ok(text.len()),
            Stop::Wrote(Err(error)) => Err(io::Error::other(error.to_string())),
            Stop::Full | Stop::Waits | Stop::Failed => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Appends what `seal` writes, into room of so many bytes, to the outbox. What is opened by then is kept.
    fn append(
        &mut self,
        room_bytes: usize,
        mut seal: impl FnMut(&mut dyn Traffic, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Stop<Result<(), EncryptError>> {
        let opened = &mut self.opened;
        let keep = |text: &[u8]| {
            opened.extend_from_slice(text);
            true
        };
        self.core.go_on(&mut self.sealed, keep, |traffic, outbox| {
            append_sealed(outbox, room_bytes, |room| seal(traffic, room))
        })
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
            let stop = self.append(SEALED_OVERHEAD_BYTES, |traffic, room| {
                traffic.queue_close_notify(room)
            });
            debug_assert!(!matches!(stop, Stop::Wrote(Err(_))), "no close_notify");
        }
        (self.said_end, self.core.is_due) = (true, true);
    }
}
