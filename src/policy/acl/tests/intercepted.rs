//! `mitm_domains`: which tunnels are to be intercepted, by which entry, and which entries and secrets are refused. What
//! is done inside such a tunnel is the session's.

use super::*;

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
