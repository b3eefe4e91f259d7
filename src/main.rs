//! The program: flags to configuration to process to exit code.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use smokescreen::command;
use smokescreen::config::{self, Environment, Start};
use smokescreen::log::{FLUSH_TIMEOUT, Priorities};
use smokescreen::process;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let environment: Environment = std::env::vars_os().collect();
    if let Some(exit_code) = command::run(&args, &environment) {
        return ExitCode::from(exit_code);
    }
    let config = match config::from_process(&args, &environment) {
        Ok(Start::Run(config)) => config,
        Ok(Start::Print(text)) => {
            // Nobody is left to be told that nobody reads.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let log_prefix = config::log_prefix(&args, &environment);
            return fail(&error.to_string(), 2, log_prefix);
        }
    };
    match process::start(&config) {
        Err(error) => fail(&error.text, error.exit_code, config.log_prefix),
        Ok((process, logger)) => {
            let exit_code = process.run();
            logger.flush(FLUSH_TIMEOUT);
            ExitCode::from(exit_code)
        }
    }
}

/// One line for a person, in one write.
fn fail(text: &str, exit_code: u8, log_prefix: Option<bool>) -> ExitCode {
    let mut line = Vec::new();
    Priorities::of(log_prefix).begin(&mut line, log::Level::Error);
    line.extend_from_slice(format!("smokescreen: {text}\n").as_bytes());
    let _ = std::io::stderr().write_all(&line);
    ExitCode::from(exit_code)
}
