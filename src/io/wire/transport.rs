//! What a connection's bytes go through: a socket, and over it an engine where there is one. Chooses between the two, and
//! nothing else.

use std::io;
use std::os::fd::BorrowedFd;

use mio::net::TcpStream;

use super::engine::Engine;
use super::tcp::Tcp;
use super::{Aside, Secured, Wire};

/// A socket, plain or with an engine over it.
#[derive(Debug)]
pub struct Transport {
    tcp: Tcp,
    /// In a box, for most have none.
    engine: Option<Box<Engine>>,
}

impl Transport {
    /// A plain socket.
    pub fn plain(stream: TcpStream) -> Transport {
        Transport {
            tcp: Tcp(stream),
            engine: None,
        }
    }

    /// From now on what passes is sealed and opened by this engine.
    pub fn secure(&mut self, engine: Engine) {
        debug_assert!(self.engine.is_none(), "an engine over an engine");
        self.engine = Some(Box::new(engine));
    }

    /// The socket below.
    pub fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp.0
    }
}

/// A call of the engine, which gets the socket, or else the same of the socket alone.
macro_rules! either {
    ($self:ident, $engine:ident, $tcp:ident => $sealed:expr, $plain:expr) => {{
        let Transport { tcp: $tcp, engine } = $self;
        match engine {
            Some($engine) => $sealed,
            None => $plain,
        }
    }};
}

impl Wire for Transport {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        either!(self, engine, tcp => engine.read(tcp, into), tcp.read(into))
    }

    fn aside(&mut self) -> Option<Aside> {
        self.engine.as_mut().map(|engine| engine.aside())
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        either!(self, engine, tcp => engine.write(tcp, first, second), tcp.write(first, second))
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, engine, tcp => engine.flush(tcp), tcp.flush())
    }

    fn under(&self) -> u32 {
        self.engine.as_ref().map_or(0, |engine| engine.under())
    }

    fn secured(&mut self) -> Option<Secured> {
        self.engine.as_mut()?.secured()
    }

    fn has_answered(&self) -> bool {
        self.engine.as_ref().is_some_and(|engine| engine.has_answered())
    }

    fn hangup(&mut self) -> io::Result<()> {
        either!(self, engine, tcp => engine.hangup(tcp), tcp.hangup())
    }

    fn close(&mut self) {
        either!(self, engine, tcp => engine.close(tcp), tcp.close());
    }

    fn close_says_end(&self) -> bool {
        self.engine.is_none()
    }

    fn abort(&mut self) {
        self.tcp.abort();
    }

    fn has_news(&mut self) -> bool {
        self.engine.as_ref().is_some_and(|engine| engine.has_news()) || self.tcp.has_news()
    }

    fn held_bytes(&self) -> usize {
        self.engine.as_ref().map_or(0, |engine| engine.held_bytes())
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.tcp.take_error()
    }

    fn short_read_means_drained(&self) -> bool {
        self.engine.as_ref().is_none_or(|engine| engine.is_drained())
    }

    fn can_splice(&self) -> bool {
        self.engine.is_none()
    }

    fn splice_to(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        debug_assert!(self.engine.is_none(), "sealed bytes in a pipe");
        self.tcp.splice_to(pipe, n)
    }

    fn splice_from(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        debug_assert!(self.engine.is_none(), "bytes that were not sealed");
        self.tcp.splice_from(pipe, n)
    }
}
