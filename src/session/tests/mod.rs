//! One session over bare flows: no wires, a clock that stands still. What the simulation reaches by luck alone. The tests
//! stand by state.

mod arrival;
mod asking;
mod closing;
mod dial;
mod exchange;
mod handshake;
mod head;
mod intercept;
mod limits;
mod peek;
mod recheck;
mod showing;
mod tunnel;
mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::clock::Instant;
use crate::flow::{End, Flows};
use crate::http::HeadLimits;
use crate::net::{IoFail, IoFailKind, Side};
use crate::policy::auth::Password;
use crate::policy::ranges::Ranges;
use crate::policy::rates::Guesses;
use crate::policy::{Policy, PolicyParts, VettedList};

use super::spares::Spares;
use super::*;

const URL: &str = "http://44.1.2.3/";

/// With a password, who does not give it is refused.
fn policy(password: Option<Password>) -> Policy {
    Policy::new(PolicyParts {
        ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![4750]),
        allow_missing_role: password.is_none(),
        password,
        ..PolicyParts::without_rules()
    })
}

struct Bench {
    session: Session,
    flows: Flows,
    policy: Policy,
    settings: Settings,
    ids: id::Ids,
    guesses: Guesses,
    spares: Spares,
    has_room_to_spare: bool,
    now: Instant,
    actions: Vec<Action>,
}

impl Bench {
    fn new() -> Bench {
        let now = Instant::now();
        Bench {
            session: Session::new(SocketAddr::from(([127, 0, 0, 1], 5)), now),
            flows: Flows::new(now),
            policy: policy(None),
            settings: Settings {
                head: HeadLimits::default(),
                takes_tls: false,
                proxy_protocol: false,
                read_header_timeout: Duration::from_secs(30),
                dns_timeout: Duration::from_secs(5),
                connect_timeout: Some(Duration::from_secs(10)),
                idle_timeout: Some(Duration::from_secs(3600)),
                read_timeout: None,
                write_timeout: None,
                deny_style: crate::session::refusal::DenyStyle {
                    status: 407,
                    explicit: true,
                },
                sni: Default::default(),
                rechecks_tunnels: false,
                deny_message_extra: String::new(),
            },
            ids: id::Ids::new([0; 3], 0, 0),
            guesses: Guesses::new(now),
            spares: Spares::default(),
            has_room_to_spare: true,
            now,
            actions: Vec::new(),
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        let mut actions = Vec::new();
        let cx = &mut Cx {
            admin: &Admin::default(),
            now: self.now,
            wall: SystemTime::UNIX_EPOCH,
            policy: &self.policy,
            settings: &self.settings,
            ids: &mut self.ids,
            guesses: &self.guesses,
            spares: &mut self.spares,
            has_room_to_spare: self.has_room_to_spare,
            is_local: &|_| true,
            actions: &mut actions,
        };
        self.session.advance(input, &mut self.flows, cx);
        self.actions.append(&mut actions);
    }

    /// Bytes arrive from that side.
    fn arrive(&mut self, side: Side, bytes: &str) {
        self.flows.from(side).rx.push(bytes.as_bytes());
        self.feed(Input::Moved);
    }

    /// What may leave for that side leaves.
    fn leave(&mut self, side: Side) -> String {
        let flow = self.flows.to(side);
        let mut left = String::from_utf8_lossy(flow.tx.as_slice()).into_owned();
        flow.tx.clear();
        let passable = flow.passable();
        left += &String::from_utf8_lossy(flow.rx.as_slice().get(..passable).unwrap());
        flow.rx.consume(passable);
        flow.count_passed(passable);
        if flow.end_is_due() {
            flow.end = End::Passed;
        }
        self.feed(Input::Moved);
        left
    }

    /// A GET has reached its origin.
    fn send(&mut self, path: &str) {
        self.arrive(Side::Client, &get(path));
        self.dialled(false);
        self.leave(Side::Origin);
    }

    /// Is a dial asked for?
    fn dials(&self) -> bool {
        let is_dial = |action: &Action| matches!(action, Action::Dial(..));
        self.actions.iter().any(is_dial)
    }

    /// The dial that is asked for succeeds.
    fn dialled(&mut self, reused: bool) {
        let seq = self
            .actions
            .drain(..)
            .find_map(|action| match action {
                Action::Dial(seq, ..) => Some(seq),
                _ => None,
            })
            .unwrap();
        let remote = SocketAddr::from(([44, 1, 2, 3], 80));
        let dialled = Dialled {
            remote,
            local: None,
            reused,
            answered: reused,
            private: false,
        };
        self.feed(Input::Dialled(seq, Ok(dialled)));
    }

    fn unwritable(&mut self, side: Side) {
        self.feed(Input::Unwritable(side, &reset()));
    }

    /// The last record that was logged.
    fn logged(&mut self) -> Box<outcome::Record> {
        let mut logged = self.actions.drain(..).filter_map(|action| match action {
            Action::Log(record) => Some(record),
            _ => None,
        });
        logged.next_back().unwrap()
    }
}

fn reset() -> IoFail {
    IoFail {
        kind: IoFailKind::Reset,
        text: "broken pipe".into(),
    }
}

fn get(path: &str) -> String {
    format!("GET {URL}{path} HTTP/1.1\r\n\r\n")
}
