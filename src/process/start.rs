//! From a configuration to a process that is ready to run: everything that can fail at start fails here, with one line
//! that says what and why.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use mio::{Poll, Waker};

use crate::config::{AclSource, Config, UpstreamConfig};
use crate::io::descriptors::raise_nofile;
use crate::io::heap;
use crate::io::inherited;
use crate::io::listener::{self, Acceptor};
use crate::io::resolver::Lookups;
use crate::io::signal::Signals;
use crate::io::token::Source;
use crate::log::{FLUSH_TIMEOUT, Form, Logger, Priorities};
use crate::policy::acl::{self, Acl};
use crate::policy::ranges::Ranges;
use crate::policy::users::Users;
use crate::policy::{Policy, PolicyParts, Sources, Upstreams};
use crate::tls::{Client, Leaves, Server};

use super::Process;
use super::bound::Bound;
use super::descriptors::Descriptors;
use super::exit::Exit;
use super::files::{Files, Line};
use super::reload::Reload;
use super::shared::{BUDGET_BYTES, InForce, Shared};
use super::supervisor::{Supervisor, Terms};
use super::tls_files::Reminder;
use super::watch::{Watch, Watched};
use super::{files, loops, mitm_files, telemetry, tls_files, trust_files, users_file, warnings};

/// Why the program does not start.
#[derive(Debug)]
pub struct StartError {
    /// One line for a person.
    pub text: String,
    /// 2: the configuration; 1: this machine.
    pub exit_code: u8,
}

impl StartError {
    fn config(text: impl Display) -> StartError {
        StartError {
            text: text.to_string(),
            exit_code: 2,
        }
    }

    fn machine(what: &str, error: &io::Error) -> StartError {
        StartError {
            text: format!("{what}: {error}"),
            exit_code: 1,
        }
    }
}

/// What serving takes from files, all of it read and understood.
struct Prepared {
    acl: Option<Acl>,
    users: Option<Users>,
    tls: Option<Arc<Server>>,
    trust: Arc<Client>,
    mitm: Option<Arc<Leaves>>,
    /// What an operator should know of the files.
    warnings: Vec<String>,
}

/// Reads all files that serving takes, those last that others name: `watched` is told of them. Binds nothing.
fn prepare(config: &Config, watched: Option<&Watched>) -> Result<Prepared, StartError> {
    let (tls, trust, mut warnings) = read_tls(config)?;
    let (acl, mitm) = read_mitm(config, read_acl(config)?, watched, &mut warnings)?;
    let users = config.users_file.as_deref().map(users_file::at_start).transpose();
    let users = users.map_err(StartError::config)?;
    Ok(Prepared {
        acl,
        users,
        tls,
        trust,
        mitm,
        warnings,
    })
}

/// Reads everything that [`start`] would read, and binds nothing. Gives what an operator should know of it.
///
/// # Errors
/// A configuration that can't be served, in the same words.
pub fn check(config: &Config) -> Result<Vec<String>, StartError> {
    let prepared = prepare(config, None)?;
    let descriptors = Descriptors::of(raise_nofile()).without(telemetry::descriptors(config));
    let (policy, shadowed) = policy(config, prepared.acl, prepared.users, configured_ports(config))?;
    let mut warnings = warnings::of_limits(config, descriptors);
    warnings.extend(shadowed);
    warnings.extend(
        warnings::of_start(config, &policy)
            .into_iter()
            .map(Line::into_text),
    );
    warnings.extend(prepared.warnings);
    Ok(warnings)
}

/// The policy that serving would have, as far as hosts and addresses are concerned: who may ask is not read.
///
/// # Errors
/// An ACL that can't be served.
pub fn policy_of(config: &Config) -> Result<Policy, StartError> {
    let acl = read_acl(config)?;
    policy(config, acl, None, configured_ports(config)).map(|(policy, _)| policy)
}

/// What looks names up as serving would.
///
/// # Errors
/// This machine's.
pub fn lookups(config: &Config) -> Result<Lookups, StartError> {
    let settings = loops::resolver_settings(config, Descriptors::of(raise_nofile()));
    Lookups::new(settings).map_err(|error| StartError::machine("Names can't be looked up", &error))
}

/// The ports that it would listen on, where the configuration says which.
fn configured_ports(config: &Config) -> Vec<u16> {
    let admin = config.admin.as_ref().map(|admin| admin.port);
    let ports = [Some(config.listen_port), admin].into_iter().flatten();
    ports.filter(|port| *port != 0).collect()
}

/// Puts the process together and binds its address.
///
/// # Errors
/// A configuration that can't be served (the ACL is read here), or an address that can't be bound.
pub fn start(config: &Config) -> Result<(Process, Logger), StartError> {
    let files = Files::of(config);
    // Before they are read: what changes from then on is told of.
    let watched = config.live.watch.then(|| Arc::new(Watched::new(files.paths())));
    let prepared = prepare(config, watched.as_deref())?;
    // Reading takes several times what is kept of a long ACL.
    heap::trim();
    let descriptors = Descriptors::of(raise_nofile()).without(telemetry::descriptors(config));
    let connections_max = connections_max(config, descriptors);

    // Whoever can connect can also send a signal: it must be caught by then.
    let unready = |error| StartError::machine("The event loop can't be set up", &error);
    let poll = Poll::new().map_err(unready)?;
    let signals = Signals::new(poll.registry()).map_err(unready)?;
    let bound =
        Bound::new(config, acceptor(config)?).map_err(|(what, error)| StartError::machine(what, &error))?;
    let logger = crate::log::init(form(config), config.log_levels)
        .map_err(|error| StartError::machine("The log can't be started", &error))?;

    let (address, admin_address) = (bound.address(), bound.admin_address());
    let (in_force, warnings) = in_force(config, prepared, bound.ports())?;
    let of_limits = warnings::of_limits(config, descriptors);
    of_limits.iter().chain(&warnings.of_rules).for_each(warn);
    let shared = Shared {
        in_force,
        logger: logger.clone(),
        descriptors,
        connections_max,
    };
    let (acceptors, stats_file, admin_port) = bound.acceptors();
    let made = Waker::new(poll.registry(), Source::Waker.token()).and_then(|waker| {
        let waker = Arc::new(waker);
        let (serving, outbox) = loops::make(config, &shared, poll, Arc::clone(&waker), acceptors)?;
        Ok((serving, outbox, waker))
    });
    let (serving, outbox, waker) = made.map_err(|error| {
        // The process ends now, and its first lines may still be waiting.
        logger.flush(FLUSH_TIMEOUT);
        unready(error)
    })?;
    // Last: who reads it may count on all that was opened.
    say_start(config, address, &shared);
    telemetry::say_start(config, admin_address, admin_port.as_ref());
    warnings.of_files.iter().for_each(warn);
    let process = Process {
        watch: watch(watched.as_ref(), &waker)?,
        shared,
        signals,
        exit: Exit::new(config.drain_delay, config.exit_timeout),
        failure: None,
        reminder: Reminder::new(Instant::now()),
        supervisor: Supervisor::by(&Terms::of_process(), Instant::now()),
        stats_file,
        admin_port,
        reload: reload(files.watched_by(watched), waker),
        serving,
        outbox,
    };
    Ok((process, logger))
}

fn warn(text: &String) {
    log::warn!("{text}");
}

/// What is to be said of what comes into force at start.
struct Warnings {
    of_rules: Vec<String>,
    of_files: Vec<String>,
}

/// What was read, in force.
///
/// # Errors
/// As for [`policy`].
fn in_force(
    config: &Config,
    prepared: Prepared,
    own_ports: Vec<u16>,
) -> Result<(InForce, Warnings), StartError> {
    let (policy, of_rules) = policy(config, prepared.acl, prepared.users, own_ports)?;
    let in_force = InForce {
        policy: Arc::new(policy),
        tls: prepared.tls,
        trust: prepared.trust,
        mitm: prepared.mitm,
    };
    let warnings = Warnings {
        of_rules,
        of_files: prepared.warnings,
    };
    Ok((in_force, warnings))
}

/// What reads the files again.
fn reload(files: Files, waker: Arc<Waker>) -> Reload {
    Reload::new(Arc::new(move |present: &InForce| files.read(present)), waker)
}

/// What tells when they changed, if that is wanted.
fn watch(watched: Option<&Arc<Watched>>, waker: &Arc<Waker>) -> Result<Option<Watch>, StartError> {
    let begun = watched.map(|watched| Watch::begin(watched, Arc::clone(waker)));
    begun
        .transpose()
        .map_err(|error| StartError::machine("The files can't be watched (--watch): no thread", &error))
}

/// The listener: the supervisor's, or else one that is bound here.
fn acceptor(config: &Config) -> Result<Acceptor, StartError> {
    let ip = config.listen_ip.as_deref();
    let listener = match inherited::listener().map_err(StartError::config)? {
        Some(listener) => Ok(listener),
        None if config.reuse_port => listener::bind_shared(ip, config.listen_port),
        None => listener::bind(ip, config.listen_port),
    };
    let listener =
        listener.map_err(|error| StartError::machine("The proxy's address can't be bound", &error))?;
    Acceptor::new(listener).map_err(|error| StartError::machine("The listener is unusable", &error))
}

fn form(config: &Config) -> Form {
    Form {
        format: config.log_format,
        priorities: Priorities::of(config.log_prefix),
    }
}

/// What TLS takes on either side, and what an operator should know of it.
type TlsParts = (Option<Arc<Server>>, Arc<Client>, Vec<String>);

/// What the proxy presents to clients, where those speak TLS, and whom it believes of the servers that it connects to.
fn read_tls(config: &Config) -> Result<TlsParts, StartError> {
    let mut warnings = Vec::new();
    let read = |files| tls_files::read(files, None, &mut warnings).map_err(StartError::config);
    let server = config.tls.as_ref().map(read).transpose()?;
    let client = trust_files::read(&config.trust, None, &mut warnings).map_err(StartError::config)?;
    Ok((server.map(Arc::new), Arc::new(client), warnings))
}

/// The CA of intercepted tunnels, and the ACL with what is added to requests inside of them.
fn read_mitm(
    config: &Config,
    acl: Option<Acl>,
    watched: Option<&Watched>,
    warnings: &mut Vec<String>,
) -> Result<(Option<Acl>, Option<Arc<Leaves>>), StartError> {
    let read = |files| mitm_files::read(files, None, warnings).map_err(StartError::config);
    let mitm = config.mitm.as_ref().map(read).transpose()?;
    let Some(acl) = acl else { return Ok((None, mitm)) };
    if mitm.is_some() && acl.first_intercepted().is_none() {
        warnings.push(
            "--mitm-ca-cert-file has no effect: no service of the egress ACL has mitm_domains".to_owned(),
        );
    }
    let AclSource::File(path) = &config.acl else {
        return Ok((Some(acl), mitm));
    };
    let acl = files::for_serving(acl, path, mitm.is_some(), watched).map_err(StartError::config)?;
    Ok((Some(acl), mitm))
}

/// The ACL in force at start: the file's, the built-in one where there is a password, or none.
fn read_acl(config: &Config) -> Result<Option<Acl>, StartError> {
    let disabled = &config.disable_acl_policy_actions;
    match &config.acl {
        AclSource::File(path) => files::acl_at_start(path, disabled)
            .map(Some)
            .map_err(StartError::config),
        AclSource::BuiltIn => Acl::parse(acl::BUILT_IN, disabled)
            .map(Some)
            .map_err(|error| StartError::config(format_args!("the built-in ACL: {error}"))),
        AclSource::Absent => Ok(None),
    }
}

/// The policy, and a warning for each rule of addresses that can never take effect.
///
/// # Errors
/// An upstream that leads back to the proxy.
fn policy(
    config: &Config,
    acl: Option<Acl>,
    users: Option<Users>,
    own_ports: Vec<u16>,
) -> Result<(Policy, Vec<String>), StartError> {
    let (allow, deny) = (config.allow.clone(), config.deny.clone());
    let ranges = Ranges::new(allow, deny, config.unsafe_allow_private_ranges, own_ports)
        .with_nat64(config.nat64_prefixes.clone());
    let shadowed = ranges.shadowed(acl.as_ref().is_some_and(Acl::has_private_exceptions));
    let policy = Policy::new(PolicyParts {
        acl,
        ranges,
        password: config.password.clone(),
        allow_missing_role: config.allow_missing_role,
        network: config.network,
    });
    let policy = policy
        .with_sources(Sources::new(&config.roles_by_source))
        .with_limits(config.limits, config.max_connections_per_client)
        .with_upstreams(upstreams(config));
    files::leads_elsewhere(&policy).map_err(StartError::config)?;
    let policy = match users {
        Some(users) => policy.with_users(users),
        None => policy,
    };
    Ok((policy, shadowed))
}

fn upstreams(config: &Config) -> Upstreams {
    let UpstreamConfig {
        http,
        https,
        no_proxy,
    } = config.upstreams.clone();
    Upstreams::new(http, https, no_proxy)
}

fn connections_max(config: &Config, descriptors: Descriptors) -> usize {
    match config.max_connections {
        0 => descriptors.connections(),
        configured => configured,
    }
}

fn say_start(config: &Config, address: SocketAddr, shared: &Shared) {
    let connections_max = shared.connections_max;
    let acl_source = match &config.acl {
        AclSource::File(path) => path.display().to_string(),
        AclSource::BuiltIn => "built-in".to_owned(),
        AclSource::Absent => "none".to_owned(),
    };
    let identification = identification(config);
    log::info!(
        "smokescreen {} listens on {address}, log level: {}, egress ACL: {acl_source}, identification: {identification}, \
         descriptors: {}, connections: {connections_max} at most, each tunnel takes two \
         descriptors, buffers: {} MiB at most beside 8 KiB a connection",
        env!("CARGO_PKG_VERSION"),
        config.log_levels.ours.as_str().to_ascii_lowercase(),
        shared.descriptors.limit(),
        BUDGET_BYTES >> 20,
    );
    let warnings = warnings::of_start(config, &shared.in_force.policy);
    warnings.into_iter().for_each(Line::log);
}

fn identification(config: &Config) -> String {
    let mut ways = warnings::ways(config).join(", ");
    if config.allow_missing_role {
        ways.push_str(if ways.is_empty() { "none" } else { " or none" });
    }
    ways
}
