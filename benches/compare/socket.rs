//! A non-blocking socket with what it has to send: a source that repeats, how far it got, how far it shall get.
//! Knows no protocol but TLS, where it is asked for.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::pattern::Source;
use crate::tls::{Sealed, Terms};

/// Most bytes handed to one send(2).
const PIECE: usize = 128 * 1024;

/// A connection of the generator, to a proxy or from one.
pub(crate) struct Socket {
    fd: OwnedFd,
    pub(crate) source: Source,
    /// Position in the source up to which all is sent.
    pub(crate) sent: u64,
    /// Position up to which it shall be sent.
    pub(crate) goal: u64,
    /// In a box, for most have none.
    sealed: Option<Box<Sealed>>,
}

/// What a receive found.
pub(crate) enum Received {
    Bytes(usize),
    End,
    Nothing,
}

impl Socket {
    /// Starts connecting, and speaks TLS on these terms.
    pub(crate) fn connect(
        address: SocketAddr,
        source: Source,
        terms: Option<&Terms>,
    ) -> Result<Socket, String> {
        let sealed = terms.map(Sealed::new).transpose()?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
            .map_err(|error| format!("socket: {error}"))?;
        sockopt::set_tcp_nodelay(&fd, true).map_err(|error| format!("no delay: {error}"))?;
        match net::connect(&fd, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {
                let mut socket = Socket::new(fd, source);
                socket.sealed = sealed.map(Box::new);
                Ok(socket)
            }
            Err(error) => Err(format!("connect: {error}")),
        }
    }

    /// A connection that is there already; not blocking.
    pub(crate) fn new(fd: OwnedFd, source: Source) -> Socket {
        Socket {
            fd,
            source,
            sent: 0,
            goal: 0,
            sealed: None,
        }
    }

    /// Registers it for every change, once.
    pub(crate) fn register(&self, epoll: &OwnedFd, token: u64) -> Result<(), String> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(epoll, &self.fd, EventData::new_u64(token), flags)
            .map_err(|error| format!("epoll_ctl: {error}"))
    }

    /// Sends from another source from now on.
    pub(crate) fn switch(&mut self, source: Source, start: u64, goal: u64) {
        (self.source, self.sent, self.goal) = (source, start, goal);
    }

    /// Sends until it would block, the goal is reached, or `limit` bytes are gone. Returns how many went.
    pub(crate) fn flush(&mut self, limit: usize) -> Result<usize, String> {
        if let Some(sealed) = &mut self.sealed {
            sealed.push(&self.fd)?;
        }
        let mut gone = 0;
        while self.sent < self.goal && gone < limit {
            let rest = self.source.from(self.sent);
            let most = usize::try_from(self.goal - self.sent).unwrap_or(usize::MAX);
            let piece = &rest[..rest.len().min(most).min(PIECE)];
            if let Some(sealed) = &mut self.sealed {
                let taken = sealed.send(&self.fd, piece)?;
                self.sent += taken as u64;
                gone += taken;
                if taken < piece.len() {
                    break;
                }
                continue;
            }
            match net::send(&self.fd, piece, SendFlags::NOSIGNAL) {
                Ok(length) => {
                    self.sent += length as u64;
                    gone += length;
                    if length < piece.len() {
                        break;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(format!("send: {error}")),
            }
        }
        Ok(gone)
    }

    /// Receives once.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, String> {
        if let Some(sealed) = &mut self.sealed {
            return sealed.receive(&self.fd, buffer);
        }
        self.receive_with(buffer, RecvFlags::empty())
    }

    /// Whether there may be more where a receive found so many bytes for a buffer of this length.
    pub(crate) fn may_have_more(&self, length: usize, room: usize) -> bool {
        match &self.sealed {
            Some(sealed) => !sealed.is_drained(),
            None => length == room,
        }
    }

    /// Whether what comes is sealed, so that it has to be received whole.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Receives once, as many bytes as the buffer has, but leaves them in the kernel: the buffer stays as it is.
    pub(crate) fn skip(&self, buffer: &mut [u8]) -> Result<Received, String> {
        self.receive_with(buffer, RecvFlags::TRUNC)
    }

    fn receive_with(&self, buffer: &mut [u8], flags: RecvFlags) -> Result<Received, String> {
        loop {
            return match net::recv(&self.fd, &mut *buffer, flags) {
                Ok((0, _)) => Ok(Received::End),
                Ok((length, _)) => Ok(Received::Bytes(length)),
                Err(Errno::AGAIN) => Ok(Received::Nothing),
                Err(Errno::INTR) => continue,
                Err(error) => Err(format!("recv: {error}")),
            };
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(sealed) = &mut self.sealed {
            sealed.close(&self.fd);
        }
    }
}
