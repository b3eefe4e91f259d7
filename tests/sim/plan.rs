//! What clients ask and origins answer, and what should come of it. `draw` draws it by seed, `form` makes bytes of
//! it; judged it is elsewhere.

mod chained;
mod draw;
mod form;
mod header;
mod sites;

pub(crate) use self::chained::{Chained, UPSTREAM};
pub(crate) use self::header::Announced;
pub(crate) use self::sites::{Fate, INTERCEPTED, MALFORMED_ANSWERS, OWN_ADDRESS, OWN_PORT, SITES, Site};
use crate::random::payload;

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
    /// Its origin is spoken to over TLS.
    pub(crate) https: bool,
    /// It is asked inside of an intercepted tunnel to its origin.
    pub(crate) inside: bool,
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
    /// What an upstream makes of it, where it goes through one.
    pub(crate) chained: Option<Chained>,
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
    /// What should come of it.
    pub(crate) fn expected(&self, taste: Taste) -> Expected {
        let Exchange { ask, answer } = self;
        if let How::Raw(_, status) = ask.how {
            return Expected::Refused(status);
        }
        if ask.head().len() > taste.head_bytes_max {
            return Expected::Refused(431);
        }
        if let (How::Connect, Credentials::Good, Some(chained)) = (ask.how, ask.credentials, answer.chained) {
            return chained.expected(ask.site);
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

    /// The same inside of an intercepted tunnel to that site.
    pub(crate) fn put_inside(&mut self, site: &'static Site) {
        (self.https, self.inside) = (true, true);
        (self.site, self.credentials) = (site, Credentials::Good);
    }

    /// The origin's port.
    pub(crate) fn port(&self) -> u16 {
        self.site.port
    }

    /// The Host field that the origin must see.
    pub(crate) fn host_field(&self) -> String {
        match self.port() {
            80 if !self.https => self.site.host.to_owned(),
            port => format!("{}:{port}", self.site.host),
        }
    }
}

impl Answer {
    /// Does the origin keep its connection afterwards, and can it?
    pub(crate) fn persists(&self) -> bool {
        let framed =
            !matches!(self.body, Body::UntilClose(_) | Body::Absent) || matches!(self.status, 204 | 304);
        !self.close && !self.http10 && framed && self.status != 101
    }
}
