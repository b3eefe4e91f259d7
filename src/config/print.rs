//! The text of `--print-config`: the effective configuration as YAML that can be loaded again, each value with a note
//! where it comes from. Passwords are not in it.

use std::fmt::Write;

use crate::text::one_line;

use super::options::{OptionRow, options};
use super::settings::Settings;
use super::source::{Given, Source};
use super::values::{Kind, Value};

/// The settings as YAML.
pub(super) fn text(settings: &Settings, password_is_set: bool) -> String {
    let mut text = String::from("# the effective configuration of smokescreen\n");
    text.push_str(if password_is_set {
        "# proxy password: set, not shown\n"
    } else {
        "# proxy password: not set\n"
    });
    let mut in_tls = false;
    for row in options().filter(|row| row.has_key()) {
        let key = row.key();
        let given = settings.all(row);
        let Some(inner) = key.strip_prefix("tls.") else {
            entry(&mut text, "", &key, row, given);
            continue;
        };
        if !given.is_empty() && !in_tls {
            text.push_str("tls:\n");
            in_tls = true;
        }
        if in_tls {
            entry(&mut text, "  ", inner, row, given);
        } else {
            entry(&mut text, "", &key, row, &[]);
        }
    }
    text
}

/// One key. Writing to a `String` cannot fail.
fn entry(text: &mut String, indent: &str, key: &str, row: &OptionRow, given: &[Given]) {
    let _ = match given {
        [] if row.repeatable => writeln!(text, "# {indent}{key}: []"),
        [] => writeln!(text, "# {indent}{key}: {}", note(row)),
        [one] if !row.repeatable && row.kind != Kind::SourceRoles => {
            writeln!(
                text,
                "{indent}{key}: {}  # {}",
                scalar(row, one),
                origin(&one.source)
            )
        }
        several => writeln!(text, "{indent}{key}:").and_then(|()| {
            several
                .iter()
                .try_for_each(|one| match one.text.split_once(": ") {
                    Some((range, role)) if row.kind == Kind::SourceRoles => {
                        writeln!(
                            text,
                            "{indent}- {{cidr: {}, role: {}}}  # {}",
                            quote(range),
                            quote(role),
                            origin(&one.source)
                        )
                    }
                    _ => writeln!(text, "{indent}- {}  # {}", scalar(row, one), origin(&one.source)),
                })
        }),
    };
}

fn note(row: &OptionRow) -> String {
    if row.default_note.is_empty() {
        "not set".to_owned()
    } else {
        format!("not set: {}", row.default_note)
    }
}

fn origin(source: &Source) -> String {
    match source {
        Source::Default(_) => "default".to_owned(),
        Source::File { file, at, .. } => one_line::without_controls(&format!("{file}, line {}", at.line)),
        other => other.to_string(),
    }
}

/// A value as a YAML scalar: quoted unless it is a switch, a number or a duration, which no reader takes for another.
fn scalar(row: &OptionRow, given: &Given) -> String {
    match (&given.value, row.kind) {
        (Value::Switch(on), _) => on.to_string(),
        (_, Kind::FileMode) => quote(&given.text),
        (Value::Number(_) | Value::Fraction(_) | Value::Duration(_), _) => given.text.clone(),
        (Value::ProxyUrl(url), _) => quote(&url.to_string()),
        (
            Value::Text(_)
            | Value::Socket(_)
            | Value::Rule(_)
            | Value::SourceRole(_)
            | Value::Nat64Prefix(_)
            | Value::Ports(_),
            _,
        ) => quote(&given.text),
    }
}

/// A double-quoted YAML scalar (YAML 1.2.2, section 7.3.1).
fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // Line separators and byte order marks are printable to Rust, but not to YAML.
            _ if c.is_control()
                || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') =>
            {
                quoted.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked() {
        let row = options().find(|row| row.kind == Kind::ProxyUrl).unwrap();
        for (url, shown) in [
            ("http://user:p@ss@proxy:3128", "\"http://***@proxy:3128\""),
            ("http://proxy:3128/", "\"http://proxy:3128\""),
        ] {
            let given = Given {
                text: url.to_owned(),
                value: row.kind.parse(url).unwrap(),
                source: Source::Default(row),
            };
            assert_eq!(scalar(row, &given), shown);
        }
    }

    #[test]
    fn quoting_leaves_nothing_to_misread() {
        assert_eq!(quote("a\"b\\c\n\t\u{2028}"), r#""a\"b\\c\n\t\u2028""#);
        assert_eq!(quote("off # no: comment"), "\"off # no: comment\"");
    }
}
