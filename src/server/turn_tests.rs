//! What one turn owes to the other direction and to the loop. How sessions fare in many turns is `tests/sim`.

use std::io;
use std::time::SystemTime;

use crate::clock::Instant;
use crate::flow::Gate;
use crate::http::HeadLimits;
use crate::io::budget::Budget;
use crate::io::pipe::{Pipes, Worth};
use crate::io::scratch::Scratch;
use crate::io::token::WireId;
use crate::io::wire::testing::stubs;
use crate::io::wires::Owner;
use crate::policy::{Policy, PolicyParts};
use crate::session::id::Ids;
use crate::session::{Action, Dialled, Settings};

use super::super::held::LEAD_TURNS_MAX;
use super::super::pool::Pool;
use super::super::world::World;
use super::*;

/// Gives and takes for ever.
struct Endless {
    given: usize,
    taken: usize,
}

impl Wire for Endless {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let room = into.capacity() - into.len();
        into.resize(into.capacity(), b'x');
        self.given += room;
        Ok(room)
    }
    fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        self.taken += first.len() + second.len();
        Ok(first.len() + second.len())
    }
    stubs!(true, true);
}

const ID: ConnId = ConnId {
    index: 0,
    generation: 0,
};

/// The client's wire and the origin's.
struct Pair([(Endless, Ready); 2]);

impl WireTable for Pair {
    type Wire = Endless;
    fn wire(&mut self, id: WireId) -> Option<(&mut Endless, &mut Ready)> {
        let (wire, ready) = self.0.get_mut(id.index as usize)?;
        Some((wire, ready))
    }
    fn watch(&mut self, _: WireId) {}
    fn hand_over(&mut self, _: WireId, _: Owner) {}
    fn close(&mut self, _: WireId) {}
    fn abort(&mut self, _: WireId) {}
}

fn wire_id(index: u32) -> WireId {
    WireId { index, generation: 0 }
}

fn stores(scratch_bytes: usize, budget_bytes: usize) -> Stores {
    Stores {
        scratch: Scratch::new(scratch_bytes),
        budget: Budget::new(budget_bytes),
        pipes: Pipes::new(0, Worth::default()),
        pool: Pool::new(0, 0, Instant::now()),
        draining: false,
        computes: false,
        turn: Allowance::new(TURN_BYTES, Duration::from_secs(3600)),
    }
}

fn endless() -> (Endless, Ready) {
    let ready = Ready {
        readable: true,
        writable: true,
        ..Ready::default()
    };
    (Endless { given: 0, taken: 0 }, ready)
}

fn settings() -> Settings {
    Settings {
        head: HeadLimits::default(),
        takes_tls: false,
        proxy_protocol: false,
        read_header_timeout: Duration::from_secs(30),
        dns_timeout: Default::default(),
        connect_timeout: Default::default(),
        idle_timeout: Default::default(),
        read_timeout: Default::default(),
        write_timeout: Default::default(),
        deny_style: crate::session::refusal::DenyStyle {
            status: 407,
            explicit: true,
        },
        sni: Default::default(),
        rechecks_tunnels: false,
        deny_message_extra: String::new(),
    }
}

#[test]
fn a_direction_that_never_rests_does_not_starve_the_other() {
    let now = Instant::now();
    let policy = Policy::new(PolicyParts::without_rules());
    let (clocks, ids) = ((now, SystemTime::UNIX_EPOCH), Ids::new([0; 3], 0, 0));
    let mut world = World::new(clocks, policy.into(), settings(), ids, Box::new(|_| true));
    let cx = &mut world.cx();
    let mut flows = Flows::new(now);
    let mut session = Session::new(([172, 16, 0, 1], 9).into(), now);
    flows.up.rx.push(b"CONNECT 8.8.8.8:443 HTTP/1.1\r\n\r\n");
    session.advance(Input::Moved, &mut flows, cx);
    let Some(Action::Dial(seq, ..)) = cx.actions.pop() else {
        panic!("no dial");
    };
    let dialled = Dialled {
        remote: ([8, 8, 8, 8], 443).into(),
        local: None,
        reused: false,
        answered: false,
        private: false,
    };
    session.advance(Input::Dialled(seq, Ok(dialled)), &mut flows, cx);
    cx.actions.clear();

    let mut pair = Pair([endless(), endless()]);
    let (mut stores, mut held) = (stores(4096, 1 << 20), Held::default());
    for _ in 0..2 * LEAD_TURNS_MAX {
        let mut means = Means {
            allowance: &mut stores.turn.clone(),
            stores: &mut stores,
            held: &mut held,
            id: ID,
        };
        let mut ends = Ends {
            wires: &mut pair,
            client: wire_id(0),
            origin: Some(wire_id(1)),
        };
        let ended = run(&mut ends, &mut flows, &mut session, cx, &mut means);
        assert_eq!(ended, Turn::Spent);
        end(&mut ends, &mut flows, &session, &mut means);
        assert_eq!(means.stores.scratch.read_bytes(), 4096);
    }
    let [(client, _), (origin, _)] = &pair.0;
    assert!(
        client.taken > TURN_BYTES * 7 && origin.taken > TURN_BYTES * 7,
        "{} and {}",
        client.taken,
        origin.taken
    );
}

/// A wire that was reset.
struct Reset;

impl Wire for Reset {
    fn read(&mut self, _: &mut Vec<u8>) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
    fn write(&mut self, _: &[u8], _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
    fn hangup(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn abort(&mut self) {}
    fn has_news(&mut self) -> bool {
        true
    }
    fn take_error(&mut self) -> Option<io::Error> {
        Some(io::ErrorKind::ConnectionReset.into())
    }
    fn short_read_means_drained(&self) -> bool {
        true
    }
}

#[test]
fn a_reset_behind_a_fin_is_noticed() {
    for from in [Side::Client, Side::Origin] {
        let mut ready = Ready {
            failed: true,
            ..Ready::default()
        };
        let mut flow = Flow::new(Gate::Open, Instant::now());
        flow.end = End::Passed;
        let noticed = unread_failure(&mut Reset, &mut ready, from, &flow);
        assert!(matches!(noticed, Some(Pumped::Failed(_))) && !ready.failed);
    }
}

/// A wire whose handshake has come to its end.
struct Shaken(u32);

impl Wire for Shaken {
    fn read(&mut self, _: &mut Vec<u8>) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
    fn write(&mut self, _: &[u8], _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
    fn under(&self) -> u32 {
        self.0
    }
    fn aside(&mut self) -> Option<Aside> {
        Some(Aside {
            toll_bytes: 0,
            takes_again: true,
        })
    }
    stubs!(false, false);
}

#[test]
fn what_waited_for_a_handshake_leaves_when_it_was_read_and_no_event_tells() {
    for under in [0, 7] {
        let mut ready = Ready::default();
        let mut flow = Flow::new(Gate::Open, Instant::now());
        flow.note_under(under);
        let (mut wire, mut allowance) = (Shaken(under), Allowance::new(1, Duration::ZERO));
        let aside = wire.aside().unwrap();
        assert!(note_aside(
            aside,
            &mut wire,
            &mut ready,
            &mut flow,
            &mut allowance
        ));
        assert!(ready.writable);
    }
}

/// A wire that gives so much with its first read, and tells with it of a handshake's end where there was one.
struct Once {
    bytes: &'static [u8],
    secured: Option<Secured>,
}

impl Wire for Once {
    fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let bytes = std::mem::take(&mut self.bytes);
        into.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn write(&mut self, _: &[u8], _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
    fn aside(&mut self) -> Option<Aside> {
        let takes_again = self.secured.is_some();
        takes_again.then_some(Aside {
            toll_bytes: 0,
            takes_again,
        })
    }
    fn secured(&mut self) -> Option<Secured> {
        self.secured.take()
    }
    stubs!(true, true);
}

/// Nobody but the client.
struct Lone(Once, Ready);

impl WireTable for Lone {
    type Wire = Once;
    fn wire(&mut self, _: WireId) -> Option<(&mut Once, &mut Ready)> {
        Some((&mut self.0, &mut self.1))
    }
    fn watch(&mut self, _: WireId) {}
    fn hand_over(&mut self, _: WireId, _: Owner) {}
    fn close(&mut self, _: WireId) {}
    fn abort(&mut self, _: WireId) {}
}

/// A request, its client's end, and perhaps that of a handshake, all in one read: the session is told of nothing between
/// what it asks for and that being done, which it asserts; the end is not lost.
#[test]
fn what_a_session_asks_for_comes_before_all_else_that_a_read_brought() {
    for takes_tls in [true, false] {
        let now = Instant::now();
        let policy = Policy::new(PolicyParts::without_rules());
        let (clocks, ids) = ((now, SystemTime::UNIX_EPOCH), Ids::new([0; 3], 0, 0));
        let settings = Settings {
            takes_tls,
            ..settings()
        };
        let mut world = World::new(clocks, policy.into(), settings, ids, Box::new(|_| true));
        let cx = &mut world.cx();
        let (mut flows, mut session) = (Flows::new(now), Session::new(([172, 16, 0, 1], 9).into(), now));
        if takes_tls {
            flows.up.rx.push(b"\x16");
            session.advance(Input::Moved, &mut flows, cx);
            assert!(matches!(cx.actions.pop(), Some(Action::Secure)));
            flows.up.rx.clear();
        }
        let ready = Ready {
            readable: true,
            writable: true,
            read_closed: true,
            ..Ready::default()
        };
        let secured = takes_tls.then_some(Secured { certificate: None });
        let bytes = b"CONNECT 8.8.8.8:443 HTTP/1.1\r\n\r\n";
        let mut lone = Lone(Once { bytes, secured }, ready);
        let (mut stores, mut held) = (stores(4096, 1 << 20), Held::default());
        let mut means = Means {
            allowance: &mut stores.turn.clone(),
            stores: &mut stores,
            held: &mut held,
            id: ID,
        };
        let mut ends = Ends {
            wires: &mut lone,
            client: wire_id(0),
            origin: None,
        };
        assert_eq!(
            run(&mut ends, &mut flows, &mut session, cx, &mut means),
            Turn::Acts
        );
        assert!(matches!(cx.actions[..], [Action::Dial(..)]), "{:?}", cx.actions);
        cx.actions.clear();
        while run(&mut ends, &mut flows, &mut session, cx, &mut means) == Turn::Acts {
            cx.actions.clear();
        }
        assert!(flows.up.end >= End::Announced, "{takes_tls}");
        end(&mut ends, &mut flows, &session, &mut means);
    }
}

/// Lends to a direction whose last byte of a rest has just left.
fn lent(has_room: bool) -> (Flow, Scratch) {
    let mut flow = Flow::new(Gate::Open, Instant::now());
    flow.rx.push(b"x");
    flow.rx.give_back();
    flow.rx.consume(1);
    let (mut stores, mut held) = (stores(65536, 1), Held::default());
    let mut means = Means {
        allowance: &mut stores.turn.clone(),
        stores: &mut stores,
        held: &mut held,
        id: ID,
    };
    lend(Side::Client, &mut flow, has_room, &mut means);
    lend(Side::Client, &mut flow, has_room, &mut means);
    (flow, stores.scratch)
}

#[test]
fn the_size_of_a_rest_does_not_bound_the_reads_after_it() {
    let (flow, scratch) = lent(true);
    assert_eq!((flow.rx.capacity(), scratch.read_bytes()), (65536, 0));
}

#[test]
fn without_room_in_the_budget_memory_is_made_anew() {
    let (flow, scratch) = lent(false);
    assert_eq!((flow.rx.capacity(), scratch.read_bytes()), (0, 65536));
}
