//! Commands: the house asked without serving. Each takes the options of serving that concern it, and reads them as serving
//! does.

mod health;
mod table;
mod top;

use std::ffi::OsString;
use std::io::Write as _;

use crate::config::Environment;

/// A command by its name.
type Run = fn(&[OsString], &Environment) -> u8;

/// By their names.
const COMMANDS: &[(&str, Run)] = &[("health", health::run), ("top", top::run)];

/// Runs the command that the first argument names, if it names one, and gives the exit code.
pub fn run(arguments: &[OsString], environment: &Environment) -> Option<u8> {
    let (name, rest) = arguments.split_first()?;
    let (_, run) = COMMANDS.iter().find(|(command, _)| name == command)?;
    Some(run(rest, environment))
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
