//! What the loop does for its connections, one at a time, over the world in memory: turns, the byte budget, deadlines,
//! drain and end. What happens next is `events`.

mod events;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smokescreen::io::resolver::News;
use smokescreen::net::Side;
use smokescreen::server::conn::{After, Conn};
use smokescreen::server::ends::WireTable;
use smokescreen::session::{Close, Input};

use crate::setting::{Setting, Spoil};
use crate::world::{Pending, What, World, dialled, refused};

/// All connections of a seed, and the world around them.
pub(crate) struct Server {
    pub(crate) world: World,
    conns: Vec<Conn<World>>,
    terminated: bool,
}

impl Server {
    pub(crate) fn new(setting: Setting) -> Server {
        let clients = setting.clients.clone();
        let mut world = World::new(setting);
        let conns = clients
            .into_iter()
            .map(|exchanges| world.connect(exchanges))
            .collect();
        Server {
            world,
            conns,
            terminated: false,
        }
    }

    /// The world when all connections are gone.
    pub(crate) fn into_world(self) -> World {
        drop(self.conns);
        self.world
    }

    fn turn(&mut self, nth: usize) {
        self.turn_of(nth);
        self.share_bytes();
    }

    fn turn_of(&mut self, nth: usize) {
        let conn = &mut self.conns[nth];
        conn.queued = false;
        let after = conn.turn(&mut self.world);
        self.note_turn(nth, after);
    }

    fn note_turn(&mut self, nth: usize, after: After) {
        self.conns[nth].queued |= after == After::Again;
        self.world.judge_scratch();
        if (after == After::Over) != self.world.conns[nth].over {
            self.world
                .complain(format!("conn {nth} comes out of its turn as {after:?}"));
        }
    }

    /// What the server does for the byte budget: strangers who hold too much are refused, those who waited go on.
    fn share_bytes(&mut self) {
        while let Some(id) = self.world.stores.budget.surplus() {
            let nth = id.index as usize;
            self.conns[nth].feed(Input::Starved(Side::Client), &mut self.world);
            self.turn_of(nth);
            if self.world.stores.budget.surplus() == Some(id) {
                self.conns[nth].feed(Input::Terminate, &mut self.world);
            }
        }
        while let Some(id) = self.world.stores.budget.next_waiting() {
            let nth = id.index as usize;
            if !self.world.conns[nth].over && self.conns[nth].may_go_on(&mut self.world.stores) {
                self.conns[nth].queued = true;
            }
        }
    }

    /// An answer arrives, perhaps late, perhaps twice.
    fn deliver(&mut self, pending: Pending) {
        let Pending { ticket, what, .. } = pending;
        let nth = ticket.conn.index as usize;
        if self.world.conns[nth].over {
            return;
        }
        let conn = &mut self.conns[nth];
        conn.queued = true;
        match what {
            What::Minted(minted) => conn.minted(ticket.seq, &minted, &mut self.world),
            What::Verified(verified) => conn.verified(ticket.seq, verified.as_ref(), &mut self.world),
            What::Found(news) => {
                if let News::Whole(_) = news {
                    let looking_up = &mut self.world.conns[nth].looking_up;
                    looking_up.take_if(|seq| *seq == ticket.seq);
                }
                conn.resolved(ticket.seq, &news, &mut self.world);
            }
            What::Dialled(answer) => {
                if let Some(stale) = self.world.end_dial(ticket, answer) {
                    conn.feed(
                        Input::Dialled(ticket.seq, stale.as_ref().copied()),
                        &mut self.world,
                    );
                }
            }
        }
    }

    /// Goes to the next moment at which anything is due; false: there is none.
    fn let_time_pass(&mut self) -> bool {
        let World {
            view,
            stores,
            answers,
            conns,
            ..
        } = &self.world;
        let live = self.conns.iter().zip(conns).filter(|(_, watched)| !watched.over);
        let deadlines = live.filter_map(|(conn, _)| conn.deadline(&view.settings));
        let answers = answers.iter().map(|answer| answer.due);
        let Some(next) = deadlines.chain(answers).chain(stores.pool.deadline()).min() else {
            return false;
        };
        self.world.view.now = view.now.max(next);
        self.world.say(|| "the clock".into());
        self.expire();
        true
    }

    /// Fires what is due.
    fn expire(&mut self) {
        let now = self.world.view.now;
        while let Some(wire) = self.world.stores.pool.pop_expired(now) {
            self.world.links.close(wire);
        }
        for (nth, conn) in self.conns.iter_mut().enumerate() {
            if self.world.setting.spoil == Spoil::Deaf || self.world.conns[nth].over {
                continue;
            }
            let due = conn.deadline(&self.world.view.settings);
            if due.is_some_and(|at| at <= now) {
                self.world.say(|| format!("conn {nth} expires"));
                conn.expired(&mut self.world);
                conn.queued = true;
            }
        }
    }

    /// Things that may go wrong at any time.
    fn mischief(&mut self) {
        let world = &mut self.world;
        let nth = world.random.below(self.conns.len());
        let what = world.random.below(13);
        world.say(|| format!("mischief {what} for {nth}"));
        let conn = &mut self.conns[nth];
        match what {
            0 => conn.queued = true,
            1 if !world.conns[nth].over => {
                let after = conn.look_again(world);
                self.note_turn(nth, after);
            }
            2..=3 => {
                world.view.now += Duration::from_millis(world.random.below(3000) as u64);
                self.expire();
            }
            4 => {
                world.view.now += Duration::from_secs(world.random.below(100) as u64);
                self.expire();
            }
            5..=6 if !world.conns[nth].over => {
                conn.feed(Input::Expired, world);
                conn.queued = true;
            }
            7..=8 if !world.conns[nth].over => self.mislead(nth),
            9 => {
                let nth = world.random.below(world.links.all.len());
                let wire = &mut world.links.all[nth].wire;
                if !wire.closed() {
                    wire.peer_reset(std::io::ErrorKind::ConnectionReset);
                }
            }
            10 if world.random.one_in(8) => self.drain(),
            11 if world.random.one_in(16) => self.terminate(),
            12 => self.recheck(),
            _ => {}
        }
    }

    /// Answers what nobody asked.
    fn mislead(&mut self, nth: usize) {
        let random = &mut self.world.random;
        let seq = 1_000_000 + random.below(100) as u32;
        let stray: Vec<IpAddr> = ["8.8.8.8", "127.0.0.1"].iter().flat_map(|a| a.parse()).collect();
        let address = SocketAddr::new(stray[0], 80);
        let refused = refused(address);
        let input = match random.below(3) {
            0 => Input::Resolved(seq, Ok(&stray)),
            1 => Input::Dialled(seq, Ok(dialled(address, false))),
            _ => Input::Dialled(seq, Err(&refused)),
        };
        self.conns[nth].feed(input, &mut self.world);
        self.conns[nth].queued = true;
    }

    /// Another policy comes into force that says the same: it ends nothing, and refuses nothing that is on its way.
    fn recheck(&mut self) {
        self.world.say(|| "recheck".into());
        let renewed = self.world.view.policy.renewed(None, None);
        self.world.view.policy = renewed.into();
        for (nth, conn) in self.conns.iter_mut().enumerate() {
            if conn.is_tunnel() && conn.recheck(&mut self.world) {
                self.world
                    .complain(format!("conn {nth} ends by the policy that let it out"));
            }
        }
    }

    fn drain(&mut self) {
        if self.world.stores.draining {
            return;
        }
        self.world.say(|| "drain".into());
        self.close_idle();
        for (nth, conn) in self.conns.iter_mut().enumerate() {
            match self.world.conns[nth].over {
                true => conn.feed(Input::Drain, &mut self.world),
                false => conn.drain(&mut self.world),
            }
            conn.queued = true;
        }
        self.world.judge_scratch();
    }

    /// Nothing is kept any more.
    fn close_idle(&mut self) {
        self.world.stores.draining = true;
        while let Some(wire) = self.world.stores.pool.pop_oldest() {
            self.world.links.close(wire);
        }
    }

    fn terminate(&mut self) {
        self.world.say(|| "terminate".into());
        self.terminated = true;
        for (nth, conn) in self.conns.iter_mut().enumerate() {
            conn.feed(Input::Terminate, &mut self.world);
            if !self.world.conns[nth].over {
                self.world.complain(format!("conn {nth} outlives the server"));
                conn.close(Close::Orderly, &mut self.world);
                self.world.conns[nth].over = true;
            }
        }
    }
}
