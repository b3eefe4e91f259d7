//! Whom private exceptions let in where, at which ports, and whom and what they do not; what is said of it.

use std::net::IpAddr;

use crate::net::Target;
use crate::policy::acl::Acl;
use crate::policy::acl::tests::bad as refused;
use crate::policy::ranges::{PlacedRule, Ranges, Rule};
use crate::policy::{Ask, Code, Denied, Place, PolicyParts, Role, VettedList};

use super::*;

const ACL: &str = "version: v1
services:
- name: db
  action: open
  allowed_domains: [db.test, 'cache.test:6379', 10.1.2.3, '[fd00:1::7]:5432']
  allow_private:
  - {cidr: 10.1.0.0/16, ports: [5432, 6379, 8000-8999]}
  - cidr: fd00:1::/64
  - cidr: 127.0.0.0/8
  - {cidr: 169.254.169.254, ports: [80]}
  - cidr: 100.64.0.0/10
  - cidr: 192.0.2.0/24
  - cidr: 2002::/16
- {name: other, action: open, allowed_domains: [db.test]}
- {name: third, action: open, allowed_domains: [db.test], allow_private: [{cidr: 10.2.0.0/16}]}
default:
  action: open
global_allow_list: [everybody.test]
";

fn rules(ranges: &[&str]) -> Vec<PlacedRule> {
    let rule = |text: &&str| Rule::range(text).unwrap().at(Place::option("--deny-range"));
    ranges.iter().map(rule).collect()
}

fn policy(acl: &str, deny: &[&str]) -> Policy {
    Policy::new(PolicyParts {
        acl: Some(Acl::parse(acl, &[]).unwrap().named("acl.yaml")),
        ranges: Ranges::new(Vec::new(), rules(deny), false, vec![4750]),
        ..PolicyParts::without_rules()
    })
}

fn allowed(policy: &Policy, role: &str, to: &str) -> Allowed {
    let ask = Ask {
        scheme: None,
        external_proxy: None,
        is_inside: false,
    };
    let target = Target::parse(to.as_bytes(), None).unwrap();
    policy.decide(&Role::Named(role.into()), target, ask).unwrap()
}

fn vet(policy: &Policy, allowed: &Allowed, found: &[&str]) -> Result<VettedList, Denied> {
    let found: Vec<IpAddr> = found.iter().map(|address| address.parse().unwrap()).collect();
    let passed = policy.vet(allowed, &found, &|_| false)?;
    Ok(passed.addresses)
}

/// The code of a denial, or else the exception's range; empty where none is needed.
fn said(policy: &Policy, role: &str, to: &str, found: &[&str]) -> String {
    let allowed = allowed(policy, role, to);
    match vet(policy, &allowed, found) {
        Err(denied) => denied.code.as_str().to_owned(),
        Ok(vetted) => {
            let exception = policy.private_exception(&allowed, vetted[0].address());
            exception.map(|range| range.to_string()).unwrap_or_default()
        }
    }
}

#[test]
fn an_exception_holds_for_its_role_hosts_range_and_ports_alone() {
    let policy = policy(ACL, &[]);
    for (role, to, found, expected) in [
        ("db", "db.test:5432", "10.1.2.3", "10.1.0.0/16"),
        ("db", "DB.test.:8500", "10.1.255.255", "10.1.0.0/16"),
        ("db", "db.test:5432", "::ffff:10.1.2.3", "10.1.0.0/16"),
        // Whatever class denies it.
        ("db", "db.test:1", "fd00:1::9", "fd00:1::/64"),
        ("db", "db.test:1", "127.0.0.1", "127.0.0.0/8"),
        ("db", "db.test:80", "169.254.169.254", "169.254.169.254/32"),
        ("db", "db.test:1", "100.64.0.1", "100.64.0.0/10"),
        ("db", "db.test:1", "192.0.2.1", "192.0.2.0/24"),
        ("db", "db.test:1", "2002:0a01::1", "2002::/16"),
        // Literals are hosts as others are, also those with a port.
        ("db", "10.1.2.3:8000", "", "10.1.0.0/16"),
        ("db", "[::ffff:10.1.2.3]:8000", "", "10.1.0.0/16"),
        ("db", "[fd00:1::7]:5432", "", "fd00:1::/64"),
        // What needs none has none.
        ("db", "db.test:5432", "8.8.8.8", ""),
        // No other port, of the exception or of the entry; no other range.
        ("db", "db.test:5433", "10.1.2.3", "private-range"),
        ("db", "db.test:5432", "10.2.2.3", "private-range"),
        ("db", "db.test:443", "169.254.169.254", "not-global-unicast"),
        ("db", "db.test:1", "fd00:1:0:1::", "private-range"),
        ("db", "cache.test:6379", "10.1.2.3", "10.1.0.0/16"),
        ("db", "cache.test:5432", "10.1.2.3", "private-range"),
        ("db", "10.1.2.3:443", "", "private-range"),
        ("db", "10.1.2.4:5432", "", "private-range"),
        ("db", "[fd00:1::7]:5433", "", "private-range"),
        // No other host: neither what the action lets out nor what the global list does.
        ("db", "x.db.test:5432", "10.1.2.3", "private-range"),
        ("db", "open.test:5432", "10.1.2.3", "private-range"),
        ("db", "everybody.test:5432", "10.1.2.3", "private-range"),
        // No other role.
        ("other", "db.test:5432", "10.1.2.3", "private-range"),
        ("third", "db.test:5432", "10.1.2.3", "private-range"),
        ("third", "db.test:5432", "10.2.2.3", "10.2.0.0/16"),
        ("nobody", "db.test:5432", "10.1.2.3", "private-range"),
        // Nothing reaches ourselves.
        ("db", "db.test:4750", "127.0.0.1", "self-connection"),
    ] {
        let found: &[&str] = if found.is_empty() { &[] } else { &[found] };
        assert_eq!(said(&policy, role, to, found), expected, "{role} {to} {found:?}");
    }
}

#[test]
fn what_the_operator_denies_no_exception_lifts() {
    let denying = policy(ACL, &["10.1.2.0/24", "127.0.0.0/16"]);
    for (found, expected) in [
        ("10.1.2.3", "user-configured"),
        ("10.1.3.3", "10.1.0.0/16"),
        // Its class names it, as ever; it stays denied all the same.
        ("127.0.0.1", "not-global-unicast"),
        ("127.1.0.1", "127.0.0.0/8"),
    ] {
        assert_eq!(
            said(&denying, "db", "db.test:5432", &[found]),
            expected,
            "{found}"
        );
    }
}

#[test]
fn of_several_addresses_each_is_judged() {
    let policy = policy(ACL, &[]);
    let allowed = allowed(&policy, "db", "db.test:5432");
    let found = ["10.2.0.1", "8.8.8.8", "10.1.0.1", "127.0.0.1", "169.254.169.254"];
    let vetted = vet(&policy, &allowed, &found).unwrap();
    let dialled: Vec<String> = vetted.iter().map(|vetted| vetted.address().to_string()).collect();
    assert_eq!(dialled, ["8.8.8.8:5432", "10.1.0.1:5432", "127.0.0.1:5432"]);
    let denied = vet(&policy, &allowed, &["10.2.0.1", "169.254.169.254"]).unwrap_err();
    assert_eq!(denied.code, Code::PrivateRange);
}

#[test]
fn without_a_list_of_ports_the_default_rule_may_have_exceptions_too() {
    let text = "version: v1\nservices: []\ndefault: {action: enforce, default_ports: [443], allowed_domains: [a.test], \
                allow_private: [{cidr: 10.0.0.0/8}]}\n";
    let policy = policy(text, &[]);
    assert_eq!(
        said(&policy, "anybody", "a.test:443", &["10.9.9.9"]),
        "10.0.0.0/8"
    );
    let ask = Ask {
        scheme: None,
        external_proxy: None,
        is_inside: false,
    };
    let target = Target::parse(b"a.test:80", None).unwrap();
    assert!(
        policy.decide(&Role::Missing, target, ask).is_err(),
        "default_ports hold"
    );
}

#[test]
fn what_was_decided_before_a_reload_keeps_its_exceptions_and_what_comes_after_has_none() {
    let before = policy(ACL, &[]);
    let in_flight = allowed(&before, "db", "db.test:5432");
    let without = Acl::parse(
        "version: v1\nservices: []\ndefault: {action: open, allowed_domains: [db.test]}\n",
        &[],
    );
    let after = before.renewed(without.ok(), None);
    assert!(vet(&after, &in_flight, &["10.1.2.3"]).is_ok());
    assert_eq!(said(&after, "db", "db.test:5432", &["10.1.2.3"]), "private-range");
    // And the other way round: who was decided without an exception gets none.
    let in_flight = allowed(&after, "db", "db.test:5432");
    assert!(vet(&before, &in_flight, &["10.1.2.3"]).is_err());
}

#[test]
fn a_denial_says_which_exception_was_missed() {
    let denying = policy(ACL, &["10.1.9.0/24"]);
    for (role, to, found, hint) in [
        (
            "db",
            "db.test:443",
            "10.1.2.3",
            "port 443 in allow_private 10.1.0.0/16 at 5432,6379,8000-8999 (acl.yaml:7)",
        ),
        (
            "db",
            "cache.test:5432",
            "10.1.2.3",
            "cache.test:5432 in allowed_domains, for which alone allow_private 10.1.0.0/16 at 5432,6379,8000-8999 \
             (acl.yaml:7) holds",
        ),
        (
            "db",
            "everybody.test:1",
            "fd00:1::1",
            "everybody.test:1 in allowed_domains, for which alone allow_private fd00:1::/64 (acl.yaml:8) holds",
        ),
        (
            "db",
            "open.test:1",
            "10.1.2.3",
            "port 1 in allow_private 10.1.0.0/16 at 5432,6379,8000-8999 (acl.yaml:7), and open.test:1 in allowed_domains",
        ),
        (
            "other",
            "db.test:443",
            "10.1.2.3",
            "--allow-address 10.1.2.3:443 would let it out and is unwise where users choose URLs: it is an internal address",
        ),
        (
            "db",
            "db.test:5432",
            "10.1.9.3",
            "--allow-address 10.1.9.3:5432, which goes before what denies it",
        ),
    ] {
        let allowed = allowed(&denying, role, to);
        let denied = vet(&denying, &allowed, &[found]).unwrap_err();
        assert_eq!(&*denied.grounds.hint, hint, "{role} {to}");
    }
}

#[test]
fn an_explanation_names_the_exception() {
    let policy = policy(ACL, &[]);
    let explain = |to: &str, found: &str| {
        let target = Target::parse(to.as_bytes(), None).unwrap();
        let ask = Ask {
            scheme: None,
            external_proxy: None,
            is_inside: false,
        };
        let found = [found.parse().unwrap()];
        let explained = policy.explain(&Role::Named("db".into()), target, ask, Some(&found), &|_| false);
        let address = &explained.addresses[0];
        (
            explained.code,
            address.allows,
            address.class,
            address.rule.to_string(),
        )
    };
    assert_eq!(
        explain("db.test:5432", "10.1.2.3"),
        (None, true, "Allow: Private Exception", "acl.yaml:7".to_owned())
    );
    assert_eq!(
        explain("db.test:443", "10.1.2.3"),
        (
            Some(Code::PrivateRange),
            false,
            "Deny: Private Range",
            String::new()
        )
    );
}

#[test]
fn bad_exceptions_are_refused_with_place_and_what_is_accepted() {
    let entries = |entries: &str| {
        format!(
            "version: v1\nservices:\n- name: a\n  action: enforce\n  allowed_domains: [a.test]\n  allow_private: {entries}\n"
        )
    };
    for (bad, words) in [
        (
            "[{cidr: 10.0.0.0/33}]",
            &["column 26", "'10.0.0.0/33' is no address range; accepted are"][..],
        ),
        (
            "[{cidr: nonsense}]",
            &["column 26", "'nonsense' is no address range; accepted are"],
        ),
        (
            "[{cidr: '::ffff:10.0.0.0/104'}]",
            &["column 26", "spells IPv4 as IPv6; write '10.0.0.0/8'"],
        ),
        (
            "[{cidr: 10.1.0.0/8}]",
            &["column 26", "write '10.0.0.0/8' for the range"],
        ),
        (
            "[{cidr: 10.0.0.0/8}, {cidr: 10.0.0.0/8}]",
            &["column 46", "a second entry for 10.0.0.0/8"],
        ),
        (
            "[{ports: [443]}]",
            &["service 'a', allow_private: an entry without `cidr`"],
        ),
        ("[10.0.0.0/8]", &["column 19", "a mapping with cidr"]),
        ("{cidr: 10.0.0.0/8}", &["allow_private", "sequence"]),
        (
            "[{cidr: 10.0.0.0/8, ports: []}]",
            &["the list of ports is empty; accepted are ports"],
        ),
        (
            "[{cidr: 10.0.0.0/8, ports: }]",
            &["the list of ports is empty; accepted are ports"],
        ),
        (
            "[{cidr: 10.0.0.0/8, ports: 443}]",
            &["a list of ports and ranges such as [443, 8000-8999]"],
        ),
        (
            "[{cidr: 10.0.0.0/8, ports: [65536]}]",
            &["'65536' is no port; accepted are ports from 1 to 65535"],
        ),
        (
            "[{cidr: 10.0.0.0/8, ports: [443, 443]}]",
            &["port 443 is listed twice"],
        ),
        (
            "[{cidr: 10.0.0.0/8, port: [443]}]",
            &["column 38", "`port`", "did you mean `ports`?"],
        ),
    ] {
        refused(&entries(bad), &[&["line 6"], words].concat());
    }
    for good in [
        "[]",
        "",
        "[{cidr: 10.1.2.3}, {cidr: 10.0.0.0/8, ports: [443, '1-2']}]",
    ] {
        Acl::parse(&entries(good), &[]).unwrap();
    }
}

#[test]
fn a_reload_warns_of_exceptions_that_open_something() {
    let acl = |entries: &str| {
        let text = format!(
            "version: v1\nservices:\n- {{name: a, action: enforce, allowed_domains: [a.test], allow_private: [{entries}]}}\n"
        );
        Acl::parse(&text, &[]).unwrap()
    };
    for (older, newer, expected) in [
        ("{cidr: 10.0.0.0/8}", "{cidr: 10.0.0.0/8}", &[][..]),
        (
            "",
            "{cidr: 10.0.0.0/8}",
            &["! service 'a': allow_private 10.0.0.0/8 added"],
        ),
        (
            "{cidr: 10.0.0.0/8}",
            "",
            &["service 'a': allow_private 10.0.0.0/8 removed"],
        ),
        (
            "{cidr: 10.0.0.0/8}",
            "{cidr: 10.1.0.0/16, ports: [443]}",
            &[
                "service 'a': allow_private 10.0.0.0/8 removed",
                "service 'a': allow_private 10.1.0.0/16 at 443 added",
            ],
        ),
        (
            "{cidr: 10.1.0.0/16, ports: [443]}",
            "{cidr: 10.1.0.0/16}",
            &[
                "! service 'a': allow_private 10.1.0.0/16 added",
                "service 'a': allow_private 10.1.0.0/16 at 443 removed",
            ],
        ),
    ] {
        let difference = acl(older).difference(&acl(newer));
        let told = difference.changes.iter();
        let told: Vec<String> = told
            .map(|change| format!("{}{}", if change.opens { "! " } else { "" }, change.text))
            .collect();
        assert_eq!(told, expected);
    }
    let none = Acl::parse("version: v1\nservices: []\n", &[]).unwrap();
    let told = none.difference(&acl("{cidr: 10.0.0.0/8}"));
    assert_eq!(
        told.changes[0].text,
        "service 'a' added (enforce, 1 allowed_domains, 1 allow_private)"
    );
    assert!(told.changes[0].opens);
}

#[test]
fn behind_a_nat64_an_exception_holds_for_either_address() {
    use crate::policy::ranges::Nat64Prefix;
    let policy = |deny: &[&str]| {
        let acl = "version: v1\nservices: []\ndefault: {action: enforce, allowed_domains: [a.test], allow_private: \
                   [{cidr: 10.1.0.0/16, ports: [443]}, {cidr: '64:ff9b::10.2.0.0/112'}, {cidr: '64:ff9b::127.0.0.1'}]}\n";
        Policy::new(PolicyParts {
            acl: Some(Acl::parse(acl, &[]).unwrap().named("acl.yaml")),
            ranges: Ranges::new(Vec::new(), rules(deny), false, vec![4750])
                .with_nat64(Nat64Prefix::parse("64:ff9b::/96").into_iter().collect()),
            ..PolicyParts::without_rules()
        })
    };
    for (to, found, expected) in [
        ("a.test:443", "64:ff9b::10.1.2.3", "10.1.0.0/16"),
        ("a.test:443", "10.1.2.3", "10.1.0.0/16"),
        ("a.test:80", "64:ff9b::10.1.2.3", "private-range"),
        ("a.test:80", "64:ff9b::10.2.2.3", "64:ff9b::a02:0/112"),
        ("a.test:80", "10.2.2.3", "private-range"),
        ("a.test:80", "64:ff9b::127.0.0.1", "64:ff9b::7f00:1/128"),
        ("a.test:4750", "64:ff9b::127.0.0.1", "self-connection"),
    ] {
        assert_eq!(said(&policy(&[]), "x", to, &[found]), expected, "{to} {found}");
    }
    let denying = policy(&["10.1.0.0/16", "127.0.0.0/8"]);
    assert_eq!(
        said(&denying, "x", "a.test:443", &["64:ff9b::10.1.2.3"]),
        "user-configured"
    );
    assert_eq!(
        said(&denying, "x", "a.test:80", &["64:ff9b::127.0.0.1"]),
        "not-global-unicast"
    );
    let allowed = allowed(&denying, "x", "a.test:443");
    assert_eq!(
        vet(&policy(&[]), &allowed, &["64:ff9b::10.1.2.3"]).unwrap()[0]
            .address()
            .to_string(),
        "[64:ff9b::a01:203]:443"
    );
}
