//! The TLS handshake with an origin: nothing leaves before it is done, and who failed is told why and with whom.

use crate::net::{Host, Peer, TlsFault, Trust};

use super::*;

const GET: &str = "GET https://44.1.2.3/x HTTP/1.1\r\n\r\n";

/// The connection is there, and is to be secured.
fn dialled() -> Bench {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, GET);
    let [
        Action::Dial(
            _,
            addresses,
            Some(Wanted {
                key: PoolKey { port: 443, .. },
                ..
            }),
        ),
    ] = &bench.actions[..]
    else {
        panic!("{:?}", bench.actions);
    };
    assert_eq!(addresses[0].address(), SocketAddr::from(([44, 1, 2, 3], 443)));
    bench.dialled(false);
    bench
}

fn lost(kind: IoFailKind, text: &str) -> IoFail {
    IoFail {
        kind,
        text: text.into(),
    }
}

/// What the client is told, and the session's other wishes.
fn told(bench: &mut Bench) -> String {
    let drops = |action: &Action| matches!(action, Action::DropOrigin);
    assert_eq!(bench.actions.iter().filter(|action| drops(action)).count(), 1);
    assert_eq!(bench.leave(Side::Origin), "");
    bench.leave(Side::Client)
}

#[test]
fn the_head_leaves_when_the_peer_is_known_and_not_before() {
    let mut bench = dialled();
    let peer = Peer {
        host: Host::Addr([44, 1, 2, 3].into()),
        trust: Trust::Verified,
    };
    assert!(matches!(&bench.actions[..], [Action::SecureOrigin(asked)] if *asked == peer));
    assert_eq!(bench.session.securing(), Some(Side::Origin));
    assert!(bench.session.held_bytes() > 0);
    bench.arrive(Side::Client, "more");
    bench.feed(Input::Unwritable(Side::Origin, &reset()));
    assert_eq!(bench.leave(Side::Origin), "");
    assert!(!bench.flows.up.wants_bytes() && bench.flows.down.wants_bytes());
    bench.feed(Input::Secured(Side::Origin, None));
    assert_eq!(bench.session.securing(), None);
    assert_eq!(
        bench.leave(Side::Origin),
        "GET /x HTTP/1.1\r\nHost: 44.1.2.3\r\n\r\n"
    );
}

#[test]
fn a_kept_connection_is_secured_already() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, GET);
    bench.dialled(true);
    assert!(bench.actions.is_empty(), "{:?}", bench.actions);
    assert!(bench.leave(Side::Origin).starts_with("GET /x "));
}

#[test]
fn http_is_not_secured() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, &get("x"));
    bench.dialled(false);
    assert!(bench.actions.is_empty() && bench.leave(Side::Origin).starts_with("GET /x "));
}

#[test]
fn who_failed_is_told_why_and_with_whom() {
    let failures = [
        (
            IoFailKind::Tls(TlsFault::Certificate),
            "its certificate has expired",
            "tls_certificate_error",
        ),
        (
            IoFailKind::Tls(TlsFault::Alert),
            "it ended it",
            "tls_alert_received",
        ),
        (
            IoFailKind::Reset,
            "connection reset by peer",
            "connection_terminated",
        ),
        (IoFailKind::Other, "no TLS", "tls_protocol_error"),
    ];
    for (kind, why, error_type) in failures {
        let mut bench = dialled();
        bench.feed(Input::Broken(Side::Origin, &lost(kind, why)));
        let answer = told(&mut bench);
        let text = format!("Failed to connect to remote host: TLS with 44.1.2.3 at 44.1.2.3:80: {why}\n");
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.ends_with(&text),
            "{answer}"
        );
        assert!(
            answer.contains(&format!("error={error_type}; details=\"tls-failed\"")),
            "{answer}"
        );
        let record = bench.logged();
        assert_eq!(record.code, Some(outcome::Code::TlsFailed));
        assert!(
            record.allow && record.error().unwrap().contains(why),
            "{record:?}"
        );
    }
}

#[test]
fn it_ends_with_the_time_of_the_dial() {
    let mut bench = Bench::new();
    bench.arrive(Side::Client, GET);
    let due = bench.now + Duration::from_secs(10);
    bench.now += Duration::from_secs(7);
    bench.dialled(false);
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), Some(due));
    bench.now = due;
    bench.feed(Input::Expired);
    let answer = told(&mut bench);
    assert!(
        answer.contains("44.1.2.3:80: no answer within 3.0s\n"),
        "{answer}"
    );
    assert!(answer.contains("error=connection_timeout"), "{answer}");
}

#[test]
fn it_has_a_limit_where_dials_have_none() {
    let mut bench = Bench::new();
    bench.settings.connect_timeout = None;
    bench.arrive(Side::Client, GET);
    bench.now += Duration::from_secs(500);
    bench.dialled(false);
    let due = Some(bench.now + Duration::from_secs(60));
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), due);
}

#[test]
fn an_origin_that_leaves_is_told_of() {
    for end in [End::Reached, End::Cut] {
        let mut bench = dialled();
        bench.flows.down.end = end;
        bench.feed(Input::Moved);
        let answer = told(&mut bench);
        assert!(
            answer.contains("it closed the connection in the handshake\n"),
            "{answer}"
        );
    }
}

#[test]
fn a_client_that_leaves_ends_it() {
    let mut bench = dialled();
    bench.flows.up.end = End::Announced;
    bench.feed(Input::Moved);
    let due = bench.now + HALF_CLOSED_RESPONSE_TIMEOUT;
    assert_eq!(bench.session.deadline(&bench.flows, &bench.settings), Some(due));
    bench.now = due;
    bench.feed(Input::Expired);
    assert!(bench.session.is_done());
    for input in [Input::Terminate, Input::Broken(Side::Client, &reset())] {
        let mut bench = dialled();
        bench.feed(input);
        assert!(bench.session.is_done());
        let record = bench.logged();
        assert!(
            record.error().is_some() && record.status_code.is_none(),
            "{record:?}"
        );
    }
}

#[test]
fn want_of_memory_is_no_fault_of_the_origins() {
    let mut bench = dialled();
    bench.feed(Input::Starved(Side::Origin));
    let answer = told(&mut bench);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}
