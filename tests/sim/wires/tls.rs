//! A wire that speaks TLS: the proxy's own engine over a wire in memory, and rustls as the peer's, a client or an origin. The
//! randomness of keys is not a seed's, but nothing depends on it: Ed25519 signatures, and so all records, are of one length.
//! Only those of minted certificates differ by a byte or two, so that a seed inside of an intercepted tunnel may be cut elsewhere.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection, version,
};
use smokescreen::io::wire::{Aside, Engine, Ready, Sealing, Secured, Wire};
use smokescreen::net::Host;
use smokescreen::tls::{Asked, Client, ClientParts, File, Leaves, Minted, RoleFrom, Server, ServerParts};
use zeroize::Zeroizing;

use crate::pki::{Ca, Key, Leaf};
use crate::plan::SITES;
use crate::random::Random;

use super::Ended;
use super::memory::MemoryWire;

/// At most so much is taken from the wire below at a time.
const TAKEN_BYTES_MAX: usize = 30_000;

/// What all seeds have.
struct House {
    /// The proxy's certificate.
    server: Arc<Server>,
    /// A client that trusts it and has one of its own.
    client: Arc<ClientConfig>,
    /// Whom the proxy trusts.
    trust: Arc<Client>,
    /// All origins.
    origin: Arc<ServerConfig>,
    /// The CA of intercepted tunnels, and a client that trusts that alone.
    leaves: Arc<Leaves>,
    inside: Arc<ClientConfig>,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let ca = Ca::with_key("Root", Key::Ed25519);
    let file = |text: String| File {
        name: "a file".into(),
        bytes: Zeroizing::new(text.into_bytes()),
    };
    let parts = ServerParts {
        bundle: file(
            ca.issue(&Leaf {
                key: Key::Ed25519,
                ..Leaf::server()
            })
            .bundle(),
        ),
        key: None,
        client_cas: vec![file(ca.pem())],
        crls: Vec::new(),
        role_from: RoleFrom::CommonName,
    };
    let server = Server::new(&parts, None, SystemTime::now(), &mut Vec::new()).expect("a server");
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(ca.pem().as_bytes()).expect("a certificate");
    roots.add(root).expect("a root");
    let client = Leaf {
        key: Key::Ed25519,
        ..Leaf::client("authed")
    };
    let client = ca.issue(&client);
    let chain =
        CertificateDer::pem_slice_iter(client.chain.as_bytes()).map(|one| one.expect("a certificate"));
    let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).expect("a key");
    let provider = Arc::clone(server.config().crypto_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.collect(), key)
        .expect("a key that fits");
    config.resumption = Resumption::disabled();
    let parts = ClientParts {
        system: Vec::new(),
        files: vec![file(ca.pem())],
    };
    let trust = Client::new(parts, SystemTime::now(), &mut Vec::new()).expect("a trust");
    let origin = origin_config(&ca, config.crypto_provider());
    let own = Ca::with_key("Own", Key::Ed25519);
    let leaves = Leaves::new(
        file(own.pem()),
        file(own.key_pem()),
        SystemTime::now(),
        &mut Vec::new(),
    );
    let inside = inside_config(&own, config.crypto_provider());
    House {
        server: Arc::new(server),
        client: Arc::new(config),
        trust: Arc::new(trust),
        origin: Arc::new(origin),
        leaves: Arc::new(leaves.expect("a CA")),
        inside: Arc::new(inside),
    }
});

fn inside_config(own: &Ca, provider: &Arc<rustls::crypto::CryptoProvider>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(own.pem().as_bytes()).expect("a certificate");
    roots.add(root).expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config
}

/// The certificate for an intercepted tunnel to this host.
pub(crate) fn leaf(host: &Host) -> Minted {
    let (told, heard) = channel();
    let now = SystemTime::now();
    let waiter = move |minted| told.send(minted).expect("who asked");
    match HOUSE.leaves.ask(host, now, Box::new(waiter)) {
        Asked::Ready(leaf) => return Ok(leaf),
        Asked::Mint(order) => order.carry_out(now),
        // By another test's thread.
        Asked::Waits => {}
    }
    heard.recv().expect("an answer")
}

/// An origin under every name that is asked for.
fn origin_config(ca: &Ca, provider: &Arc<rustls::crypto::CryptoProvider>) -> ServerConfig {
    let named = |written: &str| written.trim_matches(['[', ']', '.']).to_ascii_lowercase();
    let is_ascii = |name: &String| name.is_ascii() && !name.is_empty();
    let names: Vec<String> = SITES
        .iter()
        .map(|site| named(site.written))
        .filter(is_ascii)
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let issued = ca.issue(&Leaf {
        key: Key::Ed25519,
        dns: &names,
        ..Leaf::server()
    });
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
    // Sessions are resumed or not as other seeds left them: what was said must not depend on it, but lengths do.
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&version::TLS13])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.map(|one| one.expect("a certificate")).collect(), key)
        .expect("a key that fits");
    config.send_tls13_tickets = 0;
    config
}

/// What makes the proxy's engines.
pub(crate) fn sealing() -> Sealing {
    let mut sealing = Sealing::new(Arc::clone(&HOUSE.server));
    sealing.believe(Arc::clone(&HOUSE.trust));
    sealing
}

/// How the peer leaves once the handshake is done and all was said.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Fin,
    Close,
}

/// Both ends.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) below: MemoryWire,
    random: Random,
    engine: Option<Engine>,
    peer: Connection,
    /// What came of the answer to the peer's CONNECT, until that is whole.
    entering: Option<Vec<u8>>,
    /// It does not wait for that before it begins its handshake.
    eager: bool,
    calm: bool,
    /// Opened by the peer, and not taken.
    plain: VecDeque<u8>,
    /// All that it ever opened.
    pub(crate) heard: Vec<u8>,
    pub(crate) heard_end: bool,
    /// How the wire below ended, or that what came was no TLS.
    lost: Option<Ended>,
    leaving: Option<Leaving>,
    /// It ends without a notice.
    cuts: bool,
    gone: bool,
    /// Everything that was ever accepted from the session.
    pub(crate) written: Vec<u8>,
    /// It was dropped without a word.
    pub(crate) was_cut_short: bool,
    /// Its reader was told that what came was cut.
    pub(crate) cut_read: bool,
    pub(crate) complaints: Vec<String>,
}

impl Tls {
    /// A client's.
    pub(crate) fn new(below: MemoryWire, calm: bool, random: Random) -> Tls {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut peer = ClientConnection::new(Arc::clone(&HOUSE.client), name).expect("a client");
        peer.set_buffer_limit(None);
        let mut tls = Tls::over(below, Connection::Client(peer), calm, random);
        tls.peer_push();
        tls
    }

    /// A client's that has a tunnel to this authority, which is intercepted.
    pub(crate) fn inside(below: MemoryWire, authority: &str, calm: bool, random: Random) -> Tls {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let name = ServerName::try_from(host).expect("a name");
        let mut peer = ClientConnection::new(Arc::clone(&HOUSE.inside), name).expect("a client");
        peer.set_buffer_limit(None);
        let mut tls = Tls::over(below, Connection::Client(peer), calm, random);
        (tls.entering, tls.eager) = (Some(Vec::new()), tls.random.one_in(3));
        let connect = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: Basic dTpzZWNyZXQ=\r\n\r\n"
        );
        tls.below.peer_send(connect.as_bytes());
        tls.peer_push();
        tls
    }

    /// An origin's, by this engine of the proxy's.
    pub(crate) fn to_origin(below: MemoryWire, engine: Engine, calm: bool, random: Random) -> Tls {
        let mut peer = ServerConnection::new(Arc::clone(&HOUSE.origin)).expect("a server");
        peer.set_buffer_limit(None);
        let mut tls = Tls::over(below, Connection::Server(peer), calm, random);
        tls.engine = Some(engine);
        tls
    }

    fn over(below: MemoryWire, peer: Connection, calm: bool, mut random: Random) -> Tls {
        Tls {
            below,
            engine: None,
            peer,
            entering: None,
            eager: false,
            calm,
            plain: VecDeque::new(),
            heard: Vec::new(),
            heard_end: false,
            lost: None,
            leaving: None,
            cuts: !calm && random.one_in(6),
            gone: false,
            written: Vec::new(),
            was_cut_short: false,
            cut_read: false,
            complaints: Vec::new(),
            random,
        }
    }

    pub(crate) fn secure(&mut self, sealing: &Sealing, received: &[u8]) -> io::Result<()> {
        if self.engine.is_some() {
            self.complaints.push("secured twice".into());
        }
        self.engine = Some(sealing.engine(received)?);
        Ok(())
    }

    /// The same inside of the tunnel that it is.
    pub(crate) fn secure_inside(&mut self, engine: Engine) {
        if self.engine.is_some()
            || self.entering.is_none() && !self.eager && self.lost.is_none() && !self.peer.is_handshaking()
        {
            self.complaints.push("secured twice, or no tunnel".into());
        }
        self.engine = Some(engine);
    }

    /// Everything that left has been opened by the peer, as far as it goes.
    pub(crate) fn peer_has_all(&self) -> bool {
        !self.gone && self.lost.is_none() && !self.below.peer_has_news()
    }

    pub(super) fn owes_news(&self) -> bool {
        self.below.owes_news() || !self.below.closed && self.peer_is_busy()
    }

    pub(super) fn stir(&mut self, ready: &mut Ready) {
        self.below.stir(ready);
        if self.peer_is_busy() {
            self.peer_pull();
        }
    }

    /// Has the peer's engine something to do by itself?
    fn peer_is_busy(&self) -> bool {
        let has_to = self.peer.is_handshaking() || matches!(self.leaving, Some(Leaving::Close));
        !self.gone && self.lost.is_none() && has_to && self.below.peer_has_news()
    }

    fn peer_push(&mut self) -> bool {
        let may_leave = !self.peer.is_handshaking() || self.lost.is_some();
        if self.leaving.is_some() && may_leave && !self.cuts {
            self.peer.send_close_notify();
        }
        let mut sealed = Vec::new();
        let waits = self.entering.is_some() && !self.eager;
        while !waits && self.peer.wants_write() {
            self.peer.write_tls(&mut sealed).expect("memory");
        }
        let took = sealed.is_empty() || self.below.peer_send(&sealed);
        match self.leaving.take_if(|_| may_leave) {
            Some(Leaving::Fin) => self.below.peer_fin(),
            Some(Leaving::Close) => {
                self.gone = true;
                self.below.peer_close();
            }
            None => {}
        }
        took
    }

    fn peer_pull(&mut self) {
        match self.below.peer_take(self.random.between(1, TAKEN_BYTES_MAX)) {
            Ok(sealed) => {
                let sealed = self.peer_enter(sealed);
                if let Err(complaint) = self.peer_open(&sealed) {
                    self.complaints.push(format!("the peer takes {complaint}"));
                    self.lost = Some(Ended::Reset);
                }
            }
            Err(Ended::Reset) => self.lost = Some(Ended::Reset),
            Err(Ended::Fin | Ended::Cut) => self.lost = Some(Ended::Cut),
        }
        self.peer_push();
    }

    /// Takes the answer to its CONNECT; gives what is behind it.
    fn peer_enter(&mut self, came: Vec<u8>) -> Vec<u8> {
        let Some(mut answer) = self.entering.take() else {
            return came;
        };
        answer.extend(came);
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            self.entering = Some(answer);
            return Vec::new();
        };
        let behind = answer.split_off(end + 4);
        if answer.starts_with(b"HTTP/1.1 200 ") {
            self.heard.extend(answer);
            return behind;
        }
        if self.calm {
            let answer = String::from_utf8_lossy(&answer);
            self.complaints.push(format!("no tunnel: {answer:?}"));
        }
        self.lost = Some(Ended::Cut);
        Vec::new()
    }

    fn peer_open(&mut self, mut sealed: &[u8]) -> Result<(), rustls::Error> {
        while !sealed.is_empty() {
            self.peer.read_tls(&mut sealed).expect("memory");
            let state = self.peer.process_new_packets()?;
            let mut text = vec![0; state.plaintext_bytes_to_read()];
            self.heard_end |= state.peer_has_closed();
            self.peer.reader().read_exact(&mut text).expect("it is there");
            self.heard.extend(&text);
            self.plain.extend(text);
        }
        Ok(())
    }

    pub(super) fn peer_send(&mut self, text: &[u8]) -> bool {
        if self.gone || !self.below.peer_send(&[]) {
            return false;
        }
        if !self.peer.is_handshaking() && self.random.one_in(8) {
            self.peer.refresh_traffic_keys().expect("TLS 1.3");
        }
        self.peer.writer().write_all(text).expect("memory");
        self.peer_push()
    }

    fn peer_leave(&mut self, leaving: Leaving) {
        if self.gone {
            return;
        }
        self.leaving = Some(leaving);
        self.peer_push();
    }

    pub(super) fn peer_fin(&mut self) {
        self.peer_leave(Leaving::Fin);
    }

    pub(super) fn peer_close(&mut self) {
        self.peer_leave(Leaving::Close);
    }

    pub(super) fn peer_reset(&mut self, kind: ErrorKind) {
        self.gone = true;
        match self.random.one_in(2) {
            true => self.below.peer_close(),
            false => self.below.peer_reset(kind),
        }
    }

    pub(super) fn peer_has_news(&self) -> bool {
        let holds = !self.plain.is_empty() || self.heard_end || self.lost.is_some();
        !self.gone && (holds || self.below.peer_has_news())
    }

    pub(super) fn peer_take(&mut self, most: usize) -> Result<Vec<u8>, Ended> {
        if self.plain.is_empty() && !self.heard_end && self.lost.is_none() {
            self.peer_pull();
        }
        let n = most.min(self.plain.len());
        match self.lost {
            _ if n > 0 => Ok(self.plain.drain(..n).collect()),
            _ if self.heard_end => Err(Ended::Fin),
            Some(ended) => Err(ended),
            None => Ok(Vec::new()),
        }
    }
}

/// A call of the engine, or of the wire below as long as there is none.
macro_rules! either {
    ($self:ident, $engine:ident, $below:ident => $sealed:expr, $plain:expr) => {{
        let Tls {
            below: $below,
            engine,
            ..
        } = $self;
        match engine {
            Some($engine) => $sealed,
            None => $plain,
        }
    }};
}

impl Wire for Tls {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let read = either!(self, engine, below => engine.read(below, into), below.read(into));
        if let Err(error) = &read {
            self.cut_read |= error.kind() == ErrorKind::UnexpectedEof;
            if error.kind() == ErrorKind::InvalidData {
                self.complaints.push(format!("the proxy reads: {error}"));
            }
        }
        read
    }

    fn aside(&mut self) -> Option<Aside> {
        self.engine.as_mut().map(Engine::aside)
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let n =
            either!(self, engine, below => engine.write(below, first, second), below.write(first, second))?;
        self.written.extend(first.iter().chain(second).take(n));
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, engine, below => engine.flush(below), below.flush())
    }

    fn under(&self) -> u32 {
        self.engine.as_ref().map_or(0, Engine::under)
    }

    fn secured(&mut self) -> Option<Secured> {
        self.engine.as_mut()?.secured()
    }

    fn hangup(&mut self) -> io::Result<()> {
        either!(self, engine, below => engine.hangup(below), below.hangup())
    }

    fn close(&mut self) {
        either!(self, engine, below => engine.close(below), below.close());
    }

    fn close_says_end(&self) -> bool {
        self.engine.is_none()
    }

    fn abort(&mut self) {
        self.below.abort();
    }

    fn has_news(&mut self) -> bool {
        self.engine.as_ref().is_some_and(Engine::has_news) || self.below.has_news()
    }

    fn held_bytes(&self) -> usize {
        self.engine.as_ref().map_or(0, Engine::held_bytes)
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.below.take_error()
    }

    fn short_read_means_drained(&self) -> bool {
        match &self.engine {
            Some(engine) => engine.is_drained(),
            None => self.below.short_read_means_drained(),
        }
    }
}
