//! The texts of `--help` and `--version`, made from the option table.

use std::fmt::Write;

use super::options::{GROUPS, Kind, OptionRow};

const USAGE: &str = "\
Usage: smokescreen [options]
       smokescreen COMMAND [options]

A forward proxy for outgoing HTTP traffic. A request leaves only if the client is known, the ACL allows the host for
it, and the address that will really be dialled is public.

Options are taken from flags, then from the environment (lists separated by commas), then from the file named by
--config-file, then from the defaults; ranges, addresses and other repeatable options add up. A flag may have one dash
or two; --flag=false turns a switch off. Durations are written as in Go: 1m30s, 1.5s, 500ms, 0.
";

const COMMANDS: &str = "\
Commands (each has its own --help, and takes the options of serving that concern it)
  check         would the proxy let these URLs out, and why?
  check-config  would serving start? Reads all files, binds nothing
  completions   what a shell needs to complete options: bash, zsh, fish
  health        does the proxy take clients?
  man           the manual page
  replay        what would another ACL have changed? Reads a log
  suggest       makes an ACL out of a log
  top           tunnels of a running proxy by their rate
";

const ENVIRONMENT: &str = "\
Environment only
  PROXY_PASSWORD       password that clients must send (Proxy-Authorization: Basic, any user name)
  PROXY_PASSWORD_FILE  file that holds it instead
  RUST_LOG             least important lines to log, where --log-level is not given

Exit codes: 0 after an orderly end, 1 when a port cannot be had or this machine fails us, 2 when the configuration is wrong.
";

/// The text of `--help`.
pub(super) fn text() -> String {
    let mut text = format!("{USAGE}\n{COMMANDS}");
    for group in GROUPS {
        text.push('\n');
        text.push_str(group.title);
        text.push('\n');
        for row in group.rows {
            describe(&mut text, row);
        }
    }
    text.push('\n');
    text.push_str(ENVIRONMENT);
    text
}

/// The text of `--version`.
pub(super) fn version() -> String {
    format!("smokescreen version {}\n", env!("CARGO_PKG_VERSION"))
}

/// One option: its spellings, what it does, its default. Writing to a `String` cannot fail.
fn describe(text: &mut String, row: &OptionRow) {
    let short = if row.short.is_empty() {
        String::new()
    } else {
        format!(", -{}", row.short)
    };
    let value = if row.placeholder.is_empty() {
        String::new()
    } else {
        format!(" {}", row.placeholder)
    };
    let _ = writeln!(text, "  {}{short}{value}", row.label());
    let not_built = if row.not_built {
        " (not available in this version)"
    } else {
        ""
    };
    let _ = writeln!(text, "      {}{not_built}", row.meaning);
    let _ = writeln!(text, "      {}", facts(row).join("; "));
}

/// What else is to be said of an option: words, default, its other spellings.
pub fn facts(row: &OptionRow) -> Vec<String> {
    let mut facts = Vec::new();
    if let Kind::Choice(words) = row.kind {
        facts.push(format!("one of {}", words.join(", ")));
    }
    let default = match (row.default_note, row.default) {
        ("", "") => "none",
        ("", "false") => "off",
        ("", value) => value,
        (note, _) => note,
    };
    facts.push(format!("default: {default}"));
    if row.has_environment() {
        facts.push(format!("environment: {}", row.environment()));
    }
    if row.has_key() {
        facts.push(format!("file: {}", row.key()));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::super::options::options;
    use super::*;

    #[test]
    fn help_names_every_option_with_meaning_default_and_environment() {
        let help = text();
        for row in options() {
            assert!(help.contains(&format!("  {}", row.label())), "{}", row.label());
            assert!(help.contains(row.meaning), "{}", row.meaning);
            assert!(help.contains(row.default), "{}", row.default);
            if row.has_environment() {
                assert!(help.contains(&row.environment()), "{}", row.environment());
            }
        }
        assert!(
            help.lines().all(|line| line.len() <= 160),
            "a line is too long for a terminal"
        );
    }

    #[test]
    fn version_is_one_line() {
        assert_eq!(
            version(),
            format!("smokescreen version {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
}
