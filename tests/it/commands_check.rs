//! `check`: its verdicts are those of the proxy with the same options, in its forms and with its exit codes.

use serde_json::Value;

use crate::auth::basic;
use crate::commands::{command, ended};
use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::message::request;
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::{PRIVATE, PUBLIC};

cases![
    a_verdict_is_the_proxys,
    check_tells_what_a_verdict_comes_from,
    check_says_of_a_tunnel_that_it_is_intercepted,
    check_exits_by_the_worst_verdict,
    wrong_uses_of_check_exit_2,
    names_are_not_looked_up_where_nobody_wants_it,
    check_tests_says_a_line_for_each_that_fails,
    a_wrong_file_of_tests_exits_2_with_its_line,
    who_asks_need_not_be_said_where_it_is_plain,
    what_an_upstream_looks_up_is_not_looked_up_here,
];

const ACL: &str = "version: v1
services:
- name: authed
  project: p
  action: enforce
  allowed_domains: ['*.good.test', 'apex.test:8443', 10.1.2.3, 127.0.0.1, 169.254.169.254, gone.test, inside.test]
- {name: watched, project: p, action: report}
default: {name: default, project: p, action: enforce, allowed_domains: [a.good.test]}
global_deny_list: [bad.test]
";

fn dns() -> Dns {
    Dns::start()
        .name("a.good.test", &[PUBLIC])
        .name("inside.test", &[PRIVATE])
        .name("apex.test", &[PUBLIC])
}

fn asked(proxy: &Proxy, authority: &str) -> (bool, String) {
    let credentials = basic("u", PASSWORD) + "\r\n";
    let response = proxy.ask(request("CONNECT", authority, &credentials));
    let code = response.fields.get("X-Smokescreen-Code").unwrap_or_default();
    (response.status == 200, code)
}

fn a_verdict_is_the_proxys() {
    let dns = dns();
    let proxy = Setup::locked().acl(ACL).resolver(&dns).start();
    let authorities = [
        "a.good.test:443",
        "good.test:443",
        "apex.test:443",
        "apex.test:8443",
        "bad.test:443",
        "inside.test:443",
        "gone.test:443",
        "10.1.2.3:443",
        "127.0.0.1:80",
        "169.254.169.254:80",
        "[::1]:443",
        "44.1.2.3:443",
    ];
    let checked = command("check").acl(ACL).resolver(&dns).arg("--json");
    let checked = authorities
        .iter()
        .fold(checked, |checked, authority| checked.arg(*authority))
        .run();
    let verdicts: Vec<Value> = serde_json::from_str(&ended(&checked, 3)).expect("a list");
    assert_eq!(verdicts.len(), authorities.len());
    for (authority, verdict) in authorities.iter().zip(&verdicts) {
        let (is_open, code) = asked(&proxy, authority);
        let said = verdict["code"].as_str().unwrap_or_default();
        match verdict["verdict"].as_str().expect("a word") {
            // Nobody need listen there.
            "allow" => assert!(
                is_open || code == "connect-failed",
                "{authority}: {code}, {verdict}"
            ),
            _ => assert_eq!((is_open, code.as_str()), (false, said), "{authority}: {verdict}"),
        }
    }
}

fn check_tells_what_a_verdict_comes_from() {
    let dns = dns();
    let checked = command("check").acl(ACL).resolver(&dns).arg("--json");
    let path = checked.file("acl.yaml", ACL);
    let finished = checked
        .arg("https://inside.test/x")
        .arg("http://a.good.test")
        .run();
    let verdicts: Value = serde_json::from_str(&ended(&finished, 3)).expect("a list");
    let inside = &verdicts[0];
    assert_eq!(inside["url"], "https://inside.test/x");
    assert_eq!(
        (&inside["role"], &inside["verdict"]),
        (&"authed".into(), &"deny".into())
    );
    assert_eq!(inside["code"], "private-range");
    assert_eq!(inside["addresses"][0]["address"], PRIVATE);
    assert_eq!(inside["addresses"][0]["class"], "Deny: Private Range");
    assert!(inside["hint"].as_str().expect("a hint").contains("unwise"));
    let allowed = &verdicts[1];
    assert_eq!(
        (&allowed["verdict"], &allowed["code"]),
        (&"allow".into(), &Value::Null)
    );
    assert_eq!(allowed["rule"], format!("{path}:6"));
    assert_eq!(allowed["matched"], "*.good.test");
    let text = command("check")
        .acl(ACL)
        .resolver(&dns)
        .arg("https://inside.test/x")
        .run();
    let text = ended(&text, 3);
    assert!(
        text.starts_with("deny  https://inside.test/x  (role authed)\n    code: private-range\n"),
        "{text}"
    );
    assert!(
        text.contains(&format!("    address: {PRIVATE}  Deny: Private Range\n")),
        "{text}"
    );
    let watched = command("check")
        .acl(ACL)
        .resolver(&dns)
        .option("--role", "watched")
        .arg("https://apex.test/")
        .run();
    assert!(ended(&watched, 0).contains("with action enforce it would be denied"));
}

fn check_says_of_a_tunnel_that_it_is_intercepted() {
    let acl = "version: v1
services:
- name: authed
  project: p
  action: enforce
  allowed_domains: ['*.good.test', open.test]
  mitm_domains:
  - domain: '*.good.test'
    add_headers: {Authorization: 'Bearer ${env:CHECK_SECRET}', X-Tenant: hush}
";
    let run = |arguments: &[&str]| {
        let command = command("check").acl(acl).arg("--no-resolve");
        let command = arguments
            .iter()
            .fold(command, |command, argument| command.arg(*argument));
        let text = ended(&command.run(), 0);
        assert!(!text.contains("hush") && !text.contains("Bearer"), "{text}");
        text
    };
    let text = run(&["https://a.good.test/x"]);
    assert!(text.contains("    intercepted: by *.good.test ("), "{text}");
    assert!(text.contains("acl.yaml:8): TLS ends here"), "{text}");
    assert!(
        text.contains("    added inside: Authorization, X-Tenant\n"),
        "{text}"
    );
    let verdicts: Value = serde_json::from_str(&run(&[
        "--json",
        "a.good.test:443",
        "http://a.good.test/",
        "open.test:443",
    ]))
    .expect("a list");
    assert_eq!(verdicts[0]["intercepted"]["matched"], "*.good.test");
    assert_eq!(verdicts[0]["intercepted"]["adds"][1], "X-Tenant");
    for other in 1..3 {
        assert_eq!(verdicts[other]["intercepted"], Value::Null, "{verdicts}");
    }
}

fn check_exits_by_the_worst_verdict() {
    let dns = dns();
    for (urls, code) in [
        (&["https://a.good.test/"][..], 0),
        (&["https://a.good.test/", "https://bad.test/"], 3),
        (&["https://a.good.test/", "https://gone.test/"], 1),
        (&["https://gone.test/", "https://bad.test/"], 3),
        (&["https://gone.test/", "https://u:pw@a.good.test/"], 2),
    ] {
        let checked = command("check").acl(ACL).resolver(&dns);
        let finished = urls.iter().fold(checked, |checked, url| checked.arg(*url)).run();
        assert_eq!(finished.code, Some(code), "{urls:?}: {finished:?}");
    }
    let gone = command("check")
        .acl(ACL)
        .resolver(&dns)
        .arg("https://gone.test/")
        .run();
    assert!(
        ended(&gone, 1).starts_with("unresolved  https://gone.test/"),
        "{gone:?}"
    );
}

fn wrong_uses_of_check_exit_2() {
    for (arguments, word) in [
        (&[][..], "no URL"),
        (&["a.test"], "https://HOST/"),
        (&["http://0x7f.1/"], "0x7f.1"),
        (&["--role"], "--role"),
        (&["--role", "", "http://a.test/"], "--role"),
        (&["--rule", "x", "http://a.test/"], "--rule"),
        (&["--tests", "/none.yaml"], "/none.yaml"),
        (&["--tests", "/none.yaml", "http://a.test/"], "--tests"),
        (
            &["--egress-acl-file", "/none.yaml", "http://a.test/"],
            "/none.yaml",
        ),
    ] {
        let checked = arguments
            .iter()
            .fold(command("check"), |checked, argument| checked.arg(*argument));
        let finished = checked.run();
        assert_eq!(ended(&finished, 2), "", "{arguments:?}");
        assert!(
            finished.stderr.contains(word),
            "{arguments:?}: {}",
            finished.stderr
        );
        assert_eq!(finished.stderr.trim_end().lines().count(), 1);
    }
}

fn names_are_not_looked_up_where_nobody_wants_it() {
    let dns = dns();
    let checked = command("check").acl(ACL).resolver(&dns).arg("--no-resolve");
    let finished = checked
        .arg("https://inside.test/")
        .arg("https://gone.test/")
        .run();
    assert_eq!(
        ended(&finished, 0).matches("allow").count(),
        2 + 2,
        "verdicts and reasons: {finished:?}"
    );
    assert_eq!(dns.asked("inside.test"), 0);
    let literal = command("check")
        .acl(ACL)
        .arg("--no-resolve")
        .arg("http://10.1.2.3/")
        .run();
    assert!(ended(&literal, 3).contains("private-range"));
}

fn check_tests_says_a_line_for_each_that_fails() {
    let dns = dns();
    let tests = "- {url: 'https://a.good.test/', expect: allow}
- {url: 'https://bad.test/', role: authed, expect: deny, code: global-deny-list}
- {url: 'https://gone.test/', expect: deny, code: dns-failed}
- {url: 'http://10.1.2.3/', expect: deny}
";
    let checked = command("check").acl(ACL).resolver(&dns);
    let path = checked.file("tests.yaml", tests);
    let finished = checked.option("--tests", path).run();
    assert_eq!(ended(&finished, 0), "", "{finished:?}");
    let wrong = format!(
        "{tests}- {{url: 'https://bad.test/', expect: allow}}
- {{url: 'https://bad.test/', expect: deny, code: no-rule}}
- {{url: 'https://gone.test/', expect: deny}}
- {{url: 'https://a.good.test/', role: other, expect: deny}}
"
    );
    let checked = command("check").acl(ACL).resolver(&dns);
    let path = checked.file("tests.yaml", &wrong);
    let finished = checked.option("--tests", path.as_str()).run();
    let text = ended(&finished, 3);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for (line, (number, words)) in lines.iter().zip([
        (5, "expected allow, found deny (global-deny-list)"),
        (6, "expected deny (no-rule), found deny (global-deny-list)"),
        (7, "expected deny, found unresolved (dns-failed)"),
        (8, "expected deny, found allow"),
    ]) {
        assert!(
            line.starts_with(&format!("{path}:{number}: ")) && line.contains(words),
            "{line}"
        );
    }
}

fn a_wrong_file_of_tests_exits_2_with_its_line() {
    for (text, place, word) in [
        ("url: x\n", "line 1", "sequence"),
        ("- {url: 'http://a.test/', expect: maybe}\n", "line 1", "maybe"),
        ("- {url: 'http://a.test/'}\n", "line 1", "expect"),
        (
            "- {url: 'http://a.test/', expect: deny, kode: x}\n",
            "line 1",
            "kode",
        ),
        (
            "- {url: 'http://a.test/', expect: deny}\n- {url: 'a.test', expect: deny}\n",
            "tests.yaml:2",
            "HOST",
        ),
        (
            "- {url: 'http://a.test/', expect: deny, code: x}\n",
            "tests.yaml:1",
            "'x'",
        ),
        (
            "- {url: 'http://a.test/', expect: allow, code: no-rule}\n",
            "tests.yaml:1",
            "code",
        ),
    ] {
        let checked = command("check").acl(ACL);
        let path = checked.file("tests.yaml", text);
        let finished = checked.option("--tests", path).run();
        assert_eq!(ended(&finished, 2), "", "{text}");
        let said = &finished.stderr;
        assert!(
            said.contains(place) && said.contains(word) && said.contains("tests.yaml"),
            "{text}: {said}"
        );
    }
}

fn who_asks_need_not_be_said_where_it_is_plain() {
    let nobody = Setup::bare()
        .arg("check")
        .acl(ACL)
        .arg("--no-resolve")
        .arg("https://a.good.test/")
        .run();
    assert!(ended(&nobody, 0).contains("(no role)"), "{nobody:?}");
    let users = Setup::bare().arg("check").acl(ACL);
    let path = users.file("users", "");
    let finished = users
        .option("--users-file", path)
        .arg("https://a.good.test/")
        .run();
    assert_eq!(ended(&finished, 2), "");
    assert!(
        finished.stderr.contains("--role is missing"),
        "{}",
        finished.stderr
    );
}

fn what_an_upstream_looks_up_is_not_looked_up_here() {
    let acl = "version: v1
services:
- {name: authed, action: open, upstream_proxy: 'http://44.1.2.9:3128', upstream_resolves: true}
";
    let dns = dns();
    let checked = command("check").acl(acl).resolver(&dns);
    let finished = checked.arg("https://gone.test/").arg("https://10.1.2.3/").run();
    let text = ended(&finished, 3);
    assert!(text.starts_with("allow  https://gone.test/"), "{text}");
    assert!(
        text.contains("deny  https://10.1.2.3/"),
        "an address is judged all the same: {text}"
    );
    assert_eq!(dns.asked("gone.test"), 0);
}
