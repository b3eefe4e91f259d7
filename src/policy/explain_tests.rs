//! What is said of a request before it is made, as a table; and that it is what the proxy does.

use proptest::prelude::*;

use crate::policy::acl::Acl;
use crate::policy::ranges::{Ranges, Rule};
use crate::policy::{Place, PolicyParts};

use super::*;

const ACL: &str = "version: v1
services:
- name: ci
  action: enforce
  allowed_domains:
  - listed.test
  - '*.below.test'
- {name: lax, action: report}
default:
  action: enforce
global_allow_list: [everybody.test]
global_deny_list:
- '*.internal'
";

fn policy(acl: Option<&str>) -> Policy {
    let acl = acl.map(|text| Acl::parse(text, &[]).unwrap().named("acl.yaml"));
    let range = |text: &str, place| Rule::range(text).unwrap().at(place);
    let deny = vec![
        range("44.1.0.0/16", Place::in_file("config.yaml".into(), 7)),
        range("44.2.0.0/16", Place::option("--deny-range")),
    ];
    let allow = vec![range("10.1.0.0/16", Place::option("SMOKESCREEN_ALLOW_RANGE"))];
    Policy::new(PolicyParts {
        acl,
        ranges: Ranges::new(allow, deny, false, vec![4750]),
        ..PolicyParts::without_rules()
    })
}

const ASK: Ask<'static> = Ask {
    scheme: None,
    external_proxy: None,
    is_inside: false,
};

fn target(authority: &str) -> Target {
    Target::parse(authority.as_bytes(), Some(443)).unwrap()
}

fn named(role: &str) -> Role {
    match role {
        "" => Role::Missing,
        name => Role::Named(name.into()),
    }
}

fn explain(policy: &Policy, role: &str, to: &str, found: Option<&[&str]>) -> Explanation {
    let found: Option<Vec<IpAddr>> =
        found.map(|found| found.iter().map(|address| address.parse().unwrap()).collect());
    policy.explain(&named(role), target(to), ASK, found.as_deref(), &|_| false)
}

/// Code, rule, entry and hint.
fn words(explanation: &Explanation) -> [String; 4] {
    let Grounds { rule, matched, hint } = &explanation.grounds;
    let code = explanation.code.map_or("", Code::as_str);
    [code, rule, matched, hint].map(str::to_owned)
}

#[test]
fn what_the_acl_says() {
    let policy = policy(Some(ACL));
    let hint = |to: &str, whose: &str| format!("{to} in allowed_domains of {whose}");
    for (role, to, expected) in [
        ("ci", "listed.test", ["", "acl.yaml:6", "listed.test", ""]),
        ("ci", "a.b.below.test", ["", "acl.yaml:7", "*.below.test", ""]),
        ("ci", "everybody.test", ["", "acl.yaml:11", "everybody.test", ""]),
        ("lax", "other.test", ["", "acl.yaml:8", "", ""]),
        (
            "ci",
            "other.test",
            [
                "not-in-allowed-domains",
                "acl.yaml:3",
                "",
                &hint("other.test", "service 'ci'"),
            ],
        ),
        (
            "lax",
            "db.internal",
            [
                "global-deny-list",
                "acl.yaml:13",
                "*.internal",
                &hint("db.internal", "service 'lax'"),
            ],
        ),
        (
            "",
            "other.test",
            [
                "default-rule",
                "acl.yaml:9",
                "",
                &hint("other.test", "the default rule"),
            ],
        ),
    ] {
        let said = explain(&policy, role, to, None);
        assert_eq!(words(&said), expected, "{role} {to}");
        assert_eq!(said.addresses, []);
    }
    let report = explain(&policy, "lax", "other.test", None);
    assert!(report.decision.enforce_would_deny && report.code.is_none());
}

#[test]
fn what_the_addresses_are() {
    let policy = policy(None);
    let all = [
        "44.3.0.1",
        "44.1.0.1",
        "44.2.0.1",
        "10.1.0.1",
        "10.2.0.1",
        "::ffff:127.0.0.1",
    ];
    let said = explain(&policy, "", "a.test", Some(&all));
    assert_eq!(words(&said), [""; 4], "one that may be dialled is enough");
    let shown: Vec<String> = said
        .addresses
        .iter()
        .map(|each| format!("{} {} {} {}", each.address, each.allows, each.class, each.rule))
        .collect();
    assert_eq!(
        shown,
        [
            "44.3.0.1:443 true Allow: Default ",
            "44.1.0.1:443 false Deny: User Configured config.yaml:7",
            "44.2.0.1:443 false Deny: User Configured --deny-range",
            "10.1.0.1:443 true Allow: User Configured SMOKESCREEN_ALLOW_RANGE",
            "10.2.0.1:443 false Deny: Private Range ",
            "127.0.0.1:443 false Deny: Not Global Unicast ",
        ]
    );
}

#[test]
fn a_denied_address_is_the_verdict() {
    let policy = policy(Some(ACL));
    let said = explain(&policy, "ci", "listed.test", Some(&["44.1.0.1"]));
    assert_eq!(
        (said.code, &*said.grounds.matched),
        (Some(Code::UserConfigured), "44.1.0.0/16")
    );
    // A literal needs nobody to look it up.
    let said = explain(&policy, "lax", "10.2.0.1", None);
    assert_eq!((said.code, said.addresses.len()), (Some(Code::PrivateRange), 1));
    assert!(said.grounds.hint.starts_with("--allow-address 10.2.0.1:443"));
    // A name that has no address is no name whose addresses are not known.
    let said = explain(&policy, "lax", "a.test", Some(&[]));
    assert_eq!(said.code, Some(Code::NoUsableAddress));
    assert_eq!(explain(&policy, "lax", "a.test", None).code, None);
}

proptest! {
    #[test]
    fn it_is_what_the_proxy_does(
        role in proptest::sample::select(vec!["ci", "lax", "other", ""]),
        to in proptest::sample::select(vec![
            "listed.test", "x.below.test", "everybody.test", "db.internal", "other.test", "10.1.0.1", "10.2.0.1", "[::1]",
        ]),
        found in proptest::collection::vec(
            proptest::sample::select(vec!["44.3.0.1", "44.1.0.1", "10.1.0.1", "10.2.0.1", "::1", "2a00::1"]), 0..4,
        ),
        with_acl in any::<bool>(),
    ) {
        let policy = policy(with_acl.then_some(ACL));
        let addresses: Vec<IpAddr> = found.iter().map(|address| address.parse().unwrap()).collect();
        let done = policy
            .decide(&named(role), target(to), ASK)
            .map_err(|denial| policy.explained(denial, &named(role), ASK))
            .and_then(|allowed| policy.vet(&allowed, &addresses, &|_| false).map(|passed| (allowed, passed.addresses)));
        let said = explain(&policy, role, to, Some(&found));
        match done {
            Ok((allowed, vetted)) => {
                prop_assert_eq!((said.code, &said.decision), (None, allowed.decision()));
                let may_be_dialled = |address| said.addresses.iter().any(|each| each.allows && each.address == address);
                prop_assert!(vetted.iter().all(|vetted| may_be_dialled(vetted.address())));
            }
            Err(denied) => {
                prop_assert_eq!((said.code, said.decision, said.grounds), (Some(denied.code), denied.decision, *denied.grounds));
            }
        }
    }
}

#[test]
fn who_would_list_an_address_is_told_whether_that_is_enough_and_wise() {
    const EXCEPTED: &str = "version: v1
services:
- {name: ci, action: enforce, allowed_domains: [], allow_private: [{cidr: 10.2.0.0/16}]}
";
    let hint = |to| explain(&policy(Some(EXCEPTED)), "ci", to, None).grounds.hint;
    for (to, code, words) in [
        ("169.254.169.254:80", "not-global-unicast", "metadata"),
        ("10.9.9.9:80", "private-range", "unwise"),
        ("44.1.1.1:80", "user-configured", "--allow-address"),
    ] {
        let hint = hint(to);
        let (first, second) = hint
            .split_once("; its address would be denied all the same")
            .unwrap();
        assert!(first.ends_with("in allowed_domains of service 'ci'"), "{hint}");
        assert!(second.contains(code) && second.contains(words), "{hint}");
    }
    // These an entry lets out: of the rule's exceptions, of the options, and what is public.
    for to in ["10.2.0.1:80", "10.1.0.1:80", "44.9.9.9:80", "a.test:80"] {
        assert!(!hint(to).contains("all the same"), "{to}");
    }
}
