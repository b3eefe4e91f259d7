//! What a complete request head asks for, judged in one go: target, framing, credentials, ACL. Out comes a
//! request that may go on, or a refusal. Looks nothing up and moves nothing. What is other of requests inside of an intercepted
//! tunnel is `judge/inside`'s.

mod identity;
mod inside;

use std::ops::Range;
use std::sync::Arc;

use crate::flow::{GRANTED_BYTES, Gate};
use crate::http::accept;
use crate::http::fields;
use crate::http::framing::{self, Body};
use crate::http::head::{self, RequestHead};
use crate::http::max_forwards::{self, Forwards};
use crate::http::rewrite::{self, RequestPlan};
use crate::http::target::{self, Form};
use crate::http::{Fault, Version, joint, upgrade};
use crate::net::{Scheme, Target, TargetError};
use crate::policy::{Allowed, Ask, Question, Role, Verified, VettedList};
use crate::text::slices::{until, within};

use super::admin;
use super::at::{At, Cx};
use super::errand::Errand;
use super::front::Front;
use super::introduction::Introduction;
use super::outcome::{Extras, ProxyType, Record, Verdict};
use super::refusal::Refusal;
use super::request::{Asked, Manner, Request, Way};
use super::shared::Shared;
use super::then::Then;

/// Longest part of an unreadable host that is kept for log and answer, in bytes.
const WRITTEN_BYTES_MAX: usize = 1024;

/// Longest trace id that is kept, in bytes.
const TRACE_ID_BYTES_MAX: usize = 4096;

/// Why a request does not go on.
enum Stop {
    /// It is answered by us.
    Refuse(Refusal),
    /// Something must be found out before.
    Ask(Question),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refuse(refusal)
    }
}

/// Judges the complete head that stands there in `up.rx`, which then is consumed. Where something must be found out first
/// it stays, and is judged again with the answer, `verified`: until the verdict is there nothing happens that could not
/// happen twice.
pub(super) fn verdict(place: Range<usize>, verified: Option<&Verified>, at: &mut At<'_, '_>) -> Then {
    if let Front::Admin(surface) = at.shared.front() {
        return admin::verdict(place, surface, at);
    }
    at.flows.up.gate = Gate::Pass(0);
    let bytes = within(at.flows.up.rx.as_slice(), place.clone());
    let (shared, cx) = (&mut *at.shared, &mut *at.cx);
    let record = cx.new_record(shared);
    let limits = cx.settings.head;
    let then = head::with_request(bytes, &limits, |parsed| match parsed {
        Ok(head) => Judge {
            head: &head,
            verified,
            record,
            manner: Manner {
                head_only: head.method == "HEAD",
                json: accept::prefers_json(head.fields),
                ..Manner::CLOSING
            },
        }
        .judge(place.clone(), shared, cx),
        Err(fault) => Then::Refuse(record, fault_refusal(fault), Manner::closing(bytes)),
    });
    if !matches!(then, Then::Ask(..)) {
        at.flows.up.rx.consume(place.end);
    }
    then
}

/// What a fault in a request is answered with.
pub(super) fn fault_refusal(fault: Fault) -> Refusal {
    match fault {
        Fault::Malformed(reason) => Refusal::Malformed(reason),
        Fault::TooLarge(reason) => Refusal::HeadTooLarge(reason),
    }
}

/// What a plain request's URI says beside its target.
#[derive(Clone, Copy)]
struct Uri<'f> {
    scheme: Scheme,
    path_and_query: &'f [u8],
}

struct Judge<'h> {
    head: &'h RequestHead<'h>,
    /// What was found out of its credentials.
    verified: Option<&'h Verified>,
    record: Box<Record>,
    manner: Manner,
}

impl Judge<'_> {
    fn judge(mut self, place: Range<usize>, shared: &mut Shared, cx: &mut Cx<'_>) -> Then {
        match self.walk(shared, cx) {
            Ok(mut request) if request.asked.ends_here => {
                cx.spares.put_back_head(&mut request.head);
                Then::Reached(self.record, self.manner)
            }
            Ok(request) => Then::Lookup(Errand {
                request: cx.spares.requests.fill(request),
                record: self.record,
            }),
            Err(Stop::Refuse(refusal)) => Then::Refuse(self.record, refusal, self.manner),
            Err(Stop::Ask(question)) => {
                cx.spares.records.put_back(self.record);
                Then::Ask(place, question)
            }
        }
    }

    fn walk(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) -> Result<Request, Stop> {
        let head = self.head;
        // What a stranger sends as such is not kept: it would cost more than all the rest of its line.
        if !shared.is_stranger {
            self.keep_trace_id();
        }
        if head.method == "CONNECT" {
            self.record.proxy_type = ProxyType::Connect;
        }
        let form = target::form(head);
        let body = framing::request_body(head);
        if form.is_err() || body.is_err() {
            self.note_asked(form.ok());
        }
        let (form, body) = (form.map_err(fault_refusal)?, body.map_err(fault_refusal)?);
        if matches!(form, Form::Absolute { .. }) || shared.inside().is_some() {
            self.manner = self.manner.of(head, body, shared);
        }
        let (target, uri) = match shared.inside() {
            None => self.target(form, body, cx)?,
            Some(inside) => self.target_inside(inside::asked(head, form)?, inside)?,
        };
        self.record.scheme = uri.map(|uri| uri.scheme);
        if let Some(inside) = shared.inside_mut() {
            self.tell_inside(&target, inside, cx.policy);
        }
        let role = self.identify(shared, cx)?;
        let allowed = self.decide(&role, target, uri.map(|uri| uri.scheme), shared, cx)?;
        let (way, asked, head) = match uri {
            None => (Way::Tunnel, self.tunnel(&allowed), Vec::new()),
            Some(uri) => {
                let (asked, head) = self.forward(&allowed, body, uri, cx)?;
                (Way::Forward, asked, head)
            }
        };
        // Last: what is refused for its sender or its host takes nothing of any limit. Addresses are not known yet.
        let moment = cx.moment();
        let permits = cx.policy.admit(&role, way == Way::Tunnel, moment);
        let permits = permits.map_err(Refusal::Limited)?;
        Ok(Request {
            allowed,
            role,
            way,
            asked,
            // A small one is within what a connection is granted.
            keeps_head: head.len() <= GRANTED_BYTES || cx.has_room_to_spare,
            head,
            began: cx.now,
            addresses: VettedList::default(),
            permits,
            hello: Default::default(),
            lost: None,
        })
    }

    fn keep_trace_id(&mut self) {
        if let Some(trace_id) = fields::field(self.head.fields, "x-smokescreen-trace-id").next() {
            // The log shows no more of it, and a tunnel keeps it for as long as it lasts.
            let kept = trace_id.get(..TRACE_ID_BYTES_MAX).unwrap_or(trace_id);
            self.record.extras = Some(Box::new(Extras {
                trace_id: kept.into(),
                ..Extras::default()
            }));
        }
    }

    /// What a request asks for that is too malformed to be judged: its line names the host all the same.
    fn note_asked(&mut self, form: Option<Form<'_>>) {
        self.record.requested_host = match form {
            Some(Form::Connect { authority } | Form::Absolute { authority, .. }) => readable(authority),
            None if self.head.method == "CONNECT" => readable(self.head.target),
            _ => return,
        };
    }

    /// Where to: the target, and the rest of a plain request's URI.
    fn target<'f>(
        &mut self,
        form: Form<'f>,
        body: Body,
        cx: &mut Cx<'_>,
    ) -> Result<(Target, Option<Uri<'f>>), Refusal> {
        let (authority, parsed, uri) = match form {
            Form::Connect { authority } => {
                let parsed = match body {
                    Body::None | Body::Length(0) => malformed(cx.spares.targets.parse(None, authority)),
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
                    Some(_) => malformed(cx.spares.targets.parse(scheme, authority)),
                    None => Err(Refusal::SchemeUnknown),
                };
                let uri = scheme.map(|scheme| Uri {
                    scheme,
                    path_and_query,
                });
                (authority, parsed, uri)
            }
            Form::Origin | Form::Asterisk => return Err(Refusal::NotProxyRequest),
        };
        self.record.requested_host = match &parsed {
            Ok(target) => Arc::clone(&target.written),
            Err(_) => readable(authority),
        };
        Ok((parsed?, uri))
    }

    fn decide(
        &mut self,
        role: &Role,
        target: Target,
        scheme: Option<Scheme>,
        shared: &Shared,
        cx: &Cx<'_>,
    ) -> Result<Allowed, Refusal> {
        let ask = Ask {
            scheme,
            external_proxy: match shared.inside() {
                None => inside::external_proxy(self.head)?,
                // What a request inside says of it is said to the origin, which does not get it.
                Some(inside) => inside.introduction.external_proxy(),
            },
            is_inside: shared.inside().is_some(),
        };
        match cx.policy.decide(role, target, ask) {
            Err(denial) => {
                self.record.verdict = Some(Verdict::Deny);
                Err(Refusal::Denied(cx.policy.explained(denial, role, ask)))
            }
            Ok(allowed) => {
                self.record.note_allowed(allowed.decision().clone());
                if let Some(inside) = shared.inside() {
                    self.mind_inside(&allowed, inside, cx.policy)?;
                }
                Ok(allowed)
            }
        }
    }

    /// A tunnel is answered in the client's manner; nothing else that its head says matters any more.
    fn tunnel(&self, allowed: &Allowed) -> Asked {
        let introduction = allowed.intercepts().then(|| {
            let external_proxy = inside::external_proxy(self.head).ok().flatten();
            Box::new(Introduction::new(external_proxy, self.credentials()))
        });
        Asked {
            version: self.head.version,
            body: Body::None,
            manner: self.manner,
            idempotent: false,
            expects_continue: false,
            protocols: Box::default(),
            ends_here: false,
            introduction,
            private: false,
        }
    }

    /// What a request to be forwarded asks for, and the head to send for it.
    fn forward(
        &self,
        allowed: &Allowed,
        body: Body,
        uri: Uri<'_>,
        cx: &mut Cx<'_>,
    ) -> Result<(Asked, Vec<u8>), Refusal> {
        let head = self.head;
        let forwards = max_forwards::forwards(head).map_err(fault_refusal)?;
        // What is reflected comes to the client: neither an upstream's credentials nor what is added.
        let upstream = allowed.asked_in_absolute_form();
        let adding = allowed.adding();
        let tells_secrets =
            upstream.is_some_and(|upstream| upstream.authorization().is_some()) || adding.is_some();
        if head.method == "TRACE" && (forwards == Forwards::None || tells_secrets) {
            return Err(Refusal::TraceEnds);
        }
        let protocols = upgrade::asked(head);
        let host_field = allowed.target().host_field(uri.scheme.default_port());
        // In normal form: whoever reads it must see what was judged.
        let host = upstream.map(|_| allowed.target().host.spelled());
        let plan = RequestPlan {
            absolute: host.as_deref().map(|host| (uri.scheme, host)),
            path_and_query: uri.path_and_query,
            host: &host_field.host,
            port: host_field.port,
            protocols: &protocols,
            forwards,
            body,
        };
        let mut out = cx.spares.head();
        let replaces = |name: &str| adding.is_some_and(|adding| adding.replaces(name));
        let drops = adding.map(|_| &replaces as &dyn Fn(&str) -> bool);
        rewrite::request_without(drops, head, &plan, &mut out);
        cx.spares.fit(&mut out);
        let asked = Asked {
            version: head.version,
            body,
            manner: self.manner,
            idempotent: rewrite::method_is_idempotent(head.method),
            expects_continue: fields::lists_token(head.fields, "expect", "100-continue"),
            protocols,
            ends_here: forwards == Forwards::None,
            introduction: None,
            private: fields::field(head.fields, "authorization").any(fields::is_connection_based)
                || adding.is_some_and(inside::authenticates_connection),
        };
        Ok((asked, out))
    }
}

impl Manner {
    /// How the client of this head wants to be answered, and whether its connection goes on.
    fn of(self, head: &RequestHead<'_>, body: Body, shared: &Shared) -> Manner {
        Manner {
            persists: joint::request_persists(head) && !shared.draining,
            body_left: !matches!(body, Body::None | Body::Length(0)),
            http10: head.version == Version::Http10,
            ..self
        }
    }
}

fn malformed(parsed: Result<Target, TargetError>) -> Result<Target, Refusal> {
    parsed.map_err(|error| Refusal::Malformed(error.0))
}

/// An authority as it can be shown: without user information, which may hold a password, what is not UTF-8 replaced,
/// and cut.
fn readable(authority: &[u8]) -> Arc<str> {
    let at = authority.iter().rposition(|&byte| byte == b'@');
    let host = at.map_or(authority, |at| within(authority, at + 1..));
    // No path either, where one stands behind the target of a CONNECT.
    let host = until(host, |byte| b"/?#".contains(byte));
    let cut = host.get(..WRITTEN_BYTES_MAX).unwrap_or(host);
    String::from_utf8_lossy(cut).into()
}
