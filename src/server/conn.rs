//! One client connection as the server keeps it: a session, its flows and its wires. Runs turns, and carries out what
//! the session wants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::flow::Flows;
use crate::io::deadlines::Filed;
use crate::io::dialer::{self, Race, Standing};
use crate::io::resolver::{Answer, Asked, News};
use crate::io::token::{ConnId, Ticket, WireId};
use crate::io::wire::Wire;
use crate::io::wires::Owner;
use crate::net::{ClientKey, LookupFail, LookupFailKind, Side};
use crate::session::lease::Lease;
use crate::session::{Action, Close, DialFail, Dialled, Input, PoolKey, Session};

use super::allowance::Allowance;
use super::core::Core;
use super::pool::Taken;
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

/// A race, and the number of the question it answers.
#[derive(Debug)]
struct Dialling {
    seq: u32,
    race: Race,
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

    /// A lookup ended, or told of some addresses before.
    pub fn resolved(&mut self, seq: u32, news: &News, core: &mut Core) {
        match news {
            News::Part(found) => self.feed(Input::Partly(seq, found), core),
            News::Whole(answer) => {
                self.looking_up.take_if(|current| *current == seq);
                self.feed(resolved(seq, answer), core);
            }
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
        while !core.world.actions.is_empty() {
            // The session may act anew meanwhile: into the other list.
            let other = std::mem::take(&mut core.actions_done);
            let mut actions = std::mem::replace(&mut core.world.actions, other);
            for action in actions.drain(..) {
                self.act(action, core);
            }
            core.actions_done = actions;
        }
        self.session.is_done()
    }

    fn act(&mut self, action: Action, core: &mut Core) {
        match action {
            Action::Resolve(seq, name) => {
                let ticket = Ticket { conn: self.id, seq };
                let asker = self.session.client().ip();
                match core.resolver.ask(ticket, &name, asker, core.world.now) {
                    Asked::Pending => self.looking_up = Some(seq),
                    Asked::Partly(found) => {
                        self.looking_up = Some(seq);
                        self.tell(Input::Partly(seq, &found), core);
                    }
                    Asked::Answered(answer) => self.tell(resolved(seq, &answer), core),
                    Asked::Full => {
                        let fail = LookupFail {
                            kind: LookupFailKind::Overloaded,
                            text: Arc::default(),
                        };
                        self.tell(Input::Resolved(seq, Err(fail)), core);
                    }
                }
            }
            Action::Dial(seq, addresses, wanted) => {
                let kept = wanted.and_then(|wanted| core.take_kept(&wanted, &addresses, self.id));
                if let Some(taken) = kept {
                    self.adopt(taken.wire, core);
                    let dialled = Dialled {
                        remote: taken.remote,
                        local: taken.local,
                        reused: true,
                        private: taken.private_to.is_some(),
                    };
                    return self.tell(Input::Dialled(seq, Ok(dialled)), core);
                }
                let timeout = core.world.settings.connect_timeout;
                let (race, standing) =
                    dialer::dial(self.id, addresses, timeout, &mut core.wires, core.world.now);
                self.dialling = Some(Box::new(Dialling { seq, race }));
                self.settle_race(standing, core);
            }
            Action::Join(addresses) => {
                if let Some(Dialling { race, .. }) = self.dialling.as_deref_mut() {
                    let standing = race.join(addresses, &mut core.wires, core.world.now);
                    self.settle_race(standing, core);
                }
            }
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

    fn look_at_race(&mut self, core: &mut Core) {
        if let Some(Dialling { race, .. }) = self.dialling.as_deref_mut() {
            let standing = race.advance(&mut core.wires, core.world.now);
            self.settle_race(standing, core);
        }
    }

    fn settle_race(&mut self, standing: Standing, core: &mut Core) {
        if let Standing::Running = standing {
            return;
        }
        let Some(Dialling { seq, .. }) = self.dialling.take().map(|boxed| *boxed) else {
            return;
        };
        let result = match standing {
            Standing::Running => return,
            Standing::Won { wire, remote, local } => {
                self.adopt(wire, core);
                Ok(Dialled {
                    remote,
                    local,
                    reused: false,
                    private: false,
                })
            }
            Standing::Lost(address, fail) => Err(DialFail { address, fail }),
        };
        self.tell(Input::Dialled(seq, result), core);
    }

    fn adopt(&mut self, wire: WireId, core: &mut Core) {
        core.wires.hand_over(wire, Owner::Conn(self.id, Side::Origin));
        self.origin = Some(wire);
    }

    /// Gives the origin's connection to the pool, unless something is to be read from it: that would belong to
    /// no request.
    fn park(&mut self, key: PoolKey, dialled: Dialled, lease: Lease, core: &mut Core) {
        let Some(wire) = self.origin.take() else { return };
        let quiet = core.wires.get_mut(wire).is_some_and(|entry| {
            let (transport, ready) = (&mut entry.transport, &mut entry.ready);
            // Where the last read took all that was asked for, nobody knows yet whether more is there.
            ready.readable = ready.readable && transport.has_news();
            !(ready.readable || ready.read_closed || ready.failed)
        });
        if core.draining || !quiet {
            return core.wires.close(wire);
        }
        self.has_private |= dialled.private;
        let taken = Taken {
            wire,
            remote: dialled.remote,
            local: dialled.local,
            private_to: dialled.private.then_some(self.id),
            lease,
        };
        let parked = core.pool.park(key, taken);
        if let Some(id) = parked.id {
            core.wires.hand_over(wire, Owner::Pool(id));
        }
        if let Some(surplus) = parked.surplus {
            core.wires.close(surplus);
        }
    }

    fn cancel(&mut self, core: &mut Core) {
        if let Some(mut dialling) = self.dialling.take() {
            dialling.race.close(&mut core.wires);
        }
        if let Some(seq) = self.looking_up.take() {
            core.resolver.cancel(Ticket { conn: self.id, seq });
        }
    }

    fn wire(&self, side: Side) -> Option<WireId> {
        match side {
            Side::Client => Some(self.client),
            Side::Origin => self.origin,
        }
    }
}

fn resolved(seq: u32, answer: &Answer) -> Input<'_> {
    let answer = answer.as_ref().map(|addresses| &addresses[..]);
    Input::Resolved(seq, answer.map_err(LookupFail::clone))
}
