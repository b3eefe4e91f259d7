//! The origin of the bench: TLS at every address that is asked for, as many bytes as the path says. A thread a connection: its
//! time is not counted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::pki::{Ca, Leaf};

/// Hosts, by address: no name has to be looked up.
const HOSTS: u8 = 200;

/// What it is called beside that: not all verify addresses.
pub(crate) const NAME: &str = "origin.test";

const PIECE_BYTES: usize = 64 * 1024;

/// All hosts.
pub(crate) fn hosts() -> Vec<String> {
    (1..=HOSTS).map(|nth| format!("127.0.2.{nth}")).collect()
}

/// Where it listens, on all addresses.
pub(crate) struct Origin {
    pub(crate) port: u16,
}

impl Origin {
    pub(crate) fn start(ca: &Ca) -> Origin {
        let hosts = hosts();
        let names = hosts.iter().map(String::as_str);
        let names: Vec<&str> = names.chain([NAME]).collect();
        let issued = ca.issue(&Leaf {
            dns: &names,
            ..Leaf::server()
        });
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.map(|one| one.expect("a certificate")).collect(), key)
            .expect("a key that fits");
        let config = Arc::new(config);
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                thread::spawn(move || serve(stream, config));
            }
        });
        Origin { port }
    }
}

/// Until the client goes away.
fn serve(stream: TcpStream, config: Arc<ServerConfig>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let connection = ServerConnection::new(config).ok()?;
    let mut wire = BufReader::new(StreamOwned::new(connection, stream));
    let piece = vec![b'x'; PIECE_BYTES];
    loop {
        let (mut line, mut length) = (String::new(), 0_usize);
        loop {
            line.clear();
            if wire.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(path) = line.strip_prefix("GET /") {
                length = path.split(' ').next()?.parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let body = piece.get(..length).unwrap_or_default();
        wire.get_mut().write_all(&[head.as_bytes(), body].concat()).ok()?;
        let mut left = length - body.len();
        while left > 0 {
            let next = piece.get(..left).unwrap_or(&piece);
            wire.get_mut().write_all(next).ok()?;
            left -= next.len();
        }
    }
}
