//! Which files are an ACL, and what is said of the others, with the place. What must hold of entries to intercept is in
//! `intercepted`.

use super::*;

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
