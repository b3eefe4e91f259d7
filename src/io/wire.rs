//! What a connection reads from and writes to, as the loop sees it: the contract of a wire, and what the poll said of
//! one. A plain socket is in `tcp`, an engine over a wire in `engine`, which comes from `sealing`, both together, as connections have them, in
//! `transport`. No policy.

mod engine;
mod sealed;
mod sealing;
mod tcp;
#[cfg(test)]
pub(crate) mod testing;
mod transport;

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::net::{Certified, IoFail, IoFailKind};
use crate::text::errno;
use crate::tls::Failure;

pub use self::engine::Engine;
pub use self::sealing::Sealing;
pub use self::tcp::Tcp;
pub use self::transport::Transport;

/// What a connection reads from and writes to: a socket, or an engine over one (TLS) that seals what it is given and
/// keeps some of it; later also what is no socket of its own, such as a stream among several on one.
///
/// What is optional here is so for wires that keep nothing back: a plain socket's bytes are with the kernel at once, and
/// its close says the end.
pub trait Wire {
    /// Appends what is there to `into`, at most its spare capacity. `Ok(0)` is the peer's end. `WouldBlock` only where
    /// nothing is left, neither here nor below: no second edge tells of what was kept. Reading may give [`Wire::under`]
    /// something to send, such as an answer of the engine's.
    ///
    /// # Errors
    /// `UnexpectedEof`: the connection ended and its transport's notice of an end did not come. Others are the socket's.
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize>;
    /// What reads cost and changed beside the bytes that they gave, since this was asked last; none, of a wire that reads
    /// nothing for itself.
    fn aside(&mut self) -> Option<Aside> {
        None
    }
    /// Takes `first`, then `second`, in one call where both are there: less than offered only where the peer takes no more
    /// now, or not before something was read, of which [`Wire::aside`] tells. What was taken and is not with the
    /// kernel yet counts in [`Wire::under`].
    ///
    /// # Errors
    /// `WouldBlock` where nothing was taken; others are the socket's.
    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize>;
    /// Gives the kernel what was taken before.
    ///
    /// # Errors
    /// `WouldBlock` where some is left that it takes no more of now, or that may not leave before something was read, as
    /// above; others are the socket's.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// How many bytes wait for [`Wire::flush`].
    fn under(&self) -> u32 {
        0
    }
    /// The handshake came to its end since this was asked last: whom is the other end known to be? Where there is an
    /// answer, [`Wire::aside`] said that it takes bytes again.
    fn secured(&mut self) -> Option<Secured> {
        None
    }
    /// Did it answer a handshake's hello, so that most of the arithmetic is behind it? Not where it asked for another one.
    fn has_answered(&self) -> bool {
        false
    }
    /// Half-close: nothing more will be written. What says so, a notice and then a FIN, may wait for [`Wire::flush`]. To
    /// be asked twice changes nothing.
    ///
    /// # Errors
    /// The socket's: the peer is gone.
    fn hangup(&mut self) -> io::Result<()>;
    /// The wire is about to be dropped: says the end as far as that goes without waiting, where dropping doesn't.
    fn close(&mut self) {}
    /// Does dropping it say the end, so that a half-close before would be a call too many?
    fn close_says_end(&self) -> bool {
        true
    }
    /// Makes the coming close a reset.
    fn abort(&mut self);
    /// Is there anything to be read now, kept here or below: bytes, an end, or an error? Asks the kernel, and takes nothing that
    /// whoever reads would get.
    fn has_news(&mut self) -> bool;
    /// Bytes of memory it holds beside its socket.
    fn held_bytes(&self) -> usize {
        0
    }
    /// The error the kernel keeps for this socket, if any; asking clears it.
    fn take_error(&mut self) -> Option<io::Error>;
    /// A read shorter than the room offered means that nothing more is there now: true of a plain socket, false where
    /// bytes may be kept above it. Asked right behind that read.
    fn short_read_means_drained(&self) -> bool;
    /// Can its bytes go into a pipe and come out of one? Not where they are changed on the way.
    fn can_splice(&self) -> bool {
        false
    }
    /// Moves at most `n` bytes that are there into a pipe. `Ok(0)` is the peer's end, or an urgent mark before it. Only
    /// `WouldBlock` says that no more is there, and only of a pipe that has room.
    ///
    /// # Errors
    /// splice(2)'s.
    fn splice_to(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        let _ = (pipe, n);
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Writes at most `n` bytes out of a pipe, as far as the peer takes them.
    ///
    /// # Errors
    /// splice(2)'s.
    fn splice_from(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        let _ = (pipe, n);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What a wire read for itself.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Aside {
    /// What that cost, in bytes as they count in a turn.
    pub toll_bytes: usize,
    /// It takes bytes again that it took none of, or did not pass on, until something was read. The poll tells of the socket
    /// below alone, and that took bytes all the time.
    pub takes_again: bool,
}

/// A handshake's outcome.
#[derive(Debug)]
pub struct Secured {
    /// Whom the other end's certificate names, if it gave one: it was verified.
    pub certificate: Option<Arc<Certified>>,
}

/// What the poll said of a socket and what reads and writes have used up since.
#[derive(Clone, Copy, Default, Debug)]
pub struct Ready {
    /// Bytes, an end or an error may be there to be read.
    pub readable: bool,
    /// The socket may take bytes.
    pub writable: bool,
    /// The peer's FIN was announced.
    pub read_closed: bool,
    /// The kernel keeps an error for the socket, or both halves are closed.
    pub failed: bool,
    /// Urgent data (RFC 9293, section 3.8.5) was announced. A read stops at its mark, though more be behind it: from
    /// then on a short read says nothing.
    pub urgent: bool,
}

impl Ready {
    /// Adds what an event says. Flags only ever rise here: edges don't come twice.
    pub fn note(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_error();
        self.read_closed |= event.is_read_closed();
        self.urgent |= event.is_priority();
        self.failed |= event.is_error() || (event.is_read_closed() && event.is_write_closed());
    }
}

/// Turns an error of the kernel into the pure half's words.
pub fn io_fail(error: &io::Error) -> IoFail {
    use io::ErrorKind as K;
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<Failure>());
    let kind = match (tls, error.kind()) {
        (Some(failure), _) => IoFailKind::Tls(failure.fault),
        (_, K::ConnectionReset | K::BrokenPipe | K::ConnectionAborted) => IoFailKind::Reset,
        (_, K::TimedOut) => IoFailKind::TimedOut,
        (_, K::ConnectionRefused) => IoFailKind::Refused,
        (_, K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown) => IoFailKind::Unreachable,
        _ => match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(
                rustix::io::Errno::MFILE
                | rustix::io::Errno::NFILE
                | rustix::io::Errno::NOBUFS
                | rustix::io::Errno::NOMEM
                | rustix::io::Errno::ADDRNOTAVAIL,
            ) => IoFailKind::Exhausted,
            _ => IoFailKind::Other,
        },
    };
    IoFail {
        kind,
        text: errno::words(error).into_boxed_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_in_words_without_numbers() {
        let refused = io_fail(&io::Error::from_raw_os_error(
            rustix::io::Errno::CONNREFUSED.raw_os_error(),
        ));
        assert_eq!(
            (refused.kind, &*refused.text),
            (IoFailKind::Refused, "connection refused")
        );
        let reset = io_fail(&io::Error::from_raw_os_error(
            rustix::io::Errno::CONNRESET.raw_os_error(),
        ));
        assert_eq!(reset.kind, IoFailKind::Reset);
        let files = io_fail(&io::Error::from_raw_os_error(
            rustix::io::Errno::MFILE.raw_os_error(),
        ));
        assert_eq!(files.kind, IoFailKind::Exhausted);
    }
}
