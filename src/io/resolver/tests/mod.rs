//! The resolver as the loop drives it: over real sockets and threads, but with a clock that stands still unless a test
//! moves it. So however slow the machine, nothing times out, is asked again or is forgotten that a test didn't ask for.

mod failing;
mod front;
mod hostile;
mod message;
mod questions;
mod reference;
mod servers;
mod system;

use std::net::SocketAddr;
use std::path::PathBuf;

use mio::{Events, Poll, Waker};

use crate::io::inbox::{Inbox, inbox};
use crate::io::resolver::Network;
use crate::io::resolver::system::Lookup;
use crate::io::token::{ConnId, Source};

use super::*;

/// How long anything may take, in real time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A loop with nothing on it but a resolver.
struct Bench {
    poll: Poll,
    events: Events,
    resolver: Resolver,
    inbox: Inbox<LookedUp>,
    files: tempfile::TempDir,
    /// The clock.
    now: Instant,
}

fn settings(servers: &[SocketAddr]) -> Settings {
    Settings {
        servers: servers.to_vec(),
        network: Network::Any,
        cache_ttl: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        places: 200,
        queue_max: 64,
    }
}

fn ticket(seq: u32) -> Ticket {
    Ticket {
        conn: ConnId {
            index: 7,
            generation: 1,
        },
        seq,
    }
}

fn client(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn addresses(all: &[&str]) -> Vec<IpAddr> {
    all.iter().map(|address| address.parse().unwrap()).collect()
}

/// An answer as addresses, or its text and whether it came of a timeout.
fn plain(answer: Answer) -> Result<Vec<IpAddr>, (String, bool)> {
    answer
        .map(|found| found.to_vec())
        .map_err(|fail| (fail.text.to_string(), fail.kind == LookupFailKind::TimedOut))
}

impl Bench {
    fn new(settings: Settings) -> Bench {
        Bench::with_lookup(
            settings,
            Arc::new(|name| panic!("the system was asked for {name}")),
        )
    }

    /// One that asks these servers, and for IPv4 addresses alone: one question a name.
    fn for_ipv4(servers: &[SocketAddr]) -> Bench {
        Bench::new(Settings {
            network: Network::V4,
            ..settings(servers)
        })
    }

    fn with_lookup(settings: Settings, lookup: Lookup) -> Bench {
        Bench::of_loop(&Common::with_lookup(settings, Bells::of_one(), lookup), 0)
    }

    /// The loop of this number, which shares with others.
    fn of_loop(common: &Common, number: u8) -> Bench {
        let files = tempfile::tempdir().unwrap();
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Source::Waker.token()).unwrap());
        let (outbox, inbox) = inbox(waker);
        let deliver: Deliver = Arc::new(move |looked_up| outbox.send(looked_up));
        let (hosts, switch) = (files.path().join("hosts"), files.path().join("nsswitch.conf"));
        let local = Local::new(common.settings.network, &hosts, &switch);
        let resolver = Resolver::with_local(common, number, poll.registry(), deliver, local).unwrap();
        Bench {
            poll,
            events: Events::with_capacity(64),
            resolver,
            inbox,
            files,
            now: Instant::now(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn ask(&mut self, seq: u32, name: &str) -> Asked {
        let now = self.now();
        self.resolver.ask_for(ticket(seq), name, client(1), now)
    }

    /// Asks for one name 10,000 times, a millisecond apart.
    fn ask_all_the_time(&mut self, name: &str) {
        for _ in 0..10_000 {
            assert!(self.resolve(name).is_ok());
            self.pass(Duration::from_millis(1));
        }
    }

    /// Asks and waits for the answer.
    fn resolve(&mut self, name: &str) -> Result<Vec<IpAddr>, (String, bool)> {
        match self.ask(0, name) {
            Asked::Answered(answer) => plain(answer),
            Asked::Pending | Asked::Partly(_) => self.wait(0),
            Asked::Full => panic!("full"),
        }
    }

    /// Waits for the answer to one ticket; others' are an error.
    fn wait(&mut self, seq: u32) -> Result<Vec<IpAddr>, (String, bool)> {
        let mut all = self.wait_all(1);
        let (got, answer) = all.pop().unwrap();
        assert_eq!(got, ticket(seq));
        plain(answer)
    }

    /// Waits for that many answers and no more.
    fn wait_all(&mut self, count: usize) -> Vec<(Ticket, Answer)> {
        let start = Instant::now();
        let mut all = self.whole_answers();
        while all.len() < count {
            assert!(start.elapsed() < PATIENCE, "no answer");
            self.turn();
            all.extend(self.whole_answers());
        }
        assert_eq!(all.len(), count);
        all
    }

    /// The answers that are there; parts are passed over.
    fn whole_answers(&mut self) -> Vec<(Ticket, Answer)> {
        let whole = |(ticket, news)| match news {
            News::Part(_) => None,
            News::Whole(answer) => Some((ticket, answer)),
        };
        self.resolver.answers().filter_map(whole).collect()
    }

    /// Waits for a part to one ticket; its grace, the only deadline so near, is over at once.
    fn wait_for_part(&mut self, seq: u32) -> Vec<IpAddr> {
        loop {
            if let Some((got, news)) = self.resolver.answers().next() {
                let News::Part(found) = news else {
                    panic!("{news:?}")
                };
                assert_eq!(got, ticket(seq));
                return found.to_vec();
            }
            let near = self.now() + Duration::from_millis(100);
            if self.resolver.deadline().is_some_and(|at| at < near) {
                self.skip_to_deadline();
            } else {
                self.turn();
            }
        }
    }

    /// One turn of the loop: waits for an event, unless the deadline has passed.
    fn turn(&mut self) {
        let now = self.now();
        let is_due = |resolver: &Resolver| resolver.deadline().is_some_and(|at| at <= now);
        let due = is_due(&self.resolver);
        let wait = if due { Duration::ZERO } else { PATIENCE };
        self.poll.poll(&mut self.events, Some(wait)).unwrap();
        assert!(due || !self.events.is_empty(), "nothing happens");
        for event in &self.events {
            match Source::of(event.token()) {
                Some(Source::Resolver(slot)) => self.resolver.on_event(slot, now),
                Some(Source::Waker) => {
                    for looked_up in self.inbox.take() {
                        self.resolver.on_looked_up(looked_up, now);
                    }
                }
                other => panic!("event for {other:?}"),
            }
        }
        if is_due(&self.resolver) {
            self.resolver.on_deadline(now);
        }
    }

    /// Moves the clock to the resolver's next deadline and lets it act on it.
    fn skip_to_deadline(&mut self) {
        let at = self.resolver.deadline().expect("a deadline");
        let now = self.now();
        self.pass(at.duration_since(now));
        let now = self.now();
        self.resolver.on_deadline(now);
    }
}
