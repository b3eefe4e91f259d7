//! A non-blocking socket with what it has to send: a source that repeats, how far it got, how far it shall get.
//! Knows no protocol.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::pattern::Source;

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
}

/// What a receive found.
pub(crate) enum Received {
    Bytes(usize),
    End,
    Nothing,
}

impl Socket {
    /// Starts connecting.
    pub(crate) fn connect(address: SocketAddr, source: Source) -> Result<Socket, String> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let fd = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
            .map_err(|error| format!("socket: {error}"))?;
        sockopt::set_tcp_nodelay(&fd, true).map_err(|error| format!("no delay: {error}"))?;
        match net::connect(&fd, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Socket::new(fd, source)),
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
        let mut gone = 0;
        while self.sent < self.goal && gone < limit {
            let rest = self.source.from(self.sent);
            let most = usize::try_from(self.goal - self.sent).unwrap_or(usize::MAX);
            let piece = &rest[..rest.len().min(most).min(PIECE)];
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
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<Received, String> {
        self.receive_with(buffer, RecvFlags::empty())
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
