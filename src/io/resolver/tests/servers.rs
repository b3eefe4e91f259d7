//! A DNS server on loopback that does what a test tells it to, and the bytes it does it with.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use super::{PATIENCE, addresses};

pub(super) const A: u16 = 1;
pub(super) const CNAME: u16 = 5;
pub(super) const AAAA: u16 = 28;

/// What an answer says that is to be believed, and one that is not.
pub(super) const GOOD: &str = "192.0.2.1";
pub(super) const BAD: &str = "127.0.0.66";

/// A question as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// The whole message.
    pub(super) message: Vec<u8>,
    /// The name in lower case.
    pub(super) name: String,
    /// The record type.
    pub(super) kind: u16,
    /// Where from.
    pub(super) from: SocketAddr,
    /// Over TCP?
    pub(super) tcp: bool,
    /// How many were heard before this.
    pub(super) before: usize,
}

/// What the server does.
pub(super) enum Act {
    /// Answers.
    Reply(Vec<u8>),
    /// Answers from another port.
    FromElsewhere(Vec<u8>),
    /// Sends something to somebody else.
    To(SocketAddr, Vec<u8>),
}

/// The server. It ends when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    heard: Receiver<Heard>,
    threads: Vec<JoinHandle<()>>,
}

const STOP: &[u8] = b"stop";

impl Server {
    /// A server that does what `script` says to each question, on both transports.
    pub(super) fn start(script: impl FnMut(&Heard) -> Vec<Act> + Send + Clone + 'static) -> Server {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let (sender, heard) = channel();
        let (for_udp, for_tcp) = (sender.clone(), sender);
        let script_tcp = script.clone();
        let threads = vec![
            thread::spawn(move || serve_udp(&udp, script, &for_udp)),
            thread::spawn(move || serve_tcp(&tcp, script_tcp, &for_tcp)),
        ];
        Server {
            address,
            heard,
            threads,
        }
    }

    /// A server that says nothing at all.
    pub(super) fn silent() -> Server {
        Server::start(|_| Vec::new())
    }

    /// Waits for the next question.
    pub(super) fn next(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).expect("no question")
    }

    /// The questions that were heard and not yet taken: all that were answered, for they are noted first.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.try_iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .send_to(STOP, self.address);
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.write_all(&[0, 4, b's', b't', b'o', b'p']);
        }
        for thread in self.threads.drain(..) {
            thread.join().expect("the server's script failed");
        }
    }
}

fn serve_udp(socket: &UdpSocket, mut script: impl FnMut(&Heard) -> Vec<Act>, sender: &Sender<Heard>) {
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = [0; 4096];
    let mut before = 0;
    loop {
        // A closed port's ICMP message for an earlier reply may come up here.
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let message = buffer[..length].to_vec();
        if message == STOP {
            return;
        }
        let heard = hear(message, from, false, before);
        before += 1;
        // Before the answer: who has that may ask at once what was heard.
        let _ = sender.send(heard.clone());
        for act in script(&heard) {
            let _ = match act {
                Act::Reply(bytes) => socket.send_to(&bytes, from),
                Act::FromElsewhere(bytes) => elsewhere.send_to(&bytes, from),
                Act::To(other, bytes) => socket.send_to(&bytes, other),
            };
        }
    }
}

fn serve_tcp(listener: &TcpListener, mut script: impl FnMut(&Heard) -> Vec<Act>, sender: &Sender<Heard>) {
    let mut before = 0;
    loop {
        let (mut stream, from) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            continue;
        }
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message).unwrap();
        if message == STOP {
            return;
        }
        let heard = hear(message, from, true, before);
        before += 1;
        let _ = sender.send(heard.clone());
        for act in script(&heard) {
            let Act::Reply(bytes) = act else {
                panic!("not over TCP")
            };
            let _ = stream.write_all(&u16::try_from(bytes.len()).unwrap().to_be_bytes());
            // In two parts, as a network may.
            let (first, second) = bytes.split_at(bytes.len() / 2);
            let _ = stream.write_all(first).and_then(|()| stream.write_all(second));
        }
    }
}

fn hear(message: Vec<u8>, from: SocketAddr, tcp: bool, before: usize) -> Heard {
    let mut name = String::new();
    let mut at = 12;
    while message[at] != 0 {
        let label = &message[at + 1..=at + usize::from(message[at])];
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8(label.to_vec()).unwrap().to_lowercase());
        at += 1 + label.len();
    }
    let kind = u16::from_be_bytes([message[at + 1], message[at + 2]]);
    Heard {
        message,
        name,
        kind,
        from,
        tcp,
        before,
    }
}

/// Does the message carry an OPT record?
pub(super) fn has_edns(message: &[u8]) -> bool {
    message[11] == 1
}

/// A reply to a question, built up record by record.
#[derive(Clone)]
pub(super) struct Build(pub(super) Vec<u8>);

impl Build {
    /// NOERROR, recursion available, the question as it came, no records.
    pub(super) fn to(message: &[u8]) -> Build {
        let mut end = 12;
        while message[end] != 0 {
            end += 1 + usize::from(message[end]);
        }
        let mut bytes = message[..end + 5].to_vec();
        bytes[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
        Build(bytes)
    }

    /// With another RCODE.
    pub(super) fn rcode(mut self, rcode: u8) -> Build {
        self.0[3] = self.0[3] & 0xf0 | rcode;
        self
    }

    /// Marked as cut off.
    pub(super) fn truncated(mut self) -> Build {
        self.0[2] |= 2;
        self
    }

    /// With an answer record. `owner` as text; empty stands for the name that was asked for.
    pub(super) fn record(mut self, owner: &str, kind: u16, ttl: u32, rdata: &[u8]) -> Build {
        let count = u16::from_be_bytes([self.0[6], self.0[7]]) + 1;
        self.0[6..8].copy_from_slice(&count.to_be_bytes());
        self.0.extend(if owner.is_empty() {
            vec![0xc0, 12]
        } else {
            wire_name(owner)
        });
        self.0.extend(kind.to_be_bytes());
        self.0.extend([0, 1]);
        self.0.extend(ttl.to_be_bytes());
        self.0.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
        self.0.extend(rdata);
        self
    }

    /// With an A or AAAA record.
    pub(super) fn address(self, owner: &str, ttl: u32, address: &str) -> Build {
        match address.parse().unwrap() {
            IpAddr::V4(v4) => self.record(owner, A, ttl, &v4.octets()),
            IpAddr::V6(v6) => self.record(owner, AAAA, ttl, &v6.octets()),
        }
    }

    /// With a CNAME record.
    pub(super) fn alias(self, owner: &str, ttl: u32, target: &str) -> Build {
        self.record(owner, CNAME, ttl, &wire_name(target))
    }

    /// As the one act of a script.
    pub(super) fn act(self) -> Vec<Act> {
        vec![Act::Reply(self.0)]
    }
}

/// A name as it is sent, uncompressed.
pub(super) fn wire_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes
}

/// What a well-behaved server says: the address to A questions, NODATA to the others.
pub(super) fn honest(heard: &Heard, ttl: u32, address: &str) -> Build {
    let reply = Build::to(&heard.message);
    if heard.kind == A {
        reply.address("", ttl, address)
    } else {
        reply
    }
}

/// What is resolved where [`GOOD`] alone is believed.
pub(super) fn good() -> Result<Vec<IpAddr>, (String, bool)> {
    Ok(addresses(&[GOOD]))
}

/// The record types that were asked for, in order of their numbers.
pub(super) fn kinds(heard: &[Heard]) -> Vec<u16> {
    let mut kinds: Vec<u16> = heard.iter().map(|one| one.kind).collect();
    kinds.sort_unstable();
    kinds
}
