use crate::log::reader::{Read, read};
use crate::policy::PolicyParts;
use crate::policy::acl::Acl;

use super::*;

const ACL: &str = "version: v1
services:
- name: ci
  action: enforce
  allowed_domains: [a.test, 10.0.0.1, db.test]
  allow_private: [{cidr: 10.0.0.0/8}]
- {name: any, action: open}
";

fn judge() -> Judge {
    Judge::new(Policy::new(PolicyParts {
        acl: Some(Acl::parse(ACL, &[]).unwrap()),
        ..PolicyParts::without_rules()
    }))
}

fn change(fields: &str) -> Option<(Word, Word)> {
    let line = format!("time=\"x\" msg=CANONICAL-PROXY-DECISION {fields}");
    match read(line.as_bytes()) {
        Read::Decision(told) => judge().change(&told).map(|change| (change.before, change.after)),
        other => panic!("{line}: {other:?}"),
    }
}

const CONNECT: &str = "proxy_type=connect";

#[test]
fn what_is_decided_as_before_is_no_change() {
    for fields in [
        "allow=true role=ci requested_host=\"a.test:443\" outbound_remote_addr=\"44.1.2.3:443\"",
        "allow=true role=ci requested_host=\"a.test:443\" error=\"Failed to resolve\" code=dns-failed",
        "allow=true role=any requested_host=\"other.test:443\" dst_ip=44.1.2.3",
        "allow=false role=ci requested_host=\"other.test:443\" code=not-in-allowed-domains",
        "allow=false role=other requested_host=\"a.test:443\" code=no-rule",
        "allow=false role=ci requested_host=\"a.test:443\" code=rate-limited",
        "allow=false role= requested_host=\"a.test:443\" code=credentials-missing",
        "allow=false role= requested_host=\"a.test:443\" decision_reason=\"Client role cannot be determined\"",
        "allow=false role= requested_host=\"x\u{e9} y\" code=malformed-request",
        "allow=false role=ci requested_host=\"a.test:443\" code=self-connection",
    ] {
        assert_eq!(change(&format!("{fields} {CONNECT}")), None, "{fields}");
    }
}

#[test]
fn what_is_decided_otherwise_is_one() {
    use Word::{Allow, Deny};
    for (fields, before, after) in [
        (
            "allow=true role=ci requested_host=\"b.test:443\" outbound_remote_addr=\"44.1.2.3:443\"",
            Allow,
            Deny,
        ),
        ("allow=true role=gone requested_host=\"a.test:443\"", Allow, Deny),
        ("allow=true role= requested_host=\"a.test:443\"", Allow, Deny),
        (
            "allow=true role=any requested_host=\"b.test:443\" outbound_remote_addr=\"10.0.0.1:443\"",
            Allow,
            Deny,
        ),
        (
            "allow=false role=ci requested_host=\"10.0.0.1:443\" code=private-range",
            Deny,
            Allow,
        ),
        (
            "allow=false role=ci requested_host=\"db.test:443\" code=private-range decision_reason=\"The destination \
             address (10.0.0.7) was denied by rule 'Deny: Private Range'. destination address was denied by rule, see error\"",
            Deny,
            Allow,
        ),
    ] {
        assert_eq!(
            change(&format!("{fields} {CONNECT}")),
            Some((before, after)),
            "{fields}"
        );
    }
}

#[test]
fn what_is_not_known_is_never_allowed() {
    use Word::{Allow, Deny, Unknown};
    for (fields, before) in [
        (
            "allow=false role=ci requested_host=\"a.test:443\" code=no-rule",
            Deny,
        ),
        (
            "allow=false role=ci requested_host=\"a.test:443\" code=private-range",
            Deny,
        ),
        (
            "allow=false role=ci requested_host=\"a.test:443\" decision_reason=\"rule has enforce policy\"",
            Deny,
        ),
        (
            "allow=false role=ci requested_host=\"10.0.0.1:443\" code=external-proxy-denied",
            Deny,
        ),
        ("allow=true role=ci requested_host=\"a.test:443\" error=", Allow),
        ("allow=true role=ci requested_host=\"a b\"", Allow),
        ("allow=true role=ci", Allow),
        ("allow=true requested_host=\"a.test:443\"", Allow),
        ("role=ci requested_host=\"a.test:443\"", Unknown),
    ] {
        assert_eq!(
            change(&format!("{fields} {CONNECT}")),
            Some((before, Unknown)),
            "{fields}"
        );
    }
    let without_kind =
        "allow=true role=ci requested_host=\"a.test:443\" outbound_remote_addr=\"44.1.2.3:443\"";
    assert_eq!(change(without_kind), Some((Allow, Unknown)), "CONNECT or not");
    let denied = without_kind.replace("allow=true", "allow=false");
    assert_eq!(change(&denied), Some((Deny, Unknown)));
}
