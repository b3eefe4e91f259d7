//! The table of all sockets that carry traffic. A token names a wire, not a connection: when a socket
//! changes hands (race to connection, connection to pool) only its owner changes, no system call is made,
//! and its ready flags travel along, because an edge that fired long ago does not come again.

use std::io;
use std::sync::Arc;

use mio::{Interest, Registry};

use crate::net::{Peer, Side};
use crate::tls::{Client, Leaf, Server};

use super::arena::Arena;
use super::gauge::Gauge;
use super::token::{ConnId, IdleId, Source, WireId};
use super::wire::{Engine, Ready, Sealing, Transport, Wire as _};

/// Urgent data wakes us as any other does; this way the event says that it was that.
const READING: Interest = Interest::READABLE.add(Interest::PRIORITY);
const BOTH: Interest = READING.add(Interest::WRITABLE);

/// Whose wire it is: who is told when something happens on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// One side of a connection.
    Conn(ConnId, Side),
    /// An attempt of a connection's dial.
    Race(ConnId),
    /// Idle in the upstream pool, as this entry: any event means that it is of no use any more.
    Pool(IdleId),
}

/// A socket, what is known of its readiness, and whose it is.
#[derive(Debug)]
pub struct WireEntry {
    /// The socket.
    pub transport: Transport,
    /// What may be done with it now.
    pub ready: Ready,
    /// The poll tells when it takes bytes again.
    tells_writable: bool,
    /// It was there when others were believed than now.
    is_outdated: bool,
    /// Whose it is, taken apart: as an [`Owner`] each of a tunnel's two entries would have eight bytes more.
    kind: Kind,
    slot: u32,
    generation: u32,
}

/// Which of the owners it is that an entry names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Client,
    Origin,
    Race,
    Pool,
}

impl WireEntry {
    /// Of a socket that is in the poll.
    fn new(transport: Transport, ready: Ready, owner: Owner) -> WireEntry {
        let (kind, slot, generation) = apart(owner);
        WireEntry {
            transport,
            ready,
            tells_writable: !ready.writable,
            is_outdated: false,
            kind,
            slot,
            generation,
        }
    }

    fn owner(&self) -> Owner {
        let (index, generation) = (self.slot, self.generation);
        let conn = ConnId { index, generation };
        match self.kind {
            Kind::Client => Owner::Conn(conn, Side::Client),
            Kind::Origin => Owner::Conn(conn, Side::Origin),
            Kind::Race => Owner::Race(conn),
            Kind::Pool => Owner::Pool(IdleId { index, generation }),
        }
    }

    fn set_owner(&mut self, owner: Owner) {
        (self.kind, self.slot, self.generation) = apart(owner);
    }
}

fn apart(owner: Owner) -> (Kind, u32, u32) {
    match owner {
        Owner::Conn(conn, Side::Client) => (Kind::Client, conn.index, conn.generation),
        Owner::Conn(conn, Side::Origin) => (Kind::Origin, conn.index, conn.generation),
        Owner::Race(conn) => (Kind::Race, conn.index, conn.generation),
        Owner::Pool(idle) => (Kind::Pool, idle.index, idle.generation),
    }
}

/// All wires of a loop.
#[derive(Debug)]
pub struct Wires {
    arena: Arena<WireEntry>,
    registry: Registry,
    /// Makes engines.
    sealing: Sealing,
    /// How many there are, in all loops.
    gauge: Gauge,
}

impl Wires {
    /// An empty table that registers its wires with this poll.
    pub fn new(registry: Registry) -> Wires {
        Wires {
            arena: Arena::default(),
            registry,
            sealing: Sealing::default(),
            gauge: Gauge::new(1),
        }
    }

    /// An empty table whose wires count with those of other loops.
    #[must_use]
    pub fn counted_by(self, gauge: Gauge) -> Wires {
        Wires { gauge, ..self }
    }

    /// From now on clients' wires can do handshakes, and do them with this.
    pub fn present(&mut self, server: Arc<Server>) {
        self.sealing.present(server);
    }

    /// From now on the wires of origins can do handshakes, and believe whom this does. Where it is another one than before,
    /// those that are there are outdated; tells whether it is.
    pub fn believe(&mut self, client: Arc<Client>) -> bool {
        if !self.sealing.believe(client) {
            return false;
        }
        for id in self.arena.keys::<WireId>() {
            if let Some(entry) = self.arena.get_mut(id) {
                entry.is_outdated = true;
            }
        }
        true
    }

    /// Was it there when others were believed than now? Whoever takes it next might not be who is believed.
    pub fn is_outdated(&self, id: WireId) -> bool {
        self.arena.get(id).is_some_and(|entry| entry.is_outdated)
    }

    /// Puts an engine over a client's wire, of which so much was read.
    ///
    /// # Errors
    /// `Unsupported` where there is nothing to present; else rustls's.
    pub fn secure(&mut self, id: WireId, received: &[u8]) -> io::Result<()> {
        self.cover(id, |sealing| sealing.engine(received))
    }

    /// Puts an engine over a client's wire, or over the one that is there, which presents this inside of a tunnel.
    ///
    /// # Errors
    /// rustls's.
    pub fn secure_inside(&mut self, id: WireId, leaf: &Leaf, received: &[u8]) -> io::Result<()> {
        self.cover(id, |sealing| sealing.engine_inside(leaf, received))
    }

    /// Puts an engine over an origin's wire, of which so much was read, which is to find this peer at the other end.
    ///
    /// # Errors
    /// As [`Wires::secure`]; also where the peer has a name that no certificate can be for.
    pub fn secure_origin(&mut self, id: WireId, peer: &Peer, received: &[u8]) -> io::Result<()> {
        self.cover(id, |sealing| sealing.engine_to(peer, received))
    }

    fn cover(&mut self, id: WireId, engine: impl FnOnce(&Sealing) -> io::Result<Engine>) -> io::Result<()> {
        if let Some(entry) = self.arena.get_mut(id) {
            entry.transport.secure(engine(&self.sealing)?);
            // What was received is to be opened, and what is to be said first to be said, though the poll says nothing.
            entry.ready.readable = true;
        }
        Ok(())
    }

    /// Registers a socket, edge-triggered. One that is known to take bytes is registered for reading alone until
    /// it takes no more: most never come to that, and each would raise an event at once that says nothing new.
    ///
    /// # Errors
    /// What the kernel answers to the registration; the socket is closed then.
    pub fn insert(&mut self, mut transport: Transport, ready: Ready, owner: Owner) -> io::Result<WireId> {
        let registry = &self.registry;
        let made = self.arena.try_insert_with(|id: WireId| {
            let interest = if ready.writable { READING } else { BOTH };
            registry.register(transport.tcp(), Source::Wire(id).token(), interest)?;
            Ok(WireEntry::new(transport, ready, owner))
        });
        self.gauge.set(self.arena.len());
        made.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::OutOfMemory)))
    }

    /// The wire under this id, if it is still there.
    pub fn get_mut(&mut self, id: WireId) -> Option<&mut WireEntry> {
        self.arena.get_mut(id)
    }

    /// Notes an event and tells whose it is.
    pub fn note(&mut self, id: WireId, event: &mio::event::Event) -> Option<Owner> {
        let entry = self.arena.get_mut(id)?;
        entry.ready.note(event);
        Some(entry.owner())
    }

    /// To be called after writing: of a socket that took no more bytes, the poll tells from now on when it does.
    pub fn watch(&mut self, id: WireId) {
        let Some(entry) = self.arena.get_mut(id) else {
            return;
        };
        if entry.ready.writable || entry.tells_writable {
            return;
        }
        let token = Source::Wire(id).token();
        let watched = self.registry.reregister(entry.transport.tcp(), token, BOTH);
        // There is nothing that the kernel could lack for it. If it did, deadlines would end the connection.
        entry.tells_writable = watched.is_ok();
    }

    /// Gives a wire to somebody else.
    pub fn hand_over(&mut self, id: WireId, owner: Owner) {
        if let Some(entry) = self.arena.get_mut(id) {
            entry.set_owner(owner);
        }
    }

    /// Closes a wire; the kernel takes it out of the poll.
    pub fn close(&mut self, id: WireId) {
        if let Some(mut entry) = self.take(id) {
            entry.transport.close();
        }
    }

    /// Closes a wire without saying the end, where that takes more than closing it.
    pub fn cut(&mut self, id: WireId) {
        drop(self.take(id));
    }

    /// Closes a wire by a reset.
    pub fn abort(&mut self, id: WireId) {
        if let Some(mut entry) = self.take(id) {
            entry.transport.abort();
        }
    }

    fn take(&mut self, id: WireId) -> Option<WireEntry> {
        let entry = self.arena.remove(id);
        self.gauge.set(self.arena.len());
        entry
    }

    /// How many all loops have.
    pub fn len_of_all(&self) -> usize {
        self.gauge.sum()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.arena.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.arena.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    const OWNER: Owner = Owner::Race(ConnId {
        index: 0,
        generation: 0,
    });

    /// What the poll says of the only wire.
    fn note(poll: &mut Poll, wires: &mut Wires, id: WireId, timeout: Duration) -> bool {
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(timeout)).unwrap();
        for event in &events {
            wires.note(id, event);
        }
        !events.is_empty()
    }

    /// What an origin sends some microseconds behind its answer, before the poll tells of it.
    #[test]
    fn a_wire_is_quiet_until_anything_at_all_happens() {
        for happens in 0..4 {
            let poll = Poll::new().unwrap();
            let mut wires = Wires::new(poll.registry().try_clone().unwrap());
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let transport = Transport::plain(mio::net::TcpStream::from_std(stream));
            let id = wires.insert(transport, Ready::default(), OWNER).unwrap();
            let has_news = |wires: &mut Wires| wires.get_mut(id).unwrap().transport.has_news();
            assert!(!has_news(&mut wires) && !has_news(&mut wires));
            match happens {
                0 => std::io::Write::write_all(&mut peer, b"H").unwrap(),
                1 => drop(peer),
                2 => peer.shutdown(std::net::Shutdown::Write).unwrap(),
                _ => {
                    rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
                    drop(peer);
                }
            }
            // Loopback delivers before the call returns, as a rule; the peek needs no poll for it.
            for _ in 0..6000 {
                if has_news(&mut wires) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(has_news(&mut wires), "{happens}");
            wires.close(id);
            assert!(wires.get_mut(id).is_none(), "what is gone is of no use");
        }
    }

    #[test]
    fn a_wire_that_took_no_more_is_told_of_when_it_does_and_no_sooner() {
        let mut poll = Poll::new().unwrap();
        let mut wires = Wires::new(poll.registry().try_clone().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let ready = Ready {
            writable: true,
            ..Ready::default()
        };
        let transport = Transport::plain(mio::net::TcpStream::from_std(stream));
        let id = wires.insert(transport, ready, OWNER).unwrap();
        wires.watch(id);
        assert!(!note(&mut poll, &mut wires, id, Duration::ZERO));

        let chunk = [0; 65536];
        while wires.get_mut(id).unwrap().transport.write(&chunk, &[]).is_ok() {}
        wires.get_mut(id).unwrap().ready.writable = false;
        wires.watch(id);
        peer.set_nonblocking(true).unwrap();
        let mut room = vec![0; 1 << 20];
        while !wires.get_mut(id).unwrap().ready.writable {
            let _ = peer.read(&mut room);
            note(&mut poll, &mut wires, id, Duration::from_millis(10));
        }
    }
}
