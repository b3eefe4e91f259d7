//! Drives a whole connection through its real turns: the input says what client, origin, resolver, network and clock do,
//! in which order. `world` asserts what must hold at every moment, `transcript` what was sent to whom in the end.

#[path = "session/pipe.rs"]
mod pipe;
#[path = "session/proxy.rs"]
mod proxy;
#[path = "session/transcript.rs"]
mod transcript;
#[path = "session/wires.rs"]
mod wires;
#[path = "session/world.rs"]
mod world;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use smokescreen::http::HeadLimits;
use smokescreen::net::{IoFail, IoFailKind, LookupFail, LookupFailKind};
use smokescreen::policy::acl::Acl;
use smokescreen::policy::auth::Password;
use smokescreen::policy::ranges::Ranges;
use smokescreen::policy::{Network, Policy, PolicyParts, VerifySni};
use smokescreen::session::refusal::DenyStyle;
use smokescreen::session::{Dialled, Input, Settings, SniSettings};

use self::proxy::Proxy;
use self::world::Manner;
use super::Script;

const ACL: &str = "version: v1\nservices:\n- {name: authed, project: users, action: open}\n\
                   default: {name: default, project: other, action: enforce}\nglobal_deny_list: ['*.internal']\n";

/// Steps after which an input is cut off.
const STEPS_MAX: usize = 400;

/// Deadlines that may pass before a session that is left alone is over, beside two for each request that waits.
const DEADLINES_MAX: usize = 20;

/// No request is shorter.
const REQUEST_BYTES_MIN: usize = 16;

/// What clients send, in parts.
const ASKED: [&[u8]; 24] = [
    b"GET http://a.test/1 HTTP/1.1\r\n",
    b"POST http://a.test/2?x#y HTTP/1.1\r\n",
    b"HEAD http://a.test HTTP/1.1\r\n",
    b"CONNECT a.test:443 HTTP/1.1\r\n",
    b"GET http://1.1.1.1/3 HTTP/1.0\r\n",
    b"OPTIONS http://A.test. HTTP/1.1\r\n",
    b"PUT https://a.test/4 HTTP/1.1\r\n",
    b"CONNECT [::ffff:7f00:1]:80 HTTP/1.1\r\n",
    b"CONNECT 8.8.4.4:4750 HTTP/1.1\r\n",
    b"Proxy-Authorization: Basic dTpzZWNyZXQ=\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"Authorization: NTLM abc\r\n",
    b"\r\n",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nX-T: 1\r\nHost: b\r\n\r\n",
    b"GET http://a.test/ok HTTP/1.1\r\nProxy-Authorization: Basic dTpzZWNyZXQ=\r\n\r\n",
    b"POST http://a.test/body HTTP/1.1\r\nProxy-Authorization: Basic dTpzZWNyZXQ=\r\nContent-Length: 5\r\n\r\nhello",
];

/// What a balancer sends first.
const HEADERS: [&[u8]; 4] = [
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 4750\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x07\xc6\x33\x64\x01\x0f\xa0\x12\x8e\x04\0\0",
];

/// What origins send, in parts.
const ANSWERED: [&[u8]; 18] = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"WWW-Authenticate: Negotiate\r\n",
    b"X-Smokescreen-Error: forged\r\n",
    b"\r\n",
    b"world",
    b"5\r\nworld\r\n",
    b"0\r\n\r\n",
    b"0\r\nX-T: 1\r\nSet-Cookie: b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld",
    b"HTTP/1.1 204 No Content\r\n\r\n",
];

/// What lookups find.
const FOUND: [&[&str]; 8] = [
    &["1.1.1.1"],
    &["127.0.0.1"],
    &["10.0.0.1", "1.1.1.1", "2606:4700::1111"],
    &["::ffff:169.254.169.254", "::ffff:9.9.9.9"],
    &["8.8.4.4"],
    &[],
    &["64:ff9b::7f00:1", "fe80::1", "::1"],
    &["1.1.1.1", "1.1.1.1", "9.9.9.9"],
];

pub(crate) fn run(input: &[u8]) {
    let mut script = Script(input);
    let is_announced = input.first().is_some_and(|shape| shape & 0x80 != 0);
    let (manner, mut settings) = (manner(&mut script), settings(&mut script));
    settings.proxy_protocol = is_announced;
    let mut proxy = Proxy::new(manner, settings, policy());
    if is_announced {
        proxy.announce(script.pick(&HEADERS));
    }
    proxy.run();
    for _ in 0..STEPS_MAX {
        if script.is_over() || proxy.is_over() {
            break;
        }
        step(&mut proxy, &mut script);
        proxy.run();
    }
    leave_alone(&mut proxy);
    transcript::judge(&proxy.world);
}

fn manner(script: &mut Script<'_>) -> Manner {
    let shape = script.byte();
    Manner {
        piece_max: [usize::MAX, usize::MAX, 7, 1][usize::from(shape & 3)],
        room: [1 << 30, 1 << 30, 200, 0][usize::from(shape >> 2 & 3)],
        budget_bytes: [32 << 20, 0][usize::from(shape >> 4 & 1)],
        allowance_bytes: [256 * 1024, 10][usize::from(shape >> 5 & 1)],
        obliging: shape & 0x40 == 0,
    }
}

fn settings(script: &mut Script<'_>) -> Settings {
    let shape = script.byte();
    let seconds = |bit: u8, ordinary: Option<u64>, special: Option<u64>| {
        let seconds = if shape & bit == 0 { ordinary } else { special };
        seconds.map(Duration::from_secs)
    };
    Settings {
        head: HeadLimits {
            head_bytes_max: if shape & 1 == 0 { 128 * 1024 } else { 300 },
            head_fields_max: if shape & 2 == 0 { 256 } else { 4 },
        },
        takes_tls: false,
        proxy_protocol: false,
        read_header_timeout: Duration::from_secs(30),
        dns_timeout: Duration::from_secs(5),
        connect_timeout: seconds(4, Some(10), None),
        idle_timeout: seconds(8, Some(3600), Some(20)),
        read_timeout: seconds(16, None, Some(5)),
        write_timeout: seconds(32, None, Some(5)),
        deny_style: DenyStyle {
            status: if shape & 64 == 0 { 407 } else { 403 },
            explicit: shape & 32 == 0,
        },
        sni: SniSettings {
            verify: [VerifySni::Report, VerifySni::Enforce, VerifySni::Off][usize::from(shape % 3)],
            denies_ech: shape & 4 != 0,
            ..SniSettings::default()
        },
        rechecks_tunnels: true,
        deny_message_extra: if shape & 128 == 0 {
            String::new()
        } else {
            "Ask\r\nX-A: b".into()
        },
    }
}

fn policy() -> Policy {
    let made = || {
        Policy::new(PolicyParts {
            acl: Some(Acl::parse(ACL, &[]).expect("the test's ACL is valid")),
            ranges: Ranges::new(Vec::new(), Vec::new(), false, vec![4750]),
            password: Password::new("secret"),
            allow_missing_role: false,
            network: Network::Any,
        })
    };
    // Reading the ACL would take longer than all the rest.
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(made).clone()
}

/// One thing happens.
fn step(proxy: &mut Proxy, script: &mut Script<'_>) {
    let kinds = [
        ErrorKind::ConnectionReset,
        ErrorKind::TimedOut,
        ErrorKind::BrokenPipe,
    ];
    let kind = script.byte();
    // What is left over once the others have the same share each.
    let is_rare = kind >= 252;
    match if is_rare { 28 } else { kind % 28 } {
        0..=5 => proxy.client().send(script.pick(&ASKED)),
        6 => {
            let n = script.byte();
            proxy.client().send(script.bytes(n.into()));
        }
        7..=11 => {
            let part = script.pick(&ANSWERED);
            if let Some(origin) = proxy.origin() {
                origin.send(part);
            }
        }
        12 => {
            let n = script.byte();
            let bytes = script.bytes(n.into());
            if let Some(origin) = proxy.origin() {
                origin.send(bytes);
            }
        }
        13 => proxy.client().fin(),
        14 => {
            if let Some(origin) = proxy.origin() {
                origin.fin();
            }
        }
        15 => proxy.client().fail(script.pick(&kinds)),
        16 => {
            let kind = script.pick(&kinds);
            if let Some(origin) = proxy.origin() {
                origin.fail(kind);
            }
        }
        17 => {
            let found: Vec<IpAddr> = script.pick(&FOUND).iter().flat_map(|a| a.parse()).collect();
            proxy.lookup_ends(Ok(&found));
        }
        18 => proxy.lookup_ends(Err(lookup_fail(script))),
        19 => proxy.world.dial_succeeds(script.byte().into()),
        20 => proxy.world.dial_fails(dial_fail(script)),
        21 => stray(proxy, script),
        22 => proxy.pass(Duration::from_millis(u64::from(script.byte()) * 100)),
        23 => proxy.pass(Duration::from_secs(3600)),
        24 => proxy.client().make_room(usize::from(script.byte()) * 4),
        25 => {
            let n = usize::from(script.byte()) * 4;
            if let Some(origin) = proxy.origin() {
                origin.make_room(n);
            }
        }
        26 => proxy.drain(),
        27 => {
            let found: Vec<IpAddr> = script
                .pick(&FOUND)
                .iter()
                .flat_map(|a| a.parse())
                .take(1)
                .collect();
            if !found.is_empty() {
                proxy.lookup_tells(&found);
            }
        }
        // Rarely, for nothing comes after it.
        _ if script.byte() > 240 => proxy.feed(Input::Terminate),
        _ => proxy.feed(Input::Expired),
    }
}

fn lookup_fail(script: &mut Script<'_>) -> LookupFail {
    let kinds = [
        LookupFailKind::Failed,
        LookupFailKind::TimedOut,
        LookupFailKind::Overloaded,
    ];
    LookupFail {
        kind: script.pick(&kinds),
        text: "lookup a.test: bad luck".into(),
    }
}

fn dial_fail(script: &mut Script<'_>) -> IoFail {
    let kinds = [
        IoFailKind::Other,
        IoFailKind::Refused,
        IoFailKind::Unreachable,
        IoFailKind::TimedOut,
        IoFailKind::Exhausted,
        IoFailKind::Reset,
    ];
    IoFail {
        kind: script.pick(&kinds),
        text: "bad luck".into(),
    }
}

/// Answers to questions that nobody asked.
fn stray(proxy: &mut Proxy, script: &mut Script<'_>) {
    let seq = 1_000_000 + u32::from(script.byte());
    if seq % 2 == 0 {
        return proxy.feed(Input::Resolved(seq, Ok(&[IpAddr::from([127, 0, 0, 1])])));
    }
    let dialled = Dialled {
        remote: SocketAddr::from(([127, 0, 0, 1], 80)),
        local: None,
        reused: false,
        answered: false,
        private: false,
    };
    proxy.feed(Input::Dialled(seq, Ok(dialled)));
}

/// Nothing happens any more but deadlines: the session must come to its end.
fn leave_alone(proxy: &mut Proxy) {
    let requests_max = proxy.client().wire.sent.len() / REQUEST_BYTES_MIN;
    for _ in 0..DEADLINES_MAX + 2 * requests_max {
        if proxy.is_over() {
            return;
        }
        // Without a limit for lookups and dials only the resolver's and the kernel's own end them.
        let Some(deadline) = proxy.deadline() else {
            proxy.feed(Input::Terminate);
            return proxy.run();
        };
        proxy.pass(deadline.duration_since(proxy.now()));
        proxy.run();
        if !proxy.is_over() {
            let next = proxy.deadline();
            assert!(
                next.is_none_or(|at| at > proxy.now()),
                "a deadline that passed is still due"
            );
        }
    }
    assert!(proxy.is_over(), "a session that is left alone goes on for ever");
}
