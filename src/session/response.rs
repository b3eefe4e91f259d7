//! The response side of an exchange: interim and final heads, and where the body ends. An origin is as
//! suspect as a client: what is not plain HTTP/1.1 is not passed on.

use crate::flow::{End, Flow, Flows, Gate};
use crate::http::fields;
use crate::http::framing::{self, Body};
use crate::http::head::{self, ResponseHead, Scan, Scanned};
use crate::http::joint::{self, Persistence};
use crate::http::rewrite::{self, ResponsePlan};
use crate::http::{Fault, Version, upgrade};
use crate::net::Side;
use crate::text::one_line;
use crate::text::slices::within;

use super::at::{At, Cx};
use super::outcome::Extent;
use super::progress::{Continuing, Exchange, Next, Receiving, Sending};
use super::refusal::Refusal;
use super::relay::{Relay, Relayed};
use super::shared::Shared;
use super::words::Action;

/// Interim responses before a final one; no honest origin needs more.
pub(super) const INTERIM_MAX: u8 = 32;

/// Of an upstream's status line so many bytes are told, and of an unprintable one fewer.
const STATUS_LINE_BYTES_MAX: usize = 200;

/// What a head turned out to be.
enum Taken {
    Interim,
    Switching,
    Final(Body),
}

/// Goes on as far as the bytes read allow.
pub(super) fn receive(exchange: &mut Exchange, at: &mut At<'_, '_>) -> Option<Next> {
    while let Receiving::Head { scan, .. } = &mut exchange.receiving {
        let down = &at.flows.down;
        let nothing_came = down.rx.is_empty() && down.end < End::Reached;
        if nothing_came || !down.tx_has_room() {
            return None;
        }
        match scan.advance(down.rx.as_slice(), &at.cx.settings.head) {
            Scanned::Head(n) => {
                if let Some(next) = take_head(exchange, n, at) {
                    return Some(next);
                }
            }
            Scanned::Bad(fault) => return Some(Next::Refuse(malformed(fault))),
            Scanned::More if down.end >= End::Reached => {
                let why = "the origin closed the connection without an answer";
                return Some(exchange.unanswered(why, at.flows));
            }
            Scanned::More => return None,
        }
    }
    body(exchange, at.flows, at.cx)
}

fn body(exchange: &mut Exchange, flows: &mut Flows, cx: &mut Cx<'_>) -> Option<Next> {
    let is_owed = exchange.is_owed(flows);
    let down = &mut flows.down;
    let passed = match &mut exchange.receiving {
        Receiving::Head { .. } => return None,
        Receiving::Nothing | Receiving::Passed if !is_owed => return Some(Next::Finished),
        Receiving::Nothing => true,
        Receiving::Passed => return None,
        Receiving::Length => down.gate == Gate::Pass(0),
        Receiving::Chunked(relay) => match relay.advance(down, &cx.settings.head) {
            Ok(relayed) => relayed == Relayed::Done,
            Err(_) => {
                return Some(Next::Truncated(
                    "the response's chunked framing is malformed".into(),
                ));
            }
        },
        Receiving::UntilClose if down.end == End::Passed => return Some(Next::Ended),
        Receiving::UntilClose => false,
    };
    if passed {
        // Until its end has left, the client has as much time as for what came before.
        if down.has_unsent() {
            return None;
        }
        let is_framed = exchange.receiving.shows_truncation();
        exchange.receiving = Receiving::Passed;
        if !is_owed {
            return Some(Next::Finished);
        }
        // Where the end is all that shows how long it was, the client need not wait for what it sends itself. Others are left
        // alone: by TLS 1.2 who is told of an end drops what it has still to say (RFC 5246 section 7.2.1).
        if !is_framed {
            cx.actions.push(Action::Hangup(Side::Client));
        }
        return None;
    }
    let stuck = down.end >= End::Reached && !down.has_unsent() && !down.end_is_due();
    stuck.then(|| Next::Truncated("the origin closed the connection before its response ended".into()))
}

fn take_head(exchange: &mut Exchange, head_bytes: usize, at: &mut At<'_, '_>) -> Option<Next> {
    // Answered is not sent again, though it be by an interim response.
    at.cx.spares.put_back_head(&mut exchange.request.head);
    let limits = at.cx.settings.head;
    let Flow { rx, tx, .. } = &mut at.flows.down;
    let bytes = within(rx.as_slice(), ..head_bytes);
    let taken = head::with_response(bytes, &limits, |parsed| {
        let head = parsed.map_err(malformed)?;
        read_head(exchange, &head, at.shared, tx.writer())
    });
    rx.consume(head_bytes);
    match taken {
        Err(refusal) => Some(Next::Refuse(refusal)),
        Ok(Taken::Interim) => next_head(exchange),
        Ok(Taken::Switching) => Some(Next::Upgraded),
        Ok(Taken::Final(body)) => {
            exchange.begin_body(body, &mut at.flows.down);
            exchange.since = at.cx.now;
            // What is still to leave the origin may take for its next request.
            exchange.origin_persists &= !at.flows.up.has_unsent();
            at.cx.actions.extend(exchange.record.take().map(Action::Log));
            None
        }
    }
}

impl Exchange {
    /// The response's head was read: so its body is to come.
    fn begin_body(&mut self, body: Body, down: &mut Flow) {
        let metered = self.request.is_metered();
        self.receiving = match body {
            Body::None | Body::Length(0) => {
                down.gate = Gate::Pass(0);
                Receiving::Nothing
            }
            Body::Length(n) => {
                down.pass(n, metered);
                Receiving::Length
            }
            Body::Chunked => {
                down.gate = Gate::Hold;
                let framed = self.request.asked.version == Version::Http11;
                Receiving::Chunked(Relay::new(framed).metered(metered))
            }
            Body::UntilClose => {
                down.gate = Gate::Open;
                Receiving::UntilClose
            }
        };
    }
}

fn next_head(exchange: &mut Exchange) -> Option<Next> {
    let Receiving::Head { interims, .. } = exchange.receiving else {
        debug_assert!(false, "a head where none is read");
        return None;
    };
    if interims >= INTERIM_MAX {
        return Some(Next::Refuse(Refusal::ResponseMalformed(
            "too many interim responses",
        )));
    }
    exchange.receiving = Receiving::Head {
        scan: Scan::response(),
        interims: interims + 1,
    };
    None
}

fn read_head(
    exchange: &mut Exchange,
    head: &ResponseHead<'_>,
    shared: &Shared,
    out: &mut Vec<u8>,
) -> Result<Taken, Refusal> {
    let request = &exchange.request;
    if head.status == 407 && request.allowed.asked_in_absolute_form().is_some() {
        // It asks us, not the client, whose credentials are not its business.
        let text = request.at_whom(&status_line(head));
        return Err(Refusal::UpstreamRefused(text));
    }
    let asked = &exchange.request.asked;
    let (version, head_only, asks_upgrade) =
        (asked.version, asked.manner.head_only, !asked.protocols.is_empty());
    let switching = head.status == 101 && upgrade::agrees(head, &asked.protocols);
    let body = framing::response_body(head, head_only, false).map_err(malformed)?;
    let sent = matches!(exchange.sending, Sending::Done);
    if take_interim(exchange, head, switching, out)? {
        return Ok(Taken::Interim);
    }
    let response_persists = joint::response_persists(head, body);
    exchange.continuing = match exchange.continuing {
        Continuing::Awaited(_) if !sent => Continuing::Declined,
        _ => Continuing::Settled,
    };
    // An origin that stays takes the rest of a request that it answered early. Whether it will read that as the request's
    // shows when it is too late: its connection is nobody's afterwards.
    let goes_on = sent || (response_persists && exchange.continuing != Continuing::Declined);
    let client_persists = exchange.client_persists && goes_on && !shared.draining && !switching;
    let persistence = Persistence::of(version, client_persists, response_persists, body);
    exchange.client_persists = persistence.client;
    // Behind a declined upgrade the origin may take what comes next for the other protocol all the same.
    exchange.origin_persists = persistence.origin && sent && !asks_upgrade;
    exchange.keep_alive_seconds = joint::keep_alive_seconds(head);
    exchange.origin_says_keep_alive = joint::says_keep_alive(head);
    exchange.origin.private |=
        head.status == 401 && fields::field(head.fields, "www-authenticate").any(fields::is_connection_based);
    if let (Body::Length(n), Some(record)) = (body, &mut exchange.record) {
        record.extent = Extent::Content(n);
    }
    let plan = ResponsePlan {
        version_client: version,
        body,
        request_is_head: head_only,
        client_persists: exchange.client_persists,
        upgrade: switching,
    };
    rewrite::response(head, &plan, out);
    Ok(if switching {
        Taken::Switching
    } else {
        Taken::Final(body)
    })
}

/// Takes a head that another follows, and passes it on where the client has use for it; `false` where it is none. A 101
/// is none: it ends what is said in HTTP, or is a mistake.
fn take_interim(
    exchange: &mut Exchange,
    head: &ResponseHead<'_>,
    switching: bool,
    out: &mut Vec<u8>,
) -> Result<bool, Refusal> {
    match head.status {
        101 if switching && matches!(exchange.sending, Sending::Done) => Ok(false),
        101 if switching => Err(Refusal::ResponseMalformed("101 before the request's end")),
        101 => Err(Refusal::ResponseMalformed(
            "101 to a protocol that the request did not ask for",
        )),
        100 if exchange.continuing == Continuing::ByUs => Ok(true),
        100..=199 => {
            if head.status == 100 {
                exchange.continuing = Continuing::Settled;
            }
            // RFC 9110 section 15.2: an HTTP/1.0 client knows no interim responses.
            if exchange.request.asked.version == Version::Http11 {
                rewrite::interim(head, out);
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// An answer's first line as it can be shown: in one line, cut. Its reason is whatever its sender likes.
pub(super) fn status_line(head: &ResponseHead<'_>) -> String {
    let version = match head.version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    };
    let reason = head.reason.get(..STATUS_LINE_BYTES_MAX).unwrap_or(head.reason);
    let line = format!("{version} {} {}", head.status, String::from_utf8_lossy(reason));
    let mut shown = Vec::new();
    one_line::field_value(&mut shown, &line);
    String::from_utf8(shown).unwrap_or_default()
}

fn malformed(fault: Fault) -> Refusal {
    match fault {
        Fault::Malformed(reason) | Fault::TooLarge(reason) => Refusal::ResponseMalformed(reason),
    }
}
