//! TLS clients and servers whose text is a [`Wire`], so that whatever cases do with a plain connection they do with a sealed one: a
//! thread stands between the connection with the proxy and a socket of this machine. There an end is a close_notify with
//! its FIN, and a cut, which has none, is a reset.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, Connection, Error, HandshakeKind, ProtocolVersion, RootCertStore,
    ServerConfig, ServerConnection, SupportedProtocolVersion,
};

use super::DEADLINE;
use super::wire::Wire;

/// Both versions that there are.
pub(crate) const ANY: &[&SupportedProtocolVersion] = rustls::ALL_VERSIONS;
/// TLS 1.2 alone.
pub(crate) const TLS_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
/// TLS 1.3 alone.
pub(crate) const TLS_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// So much text waits for the case to read it, beside what its socket holds; then no more is opened.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What a client trusts and offers. Its connections share their sessions.
#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>, ServerName<'static>);

impl Client {
    /// One that trusts these CAs, and gives a certificate if it has one: chain and key.
    pub(crate) fn new(
        cas: &str,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<(&str, &str)>,
    ) -> Client {
        let mut roots = RootCertStore::empty();
        for ca in certificates(cas) {
            roots.add(ca).expect("a CA");
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
                // Given whatever it is, and whomever the server asks for: also what no library would give by itself.
                let given = CertifiedKey::new(certificates(chain), key.expect("a usable key"));
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(given)))
            }
        };
        config.resumption = Resumption::in_memory_sessions(256);
        config.enable_early_data = true;
        Client(
            Arc::new(config),
            ServerName::try_from("localhost").expect("a name"),
        )
    }

    /// The same, of a server that has this name or address.
    #[allow(dead_code, reason = "for tests/it")]
    pub(crate) fn named(&self, name: &str) -> Client {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        Client(Arc::clone(&self.0), name)
    }

    /// The same, offering these protocols.
    pub(crate) fn alpn(&self, protocols: &[&[u8]]) -> Client {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Client(Arc::new(config), self.1.clone())
    }

    /// A connection that has said nothing.
    pub(crate) fn connection(&self) -> ClientConnection {
        ClientConnection::new(Arc::clone(&self.0), self.1.clone()).expect("a connection")
    }

    /// What it says first, as it travels.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.connection().write_tls(&mut bytes).expect("a hello");
        bytes
    }

    /// Connects, and does the handshake as far as it is the client's: of its certificate a client of TLS 1.3 hears
    /// later, see [`Tls::failure`].
    pub(crate) fn try_connect(&self, to: SocketAddr) -> Result<Tls, Error> {
        self.connect_through(to, |stream| stream)
    }

    /// Connects, and fails the case where that fails.
    #[track_caller]
    pub(crate) fn connect(&self, to: SocketAddr) -> Tls {
        self.try_connect(to)
            .unwrap_or_else(|error| panic!("handshake with {to}: {error}"))
    }

    /// Like [`Client::try_connect`]; until the handshake is done, what is sent passes what `through` makes of the socket.
    pub(crate) fn connect_through<S: Read + Write>(
        &self,
        to: SocketAddr,
        through: impl FnOnce(TcpStream) -> S,
    ) -> Result<Tls, Error> {
        let peer = TcpStream::connect_timeout(&to, DEADLINE).expect("connect");
        self.over(peer, through)
    }

    /// The same over a connection that is there.
    pub(crate) fn over<S: Read + Write>(
        &self,
        peer: TcpStream,
        through: impl FnOnce(TcpStream) -> S,
    ) -> Result<Tls, Error> {
        peer.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        peer.set_nodelay(true).expect("no delay");
        let mut connection = self.connection();
        let mut socket = through(peer.try_clone().expect("a second handle"));
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(tls_error)?;
        }
        connection.set_buffer_limit(None);
        Ok(bridge(Connection::Client(connection), peer))
    }
}

/// What an origin presents itself with: a certificate and its key.
#[derive(Clone)]
pub(crate) struct Server(Arc<ServerConfig>);

impl Server {
    /// One that presents this chain.
    pub(crate) fn new(chain: &str, key: &str, versions: &[&'static SupportedProtocolVersion]) -> Server {
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(certificates(chain), key)
            .expect("a key that fits");
        config.ticketer = aws_lc_rs::Ticketer::new().expect("tickets");
        Server(Arc::new(config))
    }

    /// The same, speaking these protocols.
    pub(crate) fn alpn(&self, protocols: &[&[u8]]) -> Server {
        let mut config = ServerConfig::clone(&self.0);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Server(Arc::new(config))
    }

    /// Does the handshake with who connected.
    pub(crate) fn accept(&self, peer: TcpStream) -> Result<Tls, Error> {
        peer.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        peer.set_nodelay(true).expect("no delay");
        let mut connection = ServerConnection::new(Arc::clone(&self.0)).expect("a connection");
        let mut socket = peer.try_clone().expect("a second handle");
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).map_err(tls_error)?;
        }
        connection.set_buffer_limit(None);
        Ok(bridge(Connection::Server(connection), peer))
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .expect("certificates")
}

/// What rustls made of it, or in words what the socket did.
fn tls_error(error: std::io::Error) -> Error {
    let words = Error::General(error.to_string());
    match error.into_inner().map(|inner| inner.downcast::<Error>()) {
        Some(Ok(inner)) => *inner,
        _ => words,
    }
}

#[derive(Default)]
struct Shared {
    failure: Mutex<Option<Error>>,
    /// A reset of the case's is to be a FIN without notice, not a reset.
    cuts: AtomicBool,
    /// Keys are to be renewed before what is sent next.
    renews: AtomicBool,
}

/// A connection: a [`Wire`], and what was agreed on.
pub(crate) struct Tls {
    wire: Wire,
    shared: Arc<Shared>,
    /// Where the proxy sees it come from.
    pub(crate) from: SocketAddr,
    /// What is spoken.
    pub(crate) version: ProtocolVersion,
    /// What is spoken inside, if that was agreed on.
    pub(crate) alpn: Option<Vec<u8>>,
    /// Full, or resumed.
    pub(crate) kind: HandshakeKind,
    /// The proxy's certificate.
    pub(crate) certificate: Vec<u8>,
}

impl Tls {
    /// Why it is of no use any more, if TLS says so: an alert that came, mostly.
    pub(crate) fn failure(&self) -> Option<Error> {
        lock(&self.shared.failure).clone()
    }

    /// Ends with a FIN that no close_notify announces.
    pub(crate) fn cut(self) {
        self.shared.cuts.store(true, Ordering::SeqCst);
        self.wire.reset();
    }

    /// Closes with RST.
    pub(crate) fn reset(self) {
        self.wire.reset();
    }

    /// Keys are renewed, ours and, as the other end is asked, its, with what is sent next.
    pub(crate) fn renew_keys(&self) {
        self.shared.renews.store(true, Ordering::SeqCst);
    }
}

impl Deref for Tls {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Tls {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

fn bridge(mut connection: Connection, peer: TcpStream) -> Tls {
    // What a client says first may have come with the last of its handshake.
    let state = connection.process_new_packets().expect("it was processed before");
    let mut text = vec![0; state.plaintext_bytes_to_read()];
    connection.reader().read_exact(&mut text).expect("the text");
    let (near, far) = pair();
    let shared = Arc::new(Shared::default());
    let leaf = connection.peer_certificates().and_then(|chain| chain.first());
    let certificate = leaf.map(|leaf| leaf.to_vec()).unwrap_or_default();
    let tls = Tls {
        wire: Wire::new(near),
        shared: Arc::clone(&shared),
        from: peer.local_addr().expect("its address"),
        version: connection.protocol_version().expect("a version"),
        alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        kind: connection.handshake_kind().expect("a kind"),
        certificate,
    };
    for stream in [&peer, &far] {
        stream.set_nonblocking(true).expect("non-blocking");
        stream.set_nodelay(true).expect("no delay");
    }
    let bridge = Bridge {
        connection,
        peer,
        case: far,
        text,
        case_ended: false,
        peer_ended: state.peer_has_closed(),
        shared,
    };
    thread::spawn(move || bridge.run());
    tls
}

/// Two ends of a connection inside this machine. TCP, for only there a reset is told from an end.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let near = TcpStream::connect(listener.local_addr().expect("its address")).expect("connect");
    let wanted = near.local_addr().expect("its address");
    loop {
        let (far, from) = listener.accept().expect("accept");
        if from == wanted {
            return (near, far);
        }
    }
}

struct Bridge {
    connection: Connection,
    peer: TcpStream,
    case: TcpStream,
    /// Opened, and not with the case yet.
    text: Vec<u8>,
    /// The case's FIN came: a close_notify was sealed.
    case_ended: bool,
    /// The peer's close_notify came.
    peer_ended: bool,
    shared: Arc<Shared>,
}

/// How a bridge comes down.
enum Fall {
    /// Both ends were said.
    Over,
    /// The peer said no end.
    PeerCut,
    /// The case reset its side, or is gone.
    CaseReset,
}

impl Bridge {
    fn run(mut self) {
        let (mut told_case, mut told_peer) = (false, false);
        let fall = loop {
            if let Err(fall) = self.step() {
                break fall;
            }
            if self.case_ended && !self.connection.wants_write() && !told_peer {
                told_peer = true;
                let _ = self.peer.shutdown(std::net::Shutdown::Write);
            }
            if self.peer_ended && self.text.is_empty() && !told_case {
                told_case = true;
                let _ = self.case.shutdown(std::net::Shutdown::Write);
            }
            if told_case && told_peer {
                break Fall::Over;
            }
            self.wait(told_case);
        };
        match fall {
            Fall::Over => {}
            Fall::PeerCut => reset(self.case),
            Fall::CaseReset if self.shared.cuts.load(Ordering::SeqCst) => {
                let _ = self.peer.shutdown(std::net::Shutdown::Write);
                let _ = self.peer.set_nonblocking(false);
                // A close with something unread would be a reset.
                let _ = std::io::copy(&mut self.peer, &mut std::io::sink());
            }
            Fall::CaseReset => reset(self.peer),
        }
    }

    /// Moves whatever moves.
    fn step(&mut self) -> Result<(), Fall> {
        self.seal()?;
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.peer) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) if self.peer_ended => return Err(Fall::CaseReset),
                // The peer's last words may still be there to be read.
                Err(_) => break,
            }
        }
        self.open()?;
        while !self.text.is_empty() {
            match self.case.write(&self.text) {
                Ok(n) => drop(self.text.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Fall::CaseReset),
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Fall> {
        let mut chunk = [0; 65536];
        while !self.case_ended && !self.connection.wants_write() {
            match self.case.read(&mut chunk) {
                Ok(0) => {
                    self.case_ended = true;
                    self.connection.send_close_notify();
                }
                Ok(n) => {
                    if self.shared.renews.swap(false, Ordering::SeqCst) {
                        self.connection.refresh_traffic_keys().expect("TLS 1.3");
                    }
                    self.connection.writer().write_all(&chunk[..n]).expect("room");
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(Fall::CaseReset),
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Fall> {
        while !self.peer_ended && self.text.len() < TEXT_BYTES_MAX {
            let state = match self.connection.read_tls(&mut self.peer) {
                Ok(0) => Err(Fall::PeerCut),
                Ok(_) => self.connection.process_new_packets().map_err(|error| {
                    *lock(&self.shared.failure) = Some(error);
                    Fall::PeerCut
                }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => Err(Fall::PeerCut),
            };
            let state = state.inspect_err(|_| {
                let _ = self.case.set_nonblocking(false);
                let _ = self.case.write_all(&self.text);
            })?;
            let before = self.text.len();
            self.text.resize(before + state.plaintext_bytes_to_read(), 0);
            let mut reader = self.connection.reader();
            reader.read_exact(&mut self.text[before..]).expect("the text");
            self.peer_ended = state.peer_has_closed();
        }
        Ok(())
    }

    fn wait(&self, told_case: bool) {
        let mut of_peer = PollFlags::empty();
        of_peer.set(
            PollFlags::IN,
            !self.peer_ended && self.text.len() < TEXT_BYTES_MAX,
        );
        of_peer.set(PollFlags::OUT, self.connection.wants_write());
        let mut of_case = PollFlags::empty();
        of_case.set(PollFlags::IN, !self.case_ended && !self.connection.wants_write());
        of_case.set(PollFlags::OUT, !self.text.is_empty());
        let mut sockets = Vec::new();
        // A socket that hung up is always ready: it must not be asked when nothing is wanted of it.
        if !of_peer.is_empty() {
            sockets.push(PollFd::new(&self.peer, of_peer));
        }
        if !of_case.is_empty() || !told_case {
            sockets.push(PollFd::new(&self.case, of_case));
        }
        let limit = Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        let _ = poll(&mut sockets, Some(&limit));
    }
}

/// Closes with RST.
fn reset(stream: TcpStream) {
    let _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
