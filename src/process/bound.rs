//! What the process listens on: clients' address, and where it can be asked how the proxy is. Takes nobody in.

use std::io;
use std::net::SocketAddr;

use crate::config::{Config, StatsSocket};
use crate::io::listener::{self, Acceptor};
use crate::io::local_socket::{self, SocketFile};
use crate::session::Surface;

use super::loops::Acceptors;

/// The listening sockets.
pub(super) struct Bound {
    clients: Acceptor,
    admin: Option<Acceptor>,
    stats: Option<(Acceptor, SocketFile)>,
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
        let stats = config.stats_socket.as_ref().map(stats_socket).transpose();
        Ok(Bound {
            stats: stats.map_err(|error| ("The statistics socket can't be bound", error))?,
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

    /// The sockets, for a loop; and the file that one of them has, if it has one.
    pub(super) fn acceptors(self) -> (Acceptors, Option<SocketFile>) {
        let (stats, file) = self.stats.unzip();
        let admin = self.admin.map(|admin| (admin, Surface::Port));
        let stats = stats.map(|stats| (stats, Surface::Tunnels));
        let acceptors = Acceptors {
            clients: vec![self.clients],
            admin: admin.into_iter().chain(stats).collect(),
        };
        (acceptors, file)
    }
}

fn stats_socket(config: &StatsSocket) -> io::Result<(Acceptor, SocketFile)> {
    let path = config.folder.join(format!("track-{}.sock", std::process::id()));
    let (listener, file) = local_socket::bind(&path, config.mode)?;
    Ok((Acceptor::unix(listener)?, file))
}
