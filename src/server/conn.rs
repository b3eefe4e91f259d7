//! One client connection as the server keeps it: a session, its flows and its wires. Runs turns, and carries out what
//! the session wants, through the ports. How it comes to an origin's connection, and gives it away, is `origin`'s
//! business.

mod inside;
mod origin;
mod pending;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use crate::clock::Instant;
use crate::flow::Flows;
use crate::io::deadlines::Filed;
use crate::io::pump;
use crate::io::token::{ConnId, WireId};
use crate::io::wire::{Wire as _, io_fail};
use crate::net::{ClientKey, Side};
use crate::policy::{Policy, Verified};
use crate::session::{Action, Close, Input, Session, Settings, Standing, Surface};
use crate::stats::Tunnel;

use self::pending::Pending;
use super::allowance::Allowance;
use super::ends::{Ends, OriginWire, WireTable};
use super::handshakes::Stage;
use super::held::Held;
use super::ports::{Parts, Ports, Step};
use super::stores::Stores;
use super::turn::{self, Means, Turn};

/// One client connection.
pub struct Conn<P: Ports> {
    id: ConnId,
    client: WireId,
    /// The origin's connection.
    origin: OriginWire,
    /// A dial under way, or a certificate that was made; few connections have either.
    pending: Option<Box<Pending<P::Race>>>,
    /// The number of the lookup under way.
    looking_up: Option<NonZeroU32>,
    flows: Flows,
    session: Session,
    held: Held,
    /// Parked a connection that only this client may use.
    has_private: bool,
    /// The server's note of this connection's deadline.
    pub filed: Filed,
    /// It waits in the run queue.
    pub queued: bool,
    /// The server counts it among the strangers.
    pub counted: bool,
    /// As what the server counts it.
    pub standing: Standing,
}

/// How a connection came out of its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// It waits for an event.
    Rests,
    /// It has more to do.
    Again,
    /// It has a handshake to go on with, this far, when it is time for such.
    Computes(Stage),
    /// It is over.
    Over,
}

impl<P: Ports> Conn<P> {
    /// A client that was just accepted.
    pub fn new(id: ConnId, client: WireId, peer: SocketAddr, now: Instant) -> Conn<P> {
        Conn::of(id, client, Session::new(peer, now), now)
    }

    /// One that was just accepted to ask how the proxy is.
    pub fn admin(
        id: ConnId,
        client: WireId,
        (peer, surface): (SocketAddr, Surface),
        now: Instant,
    ) -> Conn<P> {
        Conn::of(id, client, Session::admin(peer, surface, now), now)
    }

    fn of(id: ConnId, client: WireId, session: Session, now: Instant) -> Conn<P> {
        Conn {
            id,
            client,
            origin: OriginWire::NONE,
            pending: None,
            looking_up: None,
            flows: Flows::new(now),
            session,
            held: Held::default(),
            has_private: false,
            filed: Filed::default(),
            queued: false,
            counted: false,
            standing: Standing::Idle,
        }
    }

    /// The client is taken under this policy, which may know it by its address.
    pub fn recognise(&mut self, policy: &Policy) {
        self.session.recognise(policy);
    }

    /// Does nobody know who it is?
    pub fn is_stranger(&self) -> bool {
        self.session.is_stranger()
    }

    /// Who it is where clients share something.
    pub fn client_key(&self) -> ClientKey {
        ClientKey::of(self.session.client().ip())
    }

    /// Runs until nothing moves, the allowance is spent, or it is over.
    pub fn turn(&mut self, ports: &mut P) -> After {
        let Parts { stores, .. } = ports.parts();
        let mut allowance = stores.turn;
        stores.scratch.lend_tx(&mut self.flows);
        let after = self.go_on(&mut allowance, ports);
        let Parts { wires, stores, .. } = ports.parts();
        let mut ends = self.ends(wires);
        let mut means = Means {
            stores,
            held: &mut self.held,
            id: self.id,
            allowance: &mut allowance,
        };
        turn::end(&mut ends, &mut self.flows, &self.session, &mut means);
        after
    }

    fn go_on(&mut self, allowance: &mut Allowance, ports: &mut P) -> After {
        self.look_at_race(ports);
        loop {
            if self.carry_out(ports) {
                return After::Over;
            }
            if let Some(stage) = self.waiting_stage(ports) {
                return After::Computes(stage);
            }
            let ended = self.run(allowance, ports);
            ports.observe(self.id, &self.session, Step::Ran(ended, &self.flows));
            match ended {
                Turn::Rest => {
                    ports.parts().wires.watch(self.client);
                    return After::Rests;
                }
                Turn::Acts => allowance.spend(turn::act_bytes(&self.session)),
                Turn::Spent => {}
            }
            if allowance.is_spent() {
                return match self.carry_out(ports) {
                    true => After::Over,
                    false => After::Again,
                };
            }
        }
    }

    /// How far its handshake has come, where there is one to go on with and it is not the time for it.
    fn waiting_stage(&self, ports: &mut P) -> Option<Stage> {
        let side = self.session.securing()?;
        let Parts { wires, stores, .. } = ports.parts();
        let mut ends = self.ends(wires);
        let (wire, ready) = ends.end(side)?;
        let is_to_wait = !stores.computes && ready.readable;
        is_to_wait.then(|| match wire.has_answered() {
            // With an origin the arithmetic begins when it has answered.
            true if side == Side::Client => Stage::Answered,
            _ => Stage::Unanswered,
        })
    }

    fn run(&mut self, allowance: &mut Allowance, ports: &mut P) -> Turn {
        let Parts { wires, world, stores } = ports.parts();
        let mut ends = self.ends(wires);
        let mut means = Means {
            stores,
            held: &mut self.held,
            id: self.id,
            allowance,
        };
        let (flows, session) = (&mut self.flows, &mut self.session);
        turn::run(&mut ends, flows, session, &mut world.cx(), &mut means)
    }

    /// Does it do a handshake with an origin?
    pub fn is_securing_origin(&self) -> bool {
        self.session.securing() == Some(Side::Origin)
    }

    /// Are its bytes counted?
    pub fn is_metered(&self) -> bool {
        self.session.is_metered()
    }

    /// See [`Session::meter`].
    pub fn meter(&mut self, policy: &Policy) {
        self.session.meter(policy);
    }

    /// As what it stands now; gives what the server counts it as if that is something else, and takes note.
    pub fn note_standing(&mut self) -> Option<[Standing; 2]> {
        let (before, now) = (self.standing, self.session.standing());
        self.standing = now;
        (before != now).then_some([before, now])
    }

    /// When something last moved, either way.
    pub fn touched(&self) -> Instant {
        self.flows.touched()
    }

    /// Was nothing asked yet, so that the head of a request is still to come?
    pub fn awaits_head(&self) -> bool {
        self.session.awaits_head()
    }

    /// Has all of a last answer left for the kernel, so that only the client's end is still to come?
    pub fn is_answered(&self) -> bool {
        self.session.is_closing() && !self.flows.down.has_unsent()
    }

    /// What there is to tell of it if it is a tunnel.
    pub fn tunnel(&self) -> Option<Tunnel<'_>> {
        let record = self.session.tunnel()?;
        let Flows { up, down } = &self.flows;
        Some(Tunnel {
            record,
            touched: self.flows.touched(),
            bytes_in: down.moved_bytes,
            bytes_out: up.moved_bytes,
        })
    }

    /// Feeds the session something that did not come from a wire; a turn must follow.
    pub fn feed(&mut self, input: Input<'_>, ports: &mut P) {
        self.tell(input, ports);
        self.carry_out(ports);
    }

    /// A turn that reads its client's socket even if nothing was heard of it.
    pub fn look_again(&mut self, ports: &mut P) -> After {
        if let Some((_, ready)) = ports.parts().wires.wire(self.client) {
            ready.readable = true;
        }
        self.turn(ports)
    }

    /// No further requests: but one that is waiting in the socket already, perhaps since before we accepted it,
    /// is read first.
    pub fn drain(&mut self, ports: &mut P) {
        if self.look_again(ports) != After::Over {
            self.feed(Input::Drain, ports);
        }
    }

    /// Its deadline may have passed: the session's or the race's.
    pub fn expired(&mut self, ports: &mut P) {
        let Parts { world, .. } = ports.parts();
        let due = self.session.deadline(&self.flows, &world.settings);
        if due.is_some_and(|at| at <= world.now) {
            self.feed(Input::Expired, ports);
        }
    }

    /// It was found out whether credentials are right; `None` where nobody was free to do that.
    pub fn verified(&mut self, seq: u32, verified: Option<&Verified>, ports: &mut P) {
        self.feed(Input::Verified(seq, verified), ports);
    }

    /// It waited for room. Is there some now? Then it wants a turn.
    pub fn may_go_on(&mut self, stores: &mut Stores) -> bool {
        self.held.may_go_on(&self.session, self.id, &mut stores.budget)
    }

    /// When it wants to be looked at though nothing happened.
    pub fn deadline(&self, settings: &Settings) -> Option<Instant> {
        let session = self.session.deadline(&self.flows, settings);
        let race = self
            .dialling()
            .and_then(|dialling| P::race_deadline(&dialling.race));
        [session, race, self.held.deadline()].into_iter().flatten().min()
    }

    /// Closes whatever is left.
    pub fn close(&mut self, how: Close, ports: &mut P) {
        self.cancel(ports);
        let Parts { wires, stores, .. } = ports.parts();
        let left = [Some(self.client), self.origin.take()];
        for wire in left.into_iter().flatten() {
            match how {
                Close::Orderly => wires.close(wire),
                Close::Unsaid => wires.cut(wire),
                Close::Abort => wires.abort(wire),
            }
        }
        let Stores {
            budget, pipes, pool, ..
        } = stores;
        self.held.release(&self.session, self.id, budget, pipes);
        if self.has_private {
            for wire in pool.drop_private(self.id) {
                wires.close(wire);
            }
        }
    }

    /// Carries out what the session asked for, in order; answers that are there at once are fed back. Is the
    /// connection over?
    fn carry_out(&mut self, ports: &mut P) -> bool {
        // The session may act anew meanwhile.
        while let Some(mut actions) = ports.parts().world.take_actions() {
            // From the end, for a list gives its last away at less cost than its first. Most have one.
            actions.reverse();
            while let Some(action) = actions.pop() {
                ports.observe(self.id, &self.session, Step::Wants(&action));
                self.act(action, ports);
            }
            ports.parts().world.put_back(actions);
        }
        self.session.is_done()
    }

    fn act(&mut self, action: Action, ports: &mut P) {
        match action {
            Action::Secure => self.secure(ports),
            Action::SecureInside => self.secure_inside(ports),
            Action::Mint(seq, host) => self.mint(seq, &host, ports),
            Action::SecureOrigin(peer) => self.secure_origin(&peer, ports),
            Action::Ask(seq, question) => ports.verify(self.ticket(seq), self.client_key(), question),
            Action::Resolve(seq, name) => self.look_up(seq, &name, ports),
            Action::Dial(seq, addresses, wanted) => self.dial(seq, addresses, wanted, ports),
            Action::Join(addresses) => self.join(&addresses, ports),
            Action::Cancel => self.cancel(ports),
            Action::Hangup(side) => {
                let Parts { wires, .. } = ports.parts();
                if let Some((wire, _)) = self.ends(wires).end(side) {
                    pump::hang_up(wire, self.flows.to(side));
                }
                self.tell(Input::Moved, ports);
            }
            Action::DropOrigin => {
                if let Some(origin) = self.origin.take() {
                    ports.parts().wires.close(origin);
                }
            }
            Action::Park(key, dialled, lease) => self.park(key, dialled, lease, ports),
            Action::Spent => ports.note_spent(),
            Action::Warn(fail, words) => ports.warn(self.session.client(), fail, &words),
            Action::Show(page, start) => ports.show(self.id, page, start),
            Action::Cut(id, whose, why) => ports.note_cut(id, whose, &why),
            Action::Log(record) => ports.log(record),
            Action::Close(how) => self.close(how, ports),
        }
    }

    /// What was read of the client's wire goes to its engine.
    fn secure(&mut self, ports: &mut P) {
        let received = self.flows.up.rx.as_slice();
        let secured = ports.parts().wires.secure(self.client, received);
        self.flows.up.rx.clear();
        if let Err(error) = secured {
            self.tell(Input::Broken(Side::Client, &io_fail(&error)), ports);
        }
    }

    fn tell(&mut self, input: Input<'_>, ports: &mut P) {
        ports.observe(self.id, &self.session, Step::Told(&input));
        let Parts { world, .. } = ports.parts();
        self.session.advance(input, &mut self.flows, &mut world.cx());
    }

    /// Its wires, in the table of all.
    fn ends<'w>(&self, wires: &'w mut P::Wires) -> Ends<'w, P::Wires> {
        Ends {
            wires,
            client: self.client,
            origin: self.origin.get(),
        }
    }
}

impl<P: Ports> fmt::Debug for Conn<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conn { id, session, .. } = self;
        let mut shown = formatter.debug_struct("Conn");
        shown
            .field("id", id)
            .field("session", session)
            .finish_non_exhaustive()
    }
}
