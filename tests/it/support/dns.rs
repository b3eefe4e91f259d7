//! A small name server, as friendly or hostile as a case wants: A, AAAA and CNAME over UDP and TCP on one port
//! of the loopback. Counts its questions.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::DEADLINE;

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// What a name answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These addresses; the other family is empty.
    Addresses(Vec<IpAddr>),
    /// Another name and its addresses.
    Alias(String, Vec<IpAddr>),
    /// RCODE 3.
    NoSuchName,
    /// RCODE 2.
    Failure,
    /// Nothing at all.
    Silence,
    /// One answer to A and another to AAAA.
    Families(Box<Answer>, Box<Answer>),
    /// An answer that takes its time.
    Late(Duration, Box<Answer>),
    /// Truncated over UDP, these addresses over TCP.
    Truncated(Vec<IpAddr>),
    /// These addresses, after junk that a resolver must ignore: wrong id, wrong question.
    AfterForgeries(Vec<IpAddr>),
}

/// How a question came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Via {
    Udp,
    Tcp,
}

type Script = Box<dyn Fn(usize) -> Answer + Send + Sync>;

struct Zone {
    names: Mutex<HashMap<String, Script>>,
    asked: Mutex<Vec<(String, u16)>>,
}

/// A running name server; it ends with the process.
pub(crate) struct Dns {
    address: SocketAddr,
    zone: Arc<Zone>,
}

impl Dns {
    /// Starts one on a free port. Names that it doesn't know do not exist.
    pub(crate) fn start() -> Dns {
        Dns::start_at(0)
    }

    /// Starts one on a given port of 127.0.0.1.
    pub(crate) fn start_at(port: u16) -> Dns {
        Dns::bind("127.0.0.1", port)
    }

    /// Starts one for the system's resolver, on the usual port of an address of the loopback that no other case has.
    pub(crate) fn system(address: &str) -> Dns {
        Dns::bind(address, 53)
    }

    fn bind(address: &str, port: u16) -> Dns {
        let (udp, tcp) = bind_both(address, port);
        let address = udp.local_addr().expect("its address");
        let zone = Arc::new(Zone {
            names: Mutex::default(),
            asked: Mutex::default(),
        });
        let shared = Arc::clone(&zone);
        thread::spawn(move || serve_udp(&udp, &shared));
        let shared = Arc::clone(&zone);
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let zone = Arc::clone(&shared);
                thread::spawn(move || serve_tcp(stream, &zone));
            }
        });
        Dns { address, zone }
    }

    /// A name with fixed addresses.
    pub(crate) fn name(self, name: &str, addresses: &[&str]) -> Dns {
        let answer = Answer::Addresses(parse(addresses));
        self.answer(name, answer)
    }

    /// A name with a fixed answer.
    pub(crate) fn answer(self, name: &str, answer: Answer) -> Dns {
        self.script(name, move |_| answer.clone())
    }

    /// A name whose answer depends on how often it was asked before (A and AAAA counted apart).
    pub(crate) fn script(self, name: &str, script: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Dns {
        let mut names = self.zone.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.insert(name.to_owned(), Box::new(script));
        drop(names);
        self
    }

    /// The value for `--resolver-address`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// How many questions came for a name.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.questions().iter().filter(|asked| *asked == name).count()
    }

    /// Every name that was asked for, in lower case.
    pub(crate) fn questions(&self) -> Vec<String> {
        let asked = self.zone.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Parses addresses.
pub(crate) fn parse(addresses: &[&str]) -> Vec<IpAddr> {
    addresses
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

/// The same port for both transports; another try when only one of them was free.
fn bind_both(address: &str, port: u16) -> (UdpSocket, TcpListener) {
    for _ in 0..50 {
        let udp = UdpSocket::bind((address, port)).expect("a UDP port");
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("its address")) {
            return (udp, tcp);
        }
    }
    panic!("no port for both transports");
}

fn serve_udp(socket: &UdpSocket, zone: &Zone) {
    let mut buffer = [0u8; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
        let (delay, answers) = zone.replies(&buffer[..length], Via::Udp);
        let socket = socket.try_clone().expect("another handle");
        let send = move || {
            thread::sleep(delay);
            for answer in answers {
                let _ = socket.send_to(&answer, peer);
            }
        };
        match delay.is_zero() {
            true => send(),
            false => drop(thread::spawn(send)),
        }
    }
}

fn serve_tcp(mut stream: TcpStream, zone: &Zone) {
    let _ = stream.set_read_timeout(Some(DEADLINE));
    let mut length = [0u8; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut query = vec![0u8; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut query).is_err() {
            return;
        }
        let (delay, answers) = zone.replies(&query, Via::Tcp);
        thread::sleep(delay);
        for answer in answers {
            let prefix = u16::try_from(answer.len()).expect("a short answer").to_be_bytes();
            if stream.write_all(&[&prefix[..], &answer].concat()).is_err() {
                return;
            }
        }
    }
}

impl Zone {
    /// What is said to a question, and after how long.
    fn replies(&self, query: &[u8], via: Via) -> (Duration, Vec<Vec<u8>>) {
        let Some((name, kind, end)) = question(query) else {
            return (Duration::ZERO, Vec::new());
        };
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked
            .iter()
            .filter(|seen| seen.0 == name && seen.1 == kind)
            .count();
        asked.push((name.clone(), kind));
        drop(asked);
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = names
            .get(&name)
            .map_or(Answer::NoSuchName, |script| script(before));
        drop(names);
        let (mut answer, mut delay) = (answer, Duration::ZERO);
        loop {
            answer = match answer {
                Answer::Families(a, _) if kind == A => *a,
                Answer::Families(_, aaaa) => *aaaa,
                Answer::Late(time, late) => {
                    delay += time;
                    *late
                }
                other => {
                    answer = other;
                    break;
                }
            };
        }
        let ask = Ask { query, end, kind };
        let replies = match answer {
            Answer::Addresses(addresses) => vec![ask.reply(0, &ask.records(&addresses))],
            Answer::Alias(target, addresses) => vec![ask.reply(0, &ask.alias(&target, &addresses))],
            Answer::NoSuchName => vec![ask.reply(3, &[])],
            Answer::Failure => vec![ask.reply(2, &[])],
            Answer::Silence => Vec::new(),
            Answer::Truncated(_) if via == Via::Udp => vec![ask.truncated()],
            Answer::Truncated(addresses) => vec![ask.reply(0, &ask.records(&addresses))],
            Answer::AfterForgeries(addresses) => ask.forgeries(&addresses),
            Answer::Families(..) | Answer::Late(..) => Vec::new(),
        };
        (delay, replies)
    }
}

/// The first question's name, kind, and where it ends.
pub(crate) fn question(query: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

struct Ask<'a> {
    query: &'a [u8],
    end: usize,
    kind: u16,
}

impl Ask<'_> {
    fn reply(&self, code: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let mut message = self.query[..2].to_vec();
        message.extend_from_slice(&[0x84 | (self.query[2] & 1), 0x80 | code]);
        let count = u16::try_from(records.len()).expect("few records").to_be_bytes();
        message.extend_from_slice(&[0, 1, count[0], count[1], 0, 0, 0, 0]);
        message.extend_from_slice(&self.query[12..self.end]);
        records
            .iter()
            .for_each(|record| message.extend_from_slice(record));
        message
    }

    fn truncated(&self) -> Vec<u8> {
        let mut message = self.reply(0, &[]);
        message[2] |= 0x02;
        message
    }

    /// Address records for the name that was asked.
    fn records(&self, addresses: &[IpAddr]) -> Vec<Vec<u8>> {
        self.owned(&[0xc0, 12], addresses)
    }

    fn owned(&self, owner: &[u8], addresses: &[IpAddr]) -> Vec<Vec<u8>> {
        let fitting = addresses
            .iter()
            .filter(|address| self.kind == if address.is_ipv4() { A } else { AAAA });
        fitting
            .map(|address| match address {
                IpAddr::V4(v4) => record(owner, A, &v4.octets()),
                IpAddr::V6(v6) => record(owner, AAAA, &v6.octets()),
            })
            .collect()
    }

    fn alias(&self, target: &str, addresses: &[IpAddr]) -> Vec<Vec<u8>> {
        let mut encoded = Vec::new();
        for label in target.split('.') {
            encoded.push(u8::try_from(label.len()).expect("a short label"));
            encoded.extend_from_slice(label.as_bytes());
        }
        encoded.push(0);
        let mut records = vec![record(&[0xc0, 12], CNAME, &encoded)];
        records.extend(self.owned(&encoded, addresses));
        records
    }

    /// Loopback addresses under a wrong id and for a wrong name, then the answer.
    fn forgeries(&self, addresses: &[IpAddr]) -> Vec<Vec<u8>> {
        let lie = self.records(&parse(&["127.0.0.1", "::1"]));
        let mut wrong_id = self.reply(0, &lie);
        wrong_id[0] ^= 0x55;
        let mut wrong_question = self.reply(0, &lie);
        wrong_question[13] ^= 0x01;
        vec![wrong_id, wrong_question, self.reply(0, &self.records(addresses))]
    }
}

/// One record of class IN with a TTL of zero.
fn record(owner: &[u8], kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len())
        .expect("a short record")
        .to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 0], &length, content].concat()
}
