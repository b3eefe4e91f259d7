//! Seeded simulation: the real connections, with their sessions and the real pump, over wires in memory, among clients
//! and origins that behave as a seed draws them. `SIM_SEED=n` replays one seed with a trace, `SIM_SEEDS=n` runs so
//! many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test may stop where it stands, and says why on stdout"
)]

mod checks;
mod client;
mod origin;
mod parse;
#[path = "../pki/mod.rs"]
mod pki;
mod plan;
mod public;
mod random;
mod records;
mod seals;
mod server;
mod setting;
mod wires;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::origin::Origin;
use crate::plan::{Body, Chained, Exchange, Fate, Fault, How, INTERCEPTED, SITES, Taste};
use crate::random::Random;
use crate::server::Server;
use crate::setting::{Setting, Spoil, ordinary_settings};
use crate::wires::Manner;
use crate::world::World;

const SEEDS: u64 = 256;

/// Seeds over sealed wires.
const SEALED_SEEDS: u64 = 2_000;

/// Seeds whose tunnels go through an upstream.
const CHAINED_SEEDS: u64 = 1_500;

/// Seeds over TLS.
const TLS_SEEDS: u64 = 500;

/// Seeds of intercepted tunnels.
const INTERCEPTED_SEEDS: u64 = 400;

/// A seed that takes longer is mentioned.
const SLOW: Duration = Duration::from_secs(2);

/// What a seed draws.
fn setting(seed: u64) -> Setting {
    let mut random = Random::new(seed);
    let calm = seed.is_multiple_of(3);
    let taste = Taste {
        calm,
        orderly: false,
        fine: random.one_in(2),
        narrow: random.one_in(4),
        expires: random.one_in(2),
        head_bytes_max: random.pick(&[6_000, 128 * 1024]),
    };
    let mut settings = ordinary_settings(taste.head_bytes_max);
    if !calm {
        let mut seconds = |choice: &[Option<u64>]| random.pick(choice).map(Duration::from_secs);
        settings.idle_timeout = seconds(&[Some(3600), Some(20), Some(20), None]);
        settings.read_timeout = seconds(&[None, Some(5)]);
        settings.write_timeout = seconds(&[None, Some(5)]);
    }
    let clients = draw_clients(taste, &mut random);
    let mut seals = Random::new(!seed);
    settings.proxy_protocol = Random::new(seed ^ 0x5_0e0a).one_in(3);
    let [client_seals, origin_seals] = [(); 2].map(|()| seals.pick(&[0, 0, 0, 0, 1, 1, 1, 2]));
    Setting {
        seed,
        taste,
        clients,
        settings,
        budget_bytes: if calm {
            32 << 20
        } else {
            random.pick(&[0, 6_000, 32 << 20, 32 << 20])
        },
        scratch_bytes: if taste.fine {
            random.pick(&[64, 1_000, 65_536])
        } else {
            65_536
        },
        allowance_bytes: if taste.fine {
            random.pick(&[1, 500, 256 * 1024])
        } else {
            256 * 1024
        },
        pipes_max: [0, 64, 1, 64][seed as usize % 4],
        client_manner: None,
        origin_manner: None,
        client_seals,
        origin_seals,
        https: false,
        intercepts: false,
        chains: false,
        spoil: Spoil::Nothing,
        trace: false,
    }
}

fn draw_clients(taste: Taste, random: &mut Random) -> Vec<Vec<Exchange>> {
    let mut number = 0;
    let mut client = |random: &mut Random| {
        let requests = random.between(1, 6);
        let draw = |nth: usize| {
            number += 1;
            Exchange::draw(number, nth + 1 == requests, taste, random)
        };
        (0..requests).map(draw).collect()
    };
    let clients = random.between(1, 3);
    (0..clients).map(|_| client(random)).collect()
}

/// Runs a world and says what was wrong.
fn run(setting: Setting) -> Result<World, String> {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut server = Server::new(setting);
        server.run();
        let world = server.into_world();
        world.tell_transcripts();
        let wrong = checks::all(&world);
        (world, wrong)
    }));
    match ran {
        Ok((world, wrong)) if wrong.is_empty() => Ok(world),
        Ok((_, wrong)) => Err(wrong.join("\n    ")),
        Err(panic) => Err(panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()),
    }
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn sessions_keep_their_promises() {
    keep_promises(SEEDS, setting);
}

fn keep_promises(seeds: u64, setting: impl Fn(u64) -> Setting) {
    if let Some(seed) = number_from("SIM_SEED") {
        let mut setting = setting(seed);
        setting.trace = true;
        println!("{setting:#?}");
        if let Err(wrong) = run(setting) {
            panic!("seed {seed}:\n    {wrong}");
        }
        return;
    }
    let seeds = number_from("SIM_SEEDS").unwrap_or(seeds);
    let mut failed = 0;
    for seed in 0..seeds {
        let began = std::time::Instant::now();
        let ran = run(setting(seed));
        if began.elapsed() > SLOW {
            println!("seed {seed} took {:?}", began.elapsed());
        }
        if let Err(wrong) = ran {
            println!("SIM_SEED={seed} cargo test --test sim\n    {wrong}");
            failed += 1;
        }
    }
    assert_eq!(failed, 0, "of {seeds} seeds failed");
}

/// A wire on which nothing goes wrong, in pieces of this size.
fn smooth(piece_max: usize) -> Manner {
    Manner {
        piece_max,
        again_one_in: 0,
        capacity: 1 << 20,
        short_read_means_drained: true,
        announces: true,
        break_read: None,
        break_write: None,
    }
}

/// As over plain wires: over those of which one is sealed at least.
#[test]
fn sealed_wires_keep_their_promises() {
    keep_promises(SEALED_SEEDS, |seed| {
        let mut drawn = setting(seed);
        let seals = [(1, 0), (0, 1), (1, 1), (2, 1), (1, 2), (2, 0), (0, 2), (2, 2)];
        (drawn.client_seals, drawn.origin_seals) = Random::new(!seed).pick(&seals);
        drawn
    });
}

/// As straight: through an upstream that agrees, or refuses, or says what is no answer, in pieces of any size.
#[test]
fn tunnels_through_an_upstream_keep_their_promises() {
    keep_promises(CHAINED_SEEDS, |seed| {
        let mut drawn = setting(seed);
        drawn.chains = true;
        let mut random = Random::new(seed ^ 0xc4a1);
        for client in &mut drawn.clients {
            let last = client.last_mut().expect("one request at least");
            while last.ask.how != How::Connect {
                *last = Exchange::draw(last.ask.number, true, drawn.taste, &mut random);
            }
            last.answer.chained = Some(Chained::draw(&mut random));
        }
        drawn
    });
}

/// Over TLS itself: the proxy's own engine, and rustls's client.
#[test]
fn tls_wires_keep_their_promises() {
    keep_promises(TLS_SEEDS, |seed| {
        let mut drawn = setting(seed);
        drawn.settings.takes_tls = true;
        // A balancer's header stands before the handshake, where these clients can't put one.
        drawn.settings.proxy_protocol = false;
        drawn.client_seals = 0;
        drawn
    });
}

/// What is forwarded goes over TLS: the proxy's own engine, and rustls's server.
#[test]
fn tls_origins_keep_their_promises() {
    keep_promises(TLS_SEEDS, |seed| {
        let mut drawn = setting(seed);
        drawn.https = true;
        drawn.origin_seals = 0;
        let mut random = Random::new(seed ^ 0x7e15);
        for ask in drawn
            .clients
            .iter_mut()
            .flatten()
            .map(|exchange| &mut exchange.ask)
        {
            // Some at the same port in the clear, which must not be mixed up.
            ask.https = matches!(ask.how, How::Plain | How::Upgrade) && !random.one_in(4);
        }
        drawn
    });
}

/// Inside of tunnels that are intercepted: a CONNECT of its own for each client, a certificate that comes at once, late or
/// never, the client's TLS ended here, and requests as to an origin.
#[test]
fn intercepted_tunnels_keep_their_promises() {
    keep_promises(INTERCEPTED_SEEDS, |seed| {
        let mut drawn = setting(seed);
        (drawn.https, drawn.intercepts) = (true, true);
        (drawn.client_seals, drawn.origin_seals) = (0, 0);
        drawn.settings.proxy_protocol = false;
        let mut random = Random::new(seed ^ 0x31a7);
        for client in &mut drawn.clients {
            let site = &SITES[random.below(INTERCEPTED)];
            for exchange in client {
                while exchange.ask.how != How::Plain {
                    *exchange = Exchange::draw(exchange.ask.number, false, drawn.taste, &mut random);
                }
                exchange.ask.put_inside(site);
            }
        }
        drawn
    });
}

/// However the bytes are cut and sealed, clients and origins get the same.
#[test]
fn the_outcome_does_not_depend_on_how_bytes_are_cut() {
    for seed in 0..number_from("SIM_SEEDS").unwrap_or(SEEDS) / 4 {
        let cut = |piece_max: usize, scratch_bytes: usize, pipes_max: usize, seals: (usize, usize)| {
            let mut drawn = setting(seed);
            (drawn.client_seals, drawn.origin_seals) = seals;
            let mut random = Random::new(seed);
            drawn.taste = Taste {
                calm: true,
                orderly: true,
                fine: true,
                expires: false,
                ..drawn.taste
            };
            drawn.settings = ordinary_settings(drawn.taste.head_bytes_max);
            drawn.settings.proxy_protocol = seed.is_multiple_of(2);
            drawn.clients = draw_clients(drawn.taste, &mut random);
            drawn.clients.truncate(1);
            // What a reset overtakes depends on when it comes.
            drawn.clients[0]
                .retain(|exchange| !matches!(exchange.answer.fault, Fault::Cut(..) | Fault::Dies));
            drawn.budget_bytes = 32 << 20;
            drawn.scratch_bytes = scratch_bytes;
            drawn.pipes_max = pipes_max;
            drawn.client_manner = Some(smooth(piece_max));
            drawn.origin_manner = Some(smooth(piece_max));
            let world =
                run(drawn).unwrap_or_else(|wrong| panic!("seed {seed}, pieces of {piece_max}: {wrong}"));
            let at_client: Vec<Vec<u8>> = world
                .clients
                .iter()
                .map(|client| client.received.clone())
                .collect();
            // Whether a connection is kept may depend on what was unread; what is asked must not.
            let mut at_origins: Vec<_> = world.origins.iter().flat_map(Origin::taken).collect();
            at_origins.sort();
            (at_client, at_origins)
        };
        let whole = cut(1 << 20, 65_536, 0, (0, 0));
        for (piece_max, scratch_bytes, pipes_max, seals) in [
            (1, 65_536, 0, (0, 0)),
            (13, 100, 1, (0, 0)),
            (1000, 64, 64, (0, 0)),
            (1 << 20, 4096, 64, (0, 0)),
            (100, 65_536, 64, (1, 0)),
            (1000, 100, 1, (2, 1)),
        ] {
            let other = cut(piece_max, scratch_bytes, pipes_max, seals);
            if other != whole {
                let same = if other.0 == whole.0 { "origins" } else { "client" };
                panic!("seed {seed}, pieces of {piece_max}, seals {seals:?}: another outcome for the {same}");
            }
        }
    }
}

/// Either side's wire breaks, in either direction, at every byte.
#[test]
fn errors_at_every_byte() {
    use std::io::ErrorKind as K;
    let kinds = [K::ConnectionReset, K::BrokenPipe, K::TimedOut];
    for (seed, seals, announced) in [(1, 0, false), (4, 0, true), (7, 0, false), (1, 1, true)] {
        let broken = |on_client: bool, on_read: bool, at: usize, pipes_max: usize| {
            let mut drawn = setting(seed);
            drawn.pipes_max = pipes_max;
            drawn.settings.proxy_protocol = announced;
            (drawn.client_seals, drawn.origin_seals) = (seals, seals);
            drawn.taste.fine = true;
            drawn.taste.calm = true;
            drawn.clients = draw_clients(drawn.taste, &mut Random::new(seed));
            drawn.clients.truncate(1);
            drawn.clients[0].truncate(4);
            drawn.clients[0].iter_mut().for_each(shorten);
            drawn.taste.calm = false;
            drawn.budget_bytes = 32 << 20;
            let mut manner = smooth(64);
            let fault = Some((at, kinds[at % kinds.len()]));
            if on_read {
                manner.break_read = fault;
            } else {
                manner.break_write = fault;
            }
            let (client, origin) = if on_client {
                (manner, smooth(64))
            } else {
                (smooth(64), manner)
            };
            drawn.client_manner = Some(client);
            drawn.origin_manner = Some(origin);
            run(drawn).map(|world| world.longest_stream())
        };
        for (on_client, on_read) in [(true, true), (true, false), (false, true), (false, false)] {
            let longest = broken(on_client, on_read, usize::MAX, 0).unwrap_or_default();
            assert!(longest > 100, "seed {seed} is no good example: {longest} bytes");
            for at in 0..=longest {
                // What is sealed is not spliced.
                for pipes_max in if seals == 0 { &[0, 64][..] } else { &[0] } {
                    if let Err(wrong) = broken(on_client, on_read, at, *pipes_max) {
                        panic!(
                            "seed {seed}, seals {seals}, the client's wire: {on_client}, reading: {on_read}, byte {at}, pipes: {pipes_max}: {wrong}"
                        );
                    }
                }
            }
        }
    }
}

/// Keeps an example small enough to be broken everywhere.
fn shorten(exchange: &mut Exchange) {
    let cut = |body: &mut Body| match body {
        Body::Length(n) | Body::UntilClose(n) => *n = (*n).min(70),
        Body::Chunked(sizes) => {
            sizes.truncate(3);
            sizes.iter_mut().for_each(|size| *size = (*size).min(30));
        }
        Body::Absent => {}
    };
    cut(&mut exchange.ask.body);
    cut(&mut exchange.answer.body);
    let (client, origin, ahead) = &mut exchange.answer.tunnel;
    (*client, *origin, *ahead) = ((*client).min(80), (*origin).min(80), (*ahead).min(30));
    exchange.ask.padding = exchange.ask.padding.min(10);
    exchange.answer.trailer = exchange.answer.trailer.min(50);
}

/// A check that can't fail is none.
#[test]
fn what_is_spoiled_is_noticed() {
    let spoils = [
        Spoil::ClientByte,
        Spoil::OriginByte,
        Spoil::LostRecord,
        Spoil::DoubleRecord,
        Spoil::OpenWire,
        Spoil::Deaf,
        Spoil::Scratch,
        Spoil::ClearByte,
        Spoil::LostNotice,
        Spoil::LostFlush,
    ];
    for spoil in spoils {
        let noticed = (0..20).filter(|&nth| {
            let mut spoiled = setting(nth * 3);
            spoiled.spoil = spoil;
            if matches!(spoil, Spoil::ClearByte | Spoil::LostNotice | Spoil::LostFlush) {
                (spoiled.client_seals, spoiled.origin_seals) = (1, 1);
            }
            run(spoiled).is_err()
        });
        let noticed = noticed.count();
        let least = if spoil == Spoil::Deaf { 2 } else { 12 };
        assert!(noticed >= least, "{spoil:?} was noticed {noticed} times");
    }
}

/// A client that sends requests and takes no answers is not read for ever.
#[test]
fn unread_answers_stop_the_reading() {
    let mut flood = setting(3);
    flood.taste = Taste {
        calm: true,
        orderly: false,
        ..flood.taste
    };
    let mut exchange = Exchange::draw(1, false, flood.taste, &mut Random::new(3));
    exchange.ask.site = SITES.iter().find(|site| site.fate == Fate::Denied).unwrap();
    exchange.ask.method = "GET";
    (exchange.ask.http10, exchange.ask.close) = (false, false);
    exchange.ask.body = Body::Absent;
    let refused = std::iter::repeat_n(exchange, 2_000);
    let numbered = refused.zip(1..).map(|(mut exchange, number)| {
        exchange.ask.number = number;
        exchange
    });
    flood.clients = vec![numbered.collect()];
    flood.client_manner = Some(Manner {
        capacity: 50,
        ..smooth(1 << 20)
    });
    let mut server = Server::new(flood);
    server.world.clients[0].flood();
    server.run();
    assert_eq!(server.world.complaints, Vec::<String>::new());
}
