//! One client connection as the server keeps it: a session, its flows and its wires. Runs turns, and carries out what
//! the session wants. How it comes to an origin's connection, and gives it away, is `origin`'s business.

mod origin;

use std::net::SocketAddr;
use std::time::Instant;

use crate::flow::Flows;
use crate::io::deadlines::Filed;
use crate::io::token::{ConnId, WireId};
use crate::io::wire::Wire;
use crate::net::{ClientKey, Side};
use crate::session::{Action, Close, Input, Session};

use self::origin::Dialling;
use super::allowance::Allowance;
use super::core::Core;
use super::sockets::Sockets;
use super::turn::{self, Held, Means, Turn};

/// One client connection.
#[derive(Debug)]
pub struct Conn {
    id: ConnId,
    client: WireId,
    /// The origin's connection.
    origin: Option<WireId>,
    /// A dial under way; few connections have one.
    dialling: Option<Box<Dialling>>,
    /// The number of the question whose answer is awaited.
    looking_up: Option<u32>,
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
}

/// How a connection came out of its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// It waits for an event.
    Rests,
    /// It has more to do.
    Again,
    /// It is over.
    Over,
}

impl Conn {
    /// A client that was just accepted.
    pub fn new(id: ConnId, client: WireId, peer: SocketAddr, now: Instant) -> Conn {
        Conn {
            id,
            client,
            origin: None,
            dialling: None,
            looking_up: None,
            flows: Flows::new(now),
            session: Session::new(peer, now),
            held: Held::default(),
            has_private: false,
            filed: Filed::default(),
            queued: false,
            counted: false,
        }
    }

    /// Has none of its requests passed *who is asking*?
    pub fn is_stranger(&self) -> bool {
        self.session.is_stranger()
    }

    /// Who it is where clients share something.
    pub fn client_key(&self) -> ClientKey {
        ClientKey::of(self.session.client().ip())
    }

    /// Runs until nothing moves, the allowance is spent, or it is over.
    pub fn turn(&mut self, core: &mut Core) -> After {
        let allowance = &mut Allowance::new(turn::TURN_BYTES, core.turn_time);
        core.scratch.lend_tx(&mut self.flows);
        let after = self.go_on(allowance, core);
        let mut means = Means {
            scratch: &mut core.scratch,
            budget: &mut core.budget,
            pipes: &mut core.pipes,
            held: &mut self.held,
            id: self.id,
            allowance,
        };
        turn::end(&mut self.flows, &self.session, &mut means);
        after
    }

    fn go_on(&mut self, allowance: &mut Allowance, core: &mut Core) -> After {
        self.look_at_race(core);
        loop {
            if self.carry_out(core) {
                return After::Over;
            }
            let mut sockets = Sockets {
                wires: &mut core.wires,
                client: self.client,
                origin: self.origin,
            };
            let mut means = Means {
                scratch: &mut core.scratch,
                budget: &mut core.budget,
                pipes: &mut core.pipes,
                held: &mut self.held,
                id: self.id,
                allowance,
            };
            let cx = &mut core.world.cx();
            let ended = turn::run(&mut sockets, &mut self.flows, &mut self.session, cx, &mut means);
            match ended {
                Turn::Rest => {
                    core.wires.watch(self.client);
                    return After::Rests;
                }
                Turn::Acts => allowance.spend(turn::act_bytes(&self.session)),
                Turn::Spent => {}
            }
            if allowance.is_spent() {
                return match self.carry_out(core) {
                    true => After::Over,
                    false => After::Again,
                };
            }
        }
    }

    /// Is it a tunnel?
    pub fn is_tunnel(&self) -> bool {
        self.session.is_tunnel()
    }

    /// Feeds the session something that did not come from a wire; a turn must follow.
    pub fn feed(&mut self, input: Input<'_>, core: &mut Core) {
        self.session.advance(input, &mut self.flows, &mut core.world.cx());
        self.carry_out(core);
    }

    /// A turn that reads its client's socket even if nothing was heard of it.
    pub fn look_again(&mut self, core: &mut Core) -> After {
        if let Some(entry) = core.wires.get_mut(self.client) {
            entry.ready.readable = true;
        }
        self.turn(core)
    }

    /// No further requests: but one that is waiting in the socket already, perhaps since before we accepted it,
    /// is read first.
    pub fn drain(&mut self, core: &mut Core) {
        if self.look_again(core) != After::Over {
            self.feed(Input::Drain, core);
        }
    }

    /// Its deadline may have passed: the session's or the race's.
    pub fn expired(&mut self, core: &mut Core) {
        let due = self.session.deadline(&self.flows, &core.world.settings);
        if due.is_some_and(|at| at <= core.world.now) {
            self.feed(Input::Expired, core);
        }
    }

    /// It waited for room. Is there some now? Then it wants a turn.
    pub fn may_go_on(&mut self, core: &mut Core) -> bool {
        self.held.may_go_on(&self.session, self.id, &mut core.budget)
    }

    /// When it wants to be looked at though nothing happened.
    pub fn deadline(&self, core: &Core) -> Option<Instant> {
        let session = self.session.deadline(&self.flows, &core.world.settings);
        let race = self
            .dialling
            .as_ref()
            .and_then(|dialling| dialling.race.deadline());
        [session, race, self.held.deadline()].into_iter().flatten().min()
    }

    /// Closes whatever is left.
    pub fn close(&mut self, how: Close, core: &mut Core) {
        self.cancel(core);
        let wires = [Some(self.client), self.origin.take()];
        for wire in wires.into_iter().flatten() {
            match how {
                Close::Orderly => core.wires.close(wire),
                Close::Abort => core.wires.abort(wire),
            }
        }
        self.held
            .release(&self.session, self.id, &mut core.budget, &mut core.pipes);
        if self.has_private {
            for wire in core.pool.drop_private(self.id) {
                core.wires.close(wire);
            }
        }
    }

    /// Carries out what the session asked for, in order; answers that are there at once are fed back. Is the
    /// connection over?
    fn carry_out(&mut self, core: &mut Core) -> bool {
        while let Some(mut actions) = core.world.take_actions() {
            for action in actions.drain(..) {
                self.act(action, core);
            }
            core.world.put_back(actions);
        }
        self.session.is_done()
    }

    fn act(&mut self, action: Action, core: &mut Core) {
        match action {
            Action::Resolve(seq, name) => self.look_up(seq, &name, core),
            Action::Dial(seq, addresses, wanted) => self.dial(seq, addresses, wanted, core),
            Action::Join(addresses) => self.join(addresses, core),
            Action::Cancel => self.cancel(core),
            Action::Hangup(side) => {
                if let Some(entry) = self.wire(side).and_then(|wire| core.wires.get_mut(wire)) {
                    // A peer that is gone can't be told; reading finds that out.
                    let _ = entry.transport.hangup();
                }
            }
            Action::DropOrigin => {
                if let Some(origin) = self.origin.take() {
                    core.wires.close(origin);
                }
            }
            Action::Park(key, dialled, lease) => self.park(key, dialled, lease, core),
            Action::Log(record) => core.log(record),
            Action::Close(how) => self.close(how, core),
        }
    }

    fn tell(&mut self, input: Input<'_>, core: &mut Core) {
        self.session.advance(input, &mut self.flows, &mut core.world.cx());
    }

    fn wire(&self, side: Side) -> Option<WireId> {
        match side {
            Side::Client => Some(self.client),
            Side::Origin => self.origin,
        }
    }
}
