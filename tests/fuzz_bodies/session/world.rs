//! Everything around one session: wires, clock, resolver, dialer, pool. Carries out what the session asks for as
//! `server/conn` does, and asserts what must hold at every moment.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use smokescreen::flow::Flows;
use smokescreen::io::budget::Budget;
use smokescreen::io::pipe::{Pipes, Worth};
use smokescreen::io::scratch::Scratch;
use smokescreen::io::token::ConnId;
use smokescreen::io::wire::{Ready, Wire};
use smokescreen::net::{LookupFail, Side};
use smokescreen::policy::rates::Rates;
use smokescreen::policy::{Policy, Vetted};
use smokescreen::server::allowance::Allowance;
use smokescreen::server::turn::{self, Ends, Held, Means, Turn};
use smokescreen::session::id::Ids;
use smokescreen::session::outcome::{Line, Record};
use smokescreen::session::spares::Spares;
use smokescreen::session::{Action, Cx, DialFail, Dialled, Input, PoolKey, Session, Settings};

use super::pipe::{Memory, Pipe};
use crate::fuzz_bodies::literals::is_public;

/// A turn that looks at its wires more often makes no progress.
const LOOKS_MAX: usize = 100_000;
const SCRATCH_BYTES: usize = 4096;

/// How the surroundings behave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) piece_max: usize,
    pub(super) room: usize,
    pub(super) budget_bytes: usize,
    pub(super) allowance_bytes: usize,
    /// Lookups and dials succeed at once.
    pub(super) obliging: bool,
}

pub(super) struct World {
    manner: Manner,
    pub(super) settings: Settings,
    policy: Policy,
    pub(super) now: Instant,
    pub(super) session: Session,
    flows: Flows,
    pub(super) client: Pipe,
    /// Every connection to an origin there ever was.
    pub(super) origins: Vec<Pipe>,
    remotes: Vec<SocketAddr>,
    pub(super) current: Option<usize>,
    pool: Vec<(PoolKey, usize)>,
    /// The origin of the tunnel, once there is one.
    pub(super) tunnel: Option<usize>,
    looking_up: Option<u32>,
    dialling: Option<(u32, Vec<SocketAddr>)>,
    pub(super) records: Vec<Record>,
    /// A request was let out and has no record yet.
    owes_record: bool,
    draining: bool,
    scratch: Scratch,
    budget: Budget,
    pipes: Pipes,
    held: Held,
    actions: Vec<Action>,
    ids: Ids,
    guesses: Rates,
    spares: Spares,
}

struct Sockets<'w> {
    client: &'w mut Pipe,
    origin: Option<&'w mut Pipe>,
    looks: usize,
}

impl Ends for Sockets<'_> {
    type Wire = Memory;

    fn end(&mut self, side: Side) -> Option<(&mut Memory, &mut Ready)> {
        self.looks += 1;
        assert!(self.looks < LOOKS_MAX, "a turn makes no progress");
        let pipe = match side {
            Side::Client => &mut *self.client,
            Side::Origin => self.origin.as_deref_mut()?,
        };
        Some((&mut pipe.wire, &mut pipe.ready))
    }
}

/// The only connection.
const ID: ConnId = ConnId {
    index: 0,
    generation: 0,
};

/// Is it the address of this machine?
fn is_own(address: IpAddr) -> bool {
    address == IpAddr::from([8, 8, 4, 4])
}

impl World {
    pub(super) fn new(manner: Manner, settings: Settings, policy: Policy) -> World {
        let now = Instant::now();
        World {
            client: Pipe::new(manner.piece_max, manner.room),
            session: Session::new(SocketAddr::from(([192, 0, 2, 1], 4000)), now),
            flows: Flows::new(now),
            budget: Budget::new(manner.budget_bytes),
            scratch: Scratch::new(SCRATCH_BYTES),
            ids: Ids::new([1, 2, 3], 4, 5),
            guesses: Rates::of_strangers(now),
            spares: Spares::default(),
            origins: Vec::new(),
            remotes: Vec::new(),
            current: None,
            pool: Vec::new(),
            tunnel: None,
            looking_up: None,
            dialling: None,
            records: Vec::new(),
            owes_record: false,
            draining: false,
            pipes: Pipes::new(0, Worth::default()),
            held: Held::default(),
            actions: Vec::new(),
            manner,
            settings,
            policy,
            now,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.session.is_done()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let session = self.session.deadline(&self.flows, &self.settings);
        session.into_iter().chain(self.held.deadline()).min()
    }

    pub(super) fn origin(&mut self) -> Option<&mut Pipe> {
        self.origins.get_mut(self.current?)
    }

    /// Lets the session take an input, and does what it asks for.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        self.draining |= matches!(input, Input::Drain);
        self.tell(input);
        self.carry_out();
    }

    fn tell(&mut self, input: Input<'_>) {
        let mut cx = Cx {
            now: self.now,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            policy: &self.policy,
            settings: &self.settings,
            ids: &mut self.ids,
            guesses: &mut self.guesses,
            spares: &mut self.spares,
            is_local: &is_own,
            actions: &mut self.actions,
        };
        self.session.advance(input, &mut self.flows, &mut cx);
    }

    /// Runs turns until nothing moves any more.
    pub(super) fn run(&mut self) {
        for rounds in 0.. {
            assert!(rounds < LOOKS_MAX, "a session never rests");
            self.drop_stale();
            let ended = self.turn();
            let stirred = self.client.stir() | self.origin().is_some_and(Pipe::stir);
            if self.is_over() || ended == Turn::Rest && !stirred {
                break;
            }
        }
        if !self.is_over() {
            // Only the kernel's own limit is left where this is switched off.
            let unlimited = self.dialling.is_some() && self.settings.connect_timeout.is_zero();
            assert!(self.deadline().is_some() || unlimited, "no deadline");
        }
    }

    fn drop_stale(&mut self) {
        let origins = &mut self.origins;
        self.pool.retain(|(_, at)| {
            let stale = origins[*at].is_stale();
            if stale {
                origins[*at].close();
            }
            !stale
        });
    }

    fn turn(&mut self) -> Turn {
        if self.carry_out() {
            return Turn::Rest;
        }
        let mut sockets = Sockets {
            client: &mut self.client,
            origin: self.current.and_then(|at| self.origins.get_mut(at)),
            looks: 0,
        };
        let mut means = Means {
            scratch: &mut self.scratch,
            budget: &mut self.budget,
            pipes: &mut self.pipes,
            held: &mut self.held,
            id: ID,
            allowance: &mut Allowance::new(self.manner.allowance_bytes, Duration::from_secs(3600)),
        };
        let mut cx = Cx {
            now: self.now,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            policy: &self.policy,
            settings: &self.settings,
            ids: &mut self.ids,
            guesses: &mut self.guesses,
            spares: &mut self.spares,
            is_local: &is_own,
            actions: &mut self.actions,
        };
        let ended = turn::run(
            &mut sockets,
            &mut self.flows,
            &mut self.session,
            &mut cx,
            &mut means,
        );
        turn::end(&mut self.flows, &self.session, &mut means);
        assert!(
            self.scratch.read_bytes() >= SCRATCH_BYTES,
            "the loop's buffer is lost"
        );
        self.carry_out();
        if self.budget.surplus().is_some() {
            self.feed(Input::Starved);
        }
        ended
    }

    fn carry_out(&mut self) -> bool {
        while !self.actions.is_empty() {
            for action in std::mem::take(&mut self.actions) {
                self.act(action);
            }
        }
        if self.session.is_tunnel() {
            self.tunnel = self.tunnel.or(self.current);
        }
        self.is_over()
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Resolve(seq, name) => {
                assert!(!name.as_str().ends_with(".internal"), "{name} is denied");
                self.owes_record = true;
                self.looking_up = Some(seq);
                if self.manner.obliging {
                    self.tell(Input::Resolved(seq, Ok(&[IpAddr::from([1, 1, 1, 1])])));
                }
            }
            Action::Dial(seq, addresses, wanted) => {
                self.dial(seq, &addresses, wanted.map(|wanted| wanted.key))
            }
            Action::Join(more) => {
                let more: Vec<_> = more.iter().map(Vetted::address).collect();
                assert!(
                    more.iter().all(|address| is_public(address.ip())),
                    "{more:?} are dialled"
                );
                let (_, addresses) = self.dialling.as_mut().expect("a dial to join");
                assert!(!more.is_empty() && !more.iter().any(|address| addresses.contains(address)));
                addresses.extend(more);
                assert!(addresses.len() <= 8);
            }
            Action::Cancel => (self.looking_up, self.dialling) = (None, None),
            Action::Hangup(Side::Client) => {
                let _ = self.client.wire.hangup();
            }
            Action::Hangup(Side::Origin) => {
                if let Some(origin) = self.origin() {
                    let _ = origin.wire.hangup();
                }
            }
            Action::DropOrigin => self.drop_origin(),
            Action::Park(key, ..) => self.park(key),
            Action::Log(record) => self.log(*record),
            Action::Close(_) => self.close(),
        }
    }

    fn dial(&mut self, seq: u32, addresses: &[Vetted], key: Option<PoolKey>) {
        assert!((1..=8).contains(&addresses.len()) && self.current.is_none());
        self.owes_record = true;
        let addresses: Vec<_> = addresses.iter().map(Vetted::address).collect();
        for address in &addresses {
            assert!(is_public(address.ip()), "{address} is dialled");
            assert_eq!(
                address.ip(),
                address.ip().to_canonical(),
                "a mapped address is dialled"
            );
            assert!(
                !is_own(address.ip()) || address.port() != 4750,
                "we dial ourselves"
            );
        }
        let idle = |(parked, at): &(PoolKey, usize)| {
            key.as_ref() == Some(parked)
                && addresses.contains(&self.remotes[*at])
                && !self.origins[*at].is_stale()
        };
        if let Some(at) = self.pool.iter().position(idle) {
            let (_, at) = self.pool.remove(at);
            self.current = Some(at);
            return self.tell(Input::Dialled(seq, Ok(dialled(self.remotes[at], true))));
        }
        let first = addresses[0];
        self.dialling = Some((seq, addresses));
        if self.manner.obliging {
            self.connect(first);
        }
    }

    /// The dial under way ends with this connection, if that address is among those to dial.
    fn connect(&mut self, remote: SocketAddr) {
        let Some((seq, _)) = self.dialling.take() else {
            return;
        };
        self.origins
            .push(Pipe::new(self.manner.piece_max, self.manner.room));
        self.remotes.push(remote);
        self.current = Some(self.origins.len() - 1);
        self.tell(Input::Dialled(seq, Ok(dialled(remote, false))));
    }

    /// The dial under way succeeds with one of its addresses.
    pub(super) fn dial_succeeds(&mut self, nth: usize) {
        if let Some((_, addresses)) = &self.dialling {
            self.connect(addresses[nth % addresses.len()]);
            self.carry_out();
        }
    }

    pub(super) fn dial_fails(&mut self, fail: smokescreen::net::IoFail) {
        if let Some((seq, addresses)) = self.dialling.take() {
            let address = addresses[0];
            self.feed(Input::Dialled(seq, Err(DialFail { address, fail })));
        }
    }

    pub(super) fn lookup_tells(&mut self, found: &[IpAddr]) {
        if let Some(seq) = self.looking_up {
            self.feed(Input::Partly(seq, found));
        }
    }

    pub(super) fn lookup_ends(&mut self, answer: Result<&[IpAddr], LookupFail>) {
        if let Some(seq) = self.looking_up.take() {
            self.feed(Input::Resolved(seq, answer));
        }
    }

    fn drop_origin(&mut self) {
        if let Some(at) = self.current.take() {
            self.origins[at].close();
        }
    }

    fn park(&mut self, key: PoolKey) {
        let Some(at) = self.current.take() else {
            panic!("parks what is not there")
        };
        if self.draining || self.origins[at].is_stale() {
            return self.origins[at].close();
        }
        self.pool.push((key, at));
    }

    fn log(&mut self, record: Record) {
        let known = self.records.iter().filter(|other| other.id == record.id).count();
        match record.line() {
            Line::Decision => {
                assert_eq!(known, 0, "a request is logged twice");
                self.owes_record = false;
            }
            Line::Close => assert_eq!(known, 1, "a tunnel's end without its beginning"),
        }
        self.records.push(record);
    }

    fn close(&mut self) {
        assert!(!self.owes_record, "a request without a record");
        self.client.close();
        self.drop_origin();
        for (_, at) in self.pool.drain(..) {
            self.origins[at].close();
        }
        self.held
            .release(&self.session, ID, &mut self.budget, &mut self.pipes);
        assert_eq!(self.budget.used_bytes(), 0, "bytes of the budget are lost");
    }
}

fn dialled(remote: SocketAddr, reused: bool) -> Dialled {
    Dialled {
        remote,
        local: None,
        reused,
        private: false,
    }
}
