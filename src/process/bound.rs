//! What the process listens on: clients' address, and where it can be asked how the proxy is. Takes nobody in.

use std::io;
use std::net::SocketAddr;

use crate::clock::Instant;
use crate::config::{AdminConfig, Config, StatsSocket};
use crate::io::inherited;
use crate::io::listener::{self, Acceptor, Place};
use crate::io::local_socket::{self, SocketFile};
use crate::session::Surface;

use super::admin_port::Awaited;
use super::loops::Acceptors;
use super::start_error::StartError;

/// The listening sockets.
pub(super) struct Bound {
    clients: Clients,
    admin: Option<Admin>,
    stats: Option<(Acceptor, SocketFile)>,
}

/// Where clients connect to: a socket for each loop, or one for all.
pub(super) struct Clients {
    first: Acceptor,
    further: Vec<Acceptor>,
}

/// The listeners of clients: the supervisor's, or else those that are bound here, one for each loop.
///
/// # Errors
/// An address that can't be bound, or what the supervisor handed over.
pub(super) fn clients(config: &Config) -> Result<Clients, StartError> {
    let ip = config.listen_ip.as_deref();
    let listeners = match inherited::listener().map_err(StartError::config)? {
        Some(listener) => Ok(vec![listener]),
        None if config.workers > 1 => {
            listener::bind_group(ip, config.listen_port, config.workers, config.reuse_port)
        }
        None if config.reuse_port => listener::bind_shared(ip, config.listen_port).map(|one| vec![one]),
        None => listener::bind(ip, config.listen_port).map(|one| vec![one]),
    };
    let listeners =
        listeners.map_err(|error| StartError::machine("The proxy's address can't be bound", &error))?;
    let unusable = |error| StartError::machine("The listener is unusable", &error);
    let mut acceptors = listeners.into_iter().map(Acceptor::new);
    let first = acceptors
        .next()
        .unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
    Ok(Clients {
        first: first.map_err(unusable)?,
        further: acceptors.collect::<io::Result<_>>().map_err(unusable)?,
    })
}

/// The port where it can be asked how the proxy is.
enum Admin {
    Listening(Acceptor),
    /// Another instance has it.
    Busy(Awaited),
}

impl Bound {
    /// Binds what the configuration names beside the listener of clients.
    ///
    /// # Errors
    /// What can't be bound, and why.
    pub(super) fn new(config: &Config, clients: Clients) -> Result<Bound, (&'static str, io::Error)> {
        let admin = config
            .admin
            .as_ref()
            .map(|admin| admin_port(admin, config.reuse_port));
        let admin = admin
            .transpose()
            .map_err(|error| ("The metrics' address can't be bound", error))?;
        let stats = config.stats_socket.as_ref().map(stats_socket).transpose();
        Ok(Bound {
            stats: stats.map_err(|error| ("The statistics socket can't be bound", error))?,
            clients,
            admin,
        })
    }

    /// Where clients connect to.
    pub(super) fn address(&self) -> SocketAddr {
        self.clients.first.local_addr()
    }

    /// Where it can be asked how the proxy is, unless another instance has that port.
    pub(super) fn admin_address(&self) -> Option<SocketAddr> {
        match self.admin.as_ref()? {
            Admin::Listening(acceptor) => Some(acceptor.local_addr()),
            Admin::Busy(_) => None,
        }
    }

    /// The ports, none of which may be reached through the proxy: one that is waited for as little.
    pub(super) fn ports(&self) -> Vec<u16> {
        let admin = self.admin.as_ref().map(|admin| match admin {
            Admin::Listening(acceptor) => acceptor.local_addr().port(),
            Admin::Busy(awaited) => awaited.port(),
        });
        [Some(self.address().port()), admin]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The sockets, for each of so many loops; the file that one of them has, if it has one; and the port that is waited
    /// for.
    pub(super) fn acceptors(self, loops: usize) -> (Vec<Acceptors>, Option<SocketFile>, Option<Awaited>) {
        let (stats, file) = self.stats.unzip();
        let (admin, awaited) = match self.admin {
            Some(Admin::Listening(acceptor)) => (Some((acceptor, Surface::Port)), None),
            Some(Admin::Busy(awaited)) => (None, Some(awaited)),
            None => (None, None),
        };
        let stats = stats.map(|stats| (stats, Surface::Tunnels));
        let Clients { first, further } = self.clients;
        let first = Acceptors {
            clients: vec![first],
            admin: admin.into_iter().chain(stats).collect(),
            hands_out: loops > 1 && further.is_empty(),
        };
        let mut further = further.into_iter();
        let further = (1..loops).map(|_| Acceptors {
            clients: further.next().into_iter().collect(),
            admin: Vec::new(),
            hands_out: false,
        });
        (std::iter::once(first).chain(further).collect(), file, awaited)
    }
}

/// Where instances share the proxy's port, the one before may have this one, and will leave it.
fn admin_port(config: &AdminConfig, is_shared: bool) -> io::Result<Admin> {
    let place = Place::find(Some(&config.ip), config.port)?;
    match place.bind() {
        Ok(listener) => Acceptor::new(listener).map(Admin::Listening),
        Err(error) if is_shared && error.kind() == io::ErrorKind::AddrInUse => {
            Ok(Admin::Busy(Awaited::new(place, error, Instant::now())))
        }
        Err(error) => Err(error),
    }
}

fn stats_socket(config: &StatsSocket) -> io::Result<(Acceptor, SocketFile)> {
    let name = format!("track-{}", std::process::id());
    let (listener, file) = local_socket::bind(&config.folder, &name, config.mode)?;
    Ok((Acceptor::unix(listener)?, file))
}
