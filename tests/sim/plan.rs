//! What clients ask and origins answer, drawn by seed, and what should come of it. Bytes are made here, judged
//! elsewhere.

use crate::random::{Random, payload};

/// What becomes of whoever wants to go there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Open,
    /// By the ACL.
    Denied,
    /// By its addresses.
    Internal,
    NotFound,
    LookupSilent,
    Refused,
    DialSilent,
    /// No host at all.
    Malformed,
}

/// A place to go.
#[derive(Debug)]
pub(crate) struct Site {
    /// As a request writes it.
    pub(crate) written: &'static str,
    /// As the Host field to the origin must have it.
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    /// What the resolver says; a literal's own address.
    pub(crate) addresses: &'static [&'static str],
    pub(crate) fate: Fate,
}

const fn site(
    written: &'static str,
    host: &'static str,
    port: u16,
    addresses: &'static [&'static str],
    fate: Fate,
) -> Site {
    Site {
        written,
        host,
        port,
        addresses,
        fate,
    }
}

/// The port that is ours, and an address of this machine that only this makes internal.
pub(crate) const OWN_PORT: u16 = 4750;
pub(crate) const OWN_ADDRESS: &str = "20.0.0.1";

#[rustfmt::skip]
pub(crate) const SITES: &[Site] = &[
    site("a.test", "a.test", 80, &["8.8.8.8"], Fate::Open),
    site("B.Test.", "b.test", 80, &["9.9.9.9", "2606:4700::1111"], Fate::Open),
    site("mixed.test", "mixed.test", 8080, &["10.1.2.3", "1.1.1.1", "::1"], Fate::Open),
    site("mapped.test", "mapped.test", 80, &["::ffff:4.4.4.4"], Fate::Open),
    site("[2606:4700::64]", "[2606:4700::64]", 80, &["2606:4700::64"], Fate::Open),
    site("8.8.4.4", "8.8.4.4", 8080, &["8.8.4.4"], Fate::Open),
    site("self.test", "self.test", 80, &[OWN_ADDRESS], Fate::Open),
    site("self.test", "self.test", OWN_PORT, &[OWN_ADDRESS], Fate::Internal),
    site("db.internal", "", 80, &["8.8.8.1"], Fate::Denied),
    site("DB.INTERNAL.", "", 80, &["8.8.8.1"], Fate::Denied),
    site("inner.test", "", 80, &["127.0.0.1"], Fate::Internal),
    site("meta.test", "", 80, &["169.254.169.254", "fd00:ec2::254"], Fate::Internal),
    site("cgnat.test", "", 80, &["100.100.100.200"], Fate::Internal),
    site("nat64.test", "", 80, &["64:ff9b::a9fe:a9fe", "2002:7f00:1::"], Fate::Internal),
    site("wrapped.test", "", 80, &["::ffff:10.0.0.1", "::7f00:1"], Fate::Internal),
    site("127.0.0.1", "", 80, &["127.0.0.1"], Fate::Internal),
    site("[::ffff:169.254.169.254]", "", 80, &["::ffff:169.254.169.254"], Fate::Internal),
    site("[::]", "", 80, &["::"], Fate::Internal),
    site("168.63.129.16", "", 80, &["168.63.129.16"], Fate::Internal),
    site("gone.test", "", 80, &[], Fate::NotFound),
    site("mute.test", "", 80, &[], Fate::LookupSilent),
    site("shut.test", "", 80, &["5.5.5.5"], Fate::Refused),
    site("hole.test", "", 80, &["6.6.6.6"], Fate::DialSilent),
    site("0177.0.0.1", "", 80, &[], Fate::Malformed),
    site("2130706433", "", 80, &[], Fate::Malformed),
    site("[a.test]", "", 80, &[], Fate::Malformed),
    site("user@a.test", "", 80, &[], Fate::Malformed),
];

/// Heads that are refused whatever they ask, and by which status.
const MALFORMED: &[(&[u8], u16)] = &[
    (b"GET http://a.test/ HTTP/1.1\nHost: a.test\n\n", 400),
    (
        b"GET http://a.test/ HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        400,
    ),
    (
        b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (b"GET http://a.test/ HTTP/1.1\r\n folded: x\r\n\r\n", 400),
    (b"GET http://a.test/ HTTP/1.1\r\nName : x\r\n\r\n", 400),
    (b"GET http://a.test/ HTTP/2.0\r\n\r\n", 400),
    (b"SSH-2.0-OpenSSH_9.6\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    (b"GET https://a.test/ HTTP/1.1\r\n\r\n", 400),
    (b"GET ftp://a.test/ HTTP/1.1\r\n\r\n", 400),
    (b"CONNECT a.test HTTP/1.1\r\n\r\n", 400),
    (
        b"CONNECT a.test:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    (b"CONNECT a.test:65616 HTTP/1.1\r\n\r\n", 400),
];

/// How a request is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Plain,
    Connect,
    Upgrade,
    /// These bytes, refused by this status.
    Raw(&'static [u8], u16),
}

/// A message's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    Absent,
    Length(usize),
    /// Chunks of these sizes.
    Chunked(Vec<usize>),
    UntilClose(usize),
}

impl Body {
    /// Bytes of content.
    pub(crate) fn length(&self) -> usize {
        match self {
            Body::Absent => 0,
            Body::Length(n) | Body::UntilClose(n) => *n,
            Body::Chunked(sizes) => sizes.iter().sum(),
        }
    }
}

/// What a client gives to be known by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Credentials {
    Good,
    Wrong,
    Absent,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) number: u32,
    pub(crate) how: How,
    pub(crate) site: &'static Site,
    pub(crate) method: &'static str,
    pub(crate) http10: bool,
    pub(crate) close: bool,
    pub(crate) body: Body,
    pub(crate) trailer: bool,
    pub(crate) expect: bool,
    pub(crate) credentials: Credentials,
    pub(crate) ntlm: bool,
    pub(crate) padding: usize,
}

/// What an origin does wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    Nothing,
    /// One of the malformed responses.
    Malformed(usize),
    /// Ends after so many bytes of its response, by a reset or not.
    Cut(usize, bool),
    Silent,
    /// Sends bytes behind its response.
    Babbles,
    /// Closes on a connection that was used before, as the request arrives.
    Dies,
}

pub(crate) const MALFORMED_ANSWERS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 200 OK\r\n X: folded\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
];

/// How an end of a tunnel ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leave {
    /// By a FIN behind the last byte.
    Fin,
    /// By a FIN when the other side's came.
    AfterOther,
    /// By a close behind the last byte.
    Close,
    /// By a reset behind the last byte.
    Reset,
    Never,
}

/// One response, and one tunnel.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) http10: bool,
    pub(crate) close: bool,
    pub(crate) body: Body,
    /// Bytes of trailer fields.
    pub(crate) trailer: usize,
    pub(crate) interims: Vec<u16>,
    /// It does not wait for the request's body.
    pub(crate) early: bool,
    pub(crate) fault: Fault,
    /// Tunnel bytes from client and origin, those of the client that it sends ahead, and both ends.
    pub(crate) tunnel: (usize, usize, usize),
    pub(crate) leave: (Leave, Leave),
}

/// A request and what its origin would answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) ask: Ask,
    pub(crate) answer: Answer,
}

/// What a client gets where nothing else goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    Refused(u16),
    Answered,
    /// The response breaks off, or does not come.
    Broken,
    /// As answered, or refused by 502 if it could not be repeated.
    AnsweredOr502,
    Tunnel,
}

/// How wild a seed is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taste {
    /// Nothing breaks but what the answers say.
    pub(crate) calm: bool,
    /// Answers depend on nothing that happens at the same time.
    pub(crate) orderly: bool,
    /// Everything goes in small pieces, and is small.
    pub(crate) fine: bool,
    /// Everybody goes to one place, and often by connection-based authentication.
    pub(crate) narrow: bool,
    /// Origins close idle connections.
    pub(crate) expires: bool,
    pub(crate) head_bytes_max: usize,
}

impl Exchange {
    /// Draws one; the last of a client may end its connection's HTTP.
    pub(crate) fn draw(number: u32, last: bool, taste: Taste, random: &mut Random) -> Exchange {
        let how = match random.below(8) {
            0..=1 if last => How::Connect,
            2 if last => How::Upgrade,
            3 if last => {
                let (bytes, status) = random.pick(MALFORMED);
                How::Raw(bytes, status)
            }
            _ => How::Plain,
        };
        let open = SITES.iter().filter(|site| site.fate == Fate::Open);
        let site = if taste.narrow {
            &SITES[0]
        } else if random.one_in(4) {
            &SITES[random.below(SITES.len())]
        } else {
            let open: Vec<&Site> = open.collect();
            let some = if random.one_in(2) { 2 } else { open.len() };
            random.pick(&open[..some])
        };
        let http10 = how == How::Plain && random.one_in(8);
        let method = match how {
            How::Connect => "CONNECT",
            How::Upgrade | How::Raw(..) => "GET",
            How::Plain => random.pick(&["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE"]),
        };
        let body = match method {
            "POST" | "PUT" if http10 => Body::Length(size(taste, random)),
            "POST" | "PUT" => draw_body(taste, random),
            "DELETE" if random.one_in(2) => Body::Length(0),
            _ => Body::Absent,
        };
        let ask = Ask {
            number,
            how,
            site,
            method,
            http10,
            close: random.one_in(if http10 { 2 } else { 10 }) && !taste.narrow,
            trailer: random.one_in(2),
            expect: body.length() > 0 && random.one_in(4),
            body,
            credentials: match random.below(24) {
                _ if taste.narrow => Credentials::Good,
                0 => Credentials::Wrong,
                1 => Credentials::Absent,
                _ => Credentials::Good,
            },
            ntlm: random.one_in(if taste.narrow { 5 } else { 24 }),
            padding: if random.one_in(16) {
                random.below(12_000)
            } else {
                random.below(100)
            },
        };
        let answer = Answer::draw(&ask, taste, random);
        Exchange { ask, answer }
    }

    /// What should come of it.
    pub(crate) fn expected(&self, taste: Taste) -> Expected {
        let Exchange { ask, answer } = self;
        if let How::Raw(_, status) = ask.how {
            return Expected::Refused(status);
        }
        if ask.head().len() > taste.head_bytes_max {
            return Expected::Refused(431);
        }
        match ask.site.fate {
            Fate::Malformed => return Expected::Refused(400),
            _ if ask.credentials != Credentials::Good => return Expected::Refused(407),
            Fate::Denied | Fate::Internal => return Expected::Refused(407),
            Fate::NotFound | Fate::Refused => return Expected::Refused(502),
            Fate::LookupSilent | Fate::DialSilent => return Expected::Refused(504),
            Fate::Open => {}
        }
        match (ask.how, answer.fault) {
            (How::Connect, _) => Expected::Tunnel,
            (_, Fault::Malformed(_)) => Expected::Refused(502),
            (_, Fault::Cut(..)) => Expected::Broken,
            (_, Fault::Silent) => Expected::Refused(504),
            (_, Fault::Dies) if !ask.repeatable() => Expected::AnsweredOr502,
            _ if ask.how == How::Upgrade && answer.status == 101 => Expected::Tunnel,
            _ if taste.expires && !ask.repeatable() => Expected::AnsweredOr502,
            _ => Expected::Answered,
        }
    }

    /// Does the response have a body, or does it only speak of one?
    pub(crate) fn content(&self) -> Vec<u8> {
        let bodiless = self.ask.method == "HEAD" || matches!(self.answer.status, 101 | 204 | 304);
        let length = if bodiless { 0 } else { self.answer.body.length() };
        payload(self.ask.number, b'a', length)
    }
}

impl Ask {
    /// May it be sent twice?
    pub(crate) fn repeatable(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "PUT" | "DELETE")
            && self.body.length() == 0
            && !self.is_chunked()
    }

    fn is_chunked(&self) -> bool {
        matches!(self.body, Body::Chunked(_))
    }

    /// Does the client mean to go on with its connection afterwards?
    pub(crate) fn persists(&self) -> bool {
        !self.close && !matches!(self.how, How::Connect | How::Raw(..))
    }

    /// Has it content that may be on the way while it is answered?
    pub(crate) fn has_content(&self) -> bool {
        self.body.length() > 0 || self.is_chunked()
    }

    /// The origin's port.
    pub(crate) fn port(&self) -> u16 {
        self.site.port
    }

    /// The Host field that the origin must see.
    pub(crate) fn host_field(&self) -> String {
        match self.port() {
            80 => self.site.host.to_owned(),
            port => format!("{}:{port}", self.site.host),
        }
    }

    /// The request head.
    pub(crate) fn head(&self) -> Vec<u8> {
        if let How::Raw(bytes, _) = self.how {
            return bytes.to_vec();
        }
        let Ask {
            number, method, site, ..
        } = self;
        let port = self.port();
        let authority = match port {
            80 if self.how != How::Connect => site.written.to_owned(),
            _ => format!("{}:{port}", site.written),
        };
        let mut head = match self.how {
            How::Connect => format!("CONNECT {authority} HTTP/1.1\r\n"),
            _ => {
                let version = if self.http10 { "1.0" } else { "1.1" };
                format!("{method} http://{authority}/r/{number} HTTP/{version}\r\nHost: elsewhere.test\r\n")
            }
        };
        match self.credentials {
            Credentials::Good => head += "Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n",
            Credentials::Wrong => head += "Proxy-Authorization: Basic dTp3cm9uZw==\r\n",
            Credentials::Absent => {}
        }
        head += &format!("X-Smokescreen-Trace-ID: {number}\r\nX-Asked: {number}\r\n");
        match self.how {
            How::Upgrade => head += "Connection: upgrade, x-hop\r\nUpgrade: echo\r\nX-Hop: 1\r\n",
            _ if self.http10 && !self.close => head += "Proxy-Connection: keep-alive\r\n",
            _ if self.close && !self.http10 => head += "Connection: close, x-hop\r\nX-Hop: 1\r\n",
            _ => {}
        }
        match &self.body {
            Body::Length(n) => head += &format!("Content-Length: {n}\r\n"),
            Body::Chunked(_) => head += "Transfer-Encoding: chunked\r\n",
            Body::Absent | Body::UntilClose(_) => {}
        }
        if self.expect {
            head += "Expect: 100-continue\r\n";
        }
        if self.ntlm {
            head += "Authorization: NTLM TlRMTVNTUAAB\r\n";
        }
        head += &format!("X-Padding: {}\r\n\r\n", "p".repeat(self.padding));
        head.into_bytes()
    }

    /// The request body as it is sent.
    pub(crate) fn body_bytes(&self) -> Vec<u8> {
        let trailer = if self.trailer {
            "X-Trail: asked\r\nHost: bad\r\n"
        } else {
            ""
        };
        encode(
            &self.body,
            &payload(self.number, b'q', self.body.length()),
            trailer,
        )
    }
}

impl Answer {
    fn draw(ask: &Ask, taste: Taste, random: &mut Random) -> Answer {
        let tunnel = ask.how == How::Upgrade && !random.one_in(4);
        let http10 = !tunnel && random.one_in(12);
        let body = match random.below(5) {
            _ if http10 => random_of(random, [Body::Length(8), Body::UntilClose(500)]),
            _ if taste.narrow => draw_body(taste, random),
            0 => Body::UntilClose(size(taste, random)),
            _ => draw_body(taste, random),
        };
        let status = match random.below(16) {
            _ if tunnel => 101,
            0 => 204,
            1 => 304,
            2 => 401,
            3 => 407,
            4 => 503,
            _ => 200,
        };
        // A length beside 204 would be malformed; beside 304 it is allowed.
        let body = if status == 204 { Body::Absent } else { body };
        let interims = match random.below(10) {
            0 => vec![103],
            1 => vec![100],
            2 => vec![102, 103, 100],
            _ => Vec::new(),
        };
        let until_close = matches!(body, Body::UntilClose(_));
        let fault = match random.below(20) {
            // The last one is a 101, no fault where an upgrade was asked for.
            0 => {
                Fault::Malformed(random.below(MALFORMED_ANSWERS.len() - usize::from(ask.how == How::Upgrade)))
            }
            // A body that ends with its connection can't be seen to be cut but by a reset.
            1 => Fault::Cut(random.below(60 + body.length()), until_close || random.one_in(2)),
            2 if random.one_in(3) => Fault::Silent,
            3 => Fault::Babbles,
            4..=5 => Fault::Dies,
            _ => Fault::Nothing,
        };
        let fault = if tunnel || taste.narrow && random.one_in(2) {
            Fault::Nothing
        } else {
            fault
        };
        let leaves = [
            Leave::Fin,
            Leave::Fin,
            Leave::AfterOther,
            Leave::Close,
            Leave::Reset,
            Leave::Never,
        ];
        let leaves = if taste.calm { &leaves[..2] } else { &leaves[..] };
        let early = !taste.orderly && random.one_in(4);
        let sent = size(taste, random);
        Answer {
            status,
            http10,
            close: random.one_in(6),
            trailer: if random.one_in(2) {
                random.below(60)
            } else {
                random.below(5000)
            },
            body,
            interims,
            early,
            fault,
            tunnel: (sent, size(taste, random), random.below(sent + 1)),
            leave: (random.pick(leaves), random.pick(leaves)),
        }
    }

    /// Does the origin keep its connection afterwards, and can it?
    pub(crate) fn persists(&self) -> bool {
        let framed =
            !matches!(self.body, Body::UntilClose(_) | Body::Absent) || matches!(self.status, 204 | 304);
        !self.close && !self.http10 && framed && self.status != 101
    }

    /// The trailer section's lines.
    fn trailer_lines(&self) -> String {
        match self.trailer {
            0..30 => String::new(),
            n => format!("X-Trail: {}\r\nContent-Type: text/bad\r\n", "t".repeat(n)),
        }
    }

    /// The response, interim ones first.
    pub(crate) fn bytes(&self, ask: &Ask, content: &[u8]) -> Vec<u8> {
        let Answer { status, .. } = self;
        let number = ask.number;
        let mut head = String::new();
        for interim in &self.interims {
            head += &format!("HTTP/1.1 {interim} Wait\r\nX-Answers: {number}\r\nProxy-X: no\r\n\r\n");
        }
        let version = if self.http10 { "1.0" } else { "1.1" };
        head += &format!(
            "HTTP/{version} {status} Reason\r\nX-Answers: {number}\r\nX-Smokescreen-Error: forged\r\n\
             Proxy-Authenticate: Basic\r\n"
        );
        if *status == 401 && ask.ntlm {
            head += "WWW-Authenticate: NTLM\r\n";
        }
        match &self.body {
            _ if *status == 101 => head += "Connection: upgrade\r\nUpgrade: echo\r\n",
            Body::Length(n) => head += &format!("Content-Length: {n}\r\n"),
            Body::Chunked(_) => head += "Transfer-Encoding: chunked\r\n",
            Body::Absent | Body::UntilClose(_) => {}
        }
        if self.close {
            head += "Connection: close\r\n";
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        if ask.method != "HEAD" && !matches!(status, 101 | 204 | 304) {
            bytes.extend(encode(&self.body, content, &self.trailer_lines()));
        }
        bytes
    }
}

fn encode(body: &Body, content: &[u8], trailer: &str) -> Vec<u8> {
    let Body::Chunked(sizes) = body else {
        return content.to_vec();
    };
    let (mut bytes, mut rest) = (Vec::new(), content);
    for (nth, &size) in sizes.iter().enumerate() {
        let (chunk, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        let extension = if nth % 3 == 1 { ";x=\"y\"" } else { "" };
        bytes.extend(format!("{size:04X}{extension}\r\n").into_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend(format!("0\r\n{trailer}\r\n").into_bytes());
    bytes
}

fn draw_body(taste: Taste, random: &mut Random) -> Body {
    if random.one_in(2) {
        return Body::Length(size(taste, random));
    }
    let chunks = random.below(6);
    Body::Chunked((0..chunks).map(|_| 1 + size(taste, random)).collect())
}

fn random_of<T, const N: usize>(random: &mut Random, of: [T; N]) -> T {
    let nth = random.below(N);
    let mut of = of.into_iter();
    of.nth(nth).expect("within its length")
}

/// Mostly small, sometimes beyond a buffer.
fn size(taste: Taste, random: &mut Random) -> usize {
    match random.below(40) {
        0..=2 if taste.fine => random.below(20_000),
        0 => random.below(300_000),
        1..=2 => random.below(40_000),
        3..=8 => random.below(6_000),
        9 => 0,
        _ => random.below(200),
    }
}
