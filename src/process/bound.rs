//! What the process listens on: clients' address, and where it can be asked how the proxy is. Takes nobody in.

use std::io;
use std::net::SocketAddr;

use crate::config::Config;
use crate::io::listener::{self, Acceptor};
use crate::session::Surface;

use super::loops::Acceptors;

/// The listening sockets.
pub(super) struct Bound {
    clients: Acceptor,
    admin: Option<Acceptor>,
}

impl Bound {
    /// Binds what the configuration names beside the listener of clients.
    ///
    /// # Errors
    /// What can't be bound, and why.
    pub(super) fn new(config: &Config, clients: Acceptor) -> Result<Bound, (&'static str, io::Error)> {
        let unusable = |error| ("The listener is unusable", error);
        let admin = config.admin.as_ref();
        let admin = admin.map(|admin| listener::bind(Some(&admin.ip), admin.port));
        let admin = admin
            .transpose()
            .map_err(|error| ("The metrics' address can't be bound", error))?;
        Ok(Bound {
            clients,
            admin: admin.map(Acceptor::new).transpose().map_err(unusable)?,
        })
    }

    /// Where clients connect to.
    pub(super) fn address(&self) -> SocketAddr {
        self.clients.local_addr()
    }

    /// Where it can be asked how the proxy is.
    pub(super) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Acceptor::local_addr)
    }

    /// The ports, none of which may be reached through the proxy.
    pub(super) fn ports(&self) -> Vec<u16> {
        let addresses = [Some(self.address()), self.admin_address()];
        addresses
            .into_iter()
            .flatten()
            .map(|address| address.port())
            .collect()
    }

    /// The sockets, for a loop.
    pub(super) fn acceptors(self) -> Acceptors {
        Acceptors {
            clients: vec![self.clients],
            admin: self
                .admin
                .into_iter()
                .map(|admin| (admin, Surface::Port))
                .collect(),
        }
    }
}
