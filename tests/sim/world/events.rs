//! What happens in a seed, and when: one event after the other, drawn among those that can happen, time only where
//! nothing else can, and mischief.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use smokescreen::session::{Close, Input};

use super::World;
use super::answers::{dialled, refused};
use crate::client::Client;
use crate::world::Spoil;

/// Things that may happen in one seed.
const STEPS_MAX: usize = 300_000;

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

impl World {
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
        while let Some(wire) = self.pool.pop_oldest() {
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
                        let idle = self.links[nth].idle.filter(|_| happened);
                        if idle.is_some_and(|idle| self.pool.drop_idle(idle)) {
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
        let deadlines = live.flat_map(|conn| {
            let session = conn.session.deadline(&conn.flows, settings);
            session.into_iter().chain(conn.held.deadline())
        });
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
            if !conn.over && conn.held.deadline().is_some_and(|at| at <= self.now) {
                self.conns[nth].queued = true;
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
        while let Some(wire) = self.pool.pop_oldest() {
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
}
