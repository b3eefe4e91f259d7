//! The scripted client: sends its requests in pieces, waits where its script says so, and reads responses strictly.

use std::collections::VecDeque;

use crate::parse::{self, Framing};
use crate::plan::{Exchange, Expected, How, Leave, Taste};
use crate::random::{Random, payload};
use crate::wires::{Ended, Stack};

/// What a client waits for before it sends a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wait {
    Nothing,
    /// So many final responses.
    Answers(usize),
    /// The 100 for this request, or its final response.
    Continue(usize),
    /// The tunnel.
    Tunnel,
    /// The tunnel's other end.
    OtherEnd,
}

/// What a client does next.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Leave(Leave),
}

/// One final response as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Final {
    pub(crate) status: u16,
    /// A refusal of ours.
    pub(crate) ours: bool,
    /// The request that the origin says it answers.
    pub(crate) answers: Option<u32>,
    pub(crate) challenges: bool,
    pub(crate) content: Vec<u8>,
    /// It has come to its end, as far as its framing tells.
    pub(crate) complete: bool,
    /// Its end is the connection's.
    pub(crate) until_close: bool,
    pub(crate) closes: bool,
    pub(crate) trailers: Vec<String>,
}

/// Reads the responses to a list of requests.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    at: usize,
    /// Reading on makes no sense before so many bytes are there.
    needs: usize,
    pub(crate) finals: Vec<Final>,
    /// How many requests were answered completely.
    pub(crate) answered: usize,
    /// Requests that got a 100.
    pub(crate) continued: Vec<usize>,
    /// The tunnel's bytes begin here.
    pub(crate) tunnel_at: Option<usize>,
    /// No further response will come.
    pub(crate) closed: bool,
    pub(crate) complaint: Option<String>,
}

impl Reader {
    /// Reads on in what was received so far.
    pub(crate) fn advance(&mut self, received: &[u8], exchanges: &[Exchange]) {
        if received.len() < self.needs {
            return;
        }
        self.read_on(received, exchanges);
    }

    /// Reads on though the end of a response can't be there.
    pub(crate) fn read_on(&mut self, received: &[u8], exchanges: &[Exchange]) {
        while self.complaint.is_none() && !self.closed && self.tunnel_at.is_none() {
            // A response that was incomplete is read again.
            self.finals.truncate(self.answered);
            match self.one(received, exchanges) {
                Ok(true) => {}
                Ok(false) => return,
                Err(complaint) => self.complaint = Some(complaint),
            }
        }
    }

    fn one(&mut self, received: &[u8], exchanges: &[Exchange]) -> Result<bool, String> {
        let rest = &received[self.at..];
        let Some(head) = parse::head(rest) else {
            return Ok(false);
        };
        let head = head?;
        let Some(exchange) = exchanges.get(self.answered) else {
            return Err(format!("a response to no request: {:?}", head.start));
        };
        let ask = &exchange.ask;
        let status: u16 = head
            .start
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.split(' ').next()?.parse().ok())
            .ok_or(format!("status line {:?}", head.start))?;
        let has = |name: &str| head.fields.iter().any(|(other, _)| other == name);
        if has("x-smokescreen-error") != has("proxy-status") {
            return Err(format!(
                "only answers of ours have a Proxy-Status: {:?}",
                head.fields
            ));
        }
        if head.fields.iter().any(|(name, _)| {
            name.starts_with("proxy-") && name != "proxy-authenticate" && name != "proxy-status"
        }) {
            return Err(format!("a hop's field came through: {:?}", head.fields));
        }
        if (100..200).contains(&status) && status != 101 {
            let asked = exchange.answer.interims.contains(&status) || status == 100 && ask.expect;
            if ask.http10 || !asked {
                return Err(format!("an interim {status} that nobody sent"));
            }
            if status == 100 {
                self.continued.push(self.answered);
            }
            self.at += head.bytes;
            return Ok(true);
        }
        let ours = head.count("x-smokescreen-error") > 0;
        let answers = head.value("x-answers").and_then(|n| n.parse().ok());
        let tunnel = status == 101 || ask.how == How::Connect && status == 200 && !ours;
        let bodiless = tunnel || ask.method == "HEAD" || matches!(status, 204 | 304);
        let framing = head.framing()?;
        if ask.http10 && framing == Framing::Chunked {
            return Err("chunked coding for an HTTP/1.0 client".into());
        }
        let behind = &rest[head.bytes..];
        let until_close = !bodiless && framing == Framing::Absent;
        let read = match framing {
            _ if bodiless => parse::body(behind, Framing::Absent)?,
            Framing::Absent => parse::body(behind, Framing::Length(usize::MAX))?,
            framing => parse::body(behind, framing)?,
        };
        let closes = head.connection("close") || ask.http10 && !head.connection("keep-alive") || until_close;
        self.finals.push(Final {
            status,
            ours,
            answers,
            challenges: head.count("proxy-authenticate") > 0,
            content: read.content,
            complete: read.end.is_some(),
            until_close,
            closes: closes && !tunnel,
            trailers: read.trailers,
        });
        let Some(end) = read.end else {
            self.needs = (self.at + head.bytes).saturating_add(read.needs);
            return Ok(false);
        };
        self.at += head.bytes + end;
        self.answered += 1;
        self.closed = closes && !tunnel;
        if tunnel {
            self.tunnel_at = Some(self.at);
        }
        Ok(true)
    }

    /// Bytes behind the last complete response, in a stream that was received.
    pub(crate) fn rest<'b>(&self, received: &'b [u8]) -> &'b [u8] {
        &received[self.at..]
    }
}

/// One client connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) link: usize,
    pub(crate) exchanges: Vec<Exchange>,
    steps: VecDeque<(Wait, Step)>,
    sent_of_step: usize,
    pub(crate) received: Vec<u8>,
    pub(crate) reader: Reader,
    pub(crate) ended: Option<Ended>,
    /// It sends and takes no more.
    pub(crate) gone: bool,
    /// It does not take bytes beyond this count.
    takes_bytes_max: usize,
    /// It does not send bytes beyond this count.
    sends_bytes_max: usize,
    sent_bytes: usize,
    /// Goes on sending though no further request is taken.
    stubborn: bool,
    pub(crate) fin_sent: bool,
}

impl Client {
    /// The number of its last request, the only one that may be a CONNECT.
    pub(crate) fn last_number(&self) -> u32 {
        self.exchanges.last().map_or(0, |exchange| exchange.ask.number)
    }

    /// A client with this script.
    pub(crate) fn new(link: usize, exchanges: Vec<Exchange>, taste: Taste, random: &mut Random) -> Client {
        let wild = |random: &mut Random| match !taste.calm && random.one_in(12) {
            true => random.below(1500),
            false => usize::MAX,
        };
        let (takes_bytes_max, sends_bytes_max) = (wild(random), wild(random));
        Client {
            link,
            steps: script(&exchanges, taste, random),
            exchanges,
            sent_of_step: 0,
            received: Vec::new(),
            reader: Reader::default(),
            ended: None,
            gone: false,
            takes_bytes_max,
            sends_bytes_max,
            sent_bytes: 0,
            stubborn: random.one_in(3),
            fin_sent: false,
        }
    }

    /// A balancer says this before its first byte.
    pub(crate) fn announce(&mut self, header: Vec<u8>) {
        self.steps.push_front((Wait::Nothing, Step::Send(header)));
    }

    /// It sends everything without waiting and never takes a byte.
    pub(crate) fn flood(&mut self) {
        (self.takes_bytes_max, self.sends_bytes_max) = (0, usize::MAX);
        self.steps.iter_mut().for_each(|(wait, _)| *wait = Wait::Nothing);
    }

    /// Can it send something now?
    pub(crate) fn can_act(&self) -> bool {
        if self.gone || self.fin_sent || self.sent_bytes >= self.sends_bytes_max {
            return false;
        }
        self.is_finished() || self.steps.front().is_some_and(|(wait, _)| self.is_over(*wait))
    }

    /// It has what it can get, and leaves.
    fn is_finished(&self) -> bool {
        // The other half of a tunnel may end first.
        let cut_off = match self.ended {
            Some(Ended::Fin) => self.reader.tunnel_at.is_none(),
            ended => ended.is_some(),
        };
        cut_off || self.reader.closed && (!self.stubborn || self.steps.is_empty())
    }

    fn is_over(&self, wait: Wait) -> bool {
        let reader = &self.reader;
        match wait {
            Wait::Nothing => true,
            Wait::Answers(n) => reader.answered >= n,
            Wait::Continue(nth) => reader.answered > nth || reader.continued.contains(&nth),
            Wait::Tunnel => reader.tunnel_at.is_some() || reader.closed,
            Wait::OtherEnd => self.ended.is_some() || reader.closed,
        }
    }

    /// Sends a piece, or leaves.
    pub(crate) fn act(&mut self, wire: &mut Stack, random: &mut Random) {
        if self.is_finished() {
            self.fin_sent = true;
            return wire.peer_fin();
        }
        let Some((_, step)) = self.steps.front() else {
            return;
        };
        match step {
            Step::Send(bytes) => {
                let rest = &bytes[self.sent_of_step..];
                let n = random.between(1, rest.len().max(1)).min(rest.len());
                let n = n.min(self.sends_bytes_max - self.sent_bytes);
                if !wire.peer_send(&rest[..n]) {
                    self.steps.clear();
                    return;
                }
                self.sent_bytes += n;
                self.sent_of_step += n;
                if self.sent_of_step < bytes.len() {
                    return;
                }
            }
            Step::Leave(leave) => match leave {
                Leave::Fin | Leave::AfterOther => {
                    self.fin_sent = true;
                    wire.peer_fin();
                }
                Leave::Close => {
                    self.gone = true;
                    wire.peer_close();
                }
                Leave::Reset => {
                    self.gone = true;
                    wire.peer_reset(std::io::ErrorKind::ConnectionReset);
                }
                Leave::Never => {}
            },
        }
        self.sent_of_step = 0;
        self.steps.pop_front();
    }

    /// Does it take bytes, and are there any?
    pub(crate) fn can_take(&self, wire: &Stack) -> bool {
        let willing = !self.gone && self.ended.is_none() && self.received.len() < self.takes_bytes_max;
        willing && wire.peer_has_news()
    }

    /// Takes a piece.
    pub(crate) fn take(&mut self, wire: &mut Stack, random: &mut Random) {
        let most = if random.one_in(2) {
            65_536
        } else {
            random.between(1, 200)
        };
        match wire.peer_take(most.min(self.takes_bytes_max - self.received.len())) {
            Ok(bytes) => self.received.extend(bytes),
            Err(ended) => self.ended = Some(ended),
        }
        self.reader.advance(&self.received, &self.exchanges);
    }

    /// Looks at the rest.
    pub(crate) fn finish(&mut self) {
        self.reader.read_on(&self.received, &self.exchanges);
    }

    /// Has it sent the whole of request `nth`, and all before it?
    pub(crate) fn has_sent_all(&self) -> bool {
        self.steps.iter().all(|(_, step)| matches!(step, Step::Leave(_)))
    }
}

fn script(exchanges: &[Exchange], taste: Taste, random: &mut Random) -> VecDeque<(Wait, Step)> {
    let pipelines = random.one_in(2);
    let mut steps = VecDeque::new();
    let mut leaves = None;
    for (nth, exchange) in exchanges.iter().enumerate() {
        let ask = &exchange.ask;
        let wait = match pipelines && !taste.orderly && !random.one_in(4) || nth == 0 {
            true => Wait::Nothing,
            false => Wait::Answers(nth),
        };
        steps.push_back((wait, Step::Send(ask.head())));
        let body = ask.body_bytes();
        if !body.is_empty() {
            let wait = if ask.expect && !ask.http10 {
                Wait::Continue(nth)
            } else {
                Wait::Nothing
            };
            steps.push_back((wait, Step::Send(body)));
        }
        if ask.how == How::Connect || ask.how == How::Upgrade && exchange.answer.status == 101 {
            let (length, _, ahead) = exchange.answer.tunnel;
            let bytes = payload(ask.number, b'c', length);
            // Where no tunnel comes of it, they would be the next request.
            let meant = ask.how == How::Connect || taste.calm && exchange.expected(taste) == Expected::Tunnel;
            let ahead = if meant { ahead } else { 0 };
            let (first, second) = bytes.split_at(ahead.min(bytes.len()));
            let mut sends = |wait, bytes: &[u8]| match bytes.is_empty() {
                true => {}
                false => steps.push_back((wait, Step::Send(bytes.to_vec()))),
            };
            sends(Wait::Nothing, first);
            sends(Wait::Tunnel, second);
            leaves = Some(exchange.answer.leave.0);
        }
    }
    let all = Wait::Answers(exchanges.len());
    let (wait, leave) = match leaves {
        Some(Leave::AfterOther) => (Wait::OtherEnd, Leave::AfterOther),
        Some(leave) => (Wait::Tunnel, leave),
        // A client that is done writing may say so at once.
        None if random.one_in(4) => (Wait::Nothing, Leave::Fin),
        None if taste.calm || random.one_in(2) => (all, Leave::Fin),
        None => (all, random.pick(&[Leave::Close, Leave::Reset, Leave::Never])),
    };
    steps.push_back((wait, Step::Leave(leave)));
    steps
}
