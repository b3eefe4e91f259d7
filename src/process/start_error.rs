//! Why the program does not start, for a person and as an exit code.

use std::fmt::Display;
use std::io;

/// Why the program does not start.
#[derive(Debug)]
pub struct StartError {
    /// One line for a person.
    pub text: String,
    /// 2: the configuration; 1: this machine.
    pub exit_code: u8,
}

impl StartError {
    pub(super) fn config(text: impl Display) -> StartError {
        StartError {
            text: text.to_string(),
            exit_code: 2,
        }
    }

    pub(super) fn machine(what: &str, error: &io::Error) -> StartError {
        StartError {
            text: format!("{what}: {error}"),
            exit_code: 1,
        }
    }
}
