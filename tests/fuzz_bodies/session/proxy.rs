//! What the loop does for its connections, for one: turns, the byte budget, deadlines, answers. What it meets there is
//! `world`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smokescreen::clock::Instant;
use smokescreen::io::resolver::News;
use smokescreen::net::{LookupFail, Side};
use smokescreen::policy::Policy;
use smokescreen::server::conn::{After, Conn};
use smokescreen::session::{Input, Settings};

use super::pipe::Pipe;
use super::wires::CLIENT;
use super::world::{ID, Manner, World};

/// A connection that has more turns without an event makes no progress.
const TURNS_MAX: usize = 100_000;

pub(super) struct Proxy {
    pub(super) world: World,
    conn: Conn<World>,
    over: bool,
}

impl Proxy {
    pub(super) fn new(manner: Manner, settings: Settings, policy: Policy) -> Proxy {
        let world = World::new(manner, settings, policy);
        let peer = SocketAddr::from(([192, 0, 2, 1], 4000));
        Proxy {
            conn: Conn::new(ID, CLIENT, peer, world.view.now),
            world,
            over: false,
        }
    }

    /// A balancer says this before the client's first byte.
    pub(super) fn announce(&mut self, header: &'static [u8]) {
        self.client().send(header);
        self.world.header_bytes = header.len();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn now(&self) -> Instant {
        self.world.view.now
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.conn.deadline(&self.world.view.settings)
    }

    pub(super) fn client(&mut self) -> &mut Pipe {
        &mut self.world.wires.client
    }

    pub(super) fn origin(&mut self) -> Option<&mut Pipe> {
        let nth = self.world.wires.current()?;
        self.world.wires.origins.get_mut(nth)
    }

    /// Tells the session; it goes on in a run.
    pub(super) fn feed(&mut self, input: Input<'_>) {
        self.conn.feed(input, &mut self.world);
    }

    /// Runs turns until nothing moves any more.
    pub(super) fn run(&mut self) {
        for turns in 0.. {
            assert!(turns < TURNS_MAX, "a connection never rests");
            self.world.drop_stale();
            let after = self.turn();
            if after == After::Over {
                self.over = true;
                return self.world.judge_end();
            }
            let stirred = self.client().stir() | self.origin().is_some_and(Pipe::stir) | self.may_go_on();
            if after == After::Rests && !stirred {
                break;
            }
        }
        // Only the kernel's own limit is left where this is switched off.
        let unlimited = self.world.dials_without_limit();
        assert!(self.deadline().is_some() || unlimited, "no deadline");
    }

    fn turn(&mut self) -> After {
        let mut after = self.conn.turn(&mut self.world);
        self.world.judge_turn();
        if self.world.stores.budget.surplus().is_some() {
            self.conn.feed(Input::Starved(Side::Client), &mut self.world);
            after = self.conn.turn(&mut self.world);
            if self.world.stores.budget.surplus().is_some() {
                self.conn.feed(Input::Terminate, &mut self.world);
                after = self.conn.turn(&mut self.world);
            }
        }
        after
    }

    /// Does it wait for room in the byte budget, and is there some now?
    fn may_go_on(&mut self) -> bool {
        let waiting = self.world.stores.budget.next_waiting();
        waiting.is_some() && self.conn.may_go_on(&mut self.world.stores)
    }

    /// Time passes, and with it at most one deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        self.world.view.now += time;
        self.conn.expired(&mut self.world);
    }

    /// The server drains.
    pub(super) fn drain(&mut self) {
        self.world.drain();
        self.conn.drain(&mut self.world);
    }

    pub(super) fn lookup_tells(&mut self, found: &[IpAddr]) {
        if let Some(seq) = self.world.looking_up {
            let news = News::Part(found.into());
            self.conn.resolved(seq, &news, &mut self.world);
        }
    }

    pub(super) fn lookup_ends(&mut self, answer: Result<&[IpAddr], LookupFail>) {
        if let Some(seq) = self.world.looking_up.take() {
            let news = News::Whole(answer.map(Into::into));
            self.conn.resolved(seq, &news, &mut self.world);
        }
    }
}
