//! What is allowed and denied, by which rule or list, and with which reason. Where a denial's grounds stand in the file
//! is in `grounds`.

use super::*;

/// Asks as plain request and as CONNECT, which must not differ: allow, enforce_would_deny, reason.
#[track_caller]
fn said(acl: &Acl, role: &Role, to: &str) -> (bool, bool, String) {
    let [plain, tunnel] = [PLAIN, TUNNEL].map(|scheme| {
        let answer = acl.decide(role, &target(to), ask(scheme));
        (
            answer.denial.is_none(),
            answer.decision.enforce_would_deny,
            answer.decision.reason.into_owned(),
        )
    });
    assert_eq!(plain, tunnel);
    plain
}

#[track_caller]
fn expect(acl: &Acl, to: &str, allow: bool, would: bool, reason: &str) {
    assert_eq!(
        said(acl, &named("authed"), to),
        (allow, would, reason.to_owned()),
        "{to}"
    );
}

const PROXY: &str = "connect proxy host not allowed in rule";

#[test]
fn actions() {
    let open = one("action: open", "");
    let report = one("action: report, allowed_domains: [example.com]", "");
    let enforce = one(
        "action: enforce, allowed_domains: [example.com, '*.allowed.test']",
        "",
    );
    expect(&open, "other.test", true, false, OPEN);
    expect(&open, "44.1.2.3", true, false, OPEN);
    expect(&open, "[2a00:1111:2222::1]", true, false, OPEN);
    expect(&report, "example.com", true, false, IN_RULE);
    expect(&report, "other.test", true, true, REPORTED);
    for allowed in ["example.com", "EXAMPLE.com", "example.com.", "sub.allowed.test"] {
        expect(&enforce, allowed, true, false, IN_RULE);
    }
    for denied in [
        "other.test",
        "allowed.test",
        "www.example.com",
        "notexample.com",
        "example.com.evil.test",
        "44.1.2.3",
        "[2a00:1111:2222::1]",
    ] {
        expect(&enforce, denied, false, true, ENFORCED);
    }
}

#[test]
fn cve_2025_66479_an_empty_list_allows_nothing() {
    for list in ["allowed_domains: []", "allowed_domains: ", "allowed_domains: ~"] {
        expect(
            &one(&format!("action: enforce, {list}"), ""),
            "other.test",
            false,
            true,
            ENFORCED,
        );
    }
    let acl = one("action: enforce", "global_allow_list: []\nglobal_deny_list: []");
    expect(&acl, "other.test", false, true, ENFORCED);
}

#[test]
fn the_default_rule_is_for_roles_without_a_rule() {
    let someone = "services: [{name: someone-else, project: p, action: open}]";
    let with = |default: &str| acl(&format!("version: v1\n{someone}\ndefault: {default}\n"));
    let enforce = with("{name: default, project: other, action: enforce, allowed_domains: [example.com]}");
    expect(&enforce, "example.com", true, false, IN_RULE);
    expect(&enforce, "other.test", false, true, DEFAULT);
    expect(
        &with("{project: p, action: report}"),
        "other.test",
        true,
        true,
        DEFAULT,
    );
    expect(
        &with("{project: p, action: open}"),
        "other.test",
        true,
        false,
        DEFAULT,
    );
    assert_eq!(
        said(&enforce, &Role::Missing, "other.test"),
        (false, true, DEFAULT.to_owned())
    );

    let answer = enforce.decide(&named("authed"), &target("example.com"), ask(PLAIN));
    assert_eq!(&*answer.decision.project, "other");
    let answer = enforce.decide(&named("someone-else"), &target("example.com"), ask(PLAIN));
    assert_eq!(&*answer.decision.project, "p");
}

#[test]
fn a_named_rule_wins_over_the_default() {
    expect(
        &one("action: enforce", "default: {project: p, action: open}"),
        "other.test",
        false,
        true,
        ENFORCED,
    );
}

#[test]
fn without_rule_and_default_everything_is_denied() {
    let acl = acl(
        "version: v1\nservices: [{name: AUTHED, project: p, action: open}]\nglobal_allow_list: [other.test]",
    );
    expect(&acl, "other.test", false, true, NO_RULE);
    assert_eq!(
        said(&acl, &Role::Missing, "other.test"),
        (false, true, NO_RULE.to_owned())
    );
    let answer = acl.decide(&named("x"), &target("a.test"), ask(PLAIN));
    assert_eq!(&*answer.decision.project, "");
    assert!(!acl.has_default_rule());
    let answer = acl.decide(&named("AUTHED"), &target("a.test"), ask(PLAIN));
    assert!(answer.denial.is_none(), "roles are compared byte by byte");
}

#[test]
fn a_missing_role_matches_no_service() {
    let acl = one("action: open", "");
    for role in [
        Role::Missing,
        named(""),
        named("Authed"),
        named("authed "),
        named("default"),
    ] {
        assert_eq!(
            said(&acl, &role, "other.test"),
            (false, true, NO_RULE.to_owned()),
            "{role:?}"
        );
    }
}

#[test]
fn global_lists_come_after_the_rules_domains_and_before_its_action() {
    for action in ["open", "report", "enforce"] {
        let deny = "global_deny_list: [denied.test, '*.denied.test']";
        let acl = one(&format!("action: {action}"), deny);
        expect(&acl, "denied.test", false, true, IN_DENY);
        expect(&acl, "sub.denied.test", false, true, IN_DENY);
        let acl = one(&format!("action: {action}, allowed_domains: [denied.test]"), deny);
        expect(&acl, "denied.test", true, false, IN_RULE);
    }
    let acl = one(
        "action: enforce",
        "global_allow_list: [allowed.test, '*.denied.test']\nglobal_deny_list: [sub.denied.test]",
    );
    expect(&acl, "allowed.test", true, false, IN_ALLOW);
    expect(&acl, "other.denied.test", true, false, IN_ALLOW);
    expect(&acl, "sub.denied.test", false, true, IN_DENY);
    expect(&acl, "other.test", false, true, ENFORCED);
    let both = one(
        "action: open",
        "global_allow_list: [both.test]\nglobal_deny_list: [both.test]",
    );
    expect(&both, "both.test", false, true, IN_DENY);
}

#[test]
fn global_lists_apply_to_the_default_rule() {
    let acl = acl(
        "version: v1\nservices: []\ndefault: {project: p, action: enforce}\nglobal_allow_list: [allowed.test]\nglobal_deny_list: [denied.test]",
    );
    expect(&acl, "allowed.test", true, false, IN_ALLOW);
    expect(&acl, "denied.test", false, true, IN_DENY);
    expect(&acl, "other.test", false, true, DEFAULT);
}

#[test]
fn cve_2022_24825_a_trailing_dot_or_capitals_do_not_evade_the_deny_list() {
    let acl = one("action: open", "global_deny_list: [example.com, '*.example.com']");
    for spelling in [
        "example.com",
        "example.com.",
        "EXAMPLE.com",
        "Example.COM.",
        "sub.example.com.",
        "SUB.EXAMPLE.COM",
    ] {
        expect(&acl, spelling, false, true, IN_DENY);
    }
    assert!(Target::parse(b"example.com..:443", None).is_err());
}

#[test]
fn smokescreen_264_unicode_spellings_do_not_evade_the_deny_list() {
    let acl = one(
        "action: open",
        "global_deny_list: [xn--mnchen-3ya.test, denied.test]",
    );
    for spelling in [
        "münchen.test",
        "MÜNCHEN.test",
        "mu\u{308}nchen.test",
        "xn--mnchen-3ya.test",
        "denied。test",
        "ｄenied.test",
    ] {
        // Either it is no host at all, or it is the one that is denied.
        if let Ok(target) = Target::parse(spelling.as_bytes(), Some(443)) {
            let answer = acl.decide(&named("authed"), &target, ask(TUNNEL));
            assert_eq!(
                (answer.denial.is_none(), &*answer.decision.reason),
                (false, IN_DENY),
                "{spelling}"
            );
        }
    }
    for odd in ["münchen.test", "denied.test"] {
        let error = Acl::parse(
            &format!(
                "version: v1\nservices: []\nglobal_deny_list: ['{}']\n",
                odd.to_uppercase()
            ),
            &[],
        );
        assert!(error.is_err(), "a list entry must be in normal form");
    }
}

#[test]
fn external_proxies_are_asked_about_first() {
    let acl = one(
        "action: open, allowed_domains: [listed.test], allowed_external_proxies: [proxyhost.test, '*.proxies.test', 44.1.2.3]",
        "",
    );
    let decide = |acl: &Acl, url: &[u8], to: &str| {
        let [plain, tunnel] = [PLAIN, TUNNEL].map(|scheme| {
            let answer = acl.decide(
                &named("authed"),
                &target(to),
                Ask {
                    scheme,
                    external_proxy: Some(url),
                    is_inside: false,
                },
            );
            (
                answer.denial.is_none(),
                answer.decision.enforce_would_deny,
                answer.decision.reason.into_owned(),
            )
        });
        assert_eq!(plain, tunnel);
        plain
    };
    for url in [
        "https://proxyhost.test:443",
        "http://proxyhost.test",
        "HTTPS://ProxyHost.TEST./",
        "https://user:pw@proxyhost.test:8080/x?y#z",
        "http://a.b.proxies.test:1",
        "http://44.1.2.3:3128",
        " http://proxyhost.test:1 ",
    ] {
        assert_eq!(
            decide(&acl, url.as_bytes(), "other.test"),
            (true, false, OPEN.to_owned()),
            "{url}"
        );
        assert_eq!(
            decide(&acl, url.as_bytes(), "listed.test"),
            (true, false, IN_RULE.to_owned()),
            "{url}"
        );
    }
    for url in [
        "https://evil.test:443",
        "http://user:pw@evil.test:8080",
        "https://xproxyhost.test:1",
        "http://proxies.test",
        "not a url",
        "proxyhost.test",
        "proxyhost.test:443",
        "//proxyhost.test",
        "://",
        "https://",
        "http://[::1",
        "/path",
        "http:proxyhost.test",
        "ftp://proxyhost.test",
        "socks5://proxyhost.test",
        "http://proxyhost.test@evil.test",
        "http://evil.test@evil.test@proxyhost.test",
        "http://evil.test\\@proxyhost.test",
        "http://evil.test#@proxyhost.test",
        "http://evil.test?@proxyhost.test",
        "http://proxyhost.test:0",
        "http://proxyhost.test:99999",
        "http://proxyhost.test:+443",
        "http://evil.test\0.proxies.test",
        "http://proxyhost.test/a b",
        "http://evil%00.proxies.test",
        "http://[::1]@proxyhost.test",
        "http://proxyhost.test/\\@evil.test",
        "http://44.1.2.4",
        "http://0054.1.2.3",
    ] {
        for to in ["other.test", "listed.test"] {
            assert_eq!(
                decide(&acl, url.as_bytes(), to),
                (false, true, PROXY.to_owned()),
                "{url}"
            );
        }
    }
    assert_eq!(decide(&acl, b"http://\xff.proxies.test", "other.test").2, PROXY);
    assert_eq!(decide(&acl, b"", "other.test").2, OPEN, "an empty field is none");
    assert_eq!(
        decide(&one("action: open", ""), b"http://proxyhost.test:1", "other.test").2,
        PROXY,
        "no list"
    );
}

#[test]
fn the_built_in_acl_is_flys() {
    let acl = acl(BUILT_IN);
    expect(&acl, "other.test", true, true, REPORTED);
    for denied in [
        "db.internal",
        "a.b.internal",
        "DB.Internal.",
        "app.flycast",
        "APP.flycast",
    ] {
        expect(&acl, denied, false, true, IN_DENY);
    }
    let answer = acl.decide(&named("authed"), &target("a.test"), ask(TUNNEL));
    assert_eq!(&*answer.decision.project, "users");
    let answer = acl.decide(&Role::Missing, &target("a.test"), ask(TUNNEL));
    assert_eq!(
        (
            answer.denial.is_none(),
            &*answer.decision.reason,
            &*answer.decision.project
        ),
        (false, DEFAULT, "other")
    );
}
