//! `completions`: what a shell needs to complete flags, their words and commands, made from the option table and the table
//! of commands.

use std::ffi::OsString;
use std::fmt::Write as _;

use crate::config::options::{Kind, OptionRow, options};
use crate::config::{self, Environment};

use super::{COMMANDS, Command, fail, print};

pub(super) const COMMAND: Command = Command {
    name: "completions",
    arguments: "bash|zsh|fish",
    summary: "Prints what a shell needs to complete commands and options.",
    text: "\
bash: `smokescreen completions bash > /etc/bash_completion.d/smokescreen`
zsh:  `smokescreen completions zsh > DIR/_smokescreen`, with DIR in $fpath
fish: `smokescreen completions fish > ~/.config/fish/completions/smokescreen.fish`
",
    own: &[],
    run,
};

/// Makes the text for a shell.
type Text = fn() -> String;

/// Shells, and what makes their text.
const SHELLS: &[(&str, Text)] = &[("bash", bash), ("zsh", zsh), ("fish", fish)];

/// Runs it.
fn run(arguments: &[OsString], environment: &Environment) -> u8 {
    let line = match config::command_line(COMMAND.own, arguments, environment) {
        Ok(Some(line)) => line,
        Ok(None) => {
            print(&COMMAND.help());
            return 0;
        }
        Err(error) => return fail(&error.to_string(), 2),
    };
    let shell = match line.free.as_slice() {
        [shell] => SHELLS.iter().find(|(name, _)| shell == name),
        _ => None,
    };
    match shell {
        Some((_, text)) => {
            print(&text());
            0
        }
        None => fail("completions takes one shell: bash, zsh or fish", 2),
    }
}

/// What completes the value of a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    /// There is none to write.
    None,
    /// One of these.
    Words(&'static [&'static str]),
    /// A path.
    Path,
    /// Anything.
    Free,
}

/// A flag, whoever has it.
struct Flag {
    name: &'static str,
    short: &'static str,
    meaning: &'static str,
    placeholder: &'static str,
    values: Values,
}

impl Flag {
    fn of(row: &'static OptionRow) -> Flag {
        Flag {
            name: row.flag,
            short: row.short,
            meaning: row.meaning,
            placeholder: row.placeholder,
            values: match row.kind {
                Kind::Switch => Values::None,
                Kind::Choice(words) => Values::Words(words),
                Kind::File | Kind::Path => Values::Path,
                _ => Values::Free,
            },
        }
    }
}

/// The options of serving.
fn serving() -> impl Iterator<Item = Flag> {
    options().filter(|row| row.has_flag()).map(Flag::of)
}

/// A command's own flags.
fn own(command: &Command) -> impl Iterator<Item = Flag> {
    command.own.iter().map(|flag| Flag {
        name: flag.name,
        short: "",
        meaning: flag.meaning,
        placeholder: flag.placeholder,
        values: match flag.placeholder {
            "" => Values::None,
            "FILE" | "NEW" => Values::Path,
            _ => Values::Free,
        },
    })
}

fn every() -> impl Iterator<Item = Flag> {
    serving().chain(COMMANDS.iter().flat_map(own))
}

fn names(flags: impl Iterator<Item = Flag>) -> String {
    let names: Vec<String> = flags.map(|flag| format!("--{}", flag.name)).collect();
    names.join(" ")
}

fn command_names() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    names.join(" ")
}

/// Writing to a `String` cannot fail, here and below.
fn bash() -> String {
    let mut out = String::from(
        "# bash completion of smokescreen, made by `smokescreen completions bash`
_smokescreen() {
    local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" own=\"\"
    COMPREPLY=()
    case \"$previous\" in
",
    );
    let mut paths = Vec::new();
    let mut free = Vec::new();
    for flag in every() {
        match flag.values {
            Values::None => {}
            Values::Path => paths.push(format!("--{}", flag.name)),
            Values::Free => free.push(format!("--{}", flag.name)),
            Values::Words(words) => {
                let words = words.join(" ");
                let _ = writeln!(
                    out,
                    "    --{}) COMPREPLY=($(compgen -W \"{words}\" -- \"$current\")); return ;;",
                    flag.name
                );
            }
        }
    }
    for (flags, does) in [
        (paths, "COMPREPLY=($(compgen -f -- \"$current\")); return"),
        (free, "return"),
    ] {
        let _ = writeln!(out, "    {}) {does} ;;", flags.join("|"));
    }
    out.push_str("    esac\n    case \"${COMP_WORDS[1]}\" in\n");
    for command in COMMANDS.iter().filter(|command| !command.own.is_empty()) {
        let _ = writeln!(out, "    {}) own=\"{}\" ;;", command.name, names(own(command)));
    }
    let shells: Vec<&str> = SHELLS.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(out, "    {}) own=\"{}\" ;;", COMMAND.name, shells.join(" "));
    let _ = write!(
        out,
        "    esac
    if [[ $COMP_CWORD -eq 1 && $current != -* ]]; then
        COMPREPLY=($(compgen -W \"{}\" -- \"$current\"))
    else
        COMPREPLY=($(compgen -W \"$own {}\" -- \"$current\"))
    fi
}}
complete -F _smokescreen smokescreen
",
        command_names(),
        names(serving())
    );
    out
}

fn zsh() -> String {
    let mut out = String::from(
        "#compdef smokescreen
# zsh completion of smokescreen, made by `smokescreen completions zsh`
_smokescreen() {
    local -a commands serving own
    commands=(
",
    );
    for command in COMMANDS {
        let _ = writeln!(out, "        '{}:{}'", command.name, zsh_text(command.summary));
    }
    out.push_str("    )\n    serving=(\n");
    serving().for_each(|flag| zsh_flag(&mut out, &flag));
    out.push_str("    )\n    case $words[2] in\n");
    for command in COMMANDS.iter().filter(|command| !command.own.is_empty()) {
        let _ = writeln!(out, "    {})\n        own=(", command.name);
        own(command).for_each(|flag| zsh_flag(&mut out, &flag));
        out.push_str("        ) ;;\n");
    }
    let shells: Vec<&str> = SHELLS.iter().map(|(name, _)| *name).collect();
    let _ = write!(
        out,
        "    {}) own=('2:shell:({})') ;;
    esac
    _arguments $serving $own '1: :{{_describe command commands}}' '*: :_files'
}}
_smokescreen \"$@\"
",
        COMMAND.name,
        shells.join(" ")
    );
    out
}

fn zsh_flag(out: &mut String, flag: &Flag) {
    let action = match flag.values {
        Values::None => String::new(),
        Values::Words(words) => format!(":{}:({})", zsh_text(flag.placeholder), words.join(" ")),
        Values::Path => format!(":{}:_files", zsh_text(flag.placeholder)),
        Values::Free => format!(":{}: ", zsh_text(flag.placeholder)),
    };
    let _ = writeln!(
        out,
        "        '*--{}[{}]{action}'",
        flag.name,
        zsh_text(flag.meaning)
    );
}

/// A text within quotes, brackets and colons.
fn zsh_text(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\'' => out.push_str("'\\''"),
            '[' | ']' | ':' | '\\' => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    out
}

fn fish() -> String {
    let mut out = String::from(
        "# fish completion of smokescreen, made by `smokescreen completions fish`
complete -c smokescreen -f
",
    );
    for command in COMMANDS {
        let (name, summary) = (command.name, fish_text(command.summary));
        let _ = writeln!(
            out,
            "complete -c smokescreen -n __fish_use_subcommand -a {name} -d '{summary}'"
        );
    }
    serving().for_each(|flag| fish_flag(&mut out, "", &flag));
    for command in COMMANDS {
        let when = format!(" -n '__fish_seen_subcommand_from {}'", command.name);
        own(command).for_each(|flag| fish_flag(&mut out, &when, &flag));
    }
    let shells: Vec<&str> = SHELLS.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(
        out,
        "complete -c smokescreen -n '__fish_seen_subcommand_from {}' -a '{}'",
        COMMAND.name,
        shells.join(" ")
    );
    out
}

fn fish_flag(out: &mut String, when: &str, flag: &Flag) {
    let short = match flag.short {
        "" => String::new(),
        short => format!(" -s {short}"),
    };
    let values = match flag.values {
        Values::None => String::new(),
        Values::Words(words) => format!(" -x -a '{}'", words.join(" ")),
        Values::Path => " -r -F".to_owned(),
        Values::Free => " -x".to_owned(),
    };
    let meaning = fish_text(flag.meaning);
    let _ = writeln!(
        out,
        "complete -c smokescreen{when} -l {}{short}{values} -d '{meaning}'",
        flag.name
    );
}

fn fish_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_told_every_option_and_command() {
        for (shell, text) in SHELLS {
            let text = text();
            for flag in every() {
                let spelled = match *shell {
                    "fish" => format!("-l {}", flag.name),
                    _ => format!("--{}", flag.name),
                };
                assert!(text.contains(&spelled), "{shell}: {}", flag.name);
            }
            for command in COMMANDS {
                assert!(text.contains(command.name), "{shell}: {}", command.name);
            }
        }
    }

    #[test]
    fn texts_end_no_quotes() {
        assert_eq!(zsh_text("it's [a:b]"), "it'\\''s \\[a\\:b\\]");
        assert_eq!(fish_text("it's \\"), "it\\'s \\\\");
    }
}
