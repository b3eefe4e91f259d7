//! The command line: getopts, fed from the option table. It takes the line apart; what a value means is asked later.

use std::ffi::OsString;

use getopts::{Fail, HasArg, Matches, Occur, Options, ParsingStyle};

use super::error::{ConfigError, quoted};
use super::nearest::{self, Place};
use super::options::{OptionRow, option, options};
use super::source::{Source, Written};
use super::values::Kind;

/// A flag of a command's own, which no option of serving is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnFlag {
    /// It, without dashes.
    pub name: &'static str,
    /// What its value is called; empty for a switch, which takes none.
    pub placeholder: &'static str,
    /// What it does, in one line.
    pub meaning: &'static str,
}

/// Arguments, taken apart.
#[derive(Debug)]
pub(super) struct Parted {
    /// The options of serving.
    pub(super) written: Vec<Written>,
    /// The command's own flags with their values, the last of each; a switch has none.
    pub(super) own: Vec<(&'static str, String)>,
    /// What is no flag.
    pub(super) free: Vec<String>,
}

/// Takes the arguments (without the program's name) apart.
///
/// Errors name an unknown flag, a flag without its value, and whatever is no flag.
pub(super) fn read(arguments: &[OsString]) -> Result<Vec<Written>, ConfigError> {
    let parted = read_beside(&[], arguments)?;
    no_stray(&parted.free)?;
    Ok(parted.written)
}

/// Names the first of what is no flag, where nothing of that kind is taken.
pub(super) fn no_stray(free: &[String]) -> Result<(), ConfigError> {
    match free.first() {
        None => Ok(()),
        Some(stray) => Err(ConfigError::new(format!(
            "unexpected argument '{}': options begin with a dash, and a switch takes its value as in --watch=false",
            stray.escape_debug()
        ))),
    }
}

/// The same for a command (without its name), which has flags of its own and may take what is none.
pub(super) fn read_beside(own: &[OwnFlag], arguments: &[OsString]) -> Result<Parted, ConfigError> {
    for argument in arguments {
        if argument.to_str().is_none() {
            let shown = argument.to_string_lossy();
            return Err(ConfigError::new(format!(
                "argument {} is not UTF-8 text",
                quoted(&shown)
            )));
        }
    }
    let mut grammar = grammar();
    for flag in own {
        let takes_value = match flag.placeholder {
            "" => HasArg::No,
            _ => HasArg::Yes,
        };
        grammar.opt(
            "",
            flag.name,
            flag.meaning,
            flag.placeholder,
            takes_value,
            Occur::Multi,
        );
    }
    let matches = grammar.parse(arguments).map_err(failure)?;
    let rows = options().filter(|row| row.has_flag());
    let given = own.iter().filter(|flag| matches.opt_present(flag.name));
    Ok(Parted {
        written: rows.flat_map(|row| values(row, &matches)).collect(),
        own: given
            .map(|flag| (flag.name, matches.opt_strs(flag.name).pop().unwrap_or_default()))
            .collect(),
        free: matches.free,
    })
}

/// The table as getopts wants it. Go's habits: one dash or two, `--flag=value` or `--flag value`, a switch's value
/// only after `=`, and of several values of one flag the last counts.
fn grammar() -> Options {
    let mut grammar = Options::new();
    grammar.long_only(true).parsing_style(ParsingStyle::FloatingFrees);
    for row in options().filter(|row| row.has_flag()) {
        let takes_value = if row.kind == Kind::Switch {
            HasArg::Maybe
        } else {
            HasArg::Yes
        };
        grammar.opt(
            row.short,
            row.flag,
            row.meaning,
            row.placeholder,
            takes_value,
            Occur::Multi,
        );
    }
    grammar
}

/// The values given to one flag: all of a repeatable one, else the last.
fn values(row: &'static OptionRow, matches: &Matches) -> Vec<Written> {
    let written = |text: String| Written {
        row,
        text,
        source: Source::Flag(row),
    };
    let mut texts = matches.opt_strs_pos(row.flag);
    if row.repeatable {
        return texts.into_iter().map(|(_, text)| written(text)).collect();
    }
    let Some(last) = matches.opt_positions(row.flag).into_iter().max() else {
        return Vec::new();
    };
    let text = match texts.pop() {
        Some((at, text)) if at == last => text,
        _ => "true".to_owned(),
    };
    vec![written(text)]
}

fn failure(fail: Fail) -> ConfigError {
    match fail {
        Fail::UnrecognizedOption(name) => {
            let hint = nearest::hint(Place::Flag, &name).map_or(";".to_owned(), |hint| format!(": {hint}"));
            ConfigError::new(format!(
                "unknown flag --{}{hint} --help lists all flags",
                name.escape_debug()
            ))
        }
        Fail::ArgumentMissing(name) => {
            let accepted = option(&name).map(|row| row.kind.accepts()).unwrap_or_default();
            ConfigError::new(format!("--{name}: a value is missing; accepted is {accepted}"))
        }
        // The grammar neither requires a flag nor forbids repeating or valuing one.
        other => ConfigError::new(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(arguments: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        read(&arguments)
            .map(|all| {
                all.into_iter()
                    .map(|written| (written.row.flag, written.text))
                    .collect()
            })
            .map_err(|error| error.to_string())
    }

    fn one(arguments: &[&str]) -> (&'static str, String) {
        let mut all = given(arguments).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    #[test]
    fn one_dash_or_two_space_or_equals_sign() {
        for arguments in [
            &["--timeout", "3s"][..],
            &["-timeout", "3s"],
            &["--timeout=3s"],
            &["-timeout=3s"],
            &["--timeout=1s", "--timeout", "3s"],
        ] {
            assert_eq!(one(arguments), ("timeout", "3s".to_owned()), "{arguments:?}");
        }
    }

    #[test]
    fn a_value_may_begin_with_a_dash() {
        assert_eq!(
            one(&["--max-request-rate", "-1"]),
            ("max-request-rate", "-1".to_owned())
        );
    }

    #[test]
    fn switches_take_their_value_after_an_equals_sign_only() {
        assert_eq!(
            one(&["--allow-missing-role"]),
            ("allow-missing-role", "true".to_owned())
        );
        assert_eq!(
            one(&["--allow-missing-role=false"]),
            ("allow-missing-role", "false".to_owned())
        );
        assert_eq!(one(&["--watch=false", "--watch"]), ("watch", "true".to_owned()));
        assert_eq!(one(&["--watch", "--watch=false"]), ("watch", "false".to_owned()));
        assert!(
            given(&["--watch", "false"])
                .unwrap_err()
                .contains("unexpected argument 'false'")
        );
    }

    #[test]
    fn help_and_version_have_short_forms() {
        for (argument, flag) in [
            ("-help", "help"),
            ("-h", "help"),
            ("-v", "version"),
            ("-version", "version"),
        ] {
            assert_eq!(one(&[argument]).0, flag, "{argument}");
        }
    }

    #[test]
    fn repeatable_flags_keep_their_order() {
        let all = given(&["--deny-range", "10.0.0.0/8", "-deny-range=::/0"]).unwrap();
        assert_eq!(
            all.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(),
            ["10.0.0.0/8", "::/0"]
        );
    }

    #[test]
    fn what_is_no_flag_is_named() {
        for (arguments, words) in [
            (&["stray"][..], "unexpected argument 'stray'"),
            (&["-"], "unexpected argument '-'"),
            (&["--", "--watch"], "unexpected argument '--watch'"),
            (&["--no-such-flag"], "unknown flag --no-such-flag"),
            (&["-x"], "unknown flag --x"),
            (&["--=x"], "unknown flag --;"),
            (&["-=x"], "unknown flag --;"),
            (&["--é"], "unknown flag --é"),
            (&["--listen-port"], "--listen-port: a value is missing"),
        ] {
            let error = given(arguments).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn arguments_that_are_no_text_are_refused() {
        use std::os::unix::ffi::OsStringExt;
        let error = read(&[OsString::from_vec(b"--deny-range=\xff".to_vec())]).unwrap_err();
        assert!(error.to_string().contains("not UTF-8"), "{error}");
    }
}
