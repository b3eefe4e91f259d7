//! Tunnels that another policy than the one in force let out.

use crate::policy::Code;
use crate::policy::acl::Acl;

use super::*;

const OPEN: &str = "version: v1\nservices: []\ndefault: {action: open}\n";
const SHUT: &str = "version: v1\nservices: []\ndefault: {action: enforce, project: p}\n";
const CONNECT: &str = "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n";

/// Rechecks, under this ACL.
fn bench(acl: &str) -> Bench {
    let mut bench = Bench::new();
    bench.settings.rechecks_tunnels = true;
    reload(&mut bench, acl);
    bench
}

fn reload(bench: &mut Bench, acl: &str) {
    bench.policy = bench.policy.renewed(Some(Acl::parse(acl, &[]).unwrap()), None);
}

fn tunnel(acl: &str) -> Bench {
    let mut bench = bench(acl);
    bench.arrive(Side::Client, CONNECT);
    bench.dialled(false);
    bench.leave(Side::Client);
    bench.actions.clear();
    bench
}

/// It ended by the policy of that number.
#[track_caller]
fn assert_withdrawn(bench: &mut Bench, code: Code, generation: u32) {
    let closes = |action: &Action| matches!(action, Action::Close(Close::Unsaid));
    assert!(bench.actions.iter().any(closes), "{:?}", bench.actions);
    let record = bench.logged();
    assert!(record.end().is_some() && bench.session.is_done());
    assert_eq!((record.code, record.refused_by()), (Some(code), Some(code)));
    assert_eq!(record.withdrawn_by(), Some(generation));
    assert!(record.error().unwrap().starts_with("no longer allowed: "));
}

#[test]
fn a_tunnel_ends_that_the_policy_in_force_would_not_let_out() {
    let mut bench = tunnel(OPEN);
    reload(&mut bench, OPEN);
    bench.feed(Input::Recheck);
    assert!(bench.actions.is_empty() && bench.session.tunnel().is_some());
    reload(&mut bench, SHUT);
    bench.feed(Input::Recheck);
    assert_withdrawn(&mut bench, Code::DefaultRule, 4);
}

#[test]
fn a_tunnel_of_which_nothing_was_let_through_yet_ends_too() {
    let mut bench = tunnel(OPEN);
    bench.arrive(Side::Client, "\x16\x03\x01");
    reload(&mut bench, SHUT);
    bench.feed(Input::Recheck);
    assert_withdrawn(&mut bench, Code::DefaultRule, 3);
}

/// The rule says more of server names than it did when the tunnel was asked for.
#[test]
fn a_tunnel_that_is_looked_at_is_so_by_the_rule_in_force() {
    let mut bench = tunnel(OPEN);
    reload(
        &mut bench,
        "version: v1\nservices: []\ndefault: {action: open, verify_sni: enforce}\n",
    );
    bench.feed(Input::Recheck);
    assert!(bench.session.tunnel().is_some());
    bench.arrive(Side::Client, "no TLS at all");
    let record = bench.logged();
    assert_eq!(
        (record.code, record.withdrawn_by()),
        (Some(Code::SniMismatch), None)
    );
}

#[test]
fn a_wrong_server_name_ends_its_tunnel_once_that_is_enforced() {
    let mut bench = tunnel(OPEN);
    bench.arrive(Side::Client, "no TLS at all");
    bench.leave(Side::Origin);
    reload(
        &mut bench,
        "version: v1\nservices: []\ndefault: {action: open, verify_sni: enforce}\n",
    );
    bench.feed(Input::Recheck);
    let record = bench.logged();
    assert_eq!(
        (record.code, record.withdrawn_by()),
        (Some(Code::SniMismatch), Some(3))
    );
    assert!(bench.session.is_done());
}

/// What was asked for before, and is no tunnel yet, is refused when it would become one.
#[test]
fn a_tunnel_on_its_way_is_judged_as_it_arrives() {
    for (acl, is_refused) in [(SHUT, true), (OPEN, false)] {
        let mut bench = bench(OPEN);
        bench.arrive(Side::Client, CONNECT);
        reload(&mut bench, acl);
        bench.feed(Input::Recheck);
        bench.dialled(false);
        let answer = bench.leave(Side::Client);
        let start = match is_refused {
            true => "HTTP/1.1 407 Request rejected by proxy (default-rule)\r\n",
            false => "HTTP/1.1 200 ",
        };
        assert!(answer.starts_with(start), "{answer}");
        let drops = |action: &Action| matches!(action, Action::DropOrigin);
        assert_eq!(bench.actions.iter().any(drops), is_refused);
    }
}

#[test]
fn a_request_is_judged_as_it_becomes_a_tunnel_and_again_as_one() {
    let upgrade = format!("GET {URL} HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    for is_before in [true, false] {
        let mut bench = bench(OPEN);
        bench.arrive(Side::Client, &upgrade);
        bench.dialled(false);
        bench.leave(Side::Origin);
        if is_before {
            reload(&mut bench, SHUT);
            bench.feed(Input::Recheck);
            assert!(!bench.session.is_done(), "a request goes on");
        }
        bench.arrive(Side::Origin, switched);
        if !is_before {
            assert!(bench.session.tunnel().is_some());
            reload(&mut bench, SHUT);
            bench.feed(Input::Recheck);
        }
        assert_withdrawn(&mut bench, Code::DefaultRule, 3);
    }
}

#[test]
fn without_the_option_what_is_on_its_way_arrives() {
    let mut bench = bench(OPEN);
    bench.settings.rechecks_tunnels = false;
    bench.arrive(Side::Client, CONNECT);
    reload(&mut bench, SHUT);
    bench.dialled(false);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 200 "));
}
