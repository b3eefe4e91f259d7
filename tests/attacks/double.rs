//! A name server whose answers a case makes byte for byte. The one of `tests/it` is for honest answers.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;

use crate::form;
use crate::support::dns;

/// The record types that are used here.
pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;

/// One question, and how it came.
pub(crate) struct Question<'a> {
    query: &'a [u8],
    end: usize,
    /// In lower case.
    pub(crate) name: String,
    pub(crate) kind: u16,
    pub(crate) over_tcp: bool,
}

/// `None` is silence.
type Answers = Arc<dyn Fn(&Question<'_>) -> Option<Vec<u8>> + Send + Sync>;

/// Starts one on a port of 127.0.0.1, or any with 0, and says where; it ends with the process.
pub(crate) fn start(
    port: u16,
    answers: impl Fn(&Question<'_>) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> SocketAddr {
    let (udp, tcp) = bind_both(port);
    let address = udp.local_addr().expect("its address");
    let answers: Answers = Arc::new(answers);
    let shared = Arc::clone(&answers);
    thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
            if let Some(answer) = reply(&buffer[..length], false, &shared) {
                let _ = udp.send_to(&answer, peer);
            }
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let answers = Arc::clone(&answers);
            thread::spawn(move || {
                // What is hostile comes over TCP; the honest are answered over UDP.
                form::step_back();
                serve(stream, &answers);
            });
        }
    });
    address
}

fn bind_both(port: u16) -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let udp = UdpSocket::bind(("127.0.0.1", port)).expect("a UDP port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("its address")) {
            return (udp, tcp);
        }
    }
    panic!("no port for both transports");
}

fn serve(mut stream: TcpStream, answers: &Answers) {
    let mut length = [0u8; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut query = vec![0u8; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut query).is_err() {
            return;
        }
        let Some(answer) = reply(&query, true, answers) else {
            continue;
        };
        let prefix = u16::try_from(answer.len()).expect("at most 64 KiB").to_be_bytes();
        if stream.write_all(&[&prefix[..], &answer].concat()).is_err() {
            return;
        }
    }
}

fn reply(query: &[u8], over_tcp: bool, answers: &Answers) -> Option<Vec<u8>> {
    let (name, kind, end) = dns::question(query)?;
    answers(&Question {
        query,
        end,
        name,
        kind,
        over_tcp,
    })
}

impl Question<'_> {
    /// An answer with so many records, written as they are. They begin behind [`Question::length`] bytes.
    pub(crate) fn answer(&self, count: u16, records: &[u8]) -> Vec<u8> {
        let mut message = self.query[..2].to_vec();
        message.extend_from_slice(&[0x84 | (self.query[2] & 1), 0x80, 0, 1]);
        message.extend_from_slice(&count.to_be_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(&self.query[12..self.end]);
        message.extend_from_slice(records);
        message
    }

    /// Header and question.
    pub(crate) fn length(&self) -> usize {
        self.end
    }

    /// An answer that says: ask over TCP.
    pub(crate) fn truncated(&self) -> Vec<u8> {
        let mut message = self.answer(0, &[]);
        message[2] |= 0x02;
        message
    }

    /// An answer with these addresses, or an empty one for another type.
    pub(crate) fn addresses(&self, addresses: &[Ipv4Addr]) -> Vec<u8> {
        if self.kind != A {
            return self.answer(0, &[]);
        }
        let records: Vec<u8> = addresses
            .iter()
            .flat_map(|address| record(&[0xc0, 12], A, &address.octets()))
            .collect();
        self.answer(u16::try_from(addresses.len()).expect("few"), &records)
    }
}

/// One record of class IN with a TTL of zero.
pub(crate) fn record(owner: &[u8], kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len())
        .expect("a short record")
        .to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 0], &length, content].concat()
}
