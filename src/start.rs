//! From a configuration to a server that is ready to run: everything that can fail at start fails here, with
//! one line that says what and why.

mod descriptors;
mod reload;

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mio::Poll;

use crate::config::options::TRANSPORT_MAX_IDLE_CONNS;
use crate::config::{AclSource, Config};
use crate::http::HeadLimits;
use crate::io::budget::Budget;
use crate::io::descriptors::raise_nofile;
use crate::io::heap;
use crate::io::inbox::Outbox;
use crate::io::listener::{self, Acceptor};
use crate::io::local;
use crate::io::pipe::{Pipes, Worth};
use crate::io::resolver::{self, Resolver};
use crate::io::scratch::Scratch;
use crate::io::shares::Shares;
use crate::io::signal::Signals;
use crate::io::wires::Wires;
use crate::log::{FLUSH_TIMEOUT, Logger};
use crate::policy::acl::{self, Acl};
use crate::policy::ranges::Ranges;
use crate::policy::{Policy, PolicyParts};
use crate::server::allowance::Allowance;
use crate::server::core::Core;
use crate::server::inbox::{self, Message};
use crate::server::pool::Pool;
use crate::server::stores::Stores;
use crate::server::stranger_lines::StrangerLines;
use crate::server::world::World;
use crate::server::{Limits, Server, turn};
use crate::session::Settings;
use crate::session::id::Ids;
use crate::session::refusal::DenyStyle;

use self::descriptors::Descriptors;

/// Lent to one direction at a time; also how much is read at once.
const SCRATCH_BYTES: usize = 64 * 1024;

/// What all connections may hold beyond 4 KiB a direction.
const BUDGET_BYTES: usize = 32 * 1024 * 1024;

/// Lookups waiting or under way at most.
const LOOKUPS_MAX: usize = 1024;

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

/// Builds the server and binds its address.
///
/// # Errors
/// A configuration that can't be served (the ACL is read here), or an address that can't be bound.
pub fn start(config: &Config) -> Result<(Server, Logger), StartError> {
    let acl = read_acl(config)?;
    // Reading takes several times what is kept of a long ACL.
    heap::trim();
    let descriptors = Descriptors::of(raise_nofile());
    let connections_max = connections_max(config, descriptors);

    // Whoever can connect can also send a signal: it must be caught by then.
    let unready = |error| StartError::machine("The event loop can't be set up", &error);
    let poll = Poll::new().map_err(unready)?;
    let signals = Signals::new(poll.registry()).map_err(unready)?;
    let bound = listener::bind(config.listen_ip.as_deref(), config.listen_port)
        .map_err(|error| StartError::machine("The proxy's address can't be bound", &error))?;
    let acceptor =
        Acceptor::new(bound).map_err(|error| StartError::machine("The listener is unusable", &error))?;
    let logger = crate::log::init(config.log_format, config.log_levels)
        .map_err(|error| StartError::machine("The log can't be started", &error))?;

    let address = acceptor.local_addr();
    let policy = Arc::new(policy(config, acl, address.port()));
    let limits = Limits {
        connections_max,
        drain_delay: config.drain_delay,
        exit_timeout: config.exit_timeout,
    };
    let server = inbox::of(&poll)
        .and_then(|(outbox, inbox)| {
            let core = core(
                config,
                &poll,
                outbox,
                Arc::clone(&policy),
                descriptors,
                logger.clone(),
            )?;
            let reload = reload::reload(config);
            Server::new(poll, signals, inbox, vec![acceptor], core, limits, reload)
        })
        .map_err(|error| {
            // The process ends now, and its first lines may still be waiting.
            logger.flush(FLUSH_TIMEOUT);
            unready(error)
        })?;
    // Last: who reads it may count on all that was opened.
    say_start(config, address, policy.acl(), descriptors, connections_max);
    Ok((server, logger))
}

fn core(
    config: &Config,
    poll: &Poll,
    outbox: Outbox<Message>,
    policy: Arc<Policy>,
    descriptors: Descriptors,
    logger: Logger,
) -> io::Result<Core> {
    let now = Instant::now();
    let deliver = Arc::new(move |looked_up| outbox.send(Message::LookedUp(looked_up)));
    Ok(Core {
        world: World::new(
            (now, SystemTime::now()),
            policy,
            settings(config),
            ids(),
            Box::new(local::is_local()),
        ),
        stores: Stores {
            scratch: Scratch::new(SCRATCH_BYTES),
            budget: Budget::new(BUDGET_BYTES),
            pipes: Pipes::new(descriptors.pipes(), Worth::default()),
            pool: Pool::new(
                idle_max(config, descriptors),
                config.transport_max_idle_conns_per_host,
                now,
            ),
            draining: false,
            turn: Allowance::new(turn::TURN_BYTES, turn::TURN_TIME_MAX),
        },
        wires: Wires::new(poll.registry().try_clone()?),
        wires_max: descriptors.wires(),
        second_attempts: Shares::new(descriptors.second_attempts()),
        resolver: Resolver::new(resolver_settings(config, descriptors), poll.registry(), deliver)?,
        stranger_lines: StrangerLines::new(now),
        logger,
    })
}

/// The ACL in force at start: the file's, the built-in one where there is a password, or none.
fn read_acl(config: &Config) -> Result<Option<Acl>, StartError> {
    let disabled = &config.disable_acl_policy_actions;
    match &config.acl {
        AclSource::File(path) => reload::acl_at_start(path, disabled)
            .map(Some)
            .map_err(StartError::config),
        AclSource::BuiltIn => Acl::parse(acl::BUILT_IN, disabled)
            .map(Some)
            .map_err(|error| StartError::config(format_args!("the built-in ACL: {error}"))),
        AclSource::Absent => Ok(None),
    }
}

fn policy(config: &Config, acl: Option<Acl>, own_port: u16) -> Policy {
    let (allow, deny) = (config.allow.clone(), config.deny.clone());
    let ranges = Ranges::new(allow, deny, config.unsafe_allow_private_ranges, vec![own_port]);
    for warning in ranges.shadowed() {
        log::warn!("{warning}");
    }
    Policy::new(PolicyParts {
        acl,
        ranges,
        password: config.password.clone(),
        allow_missing_role: config.allow_missing_role,
        network: config.network,
    })
}

fn connections_max(config: &Config, descriptors: Descriptors) -> usize {
    let derived = descriptors.connections();
    let configured = config.max_connections;
    if configured > derived {
        log::warn!(
            "--max-connections is {configured}, but {} descriptors are enough for {derived}: dials fail when they are used up",
            descriptors.limit()
        );
    }
    if configured == 0 { derived } else { configured }
}

/// Idle upstream connections have what nobody else uses. Only who asked for more than there is at all is told.
fn idle_max(config: &Config, descriptors: Descriptors) -> usize {
    let (configured, room) = (config.transport_max_idle_conns, descriptors.wires());
    let is_default = TRANSPORT_MAX_IDLE_CONNS.row().default == configured.to_string();
    if configured > room && !is_default {
        log::warn!(
            "{room} idle upstream connections are kept at most, not {configured}: the limit is {} descriptors",
            descriptors.limit()
        );
    }
    configured.min(room)
}

fn settings(config: &Config) -> Settings {
    Settings {
        head: HeadLimits {
            head_bytes_max: config.head_bytes_max,
            head_fields_max: config.head_fields_max,
        },
        read_header_timeout: config.read_header_timeout,
        dns_timeout: config.dns_timeout,
        connect_timeout: config.connect_timeout,
        idle_timeout: config.idle_timeout,
        read_timeout: config.read_timeout,
        write_timeout: config.write_timeout,
        deny_style: DenyStyle {
            status: config.deny_status,
            explicit: config.deny_explicit,
        },
        deny_message_extra: config.deny_message_extra.clone(),
    }
}

fn resolver_settings(config: &Config, descriptors: Descriptors) -> resolver::Settings {
    let places = match config.resolver_addresses.is_empty() {
        true => descriptors.lookup_threads(),
        false => descriptors.lookup_sockets(),
    };
    resolver::Settings {
        servers: config.resolver_addresses.clone(),
        network: config.network,
        cache_ttl: config.dns_cache_ttl,
        timeout: config.dns_timeout,
        places,
        queue_max: LOOKUPS_MAX,
    }
}

/// Ids need not be secret, only different from other processes': randomness stands in for xid's machine id.
fn ids() -> Ids {
    let mut seed = [0_u8; 8];
    // Without randomness the process number and the time still tell ids apart.
    let _ = rustix::rand::getrandom(&mut seed, rustix::rand::GetRandomFlags::NONBLOCK);
    let [a, b, c, d, e, f, ..] = seed;
    let [process_high, process_low] = (std::process::id() & 0xffff).to_be_bytes()[2..] else {
        return Ids::new([a, b, c], 0, 0);
    };
    let process = u16::from_be_bytes([process_high, process_low]);
    Ids::new([a, b, c], process, u32::from_be_bytes([0, d, e, f]))
}

fn say_start(
    config: &Config,
    address: SocketAddr,
    acl: Option<&Acl>,
    descriptors: Descriptors,
    connections_max: usize,
) {
    let acl_source = match &config.acl {
        AclSource::File(path) => path.display().to_string(),
        AclSource::BuiltIn => "built-in".to_owned(),
        AclSource::Absent => "none".to_owned(),
    };
    let identification = match (&config.password, config.allow_missing_role) {
        (Some(_), false) => "password",
        (Some(_), true) => "password or none",
        (None, _) => "none",
    };
    log::info!(
        "smokescreen {} listens on {address}, log level: {}, egress ACL: {acl_source}, identification: {identification}, \
         descriptors: {}, connections: {connections_max} at most, each tunnel takes two \
         descriptors, buffers: {} MiB at most beside 8 KiB a connection",
        env!("CARGO_PKG_VERSION"),
        config.log_levels.ours.as_str().to_ascii_lowercase(),
        descriptors.limit(),
        BUDGET_BYTES >> 20,
    );
    match acl {
        None => log::warn!("No egress ACL is configured: every host is allowed, only addresses are judged"),
        Some(acl) if !acl.has_default_rule() => {
            log::warn!(
                "The egress ACL has no default rule: a role that no service is named after is denied everything"
            );
        }
        Some(_) => {}
    }
    if let Some(acl) = acl {
        reload::warn_of_services_without_clients(acl, config.password.is_some());
    }
    if config.allow_missing_role && config.password.is_none() {
        log::warn!("Clients are not identified (--allow-missing-role): whoever reaches the port may use it");
    }
    if config.exit_timeout < Duration::from_secs(1) {
        log::warn!("--exit-timeout is below one second: tunnels are cut almost at once on shutdown");
    }
}
