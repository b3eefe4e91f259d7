//! A plain socket as a wire: its bytes are with the kernel at once, and its close says the end. Knows no protocol.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use mio::net::TcpStream;
use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustix::pipe::SpliceFlags;

use super::Wire;

/// A plain TCP socket.
#[derive(Debug)]
pub struct Tcp(pub(super) TcpStream);

impl Wire for Tcp {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let Tcp(stream) = self;
        retry_interrupted(|| {
            rustix::net::recv(&*stream, spare_capacity(into), RecvFlags::empty()).map(|(n, _)| n)
        })
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let Tcp(stream) = self;
        if first.is_empty() || second.is_empty() {
            let bytes = if first.is_empty() { second } else { first };
            return retry_interrupted(|| rustix::net::send(&*stream, bytes, SendFlags::NOSIGNAL));
        }
        let slices = [io::IoSlice::new(first), io::IoSlice::new(second)];
        retry_interrupted(|| rustix::io::writev(&*stream, &slices))
    }

    fn hangup(&mut self) -> io::Result<()> {
        let Tcp(stream) = self;
        Ok(rustix::net::shutdown(&*stream, Shutdown::Write)?)
    }

    fn abort(&mut self) {
        let Tcp(stream) = self;
        // If the option can't be set the close is an orderly one: the peer learns of the end all the same.
        let _ = rustix::net::sockopt::set_socket_linger(&*stream, Some(std::time::Duration::ZERO));
    }

    fn has_news(&mut self) -> bool {
        let mut byte = [0_u8; 1];
        let peeked = retry_interrupted(|| rustix::net::recv(&self.0, &mut byte, RecvFlags::PEEK));
        !peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.0.take_error().ok().flatten()
    }

    fn short_read_means_drained(&self) -> bool {
        true
    }

    fn can_splice(&self) -> bool {
        true
    }

    fn splice_to(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        splice(self.0.as_fd(), pipe, n)
    }

    fn splice_from(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        splice(pipe, self.0.as_fd(), n)
    }
}

/// Moves at most `n` bytes from one descriptor to another, one of them a pipe's end, without waiting.
///
/// # Errors
/// splice(2)'s; `WouldBlock` where the one is empty or the other is full.
fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    retry_interrupted(|| rustix::pipe::splice(from, None, to, None, n, flags))
}

/// Makes a call again as long as a signal interrupts it.
fn retry_interrupted<T>(mut call: impl FnMut() -> Result<T, rustix::io::Errno>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
