//! Everything around one connection: wires, what sessions see, resolver, dialer, stores. Does for it what the loop does
//! for many, and asserts what must hold at every step. What happens next is the script's.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use smokescreen::clock::Instant;
use smokescreen::io::budget::Budget;
use smokescreen::io::dialer::Standing;
use smokescreen::io::pipe::{Pipes, Worth};
use smokescreen::io::resolver::Asked;
use smokescreen::io::scratch::Scratch;
use smokescreen::io::token::{ConnId, Ticket};
use smokescreen::io::wires::Owner;
use smokescreen::net::{ClientKey, Host, IoFail, Name, Side};
use smokescreen::policy::{Policy, Question, Vetted, VettedList};
use smokescreen::server::allowance::Allowance;
use smokescreen::server::ends::WireTable;
use smokescreen::server::pool::Pool;
use smokescreen::server::ports::{Parts, Ports, Step};
use smokescreen::server::stores::Stores;
use smokescreen::server::world::World as View;
use smokescreen::session::id::Ids;
use smokescreen::session::outcome::{Line, Record};
use smokescreen::session::{Action, HandshakeFail, Input, PoolKey, Session, Settings};
use smokescreen::tls::Minted;

use crate::fuzz_bodies::literals::is_public;

use super::pipe::Pipe;
use super::wires::{Wires, wire_id};

const SCRATCH_BYTES: usize = 4096;

/// Idle connections, in all and with one key.
const IDLE_MAX: usize = 4;
const IDLE_PER_KEY_MAX: usize = 2;

/// A turn ends with its bytes: the clock that its time goes by stands outside of the input.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// The only connection.
pub(super) const ID: ConnId = ConnId {
    index: 0,
    generation: 0,
};

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

/// A dial under way.
struct Dial {
    addresses: Vec<SocketAddr>,
    standing: Standing,
}

pub(super) struct World {
    manner: Manner,
    pub(super) view: View,
    pub(super) stores: Stores,
    pub(super) wires: Wires,
    /// Where each connection to an origin goes, and for which requests it was kept last.
    remotes: Vec<(SocketAddr, Option<PoolKey>)>,
    /// What was dialled last, and which kept connection would have done.
    wanted: (Vec<SocketAddr>, Option<PoolKey>),
    /// So many of the client's bytes are a balancer's.
    pub(super) header_bytes: usize,
    /// The origin of the tunnel, once there is one.
    pub(super) tunnel: Option<usize>,
    /// The number of the lookup under way.
    pub(super) looking_up: Option<u32>,
    dial: Option<Dial>,
    pub(super) records: Vec<Record>,
    /// A request was let out and has no record yet.
    owes_record: bool,
}

/// Is it the address of this machine?
fn is_own(address: IpAddr) -> bool {
    address == IpAddr::from([8, 8, 4, 4])
}

impl World {
    pub(super) fn new(manner: Manner, settings: Settings, policy: Policy) -> World {
        let now = Instant::now();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let ids = Ids::new([1, 2, 3], 4, 5);
        World {
            view: View::new((now, wall), policy.into(), settings, ids, Box::new(is_own)),
            stores: Stores {
                scratch: Scratch::new(SCRATCH_BYTES),
                budget: Budget::new(manner.budget_bytes),
                pipes: Pipes::new(0, Worth::default()),
                pool: Pool::new(IDLE_MAX, IDLE_PER_KEY_MAX, now),
                draining: false,
                computes: false,
                turn: Allowance::new(manner.allowance_bytes, FOR_EVER),
            },
            wires: Wires::new(Pipe::new(
                manner.piece_max,
                manner.room,
                Owner::Conn(ID, Side::Client),
            )),
            remotes: Vec::new(),
            wanted: (Vec::new(), None),
            header_bytes: 0,
            tunnel: None,
            looking_up: None,
            dial: None,
            records: Vec::new(),
            owes_record: false,
            manner,
        }
    }

    /// The kernel's own limit is all that a dial under way has.
    pub(super) fn dials_without_limit(&self) -> bool {
        self.dial.is_some() && self.view.settings.connect_timeout.is_none()
    }

    /// A connection to that address.
    fn connect(&mut self, remote: SocketAddr) -> Standing {
        let Manner { piece_max, room, .. } = self.manner;
        let nth = self.wires.origins.len();
        self.wires
            .origins
            .push(Pipe::new(piece_max, room, Owner::Race(ID)));
        self.remotes.push((remote, None));
        Standing::Won {
            wire: wire_id(nth),
            remote,
            local: None,
        }
    }

    /// The dial under way, if any, succeeds with one of its addresses.
    pub(super) fn dial_succeeds(&mut self, nth: usize) {
        if let Some(Dial { addresses, .. }) = &self.dial {
            let standing = self.connect(addresses[nth % addresses.len()]);
            self.end_dial(standing);
        }
    }

    /// It fails.
    pub(super) fn dial_fails(&mut self, fail: IoFail) {
        if let Some(Dial { addresses, .. }) = &self.dial {
            self.end_dial(Standing::Lost(addresses[0], fail));
        }
    }

    fn end_dial(&mut self, ended: Standing) {
        if let Some(Dial { standing, .. }) = &mut self.dial {
            *standing = ended;
        }
    }

    /// What the loop does as the poll tells of kept connections, and as time passes.
    pub(super) fn drop_stale(&mut self) {
        for origin in &mut self.wires.origins {
            if let Owner::Pool(idle) = origin.owner
                && origin.is_stale()
                && self.stores.pool.drop_idle(idle)
            {
                origin.close();
            }
        }
        while let Some(wire) = self.stores.pool.pop_expired(self.view.now) {
            self.wires.close(wire);
        }
    }

    /// Nothing is kept any more.
    pub(super) fn drain(&mut self) {
        self.stores.draining = true;
        while let Some(wire) = self.stores.pool.pop_oldest() {
            self.wires.close(wire);
        }
    }

    /// What must hold when a turn has ended.
    pub(super) fn judge_turn(&self) {
        let bytes = self.stores.scratch.read_bytes();
        assert!(bytes >= SCRATCH_BYTES, "the loop's buffer is lost");
    }

    /// What must hold when the connection is over.
    pub(super) fn judge_end(&mut self) {
        self.drain();
        assert_eq!(self.stores.budget.used_bytes(), 0, "bytes of the budget are lost");
        assert!(
            self.looking_up.is_none() && self.dial.is_none(),
            "it is still asking"
        );
        let mut all = self.wires.origins.iter().chain([&self.wires.client]);
        assert!(all.all(|pipe| pipe.wire.closed), "a wire is left open");
    }

    fn judge_action(&mut self, action: &Action) {
        match action {
            Action::Resolve(_, name) => {
                assert!(!name.as_str().ends_with(".internal"), "{name} is denied");
                self.owes_record = true;
            }
            Action::Dial(_, addresses, wanted) => {
                assert!((1..=8).contains(&addresses.len()) && self.wires.current().is_none());
                self.owes_record = true;
                let key = wanted.as_ref().map(|wanted| wanted.key.clone());
                self.wanted = (may_be_dialled(addresses), key);
            }
            Action::Join(more) => {
                let more = may_be_dialled(more);
                let Dial { addresses, .. } = self.dial.as_mut().expect("a dial to join");
                assert!(!more.is_empty() && !more.iter().any(|address| addresses.contains(address)));
                addresses.extend(more);
                assert!(addresses.len() <= 8);
            }
            Action::Park(key, ..) => {
                let nth = self.wires.current().expect("parks what is not there");
                self.remotes[nth].1 = Some(key.clone());
            }
            // No engine comes of it here: the request is refused.
            Action::SecureOrigin(_) => {
                let nth = self.wires.current().expect("secures what is not there");
                let left = self.wires.origins[nth].wire.received.len();
                assert_eq!(left, 0, "bytes left in the clear");
            }
            Action::Close(_) => assert!(!self.owes_record, "a request without a record"),
            Action::Cut(..) => assert!(!self.owes_record, "its own line comes first"),
            Action::Spent => {}
            Action::Secure
            | Action::SecureInside
            | Action::Mint(..)
            | Action::Warn(..)
            | Action::Show(..) => {
                panic!("nobody speaks TLS or asks for pages: {action:?}")
            }
            Action::Ask(..) | Action::Cancel | Action::Hangup(_) | Action::DropOrigin | Action::Log(_) => {}
        }
    }

    /// A kept connection must be one to where the request goes, kept by one like it, and silent.
    fn judge_kept(&self) {
        let nth = self.wires.current().expect("a connection that was kept");
        let (remote, key) = &self.remotes[nth];
        let (addresses, wanted) = &self.wanted;
        assert!(addresses.contains(remote) && wanted.is_some() && key == wanted);
        assert!(!self.wires.origins[nth].is_stale());
    }
}

impl Ports for World {
    type Wires = Wires;
    type Race = ();

    fn parts(&mut self) -> Parts<'_, Wires> {
        self.wires.looks = 0;
        Parts {
            wires: &mut self.wires,
            world: &mut self.view,
            stores: &mut self.stores,
        }
    }

    /// Its policy compares passwords itself.
    fn verify(&mut self, ticket: Ticket, _: ClientKey, question: Question) {
        panic!("{ticket:?} asks {question:?}");
    }

    /// Its policy intercepts nothing.
    fn mint(&mut self, ticket: Ticket, _: ClientKey, host: &Host) -> Option<Minted> {
        panic!("{ticket:?} wants a certificate for {host}");
    }

    fn look_up(&mut self, ticket: Ticket, _: &Name, _: IpAddr) -> Asked {
        assert!(self.looking_up.is_none(), "two lookups at a time");
        if self.manner.obliging {
            return Asked::Answered(Ok([IpAddr::from([1, 1, 1, 1])].into()));
        }
        self.looking_up = Some(ticket.seq);
        Asked::Pending
    }

    fn cancel_lookup(&mut self, ticket: Ticket) {
        assert_eq!(self.looking_up.take(), Some(ticket.seq));
    }

    fn dial(&mut self, _: Ticket, _: ClientKey, addresses: VettedList) -> ((), Standing) {
        assert!(self.dial.is_none(), "two dials at a time");
        let addresses: Vec<_> = addresses.iter().map(Vetted::address).collect();
        if self.manner.obliging {
            return ((), self.connect(addresses[0]));
        }
        let standing = Standing::Running;
        self.dial = Some(Dial { addresses, standing });
        ((), Standing::Running)
    }

    fn join(&mut self, (): &mut (), _: &VettedList) -> Standing {
        Standing::Running
    }

    fn race_on(&mut self, (): &mut ()) -> Standing {
        let ended = |dial: &mut Dial| !matches!(dial.standing, Standing::Running);
        self.dial
            .take_if(ended)
            .map_or(Standing::Running, |dial| dial.standing)
    }

    fn race_deadline((): &()) -> Option<Instant> {
        None
    }

    fn give_up(&mut self, (): &mut ()) {
        let dial = self.dial.take().expect("a dial to give up");
        if let Standing::Won { wire, .. } = dial.standing {
            self.wires.close(wire);
        }
    }

    fn warn(&mut self, _: SocketAddr, _: HandshakeFail, words: &str) {
        panic!("nothing is to be warned of: {words}");
    }

    fn log(&mut self, record: Box<Record>) {
        let known = self.records.iter().filter(|other| other.id == record.id).count();
        match record.line() {
            Line::Decision => {
                assert_eq!(known, 0, "a request is logged twice");
                self.owes_record = false;
            }
            Line::Close => assert_eq!(known, 1, "a tunnel's end without its beginning"),
        }
        self.records.push(*record);
    }

    fn observe(&mut self, _: ConnId, session: &Session, step: Step<'_>) {
        if session.is_tunnel() {
            self.tunnel = self.tunnel.or(self.wires.current());
        }
        match step {
            Step::Wants(action) => self.judge_action(action),
            Step::Told(Input::Dialled(_, Ok(dialled))) if dialled.reused => self.judge_kept(),
            Step::Told(_) | Step::Ran(..) => {}
        }
    }
}

/// The addresses, which must be public, unmapped, and not our own.
fn may_be_dialled(addresses: &[Vetted]) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.iter().map(Vetted::address).collect();
    for address in &addresses {
        let ip = address.ip();
        assert!(is_public(ip), "{address} is dialled");
        assert_eq!(ip, ip.to_canonical(), "a mapped address is dialled");
        assert!(!is_own(ip) || address.port() != 4750, "we dial ourselves");
    }
    addresses
}
