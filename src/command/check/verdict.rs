//! Verdicts: asked of the policy, and as text and JSON. Decides nothing.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::Serialize;

use crate::io::local;
use crate::io::resolver::Lookups;
use crate::net::{Host, LookupFail, LookupFailKind};
use crate::policy::{Code, Explanation, InterceptedExplained, Policy, Role};

use super::question::Question;

/// What would come of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It would go out.
    Allow,
    /// It would be denied.
    Deny,
    /// The ACL allows it, but there is no address to judge.
    Unresolved,
}

/// That, and what it comes from.
pub(super) struct Verdict {
    pub(super) question: Question,
    pub(super) outcome: Outcome,
    pub(super) explanation: Explanation,
    /// Why there is no address.
    unresolved: Option<LookupFail>,
}

/// Says what would come of requests.
pub(super) struct Judge {
    policy: Policy,
    /// None: names are not looked up.
    lookups: Option<Lookups>,
    is_local: Box<dyn Fn(IpAddr) -> bool>,
}

/// A verdict in JSON.
#[derive(Serialize)]
struct Told<'v> {
    url: &'v str,
    role: Option<&'v str>,
    verdict: Outcome,
    code: Option<&'static str>,
    rule: &'v str,
    matched: &'v str,
    addresses: Vec<AddressTold<'v>>,
    hint: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    intercepted: Option<InterceptedTold<'v>>,
}

#[derive(Serialize)]
struct InterceptedTold<'v> {
    rule: &'v str,
    matched: &'v str,
    /// Names alone.
    adds: &'v [Box<str>],
}

#[derive(Serialize)]
struct AddressTold<'v> {
    address: IpAddr,
    class: &'v str,
    rule: &'v str,
}

impl Judge {
    pub(super) fn new(policy: Policy, lookups: Option<Lookups>) -> Judge {
        Judge {
            policy,
            lookups,
            is_local: Box::new(local::is_local()),
        }
    }

    /// As serving would: the ACL first, then addresses, if there are any to find.
    pub(super) fn verdict(&mut self, question: Question) -> Verdict {
        let by_name = self.explain(&question, None);
        let found = match (&by_name.code, &question.target.host, &mut self.lookups) {
            (None, Host::Name(name), Some(lookups)) if by_name.is_looked_up => lookups.look_up(name),
            _ => return Verdict::of(question, by_name),
        };
        match found {
            Ok(found) => {
                let explanation = self.explain(&question, Some(&found));
                Verdict::of(question, explanation)
            }
            Err(fail) => Verdict {
                outcome: Outcome::Unresolved,
                unresolved: Some(fail),
                ..Verdict::of(question, by_name)
            },
        }
    }

    fn explain(&self, question: &Question, found: Option<&[IpAddr]>) -> Explanation {
        let Question { role, target, .. } = question;
        self.policy
            .explain(role, target.clone(), question.ask(), found, &*self.is_local)
    }
}

impl Verdict {
    fn of(question: Question, explanation: Explanation) -> Verdict {
        Verdict {
            question,
            outcome: match explanation.code {
                None => Outcome::Allow,
                Some(_) => Outcome::Deny,
            },
            explanation,
            unresolved: None,
        }
    }

    /// The stable name of what the proxy would answer; none where it would let the request out.
    pub(super) fn code(&self) -> Option<Code> {
        match &self.unresolved {
            None => self.explanation.code,
            Some(fail) => Some(match fail.kind {
                LookupFailKind::Failed => Code::DnsFailed,
                LookupFailKind::TimedOut => Code::DnsTimeout,
                LookupFailKind::Overloaded => Code::Overloaded,
            }),
        }
    }

    /// What would let it out, where it would not be let.
    fn hint(&self) -> &str {
        match (&*self.explanation.grounds.hint, self.code()) {
            ("", Some(code)) => code.hint(),
            (hint, _) => hint,
        }
    }

    /// What it comes from, in the words of the log.
    pub(super) fn reason(&self) -> &str {
        match &self.unresolved {
            Some(fail) => &fail.text,
            None => &self.explanation.decision.reason,
        }
    }

    /// For people: a line, and one for each thing that is known of it.
    pub(super) fn text(&self) -> String {
        let Question { url, role, .. } = &self.question;
        let role = match role {
            Role::Named(name) => format!("role {}", name.escape_debug()),
            Role::Missing => "no role".to_owned(),
        };
        let word = match self.outcome {
            Outcome::Allow => "allow",
            Outcome::Deny => "deny",
            Outcome::Unresolved => "unresolved",
        };
        let grounds = &self.explanation.grounds;
        let mut text = format!("{word}  {url}  ({role})\n");
        let mut line = |what: &str, value: &str| {
            if !value.is_empty() {
                // Writing to a `String` cannot fail.
                let _ = writeln!(text, "    {what}: {value}");
            }
        };
        line("code", self.code().map_or("", Code::as_str));
        line("reason", self.reason());
        if self.outcome == Outcome::Allow && self.explanation.decision.enforce_would_deny {
            line("note", "with action enforce it would be denied");
        }
        line("rule", &grounds.rule);
        line("matched", &grounds.matched);
        for address in &self.explanation.addresses {
            let rule = match &*address.rule {
                "" => String::new(),
                rule => format!(" ({rule})"),
            };
            line(
                "address",
                &format!("{}  {}{rule}", address.address.ip(), address.class),
            );
        }
        if let Some(InterceptedExplained { rule, matched, adds }) = &self.explanation.intercepted {
            let what = format!(
                "by {matched} ({rule}): TLS ends here, and each request inside is decided again by its own host"
            );
            line("intercepted", &what);
            line("added inside", &adds.join(", "));
        }
        line("hint", self.hint());
        text
    }

    fn told(&self) -> Told<'_> {
        let grounds = &self.explanation.grounds;
        let addresses = self.explanation.addresses.iter();
        Told {
            url: &self.question.url,
            role: match &self.question.role {
                Role::Named(name) => Some(name),
                Role::Missing => None,
            },
            verdict: self.outcome,
            code: self.code().map(Code::as_str),
            rule: &grounds.rule,
            matched: &grounds.matched,
            addresses: addresses
                .map(|address| AddressTold {
                    address: address.address.ip(),
                    class: address.class,
                    rule: &address.rule,
                })
                .collect(),
            hint: self.hint(),
            intercepted: self
                .explanation
                .intercepted
                .as_ref()
                .map(|intercepted| InterceptedTold {
                    rule: &intercepted.rule,
                    matched: &intercepted.matched,
                    adds: &intercepted.adds,
                }),
        }
    }
}

/// A list of them, with a line feed.
pub(super) fn json(verdicts: &[Verdict]) -> String {
    let told: Vec<Told<'_>> = verdicts.iter().map(Verdict::told).collect();
    // Nothing in it can fail: its keys are text and its numbers none.
    serde_json::to_string_pretty(&told).unwrap_or_default() + "\n"
}
