//! What an upstream proxy makes of a CONNECT.

use super::{Expected, Fate, Site};
use crate::random::Random;

/// Where the operator's own upstream is: trusted, though it is internal.
pub(crate) const UPSTREAM: &str = "172.20.0.1:3128";

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Chained {
    /// By a 2xx, the tunnel's first bytes right behind it.
    Agrees(&'static str),
    Refuses(&'static str),
    /// By what is no answer.
    Garbage(&'static str),
    /// By half of one, or none, and then its end, by a reset or not.
    Cuts(usize, bool),
    Silent,
}

const AGREED: &[&str] = &[
    "HTTP/1.1 200 Connection established\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Length: 10\r\nVia: x\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
];

const REFUSED: &[&str] = &[
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nevil",
    "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 503 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
];

const GARBAGE: &[&str] = &[
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/1.1 200 OK\nX: y\n\n",
    "HTTP/1.1 200 OK\r\n X: folded\r\n\r\n",
];

impl Chained {
    pub(crate) fn draw(random: &mut Random) -> Chained {
        match random.below(10) {
            0..=4 => Chained::Agrees(random.pick(AGREED)),
            5..=6 => Chained::Refuses(random.pick(REFUSED)),
            7 => Chained::Garbage(random.pick(GARBAGE)),
            8 => Chained::Cuts(random.below(AGREED[0].len()), random.one_in(2)),
            _ => Chained::Silent,
        }
    }

    /// What a client gets who may go out.
    pub(super) fn expected(self, site: &Site) -> Expected {
        let denied = site.addresses.iter().any(|address| address.starts_with("10."));
        match (site.fate, self) {
            (Fate::Malformed, _) => Expected::Refused(400),
            (Fate::Denied | Fate::Internal, _) => Expected::Refused(407),
            (Fate::NotFound, _) => Expected::Refused(502),
            (Fate::LookupSilent, _) => Expected::Refused(504),
            // The upstream might choose the one that is.
            (Fate::Open | Fate::Refused | Fate::DialSilent, _) if denied => Expected::Refused(407),
            (Fate::Open | Fate::Refused | Fate::DialSilent, chained) => match chained {
                Chained::Agrees(_) => Expected::Tunnel,
                Chained::Refuses(_) | Chained::Garbage(_) | Chained::Cuts(..) => Expected::Refused(502),
                Chained::Silent => Expected::Refused(504),
            },
        }
    }
}
