//! Everything around the sessions of one seed: clock, wires, resolver, dialer, pool, peers. Carries out actions as
//! `server/conn` does and lets things happen in an order drawn by seed. Judges only what must hold at every moment;
//! the rest is `checks`.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use smokescreen::flow::Flows;
use smokescreen::http::HeadLimits;
use smokescreen::io::budget::Budget;
use smokescreen::io::token::{ConnId, WireId};
use smokescreen::io::wire::{Ready, Wire};
use smokescreen::net::{IoFail, IoFailKind, Side};
use smokescreen::policy::acl::Acl;
use smokescreen::policy::auth::Password;
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::{Network, Policy, PolicyParts};
use smokescreen::server::pool::{Pool, Taken};
use smokescreen::server::turn::{self, Ends, Means, Turn};
use smokescreen::session::id::Ids;
use smokescreen::session::outcome::Record;
use smokescreen::session::{
    Action, Close, Cx, DialFail, Dialled, Input, LookupFail, LookupFailKind, Session, Settings,
};

use crate::checks;
use crate::client::Client;
use crate::origin::{Book, Origin};
use crate::plan::{Exchange, Fate, OWN_ADDRESS, OWN_PORT, SITES, Taste};
use crate::random::Random;
use crate::wires::{Manner, MemoryWire};

/// A turn that looks at its wires more often than this makes no progress.
const LOOKS_PER_TURN_MAX: usize = 2_000_000;

/// Things that may happen in one seed.
const STEPS_MAX: usize = 300_000;

const ACL: &str = "version: v1\nservices:\n- {name: authed, project: users, action: open}\n\
                   default: {name: default, project: other, action: enforce}\nglobal_deny_list: ['*.internal']\n";

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
    charged: [u32; 2],
    queued: bool,
    pub(crate) over: bool,
    pub(crate) records: Vec<Record>,
    /// The origins its tunnel went to.
    pub(crate) tunnel_origin: Option<usize>,
    /// When its next deadline must lie behind.
    expired_at: Option<Instant>,
}

/// An answer on its way.
#[derive(Clone, Debug)]
struct Pending {
    due: Instant,
    conn: usize,
    seq: u32,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Resolved(Result<Vec<IpAddr>, LookupFail>),
    Dialled(Result<SocketAddr, DialFail>),
}

/// Something that can happen now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    Run(usize),
    Stir(usize),
    ClientAct(usize),
    ClientTake(usize),
    OriginAct(usize),
    OriginTake(usize),
    OriginExpire(usize),
    Answer(usize),
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
    scratch: Vec<u8>,
    actions: Vec<Action>,
    ids: Ids,
    policy: Policy,
    draining: bool,
    pub(crate) terminated: bool,
    pub(crate) complaints: Vec<String>,
    spoiled: bool,
}

/// The two wires of a connection, counting how often they are looked at.
struct Sockets<'a> {
    links: &'a mut [Link],
    client: usize,
    origin: Option<usize>,
    looks: usize,
}

impl Ends for Sockets<'_> {
    type Wire = MemoryWire;

    fn end(&mut self, side: Side) -> Option<(&mut MemoryWire, &mut Ready)> {
        self.looks += 1;
        assert!(self.looks < LOOKS_PER_TURN_MAX, "a turn makes no progress");
        let link = match side {
            Side::Client => self.client,
            Side::Origin => self.origin?,
        };
        let link = &mut self.links[link];
        Some((&mut link.wire, &mut link.ready))
    }
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

fn own_addresses() -> Vec<IpAddr> {
    OWN_ADDRESS.parse().into_iter().collect()
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
            pool: Pool::new(random.between(1, 4), random.between(1, 3)),
            budget: Budget::new(setting.budget_bytes),
            scratch: Vec::with_capacity(setting.scratch_bytes),
            actions: Vec::new(),
            ids: Ids::new([1, 2, 3], 4, 5),
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
            charged: [0; 2],
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
        self.links.push(Link { wire, ready, owner });
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

    /// Runs until nothing can happen any more.
    pub(crate) fn run(&mut self) {
        for step in 0.. {
            if step == STEPS_MAX {
                return self.complain("it goes on for ever".into());
            }
            if self.random.one_in(150) && !self.setting.taste.calm {
                self.mischief();
            }
            let events = self.events();
            if events.is_empty() {
                if self.conns.iter().all(|conn| conn.over) {
                    break;
                }
                if !self.let_time_pass() {
                    // Without deadlines only the end of the server is left.
                    if self.setting.settings.idle_timeout.is_zero() && !self.terminated {
                        self.terminate();
                        continue;
                    }
                    return self.complain("nothing will ever happen again, and a session is not over".into());
                }
                continue;
            }
            let event = self.random.pick(&events);
            self.happen(event);
        }
        self.clients.iter_mut().for_each(Client::finish);
        let (book, taste) = (&self.book, self.setting.taste);
        self.origins
            .iter_mut()
            .for_each(|origin| origin.finish(book, taste));
        self.draining = true;
        for wire in self.pool.drain() {
            self.close_link(wire.index as usize);
        }
    }

    fn events(&mut self) -> Vec<Event> {
        let taste = self.setting.taste;
        let mut events = Vec::new();
        for (nth, conn) in self.conns.iter().enumerate() {
            if conn.queued && !conn.over {
                events.extend([Event::Run(nth); 2]);
            }
        }
        for (nth, link) in self.links.iter().enumerate() {
            if link.wire.has_news() {
                events.push(Event::Stir(nth));
            }
        }
        for (nth, client) in self.clients.iter().enumerate() {
            if client.can_act() {
                events.push(Event::ClientAct(nth));
            }
            if client.can_take(&self.links[client.link].wire) {
                events.push(Event::ClientTake(nth));
            }
        }
        for (nth, origin) in self.origins.iter().enumerate() {
            if origin.can_act() {
                events.push(Event::OriginAct(nth));
            }
            if origin.can_take(&self.links[origin.link].wire) {
                events.push(Event::OriginTake(nth));
            }
            if taste.expires && origin.can_expire() && self.random.one_in(30) {
                events.push(Event::OriginExpire(nth));
            }
        }
        for (nth, answer) in self.answers.iter().enumerate() {
            if answer.due <= self.now {
                events.push(Event::Answer(nth));
            }
        }
        events
    }

    fn happen(&mut self, event: Event) {
        let taste = self.setting.taste;
        self.say(|| format!("{event:?}"));
        match event {
            Event::Run(nth) => self.turn(nth),
            Event::Stir(nth) => {
                let link = &mut self.links[nth];
                let before = link.ready;
                link.wire.stir(&mut link.ready);
                let ready = link.ready;
                self.say(|| format!("    {before:?} -> {ready:?}"));
                match self.links[nth].owner {
                    Some(conn) => self.conns[conn].queued = true,
                    None => {
                        let happened = ready.readable || ready.read_closed || ready.failed;
                        if happened && self.pool.drop_wire(wire_id(nth)) {
                            self.close_link(nth);
                        }
                    }
                }
            }
            Event::ClientAct(nth) => {
                let client = &mut self.clients[nth];
                client.act(&mut self.links[client.link].wire, &mut self.random);
            }
            Event::ClientTake(nth) => {
                let client = &mut self.clients[nth];
                client.take(&mut self.links[client.link].wire, &mut self.random);
            }
            Event::OriginAct(nth) => {
                let origin = &mut self.origins[nth];
                origin.act(&mut self.links[origin.link].wire, &mut self.random);
            }
            Event::OriginTake(nth) => {
                let origin = &mut self.origins[nth];
                origin.take(
                    &mut self.links[origin.link].wire,
                    &self.book,
                    taste,
                    &mut self.random,
                );
            }
            Event::OriginExpire(nth) => {
                let origin = &mut self.origins[nth];
                origin.expire(&mut self.links[origin.link].wire);
            }
            Event::Answer(nth) => {
                let pending = self.answers.swap_remove(nth);
                self.deliver(pending);
            }
        }
    }

    /// Goes to the next moment at which anything is due; false: there is none.
    fn let_time_pass(&mut self) -> bool {
        let settings = &self.setting.settings;
        let live = self.conns.iter().filter(|conn| !conn.over);
        let deadlines = live.filter_map(|conn| conn.session.deadline(&conn.flows, settings));
        let answers = self.answers.iter().map(|answer| answer.due);
        let Some(next) = deadlines.chain(answers).chain(self.pool.deadline()).min() else {
            return false;
        };
        self.now = self.now.max(next);
        self.say(|| "the clock".into());
        self.expire();
        true
    }

    /// Fires what is due.
    fn expire(&mut self) {
        while let Some(wire) = self.pool.pop_expired(self.now) {
            self.close_link(wire.index as usize);
        }
        for nth in 0..self.conns.len() {
            if self.setting.spoil == Spoil::Deaf {
                continue;
            }
            let conn = &self.conns[nth];
            let due = conn.session.deadline(&conn.flows, &self.setting.settings);
            if !conn.over && due.is_some_and(|at| at <= self.now) {
                self.say(|| format!("conn {nth} expires"));
                self.feed(nth, Input::Expired);
                self.conns[nth].expired_at = Some(self.now);
                self.conns[nth].queued = true;
            }
        }
    }

    /// Things that may go wrong at any time.
    fn mischief(&mut self) {
        let nth = self.random.below(self.conns.len());
        let what = self.random.below(12);
        self.say(|| format!("mischief {what} for {nth}"));
        match what {
            0..=1 => self.conns[nth].queued = true,
            2..=3 => {
                self.now += Duration::from_millis(self.random.below(3000) as u64);
                self.expire();
            }
            4 => {
                self.now += Duration::from_secs(self.random.below(100) as u64);
                self.expire();
            }
            5..=6 if !self.conns[nth].over => {
                self.feed(nth, Input::Expired);
                self.conns[nth].queued = true;
            }
            7..=8 if !self.conns[nth].over => {
                // Nobody asked this.
                let seq = 1_000_000 + self.random.below(100) as u32;
                let stray: Vec<IpAddr> = ["8.8.8.8", "127.0.0.1"].iter().flat_map(|a| a.parse()).collect();
                match self.random.below(3) {
                    0 => self.feed(nth, Input::Resolved(seq, Ok(&stray))),
                    1 => self.feed(
                        nth,
                        Input::Dialled(seq, Ok(dialled(SocketAddr::new(stray[0], 80), false))),
                    ),
                    _ => self.feed(
                        nth,
                        Input::Dialled(seq, Err(refused(SocketAddr::new(stray[0], 80)))),
                    ),
                }
                self.conns[nth].queued = true;
            }
            9 => {
                let nth = self.random.below(self.links.len());
                if !self.links[nth].wire.closed {
                    self.links[nth]
                        .wire
                        .peer_reset(std::io::ErrorKind::ConnectionReset);
                }
            }
            10 if self.random.one_in(8) => self.drain(),
            11 if self.random.one_in(16) => self.terminate(),
            _ => {}
        }
    }

    fn drain(&mut self) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        self.say(|| "drain".into());
        for wire in self.pool.drain() {
            self.close_link(wire.index as usize);
        }
        for nth in 0..self.conns.len() {
            self.feed(nth, Input::Drain);
            self.conns[nth].queued = true;
        }
    }

    fn terminate(&mut self) {
        self.say(|| "terminate".into());
        self.terminated = true;
        for nth in 0..self.conns.len() {
            self.feed(nth, Input::Terminate);
            if !self.conns[nth].over {
                self.complain(format!("conn {nth} outlives the server"));
                self.close(nth, Close::Orderly);
            }
        }
    }

    // What `server/conn` does.

    fn turn(&mut self, nth: usize) {
        self.conns[nth].queued = false;
        let mut allowance_bytes = self.setting.allowance_bytes;
        loop {
            if self.carry_out(nth) {
                return;
            }
            let conn = &mut self.conns[nth];
            let mut sockets = Sockets {
                links: &mut self.links,
                client: conn.client,
                origin: conn.origin.as_ref().map(link_of),
                looks: 0,
            };
            let mut means = Means {
                scratch: &mut self.scratch,
                budget: &mut self.budget,
                charged: &mut conn.charged,
                allowance_bytes,
            };
            let mut cx = Cx {
                now: self.now,
                wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
                policy: &self.policy,
                settings: &self.setting.settings,
                ids: &mut self.ids,
                local_addresses: &own_addresses,
                actions: &mut self.actions,
            };
            let ended = turn::run(
                &mut sockets,
                &mut conn.flows,
                &mut conn.session,
                &mut cx,
                &mut means,
            );
            allowance_bytes = means.allowance_bytes;
            self.judge_turn(nth, ended);
            match ended {
                Turn::Acts => {}
                Turn::Rest => return self.judge_rest(nth),
                Turn::Spent => {
                    self.conns[nth].queued = true;
                    return;
                }
            }
        }
    }

    /// What must hold after every turn.
    fn judge_turn(&mut self, nth: usize, ended: Turn) {
        let flows = &self.conns[nth].flows;
        self.say(|| {
            format!(
                "    {ended:?} up {:?}/{}+{} {:?} down {:?}/{}+{} {:?}",
                flows.up.gate,
                flows.up.tx.len(),
                flows.up.rx.len(),
                flows.up.end,
                flows.down.gate,
                flows.down.tx.len(),
                flows.down.rx.len(),
                flows.down.end
            )
        });
        if self.setting.spoil == Spoil::Scratch {
            self.scratch = Vec::new();
        }
        if !self.scratch.is_empty() || self.scratch.capacity() < self.setting.scratch_bytes {
            let capacity = self.scratch.capacity();
            self.complain(format!(
                "the scratch buffer has a capacity of {capacity} after a turn"
            ));
            self.scratch = Vec::with_capacity(self.setting.scratch_bytes);
        }
        let head_bytes_max = self.setting.taste.head_bytes_max;
        let flows = &self.conns[nth].flows;
        let held = flows.up.rx.len().max(flows.down.rx.len());
        if held > self.scratch.capacity().max(4096) + head_bytes_max {
            self.complain(format!("conn {nth} holds {held} bytes of one side"));
        }
        self.spoil_wires();
    }

    /// What must hold when a connection waits.
    fn judge_rest(&mut self, nth: usize) {
        let conn = &mut self.conns[nth];
        let settings = &self.setting.settings;
        let deadline = conn.session.deadline(&conn.flows, settings);
        if deadline.is_none() && !settings.idle_timeout.is_zero() {
            self.complain(format!("conn {nth} has no deadline"));
        } else if let Some(expired_at) = conn.expired_at.take()
            && deadline.is_some_and(|at| at <= expired_at)
        {
            self.complain(format!("conn {nth} expired and its deadline is still due"));
        }
    }

    fn spoil_wires(&mut self) {
        let byte = |wire: &mut MemoryWire| match wire.written.last_mut() {
            Some(byte) => {
                *byte ^= 0x15;
                true
            }
            None => false,
        };
        self.spoiled |= match self.setting.spoil {
            _ if self.spoiled => true,
            Spoil::ClientByte => byte(&mut self.links[0].wire),
            Spoil::OriginByte => self
                .links
                .get_mut(self.clients.len())
                .is_some_and(|link| byte(&mut link.wire)),
            _ => false,
        };
    }

    fn feed(&mut self, nth: usize, input: Input<'_>) {
        self.tell(nth, input);
        self.carry_out(nth);
    }

    fn tell(&mut self, nth: usize, input: Input<'_>) {
        self.say(|| format!("    conn {nth} <- {input:?}"));
        let conn = &mut self.conns[nth];
        let mut cx = Cx {
            now: self.now,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            policy: &self.policy,
            settings: &self.setting.settings,
            ids: &mut self.ids,
            local_addresses: &own_addresses,
            actions: &mut self.actions,
        };
        conn.session.advance(input, &mut conn.flows, &mut cx);
    }

    fn carry_out(&mut self, nth: usize) -> bool {
        while !self.actions.is_empty() {
            for action in std::mem::take(&mut self.actions) {
                self.act(nth, action);
            }
        }
        self.conns[nth].session.is_done()
    }

    fn act(&mut self, nth: usize, action: Action) {
        self.say(|| format!("    conn {nth} -> {action:?}"));
        if self.conns[nth].over {
            self.complain(format!("conn {nth} acts behind its end: {action:?}"));
        }
        match action {
            Action::Resolve(seq, name) => self.resolve(nth, seq, name.as_str()),
            Action::Dial(seq, addresses, key) => {
                let addresses: VecDeque<_> = addresses.into_iter().collect();
                for address in &addresses {
                    if let Err(why) = checks::may_be_dialled(address.address()) {
                        self.complain(why);
                    }
                }
                if addresses.is_empty() || self.conns[nth].origin.is_some() {
                    self.complain(format!(
                        "conn {nth} dials {addresses:?} beside {:?}",
                        self.conns[nth].origin
                    ));
                }
                let addresses: Vec<_> = addresses.into();
                match key.and_then(|key| self.pool.take(&key, &addresses, conn_id(nth))) {
                    Some(taken) => {
                        let remote = taken.remote;
                        self.adopt(nth, taken);
                        self.tell(nth, Input::Dialled(seq, Ok(dialled(remote, true))));
                    }
                    None => self.dial(nth, seq, addresses.iter().map(|a| a.address()).collect()),
                }
            }
            Action::Cancel => self.cancel(nth),
            Action::Hangup(side) => {
                let link = match side {
                    Side::Client => Some(self.conns[nth].client),
                    Side::Origin => self.conns[nth].origin.as_ref().map(link_of),
                };
                if let Some(link) = link {
                    let _ = self.links[link].wire.hangup();
                }
            }
            Action::DropOrigin => {
                if let Some(origin) = self.conns[nth].origin.take() {
                    self.close_link(link_of(&origin));
                }
            }
            Action::Park { key, private } => {
                let Some(origin) = self.conns[nth].origin.take() else {
                    return self.complain("parks what is not there".into());
                };
                let link = link_of(&origin);
                let ready = self.links[link].ready;
                if self.draining || ready.readable || ready.read_closed || ready.failed {
                    return self.close_link(link);
                }
                self.links[link].owner = None;
                let owner = private.then(|| conn_id(nth));
                for surplus in self.pool.park(key, origin, owner, self.now) {
                    self.close_link(surplus.index as usize);
                }
            }
            Action::Log(record) => match self.setting.spoil {
                Spoil::LostRecord => {}
                Spoil::DoubleRecord => self.conns[nth].records.extend([(*record).clone(), *record]),
                _ => self.conns[nth].records.push(*record),
            },
            Action::Close(how) => self.close(nth, how),
        }
    }

    fn resolve(&mut self, nth: usize, seq: u32, name: &str) {
        self.conns[nth].looking_up = Some(seq);
        let normal = |site: &str| site.trim_end_matches('.').to_ascii_lowercase();
        let Some(site) = SITES.iter().find(|site| normal(site.written) == name) else {
            return self.complain(format!("{name} is looked up"));
        };
        let fail = |kind, text: &str| LookupFail {
            kind,
            text: text.into(),
        };
        let answer: Result<Vec<IpAddr>, LookupFail> = match site.fate {
            Fate::LookupSilent => return,
            Fate::NotFound => Err(fail(LookupFailKind::Failed, "no such host")),
            Fate::Denied | Fate::Malformed => return self.complain(format!("{name} is looked up")),
            _ if !self.setting.taste.calm && self.random.one_in(20) => {
                let kinds = [
                    LookupFailKind::Failed,
                    LookupFailKind::TimedOut,
                    LookupFailKind::Overloaded,
                ];
                Err(fail(self.random.pick(&kinds), "bad luck"))
            }
            _ => Ok(site.addresses.iter().flat_map(|a| a.parse()).collect()),
        };
        if self.random.one_in(4) {
            // From the cache.
            self.conns[nth].looking_up = None;
            return match &answer {
                Ok(found) => self.tell(nth, Input::Resolved(seq, Ok(found))),
                Err(fail) => self.tell(nth, Input::Resolved(seq, Err(fail.clone()))),
            };
        }
        self.answer(nth, seq, What::Resolved(answer));
    }

    fn dial(&mut self, nth: usize, seq: u32, addresses: Vec<SocketAddr>) {
        self.conns[nth].dialling = Some(seq);
        let address = self.random.pick(&addresses);
        let site = SITES.iter().find(|site| {
            let canonical = |a: &&str| a.parse::<IpAddr>().map(|ip| ip.to_canonical());
            site.addresses
                .iter()
                .flat_map(canonical)
                .any(|ip| ip == address.ip())
        });
        let bad_luck = !self.setting.taste.calm && self.random.one_in(20);
        let answer = match site.map(|site| site.fate) {
            None => return self.complain(format!("{address} is dialled")),
            Some(Fate::DialSilent) => return,
            Some(Fate::Refused) => Err(refused(address)),
            _ if bad_luck => {
                let kinds = [IoFailKind::TimedOut, IoFailKind::Exhausted, IoFailKind::Other];
                Err(DialFail {
                    address,
                    fail: IoFail {
                        kind: self.random.pick(&kinds),
                        text: "bad luck".into(),
                    },
                })
            }
            _ => Ok(address),
        };
        self.answer(nth, seq, What::Dialled(answer));
    }

    fn answer(&mut self, conn: usize, seq: u32, what: What) {
        let calm = self.setting.taste.calm;
        let delay = match self.random.below(10) {
            0 if !calm => 20_000,
            1..=2 => 100,
            _ => 0,
        };
        let due = self.now + Duration::from_millis(delay);
        let pending = Pending { due, conn, seq, what };
        if !calm && self.random.one_in(10) {
            self.answers.push(pending.clone());
        }
        self.answers.push(pending);
    }

    /// An answer arrives, perhaps late, perhaps twice.
    fn deliver(&mut self, pending: Pending) {
        let Pending {
            conn: nth, seq, what, ..
        } = pending;
        let conn = &mut self.conns[nth];
        if conn.over {
            return;
        }
        conn.queued = true;
        match what {
            What::Resolved(answer) => {
                if conn.looking_up == Some(seq) {
                    conn.looking_up = None;
                }
                match answer {
                    Ok(found) => self.feed(nth, Input::Resolved(seq, Ok(&found))),
                    Err(fail) => self.feed(nth, Input::Resolved(seq, Err(fail))),
                }
            }
            What::Dialled(answer) => {
                let current = conn.dialling == Some(seq);
                if current {
                    conn.dialling = None;
                }
                match answer {
                    Ok(remote) => {
                        if current {
                            self.connected(nth, remote);
                        }
                        self.feed(nth, Input::Dialled(seq, Ok(dialled(remote, false))));
                        if current {
                            self.note_tunnel(nth);
                        }
                    }
                    Err(fail) => self.feed(nth, Input::Dialled(seq, Err(fail))),
                }
            }
        }
    }

    fn connected(&mut self, nth: usize, remote: SocketAddr) {
        let manner = self.setting.origin_manner.unwrap_or_else(|| self.manner());
        let ready = Ready {
            writable: true,
            ..Ready::default()
        };
        let link = self.open(manner, Some(nth), ready);
        self.origins.push(Origin::new(link, remote));
        let taken = Taken {
            wire: wire_id(link),
            remote,
            local: None,
            private_to: None,
        };
        self.adopt(nth, taken);
    }

    /// A CONNECT's origin learns what it is.
    fn note_tunnel(&mut self, nth: usize) {
        let conn = &mut self.conns[nth];
        let Some(taken) = conn.origin.as_ref().filter(|_| conn.session.is_tunnel()) else {
            return;
        };
        let link = link_of(taken);
        let origin = self.origins.iter().position(|origin| origin.link == link);
        let Some(origin) = origin.filter(|_| conn.tunnel_origin.is_none()) else {
            return;
        };
        conn.tunnel_origin = Some(origin);
        if let Some(exchange) = self.clients[nth].exchanges.last() {
            self.origins[origin].become_tunnel(exchange.ask.number, exchange);
        }
    }

    fn adopt(&mut self, nth: usize, taken: Taken) {
        self.links[link_of(&taken)].owner = Some(nth);
        self.conns[nth].origin = Some(taken);
    }

    fn cancel(&mut self, nth: usize) {
        self.conns[nth].dialling = None;
        self.conns[nth].looking_up = None;
    }

    fn close(&mut self, nth: usize, how: Close) {
        self.cancel(nth);
        let conn = &mut self.conns[nth];
        conn.over = true;
        let links = [Some(conn.client), conn.origin.take().as_ref().map(link_of)];
        for charged in std::mem::take(&mut conn.charged) {
            self.budget.release(charged);
        }
        for link in links.into_iter().flatten() {
            if how == Close::Abort {
                self.links[link].wire.abort();
            }
            self.close_link(link);
        }
        for wire in self.pool.drop_private(conn_id(nth)) {
            self.close_link(wire.index as usize);
        }
    }

    fn close_link(&mut self, link: usize) {
        self.say(|| format!("    close {link}"));
        if self.setting.spoil != Spoil::OpenWire {
            self.links[link].wire.close();
        }
    }
}

fn conn_id(nth: usize) -> ConnId {
    ConnId {
        index: u32::try_from(nth).expect("few connections"),
        generation: 0,
    }
}

fn dialled(remote: SocketAddr, reused: bool) -> Dialled {
    Dialled {
        remote,
        local: None,
        reused,
    }
}

fn refused(address: SocketAddr) -> DialFail {
    DialFail {
        address,
        fail: IoFail {
            kind: IoFailKind::Other,
            text: "connection refused".into(),
        },
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
        deny_status: 407,
        deny_message_extra: String::new(),
    }
}
