//! What `server/conn` does, over the wires in memory: turns, actions, ends; with what must hold after every turn.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use smokescreen::io::scratch::Scratch;
use smokescreen::io::wire::{Ready, Wire};
use smokescreen::net::Side;
use smokescreen::policy::Vetted;
use smokescreen::server::allowance::Allowance;
use smokescreen::server::pool::{Found, Taken};
use smokescreen::server::turn::{self, Ends, Means, Turn};
use smokescreen::session::{Action, Close, Cx, Dialled, Input, Wanted};

use super::answers::dialled;
use super::{Link, Spoil, World, conn_id, link_of};
use crate::plan::OWN_ADDRESS;
use crate::public::may_be_dialled;
use crate::wires::MemoryWire;

/// A turn ends with its bytes here: the clock that its time goes by stands outside of the seed.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// A turn that looks at its wires more often than this makes no progress.
const LOOKS_PER_TURN_MAX: usize = 2_000_000;

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

impl World {
    pub(super) fn turn(&mut self, nth: usize) {
        self.turn_of(nth);
        self.share_bytes();
    }

    fn turn_of(&mut self, nth: usize) {
        self.conns[nth].queued = false;
        self.scratch.lend_tx(&mut self.conns[nth].flows);
        let rests = self.go_on(nth);
        let conn = &mut self.conns[nth];
        let mut means = Means {
            scratch: &mut self.scratch,
            budget: &mut self.budget,
            pipes: &mut self.pipes,
            held: &mut conn.held,
            id: conn_id(nth),
            allowance: &mut Allowance::new(0, FOR_EVER),
        };
        turn::end(&mut conn.flows, &conn.session, &mut means);
        self.judge_scratch();
        if rests {
            self.judge_rest(nth);
        }
    }

    /// What the server does for the byte budget: strangers who hold too much are refused, those who waited go on.
    pub(super) fn share_bytes(&mut self) {
        while let Some(id) = self.budget.surplus() {
            let nth = id.index as usize;
            self.feed(nth, Input::Starved);
            self.turn_of(nth);
            if self.budget.surplus() == Some(id) {
                self.feed(nth, Input::Terminate);
            }
        }
        while let Some(id) = self.budget.next_waiting() {
            let conn = &mut self.conns[id.index as usize];
            if !conn.over && conn.held.may_go_on(&conn.session, id, &mut self.budget) {
                conn.queued = true;
            }
        }
    }

    /// Says whether it waits for something to happen.
    fn go_on(&mut self, nth: usize) -> bool {
        let mut allowance = Allowance::new(self.setting.allowance_bytes, FOR_EVER);
        loop {
            if self.carry_out(nth) {
                return false;
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
                pipes: &mut self.pipes,
                held: &mut conn.held,
                id: conn_id(nth),
                allowance: &mut allowance,
            };
            let mut cx = Cx {
                now: self.now,
                wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
                policy: &self.policy,
                settings: &self.setting.settings,
                ids: &mut self.ids,
                guesses: &mut self.guesses,
                spares: &mut self.spares,
                is_local: &is_own,
                actions: &mut self.actions,
            };
            let ended = turn::run(
                &mut sockets,
                &mut conn.flows,
                &mut conn.session,
                &mut cx,
                &mut means,
            );
            self.judge_turn(nth, ended);
            match ended {
                Turn::Rest => return true,
                Turn::Acts => allowance.spend(turn::act_bytes(&self.conns[nth].session)),
                Turn::Spent => {}
            }
            if allowance.is_spent() {
                self.conns[nth].queued = !self.carry_out(nth);
                return false;
            }
        }
    }

    /// What must hold after every turn.
    pub(super) fn judge_turn(&mut self, nth: usize, ended: Turn) {
        let flows = &self.conns[nth].flows;
        self.say(|| {
            format!(
                "    {ended:?} up {:?}/{}+{}+{} {:?} down {:?}/{}+{}+{} {:?}",
                flows.up.gate,
                flows.up.piped_bytes,
                flows.up.tx.len(),
                flows.up.rx.len(),
                flows.up.end,
                flows.down.gate,
                flows.down.piped_bytes,
                flows.down.tx.len(),
                flows.down.rx.len(),
                flows.down.end
            )
        });
        let head_bytes_max = self.setting.taste.head_bytes_max;
        let flows = &self.conns[nth].flows;
        let held = flows.up.rx.len().max(flows.down.rx.len());
        if held > self.setting.scratch_bytes.max(4096) + head_bytes_max {
            self.complain(format!("conn {nth} holds {held} bytes of one side"));
        }
        self.spoil_wires();
    }

    /// What must hold when a turn has ended.
    fn judge_scratch(&mut self) {
        if self.setting.spoil == Spoil::Scratch {
            self.scratch = Scratch::new(0);
        }
        let capacity = self.scratch.read_bytes();
        if capacity < self.setting.scratch_bytes {
            self.complain(format!(
                "the scratch buffer has a capacity of {capacity} after a turn"
            ));
            self.scratch = Scratch::new(self.setting.scratch_bytes);
        }
    }

    /// What must hold when a connection waits.
    pub(super) fn judge_rest(&mut self, nth: usize) {
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

    pub(super) fn spoil_wires(&mut self) {
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

    pub(super) fn feed(&mut self, nth: usize, input: Input<'_>) {
        self.tell(nth, input);
        self.carry_out(nth);
    }

    pub(super) fn tell(&mut self, nth: usize, input: Input<'_>) {
        self.say(|| format!("    conn {nth} <- {input:?}"));
        let conn = &mut self.conns[nth];
        let mut cx = Cx {
            now: self.now,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            policy: &self.policy,
            settings: &self.setting.settings,
            ids: &mut self.ids,
            guesses: &mut self.guesses,
            spares: &mut self.spares,
            is_local: &is_own,
            actions: &mut self.actions,
        };
        conn.session.advance(input, &mut conn.flows, &mut cx);
    }

    pub(super) fn carry_out(&mut self, nth: usize) -> bool {
        while !self.actions.is_empty() {
            for action in std::mem::take(&mut self.actions) {
                self.act(nth, action);
            }
        }
        self.conns[nth].session.is_done()
    }

    pub(super) fn act(&mut self, nth: usize, action: Action) {
        self.say(|| format!("    conn {nth} -> {action:?}"));
        if self.conns[nth].over {
            self.complain(format!("conn {nth} acts behind its end: {action:?}"));
        }
        match action {
            Action::Resolve(seq, name) => self.resolve(nth, seq, name.as_str()),
            Action::Dial(seq, addresses, wanted) => {
                for address in &addresses {
                    if let Err(why) = may_be_dialled(address.address()) {
                        self.complain(why);
                    }
                }
                if addresses.is_empty() || self.conns[nth].origin.is_some() {
                    self.complain(format!(
                        "conn {nth} dials {addresses:?} beside {:?}",
                        self.conns[nth].origin
                    ));
                }
                match wanted.and_then(|wanted| self.take_kept(nth, &wanted, &addresses)) {
                    Some(taken) => {
                        let dialled = Dialled {
                            private: taken.private_to.is_some(),
                            ..dialled(taken.remote, true)
                        };
                        self.adopt(nth, taken);
                        self.tell(nth, Input::Dialled(seq, Ok(dialled)));
                    }
                    None => self.dial(nth, seq, addresses.iter().map(|a| a.address()).collect()),
                }
            }
            Action::Join(addresses) => {
                for address in &addresses {
                    if let Err(why) = may_be_dialled(address.address()) {
                        self.complain(why);
                    }
                }
                if addresses.is_empty() || self.conns[nth].dialling.is_none() && self.setting.taste.calm {
                    self.complain(format!("conn {nth} adds {addresses:?} to no dial"));
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
            Action::Park(key, dialled, lease) => {
                let Some(origin) = self.conns[nth].origin.take() else {
                    return self.complain("parks what is not there".into());
                };
                let link = link_of(&origin);
                let ready = self.links[link].ready;
                if self.draining || ready.readable || ready.read_closed || ready.failed {
                    return self.close_link(link);
                }
                self.links[link].owner = None;
                let parked = Taken {
                    private_to: dialled.private.then(|| conn_id(nth)),
                    lease,
                    ..origin
                };
                let parked = self.pool.park(key, parked);
                self.links[link].idle = parked.id;
                if let Some(surplus) = parked.surplus {
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

    fn take_kept(&mut self, nth: usize, wanted: &Wanted, addresses: &[Vetted]) -> Option<Taken> {
        loop {
            match self.pool.take(wanted, addresses, conn_id(nth), self.now)? {
                Found::Fits(taken) if wanted.fresh && !taken.lease.is_fresh(self.now) => {
                    self.complain(format!("conn {nth} sends on {taken:?} what it can't send twice"));
                    return Some(taken);
                }
                Found::Fits(taken) => return Some(taken),
                Found::Ended(wire) => self.close_link(wire.index as usize),
            }
        }
    }

    pub(super) fn adopt(&mut self, nth: usize, taken: Taken) {
        self.links[link_of(&taken)].owner = Some(nth);
        self.conns[nth].origin = Some(taken);
    }

    pub(super) fn cancel(&mut self, nth: usize) {
        self.conns[nth].dialling = None;
        self.conns[nth].looking_up = None;
    }

    pub(super) fn close(&mut self, nth: usize, how: Close) {
        self.cancel(nth);
        let conn = &mut self.conns[nth];
        conn.over = true;
        let links = [Some(conn.client), conn.origin.take().as_ref().map(link_of)];
        conn.held
            .release(&conn.session, conn_id(nth), &mut self.budget, &mut self.pipes);
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

    pub(super) fn close_link(&mut self, link: usize) {
        self.say(|| format!("    close {link}"));
        if self.setting.spoil != Spoil::OpenWire {
            self.links[link].wire.close();
        }
    }
}

fn is_own(address: IpAddr) -> bool {
    OWN_ADDRESS.parse() == Ok(address)
}
