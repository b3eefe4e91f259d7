//! An engine and the wire below it as one wire. What an engine does is its own business; here is only what both have to say
//! together.

use std::io;

use super::engine::Engine;
use super::{Aside, Secured, Wire};

/// An engine over a wire, for a call.
#[derive(Debug)]
pub(super) struct Sealed<'a, W> {
    engine: &'a mut Engine,
    below: &'a mut W,
}

impl<'a, W: Wire> Sealed<'a, W> {
    pub(super) fn new(engine: &'a mut Engine, below: &'a mut W) -> Sealed<'a, W> {
        Sealed { engine, below }
    }
}

impl<W: Wire> Wire for Sealed<'_, W> {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        self.engine.read(self.below, into)
    }

    fn aside(&mut self) -> Option<Aside> {
        let (above, below) = (self.engine.aside(), self.below.aside().unwrap_or_default());
        Some(Aside {
            toll_bytes: above.toll_bytes + below.toll_bytes,
            takes_again: above.takes_again || below.takes_again,
        })
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        self.engine.write(self.below, first, second)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.engine.flush(self.below)?;
        self.below.flush()
    }

    fn under(&self) -> u32 {
        self.engine.under().saturating_add(self.below.under())
    }

    fn secured(&mut self) -> Option<Secured> {
        self.engine.secured()
    }

    fn has_answered(&self) -> bool {
        self.engine.has_answered()
    }

    fn hangup(&mut self) -> io::Result<()> {
        self.engine.hangup(self.below)
    }

    fn close(&mut self) {
        self.engine.close(self.below);
    }

    fn close_says_end(&self) -> bool {
        false
    }

    fn abort(&mut self) {
        self.below.abort();
    }

    fn has_news(&mut self) -> bool {
        self.engine.hears_news(self.below)
    }

    fn held_bytes(&self) -> usize {
        self.engine.held_bytes() + self.below.held_bytes()
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.below.take_error()
    }

    fn short_read_means_drained(&self) -> bool {
        self.engine.is_drained()
    }
}
