//! The policy as a whole: who is asking, what the ACL says to them, and which of the addresses found may be dialled.

use std::cell::Cell;
use std::net::IpAddr;

use crate::net::{Scheme, Target};

use super::*;

const PASSWORD: &str = "s3cr3t-Pa55:word";

fn parts(acl: Option<&str>) -> PolicyParts {
    PolicyParts {
        acl: acl.map(|text| Acl::parse(text, &[]).unwrap()),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![4750]),
        password: Password::new(PASSWORD),
        allow_missing_role: false,
        network: Network::Any,
    }
}

fn policy(acl: Option<&str>) -> Policy {
    Policy::new(parts(acl))
}

fn on(network: Network) -> Policy {
    Policy::new(PolicyParts {
        network,
        ..parts(None)
    })
}

fn target(authority: &str) -> Target {
    Target::parse(authority.as_bytes(), Some(80)).unwrap()
}

fn authed() -> Role {
    Role::Named("authed".into())
}

const TUNNEL: Ask<'static> = Ask {
    scheme: None,
    external_proxy: None,
    is_inside: false,
};

fn allowed(policy: &Policy, authority: &str) -> Allowed {
    policy.decide(&authed(), target(authority), TUNNEL).unwrap()
}

fn addresses(text: &[&str]) -> Vec<IpAddr> {
    text.iter().map(|address| address.parse().unwrap()).collect()
}

fn nowhere(_: IpAddr) -> bool {
    panic!("whose an address is is asked only when the port is one of ours")
}

/// The vetted addresses, or the reason against them.
fn vet(policy: &Policy, authority: &str, found: &[&str]) -> Result<Vec<String>, String> {
    match policy.vet(&allowed(policy, authority), &addresses(found), &nowhere) {
        Ok(passed) => Ok(passed
            .addresses
            .iter()
            .map(|vetted| vetted.address().to_string())
            .collect()),
        Err(denied) => {
            assert!(denied.decision.enforce_would_deny);
            Err(denied.decision.reason.into_owned())
        }
    }
}

fn denial(address: &str, rule: &str) -> Result<Vec<String>, String> {
    Err(format!(
        "The destination address ({address}) was denied by rule 'Deny: {rule}'. destination address was denied by rule, see error"
    ))
}

#[test]
fn without_an_acl_every_host_is_allowed() {
    let policy = policy(None);
    for role in [authed(), Role::Missing] {
        let allowed = policy.decide(&role, target("other.test:443"), TUNNEL).unwrap();
        let decision = allowed.decision();
        assert_eq!(decision.reason, "Egress ACL is not configured");
        assert_eq!((&*decision.project, decision.enforce_would_deny), ("", false));
        assert_eq!(allowed.target(), &target("other.test:443"));
        assert!(!allowed.intercepts() && *allowed.route() == Route::Direct);
    }
    assert!(policy.acl().is_none());
}

#[test]
fn with_an_acl_it_decides() {
    let policy = policy(Some(acl::BUILT_IN));
    let ok = allowed(&policy, "other.test:443");
    assert_eq!(
        (&*ok.decision().project, &*ok.decision().reason),
        ("users", "rule has allow and report policy")
    );
    let denied = policy
        .decide(&authed(), target("DB.internal.:443"), TUNNEL)
        .unwrap_err();
    assert_eq!(denied.decision.reason, "host matched rule in global deny list");
    assert!(denied.decision.enforce_would_deny);
    let denied = policy
        .decide(&Role::Missing, target("other.test:443"), TUNNEL)
        .unwrap_err();
    assert_eq!(denied.decision.reason, "default rule policy used");
}

#[test]
fn an_external_proxy_and_an_interception_are_told() {
    let text = "version: v1\nservices:\n- {name: authed, action: open, allowed_external_proxies: [p.test], allowed_domains: [m.test], mitm_domains: [{domain: m.test, detailed_http_logs: true}]}\n";
    let asked = |url: &'static [u8]| Ask {
        scheme: None,
        external_proxy: Some(url),
        is_inside: false,
    };
    let listed = policy(Some(text)).decide(&authed(), target("a.test"), asked(b"http://p.test:1"));
    assert!(
        matches!(listed.unwrap().route(), Route::Through(upstream) if upstream.to_string() == "http://p.test:1")
    );
    let unlisted = policy(None).decide(&authed(), target("a.test"), asked(b"http://p.test:1"));
    assert_eq!(unlisted.unwrap_err().code, Code::ExternalProxyDenied);
    for policy in [policy(Some(text)), policy(None)] {
        let empty = policy.decide(&authed(), target("a.test"), asked(b" ")).unwrap();
        assert_eq!(*empty.route(), Route::Direct);
    }
    let policy = policy(Some(text));
    let denied = policy.decide(
        &authed(),
        target("a.test"),
        Ask {
            scheme: None,
            external_proxy: Some(b"http://q.test"),
            is_inside: false,
        },
    );
    assert_eq!(
        denied.unwrap_err().decision.reason,
        "connect proxy host not allowed in rule"
    );
    assert!(allowed(&policy, "m.test").intercepts() && !allowed(&policy, "a.test").intercepts());
    let plain = policy
        .decide(
            &authed(),
            target("m.test"),
            Ask {
                scheme: Some(Scheme::Http),
                external_proxy: None,
                is_inside: false,
            },
        )
        .unwrap();
    assert!(!plain.intercepts());
}

#[test]
fn a_reload_changes_the_acl_and_nothing_else() {
    let before = policy(None);
    let after = before.renewed(Acl::parse("version: v1\nservices: []\n", &[]).ok(), None);
    assert!(before.acl().is_none() && after.acl().is_some());
    assert!(before.decide(&authed(), target("a.test"), TUNNEL).is_ok());
    assert!(after.decide(&authed(), target("a.test"), TUNNEL).is_err());
    let asker = Asker {
        address: Some([192, 0, 2, 1].into()),
        certificate: None,
    };
    let right = Credentials::Given(b"Basic dTpzM2NyM3QtUGE1NTp3b3Jk");
    assert!(
        after
            .authenticate(right, None, &asker)
            .is_ok_and(|role| role == authed())
    );
    assert!(after.authenticate(Credentials::Absent, None, &asker).is_err());
}

#[test]
fn public_addresses_are_vetted_with_the_targets_port() {
    let policy = policy(None);
    assert_eq!(
        vet(&policy, "a.test:8443", &["44.1.2.3", "2a00::1"]),
        Ok(vec!["44.1.2.3:8443".into(), "[2a00::1]:8443".into()])
    );
    assert_eq!(
        vet(&policy, "44.1.2.3:81", &["44.1.2.3"]),
        Ok(vec!["44.1.2.3:81".into()])
    );
}

#[test]
fn cve_2026_58442_of_several_answers_the_allowed_ones_are_used_in_order() {
    let policy = policy(None);
    let found = ["127.0.0.1", "44.1.2.4", "10.0.0.1", "44.1.2.3", "::1"];
    assert_eq!(
        vet(&policy, "a.test", &found),
        Ok(vec!["44.1.2.4:80".into(), "44.1.2.3:80".into()])
    );
}

#[test]
fn when_all_are_denied_the_first_is_named() {
    let policy = policy(None);
    assert_eq!(
        vet(&policy, "a.test", &["127.0.0.1", "10.0.0.1"]),
        denial("127.0.0.1", "Not Global Unicast")
    );
    assert_eq!(
        vet(&policy, "a.test", &["10.0.0.1", "127.0.0.1"]),
        denial("10.0.0.1", "Private Range")
    );
    assert_eq!(
        vet(&policy, "a.test", &["::ffff:127.0.0.1"]),
        denial("127.0.0.1", "Not Global Unicast")
    );
    assert_eq!(
        vet(&policy, "127.0.0.1", &["127.0.0.1"]),
        denial("127.0.0.1", "Not Global Unicast")
    );
    assert_eq!(
        vet(&policy, "[::1]", &["::1"]),
        denial("::1", "Not Global Unicast")
    );
}

/// As in the reference: of `localhost`, whose addresses come in either order, 127.0.0.1 is named.
#[test]
fn when_all_are_denied_an_ipv4_address_is_named_before_others() {
    let policy = policy(None);
    for found in [
        &["::1", "127.0.0.1"][..],
        &["127.0.0.1", "::1"],
        &["::1", "fd00::1", "::ffff:127.0.0.1", "10.0.0.1"],
    ] {
        assert_eq!(
            vet(&policy, "localhost", found),
            denial("127.0.0.1", "Not Global Unicast"),
            "{found:?}"
        );
    }
    assert_eq!(
        vet(&policy, "a.test", &["fd00::1", "::1"]),
        denial("fd00::1", "Private Range")
    );
}

#[test]
fn a_denied_address_keeps_the_rules_project() {
    let policy = policy(Some(acl::BUILT_IN));
    let allowed = allowed(&policy, "a.test");
    let denied = policy
        .vet(&allowed, &addresses(&["10.0.0.1"]), &nowhere)
        .unwrap_err();
    assert_eq!(&*denied.decision.project, "users");
    assert!(denied.decision.enforce_would_deny);
}

/// The property that the types are for: what was allowed is what is vetted. An answer for one host, say a late one of
/// the resolver, can't widen what a literal may reach, and no vetted address is anything but one that was found.
#[test]
fn an_allowed_literal_vets_only_itself() {
    let policy = policy(None);
    for found in [&["44.9.9.9"][..], &["44.9.9.9", "44.1.2.3"], &[], &["127.0.0.1"]] {
        assert_eq!(
            vet(&policy, "44.1.2.3:81", found),
            Ok(vec!["44.1.2.3:81".into()]),
            "{found:?}"
        );
    }
    assert_eq!(
        vet(&policy, "10.0.0.1", &["44.1.2.3"]),
        denial("10.0.0.1", "Private Range")
    );
}

#[test]
fn an_acl_that_lists_an_address_does_not_open_it() {
    let text = "version: v1\nservices:\n- {name: authed, action: open, allowed_domains: [127.0.0.1, localhost]}\nglobal_allow_list: [10.0.0.1]\n";
    let policy = policy(Some(text));
    assert_eq!(
        vet(&policy, "127.0.0.1", &[]),
        denial("127.0.0.1", "Not Global Unicast")
    );
    assert_eq!(
        vet(&policy, "localhost", &["127.0.0.1"]),
        denial("127.0.0.1", "Not Global Unicast")
    );
    assert_eq!(vet(&policy, "10.0.0.1", &[]), denial("10.0.0.1", "Private Range"));
}

#[test]
fn cve_2024_24790_addresses_come_once_even_when_mapped_and_at_most_eight() {
    let policy = policy(None);
    let twice = ["44.1.2.3", "::ffff:44.1.2.3", "44.1.2.3", "::ffff:44.1.2.4"];
    assert_eq!(
        vet(&policy, "a.test", &twice),
        Ok(vec!["44.1.2.3:80".into(), "44.1.2.4:80".into()])
    );
    let many: Vec<String> = (0..200).map(|n| format!("44.1.2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let vetted = vet(&policy, "a.test", &many).unwrap();
    assert_eq!(
        (vetted.len(), &*vetted[0], &*vetted[7]),
        (VETTED_MAX, "44.1.2.0:80", "44.1.2.7:80")
    );
}

#[test]
fn cve_2026_33655_an_unresolved_host_is_a_denial() {
    assert_eq!(
        vet(&policy(None), "a.test", &[]),
        Err("no address was found for the destination".into())
    );
}

#[test]
fn the_network_applies_to_answers_and_literals() {
    let both = ["2a00::1", "44.1.2.3", "::ffff:44.1.2.4"];
    assert_eq!(
        vet(&on(Network::V4), "a.test", &both),
        Ok(vec!["44.1.2.3:80".into(), "44.1.2.4:80".into()])
    );
    assert_eq!(
        vet(&on(Network::V6), "a.test", &both),
        Ok(vec!["[2a00::1]:80".into()])
    );
    let none = |word: &str| Err(format!("no address of the configured network ({word})"));
    assert_eq!(vet(&on(Network::V4), "[2a00::1]", &[]), none("ip4"));
    assert_eq!(vet(&on(Network::V6), "44.1.2.3", &[]), none("ip6"));
    assert_eq!(vet(&on(Network::V6), "[::ffff:44.1.2.3]", &[]), none("ip6"));
    assert_eq!(
        vet(&on(Network::V4), "[::ffff:44.1.2.3]", &[]),
        Ok(vec!["44.1.2.3:80".into()])
    );
    assert_eq!(
        vet(&on(Network::V4), "a.test", &["::1", "10.0.0.1"]),
        denial("10.0.0.1", "Private Range")
    );
}

#[test]
fn whose_an_address_is_is_asked_only_on_our_ports() {
    let policy = policy(None);
    let asked = Cell::new(0);
    let own = addresses(&["44.1.2.3", "44.1.2.4"]);
    let is_local = |address| {
        asked.set(asked.get() + 1);
        own.contains(&address)
    };
    let vet = |target: &str| policy.vet(&allowed(&policy, target), &own, &is_local);
    assert!(vet("a.test:4751").is_ok() && asked.get() == 0);
    assert_eq!(
        Err(vet("a.test:4750").unwrap_err().decision.reason.into_owned()),
        denial("44.1.2.3", "Self Connection")
    );
    assert_eq!(asked.get(), 2);
}
