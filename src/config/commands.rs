//! What commands take of the options of serving. They are read as serving reads them, but need not be enough to serve.

use std::ffi::OsString;
use std::path::PathBuf;

use super::environment::Environment;
use super::error::ConfigError;
use super::flags;
use super::settings::Settings;
use super::source::Written;
use super::table::clients::{LISTEN_IP, LISTEN_PORT};
use super::table::operation::{HELP, STATS_SOCKET_DIR};
use super::telemetry::{AdminConfig, admin};

/// Where it can be found out whether the proxy is well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The port where that can be asked, if there is one.
    pub admin: Option<AdminConfig>,
    /// Where the proxy listens; `None` is any address.
    pub listen_ip: Option<String>,
    /// And its port; 0 is any free one.
    pub listen_port: u16,
}

/// What `health` needs; `None` where help was asked for.
///
/// # Errors
/// What can't be parsed.
pub fn probe(arguments: &[OsString], environment: &Environment) -> Result<Option<Probe>, ConfigError> {
    let Some(settings) = settings(arguments, environment)? else {
        return Ok(None);
    };
    Ok(Some(Probe {
        admin: admin(&settings)?,
        listen_ip: settings.optional(LISTEN_IP)?,
        listen_port: settings.value(LISTEN_PORT)?,
    }))
}

/// Where statistics sockets are made; `None` where help was asked for, and none inside where nothing says it.
///
/// # Errors
/// What can't be parsed.
pub fn stats_folder(
    arguments: &[OsString],
    environment: &Environment,
) -> Result<Option<Option<PathBuf>>, ConfigError> {
    match settings(arguments, environment)? {
        Some(settings) => settings.optional(STATS_SOCKET_DIR).map(Some),
        None => Ok(None),
    }
}

fn settings(arguments: &[OsString], environment: &Environment) -> Result<Option<Settings>, ConfigError> {
    let flags = flags::read(arguments)?;
    let asks_for_help = |written: &Written| HELP.is(written.row) && !matches!(&*written.text, "false" | "0");
    match flags.iter().any(asks_for_help) {
        true => Ok(None),
        false => Settings::collect(flags, environment).map(Some),
    }
}
