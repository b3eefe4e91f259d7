//! The suggested ACL as a file: valid here, sorted, with counts in comments. Nothing that a client chose stands in it but
//! as a quoted string or a name that was understood.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::collapse::{Entry, collapse};
use super::used::{OfRole, Used};

/// The ports that an entry without ports is for.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// The whole file.
pub(super) fn text(used: &Used, min: usize) -> String {
    let mut out = String::from("# Made from a log by `smokescreen suggest`. Read it before you use it.\n");
    let left_out = [
        (used.denied, "denied"),
        (used.nameless, "without a role"),
        (used.unreadable, "that can't be understood"),
        (used.overflowed, "for further hosts"),
    ];
    let left_out = left_out.iter().filter(|(count, _)| *count > 0);
    let left_out: Vec<String> = left_out.map(|(count, what)| format!("{count} {what}")).collect();
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "# Decisions: {}", used.decisions);
    if !left_out.is_empty() {
        let _ = writeln!(out, "# Left out: {}", left_out.join(", "));
    }
    out.push_str("version: v1\n");
    match used.roles.is_empty() {
        true => out.push_str("services: []\n"),
        false => out.push_str("services:\n"),
    }
    for (role, of) in &used.roles {
        service(&mut out, role, of, min);
    }
    out
}

fn service(out: &mut String, role: &str, of: &OfRole, min: usize) {
    let _ = writeln!(out, "- name: {}", quoted(role));
    if !of.project.is_empty() {
        let _ = writeln!(out, "  project: {}", quoted(&of.project));
    }
    let _ = writeln!(out, "  action: enforce");
    let _ = writeln!(out, "  default_ports: [80, 443]");
    let _ = writeln!(out, "  allowed_domains:");
    for (ports, entry) in entries(of, min) {
        let pattern = quoted(&format!("{}{ports}", entry.pattern));
        let _ = write!(out, "  - {pattern}  # {}", requests(entry.count));
        names(out, &entry);
        out.push('\n');
    }
}

fn requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }
}

/// Which names a glob stands for.
fn names(out: &mut String, entry: &Entry) {
    if entry.examples.is_empty() {
        return;
    }
    let word = if entry.names == 1 { "name" } else { "names" };
    let _ = write!(out, " for {} {word}: {}", entry.names, entry.examples.join(", "));
    if let Some(more @ 1..) = entry.names.checked_sub(entry.examples.len()) {
        let _ = write!(out, " and {more} more");
    }
}

/// What the role used, with the ports, as `:PORT,...`, where they are not the default ones. Names come together only with
/// others of the same ports.
fn entries(of: &OfRole, min: usize) -> Vec<(String, Entry)> {
    let mut by_ports: BTreeMap<String, Vec<(&str, u64)>> = BTreeMap::new();
    let mut found = Vec::new();
    for (host, ports) in &of.hosts {
        let count = ports.values().sum();
        let spelled = spelled(ports);
        if host.is_name {
            by_ports.entry(spelled).or_default().push((&host.text, count));
            continue;
        }
        let entry = Entry {
            pattern: host.text.clone(),
            count,
            names: 1,
            examples: Vec::new(),
        };
        found.push((spelled, entry));
    }
    for (ports, names) in by_ports {
        let entries = collapse(&names, min).into_iter();
        found.extend(entries.map(|entry| (ports.clone(), entry)));
    }
    found.sort_by(|(_, a), (_, b)| a.pattern.cmp(&b.pattern));
    found
}

fn spelled(ports: &BTreeMap<u16, u64>) -> String {
    if ports.keys().all(|port| DEFAULT_PORTS.contains(port)) {
        return String::new();
    }
    let ports: Vec<String> = ports.keys().map(u16::to_string).collect();
    format!(":{}", ports.join(","))
}

/// A text in YAML's double quotes; what is not ASCII, or ends a line, is escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            ' '..='~' => out.push(character),
            other => {
                let _ = write!(out, "\\U{:08x}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::reader::read;
    use crate::policy::acl::Acl;

    fn parsed(text: &str) -> Acl {
        Acl::parse(text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn used(lines: &[(&str, &str, &str, bool)]) -> Used {
        let mut used = Used::of(None);
        for (role, host, kind, allow) in lines {
            let role = serde_json::to_string(role).unwrap();
            let line = format!(
                r#"{{"allow":{allow},"msg":"CANONICAL-PROXY-DECISION","project":"p","proxy_type":"{kind}","requested_host":"{host}","role":{role}}}"#
            );
            used.take(read(line.as_bytes()));
        }
        used
    }

    #[test]
    fn what_was_used_and_allowed_is_in_it_with_ports_and_counts() {
        let used = used(&[
            ("ci", "A.example.com:443", "connect", true),
            ("ci", "a.example.com", "http", true),
            ("ci", "b.example.com:8443", "connect", true),
            ("ci", "b.example.com:443", "connect", true),
            ("ci", "44.1.2.3:22", "connect", true),
            ("ci", "[2a00::1]:443", "connect", true),
            ("ci", "[2a00::2]:22", "connect", true),
            ("ci", "denied.example.com:443", "connect", false),
            ("", "x.example.com:443", "connect", true),
            ("ci", "0x7f.1:443", "connect", true),
        ]);
        let text = text(&used, 5);
        parsed(&text);
        assert_eq!(
            text,
            "# Made from a log by `smokescreen suggest`. Read it before you use it.
# Decisions: 10
# Left out: 1 denied, 1 without a role, 1 that can't be understood
version: v1
services:
- name: \"ci\"
  project: \"p\"
  action: enforce
  default_ports: [80, 443]
  allowed_domains:
  - \"44.1.2.3:22\"  # 1 request
  - \"[2a00::1]\"  # 1 request
  - \"[2a00::2]:22\"  # 1 request
  - \"a.example.com\"  # 2 requests
  - \"b.example.com:443,8443\"  # 2 requests
"
        );
    }

    #[test]
    fn names_come_together_with_those_of_the_same_ports() {
        let hosts: Vec<String> = (0..6)
            .map(|n| format!("n{n}.example.com:{}", if n < 5 { 443 } else { 99 }))
            .collect();
        let lines: Vec<_> = hosts
            .iter()
            .map(|host| ("ci", host.as_str(), "connect", true))
            .collect();
        let text = text(&used(&lines), 5);
        let names = "n0.example.com, n1.example.com, n2.example.com and 2 more";
        assert!(
            text.contains(&format!(
                "  - \"*.example.com\"  # 5 requests for 5 names: {names}\n"
            )),
            "{text}"
        );
        assert!(
            text.contains("  - \"n5.example.com:99\"  # 1 request\n"),
            "{text}"
        );
        parsed(&text);
    }

    #[test]
    fn a_roles_name_is_only_a_name() {
        for role in ["a\"b", "x\ny: z", "# no", "é\u{2028}", "true", "\\", "*"] {
            let used = used(&[(role, "a.example.com:443", "connect", true)]);
            let acl = parsed(&text(&used, 5));
            assert_eq!(acl.services(), [role]);
        }
        parsed(&text(&used(&[("ci", "a.example.com:1", "connect", false)]), 5));
    }
}
