//! What a connection's bytes go through: a socket, and over it an engine where there is one, or two where TLS goes through
//! TLS. Chooses between them, and nothing else.

use std::io;
use std::os::fd::BorrowedFd;

use mio::net::TcpStream;

use super::engine::Engine;
use super::sealed::Sealed;
use super::tcp::Tcp;
use super::{Aside, Secured, Wire};

/// A socket, plain or with engines over it.
#[derive(Debug)]
pub struct Transport {
    tcp: Tcp,
    /// In a box, for most have none.
    engines: Option<Box<Engines>>,
}

#[derive(Debug)]
struct Engines {
    /// Over the socket.
    first: Engine,
    /// Over the first.
    second: Option<Engine>,
}

impl Transport {
    /// A plain socket.
    pub fn plain(stream: TcpStream) -> Transport {
        Transport {
            tcp: Tcp(stream),
            engines: None,
        }
    }

    /// From now on what passes is sealed and opened by this engine, and by that which is there below it.
    pub fn secure(&mut self, engine: Engine) {
        match &mut self.engines {
            None => {
                self.engines = Some(Box::new(Engines {
                    first: engine,
                    second: None,
                }));
            }
            Some(engines) => {
                debug_assert!(engines.second.is_none(), "a third engine");
                engines.second = Some(engine);
            }
        }
    }

    /// The socket below.
    pub fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp.0
    }

    /// The engine that whoever uses the connection speaks to.
    fn top(&self) -> Option<&Engine> {
        let engines = self.engines.as_deref()?;
        Some(engines.second.as_ref().unwrap_or(&engines.first))
    }
}

/// A call of whatever wire is on top: the socket, an engine over it, or an engine over that.
macro_rules! top {
    ($self:ident, $wire:ident => $call:expr) => {{
        let Transport { tcp, engines } = $self;
        match engines.as_deref_mut() {
            None => {
                let $wire = tcp;
                $call
            }
            Some(Engines { first, second: None }) => {
                let $wire = &mut Sealed::new(first, tcp);
                $call
            }
            Some(Engines {
                first,
                second: Some(second),
            }) => {
                let below = &mut Sealed::new(first, tcp);
                let $wire = &mut Sealed::new(second, below);
                $call
            }
        }
    }};
}

impl Wire for Transport {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        top!(self, wire => wire.read(into))
    }

    fn aside(&mut self) -> Option<Aside> {
        // Most connections have none, and are asked each time.
        self.engines.as_ref()?;
        top!(self, wire => wire.aside())
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        top!(self, wire => wire.write(first, second))
    }

    fn flush(&mut self) -> io::Result<()> {
        top!(self, wire => wire.flush())
    }

    fn under(&self) -> u32 {
        let Some(Engines { first, second }) = self.engines.as_deref() else {
            return 0;
        };
        let above = second.as_ref().map_or(0, Engine::under);
        above.saturating_add(first.under())
    }

    fn secured(&mut self) -> Option<Secured> {
        self.engines.as_ref()?;
        top!(self, wire => wire.secured())
    }

    fn has_answered(&self) -> bool {
        self.top().is_some_and(Engine::has_answered)
    }

    fn hangup(&mut self) -> io::Result<()> {
        top!(self, wire => wire.hangup())
    }

    fn close(&mut self) {
        top!(self, wire => wire.close());
    }

    fn close_says_end(&self) -> bool {
        self.engines.is_none()
    }

    fn abort(&mut self) {
        self.tcp.abort();
    }

    fn has_news(&mut self) -> bool {
        top!(self, wire => wire.has_news())
    }

    fn held_bytes(&self) -> usize {
        let Some(Engines { first, second }) = self.engines.as_deref() else {
            return 0;
        };
        first.held_bytes() + second.as_ref().map_or(0, Engine::held_bytes)
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.tcp.take_error()
    }

    fn short_read_means_drained(&self) -> bool {
        self.top().is_none_or(Engine::is_drained)
    }

    fn can_splice(&self) -> bool {
        self.engines.is_none()
    }

    fn splice_to(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        debug_assert!(self.engines.is_none(), "sealed bytes in a pipe");
        self.tcp.splice_to(pipe, n)
    }

    fn splice_from(&mut self, pipe: BorrowedFd<'_>, n: usize) -> io::Result<usize> {
        debug_assert!(self.engines.is_none(), "bytes that were not sealed");
        self.tcp.splice_from(pipe, n)
    }
}
