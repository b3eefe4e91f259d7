//! Everything around the sessions of one seed: what there is and how it begins. What happens is `events`, what a
//! server does for its connections `conn`, what resolver and dialer say `answers`; what must be true in the end is
//! `checks`.

mod answers;
mod conn;
mod events;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use smokescreen::flow::Flows;
use smokescreen::http::HeadLimits;
use smokescreen::io::budget::Budget;
use smokescreen::io::pipe::{Pipes, Worth};
use smokescreen::io::scratch::Scratch;
use smokescreen::io::token::{ConnId, IdleId, WireId};
use smokescreen::io::wire::Ready;
use smokescreen::policy::acl::Acl;
use smokescreen::policy::auth::Password;
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::rates::Rates;
use smokescreen::policy::{Network, Policy, PolicyParts};
use smokescreen::server::pool::{Pool, Taken};
use smokescreen::server::turn::Held;
use smokescreen::session::id::Ids;
use smokescreen::session::outcome::Record;
use smokescreen::session::spares::Spares;
use smokescreen::session::{Action, Session, Settings};

use self::answers::Pending;
use crate::client::Client;
use crate::origin::{Book, Origin};
use crate::plan::{Exchange, OWN_PORT, Taste};
use crate::random::Random;
use crate::wires::{Manner, MemoryWire};

const ACL: &str = "version: v1\nservices:\n- {name: authed, project: users, action: open}\n\
                   default: {name: default, project: other, action: enforce}\nglobal_deny_list: ['*.internal']\n";

/// Whatever may pass unseen goes through a pipe.
const EVERYTHING: Worth = Worth {
    read_bytes: 1,
    body_bytes: 1,
    splice_bytes: 1,
};

/// Something that is spoiled on purpose, to see that it is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spoil {
    Nothing,
    /// A byte on its way to a client.
    ClientByte,
    /// A byte on its way to an origin.
    OriginByte,
    /// A record is lost.
    LostRecord,
    /// A record is written twice.
    DoubleRecord,
    /// A wire is not closed.
    OpenWire,
    /// A deadline is not kept.
    Deaf,
    /// The scratch buffer is exchanged for a smaller one.
    Scratch,
}

/// What a seed is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) taste: Taste,
    pub(crate) clients: Vec<Vec<Exchange>>,
    pub(crate) settings: Settings,
    pub(crate) budget_bytes: usize,
    pub(crate) scratch_bytes: usize,
    pub(crate) allowance_bytes: usize,
    /// Pipes for bulk; 0: everything is copied.
    pub(crate) pipes_max: usize,
    /// How the client's and the origins' wires behave; drawn for each wire where `None`.
    pub(crate) client_manner: Option<Manner>,
    pub(crate) origin_manner: Option<Manner>,
    pub(crate) spoil: Spoil,
    pub(crate) trace: bool,
}

/// A connection's wire and what the poll said of it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) wire: MemoryWire,
    pub(crate) ready: Ready,
    /// Which connection hears of it; `None`: the pool.
    owner: Option<usize>,
    /// As what the pool knows it.
    idle: Option<IdleId>,
}

/// A connection as the server keeps it.
#[derive(Debug)]
pub(crate) struct Conn {
    client: usize,
    origin: Option<Taken>,
    looking_up: Option<u32>,
    dialling: Option<u32>,
    flows: Flows,
    pub(crate) session: Session,
    held: Held,
    queued: bool,
    pub(crate) over: bool,
    pub(crate) records: Vec<Record>,
    /// The origins its tunnel went to.
    pub(crate) tunnel_origin: Option<usize>,
    /// When its next deadline must lie behind.
    expired_at: Option<Instant>,
}

/// One seed's world.
pub(crate) struct World {
    pub(crate) setting: Setting,
    random: Random,
    start: Instant,
    now: Instant,
    pub(crate) links: Vec<Link>,
    pub(crate) clients: Vec<Client>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) conns: Vec<Conn>,
    pub(crate) book: Book,
    answers: Vec<Pending>,
    pool: Pool,
    pub(crate) budget: Budget,
    pub(crate) pipes: Pipes,
    scratch: Scratch,
    actions: Vec<Action>,
    ids: Ids,
    guesses: Rates,
    spares: Spares,
    policy: Policy,
    draining: bool,
    pub(crate) terminated: bool,
    pub(crate) complaints: Vec<String>,
    spoiled: bool,
}

fn policy() -> Policy {
    Policy::new(PolicyParts {
        acl: Some(Acl::parse(ACL, &[]).expect("the test's ACL is valid")),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![OWN_PORT]),
        password: Password::new("secret"),
        allow_missing_role: false,
        network: Network::Any,
    })
}

fn wire_id(link: usize) -> WireId {
    WireId {
        index: u32::try_from(link).expect("few links"),
        generation: 0,
    }
}

fn link_of(taken: &Taken) -> usize {
    taken.wire.index as usize
}

impl World {
    pub(crate) fn new(setting: Setting) -> World {
        let mut random = Random::new(setting.seed ^ 0xa5a5);
        let now = Instant::now();
        let mut world = World {
            start: now,
            now,
            links: Vec::new(),
            clients: Vec::new(),
            origins: Vec::new(),
            conns: Vec::new(),
            book: Book::new(),
            answers: Vec::new(),
            pool: Pool::new(random.between(1, 4), random.between(1, 3), now),
            budget: Budget::new(setting.budget_bytes),
            pipes: Pipes::new(setting.pipes_max, EVERYTHING),
            scratch: Scratch::new(setting.scratch_bytes),
            actions: Vec::new(),
            ids: Ids::new([1, 2, 3], 4, 5),
            guesses: Rates::of_strangers(now),
            spares: Spares::default(),
            policy: policy(),
            draining: false,
            terminated: false,
            complaints: Vec::new(),
            spoiled: false,
            random,
            setting,
        };
        for (nth, exchanges) in world.setting.clients.clone().into_iter().enumerate() {
            for exchange in &exchanges {
                world.book.insert(exchange.ask.number, (nth, exchange.clone()));
            }
            world.connect(exchanges);
        }
        world
    }

    fn connect(&mut self, exchanges: Vec<Exchange>) {
        let nth = self.conns.len();
        let manner = self.setting.client_manner.unwrap_or_else(|| self.manner());
        let link = self.open(manner, Some(nth), Ready::default());
        let taste = self.setting.taste;
        self.clients
            .push(Client::new(link, exchanges, taste, &mut self.random));
        let peer = SocketAddr::from(([172, 16, 0, 9], 40_000 + u16::try_from(nth).expect("few")));
        self.conns.push(Conn {
            client: link,
            origin: None,
            looking_up: None,
            dialling: None,
            flows: Flows::new(self.now),
            session: Session::new(peer, self.now),
            held: Held::default(),
            queued: false,
            over: false,
            records: Vec::new(),
            tunnel_origin: None,
            expired_at: None,
        });
        self.links[link].ready.writable = true;
    }

    fn manner(&mut self) -> Manner {
        use std::io::ErrorKind as K;
        let random = &mut self.random;
        let Taste { calm, fine, .. } = self.setting.taste;
        let mut breaks = || {
            (!calm && random.one_in(8)).then(|| {
                let at = if random.one_in(2) {
                    random.below(3000)
                } else {
                    random.below(300)
                };
                (
                    at,
                    random.pick(&[K::ConnectionReset, K::BrokenPipe, K::TimedOut, K::HostUnreachable]),
                )
            })
        };
        let (break_read, break_write) = (breaks(), breaks());
        Manner {
            piece_max: if fine {
                random.pick(&[1, 7, 300, 5_000])
            } else {
                random.pick(&[3_000, 70_000, 1 << 20])
            },
            again_one_in: random.pick(&[0, 0, 3, 20]),
            capacity: if fine {
                random.pick(&[50, 400, 5_000])
            } else {
                random.pick(&[5_000, 70_000, 1 << 20])
            },
            short_read_means_drained: !random.one_in(3),
            announces: !random.one_in(4),
            break_read,
            break_write,
        }
    }

    fn open(&mut self, manner: Manner, owner: Option<usize>, ready: Ready) -> usize {
        let wire = MemoryWire::new(manner, self.random.fork());
        self.links.push(Link {
            wire,
            ready,
            owner,
            idle: None,
        });
        self.links.len() - 1
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.setting.trace {
            let at = self.now.duration_since(self.start);
            println!("{:>12.3}  {}", at.as_secs_f64() * 1e3, what());
        }
    }

    /// Bytes that went over the busiest wire in its busier direction.
    pub(crate) fn longest_stream(&self) -> usize {
        let busier = |link: &Link| link.wire.written.len().max(link.wire.read_bytes);
        self.links.iter().map(busier).max().unwrap_or_default()
    }

    /// Shows what clients and origins received.
    pub(crate) fn tell_transcripts(&self) {
        for (nth, client) in self.clients.iter().enumerate() {
            let Client { received, ended, .. } = client;
            self.say(|| {
                format!(
                    "client {nth} ({ended:?}): {:?}",
                    String::from_utf8_lossy(received)
                )
            });
        }
        for (nth, origin) in self.origins.iter().enumerate() {
            self.say(|| format!("origin {nth}: {:?}", String::from_utf8_lossy(&origin.received)));
        }
    }

    fn complain(&mut self, what: String) {
        self.say(|| format!("COMPLAINT {what}"));
        self.complaints.push(what);
    }
}

fn conn_id(nth: usize) -> ConnId {
    ConnId {
        index: u32::try_from(nth).expect("few connections"),
        generation: 0,
    }
}

/// The settings that sessions get unless a seed draws others.
pub(crate) fn ordinary_settings(head_bytes_max: usize) -> Settings {
    Settings {
        head: HeadLimits {
            head_bytes_max,
            head_fields_max: 256,
        },
        read_header_timeout: Duration::from_secs(30),
        dns_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(3600),
        read_timeout: Duration::ZERO,
        write_timeout: Duration::ZERO,
        deny_style: smokescreen::session::refusal::DenyStyle {
            status: 407,
            explicit: true,
        },
        deny_message_extra: String::new(),
    }
}
