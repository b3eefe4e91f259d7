//! Flags, environment and file become one [`Config`], or an error in one line. Nothing is bound, connected or logged
//! here; of files, the configuration and the password are read, the others only tried.
//!
//! [`options`] is the one table everything is driven by. `flags`, `environment` and `file` take their text apart,
//! `values` and `words` understand single values, `typed` says what each becomes, `settings` decides which count,
//! `checks` looks at them together.

mod checks;
mod commands;
mod environment;
mod error;
mod file;
mod flags;
mod help;
mod live;
mod mitm;
mod nearest;
pub mod options;
mod password;
mod print;
mod row;
mod settings;
mod sni;
mod source;
mod table;
mod telemetry;
mod tls;
mod trust;
mod typed;
mod upstream;
mod values;
mod words;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use crate::log::{Format, Levels};
pub use crate::net::{Network, Networks};
use crate::policy::SourceRole;
use crate::policy::acl::Action;
use crate::policy::auth::Password;
use crate::policy::quota::{Limits, Rate};
use crate::policy::ranges::{Nat64Prefix, PlacedRule};

pub use self::commands::{CommandLine, Probe, command_line, probe};
pub use self::environment::Environment;
pub use self::error::ConfigError;
pub use self::flags::OwnFlag;
pub use self::help::facts;
pub use self::live::Live;
use self::live::live;
pub use self::mitm::MitmFiles;
use self::mitm::mitm_files;
pub use self::password::PasswordFile;
use self::settings::Settings;
pub use self::sni::SniConfig;
use self::sni::sni;
use self::table::clients::{
    ALLOW_MISSING_ROLE, DNS_TIMEOUT, DRAIN_DELAY, EXIT_TIMEOUT, IDLE_TIMEOUT, LISTEN_IP, LISTEN_PORT,
    PROXY_PROTOCOL, PROXY_PROTOCOL_FROM, READ_HEADER_TIMEOUT, READ_TIMEOUT, REUSE_PORT, ROLES_BY_SOURCE,
    TIMEOUT, TLS_CLIENT_CA_FILE, USERS_FILE, WRITE_TIMEOUT,
};
use self::table::destinations::{
    ADDITIONAL_ERROR_MESSAGE_ON_DENY, ALLOW_ADDRESS, ALLOW_RANGE, DENY_ADDRESS, DENY_RANGE, DENY_STATUS,
    DENY_STYLE, DISABLE_ACL_POLICY_ACTION, DNS_CACHE_TTL, EGRESS_ACL_FILE, NAT64_PREFIX, NETWORK,
    RESOLVER_ADDRESS, UNSAFE_ALLOW_PRIVATE_RANGES,
};
use self::table::operation::{
    HEAD_BYTES_MAX, HEAD_FIELDS_MAX, HELP, LOG_FORMAT, LOG_LEVEL, LOG_PREFIX, MAX_CONCURRENT_CONNECT_TUNNELS,
    MAX_CONCURRENT_REQUESTS, MAX_CONNECTIONS, MAX_CONNECTIONS_PER_CLIENT, MAX_REQUEST_BURST,
    MAX_REQUEST_RATE, PRINT_CONFIG, STATSD_ADDRESS, TIME_CONNECT, TRANSPORT_MAX_IDLE_CONNS,
    TRANSPORT_MAX_IDLE_CONNS_PER_HOST, VERSION, WORKERS,
};
pub use self::telemetry::{AdminConfig, StatsSocket};
use self::telemetry::{admin, stats_socket};
pub use self::tls::TlsFiles;
use self::tls::tls;
pub use self::trust::TrustSources;
use self::trust::trust_sources;
pub use self::upstream::UpstreamConfig;
use self::upstream::upstreams;
pub use self::values::SizeRange;

/// Everything the program is told at start, understood and range-checked; of the ACL, where it is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address (without brackets) or host name to listen on; `None` is any, IPv6 and IPv4 on one socket.
    pub listen_ip: Option<String>,
    /// Port to listen on; 0 is any free one.
    pub listen_port: u16,
    /// Other instances may listen there too.
    pub reuse_port: bool,
    /// Each connection begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Who may send one; empty: anybody.
    pub proxy_protocol_from: Networks,
    /// Longest wait for a connection to a destination; none is the kernel's limit.
    pub connect_timeout: Option<Duration>,
    /// Longest wait for the resolver, never zero.
    pub dns_timeout: Duration,
    /// A tunnel without a byte either way ends after this.
    pub idle_timeout: Option<Duration>,
    /// How long open tunnels may go on at shutdown.
    pub exit_timeout: Duration,
    /// Time between "not ready" and closing the listener at shutdown.
    pub drain_delay: Duration,
    /// Longest time for a request's head, never zero.
    pub read_header_timeout: Duration,
    /// Longest pause while reading a body.
    pub read_timeout: Option<Duration>,
    /// Longest pause while writing.
    pub write_timeout: Option<Duration>,
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
    /// Prefixes of translators to IPv4, none within another.
    pub nat64_prefixes: Vec<Nat64Prefix>,
    /// What makes the proxy a TLS server to its clients, if it is one.
    pub tls: Option<TlsFiles>,
    /// Whom it believes of the servers that it connects to.
    pub trust: TrustSources,
    /// The CA of intercepted tunnels, if there is one.
    pub mitm: Option<MitmFiles>,
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
    /// What is looked at in tunnels.
    pub sni: SniConfig,
    /// DNS servers to ask, in order; empty is the system's resolver.
    pub resolver_addresses: Vec<SocketAddr>,
    /// Address families to connect to.
    pub network: Network,
    /// Longest time a DNS answer is reused; zero is never.
    pub dns_cache_ttl: Duration,
    /// What requests go through.
    pub upstreams: UpstreamConfig,
    /// Serve clients without credentials too.
    pub allow_missing_role: bool,
    /// Most client connections at a time; 0 is to be derived from the descriptor limit.
    pub max_connections: usize,
    /// Most client connections of one client; none: unlimited.
    pub max_connections_per_client: Option<NonZeroU32>,
    /// What all requests together may take.
    pub limits: Limits,
    /// Most kept-alive connections to origins.
    pub transport_max_idle_conns: usize,
    /// Most kept-alive connections to one origin.
    pub transport_max_idle_conns_per_host: usize,
    /// Form of the log lines.
    pub log_format: Format,
    /// Where it can be asked how the proxy is, if anywhere.
    pub admin: Option<AdminConfig>,
    /// The time of each connect is measured.
    pub time_connect: bool,
    /// The socket that answers with statistics, if there is one.
    pub stats_socket: Option<StatsSocket>,
    /// A StatsD server that metrics are sent to.
    pub statsd_address: Option<SocketAddr>,
    /// Least important lines to log: `--log-level`, or what counts of `RUST_LOG`, else info.
    pub log_levels: Levels,
    /// Lines begin with their priority; none: if journald reads them.
    pub log_prefix: Option<bool>,
    /// Where users and the hashes of their passwords are.
    pub users_file: Option<PathBuf>,
    /// Roles of client addresses, each range once.
    pub roles_by_source: Vec<SourceRole>,
    /// What clients must send; `None` only where something else identifies them or nothing has to.
    pub password: Option<Password>,
    /// Where the password was read, if from a file: to be read again.
    pub password_file: Option<PasswordFile>,
    /// How many loops serve; at least 1.
    pub workers: usize,
    /// How changes of the files come into force.
    pub live: Live,
    /// A sentence for each option that has no effect. Worth a warning.
    pub idle_options: Vec<String>,
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
        match written.row {
            _ if matches!(&*written.text, "false" | "0") => {}
            row if HELP.is(row) => return Ok(Start::Print(help::text())),
            row if VERSION.is(row) => return Ok(Start::Print(help::version())),
            _ => {}
        }
    }
    let settings = Settings::collect(flags, environment)?;
    checks::check(&settings)?;
    let (password, password_file) = password::read(environment)?;
    if settings.value(PRINT_CONFIG)? {
        return Ok(Start::Print(print::text(&settings, password.is_some())));
    }
    identification(&settings, password.as_ref())?;
    let config = build(&settings, environment, (password, password_file))?;
    Ok(Start::Run(Box::new(config)))
}

/// What flags and environment say of `--log-prefix`, however wrong the rest of them is: an error in a configuration is a
/// line too. The file, which may be what is wrong, is not asked.
pub fn log_prefix(arguments: &[OsString], environment: &Environment) -> Option<bool> {
    let flags = flags::read(arguments).unwrap_or_default();
    let variables = environment::read(environment).unwrap_or_default();
    let written = flags.iter().chain(&variables);
    let written = written.into_iter().find(|written| LOG_PREFIX.is(written.row))?;
    match LOG_PREFIX.row().kind.parse(&written.text)? {
        values::Value::Switch(on) => Some(on),
        _ => None,
    }
}

/// A proxy that could tell no client from another would refuse every request: it does not start.
fn identification(settings: &Settings, password: Option<&Password>) -> Result<(), ConfigError> {
    let identified = password.is_some()
        || settings.value(ALLOW_MISSING_ROLE)?
        || settings.is_given(TLS_CLIENT_CA_FILE.row())
        || settings.is_given(USERS_FILE.row())
        || settings.is_given(ROLES_BY_SOURCE.row());
    if identified {
        return Ok(());
    }
    Err(ConfigError::new(
        "missing environment variable: PROXY_PASSWORD (without a password, set PROXY_PASSWORD_FILE, a client CA with \
         --tls-client-ca-file, a users file with --users-file, roles_by_source in --config-file, or \
         --allow-missing-role)",
    ))
}

impl Config {
    /// Are certificates of clients verified? They may name any role.
    pub fn has_client_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.client_cas.is_empty())
    }
}

fn build(
    settings: &Settings,
    environment: &Environment,
    (password, password_file): (Option<Password>, Option<PasswordFile>),
) -> Result<Config, ConfigError> {
    Ok(Config {
        listen_ip: settings.optional(LISTEN_IP)?,
        listen_port: settings.value(LISTEN_PORT)?,
        reuse_port: settings.value(REUSE_PORT)?,
        proxy_protocol: settings.value(PROXY_PROTOCOL)?,
        proxy_protocol_from: networks(&settings.list(PROXY_PROTOCOL_FROM)?),
        connect_timeout: settings.value(TIMEOUT)?.0,
        dns_timeout: settings.value(DNS_TIMEOUT)?,
        idle_timeout: settings.value(IDLE_TIMEOUT)?.0,
        exit_timeout: settings.value(EXIT_TIMEOUT)?,
        drain_delay: settings.value(DRAIN_DELAY)?,
        read_header_timeout: settings.value(READ_HEADER_TIMEOUT)?,
        read_timeout: settings.value(READ_TIMEOUT)?.0,
        write_timeout: settings.value(WRITE_TIMEOUT)?.0,
        head_bytes_max: settings.value(HEAD_BYTES_MAX)?,
        head_fields_max: settings.value(HEAD_FIELDS_MAX)?,
        deny: [settings.list(DENY_RANGE)?, settings.list(DENY_ADDRESS)?].concat(),
        allow: [settings.list(ALLOW_RANGE)?, settings.list(ALLOW_ADDRESS)?].concat(),
        unsafe_allow_private_ranges: settings.value(UNSAFE_ALLOW_PRIVATE_RANGES)?,
        nat64_prefixes: settings.list(NAT64_PREFIX)?,
        tls: tls(settings)?,
        trust: trust_sources(settings)?,
        mitm: mitm_files(settings)?,
        acl: acl_source(settings, password.is_some())?,
        disable_acl_policy_actions: settings.list(DISABLE_ACL_POLICY_ACTION)?,
        deny_message_extra: deny_message_extra(settings)?,
        deny_status: settings.value(DENY_STATUS)?.0,
        deny_explicit: settings.value(DENY_STYLE)?.is_explicit,
        sni: sni(settings)?,
        resolver_addresses: settings.list(RESOLVER_ADDRESS)?,
        network: settings.value(NETWORK)?,
        dns_cache_ttl: settings.value(DNS_CACHE_TTL)?,
        upstreams: upstreams(settings, environment)?,
        allow_missing_role: settings.value(ALLOW_MISSING_ROLE)?,
        max_connections: settings.value(MAX_CONNECTIONS)?,
        max_connections_per_client: limit(settings.value(MAX_CONNECTIONS_PER_CLIENT)?),
        limits: limits(settings)?,
        transport_max_idle_conns: settings.value(TRANSPORT_MAX_IDLE_CONNS)?,
        transport_max_idle_conns_per_host: settings.value(TRANSPORT_MAX_IDLE_CONNS_PER_HOST)?,
        log_format: settings.value(LOG_FORMAT)?,
        admin: admin(settings)?,
        time_connect: settings.value(TIME_CONNECT)?,
        stats_socket: stats_socket(settings)?,
        statsd_address: settings.optional(STATSD_ADDRESS)?,
        log_levels: log_levels(settings, environment)?,
        log_prefix: settings.optional(LOG_PREFIX)?,
        users_file: settings.optional(USERS_FILE)?,
        roles_by_source: settings.list(ROLES_BY_SOURCE)?,
        password,
        password_file,
        workers: settings.value(WORKERS)?,
        live: live(settings)?,
        idle_options: checks::idle(settings)?,
    })
}

fn deny_message_extra(settings: &Settings) -> Result<String, ConfigError> {
    let extra = settings.optional(ADDITIONAL_ERROR_MESSAGE_ON_DENY)?;
    Ok(extra.unwrap_or_default())
}

fn acl_source(settings: &Settings, has_password: bool) -> Result<AclSource, ConfigError> {
    Ok(match settings.optional(EGRESS_ACL_FILE)? {
        Some(path) => AclSource::File(path),
        None if has_password => AclSource::BuiltIn,
        None => AclSource::Absent,
    })
}

fn limits(settings: &Settings) -> Result<Limits, ConfigError> {
    let burst = limit(settings.value(MAX_REQUEST_BURST)?).map(NonZeroU32::get);
    Ok(Limits {
        requests: limit(settings.value(MAX_CONCURRENT_REQUESTS)?),
        rate: Rate::new(settings.value(MAX_REQUEST_RATE)?, burst),
        tunnels: limit(settings.value(MAX_CONCURRENT_CONNECT_TUNNELS)?),
        bytes_per_day: None,
    })
}

/// None where people write 0.
fn limit(count: usize) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX))
}

fn networks(rules: &[PlacedRule]) -> Networks {
    let networks: Vec<_> = rules.iter().map(|placed| placed.rule.network()).collect();
    Networks::new(&networks)
}

/// An ambient variable in which nothing counts says nothing.
fn log_levels(settings: &Settings, environment: &Environment) -> Result<Levels, ConfigError> {
    let ambient = || {
        let text = environment::variable(environment, "RUST_LOG").ok().flatten()?;
        Levels::ambient(&text)
    };
    Ok(match settings.optional(LOG_LEVEL)? {
        Some(level) => Levels::all(level),
        None => ambient().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
