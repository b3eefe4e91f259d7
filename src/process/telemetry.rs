//! What of the configuration says how the proxy can be asked how it is: the port, what is counted, and what people are
//! shown of limits.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::config::Config;
use crate::io::datagrams::Datagrams;
use crate::policy::acl::Acl;
use crate::server::admin::CONNECTIONS_MAX;
use crate::session::Admin;
use crate::stats::{self, Settings, Stats, Statsd};

use super::admin_port::Awaited;
use super::descriptors::Descriptors;

/// Beside its connections: two listeners, their spares, and a socket for datagrams.
const BESIDE: u64 = 5;

/// Connections at a time at least.
const PLACES_MIN: usize = 4;

/// Says where it can be asked, if it can, or that it will be.
pub(super) fn say_start(config: &Config, at: Option<SocketAddr>, awaited: Option<&Awaited>) {
    if let Some(awaited) = awaited {
        awaited.say();
    }
    if let (Some(admin), Some(at)) = (&config.admin, at) {
        let path = &admin.metrics_path;
        log::info!("Metrics and health are served on {at}, the metrics at {path}");
    }
}

/// How many descriptors it takes.
pub(super) fn descriptors(config: &Config) -> u64 {
    match config.admin.is_some() || config.stats_socket.is_some() {
        true => CONNECTIONS_MAX as u64 + BESIDE,
        false => u64::from(config.statsd_address.is_some()),
    }
}

/// How many connections at a time these are enough for: some, however few there are.
pub(super) fn places(descriptors: Descriptors) -> usize {
    let places = descriptors.for_admin().saturating_sub(BESIDE);
    usize::try_from(places).map_or(CONNECTIONS_MAX, |places| {
        places.clamp(PLACES_MIN, CONNECTIONS_MAX)
    })
}

/// What may be told to those who ask.
pub(super) fn admin(config: &Config) -> Admin {
    let admin = config.admin.as_ref();
    Admin {
        metrics_path: admin.map_or("", |admin| &admin.metrics_path).into(),
        is_open: admin.is_some_and(|admin| admin.is_open),
        is_leaving: false,
        listeners: 0,
    }
}

/// What counts, if anybody can get to know it.
pub(super) fn stats(
    config: &Config,
    acl: Option<&Acl>,
    budget_bytes: usize,
    wall: SystemTime,
) -> Option<stats::Common> {
    let (is_asked, sends) = (config.admin.is_some(), config.statsd_address.is_some());
    let settings = Settings {
        times_connects: config.time_connect,
        keeps_refusals: is_asked,
        sends,
        facts: facts(config, budget_bytes),
    };
    (is_asked || sends).then(|| stats::Common::new(Stats::new(settings, acl, wall)))
}

/// Where numbers go that are sent without being asked for, and what makes packets of them. One loop does that for all.
///
/// # Errors
/// The socket's.
pub(super) fn datagrams(config: &Config, now: Instant) -> io::Result<Option<(Datagrams, Statsd)>> {
    let datagrams = config.statsd_address.map(Datagrams::to).transpose()?;
    Ok(datagrams.map(|datagrams| (datagrams, Statsd::new(now))))
}

fn facts(config: &Config, budget_bytes: usize) -> Vec<(&'static str, String)> {
    let time = |limit: Option<Duration>| limit.map_or("none".to_owned(), |limit| format!("{limit:?}"));
    vec![
        ("buffers at most", format!("{} MiB", budget_bytes >> 20)),
        ("head at most", format!("{} KiB", config.head_bytes_max >> 10)),
        ("connect timeout", time(config.connect_timeout)),
        ("DNS timeout", time(Some(config.dns_timeout))),
        ("idle timeout", time(config.idle_timeout)),
        ("exit timeout", time(Some(config.exit_timeout))),
    ]
}
