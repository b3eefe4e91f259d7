//! A loop of the process: what it has of its own, and its part in what all loops share. Nothing is served here.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use mio::Poll;

use crate::clock::Instant;
use crate::config::Config;
use crate::http::HeadLimits;
use crate::io::inbox::Outbox;
use crate::io::listener::Acceptor;
use crate::io::local;
use crate::io::pipe::{Pipes, Worth};
use crate::io::resolver::Resolver;
use crate::io::scratch::Scratch;
use crate::io::wires::Wires;
use crate::server::allowance::Allowance;
use crate::server::core::Core;
use crate::server::message::Message;
use crate::server::pool::Pool;
use crate::server::stores::Stores;
use crate::server::world::World;
use crate::server::{Loop, turn};
use crate::session::refusal::DenyStyle;
use crate::session::{Settings, SniSettings, Surface};

use super::descriptors::Descriptors;
use super::shared::{Seat, Shared};
use super::telemetry;

/// Lent to one direction at a time; also how much is read at once.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Where a loop takes who comes.
pub(super) struct Acceptors {
    /// To use the proxy.
    pub(super) clients: Vec<Acceptor>,
    /// To ask how it is.
    pub(super) admin: Vec<(Acceptor, Surface)>,
    /// Clients are handed out to all loops: the others have no listener.
    pub(super) hands_out: bool,
}

/// A loop in this seat, that takes the clients of these listeners, or those that others hand it.
///
/// # Errors
/// The poll's.
pub(super) fn make(config: &Config, shared: &Shared, seat: Seat, acceptors: Acceptors) -> io::Result<Loop> {
    let Seat {
        number,
        poll,
        inbox,
        outbox,
        ..
    } = seat;
    let core = core(config, shared, &poll, number, outbox)?;
    let Acceptors {
        clients,
        admin,
        hands_out,
    } = acceptors;
    let serving = Loop::new(poll, inbox, (clients, admin), core)?;
    Ok(match hands_out {
        true => serving.handing_out(),
        false => serving,
    })
}

fn core(
    config: &Config,
    shared: &Shared,
    poll: &Poll,
    number: u8,
    outbox: Outbox<Message>,
) -> io::Result<Core> {
    let descriptors = shared.descriptors;
    let now = Instant::now();
    let told = outbox.clone();
    let tell = Arc::new(move |answered| told.send(Message::Answered(answered)));
    let told = outbox.clone();
    let minted = Arc::new(move |ticket, minted| told.send(Message::Minted(ticket, minted)));
    let deliver = Arc::new(move |looked_up| outbox.send(Message::LookedUp(looked_up)));
    let registry = poll.registry().try_clone()?;
    let mut wires = Wires::new(registry).counted_by(shared.wires.for_loop(number));
    let tls = shared.in_force.tls.iter();
    tls.for_each(|server| wires.present(Arc::clone(server)));
    wires.believe(Arc::clone(&shared.in_force.trust));
    let mut world = World::new(
        (now, SystemTime::now()),
        Arc::clone(&shared.in_force.policy),
        settings(config),
        shared.ids(number),
        Box::new(local::is_local()),
    )
    .with_guesses(Arc::clone(&shared.guesses));
    world.admin = telemetry::admin(config);
    Ok(Core {
        world,
        stores: stores(config, shared, number, now),
        wires,
        wires_max: descriptors.wires(),
        asked_for_room: false,
        asked_for_idle_at: None,
        second_attempts: shared.second_attempts.clone(),
        resolver: Resolver::of_loop(&shared.resolver, number, poll.registry(), deliver)?,
        verifiers: shared.verifiers.for_loop(tell),
        minter: shared.minters.for_loop(shared.in_force.mitm.clone(), minted),
        records: Vec::new(),
        stranger_lines: shared.stranger_lines.clone(),
        is_spent: false,
        balancers: config.proxy_protocol_from.clone(),
        logger: shared.logger.clone(),
        stats: shared.stats.clone(),
        datagrams: match number {
            0 => telemetry::datagrams(config, now)?,
            _ => None,
        },
        census: shared.census.for_loop(number),
        ebbs: shared.ebbs.clone(),
        peers: shared.peers.for_loop(number),
        listening: shared.listening.for_loop(number),
        idle: shared.idle.for_loop(number),
        tally: shared.tally.for_loop(number),
        wanted: Vec::new(),
        admin_places: telemetry::places(descriptors),
    })
}

/// What connections share out among them: of what can't go from loop to loop each has its part.
fn stores(config: &Config, shared: &Shared, number: u8, now: Instant) -> Stores {
    let part = |all| shared.part(all, number);
    Stores {
        scratch: Scratch::new(SCRATCH_BYTES),
        budget: shared.budget(number),
        pipes: Pipes::new(part(shared.descriptors.pipes()), Worth::default()),
        pool: Pool::new(
            part(idle_max(config, shared.descriptors)),
            part(config.transport_max_idle_conns_per_host),
            now,
        ),
        draining: false,
        computes: false,
        turn: Allowance::new(turn::TURN_BYTES, turn::TURN_TIME_MAX),
    }
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
