//! An engine over a wire in memory, against rustls's client. Here are both ends; an engine that connects is in
//! `engine_client_tests`.

mod clients;
mod records;

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use zeroize::Zeroizing;

use crate::io::wire::Sealing;
use crate::tls::testing::{Ca, Issued, Leaf};
use crate::tls::{self, RoleFrom, ServerParts};

use super::*;

/// A socket in memory.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) inbound: VecDeque<u8>,
    pub(super) outbound: Vec<u8>,
    /// So much may be outbound.
    room: Option<usize>,
    /// The peer's FIN is there.
    pub(super) has_ended: bool,
    hung_up: bool,
    closed: bool,
    /// Nothing more is read at a time.
    piece_bytes: usize,
    reads: usize,
}

impl Memory {
    /// One that gives all there is at a time.
    pub(super) fn whole() -> Memory {
        Memory {
            piece_bytes: usize::MAX,
            ..Memory::default()
        }
    }
}

impl Wire for Memory {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        self.reads += 1;
        let room = into.capacity() - into.len();
        assert!(room > 0, "a read without room");
        let n = self.inbound.len().min(room).min(self.piece_bytes.max(1));
        into.extend(self.inbound.drain(..n));
        match (n, self.has_ended) {
            (0, false) => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(n),
        }
    }

    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        assert!(!self.hung_up && !self.closed, "a write behind the end");
        let all = [first, second].concat();
        let room = self
            .room
            .map_or(usize::MAX, |room| room.saturating_sub(self.outbound.len()));
        let n = all.len().min(room);
        self.outbound.extend(&all[..n]);
        match n {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(n),
        }
    }

    fn hangup(&mut self) -> io::Result<()> {
        self.hung_up = true;
        Ok(())
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn abort(&mut self) {}

    fn has_news(&mut self) -> bool {
        !self.inbound.is_empty() || self.has_ended
    }

    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    fn short_read_means_drained(&self) -> bool {
        self.piece_bytes > 1
    }
}

/// A server, and how clients trust it.
pub(super) struct House {
    ca: Ca,
    server: Arc<Server>,
    room: Sealing,
}

impl House {
    /// Who signed the server's certificate.
    pub(super) fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// A server's engine.
    pub(super) fn engine(&self) -> Engine {
        self.room.engine(&[]).unwrap()
    }

    pub(super) fn new() -> House {
        let ca = Ca::new("Root");
        let (cas, list) = (ca.pem(), ca.crl(&[66], (2020, 2040)));
        House::with(ca, cas, vec![list])
    }

    /// One whose clients are judged by these CAs and lists.
    fn with(ca: Ca, client_cas: String, crls: Vec<String>) -> House {
        let file = |name: &str, text: String| tls::File {
            name: name.into(),
            bytes: Zeroizing::new(text.into_bytes()),
        };
        let parts = ServerParts {
            bundle: file("bundle", ca.issue(&Leaf::server()).bundle()),
            key: None,
            client_cas: vec![file("ca", client_cas)],
            crls: crls.into_iter().map(|list| file("crl", list)).collect(),
            role_from: RoleFrom::CommonName,
        };
        let server = Server::new(&parts, None, SystemTime::now(), &mut Vec::new()).unwrap();
        let server = Arc::new(server);
        House {
            ca,
            room: Sealing::new(Arc::clone(&server)),
            server,
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.ca.pem().as_bytes()).unwrap())
            .unwrap();
        roots
    }

    fn client_config(&self, certificate: Option<&Issued>) -> ClientConfig {
        let provider = Arc::clone(self.server.config().crypto_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        match certificate {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap);
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.collect(), key).unwrap()
            }
        }
    }

    fn pair(&self, certificate: Option<&Issued>) -> Pair {
        Pair::new(self, Arc::new(self.client_config(certificate)))
    }
}

/// An engine and its client.
struct Pair {
    engine: Engine,
    memory: Memory,
    client: ClientConnection,
    /// What the engine opened.
    opened: Vec<u8>,
    /// What the client opened.
    heard: Vec<u8>,
    client_heard_end: bool,
}

impl Pair {
    fn new(house: &House, config: Arc<ClientConfig>) -> Pair {
        let name = ServerName::try_from("localhost").unwrap();
        Pair {
            engine: house.room.engine(&[]).unwrap(),
            memory: Memory::whole(),
            client: ClientConnection::new(config, name).unwrap(),
            opened: Vec::new(),
            heard: Vec::new(),
            client_heard_end: false,
        }
    }

    /// The client sends what it has to say.
    fn client_sends(&mut self) {
        let mut sealed = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut sealed).unwrap();
        }
        self.memory.inbound.extend(sealed);
    }

    /// And takes what is there for it.
    fn client_takes(&mut self) -> Result<(), rustls::Error> {
        let sealed = std::mem::take(&mut self.memory.outbound);
        let mut rest = sealed.as_slice();
        while !rest.is_empty() {
            self.client.read_tls(&mut rest).unwrap();
            let state = self.client.process_new_packets()?;
            let mut text = vec![0; state.plaintext_bytes_to_read()];
            self.client.reader().read_exact(&mut text).unwrap();
            self.heard.extend(text);
            self.client_heard_end |= state.peer_has_closed();
        }
        Ok(())
    }

    /// The engine reads all there is; how that ended.
    fn read(&mut self) -> io::Result<usize> {
        loop {
            let mut into = Vec::with_capacity(64 * 1024);
            match self.engine.read(&mut self.memory, &mut into) {
                Ok(n) if n > 0 => {
                    assert_eq!(n, into.len());
                    self.opened.extend(into);
                }
                ended => return ended,
            }
        }
    }

    fn flush(&mut self) {
        if self.engine.under() > 0 {
            self.engine.flush(&mut self.memory).unwrap();
        }
    }

    /// Both do the handshake.
    fn shake_hands(&mut self) {
        for _ in 0..3 {
            self.client_sends();
            blocks(self.read());
            self.flush();
            self.client_takes().unwrap();
        }
        assert!(!self.client.is_handshaking() && !self.engine.core.is_handshaking());
    }

    fn says(&mut self, text: &[u8]) {
        self.client.writer().write_all(text).unwrap();
        self.client_sends();
    }
}

#[track_caller]
fn blocks(read: io::Result<usize>) {
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
