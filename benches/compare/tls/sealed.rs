//! The client's end of a TLS connection over a socket that does not block. Checks what was agreed on; knows nothing of what
//! is said.

use std::cell::Cell;
use std::io::{self, IoSlice, Read as _, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags};
use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConnection, HandshakeKind, NamedGroup, ProtocolVersion};

use super::Terms;
use crate::socket::Received;

/// Received at a time.
const ROOM_BYTES: usize = 64 * 1024;

thread_local! {
    /// What comes in sealed is in it as long as it is opened.
    static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One client's.
pub(crate) struct Sealed {
    connection: ClientConnection,
    /// What the handshake has to be; `None` once it was looked at.
    expected: Option<HandshakeKind>,
    /// The last receive left nothing.
    is_drained: bool,
}

impl Sealed {
    /// One that has sent nothing yet.
    pub(crate) fn new(terms: &Terms) -> Result<Sealed, String> {
        let resumes = terms.sessions.as_ref().is_some_and(|sessions| sessions.has_any());
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::clone(&terms.config), name);
        Ok(Sealed {
            connection: connection.map_err(|error| format!("TLS: {error}"))?,
            expected: Some(if resumes {
                HandshakeKind::Resumed
            } else {
                HandshakeKind::Full
            }),
            is_drained: false,
        })
    }

    /// Whether the last receive left nothing.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_drained
    }

    /// Takes as much of a text as there is room for, and sends what the socket takes; behind the handshake it follows by
    /// itself.
    pub(crate) fn send(&mut self, fd: &OwnedFd, text: &[u8]) -> Result<usize, String> {
        let taken = self.connection.writer().write(text);
        self.push(fd)?;
        taken.map_err(|error| format!("TLS: {error}"))
    }

    /// Sends what waits for that, as far as the socket takes it.
    pub(crate) fn push(&mut self, fd: &OwnedFd) -> Result<(), String> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Sender(fd)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("send: {error}")),
            }
        }
        Ok(())
    }

    /// Receives once, and more while nothing of it was text.
    pub(crate) fn receive(&mut self, fd: &OwnedFd, buffer: &mut [u8]) -> Result<Received, String> {
        let mut room = ROOM.take();
        room.resize(ROOM_BYTES, 0);
        let received = self.receive_through(fd, &mut room, buffer);
        ROOM.set(room);
        received
    }

    fn receive_through(
        &mut self,
        fd: &OwnedFd,
        room: &mut [u8],
        buffer: &mut [u8],
    ) -> Result<Received, String> {
        // As much as has room in the buffer when it is opened, with what was part of a record.
        let most = buffer.len().saturating_sub(32 * 1024).clamp(4096, room.len());
        loop {
            let length = match net::recv(fd, &mut room[..most], RecvFlags::empty()) {
                Ok((0, _)) if self.expected.is_some() => return Err("an end in the handshake".to_owned()),
                Ok((0, _)) => return Err("a cut".to_owned()),
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(format!("recv: {error}")),
            };
            self.is_drained = length < most;
            let (opened, has_ended) = self.open(&room[..length], buffer)?;
            self.push(fd)?;
            match opened {
                0 if has_ended => return Ok(Received::End),
                0 if self.is_drained => return Ok(Received::Nothing),
                0 => {}
                length => return Ok(Received::Bytes(length)),
            }
        }
    }

    /// Opens all of this; how much text there was, and whether the end was said.
    fn open(&mut self, mut sealed: &[u8], buffer: &mut [u8]) -> Result<(usize, bool), String> {
        let (mut filled, mut has_ended) = (0, false);
        while !sealed.is_empty() && !has_ended {
            self.connection
                .read_tls(&mut sealed)
                .map_err(|error| format!("TLS: {error}"))?;
            let state = self.connection.process_new_packets();
            let state = state.map_err(|error| format!("TLS: {error}"))?;
            has_ended = state.peer_has_closed();
            let text_bytes = state.plaintext_bytes_to_read();
            if text_bytes > 0 {
                let room = buffer
                    .get_mut(filled..filled + text_bytes)
                    .ok_or("more text than there is room for")?;
                self.connection
                    .reader()
                    .read_exact(room)
                    .map_err(|error| format!("TLS: {error}"))?;
                filled += text_bytes;
            }
        }
        self.check()?;
        Ok((filled, has_ended))
    }

    /// Is what was agreed on what was to be?
    fn check(&mut self) -> Result<(), String> {
        if self.expected.is_none() || self.connection.is_handshaking() {
            return Ok(());
        }
        let connection = &self.connection;
        let group = connection.negotiated_key_exchange_group();
        let suite = connection.negotiated_cipher_suite();
        let found = (
            connection.protocol_version(),
            suite.map(|suite| suite.suite()),
            group.map(|group| group.name()),
            connection.handshake_kind(),
        );
        let wanted = (
            Some(ProtocolVersion::TLSv1_3),
            Some(CipherSuite::TLS13_AES_128_GCM_SHA256),
            Some(NamedGroup::X25519),
            self.expected.take(),
        );
        if found != wanted {
            return Err(format!("TLS: {found:?} instead of {wanted:?}"));
        }
        Ok(())
    }

    /// Says the end, if the socket takes it.
    pub(crate) fn close(&mut self, fd: &OwnedFd) {
        if !self.connection.is_handshaking() {
            self.connection.send_close_notify();
            let _ = self.push(fd);
        }
    }
}

/// A socket to send to.
struct Sender<'s>(&'s OwnedFd);

impl Write for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => self.write(one),
            several => Ok(rustix::io::writev(self.0, several)?),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
