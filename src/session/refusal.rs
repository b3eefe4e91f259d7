//! Why we answer a request ourselves: each [`Refusal`] with status, text, code and cause in one place. Writes no
//! answer (that is `reply`) and knows nothing of the request but its host.

use std::borrow::Cow;
use std::sync::Arc;

use crate::http::reply::Cause;
use crate::net::IoFailKind;
use crate::policy::{Code, Denied, Refused};

/// The reason of a refusal for want of a role.
pub const ROLE_UNKNOWN: &str = "Client role cannot be determined";

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
    /// A request to a server, not to a proxy.
    NotProxyRequest,
    /// `https:` in absolute form.
    UseConnect,
    /// Neither `http:` nor `https:`.
    SchemeUnknown,
    /// Nothing says who asks, or not truthfully.
    Unidentified(Refused),
    /// By the ACL or the address rules.
    Denied(Denied),
    /// The ACL asks for a feature that is not there.
    Unavailable(&'static str),
    /// No address was found.
    LookupFailed(Arc<str>),
    /// Nobody answered the lookup in time.
    LookupTimedOut(Arc<str>),
    /// No address could be reached: in which way, and the address tried with the errno's words.
    DialFailed(IoFailKind, Box<str>),
    /// The dial took too long.
    DialTimedOut(Box<str>),
    /// The origin's connection ended before its answer began.
    Unanswered(Box<str>),
    /// The origin's answer took too long to begin.
    AnswerTimedOut,
    /// The origin's answer is not HTTP as RFC 9112 has it.
    ResponseMalformed(&'static str),
    /// We have no room for the request.
    Overloaded(&'static str),
}

impl Refusal {
    /// Status code and reason phrase of the answer; `deny_status` is that of denials.
    pub fn status(&self, deny_status: u16) -> (u16, &'static str) {
        match self {
            Refusal::Malformed(_)
            | Refusal::NotProxyRequest
            | Refusal::UseConnect
            | Refusal::SchemeUnknown => (400, "Bad Request"),
            Refusal::HeadTooLarge(_) => (431, "Request Header Fields Too Large"),
            Refusal::HeadTooSlow | Refusal::BodyTooSlow => (408, "Request Timeout"),
            Refusal::Unidentified(_) => (407, "Request rejected by proxy"),
            Refusal::Denied(_) | Refusal::Unavailable(_) => (deny_status, "Request rejected by proxy"),
            Refusal::LookupFailed(_)
            | Refusal::DialFailed(..)
            | Refusal::Unanswered(_)
            | Refusal::ResponseMalformed(_) => (502, "Bad Gateway"),
            Refusal::LookupTimedOut(_) | Refusal::DialTimedOut(_) | Refusal::AnswerTimedOut => {
                (504, "Gateway Timeout")
            }
            Refusal::Overloaded(_) => (503, "Service Unavailable"),
        }
    }

    /// Its stable name: see docs/denied.md.
    pub fn code(&self) -> Code {
        match self {
            Refusal::Malformed(_) => Code::MalformedRequest,
            Refusal::HeadTooLarge(_) => Code::HeadTooLarge,
            Refusal::HeadTooSlow => Code::HeadTooSlow,
            Refusal::BodyTooSlow => Code::BodyTooSlow,
            Refusal::NotProxyRequest => Code::NotAProxyRequest,
            Refusal::UseConnect => Code::UseConnect,
            Refusal::SchemeUnknown => Code::SchemeUnsupported,
            Refusal::Unidentified(refused) => refused.code(),
            Refusal::Denied(denied) => denied.code,
            Refusal::Unavailable(_) => Code::NotAvailable,
            Refusal::LookupFailed(_) => Code::DnsFailed,
            Refusal::LookupTimedOut(_) => Code::DnsTimeout,
            Refusal::DialFailed(..) => Code::ConnectFailed,
            Refusal::DialTimedOut(_) => Code::ConnectTimeout,
            Refusal::Unanswered(_) => Code::OriginClosed,
            Refusal::AnswerTimedOut => Code::OriginTimeout,
            Refusal::ResponseMalformed(_) => Code::MalformedResponse,
            Refusal::Overloaded(_) => Code::Overloaded,
        }
    }

    /// Why, without naming the host: for the log, and for the text where that needs no more.
    pub fn reason(&self) -> Cow<'static, str> {
        match self {
            Refusal::Malformed(reason) => format!("Malformed request: {reason}.").into(),
            Refusal::HeadTooLarge(reason) => format!("Request head too large: {reason}.").into(),
            Refusal::HeadTooSlow | Refusal::BodyTooSlow => "The request did not arrive in time.".into(),
            Refusal::NotProxyRequest => "This is a proxy: it takes CONNECT and requests for absolute \
                URIs (GET http://host/path). Configure it as the client's HTTP proxy."
                .into(),
            Refusal::UseConnect => "https URIs are not fetched by this proxy: use CONNECT.".into(),
            Refusal::SchemeUnknown => "Only http URIs and CONNECT are supported.".into(),
            Refusal::Unidentified(_) => ROLE_UNKNOWN.into(),
            Refusal::Denied(denied) => denied.decision.reason.clone(),
            Refusal::Unavailable(what) => format!("{what} is not available").into(),
            Refusal::LookupFailed(why) => format!("Failed to resolve remote hostname: {why}").into(),
            Refusal::LookupTimedOut(why) => format!("Timed out resolving remote hostname: {why}").into(),
            Refusal::DialFailed(_, why) | Refusal::Unanswered(why) => {
                format!("Failed to connect to remote host: {why}").into()
            }
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
            Cause::Credentials | Cause::Policy => {
                format!("Egress proxying is denied to host '{host}': {}.", self.reason()).into()
            }
            Cause::Request | Cause::Origin | Cause::Capacity => self.reason(),
        }
    }

    /// What it is due to.
    pub fn cause(&self) -> Cause {
        match self {
            Refusal::Malformed(_)
            | Refusal::HeadTooLarge(_)
            | Refusal::HeadTooSlow
            | Refusal::BodyTooSlow
            | Refusal::NotProxyRequest
            | Refusal::UseConnect
            | Refusal::SchemeUnknown => Cause::Request,
            Refusal::Unidentified(_) => Cause::Credentials,
            Refusal::Denied(_) | Refusal::Unavailable(_) => Cause::Policy,
            Refusal::LookupFailed(_)
            | Refusal::LookupTimedOut(_)
            | Refusal::DialFailed(..)
            | Refusal::DialTimedOut(_)
            | Refusal::Unanswered(_)
            | Refusal::AnswerTimedOut
            | Refusal::ResponseMalformed(_) => Cause::Origin,
            Refusal::Overloaded(_) => Cause::Capacity,
        }
    }

    /// May the connection be kept, as far as the refusal goes? Not where the message could not be read.
    pub fn leaves_framing_intact(&self) -> bool {
        !matches!(
            self,
            Refusal::Malformed(_) | Refusal::HeadTooLarge(_) | Refusal::HeadTooSlow | Refusal::BodyTooSlow
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Decision;

    #[test]
    fn denials_name_the_host_and_the_reason() {
        let denied = Refusal::Denied(Denied {
            decision: Decision {
                project: "p".into(),
                reason: "rule has enforce policy".into(),
                enforce_would_deny: true,
            },
            code: Code::NotInAllowedDomains,
        });
        let text = denied.text("a.test:80");
        assert_eq!(
            text,
            "Egress proxying is denied to host 'a.test:80': rule has enforce policy."
        );
        assert_eq!((denied.status(407).0, denied.status(403).0), (407, 403));
        assert_eq!(
            Refusal::Unidentified(Refused::Wrong).status(403).0,
            407,
            "the challenge belongs to 407 alone"
        );
    }
}
