//! Flags, environment and file become one [`Config`], or an error in one line. Nothing is bound, connected or logged
//! here; of files, the configuration and the password are read, the others only tried.
//!
//! [`options`] is the one table everything is driven by. `flags`, `environment` and `file` take their text apart,
//! `values` understands single values, `settings` decides which count, `checks` looks at them together.

mod checks;
mod environment;
mod error;
mod file;
mod flags;
mod help;
mod nearest;
pub mod options;
mod password;
mod print;
mod settings;
mod source;
mod table;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::net::Network;
pub use environment::Environment;
pub use error::ConfigError;
pub use password::PasswordFile;
pub use values::SizeRange;

use crate::log::{Format, Levels};
use crate::policy::acl::Action;
use crate::policy::auth::Password;
use crate::policy::ranges::PlacedRule;
use settings::Settings;

/// Everything the program is told at start, understood and range-checked; of the ACL, where it is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address (without brackets) or host name to listen on; `None` is any, IPv6 and IPv4 on one socket.
    pub listen_ip: Option<String>,
    /// Port to listen on; 0 is any free one.
    pub listen_port: u16,
    /// Longest wait for a connection to a destination; zero is the kernel's limit.
    pub connect_timeout: Duration,
    /// Longest wait for the resolver, never zero.
    pub dns_timeout: Duration,
    /// A tunnel without a byte either way ends after this; zero is never.
    pub idle_timeout: Duration,
    /// How long open tunnels may go on at shutdown.
    pub exit_timeout: Duration,
    /// Time between "not ready" and closing the listener at shutdown.
    pub drain_delay: Duration,
    /// Longest time for a request's head, never zero.
    pub read_header_timeout: Duration,
    /// Longest pause while reading a body; zero is no limit.
    pub read_timeout: Duration,
    /// Longest pause while writing; zero is no limit.
    pub write_timeout: Duration,
    /// Largest head of a message, in bytes, 1 KiB to 16 MiB.
    pub head_bytes_max: usize,
    /// Most header fields of a message, 1 to 1024.
    pub head_fields_max: usize,
    /// Ranges and addresses to deny, ranges first.
    pub deny: Vec<PlacedRule>,
    /// Ranges and addresses to allow, ranges first.
    pub allow: Vec<PlacedRule>,
    /// Treat RFC 1918 and fc00::/7 as public; nothing else changes.
    pub unsafe_allow_private_ranges: bool,
    /// Where the ACL comes from.
    pub acl: AclSource,
    /// Actions an ACL may not use.
    pub disable_acl_policy_actions: Vec<Action>,
    /// Follows every error text of ours; may be empty.
    pub deny_message_extra: String,
    /// Status of a denied request: 407 or 403.
    pub deny_status: u16,
    /// The status line of a denied request says why.
    pub deny_explicit: bool,
    /// DNS servers to ask, in order; empty is the system's resolver.
    pub resolver_addresses: Vec<SocketAddr>,
    /// Address families to connect to.
    pub network: Network,
    /// Longest time a DNS answer is reused; zero is never.
    pub dns_cache_ttl: Duration,
    /// Serve clients without credentials too.
    pub allow_missing_role: bool,
    /// Most client connections at a time; 0 is to be derived from the descriptor limit.
    pub max_connections: u64,
    /// Most kept-alive connections to origins.
    pub transport_max_idle_conns: usize,
    /// Most kept-alive connections to one origin.
    pub transport_max_idle_conns_per_host: usize,
    /// Form of the log lines.
    pub log_format: Format,
    /// Least important lines to log: `--log-level`, or what counts of `RUST_LOG`, else info.
    pub log_levels: Levels,
    /// What clients must send; `None` only where something else identifies them or nothing has to.
    pub password: Option<Password>,
    /// Where the password was read, if from a file: to be read again.
    pub password_file: Option<PasswordFile>,
}

/// Where the ACL comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AclSource {
    /// This file, which could be opened a moment ago.
    File(PathBuf),
    /// The copy of `acl.yaml` in the program: the default with a password.
    BuiltIn,
    /// None: every host is allowed, only addresses are judged. Worth a warning.
    Absent,
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Start {
    /// Run a proxy.
    Run(Box<Config>),
    /// Write this text, which ends with a line feed, to stdout and exit with code 0.
    Print(String),
}

/// Makes a configuration from the arguments (without the program's name), the environment and the file they name.
///
/// # Errors
/// The first of: what cannot be parsed, values that do not fit together, files that cannot be read, features that
/// are not built yet, a password that cannot be read, no way to identify a client.
pub fn from_process(arguments: &[OsString], environment: &Environment) -> Result<Start, ConfigError> {
    let flags = flags::read(arguments)?;
    // Help must be had even where environment or file are broken.
    for written in &flags {
        match (written.row.flag, written.text.as_str()) {
            (_, "false" | "0") => {}
            ("help", _) => return Ok(Start::Print(help::text())),
            ("version", _) => return Ok(Start::Print(help::version())),
            _ => {}
        }
    }
    let settings = Settings::collect(flags, environment)?;
    checks::check(&settings)?;
    let (password, password_file) = password::read(environment)?;
    if settings.switch("print-config")? {
        return Ok(Start::Print(print::text(&settings, password.is_some())));
    }
    identification(&settings, password.as_ref())?;
    let log_levels = log_levels(&settings, environment);
    let config = build(&settings, password, password_file, log_levels)?;
    Ok(Start::Run(Box::new(config)))
}

/// A proxy that could tell no client from another would refuse every request: it does not start.
fn identification(settings: &Settings, password: Option<&Password>) -> Result<(), ConfigError> {
    let identified = password.is_some()
        || settings.switch("allow-missing-role")?
        || settings.is_given("tls-client-ca-file")
        || settings.is_given("users-file")
        || settings.is_given("roles_by_source");
    if identified {
        return Ok(());
    }
    Err(ConfigError::new(
        "missing environment variable: PROXY_PASSWORD (without a password, set PROXY_PASSWORD_FILE, a client CA with \
         --tls-client-ca-file, a users file with --users-file, roles_by_source in --config-file, or \
         --allow-missing-role)",
    ))
}

fn build(
    settings: &Settings,
    password: Option<Password>,
    password_file: Option<PasswordFile>,
    log_levels: Levels,
) -> Result<Config, ConfigError> {
    let acl = match settings.text("egress-acl-file") {
        Some(path) => AclSource::File(PathBuf::from(path)),
        None if password.is_some() => AclSource::BuiltIn,
        None => AclSource::Absent,
    };
    Ok(Config {
        listen_ip: settings.text("listen-ip").map(str::to_owned),
        listen_port: settings.number("listen-port")?,
        connect_timeout: settings.duration("timeout")?,
        dns_timeout: settings.duration("dns-timeout")?,
        idle_timeout: settings.duration("idle-timeout")?,
        exit_timeout: settings.duration("exit-timeout")?,
        drain_delay: settings.duration("drain-delay")?,
        read_header_timeout: settings.duration("read-header-timeout")?,
        read_timeout: settings.duration("read-timeout")?,
        write_timeout: settings.duration("write-timeout")?,
        head_bytes_max: settings.number("head-bytes-max")?,
        head_fields_max: settings.number("head-fields-max")?,
        deny: [settings.rules("deny-range"), settings.rules("deny-address")].concat(),
        allow: [settings.rules("allow-range"), settings.rules("allow-address")].concat(),
        unsafe_allow_private_ranges: settings.switch("unsafe-allow-private-ranges")?,
        acl,
        disable_acl_policy_actions: settings.words("disable-acl-policy-action")?,
        deny_message_extra: settings
            .text("additional-error-message-on-deny")
            .unwrap_or_default()
            .to_owned(),
        deny_status: if settings.text("deny-status") == Some("403") {
            403
        } else {
            407
        },
        deny_explicit: settings.text("deny-style") != Some("reference"),
        resolver_addresses: settings.sockets("resolver-address"),
        network: network(settings),
        dns_cache_ttl: settings.duration("dns-cache-ttl")?,
        allow_missing_role: settings.switch("allow-missing-role")?,
        max_connections: settings.number("max-connections")?,
        transport_max_idle_conns: settings.number("transport-max-idle-conns")?,
        transport_max_idle_conns_per_host: settings.number("transport-max-idle-conns-per-host")?,
        log_format: if settings.text("log-format") == Some("json") {
            Format::Json
        } else {
            Format::Text
        },
        log_levels,
        password,
        password_file,
    })
}

fn network(settings: &Settings) -> Network {
    match settings.text("network") {
        Some("ip4") => Network::V4,
        Some("ip6") => Network::V6,
        _ => Network::Any,
    }
}

/// An ambient variable in which nothing counts says nothing.
fn log_levels(settings: &Settings, environment: &Environment) -> Levels {
    let ambient = || {
        let text = environment::variable(environment, "RUST_LOG").ok().flatten()?;
        Levels::ambient(&text)
    };
    match settings.text("log-level").and_then(log_level) {
        Some(level) => Levels::all(level),
        None => ambient().unwrap_or_default(),
    }
}

/// `warning` is logrus' word, `warn` the log crate's.
fn log_level(word: &str) -> Option<log::LevelFilter> {
    if word == "warning" {
        Some(log::LevelFilter::Warn)
    } else {
        word.parse().ok()
    }
}

#[cfg(test)]
mod tests;
