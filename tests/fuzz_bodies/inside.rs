//! What a client says inside of an intercepted tunnel, over bare flows: the handshakes are taken for done. Whatever it says, an
//! origin gets requests alone that are for the tunnel's host, readable by the strictest, each with the field that is added
//! and with none of the client's in its place; and no record shows that field's value.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use smokescreen::clock::Instant;
use smokescreen::flow::{End, Flows};
use smokescreen::http::HeadLimits;
use smokescreen::net::{Scheme, Side, Trust};
use smokescreen::policy::acl::Acl;
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::{Network, Policy, PolicyParts, VettedList};
use smokescreen::server::world::World;
use smokescreen::session::id::Ids;
use smokescreen::session::refusal::DenyStyle;
use smokescreen::session::{Action, Dialled, Input, Session, Settings, SniSettings};

use super::Script;
use super::reader::{self, Framing};

const ACL: &str = "version: v1\nservices: []\ndefault:\n  action: enforce\n  allowed_domains: ['44.1.2.3', a.test]\n  \
                   mitm_domains:\n  - domain: '44.1.2.3'\n    add_headers: {X-Key: '${env:K}'}\n    detailed_http_logs: true\n    \
                   detailed_http_logs_full_headers: [X-Key, Host]\n";

const SECRET: &[u8] = b"s3cret-of-ours";

/// Where the tunnel leads.
const REMOTE: ([u8; 4], u16) = ([44, 1, 2, 3], 443);

/// What an origin says to each request.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld";

/// What clients say, in parts.
const PARTS: [&[u8]; 32] = [
    b"GET / HTTP/1.1\r\nHost: 44.1.2.3\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: 44.1.2.3:443\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /c HTTP/1.1\r\nHost: 44.1.2.3\r\nTransfer-Encoding: chunked\r\nTrailer: X-Key\r\n\r\n5\r\nhello\r\n0\r\nX-Key: mine\r\nX_Key: mine\r\nX-T: 1\r\n\r\n",
    b"GET /x?y#z HTTP/1.1\r\n",
    b"POST / HTTP/1.1\r\n",
    b"HEAD /h HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"TRACE / HTTP/1.1\r\n",
    b"CONNECT 44.1.2.3:443 HTTP/1.1\r\n",
    b"GET https://44.1.2.3/ HTTP/1.1\r\n",
    b"GET https://a.test/ HTTP/1.1\r\n",
    b"GET http://44.1.2.3/ HTTP/1.1\r\n",
    b"GET /old HTTP/1.0\r\n",
    b"Host: 44.1.2.3\r\n",
    b"Host: 44.1.2.3:443\r\n",
    b"Host: a.test\r\n",
    b"Host: denied.test\r\n",
    b"Host: [::ffff:44.1.2.3]\r\n",
    b"X-Key: mine\r\n",
    b"x_key: mine\r\nX-KEY: too\r\n",
    b"Connection: X-Key, close\r\n",
    b"Connection: keep-alive\r\n",
    b"X-Upstream-Https-Proxy: http://a.test\r\n",
    b"Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"\r\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\nx-key: mine\r\n\r\n",
];

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let acl = Acl::parse(ACL, &[]).expect("an ACL");
    let acl = acl
        .with_secrets(&|_| Ok(SECRET.to_vec().into()))
        .expect("its secret");
    Arc::new(Policy::new(PolicyParts {
        acl: Some(acl),
        ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![4750]),
        password: None,
        allow_missing_role: true,
        network: Network::Any,
    }))
});

fn settings() -> Settings {
    let seconds = std::time::Duration::from_secs;
    Settings {
        rechecks_tunnels: false,
        takes_tls: false,
        head: HeadLimits {
            head_bytes_max: 2000,
            head_fields_max: 20,
        },
        proxy_protocol: false,
        read_header_timeout: seconds(30),
        dns_timeout: seconds(5),
        connect_timeout: Some(seconds(10)),
        idle_timeout: Some(seconds(3600)),
        read_timeout: None,
        write_timeout: None,
        deny_style: DenyStyle {
            status: 407,
            explicit: true,
        },
        sni: SniSettings::default(),
        deny_message_extra: String::new(),
    }
}

/// A session and its ends.
struct Tunnel {
    view: World,
    session: Session,
    flows: Flows,
    /// The client may speak as in TLS.
    is_inside: bool,
    /// The origin's connection is there.
    has_origin: bool,
    /// It switched protocols: what passes is the ends' affair.
    is_switched: bool,
    /// Read by the origin, and not answered.
    asked: Vec<u8>,
    /// All that the client was told.
    told: Vec<u8>,
}

impl Tunnel {
    /// One that was intercepted.
    fn begin() -> Tunnel {
        let now = Instant::now();
        let client = SocketAddr::from(([192, 0, 2, 7], 4000));
        let view = World::new(
            (now, SystemTime::UNIX_EPOCH),
            Arc::clone(&POLICY),
            settings(),
            Ids::new([0; 3], 0, 0),
            Box::new(|address: IpAddr| address.is_loopback()),
        );
        let mut tunnel = Tunnel {
            view,
            session: Session::new(client, now),
            flows: Flows::new(now),
            is_inside: false,
            has_origin: false,
            is_switched: false,
            asked: Vec::new(),
            told: Vec::new(),
        };
        tunnel.say(b"CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n");
        assert!(
            tunnel.told.ends_with(b"established\r\n\r\n"),
            "{:?}",
            tunnel.session
        );
        tunnel.told.clear();
        tunnel.say(b"\x16");
        assert!(tunnel.is_inside, "{:?}", tunnel.session);
        tunnel
    }

    /// The client says this.
    fn say(&mut self, bytes: &[u8]) {
        self.flows.up.rx.push(bytes);
        self.tell(Input::Moved);
        self.run();
    }

    fn tell(&mut self, input: Input<'_>) {
        self.session.advance(input, &mut self.flows, &mut self.view.cx());
        while let Some(mut actions) = self.view.take_actions() {
            for action in actions.drain(..) {
                self.act(action);
            }
            self.view.put_back(actions);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial(seq, addresses, wanted) => {
                assert!(!self.has_origin, "two at a time");
                assert_eq!(all(&addresses), [SocketAddr::from(REMOTE)]);
                if let Some(wanted) = &wanted {
                    assert_eq!(
                        (wanted.key.scheme, wanted.key.trust),
                        (Scheme::Https, Trust::Verified)
                    );
                    assert_eq!(
                        (wanted.key.host.to_string().as_str(), wanted.key.port),
                        ("44.1.2.3", 443)
                    );
                }
                self.has_origin = true;
                let dialled = Dialled {
                    remote: SocketAddr::from(REMOTE),
                    local: None,
                    reused: wanted.is_some(),
                    answered: wanted.is_some(),
                    private: false,
                };
                self.tell(Input::Dialled(seq, Ok(dialled)));
            }
            Action::SecureOrigin(peer) => {
                assert_eq!(
                    (peer.host.to_string().as_str(), peer.trust),
                    ("44.1.2.3", Trust::Verified)
                );
                self.tell(Input::Secured(Side::Origin, None));
            }
            Action::Mint(seq, host) => {
                assert_eq!(host.to_string(), "44.1.2.3");
                self.tell(Input::Minted(seq, Ok(())));
            }
            Action::SecureInside => {
                assert!(self.flows.down.tx.is_empty(), "it would be sealed");
                self.flows.up.rx.clear();
                self.is_inside = true;
                self.tell(Input::Secured(Side::Client, None));
            }
            Action::Park(..) | Action::DropOrigin => {
                self.has_origin = false;
                self.asked.clear();
            }
            Action::Hangup(_) => self.tell(Input::Moved),
            Action::Log(record) => assert!(!contains(format!("{record:?}").as_bytes(), SECRET)),
            Action::Resolve(_, name) => panic!("{name} is none of this tunnel's"),
            Action::Secure | Action::Ask(..) | Action::Join(_) | Action::Show(..) => panic!("{action:?}"),
            Action::Cancel | Action::Spent | Action::Warn(..) | Action::Cut(..) | Action::Close(_) => {}
        }
    }

    /// Moves what may leave, until nothing does.
    fn run(&mut self) {
        loop {
            let up = leave(&mut self.flows, Side::Origin);
            let down = leave(&mut self.flows, Side::Client);
            if up.is_empty() && down.is_empty() {
                return;
            }
            assert!(up.is_empty() || self.has_origin, "said to nobody");
            self.asked.extend(up);
            self.told.extend(down);
            assert!(!contains(&self.told, SECRET), "told to the client");
            self.tell(Input::Moved);
            self.answer();
        }
    }

    /// The origin answers a request that is whole.
    fn answer(&mut self) {
        if self.is_switched || self.session.is_tunnel() {
            self.is_switched = true;
            return;
        }
        let Some(head) = reader::head(&self.asked, 2).expect("a readable head") else {
            return;
        };
        let values = |name: &str| -> Vec<&[u8]> {
            let same = head
                .fields
                .iter()
                .filter(|(other, _)| other.replace('_', "-") == name);
            same.map(|(_, value)| value.as_slice()).collect()
        };
        assert_eq!(values("x-key"), [SECRET]);
        assert_eq!(values("host").len(), 1);
        assert!(values("host")[0].starts_with(b"44.1.2.3"), "{head:?}");
        assert!(values("proxy-authorization").is_empty() && values("x-upstream-https-proxy").is_empty());
        let words = head.words();
        assert!(words[1].starts_with(b"/") || words[1] == b"*", "{head:?}");
        assert!(words[0] != b"TRACE" && words[0] != b"CONNECT", "{head:?}");
        let framing = head.framing().expect("one way of framing");
        let body = reader::body(&self.asked[head.length..], framing).expect("a readable body");
        let trailers = body.trailers.iter().map(|name| name.replace('_', "-"));
        assert!(framing == Framing::Absent || trailers.into_iter().all(|name| name != "x-key"));
        if let Some(end) = body.end {
            assert_eq!(self.asked.len(), head.length + end, "more than it asked");
            self.asked.clear();
            let is_head = words[0] == b"HEAD";
            let answer = if is_head {
                &ANSWER[..ANSWER.len() - 5]
            } else {
                ANSWER
            };
            self.flows.down.rx.push(answer);
            self.tell(Input::Moved);
        }
    }
}

fn all(addresses: &VettedList) -> Vec<SocketAddr> {
    addresses.iter().map(|vetted| vetted.address()).collect()
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// What may leave for that side.
fn leave(flows: &mut Flows, to: Side) -> Vec<u8> {
    let flow = flows.to(to);
    let mut left = flow.tx.as_slice().to_vec();
    flow.tx.clear();
    let passable = flow.passable();
    left.extend_from_slice(&flow.rx.as_slice()[..passable]);
    flow.rx.consume(passable);
    flow.count_passed(passable);
    if flow.end_is_due() {
        flow.end = End::Passed;
    }
    left
}

/// Parts by their numbers, what is above them in few bytes as it is; a byte of 255 ends the client.
pub(crate) fn run(input: &[u8]) {
    let (mut script, mut tunnel) = (Script(input), Tunnel::begin());
    while !script.is_over() && !tunnel.session.is_done() {
        match script.byte() {
            255 => {
                tunnel.flows.up.note_end();
                tunnel.tell(Input::Moved);
                tunnel.run();
            }
            254 => tunnel.tell(Input::Drain),
            number @ 0..128 => tunnel.say(PARTS[usize::from(number) % PARTS.len()]),
            length => {
                let bytes = script.bytes(usize::from(length & 15));
                tunnel.say(bytes);
            }
        }
    }
    tunnel.tell(Input::Terminate);
    assert!(tunnel.session.is_done());
}
