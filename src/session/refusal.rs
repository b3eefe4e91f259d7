//! Why we answer a request ourselves: each [`Refusal`] with status, text, code and cause in one place. Writes no
//! answer (that is `reply`) and knows nothing of the request but its host.

use std::borrow::Cow;
use std::sync::Arc;

use crate::http::reply::{Cause, METHOD_NOT_ALLOWED};
use crate::net::{IoFailKind, TlsFault};
use crate::policy::quota::Limit;
use crate::policy::{Code, Denied, Exceeded, Grounds, Refused};

/// The reason of a refusal for want of a role.
pub const ROLE_UNKNOWN: &str = "Client role cannot be determined";

/// The reference's reason phrase for whatever it does not let out.
const REJECTED: &str = "Request rejected by proxy";

/// Reason phrases.
const TOO_MANY: &str = "Too Many Requests";
const UNAVAILABLE: &str = "Service Unavailable";

/// How denials are answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DenyStyle {
    /// Their status, 407 or 403 (`--deny-status`).
    pub status: u16,
    /// The status line says why; otherwise it is the reference's (`--deny-style`).
    pub explicit: bool,
}

/// Why we answer a request ourselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The message breaks the syntax of RFC 9112, or one of its two ways of framing contradicts the other; one reason.
    Malformed(&'static str),
    /// The head exceeds a limit.
    HeadTooLarge(&'static str),
    /// The head did not arrive in time.
    HeadTooSlow,
    /// The body stood still for too long.
    BodyTooSlow,
    /// The connection does not begin with the PROXY header that is due; one reason.
    ProxyHeader(&'static str),
    /// A request to a server, not to a proxy.
    NotProxyRequest,
    /// Neither `http:` nor `https:`.
    SchemeUnknown,
    /// TRACE that may be forwarded no further.
    TraceEnds,
    /// Nothing says who asks, or not truthfully.
    Unidentified(Refused),
    /// Wrong credentials, too often: nobody shall guess that fast.
    RateLimited,
    /// A limit of the operator's leaves no room for it.
    Limited(Exceeded),
    /// By the ACL or the address rules.
    Denied(Denied),
    /// Inside of an intercepted tunnel, for another host than the tunnel's.
    Misdirected(Box<Grounds>),
    /// What begins inside of an intercepted tunnel is no TLS.
    NotTls(Box<Grounds>),
    /// The tunnel is to be intercepted, and the CA signs no certificate for its host.
    NotIntercepted,
    /// No address was found.
    LookupFailed(Arc<str>),
    /// Nobody answered the lookup in time.
    LookupTimedOut(Arc<str>),
    /// No address could be reached: in which way, and the address tried with the errno's words.
    DialFailed(IoFailKind, Box<str>),
    /// The dial took too long.
    DialTimedOut(Box<str>),
    /// TLS with the origin, or with whoever is on the way to it, failed: how, with whom, and why.
    TlsFailed(TlsFault, Box<str>),
    /// The origin's connection ended before its answer began.
    Unanswered(Box<str>),
    /// The origin's answer took too long to begin.
    AnswerTimedOut,
    /// The origin's answer is not HTTP as RFC 9112 has it.
    ResponseMalformed(&'static str),
    /// The upstream proxy would not: its name, and its status line in one line.
    UpstreamRefused(Box<str>),
    /// The upstream proxy's answer to our CONNECT is not HTTP: its name, and one reason.
    UpstreamMalformed(Box<str>),
    /// The upstream proxy's address is our own listener.
    UpstreamIsOurselves(Box<str>),
    /// We have no room for the request.
    Overloaded(&'static str),
}

impl Refusal {
    /// Status code and reason phrase of the answer.
    pub fn status(&self, style: DenyStyle) -> (u16, Cow<'static, str>) {
        let (status, reason) = match self {
            Refusal::Malformed(_)
            | Refusal::ProxyHeader(_)
            | Refusal::NotTls(_)
            | Refusal::NotProxyRequest
            | Refusal::SchemeUnknown => (400, "Bad Request"),
            Refusal::Misdirected(_) => (421, "Misdirected Request"),
            Refusal::TraceEnds => (METHOD_NOT_ALLOWED, "Method Not Allowed"),
            Refusal::HeadTooLarge(_) => (431, "Request Header Fields Too Large"),
            Refusal::HeadTooSlow | Refusal::BodyTooSlow => (408, "Request Timeout"),
            Refusal::RateLimited => (429, TOO_MANY),
            Refusal::Limited(exceeded) => match exceeded.limit {
                Limit::Connections | Limit::Requests => (503, UNAVAILABLE),
                Limit::Rate | Limit::Tunnels | Limit::Bytes => (429, TOO_MANY),
            },
            // The challenge belongs to 407 alone.
            Refusal::Unidentified(Refused::Missing | Refused::Wrong) if style.explicit => {
                (407, "Proxy Authentication Required")
            }
            Refusal::Unidentified(Refused::Missing | Refused::Wrong) => (407, REJECTED),
            Refusal::Unidentified(Refused::Unasked) | Refusal::Denied(_) => {
                return (style.status, self.rejected(style));
            }
            Refusal::LookupFailed(_)
            | Refusal::DialFailed(..)
            | Refusal::TlsFailed(..)
            | Refusal::Unanswered(_)
            | Refusal::ResponseMalformed(_)
            | Refusal::UpstreamRefused(_)
            | Refusal::UpstreamMalformed(_)
            | Refusal::UpstreamIsOurselves(_) => (502, "Bad Gateway"),
            Refusal::LookupTimedOut(_) | Refusal::DialTimedOut(_) | Refusal::AnswerTimedOut => {
                (504, "Gateway Timeout")
            }
            Refusal::NotIntercepted => (500, "Internal Server Error"),
            Refusal::Overloaded(_) => (503, UNAVAILABLE),
        };
        (status, Cow::Borrowed(reason))
    }

    /// Half of all clients show nothing of a refused CONNECT but this.
    fn rejected(&self, style: DenyStyle) -> Cow<'static, str> {
        match style.explicit {
            true => format!("{REJECTED} ({})", self.code()).into(),
            false => REJECTED.into(),
        }
    }

    /// Which of the proxy error types of RFC 9209 says what happened; one code may have several.
    pub fn error_type(&self) -> &'static str {
        match self {
            Refusal::Malformed(_)
            | Refusal::ProxyHeader(_)
            | Refusal::HeadTooLarge(_)
            | Refusal::HeadTooSlow
            | Refusal::BodyTooSlow
            | Refusal::NotProxyRequest
            | Refusal::SchemeUnknown
            | Refusal::Misdirected(_)
            | Refusal::NotTls(_)
            | Refusal::TraceEnds => "http_request_error",
            Refusal::Denied(denied) if denied.code.is_of_addresses() => "destination_ip_prohibited",
            Refusal::Unidentified(_) | Refusal::RateLimited | Refusal::Denied(_) => "http_request_denied",
            Refusal::Limited(exceeded) => match exceeded.limit {
                Limit::Connections | Limit::Requests | Limit::Tunnels => "connection_limit_reached",
                Limit::Rate | Limit::Bytes => "http_request_denied",
            },
            Refusal::LookupFailed(_) => "dns_error",
            Refusal::LookupTimedOut(_) => "dns_timeout",
            Refusal::DialFailed(IoFailKind::Refused, _) => "connection_refused",
            Refusal::DialFailed(IoFailKind::Unreachable, _) => "destination_ip_unroutable",
            Refusal::DialFailed(IoFailKind::Reset, _) | Refusal::Unanswered(_) => "connection_terminated",
            Refusal::DialFailed(IoFailKind::TimedOut, _) | Refusal::DialTimedOut(_) => "connection_timeout",
            Refusal::DialFailed(IoFailKind::Exhausted | IoFailKind::Tls(_) | IoFailKind::Other, _) => {
                "destination_unavailable"
            }
            Refusal::TlsFailed(fault, _) => match fault {
                TlsFault::Certificate => "tls_certificate_error",
                TlsFault::Alert => "tls_alert_received",
                TlsFault::Timeout => "connection_timeout",
                TlsFault::Ended => "connection_terminated",
                TlsFault::Protocol => "tls_protocol_error",
            },
            Refusal::AnswerTimedOut => "http_response_timeout",
            Refusal::ResponseMalformed(_) | Refusal::UpstreamMalformed(_) => "http_protocol_error",
            Refusal::UpstreamRefused(_) => "destination_unavailable",
            Refusal::NotIntercepted => "proxy_configuration_error",
            Refusal::UpstreamIsOurselves(_) => "proxy_loop_detected",
            Refusal::Overloaded(_) => "connection_limit_reached",
        }
    }

    /// Its stable name: see docs/denied.md.
    pub fn code(&self) -> Code {
        match self {
            Refusal::Malformed(_) | Refusal::ProxyHeader(_) | Refusal::NotTls(_) => Code::MalformedRequest,
            Refusal::HeadTooLarge(_) => Code::HeadTooLarge,
            Refusal::HeadTooSlow => Code::HeadTooSlow,
            Refusal::BodyTooSlow => Code::BodyTooSlow,
            Refusal::NotProxyRequest => Code::NotAProxyRequest,
            Refusal::SchemeUnknown => Code::SchemeUnsupported,
            Refusal::TraceEnds => Code::MethodNotAllowed,
            Refusal::Unidentified(refused) => refused.code(),
            Refusal::RateLimited => Code::RateLimited,
            Refusal::Limited(exceeded) => exceeded.code(),
            Refusal::Denied(denied) => denied.code,
            Refusal::Misdirected(_) => Code::Misdirected,
            Refusal::NotIntercepted => Code::MitmFailed,
            Refusal::LookupFailed(_) => Code::DnsFailed,
            Refusal::LookupTimedOut(_) => Code::DnsTimeout,
            Refusal::DialFailed(..) => Code::ConnectFailed,
            Refusal::DialTimedOut(_) => Code::ConnectTimeout,
            Refusal::TlsFailed(..) => Code::TlsFailed,
            Refusal::Unanswered(_) => Code::OriginClosed,
            Refusal::AnswerTimedOut => Code::OriginTimeout,
            Refusal::ResponseMalformed(_) | Refusal::UpstreamMalformed(_) => Code::MalformedResponse,
            Refusal::UpstreamRefused(_) => Code::UpstreamRefused,
            Refusal::UpstreamIsOurselves(_) => Code::SelfConnection,
            Refusal::Overloaded(_) => Code::Overloaded,
        }
    }

    /// Why, without naming the host: for the log, and for the text where that needs no more.
    pub fn reason(&self) -> Cow<'static, str> {
        match self {
            Refusal::Malformed(reason) => format!("Malformed request: {reason}.").into(),
            Refusal::ProxyHeader(reason) => {
                format!("PROXY protocol header expected (--proxy-protocol): {reason}.").into()
            }
            Refusal::HeadTooLarge(reason) => format!("Request head too large: {reason}.").into(),
            Refusal::HeadTooSlow | Refusal::BodyTooSlow => "The request did not arrive in time.".into(),
            Refusal::NotProxyRequest => "This is a proxy: it takes CONNECT and requests for absolute \
                URIs (GET http://host/path). Configure it as the client's HTTP proxy."
                .into(),
            Refusal::SchemeUnknown => "Only http and https URIs and CONNECT are supported.".into(),
            Refusal::TraceEnds => {
                "TRACE is not answered by this proxy: it would show what was meant for it alone.".into()
            }
            Refusal::Unidentified(_) => ROLE_UNKNOWN.into(),
            Refusal::RateLimited => "Proxy rate limit exceeded. Too many wrong credentials.".into(),
            Refusal::Limited(exceeded) => limited(exceeded.limit).into(),
            Refusal::Denied(denied) => denied.decision.reason.clone(),
            Refusal::NotTls(_) => {
                "Malformed request: this tunnel is intercepted (mitm_domains) and has to begin with TLS."
                    .into()
            }
            Refusal::Misdirected(_) => {
                "The request is for another host than that of the tunnel it came in.".into()
            }
            Refusal::NotIntercepted => {
                "No certificate can be made for the host, whose tunnels this proxy intercepts: its CA signs \
                 none. Its log says why."
                    .into()
            }
            Refusal::LookupFailed(why) => format!("Failed to resolve remote hostname: {why}").into(),
            Refusal::LookupTimedOut(why) => format!("Timed out resolving remote hostname: {why}").into(),
            Refusal::DialFailed(_, why) | Refusal::TlsFailed(_, why) | Refusal::Unanswered(why) => {
                format!("Failed to connect to remote host: {why}").into()
            }
            Refusal::UpstreamRefused(why) => format!("Refused by {why}").into(),
            Refusal::UpstreamMalformed(why) => format!("Malformed response from {why}.").into(),
            Refusal::UpstreamIsOurselves(why) => format!("Failed to connect to remote host: {why}").into(),
            Refusal::DialTimedOut(why) => format!("Timed out connecting to remote host: {why}").into(),
            Refusal::AnswerTimedOut => "Timed out connecting to remote host: no response came".into(),
            Refusal::ResponseMalformed(reason) => {
                format!("Malformed response from remote host: {reason}.").into()
            }
            Refusal::Overloaded(why) => format!("Proxy overloaded. {why}").into(),
        }
    }

    /// The text of the answer; `host` is escaped already.
    pub fn text(&self, host: &str) -> Cow<'static, str> {
        match self.cause() {
            Cause::Credentials | Cause::Role | Cause::Policy => {
                format!("Egress proxying is denied to host '{host}': {}.", self.reason()).into()
            }
            Cause::Request | Cause::Rate | Cause::Limit | Cause::Origin | Cause::Capacity => self.reason(),
        }
    }

    /// What would let the request out, where neither the ACL nor the address rules say so.
    pub fn hint(&self) -> &'static str {
        match self {
            Refusal::RateLimited => "the right password",
            _ => self.code().hint(),
        }
    }

    /// The same, with what it comes from where that is known.
    pub fn into_grounds(self) -> Box<Grounds> {
        match self {
            Refusal::Misdirected(grounds) | Refusal::NotTls(grounds) => grounds,
            other => Box::new(Grounds {
                hint: other.hint().into(),
                ..Grounds::default()
            }),
        }
    }

    /// What it is due to.
    pub fn cause(&self) -> Cause {
        match self {
            Refusal::Malformed(_)
            | Refusal::ProxyHeader(_)
            | Refusal::HeadTooLarge(_)
            | Refusal::HeadTooSlow
            | Refusal::BodyTooSlow
            | Refusal::NotProxyRequest
            | Refusal::SchemeUnknown
            | Refusal::Misdirected(_)
            | Refusal::NotTls(_)
            | Refusal::TraceEnds => Cause::Request,
            Refusal::Unidentified(Refused::Missing | Refused::Wrong) => Cause::Credentials,
            Refusal::Unidentified(Refused::Unasked) => Cause::Role,
            Refusal::RateLimited => Cause::Rate,
            Refusal::Limited(_) => Cause::Limit,
            Refusal::Denied(_) => Cause::Policy,
            Refusal::NotIntercepted
            | Refusal::LookupFailed(_)
            | Refusal::LookupTimedOut(_)
            | Refusal::DialFailed(..)
            | Refusal::DialTimedOut(_)
            | Refusal::TlsFailed(..)
            | Refusal::Unanswered(_)
            | Refusal::AnswerTimedOut
            | Refusal::ResponseMalformed(_)
            | Refusal::UpstreamRefused(_)
            | Refusal::UpstreamMalformed(_)
            | Refusal::UpstreamIsOurselves(_) => Cause::Origin,
            Refusal::Overloaded(_) => Cause::Capacity,
        }
    }

    /// When another attempt may succeed, in seconds, where time alone would help.
    pub fn retry_seconds(&self) -> u32 {
        match self {
            Refusal::Limited(exceeded) => exceeded.retry_seconds,
            _ => 1,
        }
    }

    /// May the connection be kept, as far as the refusal goes? Not where the message could not be read.
    pub fn leaves_framing_intact(&self) -> bool {
        !matches!(
            self,
            Refusal::Malformed(_)
                | Refusal::ProxyHeader(_)
                | Refusal::NotTls(_)
                | Refusal::HeadTooLarge(_)
                | Refusal::HeadTooSlow
                | Refusal::BodyTooSlow
        )
    }
}

/// What is said of a limit, in the original's words where it has some.
pub(super) fn limited(limit: Limit) -> &'static str {
    match limit {
        Limit::Connections => "Proxy overloaded. This client has too many connections.",
        Limit::Requests => "Proxy overloaded. Please retry later.",
        Limit::Rate => "Proxy rate limit exceeded. Please retry later.",
        Limit::Tunnels => "maximum concurrent connect tunnels exceeded",
        Limit::Bytes => "The role's bytes of this day (UTC) are used up.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Decision;

    fn denied(code: Code) -> Denied {
        Denied {
            decision: Decision {
                project: "p".into(),
                reason: "rule has enforce policy".into(),
                enforce_would_deny: true,
            },
            code,
            grounds: Box::default(),
        }
    }

    #[test]
    fn denials_name_the_host_and_the_reason() {
        let text = Refusal::Denied(denied(Code::NotInAllowedDomains)).text("a.test:80");
        assert_eq!(
            text,
            "Egress proxying is denied to host 'a.test:80': rule has enforce policy."
        );
    }

    #[test]
    fn only_denials_have_the_chosen_status_and_say_their_code() {
        let denied = |code| Refusal::Denied(denied(code));
        let style = |status, explicit| DenyStyle { status, explicit };
        let (host, address) = (denied(Code::NoRule), denied(Code::PrivateRange));
        let unasked = Refusal::Unidentified(Refused::Unasked);
        for (refusal, code) in [
            (host, "no-rule"),
            (address, "private-range"),
            (unasked, "role-unknown"),
        ] {
            let explicit = format!("Request rejected by proxy ({code})");
            assert_eq!(refusal.status(style(407, true)), (407, explicit.clone().into()));
            assert_eq!(refusal.status(style(403, true)), (403, explicit.into()));
            assert_eq!(refusal.status(style(403, false)), (403, REJECTED.into()));
        }
        for refused in [Refused::Missing, Refused::Wrong] {
            let refusal = Refusal::Unidentified(refused);
            let (status, phrase) = refusal.status(style(403, true));
            assert_eq!((status, &*phrase), (407, "Proxy Authentication Required"));
            assert_eq!(refusal.status(style(403, false)), (407, REJECTED.into()));
        }
        let failed = Refusal::LookupFailed("x".into());
        assert_eq!(failed.status(style(403, true)), (502, "Bad Gateway".into()));
    }

    #[test]
    fn one_code_may_have_several_error_types() {
        let kinds = [
            (IoFailKind::Refused, "connection_refused"),
            (IoFailKind::Unreachable, "destination_ip_unroutable"),
            (IoFailKind::Other, "destination_unavailable"),
        ];
        for (kind, error_type) in kinds {
            let refusal = Refusal::DialFailed(kind, "x".into());
            assert_eq!(
                (refusal.code(), refusal.error_type()),
                (Code::ConnectFailed, error_type)
            );
        }
        for (code, error_type) in [
            (Code::UserConfigured, "destination_ip_prohibited"),
            (Code::SelfConnection, "destination_ip_prohibited"),
            (Code::GlobalDenyList, "http_request_denied"),
        ] {
            assert_eq!(Refusal::Denied(denied(code)).error_type(), error_type);
        }
    }
}
