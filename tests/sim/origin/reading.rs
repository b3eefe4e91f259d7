//! How an origin reads: strictly, complaining of every request that is not meant for it, or not in one form.

use std::net::IpAddr;

use super::{Book, Origin, Phase, Then};
use crate::parse::{self, Framing};
use crate::plan::{Body, Exchange, Expected, How, Taste};
use crate::random::payload;

impl Origin {
    /// One step of reading; false when more bytes are needed.
    pub(super) fn look(&mut self, book: &Book, taste: Taste) -> bool {
        match self.phase.clone() {
            Phase::Head => self.look_at_head(book, taste),
            Phase::Request {
                number,
                body_at,
                framing,
                body_read,
                answering,
            } => {
                let Some((_, exchange)) = book.get(&number) else {
                    return false;
                };
                if body_read {
                    if self.then == Some(Then::Keep) && self.sent == self.out.len() {
                        self.next_request();
                        return true;
                    }
                    if self.received.len() > self.at {
                        self.complain(format!("bytes behind request {number} before it is answered"));
                        self.phase = Phase::Over;
                    }
                    return false;
                }
                let read = self.look_at_body(exchange, body_at, framing);
                if read || exchange.answer.early && !answering {
                    self.phase = Phase::Request {
                        number,
                        body_at,
                        framing,
                        body_read: read,
                        answering: true,
                    };
                    if !answering {
                        self.answer(number, exchange);
                    }
                }
                read
            }
            Phase::Chained(number) => self.look_at_connect(number, book),
            Phase::Refused => {
                if self.received.len() > self.at {
                    self.complain("bytes for a tunnel that was refused".to_owned());
                    self.phase = Phase::Over;
                }
                false
            }
            Phase::Tunnel | Phase::Over => false,
        }
    }

    /// As an upstream: one CONNECT, with its credentials and nothing else, and nothing behind it before it is answered.
    fn look_at_connect(&mut self, number: u32, book: &Book) -> bool {
        let Some(head) = parse::head(&self.received) else {
            return false;
        };
        let Some((_, exchange)) = book.get(&number) else {
            return false;
        };
        let site = exchange.ask.site;
        let host = site.written.trim_end_matches('.').to_ascii_lowercase();
        let authority = format!("{host}:{}", site.port);
        let wanted = [
            ("host", &*authority),
            ("proxy-authorization", "Basic dXA6c3RyZWFt"),
        ];
        match (head, exchange.answer.chained) {
            (Ok(head), Some(chained))
                if head.start == format!("CONNECT {authority} HTTP/1.1")
                    && head.fields.iter().map(|(n, v)| (&**n, &**v)).eq(wanted)
                    && head.bytes == self.received.len() =>
            {
                self.at = head.bytes;
                self.answer_connect(number, chained, exchange);
                true
            }
            (head, _) => {
                self.complain(format!("{head:?} to the upstream, for {authority}"));
                self.phase = Phase::Over;
                false
            }
        }
    }

    fn look_at_head(&mut self, book: &Book, taste: Taste) -> bool {
        let Some(head) = parse::head(&self.received[self.at..]) else {
            return false;
        };
        match head.and_then(|head| self.judge_head(head, book, taste)) {
            Ok((number, framing, bytes)) => {
                self.seen.push(number);
                self.phase = Phase::Request {
                    number,
                    body_at: self.at + bytes,
                    framing,
                    body_read: false,
                    answering: false,
                };
                true
            }
            Err(why) => {
                self.complain(why);
                self.phase = Phase::Over;
                false
            }
        }
    }

    fn judge_head(
        &mut self,
        head: parse::Head,
        book: &Book,
        taste: Taste,
    ) -> Result<(u32, Framing, usize), String> {
        let number: u32 = head
            .value("x-asked")
            .and_then(|n| n.parse().ok())
            .ok_or(format!("a request of nobody: {head:?}"))?;
        let (client, exchange) = book.get(&number).ok_or("an unknown request")?;
        let ask = &exchange.ask;
        let line = format!("{} /r/{number} HTTP/1.1", ask.method);
        if head.start != line {
            return Err(format!("{:?} instead of {line:?}", head.start));
        }
        if let Expected::Refused(status @ (400 | 407 | 431)) = exchange.expected(taste) {
            return Err(format!(
                "request {number} came through and should have got {status}"
            ));
        }
        let canonical = |address: &&str| address.parse::<IpAddr>().map(|ip| ip.to_canonical());
        let places: Vec<IpAddr> = ask.site.addresses.iter().flat_map(canonical).collect();
        if !places.contains(&self.remote.ip()) || self.remote.port() != ask.port() {
            return Err(format!("request {number} for {:?} at {}", ask.site, self.remote));
        }
        if head.count("host") != 1 || head.value("host") != Some(&ask.host_field()) {
            return Err(format!("Host of request {number}: {:?}", head.fields));
        }
        let strange = |name: &str| {
            name.starts_with("proxy")
                || name.starts_with("x-smokescreen")
                || name == "x-hop"
                || name == "keep-alive"
        };
        if let Some((name, _)) = head.fields.iter().find(|(name, _)| strange(name)) {
            return Err(format!("request {number} has {name}"));
        }
        if head.connection("upgrade") != (ask.how == How::Upgrade) {
            return Err(format!("Connection of request {number}"));
        }
        if head.count("expect") != usize::from(ask.expect && !ask.http10) {
            return Err(format!("Expect of request {number}"));
        }
        if head.count("x-added") != usize::from(ask.inside) {
            return Err(format!("what is added to request {number}: {:?}", head.fields));
        }
        let framing = head.framing()?;
        let meant = match &ask.body {
            Body::Length(n) => Framing::Length(*n),
            Body::Chunked(_) => Framing::Chunked,
            Body::Absent | Body::UntilClose(_) => Framing::Absent,
        };
        if framing != meant {
            return Err(format!(
                "request {number} is framed as {framing:?}, not {meant:?}"
            ));
        }
        if self.private_to.is_some_and(|owner| owner != *client) {
            return Err(format!(
                "request {number} on another client's authenticated connection"
            ));
        }
        if ask.ntlm {
            self.private_to = Some(*client);
        }
        Ok((number, framing, head.bytes))
    }

    /// Is the whole body there, and is it the one that was asked?
    fn look_at_body(&mut self, exchange: &Exchange, body_at: usize, framing: Framing) -> bool {
        if self.received.len() < self.needs {
            return false;
        }
        let ask = &exchange.ask;
        let read = match parse::body(&self.received[body_at..], framing) {
            Ok(read) => read,
            Err(why) => {
                self.complain(format!("body of request {}: {why}", ask.number));
                self.phase = Phase::Over;
                return false;
            }
        };
        let content = payload(ask.number, b'q', ask.body.length());
        if !content.starts_with(&read.content) {
            self.complain(format!("body of request {} is another", ask.number));
        }
        let Some(end) = read.end else {
            self.needs = body_at + read.needs;
            return false;
        };
        if read.content.len() != content.len() {
            self.complain(format!(
                "body of request {} is short and looks complete",
                ask.number
            ));
        }
        let trails = framing == Framing::Chunked && ask.trailer;
        let trailers: Vec<&str> = if trails { vec!["X-Trail: asked"] } else { vec![] };
        if read.trailers != trailers {
            self.complain(format!("trailers of request {}: {:?}", ask.number, read.trailers));
        }
        let request = self.received[self.at..body_at + end].to_vec();
        self.requests.push((ask.number, request));
        self.at = body_at + end;
        true
    }
}
