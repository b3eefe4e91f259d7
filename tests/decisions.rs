//! Holds what the ACL says to what it said before entries could have ports: `tests/decisions/table.txt` has ACLs without
//! them, drawn by a seed, and the answers that commit 3b42b11 gave. An ACL that somebody wrote then must mean the same now.
//!
//! The table was made by that commit with this file in it, but for `Ask`, which had `tunnel: form == "CONNECT"` for its
//! `scheme`: `DECISIONS_WRITE=PATH cargo test --test decisions`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

use std::fmt::Write as _;

use smokescreen::net::{Scheme, Target};
use smokescreen::policy::acl::Acl;
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::{Ask, Network, Policy, PolicyParts, Role};

const TABLE: &str = include_str!("decisions/table.txt");

/// Stands before each ACL of the table; its cases follow it, each behind a `|`.
const ACL_LINE: &str = "=== ACL";

const ACLS: usize = 48;
const CASES_OF_EACH: usize = 12;

const ROLES: [&str; 4] = ["ci", "web", "authed", "nobody"];
const ACTIONS: [&str; 3] = ["open", "report", "enforce"];
const GLOBS: [&str; 12] = [
    "a.test",
    "*.a.test",
    "b.a.test",
    "*.b.a.test",
    "*.test",
    "other.example",
    "*.internal",
    "xn--bcher-kva.example",
    "_dns.a.test",
    "203.0.113.7",
    "2001:db8::7",
    "[2001:db8::8]",
];
const HOSTS: [&str; 14] = [
    "a.test",
    "A.Test.",
    "b.a.test",
    "c.b.a.test",
    "x.y.c.b.a.test",
    "nota.test",
    "test",
    "db.internal",
    "internal",
    "bücher.example",
    "203.0.113.7",
    "[2001:db8::7]",
    "[2001:DB8:0::8]",
    "[::ffff:203.0.113.7]",
];
const PORTS: [u16; 5] = [22, 80, 443, 8443, 65535];

/// Draws numbers; xorshift, as any other would do.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn some<'a>(&mut self, of: &[&'a str], most: usize) -> Vec<&'a str> {
        (0..self.below(most + 1)).map(|_| *self.one(of)).collect()
    }
}

fn list(globs: &[&str]) -> String {
    let quoted: Vec<String> = globs.iter().map(|glob| format!("'{glob}'")).collect();
    format!("[{}]", quoted.join(", "))
}

fn rule(dice: &mut Dice, name: &str, indent: &str, text: &mut String) {
    let action = dice.one(&ACTIONS);
    let domains = dice.some(&GLOBS, 4);
    let proxies = dice.some(&GLOBS[..2], 1);
    writeln!(
        text,
        "name: {name}\n{indent}project: p-{name}\n{indent}action: {action}"
    )
    .unwrap();
    writeln!(text, "{indent}allowed_domains: {}", list(&domains)).unwrap();
    writeln!(text, "{indent}allowed_external_proxies: {}", list(&proxies)).unwrap();
    if let (Some(domain), 0) = (domains.first(), dice.below(3)) {
        writeln!(text, "{indent}mitm_domains: [{{domain: '{domain}'}}]").unwrap();
    }
}

fn acl(dice: &mut Dice) -> String {
    let mut text = "version: v1\nservices:\n".to_owned();
    let services = dice.below(4);
    for name in ROLES.iter().take(services) {
        text.push_str("- ");
        rule(dice, name, "  ", &mut text);
    }
    if services == 0 {
        text = "version: v1\nservices: []\n".to_owned();
    }
    if dice.below(6) > 0 {
        text.push_str("default:\n  ");
        rule(dice, "default", "  ", &mut text);
    }
    writeln!(text, "global_deny_list: {}", list(&dice.some(&GLOBS, 3))).unwrap();
    writeln!(text, "global_allow_list: {}", list(&dice.some(&GLOBS, 3))).unwrap();
    text
}

/// Role, authority, form, proxy.
fn case(dice: &mut Dice) -> [String; 4] {
    let role = match dice.below(6) {
        0 => "",
        _ => dice.one(&ROLES),
    };
    let authority = format!("{}:{}", dice.one(&HOSTS), dice.one(&PORTS));
    let form = dice.one(&["CONNECT", "http"]);
    let proxy = match dice.below(15) {
        0 => "http://a.test:3128",
        1 => "http://b.a.test",
        _ => "",
    };
    [role, &authority, form, proxy].map(str::to_owned)
}

fn policy(acl: &str) -> Policy {
    Policy::new(PolicyParts {
        acl: Some(Acl::parse(acl, &[]).unwrap_or_else(|error| panic!("{error} in\n{acl}"))),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, Vec::new()),
        password: None,
        allow_missing_role: true,
        network: Network::Any,
    })
}

fn answer(policy: &Policy, [role, authority, form, proxy]: [&str; 4]) -> String {
    let role = match role {
        "" => Role::Missing,
        name => Role::Named(name.into()),
    };
    let target = Target::parse(authority.as_bytes(), None).expect("a target");
    let ask = Ask {
        scheme: (form == "http").then_some(Scheme::Http),
        external_proxy: Some(proxy.as_bytes()).filter(|proxy| !proxy.is_empty()),
        is_inside: false,
    };
    let (verdict, intercepts, decision) = match policy.decide(&role, target, ask) {
        Ok(allowed) => ("allow", allowed.intercepts(), allowed.decision().clone()),
        Err(denied) => ("deny", false, denied.decision),
    };
    format!(
        "{verdict}|{}|{}|would deny: {}|intercepts: {intercepts}",
        decision.project, decision.reason, decision.enforce_would_deny
    )
}

/// The table as this code would fill it.
fn table() -> String {
    let mut dice = Dice(0x3b42_b115_eed0_0001);
    let mut text = String::new();
    for n in 1..=ACLS {
        let acl = acl(&mut dice);
        writeln!(text, "{ACL_LINE} {n}\n{acl}").unwrap();
        let policy = policy(&acl);
        for _ in 0..CASES_OF_EACH {
            let case = case(&mut dice);
            let answer = answer(&policy, case.each_ref().map(String::as_str));
            writeln!(text, "|{}|{answer}", case.join("|")).unwrap();
        }
    }
    text
}

#[test]
fn what_was_decided_before_entries_had_ports_is_decided_still() {
    if let Ok(path) = std::env::var("DECISIONS_WRITE") {
        std::fs::write(path, table()).expect("the table is written");
        return;
    }
    let mut cases = 0;
    for block in TABLE.split(ACL_LINE).skip(1) {
        let (_, block) = block.split_once('\n').expect("a number");
        let (asked, acl): (Vec<&str>, Vec<&str>) = block.lines().partition(|line| line.starts_with('|'));
        let policy = policy(&acl.join("\n"));
        for line in asked {
            let parts: Vec<&str> = line.splitn(6, '|').skip(1).collect();
            let [role, authority, form, proxy, expected] = parts[..] else {
                panic!("{line}");
            };
            assert_eq!(
                answer(&policy, [role, authority, form, proxy]),
                expected,
                "{line} by\n{}",
                acl.join("\n")
            );
            cases += 1;
        }
    }
    assert_eq!(cases, ACLS * CASES_OF_EACH);
}
