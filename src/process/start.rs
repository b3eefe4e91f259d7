//! From a configuration to a process that is ready to run: everything that can fail at start fails here, with one line
//! that says what and why.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::Waker;

use crate::clock::Instant;
use crate::config::{AclSource, Config};
use crate::io::descriptors::raise_nofile;
use crate::io::heap;
use crate::io::resolver::Lookups;
use crate::io::signal::Signals;
use crate::log::{FLUSH_TIMEOUT, Form, Logger, Priorities};
use crate::server::Loop;
use crate::server::in_force::InForce;

use super::bound::{self, Bound};
use super::descriptors::Descriptors;
use super::exit::Exit;
use super::files::{Files, Line};
use super::loops::Acceptors;
use super::others::Others;
use super::prepared::{configured_ports, in_force, policy, prepare};
use super::reload::Reload;
use super::replacing::Replacing;
use super::shared::{BUDGET_BYTES, Seat, Shared, resolver_settings, seats};
use super::start_error::StartError;
use super::supervisor::{Supervisor, Terms};
use super::tls_files::Reminder;
use super::watch::{Watch, Watched};
use super::{Process, loops, telemetry, warnings};

/// Reads everything that [`start`] would read, and binds nothing. Gives what an operator should know of it.
///
/// # Errors
/// A configuration that can't be served, in the same words.
pub fn check(config: &Config) -> Result<Vec<String>, StartError> {
    let prepared = prepare(config, None)?;
    let descriptors = descriptors(config);
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

/// What looks names up as serving would.
///
/// # Errors
/// This machine's.
pub fn lookups(config: &Config) -> Result<Lookups, StartError> {
    let settings = resolver_settings(config, Descriptors::of(raise_nofile()));
    Lookups::new(settings).map_err(|error| StartError::machine("Names can't be looked up", &error))
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
    let descriptors = descriptors(config);

    // Whoever can connect can also send a signal: it must be caught by then.
    let unready = |error| StartError::machine("The event loop can't be set up", &error);
    let seats = seats(config.workers).map_err(unready)?;
    let signals = signals(&seats).map_err(unready)?;
    let bound = Bound::new(config, bound::clients(config)?)
        .map_err(|(what, error)| StartError::machine(what, &error))?;
    let logger = crate::log::init(form(config), config.log_levels)
        .map_err(|error| StartError::machine("The log can't be started", &error))?;

    let (address, admin_address) = (bound.address(), bound.admin_address());
    let (in_force, warnings) = in_force(config, prepared, bound.ports())?;
    let of_limits = warnings::of_limits(config, descriptors);
    of_limits.iter().chain(&warnings.of_rules).for_each(warn);
    let shared = Shared::new(config, in_force, logger.clone(), descriptors, &seats);
    let (acceptors, stats_file, admin_port) = bound.acceptors(seats.len());
    let supervisor = Supervisor::by(&Terms::of_process(), Instant::now());
    let made = make(config, &shared, seats, acceptors, supervisor.alive_interval());
    let (serving, others, waker) = made.map_err(|error| {
        // The process ends now, and its first lines may still be waiting.
        logger.flush(FLUSH_TIMEOUT);
        unready(error)
    })?;
    // Last: who reads it may count on all that was opened.
    say_start(config, address, &shared);
    telemetry::say_start(config, admin_address, admin_port.as_ref());
    warnings.of_files.iter().for_each(warn);
    let watch = watch(watched.as_ref(), &waker)?;
    let files = files.watched_by(watched).counted_by(shared.stats.clone());
    let process = Process {
        watch,
        in_force: shared.in_force,
        stats: shared.stats,
        peers: shared.peers,
        signals,
        exit: Exit::new(config.drain_delay, config.exit_timeout),
        failure: None,
        reminder: Reminder::new(Instant::now()),
        supervisor,
        stats_file,
        admin_port,
        reload: reload(files, waker),
        replacing: Replacing::default(),
        serving,
        others,
    };
    Ok((process, logger))
}

/// The first loop's poll tells of them.
fn signals(seats: &[Seat]) -> io::Result<Signals> {
    let first = seats.first().ok_or_else(none)?;
    Signals::new(first.poll.registry())
}

/// There is always a first loop.
fn none() -> io::Error {
    io::Error::other("there is no loop")
}

/// The parts of the descriptor limit, which is raised as far as it may be.
fn descriptors(config: &Config) -> Descriptors {
    Descriptors::of(raise_nofile())
        .without(telemetry::descriptors(config))
        .for_loops(config.workers)
}

/// The first loop, which serves on this thread; the others, which serve already; and what wakes the first.
fn make(
    config: &Config,
    shared: &Shared,
    mut seats: Vec<Seat>,
    mut acceptors: Vec<Acceptors>,
    alive_interval: Option<Duration>,
) -> io::Result<(Loop, Others, Arc<Waker>)> {
    let further = seats.split_off(seats.len().min(1));
    let first = seats.pop().ok_or_else(none)?;
    let of_further = acceptors.split_off(1);
    let of_first = acceptors.pop().ok_or_else(none)?;
    let waker = Arc::clone(&first.waker);
    let serving = loops::make(config, shared, first, of_first)?;
    let further = further.into_iter().zip(of_further).collect();
    let others = Others::start(config, shared, further, Arc::clone(&waker), alive_interval)?;
    Ok((serving, others, waker))
}

fn warn(text: &String) {
    log::warn!("{text}");
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

fn form(config: &Config) -> Form {
    Form {
        format: config.log_format,
        priorities: Priorities::of(config.log_prefix),
    }
}

fn say_start(config: &Config, address: SocketAddr, shared: &Shared) {
    let connections_max = shared.census.clients_max();
    let loops = match shared.loops {
        1 => String::new(),
        several => format!(", loops: {several}"),
    };
    let acl_source = match &config.acl {
        AclSource::File(path) => path.display().to_string(),
        AclSource::BuiltIn => "built-in".to_owned(),
        AclSource::Absent => "none".to_owned(),
    };
    let identification = identification(config);
    log::info!(
        "smokescreen {} listens on {address}, log level: {}, egress ACL: {acl_source}, identification: {identification}, \
         descriptors: {}, connections: {connections_max} at most, each tunnel takes two \
         descriptors, buffers: {} MiB at most beside 8 KiB a connection{loops}",
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
