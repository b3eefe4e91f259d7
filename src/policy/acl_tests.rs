//! What an ACL allows and denies, in which words, and which files are no ACL. Globs alone are in `glob_tests`.

use crate::net::{Scheme, Target};

use super::*;

fn target(host: &str) -> Target {
    Target::parse(host.as_bytes(), Some(443)).unwrap()
}

fn acl(text: &str) -> Acl {
    Acl::parse(text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// One service `authed` with these further keys, then whatever `rest` says.
fn one(keys: &str, rest: &str) -> Acl {
    acl(&format!(
        "version: v1\nservices:\n- {{name: authed, project: users, {keys}}}\n{rest}\n"
    ))
}

fn named(name: &str) -> Role {
    Role::Named(name.into())
}

/// Of a plain request, and of a CONNECT.
const PLAIN: Option<Scheme> = Some(Scheme::Http);
const TUNNEL: Option<Scheme> = None;

fn ask(scheme: Option<Scheme>) -> Ask<'static> {
    Ask {
        scheme,
        external_proxy: None,
        is_inside: false,
    }
}

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

const IN_RULE: &str = "host matched allowed domain in rule";
const IN_DENY: &str = "host matched rule in global deny list";
const IN_ALLOW: &str = "host matched rule in global allow list";
const ENFORCED: &str = "rule has enforce policy";
const REPORTED: &str = "rule has allow and report policy";
const OPEN: &str = "rule has open enforcement policy";
const DEFAULT: &str = "default rule policy used";
const NO_RULE: &str = "no rule matched";
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
fn a_tunnel_to_a_listed_domain_is_one_to_intercept() {
    let acl = one(
        "action: enforce, allowed_domains: [a.test, '*.wide.test'], mitm_domains: [
            {domain: '*.wide.test', add_headers: {X-One: '1', x-two: two}, detailed_http_logs: true, detailed_http_logs_full_headers: [User-Agent]}]",
        "",
    );
    let intercepts = |to: &str, scheme| {
        acl.decide(&named("authed"), &target(to), ask(scheme))
            .terms
            .interception
            .is_some()
    };
    assert!(intercepts("x.wide.test", TUNNEL) && intercepts("deep.x.wide.test", TUNNEL));
    assert!(!intercepts("x.wide.test", PLAIN) && !intercepts("a.test", TUNNEL));
}

#[track_caller]
pub(in crate::policy) fn bad(text: &str, words: &[&str]) {
    bad_with(text, &[], words);
}

#[track_caller]
fn bad_with(text: &str, disabled: &[Action], words: &[&str]) {
    let error = Acl::parse(text, disabled).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
    assert!(
        error.starts_with("line ") && error.lines().count() == 1,
        "{error}"
    );
}

pub(super) const HEAD: &str = "version: v1\nservices:\n";

#[test]
fn bad_documents() {
    bad("version: v1\nservices: [\n", &["not valid YAML"]);
    bad("services: []\n", &["line 1, column 1", "version: v1"]);
    bad("", &["version"]);
    bad(
        "version: v2\nservices: []\n",
        &["line 1, column 10", "'v2'", "v1"],
    );
    bad("version: 1\nservices: []\n", &["'1'", "v1"]);
    bad("version: v1\n", &["services"]);
    bad("version: v1\nservices:\n", &["line 2", "`services`"]);
    bad(
        "version: v1\nservices: 12\n",
        &["line 2, column 11", "services", "sequence"],
    );
    bad(
        "version: v1\nservices: [authed]\n",
        &["services[0]", "a mapping with name"],
    );
    bad("- a\n- b\n", &["mapping"]);
}

#[test]
fn bad_actions_and_names() {
    bad(
        &format!("{HEAD}- {{name: a, project: p, action: yolo}}\n"),
        &["line 3, column 33", "'yolo'", "open, report"],
    );
    bad(
        &format!("{HEAD}- {{name: a, project: p, action: Open}}\n"),
        &["'Open'"],
    );
    bad(
        &format!("{HEAD}- {{name: a, project: p}}\n"),
        &["line 3, column 3", "'a'", "action", "open, report"],
    );
    bad(
        &format!("{HEAD}- {{name: a, project: p, action: }}\n"),
        &["action"],
    );
    bad(
        "version: v1\nservices: []\ndefault: {project: p, action: maybe}\n",
        &["line 3", "default", "maybe"],
    );
    bad(
        "version: v1\nservices: []\ndefault: {project: p}\n",
        &["default rule", "action"],
    );
    bad(
        &format!("{HEAD}- {{project: p, action: open}}\n"),
        &["line 3, column 3", "name"],
    );
    bad(
        &format!("{HEAD}- {{name: '', project: p, action: open}}\n"),
        &["name"],
    );
    let twice = format!(
        "{HEAD}- {{name: dup, project: p, action: open}}\n- {{name: dup, project: q, action: open}}\n"
    );
    bad(&twice, &["line 4, column 10", "'dup'"]);
}

#[test]
fn a_typo_in_an_acl_key_is_an_error() {
    bad(
        "version: v1\nextra: 1\nservices: []\n",
        &["line 2, column 1", "extra", "global_deny_list"],
    );
    bad(
        "version: v1\nservices: []\ngobal_deny_list: [a.test]\n",
        &[
            "line 3, column 1",
            "gobal_deny_list",
            "did you mean `global_deny_list`?",
        ],
    );
    bad(
        &format!("{HEAD}- {{name: a, project: p, action: open, owner: me}}\n"),
        &["line 3", "owner", "allowed_domains"],
    );
    bad(
        &format!("{HEAD}- {{name: a, action: open, allowed_domain: [a.test]}}\n"),
        &["line 3", "did you mean `allowed_domains`?"],
    );
    bad(
        "version: v1\nservices: []\nglobal_deny_lists: []\n",
        &["line 3, column 1", "did you mean `global_deny_list`?"],
    );
    bad(
        "version: v1\nservices: []\ndefault: {action: open, alowed_domains: []}\n",
        &["alowed_domains"],
    );
    bad(
        "version: v1\nservices: []\nglobal_deny_list: [a.test]\nglobal_deny_list: []\n",
        &["line 4", "global_deny_list"],
    );
}

/// Whoever answers would get what is meant for the origin alone.
#[test]
fn who_is_not_verified_gets_no_header() {
    let service = |lines: &str| {
        format!(
            "{HEAD}- name: a\n  action: open\n  allowed_domains: [h.test]\n  insecure_skip_verify: true\n{lines}"
        )
    };
    let plain = "  mitm_domains: [{domain: h.test, add_headers: {}}]\n";
    let acl = Acl::parse(&service(plain), &[]).unwrap();
    assert_eq!(acl.unverified(), ["service 'a'"]);
    assert!(
        Acl::parse(&service("").replace("true", "false"), &[])
            .unwrap()
            .unverified()
            .is_empty()
    );
    bad(
        &service("  mitm_domains: [{domain: h.test, add_headers: {X-Key: v}}]\n"),
        &[
            "line 6, column 25: ",
            "add_headers for 'h.test'",
            "remove one of the two",
        ],
    );
    let default = "version: v1\nservices: []\ndefault: {action: open, insecure_skip_verify: true}\n";
    assert_eq!(
        Acl::parse(default, &[]).unwrap().unverified(),
        ["the default rule"]
    );
}

#[test]
fn fields_of_another_type_are_refused_with_what_is_accepted() {
    bad(
        &format!("{HEAD}- {{name: a, action: open, verify_sni: perhaps}}\n"),
        &["line 3", "`perhaps`", "`off`, `report`, `enforce`"],
    );
    bad(
        &format!("{HEAD}- {{name: a, action: open, limits: 5}}\n"),
        &["line 3", "limits", "mapping"],
    );
}

#[test]
fn bad_globs_are_named_with_their_place_in_every_list() {
    for (list, rest) in [
        ("allowed_domains: ['*']", ""),
        ("allowed_external_proxies: ['*']", ""),
        ("mitm_domains: [{domain: '*'}]", ""),
        ("allowed_domains: []", "global_allow_list: ['*']\n"),
        ("allowed_domains: []", "global_deny_list: ['*']\n"),
        (
            "allowed_domains: []",
            "default: {action: open, allowed_domains: ['*']}\n",
        ),
    ] {
        for (glob, word) in [
            ("*", "everything"),
            ("*.", "'*.'"),
            ("api.*.example.com", "'api.*.example.com'"),
            ("*bad.com", "'*bad.com'"),
            ("", "empty"),
            ("Example.com", "'example.com'"),
            ("éxämple.com", "'xn--xmple-gra7a.com'"),
            ("exa mple.com", "'exa mple.com'"),
        ] {
            let text = format!("{HEAD}- {{name: a, project: p, action: open, {list}}}\n{rest}");
            bad(&text.replace("'*'", &format!("'{glob}'")), &[word]);
        }
    }
    bad(
        &format!("{HEAD}- name: a\n  action: enforce\n  allowed_domains:\n  - ok.test\n  - Bad.test\n"),
        &[
            "line 7, column 5: services[0].allowed_domains[1]",
            "'Bad.test'",
            "'bad.test'",
        ],
    );
}

#[test]
fn mitm_domains_must_be_allowed_domains_too() {
    let rule = |keys: &str| format!("{HEAD}- {{name: a, project: p, action: enforce, {keys}}}\n");
    bad(
        &rule("mitm_domains: [{domain: m.example.com}]"),
        &["line 3", "'m.example.com'", "allowed_domains", "'a'"],
    );
    bad(
        &rule("allowed_domains: ['*.example.com'], mitm_domains: [{domain: m.example.com}]"),
        &["'m.example.com'"],
    );
    bad(&rule("mitm_domains: [m.example.com]"), &["mitm_domains[0]"]);
    bad(&rule("mitm_domains: [{}]"), &["domain"]);
    let with = |keys: &str| {
        rule(&format!(
            "allowed_domains: [m.test], mitm_domains: [{{domain: m.test, {keys}}}]"
        ))
    };
    bad(&with("add_header: {}"), &["add_header", "add_headers"]);
    bad(&with("add_headers: {'X Y': z}"), &["no header name"]);
    // What may be a secret is not shown, in whatever shape it was written.
    for headers in [
        "'Authorization: Bearer s3cret'",
        "['Bearer s3cret']",
        "{Authorization: a, 'Bearer s3cret': x}",
        "{Authorization: [s3cret]}",
        "{Authorization: {Bearer: s3cret}}",
    ] {
        let error = Acl::parse(&with(&format!("add_headers: {headers}")), &[])
            .unwrap_err()
            .to_string();
        assert!(!error.contains("s3cret") && error.starts_with("line "), "{error}");
    }
    bad(&with("add_headers: {X: \"a\\r\\nB: c\"}"), &["'X'", "control"]);
    bad(&with("detailed_http_logs: perhaps"), &["perhaps", "boolean"]);
    bad(&with("detailed_http_logs_full_headers: ['']"), &["header name"]);
}

#[test]
fn disabled_actions_name_the_service_or_the_default() {
    for action in [Action::Open, Action::Report, Action::Enforce] {
        let text = format!("{HEAD}- {{name: svcx, project: p, action: {action}}}\n");
        bad_with(
            &text,
            &[action],
            &["line 3", "svcx", action.as_str(), "--disable-acl-policy-action"],
        );
        let text = format!("version: v1\nservices: []\ndefault: {{project: p, action: {action}}}\n");
        bad_with(&text, &[action], &["line 3", "default", action.as_str()]);
    }
    let report = format!("{HEAD}- {{name: svcx, project: p, action: report}}\n");
    bad_with(&report, &[Action::Open, Action::Report], &["svcx"]);
    assert!(Acl::parse(&report, &[Action::Open, Action::Enforce]).is_ok());
}

#[test]
fn an_action_is_one_of_three_words() {
    for action in [Action::Open, Action::Report, Action::Enforce] {
        assert_eq!(action.to_string().parse(), Ok(action));
    }
    let error = "yolo".parse::<Action>().unwrap_err();
    assert!(
        error.contains("yolo") && error.contains("open, report and enforce"),
        "{error}"
    );
}

#[test]
fn what_may_be_left_out() {
    let acl = acl(
        "version: v1\nservices:\n- {name: a, action: open}\ndefault:\nglobal_deny_list:\nglobal_allow_list: ~\n",
    );
    assert!(!acl.has_default_rule());
    assert!(
        acl.decide(&named("a"), &target("a.test"), ask(PLAIN))
            .denial
            .is_none()
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

#[test]
fn of_several_entries_for_a_host_the_first_counts() {
    let acl = one(
        "action: enforce, allowed_domains: ['*.test', a.b.test, '*.b.test', 10.0.0.1], mitm_domains: [
            {domain: '*.b.test', add_headers: {X-Nth: '1'}},
            {domain: a.b.test, add_headers: {X-Nth: '2'}},
            {domain: '*.test', add_headers: {X-Nth: '3'}},
            {domain: '*.b.test', add_headers: {X-Nth: '4'}},
            {domain: 10.0.0.1, add_headers: {X-Nth: '5'}}]",
        "",
    );
    let acl = acl
        .with_secrets(&|_| Err("nothing is to be read".into()))
        .unwrap();
    let inside = Ask {
        is_inside: true,
        ..ask(Some(Scheme::Https))
    };
    for (host, nth) in [
        ("a.b.test", "1"),
        ("b.test", "3"),
        ("c.test", "3"),
        ("10.0.0.1", "5"),
    ] {
        for ask in [ask(TUNNEL), inside] {
            let terms = acl.decide(&named("authed"), &target(host), ask).terms;
            let interception = terms.interception.unwrap();
            let (name, value) = interception.added().next().unwrap();
            assert_eq!((name, value), ("X-Nth", nth.as_bytes()), "{host}");
        }
        let outside = acl.decide(&named("authed"), &target(host), ask(Some(Scheme::Https)));
        assert!(outside.terms.interception.is_none(), "absolute form is no tunnel");
    }
    let elsewhere = one(
        "action: report, allowed_domains: ['a.test:443'], mitm_domains: [{domain: a.test}]",
        "",
    );
    let other_port = Target::parse(b"a.test:8443", None).unwrap();
    let terms = elsewhere.decide(&named("authed"), &other_port, ask(TUNNEL)).terms;
    assert!(
        terms.interception.is_some() && !terms.is_listed,
        "whatever lets it out"
    );
    let (first, at) = acl.first_intercepted().unwrap();
    assert!(first == "*.b.test" && at.line > 0);
}

#[test]
fn secrets_that_can_not_be_read_are_named_with_their_place() {
    let text = format!(
        "{HEAD}- name: a\n  action: enforce\n  allowed_domains: [m.test]\n  mitm_domains:\n  - domain: m.test\n    \
         add_headers:\n      X-Key: 'a ${{env:KEY}}'\n"
    );
    let acl = Acl::parse(&text, &[]).unwrap();
    let error = acl
        .clone()
        .with_secrets(&|_| Err("it is not set".into()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 9, column 14: the header 'X-Key': ${env:KEY}: it is not set"
    );
    let first = acl.clone().with_secrets(&|_| Ok(b"1".to_vec().into())).unwrap();
    let second = Acl::parse(&text.replace("'a $", "'b $"), &[]).unwrap();
    let changes = first.difference(&second).changes;
    assert_eq!(changes.len(), 1);
    assert_eq!(
        changes[0].text,
        "service 'a': mitm_domains: 'm.test' adds or logs other headers"
    );
    // Lines that moved are no change.
    let moved = Acl::parse(&text.replace("services:", "\nservices:"), &[]).unwrap();
    let read = |value: &'static [u8]| moved.clone().with_secrets(&|_| Ok(value.to_vec().into()));
    assert!(first.difference(&read(b"1").unwrap()).is_empty());
    let changes = first.difference(&read(b"2").unwrap()).changes;
    assert_eq!(
        changes[0].text,
        "service 'a': mitm_domains: 'm.test' adds other values, which were read anew"
    );
    assert!(changes.len() == 1 && !changes[0].opens);
}
