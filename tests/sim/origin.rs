//! The scripted origin: takes requests (`reading`) and answers them by plan, faults included.

mod reading;

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::parse::Framing;
use crate::plan::{Chained, Exchange, Fault, Leave, MALFORMED_ANSWERS, Taste};
use crate::random::{Random, payload};
use crate::wires::{Ended, Stack};

/// All requests by number, and which client asks them.
pub(crate) type Book = HashMap<u32, (usize, Exchange)>;

/// What an upstream says half of that cuts.
const CONNECTION_ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// What an origin does when all was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Keep,
    Fin,
    Close,
    Reset,
    Nothing,
}

#[derive(Clone, Debug)]
enum Phase {
    /// A request head is awaited.
    Head,
    /// It is an upstream, and awaits the CONNECT that this request asks for.
    Chained(u32),
    /// A head was read: its body is, or the response is on the way, or both.
    Request {
        number: u32,
        body_at: usize,
        framing: Framing,
        body_read: bool,
        answering: bool,
    },
    /// It refused to make a tunnel, and takes no byte of one.
    Refused,
    /// A tunnel since this byte.
    Tunnel,
    /// It says nothing more.
    Over,
}

/// One connection to an origin.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) link: usize,
    pub(crate) remote: SocketAddr,
    pub(crate) received: Vec<u8>,
    at: usize,
    /// A body need not be looked at before so many bytes are there.
    needs: usize,
    phase: Phase,
    out: Vec<u8>,
    sent: usize,
    then: Option<Then>,
    pub(crate) ended: Option<Ended>,
    fin_sent: bool,
    gone: bool,
    served: usize,
    /// The client that bound it to itself.
    private_to: Option<usize>,
    /// Numbers of the requests whose heads arrived.
    pub(crate) seen: Vec<u32>,
    /// The complete ones.
    requests: Vec<(u32, Vec<u8>)>,
    /// The tunnel, and where in `received` its bytes begin.
    pub(crate) tunnel: Option<(u32, usize)>,
    pub(crate) complaints: Vec<String>,
}

impl Origin {
    pub(crate) fn new(link: usize, remote: SocketAddr) -> Origin {
        Origin {
            link,
            remote,
            received: Vec::new(),
            at: 0,
            needs: 0,
            phase: Phase::Head,
            out: Vec::new(),
            sent: 0,
            then: None,
            ended: None,
            fin_sent: false,
            gone: false,
            served: 0,
            private_to: None,
            seen: Vec::new(),
            requests: Vec::new(),
            tunnel: None,
            complaints: Vec::new(),
        }
    }

    /// An upstream, which is asked for this request's tunnel.
    pub(crate) fn upstream(link: usize, remote: SocketAddr, number: u32) -> Origin {
        Origin {
            phase: Phase::Chained(number),
            ..Origin::new(link, remote)
        }
    }

    /// Every complete request, and the tunnel's bytes, with their numbers.
    pub(crate) fn taken(&self) -> Vec<(u32, Vec<u8>)> {
        let tunnel = self
            .tunnel
            .map(|(number, at)| (number, self.received[at..].to_vec()));
        self.requests.iter().cloned().chain(tunnel).collect()
    }

    /// This connection is a tunnel from its first byte.
    pub(crate) fn become_tunnel(&mut self, number: u32, exchange: &Exchange) {
        self.open_tunnel(number, 0, exchange);
    }

    /// Does it take bytes, and are there any?
    pub(crate) fn can_take(&self, wire: &Stack) -> bool {
        !self.gone && self.ended.is_none() && wire.peer_has_news()
    }

    /// Takes a piece and looks at it.
    pub(crate) fn take(&mut self, wire: &mut Stack, book: &Book, taste: Taste, random: &mut Random) {
        let most = if random.one_in(2) {
            65_536
        } else {
            random.between(1, 200)
        };
        match wire.peer_take(most) {
            Ok(bytes) => self.received.extend(bytes),
            Err(ended) => {
                self.ended = Some(ended);
                // Nobody listens any more.
                if !matches!(self.phase, Phase::Tunnel) {
                    self.out.clear();
                    self.sent = 0;
                    self.then = Some(Then::Close);
                } else if ended == Ended::Reset {
                    self.gone = true;
                }
            }
        }
        while self.look(book, taste) {}
    }

    /// Looks at the rest.
    pub(crate) fn finish(&mut self, book: &Book, taste: Taste) {
        self.needs = 0;
        self.look(book, taste);
    }

    /// Can it send or end something now?
    pub(crate) fn can_act(&self) -> bool {
        !self.gone && !self.fin_sent && (self.sent < self.out.len() || self.can_finish())
    }

    fn can_finish(&self) -> bool {
        match (&self.phase, self.then) {
            (Phase::Tunnel, Some(Then::Nothing)) => self.ended.is_some(),
            (_, Some(Then::Nothing) | None) => false,
            // The request is read to its end before the next.
            (Phase::Request { body_read, .. }, Some(Then::Keep)) => *body_read,
            _ => true,
        }
    }

    /// Sends a piece, or does what comes then.
    pub(crate) fn act(&mut self, wire: &mut Stack, random: &mut Random) {
        let rest = &self.out[self.sent..];
        if !rest.is_empty() {
            let n = random.between(1, rest.len());
            match wire.peer_send(&rest[..n]) {
                true => self.sent += n,
                false => self.gone = true,
            }
            return;
        }
        let then = self.then.take();
        match then {
            Some(Then::Keep) => self.next_request(),
            Some(Then::Fin | Then::Nothing) => {
                self.fin_sent = true;
                wire.peer_fin();
                if !matches!(self.phase, Phase::Tunnel) {
                    self.phase = Phase::Over;
                }
            }
            Some(Then::Close) => {
                self.gone = true;
                wire.peer_close();
            }
            Some(Then::Reset) => {
                self.gone = true;
                wire.peer_reset(std::io::ErrorKind::ConnectionReset);
            }
            None => {}
        }
    }

    fn next_request(&mut self) {
        self.then = None;
        self.phase = Phase::Head;
        self.served += 1;
    }

    /// An idle connection is closed by its origin.
    pub(crate) fn can_expire(&self) -> bool {
        matches!(self.phase, Phase::Head) && !self.gone && !self.fin_sent && self.served > 0
    }

    pub(crate) fn expire(&mut self, wire: &mut Stack) {
        self.gone = true;
        wire.peer_close();
    }

    fn answer(&mut self, number: u32, exchange: &Exchange) {
        let answer = &exchange.answer;
        if answer.status == 101 {
            self.out = answer.bytes(&exchange.ask, &[]);
            self.sent = 0;
            if self.received.len() > self.at {
                self.complain(format!("bytes behind request {number} before 101"));
            }
            return self.open_tunnel(number, self.at, exchange);
        }
        let content = exchange.content();
        self.out = answer.bytes(&exchange.ask, &content);
        self.sent = 0;
        let ordinary = if answer.persists() { Then::Keep } else { Then::Fin };
        self.then = Some(match answer.fault {
            Fault::Malformed(nth) => {
                self.out = MALFORMED_ANSWERS[nth].to_vec();
                Then::Fin
            }
            Fault::Cut(at, reset) => {
                // One byte at least is missing.
                self.out.truncate(at.min(self.out.len() - 1));
                if reset { Then::Reset } else { Then::Fin }
            }
            Fault::Silent => {
                self.out.clear();
                Then::Nothing
            }
            Fault::Babbles if answer.persists() => {
                self.out
                    .extend_from_slice(b"HTTP/1.1 200 OK\r\nX-Answers: 0\r\nContent-Length: 4\r\n\r\nevil");
                Then::Fin
            }
            Fault::Dies if self.served > 0 => {
                self.out.clear();
                if number.is_multiple_of(2) {
                    Then::Close
                } else {
                    Then::Reset
                }
            }
            _ => ordinary,
        });
    }

    /// As an upstream, whose answer begins the tunnel or ends everything.
    fn answer_connect(&mut self, number: u32, chained: Chained, exchange: &Exchange) {
        let (bytes, then) = match chained {
            Chained::Agrees(head) => {
                self.out = head.as_bytes().to_vec();
                return self.open_tunnel(number, self.at, exchange);
            }
            Chained::Refuses(answer) | Chained::Garbage(answer) => (answer.as_bytes(), Then::Fin),
            Chained::Cuts(at, true) => (&CONNECTION_ESTABLISHED[..at], Then::Reset),
            Chained::Cuts(at, false) => (&CONNECTION_ESTABLISHED[..at], Then::Fin),
            Chained::Silent => (&b""[..], Then::Nothing),
        };
        self.out = bytes.to_vec();
        self.then = Some(then);
        self.phase = Phase::Refused;
    }

    fn open_tunnel(&mut self, number: u32, at: usize, exchange: &Exchange) {
        let answer = &exchange.answer;
        self.phase = Phase::Tunnel;
        self.tunnel = Some((number, at));
        self.out.extend(payload(number, b'o', answer.tunnel.1));
        self.then = match answer.leave.1 {
            Leave::Fin => Some(Then::Fin),
            Leave::AfterOther => Some(Then::Nothing),
            Leave::Close => Some(Then::Close),
            Leave::Reset => Some(Then::Reset),
            Leave::Never => None,
        };
    }

    fn complain(&mut self, why: String) {
        self.complaints.push(format!("origin {}: {why}", self.remote));
    }
}
