//! What commands take of the options of serving. They are read as serving reads them, but need not be enough to serve.

use std::ffi::OsString;
use std::path::PathBuf;

use super::checks;
use super::environment::Environment;
use super::error::ConfigError;
use super::flags::{self, OwnFlag, Parted};
use super::password;
use super::settings::Settings;
use super::source::Written;
use super::table::clients::{LISTEN_IP, LISTEN_PORT, REUSE_PORT};
use super::table::operation::{HELP, STATS_SOCKET_DIR};
use super::telemetry::{AdminConfig, admin};
use super::{Config, build};

/// Where it can be found out whether the proxy is well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The port where that can be asked, if there is one.
    pub admin: Option<AdminConfig>,
    /// Where the proxy listens; `None` is any address.
    pub listen_ip: Option<String>,
    /// And its port; 0 is any free one.
    pub listen_port: u16,
    /// Other instances may listen there too, one of which has the port for asking.
    pub reuse_port: bool,
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
        reuse_port: settings.value(REUSE_PORT)?,
    }))
}

/// A command's line: its own flags, what is no flag, and the options of serving.
pub struct CommandLine<'e> {
    /// What is no flag, in its order.
    pub free: Vec<String>,
    own: Vec<(&'static str, String)>,
    settings: Settings,
    environment: &'e Environment,
}

impl CommandLine<'_> {
    /// The value of one of the command's own flags, if it was given; of a switch, an empty one.
    pub fn own(&self, name: &str) -> Option<&str> {
        let given = self.own.iter().find(|(flag, _)| *flag == name);
        given.map(|(_, value)| value.as_str())
    }

    /// Where statistics sockets are made, if anything says it.
    ///
    /// # Errors
    /// What can't be parsed.
    pub fn stats_folder(&self) -> Result<Option<PathBuf>, ConfigError> {
        self.settings.optional(STATS_SOCKET_DIR)
    }

    /// What is no flag, where the command takes nothing of that kind.
    ///
    /// # Errors
    /// There is something.
    pub fn no_more(&self) -> Result<(), ConfigError> {
        flags::no_stray(&self.free)
    }

    /// What serving would be told by the same options, but that it need not tell clients apart.
    ///
    /// # Errors
    /// As for [`super::from_process`].
    pub fn config(&self) -> Result<Config, ConfigError> {
        checks::check(&self.settings)?;
        let (password, password_file) = password::read(self.environment)?;
        build(&self.settings, self.environment, (password, password_file))
    }
}

/// Takes the line of a command apart that has these flags of its own; `None` where help was asked for.
///
/// # Errors
/// What can't be parsed.
pub fn command_line<'e>(
    own: &[OwnFlag],
    arguments: &[OsString],
    environment: &'e Environment,
) -> Result<Option<CommandLine<'e>>, ConfigError> {
    let Parted { written, own, free } = flags::read_beside(own, arguments)?;
    if asks_for_help(&written) {
        return Ok(None);
    }
    Ok(Some(CommandLine {
        free,
        own,
        settings: Settings::collect(written, environment)?,
        environment,
    }))
}

fn settings(arguments: &[OsString], environment: &Environment) -> Result<Option<Settings>, ConfigError> {
    let flags = flags::read(arguments)?;
    match asks_for_help(&flags) {
        true => Ok(None),
        false => Settings::collect(flags, environment).map(Some),
    }
}

fn asks_for_help(flags: &[Written]) -> bool {
    let asks = |written: &Written| HELP.is(written.row) && !matches!(&*written.text, "false" | "0");
    flags.iter().any(asks)
}
