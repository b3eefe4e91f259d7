//! Commands: the house asked without serving. Each takes the options of serving that concern it, and reads them as serving
//! does.

mod check;
mod check_config;
mod completions;
mod health;
mod lines;
mod man;
mod replay;
mod suggest;
mod table;
mod top;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::config::{Environment, OwnFlag};

/// What runs a command: its arguments and the environment to an exit code.
type Run = fn(&[OsString], &Environment) -> u8;

/// A command, as help, manual and completions know it.
struct Command {
    /// What it is called by.
    name: &'static str,
    /// What follows the name in a line of usage.
    arguments: &'static str,
    /// What it does, in one line.
    summary: &'static str,
    /// What more there is to say of it, in lines for a terminal.
    text: &'static str,
    /// The flags that it has beside the options of serving.
    own: &'static [OwnFlag],
    run: Run,
}

/// All of them, by their names.
const COMMANDS: &[Command] = &[
    check::COMMAND,
    check_config::COMMAND,
    completions::COMMAND,
    health::COMMAND,
    man::COMMAND,
    replay::COMMAND,
    suggest::COMMAND,
    top::COMMAND,
];

/// Runs the command that the first argument names, if it names one, and gives the exit code.
pub fn run(arguments: &[OsString], environment: &Environment) -> Option<u8> {
    let (name, rest) = arguments.split_first()?;
    let command = COMMANDS.iter().find(|command| name == command.name)?;
    Some((command.run)(rest, environment))
}

impl Command {
    /// The text of its `--help`.
    fn help(&self) -> String {
        let mut text = format!("Usage: smokescreen {}", self.name);
        for part in [self.arguments, "[OPTION]..."] {
            if !part.is_empty() {
                text.push(' ');
                text.push_str(part);
            }
        }
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n\n{}\n\n{}", self.summary, self.text);
        for (at, flag) in self.own.iter().enumerate() {
            let gap = if at == 0 { "\n" } else { "" };
            let value = if flag.placeholder.is_empty() { "" } else { " " };
            let _ = writeln!(text, "{gap}  --{}{value}{}", flag.name, flag.placeholder);
            let _ = writeln!(text, "      {}", flag.meaning);
        }
        text
    }
}

/// Says why something did not go well; gives the exit code.
fn fail(text: &str, exit_code: u8) -> u8 {
    // Nobody is left to be told that nobody reads.
    let _ = writeln!(std::io::stderr(), "smokescreen: {text}");
    exit_code
}

/// Writes to standard output; false where nobody reads it.
fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::option;

    #[test]
    fn commands_are_in_order_and_their_flags_are_no_options_of_serving() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
        for command in COMMANDS {
            for flag in command.own {
                assert!(option(flag.name).is_none(), "{} --{}", command.name, flag.name);
            }
        }
    }

    #[test]
    fn help_fits_a_terminal_and_names_every_flag() {
        for command in COMMANDS {
            let help = command.help();
            assert!(help.starts_with(&format!("Usage: smokescreen {}", command.name)));
            assert!(help.lines().all(|line| line.len() <= 130), "{help}");
            assert!(help.ends_with('\n') && !help.contains("\n\n\n"), "{help:?}");
            for flag in command.own {
                assert!(help.contains(&format!("\n  --{}", flag.name)), "{help}");
            }
        }
    }
}
