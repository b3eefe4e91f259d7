//! Which names a tunnel's TLS may have beside its host.

use crate::policy::acl::Acl;
use crate::policy::{Policy, PolicyParts, Role};

use super::*;

const RULES: &str = "version: v1
services:
- name: enforcing
  action: enforce
  allowed_domains: [a.test, 'b.test:8443', '*.c.test', 192.0.2.7]
  verify_sni: enforce
- name: reporting
  action: report
  allowed_domains: [a.test]
  verify_sni: off
- name: open
  action: open
  allowed_domains: [a.test, m.test]
  mitm_domains: [{domain: m.test}]
default: {action: enforce, allowed_domains: [d.test], verify_sni: report}
global_allow_list: [g.test]
global_deny_list: [x.test]
";

fn policy(acl: Option<&str>) -> Policy {
    Policy::new(PolicyParts {
        acl: acl.map(|text| Acl::parse(text, &[]).unwrap()),
        ..PolicyParts::without_rules()
    })
}

fn role(name: &str) -> Role {
    Role::Named(name.into())
}

#[test]
fn a_name_needs_an_entry() {
    let policy = policy(Some(RULES));
    for (name, roles) in [
        ("a.test", "enforcing reporting open"),
        ("x.c.test", "enforcing"),
        ("192.0.2.7", "enforcing"),
        ("g.test", "enforcing reporting open other"),
        ("d.test", "other"),
        // By what a rule lets out beside its entries: by nothing.
        ("elsewhere.test", ""),
        ("x.test", ""),
        ("b.test", ""),
        ("c.test", ""),
        // Its tunnels would be looked into.
        ("m.test", ""),
    ] {
        for asking in ["enforcing", "reporting", "open", "other"] {
            let host = Host::parse(name.as_bytes()).unwrap();
            let admitted = policy.admits_name(&role(asking), host, 443);
            assert_eq!(
                admitted,
                roles.split(' ').any(|role| role == asking),
                "{name} {asking}"
            );
        }
    }
    let b = || Host::parse(b"b.test").unwrap();
    assert!(policy.admits_name(&role("enforcing"), b(), 8443));
    assert!(!policy.admits_name(&role("reporting"), b(), 8443));
}

#[test]
fn without_entries_no_other_name_is_admitted() {
    for acl in [None, Some("version: v1\nservices: []\n")] {
        let host = Host::parse(b"a.test").unwrap();
        assert!(!policy(acl).admits_name(&Role::Missing, host, 443));
    }
}

#[test]
fn a_rule_says_what_is_done() {
    let policy = policy(Some(RULES));
    for (asking, verify) in [
        ("enforcing", Some(VerifySni::Enforce)),
        ("reporting", Some(VerifySni::Off)),
        ("open", None),
        ("other", Some(VerifySni::Report)),
    ] {
        let host = if asking == "other" {
            "d.test:443"
        } else {
            "a.test:443"
        };
        let target = Target::parse(host.as_bytes(), None).unwrap();
        let ask = Ask {
            scheme: None,
            external_proxy: None,
            is_inside: false,
        };
        let allowed = policy.decide(&role(asking), target, ask).unwrap();
        assert_eq!(allowed.verify_sni(), verify);
        assert!(allowed.is_by_entry());
    }
}
