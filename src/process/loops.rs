//! A loop of the process: what it has of its own, and its part in what all loops share. Nothing is served here.

use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use mio::{Poll, Waker};

use crate::config::Config;
use crate::http::HeadLimits;
use crate::io::budget::Budget;
use crate::io::datagrams::Datagrams;
use crate::io::inbox::{Outbox, inbox};
use crate::io::listener::Acceptor;
use crate::io::local;
use crate::io::pipe::{Pipes, Worth};
use crate::io::resolver::{self, Resolver};
use crate::io::scratch::Scratch;
use crate::io::shares::CommonShares;
use crate::io::wires::Wires;
use crate::server::allowance::Allowance;
use crate::server::core::{Core, Tally};
use crate::server::inbox::Message;
use crate::server::minter::Minter;
use crate::server::pool::Pool;
use crate::server::stores::Stores;
use crate::server::stranger_lines::StrangerLines;
use crate::server::verifiers::Verifiers;
use crate::server::world::World;
use crate::server::{Loop, turn};
use crate::session::id::Ids;
use crate::session::refusal::DenyStyle;
use crate::session::{Settings, SniSettings, Surface};

use super::descriptors::Descriptors;
use super::shared::{BUDGET_BYTES, Shared};
use super::telemetry;

/// Lent to one direction at a time; also how much is read at once.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Lookups waiting or under way at most.
const LOOKUPS_MAX: usize = 1024;

/// Where a loop takes who comes.
pub(super) struct Acceptors {
    /// To use the proxy.
    pub(super) clients: Vec<Acceptor>,
    /// To ask how it is.
    pub(super) admin: Vec<(Acceptor, Surface)>,
}

/// A loop over this poll, which `waker` wakes, that takes the clients of these listeners; and what sends to its inbox.
///
/// # Errors
/// The poll's.
pub(super) fn make(
    config: &Config,
    shared: &Shared,
    poll: Poll,
    waker: Arc<Waker>,
    acceptors: Acceptors,
) -> io::Result<(Loop, Outbox<Message>)> {
    let (outbox, inbox) = inbox(waker);
    let core = core(config, shared, &poll, outbox.clone())?;
    let Acceptors { clients, admin } = acceptors;
    let serving = Loop::new(poll, inbox, (clients, admin), core, shared.connections_max)?;
    Ok((serving, outbox))
}

fn core(config: &Config, shared: &Shared, poll: &Poll, outbox: Outbox<Message>) -> io::Result<Core> {
    let descriptors = shared.descriptors;
    let now = Instant::now();
    let told = outbox.clone();
    let tell = Arc::new(move |answered| told.send(Message::Answered(answered)));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let verifiers = Verifiers::new(processors, tell);
    let told = outbox.clone();
    let deliver = Arc::new(move |ticket, minted| told.send(Message::Minted(ticket, minted)));
    let minter = Minter::new(shared.in_force.mitm.clone(), deliver);
    let deliver = Arc::new(move |looked_up| outbox.send(Message::LookedUp(looked_up)));
    let mut wires = Wires::new(poll.registry().try_clone()?);
    let tls = shared.in_force.tls.iter();
    tls.for_each(|server| wires.present(Arc::clone(server)));
    wires.believe(Arc::clone(&shared.in_force.trust));
    let wall = SystemTime::now();
    let mut core = Core {
        world: World::new(
            (now, wall),
            Arc::clone(&shared.in_force.policy),
            settings(config),
            ids(),
            Box::new(local::is_local()),
        ),
        stores: Stores {
            scratch: Scratch::new(SCRATCH_BYTES),
            budget: Budget::new(BUDGET_BYTES).without_bound_for(config.proxy_protocol_from.clone()),
            pipes: Pipes::new(descriptors.pipes(), Worth::default()),
            pool: Pool::new(
                idle_max(config, descriptors),
                config.transport_max_idle_conns_per_host,
                now,
            ),
            draining: false,
            computes: false,
            turn: Allowance::new(turn::TURN_BYTES, turn::TURN_TIME_MAX),
        },
        wires,
        wires_max: descriptors.wires(),
        second_attempts: CommonShares::new(descriptors.second_attempts()),
        resolver: Resolver::new(resolver_settings(config, descriptors), poll.registry(), deliver)?,
        verifiers,
        minter,
        stranger_lines: StrangerLines::new(now),
        is_spent: false,
        balancers: config.proxy_protocol_from.clone(),
        logger: shared.logger.clone(),
        stats: telemetry::stats(config, shared, now, wall).map(Box::new),
        datagrams: config.statsd_address.map(Datagrams::to).transpose()?,
        tally: Tally::default(),
        wanted: Vec::new(),
        admin_places: telemetry::places(descriptors),
    };
    core.world.admin = telemetry::admin(config);
    Ok(core)
}

/// Idle upstream connections have what nobody else uses.
fn idle_max(config: &Config, descriptors: Descriptors) -> usize {
    config.transport_max_idle_conns.min(descriptors.wires())
}

fn settings(config: &Config) -> Settings {
    Settings {
        takes_tls: config.tls.is_some(),
        head: HeadLimits {
            head_bytes_max: config.head_bytes_max,
            head_fields_max: config.head_fields_max,
        },
        proxy_protocol: config.proxy_protocol,
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
        sni: SniSettings {
            verify: config.sni.verify,
            ports: config.sni.ports.clone(),
            denies_ech: config.sni.denies_ech,
        },
        rechecks_tunnels: config.live.recheck_tunnels,
        deny_message_extra: config.deny_message_extra.clone(),
    }
}

/// How names are resolved.
pub(super) fn resolver_settings(config: &Config, descriptors: Descriptors) -> resolver::Settings {
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
