//! What a complete request head asks for, judged in one go: target, framing, credentials, ACL. Out comes a
//! request that may go on, or a refusal. Looks nothing up and moves nothing.

use std::sync::Arc;
use std::time::Instant;

use crate::http::framing::{self, Body};
use crate::http::head::{self, RequestHead};
use crate::http::rewrite;
use crate::http::target::{self, Form, HTTP_PORT, Scheme};
use crate::http::{Fault, Version, joint};
use crate::net::{Target, TargetError};
use crate::policy::{Allowed, Ask, Credentials, Role, VettedList};

use super::outcome::{ProxyType, Record, Refusal};
use super::reply::Manner;
use super::{Cx, PoolKey, Shared};

/// Longest part of an unreadable host that is kept for log and answer, in bytes.
const WRITTEN_BYTES_MAX: usize = 1024;

/// Longest trace id that is kept, in bytes.
const TRACE_ID_BYTES_MAX: usize = 4096;

/// A request that the ACL allowed. What is to be said of it in the log is in the [`Record`] beside it.
#[derive(Debug)]
pub struct Request {
    /// The ACL's permission.
    pub allowed: Allowed,
    /// Who asks.
    pub role: Role,
    /// CONNECT or plain.
    pub kind: Kind,
    /// When its head was complete.
    pub began: Instant,
    /// Where it may be dialled; none before its host was looked up.
    pub addresses: VettedList,
}

/// The two ways of asking.
#[derive(Debug)]
pub enum Kind {
    /// CONNECT.
    Connect,
    /// A request to be forwarded.
    Http(Http),
}

/// What forwarding needs to know of a request.
#[derive(Debug)]
pub struct Http {
    /// The client's protocol version.
    pub version: Version,
    /// How its body is framed.
    pub body: Body,
    /// How the client wants its connection and an answer of ours.
    pub manner: Manner,
    /// It may be sent twice (RFC 9110 section 9.2.2).
    pub idempotent: bool,
    /// It waits for a 100 before it sends its body.
    pub expects_continue: bool,
    /// It asks for another protocol.
    pub asks_upgrade: bool,
    /// It carries connection-based authentication: its connection is never shared.
    pub private: bool,
    /// A copy of the head that was sent to the origin, where it may have to be sent twice.
    pub head_copy: Vec<u8>,
}

impl Http {
    /// May it be sent once more? Only where nothing of it is lost with the first attempt.
    pub fn is_repeatable(&self) -> bool {
        self.idempotent && !self.manner.body_left
    }
}

/// An allowed request, and what is known of it so far.
pub type Judged = (Box<Request>, Box<Record>);

/// A request that is answered by us.
#[derive(Debug)]
pub struct Refused {
    /// What is known of it.
    pub record: Box<Record>,
    /// Why.
    pub refusal: Refusal,
    /// How to answer.
    pub manner: Manner,
}

impl Request {
    /// The copy of its head, if there is one, for the last time.
    pub(super) fn take_copy(&mut self) -> Vec<u8> {
        match &mut self.kind {
            Kind::Http(http) => std::mem::take(&mut http.head_copy),
            Kind::Connect => Vec::new(),
        }
    }

    /// How to answer it ourselves. After a CONNECT nothing but a close makes sense.
    pub fn manner(&self) -> Manner {
        match &self.kind {
            Kind::Connect => Manner::CLOSING,
            Kind::Http(http) => http.manner,
        }
    }

    /// After a client's FIN a plain request is worth only a short wait; a CONNECT is not: the tunnel will carry
    /// the FIN on.
    pub(super) fn half_close_deadline(&self, shared: &Shared) -> Option<Instant> {
        match self.kind {
            Kind::Connect => None,
            Kind::Http(_) => shared.half_close_deadline(self.began),
        }
    }

    /// Which idle connections would do.
    pub fn pool_key(&self) -> PoolKey {
        let target = self.allowed.target();
        PoolKey {
            role: self.role.clone(),
            host: target.host.clone(),
            port: target.port,
        }
    }
}

/// Judges a complete head. Appends the head to send to the origin to `out`, where there is one.
///
/// # Errors
/// The refusal to answer with.
pub fn judge(bytes: &[u8], out: &mut Vec<u8>, shared: &Shared, cx: &mut Cx<'_>) -> Result<Judged, Refused> {
    let record = new_record(shared, cx);
    let limits = cx.settings.head;
    let manner = Manner::closing(bytes);
    head::with_request(bytes, &limits, |parsed| match parsed {
        Ok(head) => Judge {
            head: &head,
            record,
            manner,
        }
        .judge(out, shared, cx),
        Err(fault) => Err(Refused {
            record,
            refusal: fault_refusal(fault),
            manner,
        }),
    })
}

/// The record of a request that was noticed now.
pub fn new_record(shared: &Shared, cx: &mut Cx<'_>) -> Box<Record> {
    let id = cx.ids.next(cx.wall);
    cx.spares.records.fill(Record::new(id, shared.client, cx.wall))
}

/// What a fault in a request is answered with.
pub fn fault_refusal(fault: Fault) -> Refusal {
    match fault {
        Fault::Malformed(reason) => Refusal::Malformed(reason),
        Fault::TooLarge(reason) => Refusal::HeadTooLarge(reason),
    }
}

struct Judge<'h> {
    head: &'h RequestHead<'h>,
    record: Box<Record>,
    manner: Manner,
}

impl Judge<'_> {
    fn judge(mut self, out: &mut Vec<u8>, shared: &Shared, cx: &mut Cx<'_>) -> Result<Judged, Refused> {
        match self.walk(out, shared, cx) {
            Ok(request) => Ok((cx.spares.requests.fill(request), self.record)),
            Err(refusal) => Err(Refused {
                record: self.record,
                refusal,
                manner: self.manner,
            }),
        }
    }

    fn walk(&mut self, out: &mut Vec<u8>, shared: &Shared, cx: &mut Cx<'_>) -> Result<Request, Refusal> {
        let head = self.head;
        if let Some(trace_id) = rewrite::field(head.fields, "x-smokescreen-trace-id").next() {
            // The log shows no more of it, and a tunnel keeps it for as long as it lasts.
            self.record.trace_id = trace_id.get(..TRACE_ID_BYTES_MAX).unwrap_or(trace_id).into();
        }
        let form = target::form(head).map_err(fault_refusal)?;
        let body = framing::request_body(head).map_err(fault_refusal)?;
        if let Form::Absolute { .. } = form {
            self.manner = Manner::of(head, body, shared);
        }
        let (target, path) = self.target(form, body, cx)?;
        let role = self.authenticate(cx)?;
        let allowed = self.decide(&role, target, path.is_none(), cx)?;
        let kind = match path {
            None => Kind::Connect,
            Some(path) => Kind::Http(self.http(&allowed, body, path, out)),
        };
        Ok(Request {
            allowed,
            role,
            kind,
            began: cx.now,
            addresses: VettedList::new(),
        })
    }

    /// Where to: the target, and the path of a plain request.
    fn target<'f>(
        &mut self,
        form: Form<'f>,
        body: Body,
        cx: &mut Cx<'_>,
    ) -> Result<(Target, Option<&'f [u8]>), Refusal> {
        let (authority, parsed, path) = match form {
            Form::Connect { authority } => {
                self.record.proxy_type = ProxyType::Connect;
                let parsed = match body {
                    Body::None | Body::Length(0) => malformed(Target::parse(authority, None)),
                    _ => Err(Refusal::Malformed("a CONNECT request has no content")),
                };
                (authority, parsed, None)
            }
            Form::Absolute {
                scheme,
                authority,
                path_and_query,
            } => {
                let parsed = match scheme {
                    Scheme::Http => malformed(cx.spares.targets.parse(authority)),
                    Scheme::Https => Err(Refusal::UseConnect),
                    Scheme::Other => Err(Refusal::SchemeUnknown),
                };
                (authority, parsed, Some(path_and_query))
            }
            Form::Origin | Form::Asterisk => return Err(Refusal::NotProxyRequest),
        };
        self.record.requested_host = match &parsed {
            Ok(target) => Arc::clone(&target.written),
            Err(_) => readable(authority),
        };
        Ok((parsed?, path))
    }

    fn authenticate(&mut self, cx: &Cx<'_>) -> Result<Role, Refusal> {
        let mut values = rewrite::field(self.head.fields, "proxy-authorization");
        let given = match (values.next(), values.next()) {
            (None, _) => Credentials::Absent,
            (Some(value), None) => Credentials::Given(value),
            (Some(_), Some(_)) => Credentials::Several,
        };
        let role = cx.policy.authenticate(given).map_err(|_| Refusal::RoleUnknown)?;
        if let Role::Named(name) = &role {
            self.record.role = Some(name.clone());
        }
        Ok(role)
    }

    fn decide(&mut self, role: &Role, target: Target, tunnel: bool, cx: &Cx<'_>) -> Result<Allowed, Refusal> {
        let mut proxies = rewrite::field(self.head.fields, "x-upstream-https-proxy");
        let external_proxy = proxies.next();
        if proxies.next().is_some() {
            return Err(Refusal::Malformed("more than one X-Upstream-Https-Proxy field"));
        }
        let ask = Ask {
            tunnel,
            external_proxy,
        };
        match cx.policy.decide(role, target, ask) {
            Err(denied) => Err(Refusal::Denied(denied.decision)),
            Ok(allowed) => {
                self.record.note_decision(allowed.decision().clone(), true);
                if allowed.external_proxy() {
                    return Err(Refusal::Unavailable("A proxy named by the client"));
                }
                if tunnel && allowed.intercepts() {
                    return Err(Refusal::Unavailable("MITM"));
                }
                Ok(allowed)
            }
        }
    }

    fn http(&self, allowed: &Allowed, body: Body, path: &[u8], out: &mut Vec<u8>) -> Http {
        let head = self.head;
        rewrite::request(head, path, allowed.target().host_field(HTTP_PORT), out);
        Http {
            version: head.version,
            body,
            manner: self.manner,
            idempotent: rewrite::method_is_idempotent(head.method),
            expects_continue: rewrite::lists_token(head.fields, "expect", "100-continue"),
            asks_upgrade: rewrite::asks_upgrade(head),
            private: rewrite::field(head.fields, "authorization").any(is_connection_based),
            head_copy: Vec::new(),
        }
    }
}

impl Manner {
    /// How the client of this head wants to be answered.
    fn of(head: &RequestHead<'_>, body: Body, shared: &Shared) -> Manner {
        Manner {
            persists: joint::request_persists(head) && !shared.draining,
            body_left: !matches!(body, Body::None | Body::Length(0)),
            head_only: head.method == "HEAD",
            http10: head.version == Version::Http10,
        }
    }
}

/// Credentials, or one of a list of challenges, by NTLM or Negotiate: these authenticate the connection, not the
/// request (RFC 4559 section 6). Commas in quoted parameters are not minded: a false alarm costs a connection.
pub fn is_connection_based(value: &[u8]) -> bool {
    value.split(|&b| b == b',').any(|challenge| {
        let scheme = challenge
            .trim_ascii()
            .split(|&b| b == b' ')
            .next()
            .unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
    })
}

fn malformed(parsed: Result<Target, TargetError>) -> Result<Target, Refusal> {
    parsed.map_err(|error| Refusal::Malformed(error.0))
}

/// An authority as it can be shown: what is not UTF-8 replaced, and cut.
fn readable(authority: &[u8]) -> Arc<str> {
    let cut = authority.get(..WRITTEN_BYTES_MAX).unwrap_or(authority);
    String::from_utf8_lossy(cut).into()
}

#[cfg(test)]
mod tests {
    use super::is_connection_based;

    #[test]
    fn connection_based_authentication_is_found_anywhere_in_a_list() {
        for value in [
            "NTLM",
            "negotiate YII=",
            "Basic realm=x, Negotiate",
            "Digest a=b,ntlm abc",
        ] {
            assert!(is_connection_based(value.as_bytes()), "{value}");
        }
        for value in ["Basic bnRsbQ==", "Bearer NTLM", "", "Negotiated"] {
            assert!(!is_connection_based(value.as_bytes()), "{value}");
        }
    }
}
