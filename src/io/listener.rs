//! Listening sockets: binding them with errors that a person can act on, and accepting from them without ever
//! spinning on a machine that has run out of descriptors. Who may connect is not asked here.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use mio::net::{TcpListener, TcpStream};
use mio::{Registry, Token};
use rustix::event::epoll;
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::net::unmapped;
use crate::text::errno;

use super::dialer::set_keepalive;

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Binds a listening socket: `SO_REUSEADDR`, non-blocking, closed on exec.
///
/// `ip` is an address with or without brackets, or a host name, of which the first usable address is taken, IPv4
/// before IPv6; this asks the system's resolver and may wait for it. `None`, `::` and `[::]` mean every address,
/// IPv4's too, and IPv4's alone where the machine has no IPv6. Port 0 is any free one.
///
/// # Errors
/// Each names the address and says what is wrong, such as `address already in use`.
pub fn bind(ip: Option<&str>, port: u16) -> io::Result<TcpListener> {
    Place::find(ip, port)?.bind()
}

/// The same, but others may listen on the same port who say so too, and have our user (`SO_REUSEPORT`, socket(7)): the
/// kernel shares the clients out among them.
///
/// # Errors
/// As [`bind`]; `address already in use` too, where somebody listens who did not say so.
pub fn bind_shared(ip: Option<&str>, port: u16) -> io::Result<TcpListener> {
    Place::find(ip, port)?.bind_as(Sharing::WithOthers)
}

/// So many sockets on the same port, among which the kernel shares the clients out: for the loops of one process. Others
/// may listen there only if `with_others`: then as with [`bind_shared`], else the first bind finds out that nobody does.
///
/// # Errors
/// As [`bind`].
pub fn bind_group(
    ip: Option<&str>,
    port: u16,
    count: usize,
    with_others: bool,
) -> io::Result<Vec<TcpListener>> {
    let sharing = match with_others {
        true => Sharing::WithOthers,
        false => Sharing::InGroup,
    };
    let place = Place::find(ip, port)?;
    let first = place.bind_as(sharing)?;
    let address = first.local_addr()?;
    let further = (1..count).map(|_| bind_to(address, Sharing::WithOthers));
    let all = std::iter::once(Ok(first)).chain(further);
    all.collect::<io::Result<_>>()
        .map_err(|error| named(&place.asked, address.port(), &error))
}

/// Where to listen, found once, so that it can be tried again without waiting for the resolver.
#[derive(Clone, Debug)]
pub struct Place {
    asked: String,
    port: u16,
    /// To be tried in order.
    addresses: Vec<SocketAddr>,
}

impl Place {
    /// What these stand for; see [`bind`].
    ///
    /// # Errors
    /// Each names the address and says what is wrong with it.
    pub fn find(ip: Option<&str>, port: u16) -> io::Result<Place> {
        let asked = ip.unwrap_or("::");
        Ok(Place {
            addresses: addresses(asked, port).map_err(|error| named(asked, port, &error))?,
            asked: asked.to_owned(),
            port,
        })
    }

    /// The port; 0 is any free one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Binds a listening socket there, as [`bind`] does. Waits for nothing.
    ///
    /// # Errors
    /// As [`bind`].
    pub fn bind(&self) -> io::Result<TcpListener> {
        self.bind_as(Sharing::Alone)
    }

    fn bind_as(&self, sharing: Sharing) -> io::Result<TcpListener> {
        let mut result = Err(ErrorKind::AddrNotAvailable.into());
        for &address in &self.addresses {
            result = bind_to(address, sharing);
            // Only what this machine doesn't have is passed over: with a port in use, the next address would be a
            // surprise.
            match &result {
                Err(error) if is_not_here(error) => {}
                _ => break,
            }
        }
        result.map_err(|error| named(&self.asked, self.port, &error))
    }
}

/// Who else may listen on the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sharing {
    Alone,
    /// Nobody by now, and from then on the further sockets of a group.
    InGroup,
    WithOthers,
}

/// The addresses to try, in order.
fn addresses(ip: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let any = [
        IpAddr::from(Ipv6Addr::UNSPECIFIED),
        IpAddr::from(Ipv4Addr::UNSPECIFIED),
    ];
    let bare = ip
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(ip);
    match bare.parse::<IpAddr>() {
        Ok(ip) if ip == any[0] => Ok(any.map(|ip| SocketAddr::new(ip, port)).into()),
        Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        // getaddrinfo would read 127.1 or 2130706433 as an address: more likely a typing error than a wish.
        Err(_) if bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "neither an address nor a host name",
        )),
        Err(_) => {
            // IPv4 first, as Go does it: `localhost` is 127.0.0.1 to most clients.
            let mut addresses: Vec<SocketAddr> = (bare, port).to_socket_addrs()?.collect();
            addresses.sort_by_key(SocketAddr::is_ipv6);
            Ok(addresses)
        }
    }
}

fn bind_to(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    if sharing == Sharing::WithOthers {
        socket.set_reuse_port(true)?;
    }
    furnish(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    if sharing == Sharing::InGroup {
        socket.set_reuse_port(true)?;
    }
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// What a listening socket needs wherever it comes from; those that it accepts inherit the latter two.
pub(super) fn furnish(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    set_keepalive(socket)
}

fn is_not_here(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

/// The same error with the address before it.
fn named(ip: &str, port: u16, error: &io::Error) -> io::Error {
    let bare_ipv6 = ip.contains(':') && !ip.starts_with('[');
    let address = if bare_ipv6 {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    };
    let what = match error.kind() {
        ErrorKind::AddrInUse => "address already in use".into(),
        ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    };
    io::Error::new(error.kind(), format!("cannot listen on {address}: {what}"))
}

/// Why nothing was accepted although something may be waiting.
#[derive(Debug)]
pub enum AcceptError {
    /// Descriptors or memory ran out. What waits goes on waiting; try again when a connection has closed, or after
    /// a while.
    Exhausted(io::Error),
    /// The socket itself is unusable and will not get better; the error names its address.
    Broken(io::Error),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcceptError::Exhausted(error) | AcceptError::Broken(error) => error.fmt(f),
        }
    }
}

/// A listening socket that knows how to pause.
///
/// It keeps a spare descriptor. When accepting fails for want of one, the spare is given up, so that those who are
/// already in can still dial, and accepting pauses until the spare can be had again.
#[derive(Debug)]
pub struct Acceptor {
    listener: Listener,
    address: SocketAddr,
    spare: Option<File>,
}

impl Acceptor {
    /// Takes a bound socket.
    ///
    /// # Errors
    /// When it has no local address, or no descriptor is left for the spare.
    pub fn new(listener: TcpListener) -> io::Result<Acceptor> {
        Ok(Acceptor {
            address: listener.local_addr()?,
            listener: Listener::Tcp(listener),
            spare: Some(spare()?),
        })
    }

    /// Takes a bound socket of this machine's file system, which accepts without waiting. Its clients count as ones on
    /// loopback.
    ///
    /// # Errors
    /// When no descriptor is left for the spare.
    pub fn unix(listener: UnixListener) -> io::Result<Acceptor> {
        Ok(Acceptor {
            address: LOCAL,
            listener: Listener::Unix(listener),
            spare: Some(spare()?),
        })
    }

    /// Where it listens, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Registers the socket with a poll, level-triggered: every poll tells while a connection waits, so one may be
    /// accepted per event. To see an edge again one would have to accept until there is nothing more, and an
    /// accept(2) that finds nothing costs as much as one that finds something. mio knows edges only.
    ///
    /// # Errors
    /// The poll's.
    pub fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        Ok(epoll::add(
            registry,
            &self.listener,
            epoll::EventData::new_u64(token.0 as u64),
            epoll::EventFlags::IN,
        )?)
    }

    /// Takes the socket from its poll, which says nothing more of connections that wait.
    ///
    /// # Errors
    /// The poll's.
    pub fn deregister(&self, registry: &Registry) -> io::Result<()> {
        Ok(epoll::delete(registry, &self.listener)?)
    }

    /// The next connection that waits, with its peer's address (IPv4 as IPv4, also on a dual-stack socket), or
    /// `None` when none does. The stream is non-blocking and closed on exec.
    pub fn accept(&mut self) -> Result<Option<(TcpStream, SocketAddr)>, AcceptError> {
        if self.spare.is_none() {
            self.spare = Some(spare().map_err(AcceptError::Exhausted)?);
        }
        loop {
            // Ends: whatever is passed over here took a connection off the queue, or was a signal.
            let error = match self.listener.accept() {
                Ok((stream, peer)) => return Ok(Some((stream, unmapped(peer)))),
                Err(error) => error,
            };
            match verdict(&error) {
                Verdict::NoneWaiting => return Ok(None),
                Verdict::ThisOneIsGone => {}
                Verdict::Exhausted => {
                    self.spare = None;
                    return Err(AcceptError::Exhausted(error));
                }
                Verdict::Broken => {
                    let words = errno::words(&error);
                    let text = format!("cannot accept connections on {}: {words}", self.address);
                    return Err(AcceptError::Broken(io::Error::new(error.kind(), text)));
                }
            }
        }
    }
}

/// As what clients of the file system's sockets count, which have no address.
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A listening socket.
#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Listener::Tcp(listener) => listener.accept(),
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                // What a wire does with a socket, it does with any that is a stream.
                let stream = std::net::TcpStream::from(OwnedFd::from(stream));
                Ok((TcpStream::from_std(stream), LOCAL))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Verdict {
    NoneWaiting,
    ThisOneIsGone,
    Exhausted,
    Broken,
}

/// What an error of accept(2) means. Linux also passes on what the network had against the new connection.
fn verdict(error: &io::Error) -> Verdict {
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN) => Verdict::NoneWaiting,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Verdict::Exhausted,
        Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::FAULT) | None => Verdict::Broken,
        Some(
            Errno::CONNABORTED
            | Errno::INTR
            | Errno::PROTO
            | Errno::PERM
            | Errno::CONNRESET
            | Errno::TIMEDOUT
            | Errno::NETDOWN
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH,
        ) => Verdict::ThisOneIsGone,
        Some(_) => Verdict::Broken,
    }
}

fn spare() -> io::Result<File> {
    File::open("/dev/null")
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
