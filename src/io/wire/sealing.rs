//! Where the engines of a loop come from: what they present themselves with, and the buffers they share.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::tls::Server;

use super::engine::{Engine, Room};

/// Makes engines for the clients of a loop.
pub struct Sealing {
    server: Arc<Server>,
    room: Rc<Room>,
}

impl Sealing {
    /// For engines of one loop.
    pub fn new(server: Arc<Server>) -> Sealing {
        Sealing {
            server,
            room: Rc::default(),
        }
    }

    /// Engines made from now on present themselves with this; the others keep what they began with.
    pub fn renew(&mut self, server: Arc<Server>) {
        self.server = server;
    }

    /// An engine for a client that has sent this much.
    ///
    /// # Errors
    /// rustls's, where there is no randomness to be had.
    pub fn engine(&self, received: &[u8]) -> io::Result<Engine> {
        Engine::new(&self.server, &self.room, received)
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").finish_non_exhaustive()
    }
}
