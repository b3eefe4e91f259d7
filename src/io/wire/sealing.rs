//! Where the engines of a loop come from: what they present themselves with, whom they believe, and the buffers they share.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::net::Peer;
use crate::tls::{Client, Leaf, Server};

use super::engine::{Engine, Room};

/// Makes engines for the clients of a loop, and for its connections to origins.
#[derive(Default)]
pub struct Sealing {
    server: Option<Arc<Server>>,
    client: Option<Arc<Client>>,
    room: Rc<Room>,
}

impl Sealing {
    /// For engines of one loop, which present themselves to clients with this.
    pub fn new(server: Arc<Server>) -> Sealing {
        Sealing {
            server: Some(server),
            ..Sealing::default()
        }
    }

    /// Engines made from now on present themselves with this; the others keep what they began with.
    pub fn present(&mut self, server: Arc<Server>) {
        self.server = Some(server);
    }

    /// Engines made from now on believe whom this does; likewise. Is it another one than before?
    pub fn believe(&mut self, client: Arc<Client>) -> bool {
        let before = self.client.replace(Arc::clone(&client));
        !before.is_some_and(|before| Arc::ptr_eq(&before, &client))
    }

    /// An engine for a client that has sent this much.
    ///
    /// # Errors
    /// `Unsupported` where there is nothing to present; else rustls's, where there is no randomness to be had.
    pub fn engine(&self, received: &[u8]) -> io::Result<Engine> {
        let server = self.server.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        Engine::server(server, &self.room, received)
    }

    /// An engine for the client of an intercepted tunnel, which it is presented this in and has sent this much.
    ///
    /// # Errors
    /// rustls's, as above.
    pub fn engine_inside(&self, leaf: &Leaf, received: &[u8]) -> io::Result<Engine> {
        Engine::inside(leaf, &self.room, received)
    }

    /// An engine for a connection that we made to this peer, which has sent this much.
    ///
    /// # Errors
    /// As above; also where no certificate can be for the peer's name.
    pub fn engine_to(&self, peer: &Peer, received: &[u8]) -> io::Result<Engine> {
        let client = self.client.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        Engine::client(client, peer, &self.room, received)
    }
}

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").finish_non_exhaustive()
    }
}
