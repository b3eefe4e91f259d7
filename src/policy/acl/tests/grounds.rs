//! What is said of a denial: its code, the place that it comes from, and the hint. Who is denied at all is in `rules`.

use super::*;

/// Each way to be denied by the ACL has a name of its own.
#[test]
fn denials_have_codes() {
    let acl = acl(
        "version: v1\nservices:\n- {name: enforced, action: enforce}\n- {name: open, action: open}\n\
                   global_deny_list: [denied.test]\n",
    );
    let default = one("action: open", "default: {action: enforce}");
    let code = |acl: &Acl, role: &str, to: &str, external_proxy| {
        let ask = Ask {
            scheme: TUNNEL,
            external_proxy,
            is_inside: false,
        };
        acl.decide(&named(role), &target(to), ask).denial
    };
    assert_eq!(
        code(&acl, "enforced", "a.test", None),
        Some(Code::NotInAllowedDomains)
    );
    assert_eq!(code(&acl, "open", "a.test", None), None);
    assert_eq!(
        code(&acl, "open", "denied.test", None),
        Some(Code::GlobalDenyList)
    );
    assert_eq!(code(&acl, "other", "a.test", None), Some(Code::NoRule));
    assert_eq!(code(&default, "other", "a.test", None), Some(Code::DefaultRule));
    let proxy = Some(&b"http://p.test"[..]);
    assert_eq!(
        code(&acl, "open", "a.test", proxy),
        Some(Code::ExternalProxyDenied)
    );
}

/// Entries in every form that YAML has for a list.
const PLACES: &str = r#"version: v1
services:
  # A comment, and an empty line.

  - name: enforced
    project: p
    action: enforce
    allowed_domains:
      - listed.test
  -
    action: open
    allowed_domains: [
      a.test, b.test]
    name: open
default:
  action: enforce
global_deny_list:
  - denied.test

  - '*.denied.test'
  - "192.0.2.1"
  - denied.test
"#;

#[test]
fn denials_know_their_place() {
    let acl = acl(PLACES).named("my acl.yaml");
    let in_service = |host: &str| format!("{host} in allowed_domains of service 'enforced'");
    for (role, to, rule, matched, hint) in [
        (
            "enforced",
            "other.test",
            "my acl.yaml:5",
            "",
            in_service("other.test"),
        ),
        (
            "enforced",
            "DENIED.test.",
            "my acl.yaml:18",
            "denied.test",
            in_service("denied.test"),
        ),
        (
            "enforced",
            "a.b.denied.test",
            "my acl.yaml:20",
            "*.denied.test",
            in_service("a.b.denied.test"),
        ),
        (
            "enforced",
            "[::ffff:192.0.2.1]",
            "my acl.yaml:21",
            "192.0.2.1",
            in_service("192.0.2.1"),
        ),
        (
            "open",
            "denied.test",
            "my acl.yaml:18",
            "denied.test",
            "denied.test in allowed_domains of service 'open'".to_owned(),
        ),
        (
            "nobody",
            "other.test",
            "my acl.yaml:15",
            "",
            "other.test in allowed_domains of the default rule".to_owned(),
        ),
    ] {
        assert!(
            acl.decide(&named(role), &target(to), ask(TUNNEL))
                .denial
                .is_some()
        );
        let grounds = acl.grounds(&named(role), &target(to), ask(TUNNEL));
        assert_eq!(
            (&*grounds.rule, &*grounds.matched, &*grounds.hint),
            (rule, matched, hint.as_str()),
            "{role} {to}"
        );
    }
    for (role, to) in [
        ("enforced", "listed.test"),
        ("open", "a.test"),
        ("open", "other.test"),
    ] {
        assert_eq!(acl.decide(&named(role), &target(to), ask(TUNNEL)).denial, None);
    }
}

#[test]
fn the_built_in_acl_is_named_as_such() {
    let acl = acl(BUILT_IN);
    let grounds = |role: &Role, to: &str| acl.grounds(role, &target(to), ask(TUNNEL));
    let listed = grounds(&named("authed"), "db.internal");
    let line = 1 + BUILT_IN
        .lines()
        .position(|line| line.contains("*.internal"))
        .unwrap();
    assert_eq!(
        (&*listed.rule, &*listed.matched, &*listed.hint),
        (
            format!("built-in:{line}").as_str(),
            "*.internal",
            "--egress-acl-file with db.internal in allowed_domains of service 'authed'"
        )
    );
    let line = 1 + BUILT_IN.lines().position(|line| line == "default:").unwrap();
    let default = grounds(&Role::Missing, "a.test");
    assert_eq!(*default.rule, *format!("built-in:{line}"));
    assert_eq!(
        &*default.hint,
        "--egress-acl-file with a.test in allowed_domains of the default rule"
    );
}

#[test]
fn without_a_rule_the_hint_says_which_would_do() {
    let acl = acl("version: v1\nservices: []\n").named("a.yaml");
    for (role, hint) in [
        (named("ci"), "a service named 'ci', or a default rule"),
        (Role::Missing, "a default rule"),
    ] {
        let grounds = acl.grounds(&role, &target("a.test"), ask(TUNNEL));
        assert_eq!((&*grounds.rule, &*grounds.hint), ("", hint));
    }
    let rule = one("action: open", "").named("a.yaml");
    let ask = Ask {
        scheme: TUNNEL,
        external_proxy: Some(b"http://p.test"),
        is_inside: false,
    };
    let grounds = rule.grounds(&named("authed"), &target("a.test"), ask);
    assert_eq!((&*grounds.rule, &*grounds.matched), ("a.yaml:3", ""));
    assert!(grounds.hint.contains("X-Upstream-Https-Proxy"));
}

/// Only the lines differ: nothing changed.
#[test]
fn a_moved_entry_is_no_difference() {
    let moved = PLACES.replace("services:", "\n\n\nservices:");
    let (before, after) = (acl(PLACES), acl(&moved));
    assert!(before.difference(&after).is_empty());
}
