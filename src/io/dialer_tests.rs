//! Races over loopback: refused, silent and late addresses, and what second attempts may take.

use std::net::{IpAddr, TcpListener};

use mio::{Events, Poll};
use socket2::{Domain, Socket, Type};

use crate::io::token::Source;
use crate::net::Target;
use crate::policy::ranges::{Ranges, Rule};
use crate::policy::{Ask, Place, Policy, PolicyParts, Role};

use super::*;

const CONN: ConnId = ConnId {
    index: 0,
    generation: 0,
};

/// Loopback addresses, vetted by a policy that allows them.
fn vetted(addresses: &[&str], port: u16) -> VettedList {
    let allow = vec![Rule::range("127.0.0.0/8").unwrap().at(Place::option("test"))];
    let ranges = Ranges::new(allow, Vec::new(), false, Vec::new());
    let policy = Policy::new(PolicyParts {
        ranges,
        ..PolicyParts::without_rules()
    });
    let target = Target::parse(format!("test.example:{port}").as_bytes(), None).unwrap();
    let ask = Ask {
        scheme: None,
        external_proxy: None,
        is_inside: false,
    };
    let allowed = policy.decide(&Role::Missing, target, ask).unwrap();
    let found: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    policy.vet(&allowed, &found, &|_| true).unwrap().addresses
}

/// What dials share, and the poll that tells of their sockets.
struct Track {
    poll: Poll,
    wires: Wires,
    second_attempts: CommonShares,
    /// Most sockets at a time.
    most: usize,
    /// A clock that stands still, or, where it steps, goes on to the next deadline as soon as nothing happens any more: no busy
    /// machine lets it miss a turn.
    stopped: Option<Instant>,
    steps: bool,
}

impl Track {
    fn new(second_attempts: usize) -> Track {
        let poll = Poll::new().unwrap();
        Track {
            wires: Wires::new(poll.registry().try_clone().unwrap()),
            poll,
            second_attempts: CommonShares::new(second_attempts),
            most: 0,
            stopped: None,
            steps: false,
        }
    }

    fn dialer(&mut self) -> Dialer<'_> {
        Dialer {
            wires: &mut self.wires,
            second_attempts: &self.second_attempts,
            now: self.stopped.unwrap_or_else(Instant::now),
        }
    }

    /// Runs a race to its end: which address won, or what failed.
    fn run(&mut self, addresses: VettedList, timeout: Duration) -> Result<SocketAddr, (SocketAddr, IoFail)> {
        let mut events = Events::with_capacity(16);
        let (mut race, mut standing) = dial((CONN, client()), addresses, Some(timeout), &mut self.dialer());
        for _ in 0..1000 {
            self.most = self.most.max(self.wires.len());
            match standing {
                Standing::Won { wire, remote, .. } => {
                    assert_eq!(self.wires.len(), 1, "the losers are closed");
                    self.wires.close(wire);
                    return Ok(remote);
                }
                Standing::Lost(address, fail) => {
                    assert!(self.wires.is_empty());
                    return Err((address, fail));
                }
                Standing::Running => {}
            }
            let wait = match race.deadline() {
                _ if self.steps => Duration::ZERO,
                Some(at) => at.duration_since(Instant::now()),
                None => Duration::from_secs(5),
            };
            self.poll.poll(&mut events, Some(wait)).unwrap();
            if self.steps && events.is_empty() {
                self.stopped = race.deadline();
            }
            for event in &events {
                if let Some(Source::Wire(wire)) = Source::of(event.token()) {
                    assert_eq!(self.wires.note(wire, event), Some(Owner::Race(CONN)));
                }
            }
            standing = race.advance(&mut self.dialer());
        }
        panic!("the race did not end");
    }
}

fn run(addresses: VettedList, timeout: Duration) -> Result<SocketAddr, (SocketAddr, IoFail)> {
    Track::new(1).run(addresses, timeout)
}

fn client() -> ClientKey {
    ClientKey::of([127, 0, 0, 1].into())
}

#[test]
fn a_refused_address_gives_way_to_the_next_at_once() {
    let listener = TcpListener::bind("127.0.0.3:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut track = Track::new(1);
    // By a clock that stands still no attempt's turn comes by waiting.
    track.stopped = Some(Instant::now());
    let winner = track.run(
        vetted(&["127.0.0.1", "127.0.0.2", "127.0.0.3"], port),
        Duration::from_secs(10),
    );
    assert_eq!(winner.unwrap(), listener.local_addr().unwrap());
}

#[test]
fn when_all_fail_the_first_is_named_with_the_errnos_words() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (address, fail) = run(vetted(&["127.0.0.1", "127.0.0.2"], free), Duration::ZERO).unwrap_err();
    assert_eq!(address, SocketAddr::from(([127, 0, 0, 1], free)));
    assert_eq!(&*fail.text, "connection refused");
}

#[test]
fn addresses_that_join_take_turns_with_those_that_wait() {
    let mut track = Track::new(1);
    let now = Instant::now();
    let first = vetted(&["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"], 9);
    let late = vetted(
        &["127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4", "127.0.1.5"],
        9,
    );
    let mut race = |next: usize| {
        let mut race = dial((CONN, client()), first.clone(), None, &mut track.dialer()).0;
        race.close(&mut track.dialer());
        race.next = next;
        race.attempts.push(Attempt {
            wire: WireId {
                index: 99,
                generation: 9,
            },
            address: first[0].address(),
            started: now,
        });
        race.next_at = now + ATTEMPT_DELAY;
        race.join(&late, &mut track.dialer());
        race.addresses
            .iter()
            .map(|vetted| vetted.address().ip().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        race(1),
        [
            "127.0.0.1",
            "127.0.1.1",
            "127.0.0.2",
            "127.0.1.2",
            "127.0.0.3",
            "127.0.1.3",
            "127.0.0.4",
            "127.0.1.4"
        ]
    );
    assert_eq!(race(4)[4..], ["127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4"]);
}

#[test]
fn two_silent_addresses_do_not_hide_a_third() {
    for (second_attempts, most) in [(1, 2), (0, 1)] {
        let first = bound("127.0.0.1:0");
        let port = first.local_addr().unwrap().as_socket().unwrap().port();
        let full = [first, bound(&format!("127.0.0.2:{port}"))].map(full_listener);
        let listener = TcpListener::bind(("127.0.0.3", port)).unwrap();
        let mut track = Track::new(second_attempts);
        (track.stopped, track.steps) = (Some(Instant::now()), true);
        let winner = track.run(
            vetted(&["127.0.0.1", "127.0.0.2", "127.0.0.3"], port),
            Duration::from_secs(1),
        );
        assert_eq!(winner.unwrap(), listener.local_addr().unwrap());
        assert_eq!(track.most, most, "sockets at a time");
        drop(full);
    }
}

#[test]
fn a_second_attempt_is_given_back_however_it_ends() {
    let first = bound("127.0.0.1:0");
    let port = first.local_addr().unwrap().as_socket().unwrap().port();
    let full = [first, bound(&format!("127.0.0.2:{port}"))].map(full_listener);
    let mut track = Track::new(1);
    let silent = vetted(&["127.0.0.1", "127.0.0.2"], port);
    let listener = TcpListener::bind(("127.0.0.3", port)).unwrap();
    let winner = track.run(vetted(&["127.0.0.1", "127.0.0.3"], port), Duration::from_secs(9));
    assert_eq!(winner.unwrap(), listener.local_addr().unwrap());
    assert!(track.second_attempts.is_unused(), "the loser's");
    let mut race = dial(
        (CONN, client()),
        silent,
        Some(Duration::from_secs(9)),
        &mut track.dialer(),
    )
    .0;
    let mut later = track.dialer();
    later.now += ATTEMPT_DELAY;
    assert!(matches!(race.advance(&mut later), Standing::Running));
    assert!(!track.second_attempts.is_unused());
    race.close(&mut track.dialer());
    assert!(track.second_attempts.is_unused() && track.wires.is_empty());
    drop(full);
}

fn bound(address: &str) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&address.parse::<SocketAddr>().unwrap().into())
        .unwrap();
    socket
}

/// A listener whose queue is full: further SYNs are dropped.
fn full_listener(socket: Socket) -> Vec<Socket> {
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap();
    let mut held = vec![socket];
    for _ in 0..4 {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address);
        held.push(client);
    }
    held
}
