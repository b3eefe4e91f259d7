//! An upstream proxy's answer to our CONNECT: however it is cut the outcome is one. Only behind a 2xx is there a tunnel, and
//! then all that follows is its; else nothing of it passes but its status line, in a 502 of ours, and nothing of the
//! client's leaves.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use smokescreen::clock::Instant;
use smokescreen::flow::{End, Flow, Flows};
use smokescreen::http::HeadLimits;
use smokescreen::net::{NoProxy, ProxyUrl, Side, Writer};
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::rates::Guesses;
use smokescreen::policy::{Network, Policy, PolicyParts, Upstreams};
use smokescreen::session::id::Ids;
use smokescreen::session::refusal::DenyStyle;
use smokescreen::session::spares::Spares;
use smokescreen::session::{Action, Admin, Cx, Dialled, Input, Session, Settings};

use super::in_pieces;
use super::reader::{self, Head};

const ASKED: &[u8] = b"CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n";

/// What the client sends ahead.
const AHEAD: &[u8] = b"ahead";

const SENT: &[u8] =
    b"CONNECT 44.1.2.3:443 HTTP/1.1\r\nHost: 44.1.2.3:443\r\nProxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n\r\n";

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 2048,
    head_fields_max: 16,
};

pub(crate) fn run(input: &[u8]) {
    let (cut, answer) = input.split_first().unwrap_or((&0, &[]));
    let whole = Outcome::of(|bench| bench.arrive(answer));
    let pieces = Outcome::of(|bench| {
        let mut at = 0;
        in_pieces(answer, *cut, |seen| {
            bench.arrive(&seen[at..]);
            at = seen.len();
            None::<()>
        });
    });
    assert_eq!(whole, pieces, "its cuts count");
    whole.judge(answer);
}

/// What left for either side, and whether it is a tunnel.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    is_tunnel: bool,
    to_client: Vec<u8>,
    to_upstream: Vec<u8>,
}

impl Outcome {
    /// Of an answer that arrives so, and then the end.
    fn of(arrives: impl FnOnce(&mut Bench)) -> Outcome {
        let mut bench = Bench::new();
        bench.arrive_from(Side::Client, &[ASKED, AHEAD].concat());
        bench.dialled();
        bench.leave();
        assert_eq!(bench.to_upstream, SENT);
        arrives(&mut bench);
        let is_tunnel = bench.session.is_tunnel();
        bench.flows.down.end = End::Reached;
        bench.feed(Input::Moved);
        bench.leave();
        Outcome {
            is_tunnel,
            to_client: bench.to_client,
            to_upstream: bench.to_upstream.split_off(SENT.len()),
        }
    }

    fn judge(&self, answer: &[u8]) {
        if self.is_tunnel {
            let rest = self.to_client.strip_prefix(ESTABLISHED).expect("our own answer");
            let (head, tunnel) = last_head(answer).expect("a tunnel without an answer");
            assert!(matches!(head.status(), Ok(200..=299)), "a tunnel behind {head:?}");
            assert_eq!(rest, tunnel, "it is not what followed");
            assert_eq!(self.to_upstream, AHEAD);
            return;
        }
        assert_eq!(self.to_upstream, b"", "without a tunnel");
        let answered = reader::head(&self.to_client, 0)
            .expect("readable")
            .expect("whole");
        assert_eq!(answered.status(), Ok(502), "{answered:?}");
        assert!(
            self.to_client.len() < 4096,
            "it echoes {} bytes",
            self.to_client.len()
        );
        let text = String::from_utf8(self.to_client.clone()).expect("plain text");
        assert!(!text.contains("hunter2") && !text.contains("dXNlcjpodW50ZXIy"));
        assert!(
            !answered
                .fields
                .iter()
                .any(|(name, _)| name == "proxy-authenticate")
        );
    }
}

/// The first head that is none of an interim answer, and what is behind it.
fn last_head(mut answer: &[u8]) -> Option<(Head, &[u8])> {
    loop {
        let head = reader::head(answer, 0).ok()??;
        let rest = &answer[head.length..];
        match head.status().ok()? {
            100 | 102..=199 => answer = rest,
            _ => return Some((head, rest)),
        }
    }
}

struct Bench {
    session: Session,
    flows: Flows,
    policy: Policy,
    settings: Settings,
    ids: Ids,
    guesses: Guesses,
    spares: Spares,
    now: Instant,
    dials: Option<u32>,
    to_client: Vec<u8>,
    to_upstream: Vec<u8>,
}

impl Bench {
    fn new() -> Bench {
        let now = Instant::now();
        let url = ProxyUrl::parse("http://user:hunter2@127.0.0.1:3128", Writer::Operator);
        let policy = Policy::new(PolicyParts {
            acl: None,
            ranges: Ranges::new(Vec::new(), Vec::new(), false, Vec::new()),
            password: None,
            allow_missing_role: true,
            network: Network::Any,
        });
        Bench {
            session: Session::new(SocketAddr::from(([127, 0, 0, 1], 5)), now),
            flows: Flows::new(now),
            policy: policy.with_upstreams(Upstreams::new(None, url, NoProxy::default())),
            settings: settings(),
            ids: Ids::new([0; 3], 0, 0),
            guesses: Guesses::new(now),
            spares: Spares::default(),
            now,
            dials: None,
            to_client: Vec::new(),
            to_upstream: Vec::new(),
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
            has_room_to_spare: true,
            is_local: &|_| true,
            actions: &mut actions,
        };
        self.session.advance(input, &mut self.flows, cx);
        for action in actions {
            if let Action::Dial(seq, addresses, _) = action {
                assert_eq!(addresses[0].address(), SocketAddr::from(([127, 0, 0, 1], 3128)));
                self.dials = Some(seq);
            }
        }
    }

    fn dialled(&mut self) {
        let dialled = Dialled {
            remote: SocketAddr::from(([127, 0, 0, 1], 3128)),
            local: None,
            reused: false,
            answered: false,
            private: false,
        };
        let seq = self.dials.take().expect("a dial");
        self.feed(Input::Dialled(seq, Ok(dialled)));
    }

    fn arrive(&mut self, bytes: &[u8]) {
        self.arrive_from(Side::Origin, bytes);
        self.leave();
    }

    fn arrive_from(&mut self, side: Side, bytes: &[u8]) {
        self.flows.from(side).rx.push(bytes);
        self.feed(Input::Moved);
    }

    /// What may leave does.
    fn leave(&mut self) {
        leave(&mut self.flows.down, &mut self.to_client);
        leave(&mut self.flows.up, &mut self.to_upstream);
        self.feed(Input::Moved);
    }
}

fn leave(flow: &mut Flow, to: &mut Vec<u8>) {
    to.extend_from_slice(flow.tx.as_slice());
    flow.tx.clear();
    let passable = flow.passable();
    to.extend_from_slice(&flow.rx.as_slice()[..passable]);
    flow.rx.consume(passable);
    flow.count_passed(passable);
}

fn settings() -> Settings {
    Settings {
        head: LIMITS,
        takes_tls: false,
        proxy_protocol: false,
        read_header_timeout: Duration::from_secs(30),
        dns_timeout: Duration::from_secs(5),
        connect_timeout: Some(Duration::from_secs(10)),
        idle_timeout: None,
        read_timeout: None,
        write_timeout: None,
        deny_style: DenyStyle {
            status: 407,
            explicit: true,
        },
        rechecks_tunnels: false,
        deny_message_extra: String::new(),
        sni: Default::default(),
    }
}
