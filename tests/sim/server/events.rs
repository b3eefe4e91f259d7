//! What happens in a seed, and when: one event after the other, drawn among those that can happen; time passes only
//! where nothing else can.

use smokescreen::io::wires::Owner;
use smokescreen::server::ends::WireTable;

use crate::client::Client;
use crate::world::{World, wire_id};

use super::Server;

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

impl Server {
    /// Runs until nothing can happen any more.
    pub(crate) fn run(&mut self) {
        for step in 0.. {
            if step == STEPS_MAX {
                return self.world.complain("it goes on for ever".into());
            }
            if self.world.random.one_in(150) && !self.world.setting.taste.calm {
                self.mischief();
            }
            let events = self.events();
            if events.is_empty() {
                if self.world.conns.iter().all(|watched| watched.over) {
                    break;
                }
                if !self.let_time_pass() {
                    // Without deadlines only the end of the server is left.
                    if self.world.setting.settings.idle_timeout.is_none() && !self.terminated {
                        self.terminate();
                        continue;
                    }
                    let complaint = "nothing will ever happen again, and a session is not over";
                    return self.world.complain(complaint.into());
                }
                continue;
            }
            let event = self.world.random.pick(&events);
            self.happen(event);
        }
        let World {
            clients,
            origins,
            book,
            setting,
            ..
        } = &mut self.world;
        clients.iter_mut().for_each(Client::finish);
        for origin in origins {
            origin.finish(book, setting.taste);
        }
        self.close_idle();
    }

    fn events(&mut self) -> Vec<Event> {
        let world = &mut self.world;
        let (taste, links) = (world.setting.taste, &world.links.all);
        let mut events = Vec::new();
        for (nth, conn) in self.conns.iter().enumerate() {
            if conn.queued && !world.conns[nth].over {
                events.extend([Event::Run(nth); 2]);
            }
        }
        for (nth, link) in links.iter().enumerate() {
            if link.wire.owes_news() {
                events.push(Event::Stir(nth));
            }
        }
        for (nth, client) in world.clients.iter().enumerate() {
            if client.can_act() {
                events.push(Event::ClientAct(nth));
            }
            if client.can_take(&links[client.link].wire) {
                events.push(Event::ClientTake(nth));
            }
        }
        for (nth, origin) in world.origins.iter().enumerate() {
            if origin.can_act() {
                events.push(Event::OriginAct(nth));
            }
            if origin.can_take(&links[origin.link].wire) {
                events.push(Event::OriginTake(nth));
            }
            if taste.expires && origin.can_expire() && world.random.one_in(30) {
                events.push(Event::OriginExpire(nth));
            }
        }
        for (nth, answer) in world.answers.iter().enumerate() {
            if answer.due <= world.view.now {
                events.push(Event::Answer(nth));
            }
        }
        events
    }

    fn happen(&mut self, event: Event) {
        self.world.say(|| format!("{event:?}"));
        let World {
            links,
            clients,
            origins,
            random,
            book,
            setting,
            ..
        } = &mut self.world;
        match event {
            Event::Run(nth) => self.turn(nth),
            Event::Stir(nth) => self.stir(nth),
            Event::Answer(nth) => {
                let pending = self.world.answers.swap_remove(nth);
                self.deliver(pending);
            }
            Event::ClientAct(nth) => {
                let client = &mut clients[nth];
                client.act(&mut links.all[client.link].wire, random);
            }
            Event::ClientTake(nth) => {
                let client = &mut clients[nth];
                client.take(&mut links.all[client.link].wire, random);
            }
            Event::OriginAct(nth) => {
                let origin = &mut origins[nth];
                origin.act(&mut links.all[origin.link].wire, random);
            }
            Event::OriginTake(nth) => {
                let origin = &mut origins[nth];
                let wire = &mut links.all[origin.link].wire;
                origin.take(wire, book, setting.taste, random);
            }
            Event::OriginExpire(nth) => {
                let origin = &mut origins[nth];
                origin.expire(&mut links.all[origin.link].wire);
            }
        }
    }

    /// The network moves something on a wire, and its owner hears of it.
    fn stir(&mut self, nth: usize) {
        let link = &mut self.world.links.all[nth];
        let before = link.ready;
        link.wire.stir(&mut link.ready);
        let (ready, owner) = (link.ready, link.owner);
        self.world.say(|| format!("    {before:?} -> {ready:?}"));
        match owner {
            Owner::Conn(conn, _) | Owner::Race(conn) => self.conns[conn.index as usize].queued = true,
            Owner::Pool(idle) => {
                let happened = ready.readable || ready.read_closed || ready.failed;
                if happened && self.world.stores.pool.drop_idle(idle) {
                    self.world.links.close(wire_id(nth));
                }
            }
        }
    }
}
