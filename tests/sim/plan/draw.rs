//! Draws requests and responses by seed.

use super::sites::{Fate, MALFORMED, MALFORMED_ANSWERS, SITES, Site};
use super::{Answer, Ask, Body, Credentials, Exchange, Fault, How, Leave, Taste};
use crate::random::Random;

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
            https: false,
            inside: false,
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
            chained: None,
        }
    }
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
