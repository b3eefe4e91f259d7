//! Entries with ports, and `default_ports`: what they let out and deny, what is said of it, and what is refused.

use crate::policy::Grounds;

use super::tests::{DEFAULT, ENFORCED, IN_ALLOW, IN_DENY, IN_RULE, OPEN, bad as refused};
use super::*;

const ACL: &str = "version: v1
services:
- name: git
  action: enforce
  allowed_domains:
  - github.com:22
  - '*.example.com:443,8000-8999'
  - '[2001:db8::1]:443'
  - anyport.test
- name: web
  action: enforce
  default_ports: [443, 8000-8999]
  allowed_domains: [plain.test, 'ssh.test:22', '*.ssh.test', '10.0.0.1']
- {name: lax, action: open}
default:
  action: enforce
  default_ports: ['80']
  allowed_domains: [fallback.test]
global_deny_list: ['denied.test', 'mail.test:25,465']
global_allow_list: [everybody.test, 'proxy.test:3128']
";

fn acl(text: &str) -> Acl {
    let acl = Acl::parse(text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
    acl.named("acl.yaml")
}

fn whole() -> Acl {
    acl(ACL)
}

const ASK: Ask<'static> = Ask {
    scheme: None,
    external_proxy: None,
    is_inside: false,
};

fn target(to: &str) -> Target {
    Target::parse(to.as_bytes(), None).unwrap()
}

fn answer(acl: &Acl, role: &str, to: &str) -> Answer {
    acl.decide(&Role::Named(role.into()), &target(to), ASK)
}

/// What it is denied for.
fn denied_for(acl: &Acl, role: &str, to: &str) -> Grounds {
    assert!(answer(acl, role, to).denial.is_some(), "{role} {to}");
    acl.grounds(&Role::Named(role.into()), &target(to), ASK)
}

#[test]
fn ports_are_part_of_what_an_entry_matches() {
    let acl = whole();
    for (role, to, allows, reason) in [
        ("git", "github.com:22", true, IN_RULE),
        ("git", "GitHub.com.:22", true, IN_RULE),
        ("git", "github.com:443", false, ENFORCED),
        ("git", "github.com:2222", false, ENFORCED),
        ("git", "x.github.com:22", false, ENFORCED),
        ("git", "a.b.example.com:443", true, IN_RULE),
        ("git", "a.example.com:8000", true, IN_RULE),
        ("git", "a.example.com:8999", true, IN_RULE),
        ("git", "a.example.com:9000", false, ENFORCED),
        ("git", "example.com:443", false, ENFORCED),
        ("git", "[2001:db8::1]:443", true, IN_RULE),
        ("git", "[2001:db8:0::1]:443", true, IN_RULE),
        ("git", "[2001:db8::1]:80", false, ENFORCED),
        ("git", "anyport.test:1", true, IN_RULE),
        ("git", "anyport.test:65535", true, IN_RULE),
        // A list of the whole counts at its ports alone, denying or allowing.
        ("git", "mail.test:25", false, IN_DENY),
        ("lax", "mail.test:465", false, IN_DENY),
        ("lax", "mail.test:80", true, OPEN),
        ("lax", "denied.test:1", false, IN_DENY),
        ("git", "proxy.test:3128", true, IN_ALLOW),
        ("git", "proxy.test:3129", false, ENFORCED),
        ("git", "everybody.test:9", true, IN_ALLOW),
        // default_ports: of entries that allow and have no ports of their own; never of those that deny.
        ("web", "plain.test:443", true, IN_RULE),
        ("web", "plain.test:8500", true, IN_RULE),
        ("web", "plain.test:80", false, ENFORCED),
        ("web", "ssh.test:22", true, IN_RULE),
        ("web", "ssh.test:443", false, ENFORCED),
        ("web", "x.ssh.test:443", true, IN_RULE),
        ("web", "x.ssh.test:22", false, ENFORCED),
        ("web", "10.0.0.1:443", true, IN_RULE),
        ("web", "[::ffff:10.0.0.1]:80", false, ENFORCED),
        ("web", "everybody.test:443", true, IN_ALLOW),
        ("web", "everybody.test:80", false, ENFORCED),
        ("web", "proxy.test:3128", true, IN_ALLOW),
        ("web", "denied.test:80", false, IN_DENY),
        ("nobody", "fallback.test:80", true, IN_RULE),
        ("nobody", "fallback.test:443", false, DEFAULT),
    ] {
        let answer = answer(&acl, role, to);
        assert_eq!(
            (answer.denial.is_none(), &*answer.decision.reason),
            (allows, reason),
            "{role} {to}"
        );
    }
}

#[test]
fn where_only_the_port_is_wrong_the_hint_says_which_entry_has_others() {
    let acl = whole();
    for (role, to, rule, hint) in [
        (
            "git",
            "github.com:443",
            "acl.yaml:3",
            "github.com:443 in allowed_domains of service 'git'; 'github.com:22' (acl.yaml:6) in allowed_domains of \
             service 'git' is for other ports",
        ),
        (
            "git",
            "a.example.com:80",
            "acl.yaml:3",
            "a.example.com:80 in allowed_domains of service 'git'; '*.example.com:443,8000-8999' (acl.yaml:7) in \
             allowed_domains of service 'git' is for other ports",
        ),
        (
            "git",
            "[2001:db8::1]:80",
            "acl.yaml:3",
            "[2001:db8::1]:80 in allowed_domains of service 'git'; '[2001:db8::1]:443' (acl.yaml:8) in allowed_domains \
             of service 'git' is for other ports",
        ),
        (
            "git",
            "proxy.test:80",
            "acl.yaml:3",
            "proxy.test:80 in allowed_domains of service 'git'; 'proxy.test:3128' (acl.yaml:20) in global_allow_list is \
             for other ports",
        ),
        (
            "web",
            "plain.test:80",
            "acl.yaml:10",
            "plain.test:80 in allowed_domains of service 'web'; 'plain.test' (acl.yaml:13) in allowed_domains of \
             service 'web' is for default_ports, 443,8000-8999",
        ),
        (
            "nobody",
            "fallback.test:443",
            "acl.yaml:15",
            "fallback.test:443 in allowed_domains of the default rule; 'fallback.test' (acl.yaml:18) in allowed_domains \
             of the default rule is for default_ports, 80",
        ),
        // Nothing is for the host: an entry without ports would do, unless that says nothing of this port.
        (
            "git",
            "other.test:80",
            "acl.yaml:3",
            "other.test in allowed_domains of service 'git'",
        ),
        (
            "web",
            "other.test:443",
            "acl.yaml:10",
            "other.test in allowed_domains of service 'web'",
        ),
        (
            "web",
            "other.test:80",
            "acl.yaml:10",
            "other.test:80 in allowed_domains of service 'web'",
        ),
        (
            "web",
            "mail.test:25",
            "acl.yaml:19",
            "mail.test:25 in allowed_domains of service 'web'",
        ),
    ] {
        let grounds = denied_for(&acl, role, to);
        assert_eq!((&*grounds.rule, &*grounds.hint), (rule, hint), "{role} {to}");
        let (entry, _) = hint.split_once(" in ").unwrap();
        let keys = format!("{role}, action: enforce, allowed_domains: ['{entry}']");
        let ports = if role == "web" {
            ", default_ports: [443, 8000-8999]"
        } else {
            ""
        };
        let mended = Acl::parse(
            &format!("version: v1\nservices: [{{name: {keys}{ports}}}]\n"),
            &[],
        )
        .unwrap();
        assert!(
            self::answer(&mended, role, to).denial.is_none(),
            "{hint} would do"
        );
    }
    let grounds = denied_for(&acl, "lax", "mail.test:25");
    assert_eq!(
        (&*grounds.rule, &*grounds.matched),
        ("acl.yaml:19", "mail.test:25,465")
    );
}

#[test]
fn bad_ports_are_refused_with_place_and_what_is_accepted() {
    let entry = |entry: &str| {
        format!(
            "version: v1\nservices:\n- name: a\n  action: enforce\n  allowed_domains:\n  - ok.test\n  - '{entry}'\n"
        )
    };
    const ACCEPTED: &str = "accepted are ports from 1 to 65535 and ranges of them";
    for (bad, words) in [
        ("a.test:0", ["'0' is no port", ACCEPTED]),
        ("a.test:65536", ["'65536' is no port", ACCEPTED]),
        ("a.test:", ["'a.test:' ends before its ports", ACCEPTED]),
        ("a.test:443,", ["'' is no port", ACCEPTED]),
        ("a.test:https", ["'https' is no port", ACCEPTED]),
        ("a.test:9000-8000", ["'9000-8000' goes down", "write '8000-9000'"]),
        (
            "a.test:443,440-450",
            ["port 443 is listed twice", "once is enough"],
        ),
        (
            "*:443",
            ["'*:443' would match everything", "accepted are a host name"],
        ),
    ] {
        refused(
            &entry(bad),
            &[
                "line 7, column 5: services[0].allowed_domains[1]",
                words[0],
                words[1],
            ],
        );
    }
    let keys = |keys: &str| format!("version: v1\nservices:\n- name: a\n  action: enforce\n  {keys}\n");
    for (bad, words) in [
        (
            "default_ports: []",
            ["column 18", "the list of ports is empty", ACCEPTED],
        ),
        (
            "default_ports:",
            [
                "services[0].default_ports",
                "the list of ports is empty",
                ACCEPTED,
            ],
        ),
        (
            "default_ports: 443",
            [
                "column 18",
                "a list of ports and ranges such as [443, 8000-8999]",
                "",
            ],
        ),
        (
            "default_ports: {}",
            ["column 18", "a list of ports and ranges", ""],
        ),
        ("default_ports: [0]", ["column 18", "'0' is no port", ACCEPTED]),
        (
            "default_ports: [443, 443]",
            ["column 18", "port 443 is listed twice", ""],
        ),
        (
            "default_ports: [443, '90-80']",
            ["column 18", "'90-80' goes down", "write '80-90'"],
        ),
        (
            "default_port: [443]",
            ["column 3", "default_port", "did you mean `default_ports`"],
        ),
    ] {
        refused(&keys(bad), &["line 5", words[0], words[1], words[2]]);
    }
    // Where entries say something else than hosts at ports.
    for bad in [
        "allowed_external_proxies: ['p.test:3128']",
        "allowed_domains: [m.test]\n  mitm_domains: [{domain: 'm.test:443'}]",
    ] {
        refused(
            &keys(bad),
            &["has ports, which are accepted in allowed_domains and the global lists alone"],
        );
    }
    Acl::parse(
        &keys("allowed_domains: ['m.test:443']\n  mitm_domains: [{domain: m.test}]"),
        &[],
    )
    .unwrap();
}

#[test]
fn a_port_more_or_less_is_told() {
    let acl = |keys: &str, rest: &str| {
        acl(&format!(
            "version: v1\nservices:\n- {{name: a, action: enforce{keys}}}\n{rest}"
        ))
    };
    for (older, newer, rest, expected) in [
        (", default_ports: [443]", ", default_ports: [443]", "", &[][..]),
        (
            ", default_ports: [443]",
            "",
            "",
            &["! service 'a': default_ports 443 -> any"],
        ),
        (
            "",
            ", default_ports: [443, 80-90]",
            "",
            &["service 'a': default_ports any -> 443,80-90"],
        ),
        (
            ", default_ports: [443]",
            ", default_ports: [80]",
            "",
            &["! service 'a': default_ports 443 -> 80"],
        ),
        (
            ", default_ports: [80, 443]",
            ", default_ports: [80]",
            "",
            &["service 'a': default_ports 80,443 -> 80"],
        ),
        (
            ", allowed_domains: ['x.test:22']",
            ", allowed_domains: ['x.test:22,80', 'y.test']",
            "global_deny_list: ['x.test:80']\n",
            &[
                "! service 'a': allowed_domains: 'x.test:22,80' added",
                "service 'a': allowed_domains: 'x.test:22' removed",
                "service 'a': allowed_domains: 'y.test' added",
            ],
        ),
    ] {
        let difference = acl(older, rest).difference(&acl(newer, rest));
        let told = difference.changes.iter();
        let told: Vec<String> = told
            .map(|change| format!("{}{}", if change.opens { "! " } else { "" }, change.text))
            .collect();
        assert_eq!(told, expected);
    }
}
