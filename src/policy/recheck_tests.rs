//! What a tunnel is denied by a later policy, and what it is not.

use crate::net::{NoProxy, ProxyUrl};
use crate::policy::acl::Acl;
use crate::policy::{PolicyParts, Upstreams};

use super::*;

const PUBLIC: &str = "44.1.2.3:443";

fn policy(acl: &str) -> Policy {
    Policy::new(PolicyParts {
        acl: Some(Acl::parse(acl, &[]).unwrap()),
        ..PolicyParts::without_rules()
    })
}

fn rule(role: &str, more: &str) -> String {
    format!("version: v1\nservices:\n- {{name: {role}, action: enforce{more}}}\n")
}

fn upstream(url: &str, writer: Writer) -> Arc<Upstream> {
    Arc::new(Upstream::new(ProxyUrl::parse(url, writer).unwrap(), writer))
}

fn opened<'a>(host: &str, dialled: &str, upstream: Option<&'a Arc<Upstream>>) -> Opened<'a> {
    Opened {
        role: Role::Named("a".into()),
        target: Target::parse(host.as_bytes(), None).unwrap(),
        scheme: None,
        upstream,
        dialled: dialled.parse().unwrap(),
        private_exception: None,
    }
}

fn judge(policy: &Policy, opened: Opened<'_>) -> Option<Code> {
    let judged = policy.judge_anew(opened, &|_| false);
    judged.err().map(|denied| denied.code)
}

#[test]
fn the_host_is_judged_by_the_role_s_rule() {
    let listed = policy(&rule("a", ", allowed_domains: [h.test]"));
    let other = policy(&rule("a", ", allowed_domains: ['h.test:80']"));
    let gone = policy(&rule("b", ", allowed_domains: [h.test]"));
    let tunnel = || opened("H.test:443", PUBLIC, None);
    assert_eq!(judge(&listed, tunnel()), None);
    assert_eq!(judge(&other, tunnel()), Some(Code::NotInAllowedDomains));
    assert_eq!(judge(&gone, tunnel()), Some(Code::NoRule));
    let grounds = other.judge_anew(tunnel(), &|_| false).unwrap_err().grounds;
    assert!(
        !grounds.rule.is_empty() && !grounds.hint.is_empty(),
        "{grounds:?}"
    );
}

#[test]
fn the_address_is_judged_as_it_was_dialled() {
    let excepted = policy(&rule(
        "a",
        ", allowed_domains: [h.test], allow_private: [{cidr: 10.1.0.0/16}]",
    ));
    let narrower = policy(&rule(
        "a",
        ", allowed_domains: [h.test], allow_private: [{cidr: 10.1.2.0/24}]",
    ));
    for (dialled, by_narrower) in [("10.1.2.3:443", None), ("10.1.3.3:443", Some(Code::PrivateRange))] {
        assert_eq!(judge(&excepted, opened("h.test:443", dialled, None)), None);
        assert_eq!(judge(&narrower, opened("h.test:443", dialled, None)), by_narrower);
    }
}

#[test]
fn another_way_is_no_way_for_what_is_open() {
    let rule = |more: &str| policy(&rule("a", &format!(", allowed_domains: [h.test]{more}")));
    let (direct, one, secret, two, intercepted) = (
        rule(""),
        rule(", upstream_proxy: 'http://one.test:3128'"),
        rule(", upstream_proxy: 'http://u:p@one.test:3128'"),
        rule(", upstream_proxy: 'http://two.test:3128'"),
        rule(", mitm_domains: [{domain: h.test}]"),
    );
    let then = upstream("http://one.test:3128", Writer::Operator);
    let through = || opened("h.test:443", "10.0.0.1:3128", Some(&then));
    let straight = || opened("h.test:443", PUBLIC, None);
    let other = Some(Code::WayChanged);
    let cases = [
        (&direct, other, None),
        (&one, None, other),
        (&secret, None, other),
        (&two, other, other),
        (&intercepted, other, other),
    ];
    for (policy, by_upstream, by_none) in cases {
        assert_eq!(judge(policy, through()), by_upstream);
        assert_eq!(judge(policy, straight()), by_none);
    }
    let of_all = rule("").with_upstreams(Upstreams::new(
        None,
        ProxyUrl::parse("http://one.test:3128", Writer::Operator),
        NoProxy::default(),
    ));
    assert_eq!(judge(&of_all, through()), None);
    let upgraded = |policy: &Policy| {
        judge(
            policy,
            Opened {
                scheme: Some(Scheme::Http),
                ..straight()
            },
        )
    };
    assert_eq!((upgraded(&of_all), upgraded(&intercepted)), (None, None));
}

#[test]
fn a_proxy_that_the_client_named_must_be_listed_and_public_still() {
    let rule = |more: &str| policy(&rule("a", &format!(", allowed_domains: [h.test]{more}")));
    let (listed, not) = (
        rule(", allowed_external_proxies: [one.test]"),
        rule(", allowed_external_proxies: [two.test]"),
    );
    let then = upstream("http://one.test:3128", Writer::Client);
    let through = |dialled| opened("h.test:443", dialled, Some(&then));
    assert_eq!(judge(&listed, through("44.1.2.3:3128")), None);
    assert_eq!(
        judge(&not, through("44.1.2.3:3128")),
        Some(Code::ExternalProxyDenied)
    );
    assert_eq!(judge(&listed, through("10.0.0.1:3128")), Some(Code::PrivateRange));
}

/// Who dials knows the address, and we only the range that was excepted.
#[test]
fn what_an_upstream_was_let_into_must_be_excepted_as_a_whole() {
    let rule = |cidr: &str| {
        policy(&rule(
            "a",
            &format!(
                ", allowed_domains: [h.test], upstream_proxy: 'http://one.test:3128'{}",
                match cidr {
                    "" => String::new(),
                    _ => format!(", allow_private: [{{cidr: {cidr}}}]"),
                }
            ),
        ))
    };
    let then = upstream("http://one.test:3128", Writer::Operator);
    for (cidr, code) in [
        ("10.1.0.0/16", None),
        ("10.0.0.0/8", None),
        ("10.1.0.0/24", Some(Code::WayChanged)),
        ("10.2.0.0/16", Some(Code::PrivateRange)),
        ("", Some(Code::PrivateRange)),
    ] {
        let tunnel = Opened {
            private_exception: Some("10.1.0.0/16".parse().unwrap()),
            ..opened("h.test:443", "10.9.9.9:3128", Some(&then))
        };
        assert_eq!(judge(&rule(cidr), tunnel), code, "{cidr}");
    }
}

#[test]
fn each_policy_has_the_next_number() {
    let first = policy(&rule("a", ""));
    let second = first.renewed(None, None);
    assert_eq!((first.generation(), second.generation()), (1, 2));
    let ask = Ask {
        is_inside: false,
        scheme: None,
        external_proxy: None,
    };
    let open = policy("version: v1\nservices: []\ndefault: {action: open}\n");
    let allowed = open
        .decide(&Role::Missing, Target::parse(b"h.test:1", None).unwrap(), ask)
        .unwrap();
    assert!(allowed.is_by(&open) && !allowed.is_by(&open.renewed(None, None)));
}
