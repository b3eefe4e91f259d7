//! What is held of a tunnel's first bytes, and for how long. What is said of each kind of them is in `verdicts`.

mod verdicts;

use crate::flow::Gate;
use crate::policy::VerifySni;
use crate::policy::acl::Acl;
use crate::session::outcome::{Record, SniVerdict};

use super::*;

const ACL: &str = "version: v1
services: []
default:
  action: open
  allowed_domains: [listed.test]
";

/// A ClientHello with these extensions, in one record.
fn hello(extensions: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    let mut body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0]].concat();
    body.extend(length(extensions.len()));
    body.extend(extensions);
    let message = [&[1, 0][..], &length(body.len()), &body].concat();
    [&[0x16, 3, 1][..], &length(message.len()), &message].concat()
}

fn server_names(names: &[&str]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    let mut list = Vec::new();
    for name in names {
        list.extend([&[0][..], &length(name.len()), name.as_bytes()].concat());
    }
    [&[0, 0][..], &length(list.len() + 2), &length(list.len()), &list].concat()
}

fn naming(name: &str) -> Vec<u8> {
    hello(&server_names(&[name]))
}

fn ech(name: &str) -> Vec<u8> {
    hello(&[&[0xfe, 0x0d, 0, 1, 0][..], &server_names(&[name])].concat())
}

/// A tunnel to there whose 200 has left.
fn tunnel(target: &str, verify: VerifySni) -> Bench {
    let mut bench = Bench::new();
    bench.settings.sni.verify = verify;
    bench.policy = bench.policy.renewed(Some(Acl::parse(ACL, &[]).unwrap()), None);
    bench.arrive(Side::Client, &format!("CONNECT {target} HTTP/1.1\r\n\r\n"));
    let asked = bench.actions.iter().find_map(|action| match action {
        Action::Resolve(seq, _) => Some(*seq),
        _ => None,
    });
    if let Some(seq) = asked {
        bench.feed(Input::Resolved(seq, Ok(&[IpAddr::from([44, 1, 2, 3])])));
    }
    bench.dialled(false);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 200 "));
    bench.actions.clear();
    bench
}

fn say(bench: &mut Bench, bytes: &[u8]) {
    bench.flows.up.rx.push(bytes);
    bench.feed(Input::Moved);
}

/// What may leave for the origin; as bytes, for it is no text.
fn held_back(bench: &Bench) -> usize {
    bench.flows.up.rx.len() - bench.flows.up.passable()
}

fn close_line(bench: &mut Bench) -> Box<Record> {
    bench.feed(Input::Terminate);
    bench.logged()
}

fn verdict(record: &Record) -> Option<(&str, SniVerdict)> {
    record.sni().map(|sni| (&*sni.name, sni.verdict))
}

#[test]
fn a_hidden_name_is_denied_where_that_is_wanted() {
    for name in ["a.test", "b.test"] {
        let mut bench = tunnel("a.test:443", VerifySni::Enforce);
        bench.settings.sni.denies_ech = true;
        say(&mut bench, &ech(name));
        assert_eq!(bench.flows.down.tx.as_slice(), [0x15, 3, 3, 0, 2, 2, 49]);
        assert_eq!(verdict(&bench.logged()), Some((name, SniVerdict::Ech)));
    }
}

#[test]
fn nothing_is_looked_at_where_nobody_wants_to() {
    for (target, verify, said) in [
        ("a.test:443", VerifySni::Off, &b"GET"[..]),
        ("a.test:443", VerifySni::Off, &[0x16, 0][..]),
        ("a.test:25", VerifySni::Report, b"EHLO a"),
        ("a.test:22", VerifySni::Enforce, b"SSH-2.0-"),
    ] {
        let mut bench = tunnel(target, verify);
        assert_eq!(bench.flows.up.gate == Gate::Hold, verify != VerifySni::Off);
        say(&mut bench, said);
        assert_eq!((bench.flows.up.gate, held_back(&bench)), (Gate::Open, 0));
        assert_eq!(verdict(&close_line(&mut bench)), None);
    }
}

/// However it comes nothing of it leaves before it is whole, and what the server says goes down.
#[test]
fn a_hello_is_held_until_it_is_whole() {
    let said = naming("a.test");
    let mut bench = tunnel("a.test:443", VerifySni::Enforce);
    for (place, byte) in said.iter().enumerate() {
        assert_eq!(held_back(&bench), place);
        bench.arrive(Side::Origin, "220 hello");
        assert_eq!(bench.leave(Side::Client), "220 hello");
        say(&mut bench, &[*byte]);
    }
    assert_eq!(
        (bench.flows.up.passable(), bench.flows.up.gate),
        (said.len(), Gate::Open)
    );
    bench.leave(Side::Origin);
    let record = close_line(&mut bench);
    assert_eq!(record.end().unwrap().bytes_out, said.len() as u64);
}

#[test]
fn bytes_that_came_ahead_of_the_tunnel_are_looked_at() {
    let mut bench = Bench::new();
    bench.settings.sni.verify = VerifySni::Enforce;
    let head = b"CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n";
    bench.flows.up.rx.push(&[head, &naming("b.test")[..]].concat());
    bench.feed(Input::Moved);
    bench.dialled(false);
    let told = bench.flows.down.tx.as_slice();
    assert!(told.starts_with(b"HTTP/1.1 200 ") && told.ends_with(&[0x15, 3, 3, 0, 2, 2, 112]));
    assert_eq!(held_back(&bench), bench.flows.up.rx.len());
    let decision = bench
        .actions
        .iter()
        .position(|action| matches!(action, Action::Log(_)));
    assert!(decision.is_some());
    assert_eq!(verdict(&bench.logged()), Some(("b.test", SniVerdict::Mismatch)));
}

#[test]
fn a_hello_has_ten_seconds_from_its_first_byte_on() {
    for verify in [VerifySni::Report, VerifySni::Enforce] {
        let mut bench = tunnel("a.test:443", verify);
        let idle = |bench: &Bench| bench.flows.touched() + Duration::from_secs(3600);
        assert_eq!(
            bench.session.deadline(&bench.flows, &bench.settings),
            Some(idle(&bench))
        );
        bench.now += Duration::from_secs(1000);
        let begun = bench.now;
        let said = naming("a.test");
        say(&mut bench, &said[..1]);
        for second in 1..10 {
            bench.now = begun + Duration::from_secs(second);
            let place = usize::try_from(second).unwrap();
            say(&mut bench, &said[place..=place]);
            let deadline = bench.session.deadline(&bench.flows, &bench.settings);
            assert_eq!(deadline, Some(begun + Duration::from_secs(10)));
            bench.feed(Input::Expired);
            assert_eq!(held_back(&bench), place + 1);
        }
        bench.now = begun + Duration::from_secs(10);
        bench.feed(Input::Expired);
        let record = match verify {
            VerifySni::Enforce => {
                assert_eq!(bench.flows.down.tx.as_slice(), [0x15, 3, 3, 0, 2, 2, 49]);
                bench.logged()
            }
            _ => {
                assert_eq!((held_back(&bench), bench.flows.up.passable()), (0, 10));
                assert_eq!(
                    bench.session.deadline(&bench.flows, &bench.settings),
                    Some(idle(&bench))
                );
                close_line(&mut bench)
            }
        };
        assert_eq!(verdict(&record), Some(("", SniVerdict::Late)));
    }
}

#[test]
fn an_end_within_a_hello_makes_it_malformed_and_one_before_it_says_nothing() {
    for end in [End::Reached, End::Cut] {
        let mut bench = tunnel("a.test:443", VerifySni::Report);
        bench.flows.up.rx.push(&naming("a.test")[..20]);
        bench.flows.up.end = end;
        bench.feed(Input::Moved);
        assert_eq!((held_back(&bench), bench.flows.up.passable()), (0, 20));
        assert_eq!(
            verdict(&close_line(&mut bench)),
            Some(("", SniVerdict::Malformed))
        );

        let mut bench = tunnel("a.test:443", VerifySni::Enforce);
        bench.flows.up.end = end;
        bench.feed(Input::Moved);
        if end == End::Reached {
            assert!(bench.flows.up.end_is_due());
            bench.feed(Input::Terminate);
        }
        assert_eq!(verdict(&bench.logged()), None);
    }
}

#[test]
fn without_memory_a_hello_is_late() {
    let mut bench = tunnel("a.test:443", VerifySni::Report);
    say(&mut bench, &[&[0x16, 3, 1, 0x3f, 0][..], &[1; 4096]].concat());
    assert!(held_back(&bench) > 4096);
    // What the server says is no reason to give up on what the client does.
    bench.feed(Input::Starved(Side::Origin));
    assert!(held_back(&bench) > 4096);
    bench.feed(Input::Starved(Side::Client));
    assert_eq!(held_back(&bench), 0);
    assert_eq!(verdict(&close_line(&mut bench)), Some(("", SniVerdict::Late)));
}

#[test]
fn an_origin_that_goes_away_meanwhile_ends_the_look() {
    let mut bench = tunnel("a.test:443", VerifySni::Enforce);
    say(&mut bench, &naming("b.test")[..9]);
    bench.unwritable(Side::Origin);
    bench.feed(Input::Moved);
    assert!(bench.flows.up.dead && bench.flows.up.rx.is_empty());
    bench.flows.down.note_end();
    bench.leave(Side::Client);
    let record = bench.logged();
    assert_eq!((verdict(&record), record.code), (None, None));
    assert_eq!(record.error(), Some("broken pipe"));
}

#[test]
fn what_a_server_said_before_a_denial_is_cut_off() {
    let mut bench = tunnel("a.test:443", VerifySni::Enforce);
    bench.arrive(Side::Origin, "what the client has not read");
    say(&mut bench, &naming("b.test"));
    assert!(bench.flows.down.rx.is_empty() && !bench.flows.down.wants_bytes());
    assert_eq!(bench.leave(Side::Client).len(), 7);
    let hangs_up = |action: &Action| matches!(action, Action::Hangup(Side::Client));
    assert!(bench.actions.iter().any(hangs_up));
}
