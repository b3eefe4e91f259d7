//! `check-config`: would serving start? Reads everything that serving would read, by the same code, and binds nothing.

use std::ffi::OsString;

use crate::config::{self, Environment, Start};
use crate::process;

use super::{Command, fail, print};

pub(super) const COMMAND: Command = Command {
    name: "check-config",
    arguments: "",
    summary: "Reads everything that serving would read, with the same options, and says whether it is right.",
    text: "\
Flags, environment, the configuration file and every file that they name: ACL, users, password, certificates, keys, CAs and
revocation lists. Nothing is bound or connected to. For ExecReload= and CI; what would be worth a warning at start goes to
standard error.

Exits with 0 where serving would start, as far as files can tell, and with 2 and the line that it would print where not.
",
    own: &[],
    run,
};

/// Runs it.
fn run(arguments: &[OsString], environment: &Environment) -> u8 {
    let config = match config::from_process(arguments, environment) {
        Ok(Start::Run(config)) => config,
        Ok(Start::Print(_)) => {
            print(&COMMAND.help());
            return 0;
        }
        Err(error) => return fail(&error.to_string(), 2),
    };
    match process::check(&config) {
        Ok(warnings) => {
            for warning in warnings {
                fail(&format!("warning: {warning}"), 0);
            }
            print("The configuration is right\n");
            0
        }
        Err(error) => fail(&error.text, error.exit_code),
    }
}
