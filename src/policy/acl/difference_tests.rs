//! Which changes are told, in which words and order, and which are worth a warning.

use super::*;

fn acl(text: &str) -> Acl {
    Acl::parse(text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What changes from one text to the other; what opens something has a `!` before it.
fn told(older: &str, newer: &str) -> Vec<String> {
    let difference = acl(older).difference(&acl(newer));
    assert_eq!((difference.untold, difference.untold_opening), (0, 0));
    assert_eq!(difference.len(), difference.changes.len());
    let mark = |change: &Change| format!("{}{}", if change.opens { "! " } else { "" }, change.text);
    difference.changes.iter().map(mark).collect()
}

#[test]
fn entries_are_told_by_name() {
    let older = "version: v1\nservices:\n- {name: a, project: p, action: report}\n- {name: b, action: open}\n\
                 - {name: c, action: open}\ndefault: {action: enforce}\nglobal_deny_list: [a.test, '*.keep.test']\n";
    let newer = "version: v1\nservices:\n\
                 - {name: a, project: q, action: enforce, allowed_domains: [y.test, '*.x.test', 10.0.0.1]}\n\
                 - {name: c, action: open}\n- {name: d, action: enforce}\ndefault: {action: enforce}\n\
                 global_deny_list: [b.test, '*.keep.test']\nglobal_allow_list: [c.test]\n";
    assert_eq!(
        told(older, newer),
        [
            "! global_deny_list: 'a.test' removed",
            "global_deny_list: 'b.test' added",
            "global_allow_list: 'c.test' added",
            "service 'a': action report -> enforce",
            "service 'a': project 'p' -> 'q'",
            "service 'a': allowed_domains: 'y.test' added",
            "service 'a': allowed_domains: '*.x.test' added",
            "service 'a': allowed_domains: '10.0.0.1' added",
            "service 'b' removed (was open)",
            "service 'd' added (enforce, 0 allowed_domains)",
        ]
    );
    assert!(told(older, older).is_empty());
    assert!(acl(older).difference(&acl(older)).is_empty());
}

const ENFORCING: &str = "version: v1\nservices:\n- {name: a, action: enforce, allowed_domains: [one.test]}\n\
                         default: {action: enforce}\nglobal_deny_list: ['*.internal', evil.test]\n";

#[test]
fn what_goes_before_a_deny_entry_opens_it() {
    for (domains, expected) in [
        (
            "one.test, db.internal",
            &["! service 'a': allowed_domains: 'db.internal' added"][..],
        ),
        (
            "one.test, '*.test'",
            &["! service 'a': allowed_domains: '*.test' added"],
        ),
        (
            "one.test, two.test",
            &["service 'a': allowed_domains: 'two.test' added"],
        ),
        (
            "'*.internal'",
            &[
                "! service 'a': allowed_domains: '*.internal' added",
                "service 'a': allowed_domains: 'one.test' removed",
            ],
        ),
    ] {
        let newer = ENFORCING.replace("one.test]", &format!("{domains}]"));
        assert_eq!(told(ENFORCING, &newer), expected);
    }
    let newer = ENFORCING.replace(
        "default:",
        "- {name: b, action: enforce, allowed_domains: [evil.test]}\ndefault:",
    );
    assert_eq!(
        told(ENFORCING, &newer),
        ["! service 'b' added (enforce, 1 allowed_domains)"]
    );
}

#[test]
fn an_action_that_lets_more_out_opens() {
    let newer = ENFORCING.replacen("enforce", "report", 1);
    assert_eq!(
        told(ENFORCING, &newer),
        ["! service 'a': action enforce -> report"]
    );
    assert_eq!(told(&newer, ENFORCING), ["service 'a': action report -> enforce"]);
    let lax = ENFORCING.replace("default: {action: enforce}", "default: {action: open}");
    assert_eq!(
        told(ENFORCING, &lax),
        ["! the default rule: action enforce -> open"]
    );
    // Whoever loses a service falls to the default rule.
    let without = lax.replace(
        "- {name: a, action: enforce, allowed_domains: [one.test]}\n",
        "[]\n",
    );
    let without = without.replace("services:\n[]", "services: []");
    assert_eq!(told(&lax, &without), ["! service 'a' removed (was enforce)"]);
    assert_eq!(
        told(&without, &lax),
        ["service 'a' added (enforce, 1 allowed_domains)"]
    );
    let none = without.replace("default: {action: open}\n", "");
    assert_eq!(told(&without, &none), ["the default rule removed (was open)"]);
    assert_eq!(
        told(&none, &without),
        ["! the default rule added (open, 0 allowed_domains)"]
    );
}

/// Whoever loses a service may go where the default rule lets its own, which it lists past an entry that denies.
#[test]
fn what_falls_to_a_default_rule_with_more_entries_opens() {
    let acl = |default: &str, services: &str| {
        format!(
            "version: v1\nservices: [{services}]\ndefault: {{action: enforce, {default}}}\nglobal_deny_list: ['*.internal']\n"
        )
    };
    let service = "{name: a, action: enforce, allowed_domains: [db.internal]}";
    for (default, opens) in [
        ("allowed_domains: [db.internal]", false),
        ("allowed_domains: [one.test]", false),
        ("allowed_domains: [web.internal]", true),
        ("allowed_domains: ['*.internal']", true),
        ("allow_private: [{cidr: 10.0.0.0/8}]", true),
        ("insecure_skip_verify: true", true),
    ] {
        let said = told(&acl(default, service), &acl(default, ""));
        let mark = if opens { "! " } else { "" };
        assert_eq!(
            said,
            [format!("{mark}service 'a' removed (was enforce)")],
            "{default}"
        );
    }
}

#[test]
fn what_falls_to_a_default_rule_that_looks_less_closely_opens() {
    let acl = |services: &str| format!("version: v1\nservices: [{services}]\ndefault: {{action: enforce}}\n");
    for (own, opens) in [
        ("default_ports: [443]", true),
        ("verify_sni: enforce", true),
        ("verify_sni: report", false),
    ] {
        let said = told(&acl(&format!("{{name: a, action: enforce, {own}}}")), &acl(""));
        let mark = if opens { "! " } else { "" };
        assert_eq!(
            said,
            [format!("{mark}service 'a' removed (was enforce)")],
            "{own}"
        );
    }
}

#[test]
fn twenty_are_told_and_the_rest_counted_warnings_first() {
    let list = |name: &str, from: usize, to: usize| {
        let entries: Vec<String> = (from..to).map(|n| format!("h{n:03}.test")).collect();
        format!("{name}: [{}]\n", entries.join(", "))
    };
    let head = "version: v1\nservices: []\n";
    let older = format!(
        "{head}{}{}",
        list("global_deny_list", 0, 15),
        list("global_allow_list", 0, 5)
    );
    let newer = format!("{head}{}", list("global_allow_list", 100, 200));
    let difference = acl(&older).difference(&acl(&newer));
    assert_eq!(difference.changes.len(), CHANGES_TOLD_MAX);
    assert_eq!(
        (difference.untold, difference.untold_opening, difference.len()),
        (100, 0, 120)
    );
    let texts: Vec<&str> = difference.changes.iter().map(|change| &*change.text).collect();
    assert!(difference.changes.iter().take(15).all(|change| change.opens));
    assert_eq!(texts[0], "global_deny_list: 'h000.test' removed");
    assert_eq!(texts[15], "global_allow_list: 'h000.test' removed");

    let older = format!("{head}{}", list("global_deny_list", 0, 100));
    let difference = acl(&older).difference(&acl(head));
    assert_eq!((difference.untold, difference.untold_opening), (80, 80));
    assert_eq!(
        difference.changes[19].text,
        "global_deny_list: 'h019.test' removed"
    );
}

#[test]
fn a_rule_that_verifies_server_names_no_more_opens_something() {
    let rule = |verify: &str| format!("version: v1\nservices:\n- {{name: a, action: open{verify}}}\n");
    for (older, newer, expected) in [
        (
            ", verify_sni: enforce",
            ", verify_sni: report",
            "! service 'a': verify_sni enforce -> report",
        ),
        (
            ", verify_sni: enforce",
            "",
            "! service 'a': verify_sni enforce -> unset",
        ),
        (
            ", verify_sni: off",
            ", verify_sni: enforce",
            "service 'a': verify_sni off -> enforce",
        ),
        ("", ", verify_sni: off", "service 'a': verify_sni unset -> off"),
    ] {
        assert_eq!(told(&rule(older), &rule(newer)), [expected]);
    }
}
