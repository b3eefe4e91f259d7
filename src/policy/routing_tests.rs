//! Which way a request leaves, what is said of its target's addresses then, and whom of an upstream's is trusted.

use crate::net::Name;
use crate::policy::acl::Acl;
use crate::policy::ranges::Ranges;
use crate::policy::{Code, Network, PolicyParts, Role, Untrusted, VettedList};

use super::*;

const ACL: &str = "version: v1\nservices:\n\
    - {name: plain, action: open}\n\
    - {name: own, action: open, upstream_proxy: 'http://u:p%40x@own.test:3128', upstream_resolves: true}\n\
    - {name: split, action: open, upstream_resolves: true}\n\
    - {name: free, action: open, allowed_external_proxies: ['*.proxies.test'], upstream_resolves: true}\n\
    - {name: inside, action: enforce, allowed_domains: [in.test], allow_private: [{cidr: 10.1.0.0/16}]}\n";

fn url(url: &str) -> ProxyUrl {
    ProxyUrl::parse(url, Writer::Operator).unwrap()
}

fn policy(no_proxy: &str) -> Policy {
    let policy = Policy::new(PolicyParts {
        acl: Some(Acl::parse(ACL, &[]).unwrap()),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![4750]),
        network: Network::Any,
        ..PolicyParts::without_rules()
    });
    let (http, https) = (url("http://http.test"), url("http://https.test"));
    policy.with_upstreams(Upstreams::new(Some(http), Some(https), NoProxy::parse(no_proxy)))
}

fn allowed(policy: &Policy, role: &str, target: &str, ask: Ask<'_>) -> crate::policy::Allowed {
    let target = Target::parse(target.as_bytes(), Some(80)).unwrap();
    policy.decide(&Role::Named(role.into()), target, ask).unwrap()
}

const TUNNEL: Ask<'_> = Ask {
    scheme: None,
    external_proxy: None,
    is_inside: false,
};

const HTTP: Ask<'_> = Ask {
    scheme: Some(Scheme::Http),
    external_proxy: None,
    is_inside: false,
};

/// The way, as a URL.
fn way(policy: &Policy, role: &str, target: &str, ask: Ask<'_>) -> String {
    match allowed(policy, role, target, ask).route() {
        Route::Direct => "direct".to_owned(),
        Route::Through(upstream) => upstream.to_string(),
    }
}

#[test]
fn the_client_goes_before_the_rule_and_that_before_the_options() {
    let named = |scheme| Ask {
        scheme,
        external_proxy: Some(b"http://a.proxies.test:8080/"),
        is_inside: false,
    };
    let (tunnels, uris) = (None, Some(Scheme::Https));
    for (role, ask, via) in [
        ("plain", TUNNEL, "http://https.test:80"),
        ("plain", HTTP, "http://http.test:80"),
        ("own", TUNNEL, "http://own.test:3128"),
        ("own", HTTP, "http://own.test:3128"),
        ("free", named(tunnels), "http://a.proxies.test:8080"),
        ("free", named(uris), "http://a.proxies.test:8080"),
        // The field is about tunnels.
        ("free", named(Some(Scheme::Http)), "http://http.test:80"),
    ] {
        assert_eq!(way(&policy(""), role, "a.test", ask), via, "{role}");
    }
    let policy = policy("a.test,.b.test:443");
    for (role, target, ask, via) in [
        ("plain", "a.test:443", TUNNEL, "direct"),
        ("own", "x.a.test:443", TUNNEL, "direct"),
        ("own", "x.b.test:443", TUNNEL, "direct"),
        ("own", "x.b.test:444", TUNNEL, "http://own.test:3128"),
        ("plain", "localhost", HTTP, "direct"),
        ("own", "127.0.0.1:443", TUNNEL, "direct"),
        // Whom the client names it means.
        ("free", "a.test:443", named(None), "http://a.proxies.test:8080"),
    ] {
        assert_eq!(way(&policy, role, target, ask), via, "{role} {target}");
    }
}

#[test]
fn only_what_the_operators_own_upstream_dials_is_left_to_it_to_look_up() {
    let policy = policy("direct.test");
    let named = Ask {
        scheme: None,
        external_proxy: Some(b"http://a.proxies.test"),
        is_inside: false,
    };
    for (role, target, ask, looked_up) in [
        ("plain", "a.test:443", TUNNEL, true),
        ("own", "a.test:443", TUNNEL, false),
        ("split", "a.test:443", TUNNEL, false),
        ("split", "10.0.0.1:443", TUNNEL, true),
        ("split", "direct.test:443", TUNNEL, true),
        ("free", "a.test:443", named, true),
        ("free", "a.test:443", TUNNEL, false),
    ] {
        assert_eq!(
            allowed(&policy, role, target, ask).is_looked_up(),
            looked_up,
            "{role} {target}"
        );
    }
}

#[test]
fn a_reload_keeps_the_options_and_takes_the_rules() {
    let before = policy("a.test");
    let text = ACL.replace("own.test:3128", "other.test:3129");
    let after = before.renewed(Some(Acl::parse(&text, &[]).unwrap()), None);
    assert_eq!(way(&after, "plain", "b.test", HTTP), "http://http.test:80");
    assert_eq!(way(&after, "plain", "a.test", HTTP), "direct");
    assert_eq!(way(&after, "own", "b.test", HTTP), "http://other.test:3129");
    let told = before.acl().unwrap().difference(after.acl().unwrap());
    let texts: Vec<&str> = told.changes.iter().map(|change| &*change.text).collect();
    assert_eq!(
        texts,
        ["service 'own': upstream_proxy http://own.test:3128 -> http://other.test:3129"]
    );
}

/// Whoever dials chooses: one denied address is enough.
#[test]
fn of_what_is_passed_on_every_address_must_be_allowed() {
    let policy = policy("");
    let of = |role, target| allowed(&policy, role, target, TUNNEL);
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let (public, private) = (ip("44.1.2.3"), ip("10.1.2.3"));
    let vet = |allowed, found: &[IpAddr]| policy.vet_passed_on(&allowed, found, &|_| true);
    assert_eq!(vet(of("plain", "a.test:443"), &[public, ip("2a00::1")]), Ok(None));
    for found in [&[public, private][..], &[private]] {
        let denied = vet(of("plain", "a.test:443"), found).unwrap_err();
        assert_eq!(denied.code, Code::PrivateRange);
        assert!(
            denied.decision.reason.contains("10.1.2.3"),
            "{}",
            denied.decision.reason
        );
    }
    assert_eq!(
        vet(of("plain", "a.test:443"), &[]).unwrap_err().code,
        Code::NoUsableAddress
    );
    assert_eq!(
        vet(of("plain", "10.1.2.3:443"), &[]).unwrap_err().code,
        Code::PrivateRange
    );
    assert_eq!(
        vet(of("plain", "44.1.2.3:4750"), &[]).unwrap_err().code,
        Code::SelfConnection
    );
    let excepted = vet(of("inside", "in.test:443"), &[public, private]);
    assert_eq!(excepted, Ok(Some("10.1.0.0/16".parse().unwrap())));
}

fn addresses(list: &VettedList) -> Vec<String> {
    list.iter().map(|vetted| vetted.address().to_string()).collect()
}

#[test]
fn the_operators_upstream_is_trusted_unless_it_is_ourselves() {
    let policy = policy("");
    let upstream = |text: &str| Upstream::new(url(text), Writer::Operator);
    let (name, found) = (
        upstream("http://own.test:4750"),
        [[127, 0, 0, 1], [10, 0, 0, 1]].map(IpAddr::from),
    );
    let is_local = |ip: IpAddr| ip.is_loopback();
    assert_eq!(
        policy
            .trust(&name, &found, &is_local)
            .map(|list| addresses(&list)),
        Ok(vec!["10.0.0.1:4750".to_owned()])
    );
    assert_eq!(
        policy.trust(&name, &found[..1], &is_local),
        Err(Untrusted::OwnListener(([127, 0, 0, 1], 4750).into()))
    );
    assert_eq!(policy.trust(&name, &[], &is_local), Err(Untrusted::NoAddress));
    for literal in ["127.0.0.1:3128", "169.254.1.1:80", "[::1]:3128", "192.168.0.1:1"] {
        let trusted = policy.trust(&upstream(&format!("http://{literal}")), &found, &is_local);
        assert_eq!(trusted.map(|list| addresses(&list)), Ok(vec![literal.to_owned()]));
    }
}

#[test]
fn a_clients_upstream_is_vetted_and_no_exception_lifts_it() {
    let policy = policy("");
    let inside = allowed(&policy, "inside", "in.test:443", TUNNEL);
    let upstream = |text: &str| Upstream::new(ProxyUrl::parse(text, Writer::Client).unwrap(), Writer::Client);
    let vet = |text| policy.vet_upstream(&inside, &upstream(text), &[[44, 1, 2, 3].into()], &|_| true);
    assert_eq!(
        addresses(&vet("http://p.test:3128").unwrap().addresses),
        ["44.1.2.3:3128"]
    );
    for (text, code) in [
        ("http://10.1.2.3:3128", Code::PrivateRange),
        ("http://127.0.0.1:3128", Code::NotGlobalUnicast),
        ("http://44.1.2.3:4750", Code::SelfConnection),
    ] {
        assert_eq!(vet(text).unwrap_err().code, code, "{text}");
    }
}

#[test]
fn an_upstream_that_is_ourselves_is_found_without_a_lookup() {
    let ourselves = |acl: &str, http: &str| {
        let policy = Policy::new(PolicyParts {
            acl: Some(Acl::parse(acl, &[]).unwrap()),
            ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![4750]),
            ..PolicyParts::without_rules()
        });
        let policy = policy.with_upstreams(Upstreams::new(Some(url(http)), None, NoProxy::default()));
        policy
            .upstream_to_ourselves(&|ip| ip == IpAddr::from([44, 0, 0, 1]))
            .map(Upstream::to_string)
    };
    let acl = |upstream: &str| {
        format!("version: v1\nservices: []\ndefault: {{action: open, upstream_proxy: 'http://{upstream}'}}\n")
    };
    for (host, found) in [
        ("127.0.0.1:4750", true),
        ("localhost:4750", true),
        ("[::]:4750", true),
        ("44.0.0.1:4750", true),
        ("44.0.0.1:4751", false),
        ("44.0.0.2:4750", false),
        ("a.test:4750", false),
    ] {
        let want = found.then(|| format!("http://{host}"));
        assert_eq!(ourselves(&acl("z.test"), &format!("http://{host}")), want);
        assert_eq!(ourselves(&acl(host), "http://z.test"), want);
    }
}

#[test]
fn credentials_are_written_for_the_proxy_and_shown_to_nobody() {
    for (user_info, value) in [
        ("", None),
        // As RFC 7617, section 2, has it.
        (
            "Aladdin:open%20sesame@",
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ),
        ("user@", Some("Basic dXNlcjo=")),
    ] {
        let upstream = Upstream::new(url(&format!("http://{user_info}p.test")), Writer::Operator);
        assert_eq!(upstream.authorization(), value);
        assert_eq!(
            (upstream.to_string(), format!("{upstream:?}")),
            ("http://p.test:80".into(), "Upstream(http://p.test:80)".into())
        );
    }
    let Host::Name(name) = url("http://P.test").host().clone() else {
        panic!("a name")
    };
    assert_eq!(Name::as_str(&name), "p.test");
    let error = Acl::parse(
        &ACL.replace("http://u:p%40x@own.test:3128", "ftp://u:hunter2@own.test"),
        &[],
    )
    .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("line 4") && error.contains("upstream_proxy is no URL") && !error.contains("hunter2"),
        "{error}"
    );
}
