//! Everything around the connections of one seed: what sessions see, wires, clients, origins, stores. What connections
//! need done is `ports`, what resolver and dialer say `answers`, what must hold at every step `watch`; what happens is
//! the server's, and what must be true in the end is `checks`.

mod answers;
mod links;
mod ports;
mod watch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use smokescreen::clock::Instant;
use smokescreen::io::budget::Budget;
use smokescreen::io::dialer::Standing;
use smokescreen::io::pipe::{Pipes, Worth};
use smokescreen::io::scratch::Scratch;
use smokescreen::io::token::ConnId;
use smokescreen::io::wire::Ready;
use smokescreen::io::wires::Owner;
use smokescreen::net::{Networks, NoProxy, ProxyUrl, Side, Writer};
use smokescreen::policy::acl::Acl;
use smokescreen::policy::auth::Password;
use smokescreen::policy::quota::Limits;
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::{Network, Policy, PolicyParts, Unable, Upstreams, Verify};
use smokescreen::server::allowance::Allowance;
use smokescreen::server::conn::Conn;
use smokescreen::server::pool::Pool;
use smokescreen::server::stores::Stores;
use smokescreen::server::world::World as View;
use smokescreen::session::id::Ids;
use smokescreen::session::outcome::Record;

use crate::client::Client;
use crate::origin::{Book, Origin};
use crate::plan::{Announced, Exchange, INTERCEPTED, OWN_ADDRESS, OWN_PORT, SITES, Taste, UPSTREAM};
use crate::random::Random;
use crate::setting::{Setting, Spoil};
use crate::wires::{Manner, MemoryWire, Role, Sealed, Stack, Temper, Tls};

pub(crate) use self::answers::{Pending, What, dialled, refused};
use self::links::Links;
pub(crate) use self::links::wire_id;

const ACL: &str = "version: v1\nservices:\n- {name: authed, project: users, action: open, limits: {}}\n\
                   default: {name: default, project: other, action: enforce}\nglobal_deny_list: ['*.internal']\n";

/// Limits that nobody reaches: what they count and how they look at bytes must change nothing.
const LIMITS: &str = "limits: {requests: 1000, tunnels: 1000, rate: 1000000, bytes_per_day: 100000000000}";

/// Whatever may pass unseen goes through a pipe.
const EVERYTHING: Worth = Worth {
    read_bytes: 1,
    body_bytes: 1,
    splice_bytes: 1,
};

/// A turn ends with its bytes here: the clock that its time goes by stands outside of the seed.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Records of a byte that leave byte by byte take too long.
const SEALED_PIECE_MIN: usize = 32;

/// Who connects: a client, or the balancer before it.
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 16, 0, 9));

/// The port of the first client; the others have those above it.
const FIRST_CLIENT_PORT: u16 = 40_000;

/// What is known of a connection beside what the server keeps of it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) over: bool,
    pub(crate) records: Vec<Record>,
    /// The origins its tunnel went to.
    pub(crate) tunnel_origin: Option<usize>,
    /// The number of the lookup under way.
    pub(crate) looking_up: Option<u32>,
    /// The dial under way: its number, and what the connection learns in its next turn.
    pub(crate) dial: Option<(u32, Standing)>,
    /// Whose it is, as its records must say.
    pub(crate) client: SocketAddr,
    /// When its next deadline must lie behind.
    expired_at: Option<Instant>,
}

impl Watched {
    fn new(client: SocketAddr) -> Watched {
        Watched {
            over: false,
            records: Vec::new(),
            tunnel_origin: None,
            looking_up: None,
            dial: None,
            client,
            expired_at: None,
        }
    }
}

/// One seed's world.
pub(crate) struct World {
    pub(crate) setting: Setting,
    pub(crate) random: Random,
    start: Instant,
    pub(crate) view: View,
    pub(crate) stores: Stores,
    pub(crate) links: Links,
    pub(crate) clients: Vec<Client>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) conns: Vec<Watched>,
    pub(crate) book: Book,
    pub(crate) answers: Vec<Pending>,
    pub(crate) complaints: Vec<String>,
    spoiled: bool,
}

/// Knows the password of those whose policy has to ask.
struct Verifier;

impl Verify for Verifier {
    fn verify(&self, field: &[u8]) -> Result<Option<Arc<str>>, Unable> {
        Ok((field == b"Basic dTpzZWNyZXQ=").then(|| "authed".into()))
    }
}

/// What intercepts tunnels to the first sites.
fn intercepted() -> String {
    let hosts = SITES.iter().take(INTERCEPTED);
    let hosts: Vec<String> = hosts
        .map(|site| site.written.trim_end_matches('.').to_ascii_lowercase())
        .collect();
    let entries: Vec<String> = hosts
        .iter()
        .map(|host| format!("{{domain: {host}, add_headers: {{X-Added: '1'}}, detailed_http_logs: true}}"))
        .collect();
    format!(
        "allowed_domains: [{}], mitm_domains: [{}], limits: {{}}",
        hosts.join(", "),
        entries.join(", ")
    )
}

/// One that knows the password, or has to ask.
fn policy(asks: bool, is_limited: bool, intercepts: bool) -> Policy {
    let acl = match intercepts {
        true => ACL.replace("limits: {}", &intercepted()),
        false => ACL.to_owned(),
    };
    let acl = match is_limited {
        true => acl.replace("limits: {}", LIMITS),
        false => acl,
    };
    let acl = Acl::parse(&acl, &[]).expect("the test's ACL is valid");
    let acl = acl.with_secrets(&|_| Err("nothing is read".into()));
    let policy = Policy::new(PolicyParts {
        acl: Some(acl.expect("its values stand there")),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![OWN_PORT]),
        password: Password::new(if asks { "another" } else { "secret" }),
        allow_missing_role: false,
        network: Network::Any,
    });
    let policy = match is_limited {
        true => policy.with_limits(Limits::default(), NonZeroU32::new(1000)),
        false => policy,
    };
    match asks {
        true => policy.verified_by(Arc::new(Verifier)),
        false => policy,
    }
}

impl World {
    pub(crate) fn new(setting: Setting) -> World {
        let mut random = Random::new(setting.seed ^ 0xa5a5);
        let now = Instant::now();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let (settings, ids) = (setting.settings.clone(), Ids::new([1, 2, 3], 4, 5));
        let is_limited = Random::new(setting.seed ^ 0x1_1417).one_in(2);
        let mut policy = policy(random.one_in(2), is_limited, setting.intercepts);
        if setting.chains {
            let url = ProxyUrl::parse(&format!("http://up:stream@{UPSTREAM}"), Writer::Operator);
            policy = policy.with_upstreams(Upstreams::new(None, url, NoProxy::default()));
        }
        let is_own = |address: IpAddr| OWN_ADDRESS.parse() == Ok(address);
        World {
            start: now,
            view: View::new((now, wall), policy.into(), settings, ids, Box::new(is_own)),
            stores: Stores {
                pool: Pool::new(random.between(1, 4), random.between(1, 3), now),
                budget: Budget::new(setting.budget_bytes)
                    .without_bound_for(Networks::new(&[IpNet::from(PEER)])),
                pipes: Pipes::new(setting.pipes_max, EVERYTHING),
                scratch: Scratch::new(setting.scratch_bytes),
                draining: false,
                computes: true,
                turn: Allowance::new(setting.allowance_bytes, FOR_EVER),
            },
            links: Links {
                stay_open: setting.spoil == Spoil::OpenWire,
                trace: setting.trace,
                origins: setting
                    .https
                    .then(|| (setting.taste.calm, Random::new(setting.seed ^ 0x0127))),
                ..Links::default()
            },
            clients: Vec::new(),
            origins: Vec::new(),
            conns: Vec::new(),
            book: Book::new(),
            answers: Vec::new(),
            complaints: Vec::new(),
            spoiled: false,
            random,
            setting,
        }
    }

    /// A client with something to ask connects.
    pub(crate) fn connect(&mut self, exchanges: Vec<Exchange>) -> Conn<World> {
        let nth = self.conns.len();
        for exchange in &exchanges {
            self.book.insert(exchange.ask.number, (nth, exchange.clone()));
        }
        let manner = self.setting.client_manner.unwrap_or_else(|| self.manner());
        let owner = Owner::Conn(conn_id(nth), Side::Client);
        let link = match self.setting.intercepts {
            true => self.open_inside(manner, &exchanges, owner),
            false => self.open(manner, self.setting.client_seals, Role::Server, owner),
        };
        let taste = self.setting.taste;
        self.clients
            .push(Client::new(link, exchanges, taste, &mut self.random));
        let port = FIRST_CLIENT_PORT + u16::try_from(nth).expect("few");
        let peer = SocketAddr::from((PEER, port));
        let announced = self.announce(nth, port);
        self.conns.push(Watched::new(announced.unwrap_or(peer)));
        Conn::new(conn_id(nth), wire_id(link), peer, self.view.now)
    }

    /// The header that stands before a client's bytes, where one is due. Whom does it name?
    fn announce(&mut self, nth: usize, port: u16) -> Option<SocketAddr> {
        if !self.setting.settings.proxy_protocol {
            return None;
        }
        let mut random = Random::new(self.setting.seed << 8 | nth as u64);
        let announced = Announced::draw(port, self.setting.taste.calm, &mut random);
        self.clients[nth].announce(announced.bytes);
        announced.client
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

    /// A wire that takes bytes, sealed so many times.
    fn open(&mut self, mut manner: Manner, seals: usize, role: Role, owner: Owner) -> usize {
        let ready = Ready {
            writable: true,
            ..Ready::default()
        };
        if seals > 0 || self.setting.settings.takes_tls || self.setting.https {
            manner.piece_max = manner.piece_max.max(SEALED_PIECE_MIN);
        }
        let Setting { taste, spoil, .. } = self.setting;
        let temper = Temper {
            calm: taste.calm,
            spoil,
        };
        let memory = MemoryWire::new(manner, self.random.fork());
        if self.setting.settings.takes_tls && role == Role::Server {
            let tls = Tls::new(memory, taste.calm, self.random.fork());
            return self.links.open(Stack::Tls(Box::new(tls)), ready, owner);
        }
        let mut wire = Stack::Plain(memory);
        for _ in 0..seals {
            wire = Stack::Sealed(Box::new(Sealed::new(wire, role, temper, self.random.fork())));
        }
        self.links.open(wire, ready, owner)
    }

    /// A client's wire that leads into a tunnel to where it asks for something.
    fn open_inside(&mut self, mut manner: Manner, exchanges: &[Exchange], owner: Owner) -> usize {
        let ready = Ready {
            writable: true,
            ..Ready::default()
        };
        manner.piece_max = manner.piece_max.max(SEALED_PIECE_MIN);
        let site = exchanges.first().expect("a request").ask.site;
        let authority = format!("{}:{}", site.written, site.port);
        let memory = MemoryWire::new(manner, self.random.fork());
        let tls = Tls::inside(memory, &authority, self.setting.taste.calm, self.random.fork());
        self.links.open(Stack::Tls(Box::new(tls)), ready, owner)
    }

    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.setting.trace {
            let at = self.view.now.duration_since(self.start);
            println!("{:>12.3}  {}", at.as_secs_f64() * 1e3, what());
        }
    }

    /// Bytes that went over the busiest wire in its busier direction.
    pub(crate) fn longest_stream(&self) -> usize {
        let memories = self.links.all.iter().map(|link| link.wire.memory());
        let busier = |memory: &MemoryWire| memory.written.len().max(memory.read_bytes);
        memories.map(busier).max().unwrap_or_default()
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

    pub(crate) fn complain(&mut self, what: String) {
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
