//! Dials vetted addresses, raced as RFC 8305 section 5 says: the next starts when one failed or 250 ms
//! passed, two at a time, the first to connect wins. The only caller of connect(2) for traffic, and it takes
//! nothing but [`Vetted`] addresses.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use super::token::{ConnId, WireId};
use super::wire::{Ready, Transport, Wire, io_fail};
use super::wires::{Owner, Wires};
use crate::net::IoFail;
use crate::policy::{Vetted, VettedList};

/// RFC 8305 section 8: the Connection Attempt Delay.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many attempts run at a time.
const ATTEMPTS_MAX: usize = 2;

/// A dead peer is found after the idle time plus the kernel's probes at this interval.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Sockets notice a peer that vanished sooner than the idle timeout does. Set on the listener too, whose
/// accepted sockets inherit it.
///
/// # Errors
/// The kernel's answer to setsockopt(2).
pub fn set_keepalive(socket: &SockRef<'_>) -> std::io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keepalive)
}

/// One address being tried.
#[derive(Debug)]
struct Attempt {
    wire: WireId,
    address: SocketAddr,
    started: Instant,
}

/// A dial under way for one connection.
#[derive(Debug)]
pub struct Race {
    conn: ConnId,
    addresses: VettedList,
    next: usize,
    attempts: Vec<Attempt>,
    /// The whole dial's limit.
    timeout: Duration,
    /// How long an attempt may hold its place while further addresses wait.
    patience: Duration,
    /// When the next address may start beside a running attempt.
    next_at: Instant,
    first_failure: Option<(SocketAddr, IoFail)>,
}

/// How a race stands.
#[derive(Debug)]
pub enum Standing {
    /// Attempts are under way.
    Running,
    /// This wire is connected; all others are closed. The caller gives it an owner.
    Won {
        /// The winner.
        wire: WireId,
        /// The address it is connected to.
        remote: SocketAddr,
        /// Our end.
        local: Option<SocketAddr>,
    },
    /// Every address failed; the first to fail is named.
    Lost(SocketAddr, IoFail),
}

/// Starts dialling. `timeout` is the whole dial's (zero: the kernel's), kept by the session; here it only
/// tells how long an attempt may keep a later address waiting.
pub fn dial(
    conn: ConnId,
    addresses: VettedList,
    timeout: Duration,
    wires: &mut Wires,
    now: Instant,
) -> (Race, Standing) {
    let whole = if timeout.is_zero() {
        Duration::from_secs(20)
    } else {
        timeout
    };
    let mut race = Race {
        conn,
        next: 0,
        attempts: Vec::with_capacity(ATTEMPTS_MAX),
        timeout: whole,
        patience: patience(whole, addresses.len()),
        next_at: now,
        first_failure: None,
        addresses,
    };
    let standing = race.go_on(wires, now);
    (race, standing)
}

/// A whole dial's time, shared out among the rounds that so many addresses take.
fn patience(timeout: Duration, addresses: usize) -> Duration {
    let rounds = u32::try_from(addresses.div_ceil(ATTEMPTS_MAX)).unwrap_or(1);
    timeout / rounds.max(1)
}

impl Race {
    /// Looks at what the poll said of the attempts' wires and at the time, and goes on.
    pub fn advance(&mut self, wires: &mut Wires, now: Instant) -> Standing {
        let mut at = 0;
        while let Some(attempt) = self.attempts.get(at) {
            let (wire, remote) = (attempt.wire, attempt.address);
            match outcome(wire, wires) {
                None => at += 1,
                Some(Ok(local)) => {
                    self.attempts.remove(at);
                    self.close(wires);
                    return Standing::Won { wire, remote, local };
                }
                Some(Err(error)) => {
                    self.attempts.remove(at);
                    wires.close(wire);
                    self.give_up(remote, io_fail(&error), now);
                }
            }
        }
        self.go_on(wires, now)
    }

    /// Takes further addresses into the race: they and those that wait take turns, beginning with the new ones, since
    /// they are of the other family. What there is no room for is left out.
    pub fn join(&mut self, more: VettedList, wires: &mut Wires, now: Instant) -> Standing {
        let waiting: VettedList = self
            .addresses
            .drain(self.next.min(self.addresses.len())..)
            .collect();
        let (mut more, mut waiting) = (more.into_iter(), waiting.into_iter());
        while more.len() + waiting.len() > 0 {
            for address in [more.next(), waiting.next()].into_iter().flatten() {
                let _ = self.addresses.try_push(address);
            }
        }
        self.patience = patience(self.timeout, self.addresses.len());
        self.go_on(wires, now)
    }

    /// When [`Race::advance`] is wanted though nothing happened on a wire.
    pub fn deadline(&self) -> Option<Instant> {
        if self.next >= self.addresses.len() {
            return None;
        }
        match self.attempts.first() {
            Some(oldest) if self.attempts.len() >= ATTEMPTS_MAX => Some(oldest.started + self.patience),
            _ => Some(self.next_at),
        }
    }

    /// Closes every attempt.
    pub fn close(&mut self, wires: &mut Wires) {
        for attempt in self.attempts.drain(..) {
            wires.close(attempt.wire);
        }
    }

    fn go_on(&mut self, wires: &mut Wires, now: Instant) -> Standing {
        while let Some(&vetted) = self.addresses.get(self.next) {
            if !self.may_start(wires, now) {
                return Standing::Running;
            }
            self.next += 1;
            self.next_at = now + ATTEMPT_DELAY;
            match connect(vetted, self.conn, wires) {
                Ok(wire) => self.attempts.push(Attempt {
                    wire,
                    address: vetted.address(),
                    started: now,
                }),
                Err(error) => self.give_up(vetted.address(), io_fail(&error), now),
            }
        }
        match (self.attempts.is_empty(), self.first_failure.take()) {
            (true, Some((address, fail))) => Standing::Lost(address, fail),
            (_, failure) => {
                self.first_failure = failure;
                Standing::Running
            }
        }
    }

    /// Is it the next address's turn? An attempt that used up its patience makes room.
    fn may_start(&mut self, wires: &mut Wires, now: Instant) -> bool {
        if self.attempts.is_empty() {
            return true;
        }
        if self.attempts.len() < ATTEMPTS_MAX {
            return now >= self.next_at;
        }
        match self.attempts.first() {
            Some(oldest) if now >= oldest.started + self.patience => {
                let attempt = self.attempts.remove(0);
                wires.close(attempt.wire);
                true
            }
            _ => false,
        }
    }

    /// An address failed: the next need not wait.
    fn give_up(&mut self, address: SocketAddr, fail: IoFail, now: Instant) {
        self.next_at = now;
        self.first_failure.get_or_insert((address, fail));
    }
}

/// Has this attempt ended, and how? With our end's address where it has connected.
fn outcome(wire: WireId, wires: &mut Wires) -> Option<std::io::Result<Option<SocketAddr>>> {
    let entry = wires.get_mut(wire)?;
    if entry.ready.failed
        && let Some(error) = entry.transport.take_error()
    {
        return Some(Err(error));
    }
    // No error was announced with it: it needn't be asked for.
    let writable = entry.ready.writable;
    writable.then(|| Ok(entry.transport.tcp().local_addr().ok()))
}

fn connect(vetted: Vetted, conn: ConnId, wires: &mut Wires) -> std::io::Result<WireId> {
    let stream = TcpStream::connect(vetted.address())?;
    stream.set_nodelay(true)?;
    set_keepalive(&SockRef::from(&stream))?;
    wires.insert(Transport::Tcp(stream), Ready::default(), Owner::Race(conn))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener};

    use mio::{Events, Poll};

    use super::*;
    use crate::io::token::Source;
    use crate::net::Target;
    use crate::policy::ranges::{Ranges, Rule};
    use crate::policy::{Ask, Network, Policy, PolicyParts, Role};

    const CONN: ConnId = ConnId {
        index: 0,
        generation: 0,
    };

    /// Loopback addresses, vetted by a policy that allows them.
    fn vetted(addresses: &[&str], port: u16) -> VettedList {
        let allow = vec![Rule::range("127.0.0.0/8").unwrap()];
        let ranges = Ranges::new(allow, Vec::new(), false, Vec::new());
        let policy = Policy::new(PolicyParts {
            acl: None,
            ranges,
            password: None,
            allow_missing_role: true,
            network: Network::Any,
        });
        let target = Target::parse(format!("test.example:{port}").as_bytes(), None).unwrap();
        let ask = Ask {
            tunnel: true,
            external_proxy: None,
        };
        let allowed = policy.decide(&Role::Missing, target, ask).unwrap();
        let found: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        policy.vet(&allowed, &found, &Vec::new).unwrap()
    }

    /// Runs a race to its end: which address won, or what failed.
    fn run(addresses: VettedList, timeout: Duration) -> Result<SocketAddr, (SocketAddr, IoFail)> {
        run_by(Instant::now, addresses, timeout)
    }

    fn run_by(
        clock: impl Fn() -> Instant,
        addresses: VettedList,
        timeout: Duration,
    ) -> Result<SocketAddr, (SocketAddr, IoFail)> {
        let mut poll = Poll::new().unwrap();
        let mut wires = Wires::new(poll.registry().try_clone().unwrap());
        let mut events = Events::with_capacity(16);
        let (mut race, mut standing) = dial(CONN, addresses, timeout, &mut wires, clock());
        for _ in 0..1000 {
            match standing {
                Standing::Won { wire, remote, .. } => {
                    assert_eq!(wires.len(), 1, "the losers are closed");
                    wires.close(wire);
                    return Ok(remote);
                }
                Standing::Lost(address, fail) => {
                    assert!(wires.is_empty());
                    return Err((address, fail));
                }
                Standing::Running => {}
            }
            let wait = race
                .deadline()
                .map_or(Duration::from_secs(5), |at| at.saturating_duration_since(clock()));
            poll.poll(&mut events, Some(wait)).unwrap();
            for event in &events {
                if let Some(Source::Wire(wire)) = Source::of(event.token()) {
                    assert_eq!(wires.note(wire, event), Some(Owner::Race(CONN)));
                }
            }
            standing = race.advance(&mut wires, clock());
        }
        panic!("the race did not end");
    }

    #[test]
    fn a_refused_address_gives_way_to_the_next_at_once() {
        let listener = TcpListener::bind("127.0.0.3:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // By a clock that stands still no attempt's turn comes by waiting.
        let now = Instant::now();
        let winner = run_by(
            || now,
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
        let poll = Poll::new().unwrap();
        let mut wires = Wires::new(poll.registry().try_clone().unwrap());
        let now = Instant::now();
        let first = vetted(&["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"], 9);
        let late = vetted(
            &["127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4", "127.0.1.5"],
            9,
        );
        let race = |next: usize| {
            let mut race = dial(CONN, first.clone(), Duration::ZERO, &mut wires, now).0;
            race.close(&mut wires);
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
            race.join(late.clone(), &mut wires, now);
            race.addresses
                .iter()
                .map(|vetted| vetted.address().ip().to_string())
                .collect::<Vec<_>>()
        };
        let mut race = race;
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
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let (full, full_too) = (full_listener(socket, port), {
            let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            other
                .bind(&SocketAddr::from(([127, 0, 0, 2], port)).into())
                .unwrap();
            full_listener(other, port)
        });
        let listener = TcpListener::bind(("127.0.0.3", port)).unwrap();
        let winner = run(
            vetted(&["127.0.0.1", "127.0.0.2", "127.0.0.3"], port),
            Duration::from_secs(1),
        );
        assert_eq!(winner.unwrap(), listener.local_addr().unwrap());
        drop((full, full_too));
    }

    /// A listener whose queue is full: further SYNs are dropped.
    fn full_listener(socket: socket2::Socket, _port: u16) -> Vec<socket2::Socket> {
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap();
        let mut held = vec![socket];
        for _ in 0..4 {
            let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&address);
            held.push(client);
        }
        held
    }
}
