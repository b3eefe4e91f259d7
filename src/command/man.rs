//! `man`: the manual page, made from the option table and the table of commands.

use std::ffi::OsString;
use std::fmt::Write as _;

use crate::config::options::GROUPS;
use crate::config::{self, Environment};

use super::{COMMANDS, Command, fail, print};

pub(super) const COMMAND: Command = Command {
    name: "man",
    arguments: "",
    summary: "Prints the manual page, for man(1).",
    text: "\
For `smokescreen man | man -l -`, or /usr/local/share/man/man1/smokescreen.1.
",
    own: &[],
    run,
};

/// Runs it.
fn run(arguments: &[OsString], environment: &Environment) -> u8 {
    match config::command_line(COMMAND.own, arguments, environment) {
        Ok(Some(line)) if line.free.is_empty() => {
            print(&page());
            0
        }
        Ok(Some(_)) => fail("man takes no arguments", 2),
        Ok(None) => {
            print(&COMMAND.help());
            0
        }
        Err(error) => fail(&error.to_string(), 2),
    }
}

const INTRODUCTION: &str = "\
A forward proxy for outgoing HTTP traffic. A request leaves only if the client is known, the ACL allows the host for it, and
the address that will really be dialled is public. Without a command it serves; with one it is asked something, by the same
options, and serves nothing.";

const OPTIONS: &str = "\
Options are taken from flags, then from the environment (lists separated by commas), then from the file named by
--config-file, then from the defaults; ranges, addresses and other repeatable options add up. A flag may have one dash or
two; --flag=false turns a switch off. Durations are written as in Go: 1m30s, 1.5s, 500ms, 0.";

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "PROXY_PASSWORD",
        "password that clients must send (Proxy-Authorization: Basic, any user name)",
    ),
    (
        "PROXY_PASSWORD_FILE",
        "file that holds it instead; SIGHUP reads it again",
    ),
    (
        "RUST_LOG",
        "least important lines to log, where --log-level is not given",
    ),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGHUP",
        "reads ACL, password file, users, certificates, CAs and revocation lists again; what is wrong changes nothing",
    ),
    (
        "SIGTERM, SIGINT, SIGUSR2",
        "lets what is under way end, for --exit-timeout at most; a second one ends it now",
    ),
];

const EXIT: &[(&str, &str)] = &[
    ("0", "after an orderly end"),
    ("1", "a port cannot be had, or this machine fails us"),
    ("2", "the configuration is wrong; one line says where"),
    (
        "3",
        "check: a URL is denied, or a test fails; replay: something changes or is unknown",
    ),
];

/// The whole page. Writing to a `String` cannot fail.
fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(
        ".\\\" Made by `smokescreen man`.\n.TH SMOKESCREEN 1 \"\" \"smokescreen {version}\" \"User Commands\"\n"
    );
    section(&mut page, "NAME");
    page.push_str("smokescreen \\- egress proxy that lets requests out to public addresses only\n");
    section(&mut page, "SYNOPSIS");
    page.push_str(
        ".B smokescreen\n[\\fIoption\\fR]...\n.br\n.B smokescreen\n\\fIcommand\\fR [\\fIoption\\fR]...\n",
    );
    section(&mut page, "DESCRIPTION");
    paragraph(&mut page, INTRODUCTION);
    section(&mut page, "COMMANDS");
    COMMANDS.iter().for_each(|command| describe(&mut page, command));
    section(&mut page, "OPTIONS");
    paragraph(&mut page, OPTIONS);
    for group in GROUPS {
        let _ = writeln!(page, ".SS {}", escaped(group.title));
        for row in group.rows {
            let short = match row.short {
                "" => String::new(),
                short => format!(", \\fB\\-{short}\\fR"),
            };
            let value = value(row.placeholder);
            let _ = writeln!(page, ".TP\n\\fB{}\\fR{short}{value}", escaped(&row.label()));
            paragraph(&mut page, row.meaning);
            let _ = writeln!(page, ".br\n{}", escaped(&config::facts(row).join("; ")));
        }
    }
    for (title, pairs) in [
        ("ENVIRONMENT", ENVIRONMENT),
        ("SIGNALS", SIGNALS),
        ("EXIT STATUS", EXIT),
    ] {
        section(&mut page, title);
        for (name, meaning) in pairs {
            let _ = writeln!(page, ".TP\n\\fB{}\\fR", escaped(name));
            paragraph(&mut page, meaning);
        }
    }
    page
}

fn describe(page: &mut String, command: &Command) {
    let arguments = match command.arguments {
        "" => String::new(),
        arguments => format!(" {}", escaped(arguments)),
    };
    let _ = writeln!(page, ".TP\n\\fB{}\\fR{arguments}", escaped(command.name));
    paragraph(page, command.summary);
    for part in command.text.split("\n\n") {
        page.push_str(".IP\n");
        paragraph(page, part.trim_end());
    }
    for flag in command.own {
        let _ = writeln!(
            page,
            ".IP\n\\fB\\-\\-{}\\fR{}:",
            escaped(flag.name),
            value(flag.placeholder)
        );
        paragraph(page, flag.meaning);
    }
}

fn section(page: &mut String, title: &str) {
    let _ = writeln!(page, ".SH {title}");
}

fn value(placeholder: &str) -> String {
    match placeholder {
        "" => String::new(),
        placeholder => format!(" \\fI{}\\fR", escaped(placeholder)),
    }
}

fn paragraph(page: &mut String, text: &str) {
    for line in text.lines() {
        page.push_str(&escaped(line));
        page.push('\n');
    }
}

/// A text that stands for itself: no backslash, and no point or apostrophe that begins a line, is roff's.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    if text.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::options;

    #[test]
    fn the_page_names_every_option_and_command() {
        let page = page();
        for row in options() {
            assert!(
                page.contains(&format!("\\fB{}\\fR", escaped(&row.label()))),
                "{}",
                row.label()
            );
            assert!(page.contains(&escaped(row.meaning)), "{}", row.label());
        }
        for command in COMMANDS {
            assert!(
                page.contains(&format!("\n.TP\n\\fB{}\\fR", escaped(command.name))),
                "{}",
                command.name
            );
            for flag in command.own {
                assert!(
                    page.contains(&format!("\\fB\\-\\-{}\\fR", escaped(flag.name))),
                    "{}",
                    flag.name
                );
            }
        }
        assert!(
            page.is_ascii() && !page.contains("\n\n"),
            "an empty line is no roff"
        );
    }

    #[test]
    fn text_is_never_roffs() {
        assert_eq!(escaped(".SH x"), "\\&.SH x");
        assert_eq!(escaped("a\\b-c"), "a\\eb\\-c");
    }
}
