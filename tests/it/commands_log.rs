//! `suggest` and `replay`: from a real proxy's log to an ACL that changes nothing, and what other logs and other ACLs come to.

use std::fs::File;

use crate::auth::basic;
use crate::commands::{command, ended};
use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::message::request;
use crate::support::origin::Origin;
use crate::support::program::Finished;
use crate::support::proxy::{PASSWORD, Setup};
use crate::support::{PRIVATE, PUBLIC, eventually};

cases![
    a_days_log_becomes_an_acl_that_changes_nothing,
    logs_of_others_are_read_behind_prefixes,
    replay_says_a_line_for_each_change,
    what_a_line_lacks_is_unknown,
    a_log_without_decisions_is_no_log,
    wrong_uses_of_suggest_and_replay_exit_2,
];

const REPORT: &str = "version: v1
services:
- {name: authed, project: p, action: report}
";

/// A command that reads this log.
fn fed(name: &str, log: &str) -> Setup {
    let setup = command(name);
    let path = setup.file("log", log);
    setup.input(File::open(path).expect("the log"))
}

fn suggested(log: &str) -> String {
    ended(&fed("suggest", log).run(), 0)
}

fn replayed(acl: &str, log: &str) -> Finished {
    let setup = fed("replay", log);
    let path = setup.file("new.yaml", acl);
    setup.option("--acl", path).run()
}

/// What a proxy with these options logs of a day's requests.
fn a_day(format: &str) -> String {
    let origin = Origin::fixed_at(PUBLIC, "hello");
    let port = origin.address().port();
    let dns = Dns::start().name("inside.test", &[PRIVATE]);
    let names: Vec<String> = (0..6).map(|n| format!("n{n}.shop.example.com")).collect();
    let dns = names.iter().fold(dns, |dns, name| dns.name(name, &[PUBLIC]));
    let dns = dns.name("one.example.org", &[PUBLIC]);
    let proxy = Setup::locked()
        .acl(REPORT)
        .resolver(&dns)
        .option("--log-format", format)
        .start();
    let credentials = basic("u", PASSWORD) + "\r\n";
    let hosts =
        names
            .iter()
            .map(String::as_str)
            .chain(["one.example.org", "inside.test", "gone.example.org"]);
    let mut asked = 0;
    for host in hosts {
        let url = format!("http://{host}:{port}/");
        let status = proxy.ask(request("GET", &url, &credentials)).status;
        assert_eq!(
            status == 200,
            !["inside.test", "gone.example.org"].contains(&host),
            "{host}: {status}"
        );
        asked += 1;
    }
    // Somebody whom nobody knows.
    proxy.ask(request("GET", "http://stranger.test/", ""));
    eventually("the lines", || {
        let lines = proxy.log();
        let count = lines
            .iter()
            .filter(|line| line.contains("CANONICAL-PROXY-DECISION"))
            .count();
        (count > asked).then(|| lines.join("\n") + "\n")
    })
}

fn a_days_log_becomes_an_acl_that_changes_nothing() {
    for format in ["text", "json"] {
        let log = a_day(format);
        let acl = suggested(&log);
        assert!(acl.contains("\"*.shop.example.com:"), "{acl}");
        assert!(
            acl.contains("  # 6 requests for 6 names: n0.shop.example.com, "),
            "{acl}"
        );
        assert!(
            acl.contains("\"one.example.org:") && acl.contains("action: enforce"),
            "{acl}"
        );
        assert!(
            !acl.contains("inside.test") && !acl.contains("stranger.test"),
            "{acl}"
        );
        let same = replayed(&acl, &log);
        assert_eq!(ended(&same, 0), "", "{same:?}\n{acl}");
        assert!(same.stderr.contains("nothing changes"), "{}", same.stderr);
        let less = replayed(&acl.replace("shop.example.com", "other.example.com"), &log);
        let text = ended(&less, 3);
        assert_eq!(text.lines().count(), 6, "{text}");
    }
}

/// As Stripe's own binary writes it, and as its wrapper at Fly does.
const OTHERS: &str = r#"2026-11-30T01:26:07Z app[148e4d] fra [info]time="2026-11-30T01:26:07Z" level=info msg=CANONICAL-PROXY-DECISION allow=true decision_reason="rule has report policy" dst_ip=44.1.2.3 dst_port=443 enforce_would_deny=true inbound_remote_addr="10.0.0.9:5000" project=p proxy_type=connect requested_host="API.example.com:443" role=ci start_time="2026-11-30 01:26:07 +0000 UTC" trace_id=
Nov 30 01:26:07 host smokescreen[123]: {"allow":true,"content_length":12,"decision_reason":"host matched allowed domain in rule","enforce_would_deny":false,"level":"info","msg":"CANONICAL-PROXY-DECISION","outbound_remote_addr":"44.1.2.4:80","project":"p","proxy_type":"http","requested_host":"web.example.com","role":"ci","time":"2026-11-30T01:26:07Z"}
<4>time="2026-11-30T01:26:07Z" level=warning msg=CANONICAL-PROXY-DECISION allow=false decision_reason="rule has enforce policy" project=p proxy_type=connect requested_host="no.example.com:443" role=ci
time="2026-11-30T01:26:07Z" level=info msg=CANONICAL-PROXY-CN-CLOSE role=ci requested_host="closed.example.com:443"
some other line
"#;

fn logs_of_others_are_read_behind_prefixes() {
    let acl = suggested(OTHERS);
    for line in [
        "- name: \"ci\"",
        "  - \"api.example.com\"  # 1 request",
        "  - \"web.example.com\"  # 1 request",
    ] {
        assert!(acl.contains(&format!("{line}\n")), "{acl}");
    }
    assert!(
        acl.contains("# Left out: 1 denied\n") && !acl.contains("closed"),
        "{acl}"
    );
    let other = fed("suggest", OTHERS).option("--role", "authed").run();
    assert!(ended(&other, 0).ends_with("services: []\n"), "{other:?}");
    assert!(other.stderr.contains("'authed' was let out nowhere"), "{other:?}");
    let narrow = fed("suggest", OTHERS).option("--min", "2").run();
    assert!(
        ended(&narrow, 0).contains("\"*.example.com\"  # 2 requests for 2 names"),
        "{narrow:?}"
    );
    assert_eq!(ended(&replayed(&acl, OTHERS), 0), "");
}

fn replay_says_a_line_for_each_change() {
    let acl = "version: v1\nservices:\n- name: ci\n  action: enforce\n  allowed_domains: [web.example.com]\n";
    let log = OTHERS.repeat(3);
    let finished = replayed(acl, &log);
    let text = ended(&finished, 3);
    let words: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words.len(), 1, "{text}");
    assert_eq!(
        words[0][..5],
        ["3", "ci", "api.example.com:443", "allow", "deny"],
        "{text}"
    );
    assert!(words[0][5].ends_with("new.yaml:3"), "{text}");
    assert!(
        finished
            .stderr
            .contains("9 decisions: 3 would be denied, 0 allowed, 0 unknown"),
        "{finished:?}"
    );
}

fn what_a_line_lacks_is_unknown() {
    let acl = "version: v1\nservices:\n- {name: ci, action: open}\n";
    let cut = "time=\"x\" level=info msg=CANONICAL-PROXY-DECISION allow=true role=ci requested_host=\"a.te\n";
    let finished = replayed(acl, &format!("{OTHERS}{cut}"));
    let text = ended(&finished, 3);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines.iter().all(|line| line.contains("  unknown  ")), "{text}");
    assert!(
        text.contains("no.example.com:443") && text.contains("can't be understood"),
        "{text}"
    );
    assert!(finished.stderr.contains("0 allowed, 2 unknown"), "{finished:?}");
}

fn a_log_without_decisions_is_no_log() {
    for log in ["", "some text\n"] {
        let suggest = fed("suggest", log).run();
        assert_eq!(ended(&suggest, 1), "");
        let replay = replayed(REPORT, log);
        assert_eq!(ended(&replay, 1), "");
        for finished in [suggest, replay] {
            assert!(
                finished.stderr.contains("CANONICAL-PROXY-DECISION"),
                "{finished:?}"
            );
        }
    }
}

fn wrong_uses_of_suggest_and_replay_exit_2() {
    for (name, arguments, word) in [
        ("suggest", &["--min", "0"][..], "--min"),
        ("suggest", &["--min", "x"], "--min"),
        ("suggest", &["log"], "standard input"),
        ("suggest", &["--roll", "x"], "--roll"),
        ("replay", &[], "--acl"),
        ("replay", &["--acl", "/none.yaml"], "/none.yaml"),
        ("replay", &["--acl", "/none.yaml", "log"], "standard input"),
    ] {
        let setup = fed(name, OTHERS);
        let finished = arguments
            .iter()
            .fold(setup, |setup, argument| setup.arg(*argument))
            .run();
        assert_eq!(ended(&finished, 2), "", "{name} {arguments:?}");
        assert!(
            finished.stderr.contains(word),
            "{name} {arguments:?}: {}",
            finished.stderr
        );
    }
    let setup = fed("replay", OTHERS);
    let path = setup.file("wrong.yaml", "version: v1\nservices: []\nglobal_deny_lits: [a]\n");
    let finished = setup.option("--acl", path).run();
    assert_eq!(ended(&finished, 2), "");
    assert!(
        finished.stderr.contains("wrong.yaml: line 3"),
        "{}",
        finished.stderr
    );
}
