//! What all loops of the process have in common. What each has of its own is made in `loops`.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use mio::{Poll, Waker};

use crate::clock::Instant;
use crate::config::Config;
use crate::io::bells::Bells;
use crate::io::budget::Budget;
use crate::io::gauge::Gauge;
use crate::io::inbox::{Inbox, Outbox, inbox};
use crate::io::resolver;
use crate::io::shares::CommonShares;
use crate::io::token::Source;
use crate::log::Logger;
use crate::policy::rates::Guesses;
use crate::server::census::Census;
use crate::server::in_force::InForce;
use crate::server::message::Message;
use crate::server::minter::MintThreads;
use crate::server::peers::Peers;
use crate::server::stranger_lines::StrangerLines;
use crate::server::tally::Tally;
use crate::server::tide::Ebbs;
use crate::server::verifiers::VerifierThreads;
use crate::session::id::Ids;
use crate::stats;

use super::descriptors::Descriptors;
use super::telemetry;

/// What all connections may hold beyond 4 KiB a direction.
pub(super) const BUDGET_BYTES: usize = 32 * 1024 * 1024;

/// Lookups waiting or under way at most.
const LOOKUPS_MAX: usize = 1024;

/// Where a loop waits, and where it is told things.
pub(super) struct Seat {
    /// The loop's.
    pub(super) number: u8,
    pub(super) poll: Poll,
    pub(super) waker: Arc<Waker>,
    pub(super) inbox: Inbox<Message>,
    pub(super) outbox: Outbox<Message>,
}

/// Seats for so many loops.
///
/// # Errors
/// The polls'.
pub(super) fn seats(loops: usize) -> io::Result<Vec<Seat>> {
    let numbers = (0..=u8::MAX).take(loops.max(1));
    let seat = |number| {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Source::Waker.token())?);
        let (outbox, inbox) = inbox(Arc::clone(&waker));
        Ok(Seat {
            number,
            poll,
            waker,
            inbox,
            outbox,
        })
    };
    numbers.map(seat).collect()
}

/// What loops share. Clones are the other loops'.
#[derive(Clone)]
pub(super) struct Shared {
    /// In force when the loops were made; what is since stands with the process.
    pub(super) in_force: InForce,
    /// The log's queue.
    pub(super) logger: Logger,
    /// How many descriptors each part may hold.
    pub(super) descriptors: Descriptors,
    /// How many loops there are.
    pub(super) loops: usize,
    pub(super) peers: Peers,
    pub(super) census: Census,
    pub(super) ebbs: Ebbs,
    pub(super) tally: Tally,
    /// How many sockets carry traffic.
    pub(super) wires: Gauge,
    /// On how many sockets clients are taken.
    pub(super) listening: Gauge,
    /// How many idle upstream connections there are.
    pub(super) idle: Gauge,
    /// Of the byte budget each loop has a view of its own: see [`Shared::budget`].
    budget: Arc<Budget>,
    /// Those who wait for room in it.
    budget_bells: Bells,
    pub(super) guesses: Arc<Guesses>,
    pub(super) stranger_lines: StrangerLines,
    pub(super) second_attempts: CommonShares,
    pub(super) resolver: resolver::Common,
    pub(super) verifiers: VerifierThreads,
    pub(super) minters: MintThreads,
    pub(super) stats: Option<stats::Common>,
    ids: Ids,
}

impl Shared {
    /// For loops in these seats, `connections_max` of whose clients may be there at a time.
    pub(super) fn new(
        config: &Config,
        in_force: InForce,
        logger: Logger,
        descriptors: Descriptors,
        seats: &[Seat],
    ) -> Shared {
        let now = Instant::now();
        let loops = seats.len();
        let bells = || Bells::new(seats.iter().map(|seat| Arc::clone(&seat.waker)));
        let connections_max = match config.max_connections {
            0 => descriptors.connections(),
            configured => configured,
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let balancers = config.proxy_protocol_from.clone();
        let settings = resolver_settings(config, descriptors);
        Shared {
            peers: Peers::new(seats.iter().map(|seat| seat.outbox.clone())),
            census: Census::new(connections_max, loops, bells()),
            ebbs: Ebbs::default(),
            tally: Tally::new(loops),
            wires: Gauge::new(loops),
            listening: Gauge::new(loops),
            idle: Gauge::new(loops),
            budget: Arc::new(Budget::new(BUDGET_BYTES).without_bound_for(balancers)),
            budget_bells: bells(),
            guesses: Arc::new(Guesses::new(now)),
            stranger_lines: StrangerLines::new(now),
            second_attempts: CommonShares::new(descriptors.second_attempts()),
            resolver: resolver::Common::new(settings, bells()),
            verifiers: VerifierThreads::new(processors),
            minters: MintThreads::default(),
            stats: telemetry::stats(config, in_force.policy.acl(), BUDGET_BYTES, SystemTime::now()),
            ids: ids(),
            in_force,
            logger,
            descriptors,
            loops,
        }
    }

    /// The byte budget, for the loop of this number.
    pub(super) fn budget(&self, number: u8) -> Budget {
        self.budget.for_loop(self.budget_bells.for_loop(number))
    }

    /// What makes the ids of the loop of this number.
    pub(super) fn ids(&self, number: u8) -> Ids {
        self.ids.clone().of_loop(number)
    }

    /// The part that the loop of this number has of something of which there are so many in all.
    pub(super) fn part(&self, all: usize, number: u8) -> usize {
        all / self.loops + usize::from(usize::from(number) < all % self.loops)
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

/// Makes the ids of the first loop. Ids need not be secret, only different from other processes': randomness stands in for xid's machine id.
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
