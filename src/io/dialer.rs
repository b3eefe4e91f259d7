//! Dials vetted addresses, raced as RFC 8305 section 5 says: the next starts when one failed or 250 ms
//! passed, two at a time, the first to connect wins. The only caller of connect(2) for traffic, and it takes
//! nothing but [`Vetted`] addresses.

use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use crate::clock::Instant;
use crate::net::{ClientKey, IoFail};
use crate::policy::{Vetted, VettedList};

use super::shares::CommonShares;
use super::token::{ConnId, WireId};
use super::wire::{Ready, Transport, Wire, io_fail};
use super::wires::{Owner, Wires};

/// RFC 8305 section 8: the Connection Attempt Delay.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// What a dial without a limit of its own shares out among its addresses.
const UNLIMITED_DIAL: Duration = Duration::from_secs(20);

/// How many attempts of one dial run at a time.
pub const ATTEMPTS_MAX: usize = 2;

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

/// What all dials share.
#[derive(Debug)]
pub struct Dialer<'a> {
    /// Where their sockets are.
    pub wires: &'a mut Wires,
    /// The attempts that may run beside a dial's first one: each client's connection has a descriptor for one origin, and
    /// those for more are few.
    pub second_attempts: &'a CommonShares,
    /// The loop's time.
    pub now: Instant,
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
    client: ClientKey,
    addresses: VettedList,
    next: usize,
    /// In the order in which they started; the second holds a share.
    attempts: Vec<Attempt>,
    /// The whole dial's limit.
    timeout: Duration,
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

/// Starts dialling for a connection, on its client's account. `timeout` is the whole dial's (none: the kernel's), kept by
/// the session; here it only tells how long an attempt may keep a later address waiting.
pub fn dial(
    (conn, client): (ConnId, ClientKey),
    addresses: VettedList,
    timeout: Option<Duration>,
    dialer: &mut Dialer<'_>,
) -> (Race, Standing) {
    let mut race = Race {
        conn,
        client,
        next: 0,
        attempts: Vec::with_capacity(ATTEMPTS_MAX),
        timeout: timeout.unwrap_or(UNLIMITED_DIAL),
        next_at: dialer.now,
        first_failure: None,
        addresses,
    };
    let standing = race.go_on(dialer);
    (race, standing)
}

impl Race {
    /// Looks at what the poll said of the attempts' wires and at the time, and goes on.
    pub fn advance(&mut self, dialer: &mut Dialer<'_>) -> Standing {
        let mut at = 0;
        while let Some(attempt) = self.attempts.get(at) {
            let (wire, remote) = (attempt.wire, attempt.address);
            match outcome(wire, dialer.wires) {
                None => at += 1,
                Some(Ok(local)) => {
                    self.remove(at, dialer);
                    self.close(dialer);
                    return Standing::Won { wire, remote, local };
                }
                Some(Err(error)) => {
                    self.remove(at, dialer);
                    dialer.wires.close(wire);
                    self.give_up(remote, io_fail(&error), dialer.now);
                }
            }
        }
        self.go_on(dialer)
    }

    /// Takes further addresses into the race: they and those that wait take turns, beginning with the new ones, since
    /// they are of the other family. What there is no room for is left out.
    pub fn join(&mut self, more: &VettedList, dialer: &mut Dialer<'_>) -> Standing {
        let (_, waiting) = self.addresses.split_at(self.next.min(self.addresses.len()));
        let waiting = VettedList::from_iter(waiting.iter().copied());
        self.addresses.truncate(self.next);
        let (mut more, mut waiting) = (more.iter(), waiting.iter());
        while more.len() + waiting.len() > 0 {
            for &address in [more.next(), waiting.next()].into_iter().flatten() {
                self.addresses.push(address);
            }
        }
        self.go_on(dialer)
    }

    /// When [`Race::advance`] is wanted though nothing happened on a wire.
    pub fn deadline(&self) -> Option<Instant> {
        if self.next >= self.addresses.len() {
            return None;
        }
        match self.attempts.first() {
            Some(oldest) if self.attempts.len() >= ATTEMPTS_MAX => {
                Some(oldest.started + self.patience(ATTEMPTS_MAX))
            }
            _ => Some(self.next_at),
        }
    }

    /// Closes every attempt.
    pub fn close(&mut self, dialer: &mut Dialer<'_>) {
        while !self.attempts.is_empty() {
            let attempt = self.remove(0, dialer);
            dialer.wires.close(attempt.wire);
        }
    }

    fn go_on(&mut self, dialer: &mut Dialer<'_>) -> Standing {
        while let Some(&vetted) = self.addresses.get(self.next) {
            if !self.may_start(dialer) {
                return Standing::Running;
            }
            self.next += 1;
            self.next_at = dialer.now + ATTEMPT_DELAY;
            match connect(vetted, self.conn, dialer.wires) {
                Ok(wire) => self.attempts.push(Attempt {
                    wire,
                    address: vetted.address(),
                    started: dialer.now,
                }),
                Err(error) => {
                    if !self.attempts.is_empty() {
                        dialer.second_attempts.give_back(self.client);
                    }
                    self.give_up(vetted.address(), io_fail(&error), dialer.now);
                }
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

    /// Is it the next address's turn? One that would run beside another needs a share; where the client has none left,
    /// addresses are tried one after the other. An attempt that used up its patience makes room.
    fn may_start(&mut self, dialer: &mut Dialer<'_>) -> bool {
        let (running, now) = (self.attempts.len(), dialer.now);
        let Some(oldest) = self.attempts.first() else {
            return true;
        };
        let over = oldest.started + self.patience(running);
        if running < ATTEMPTS_MAX {
            if now < self.next_at {
                return false;
            }
            if dialer.second_attempts.take(self.client) {
                return true;
            }
            self.next_at = over.min(now + ATTEMPT_DELAY);
        }
        if now < over {
            return false;
        }
        let attempt = self.remove(0, dialer);
        dialer.wires.close(attempt.wire);
        self.may_start(dialer)
    }

    /// How long an attempt may hold its place while further addresses wait and so many attempts run: a whole dial's
    /// time, shared out among the rounds that its addresses take then.
    fn patience(&self, running: usize) -> Duration {
        let rounds = self.addresses.len().div_ceil(running.max(1));
        self.timeout / u32::try_from(rounds).unwrap_or(1).max(1)
    }

    /// Takes an attempt out. Where one is left, that is the first and needs no share.
    fn remove(&mut self, at: usize, dialer: &mut Dialer<'_>) -> Attempt {
        if self.attempts.len() == ATTEMPTS_MAX {
            dialer.second_attempts.give_back(self.client);
        }
        self.attempts.remove(at)
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
    wires.insert(Transport::plain(stream), Ready::default(), Owner::Race(conn))
}

#[cfg(test)]
#[path = "dialer_tests.rs"]
mod tests;
