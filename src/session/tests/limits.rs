//! What requests and tunnels hold of limits, when they give it back, and how they end for want of bytes.

use crate::policy::Code;
use crate::policy::acl::Acl;

use super::*;

const CONNECT: &str = "CONNECT 44.1.2.3:443 HTTP/1.1\r\n\r\n";

fn bench(limits: &str) -> Bench {
    let text = format!("version: v1\nservices: []\ndefault: {{action: open, limits: {{{limits}}}}}\n");
    let mut bench = Bench::new();
    bench.policy = Policy::new(PolicyParts {
        acl: Some(Acl::parse(&text, &[]).unwrap()),
        ..PolicyParts::without_rules()
    });
    bench
}

/// Requests and tunnels that hold a place.
fn taken(bench: &Bench) -> (u32, u32) {
    let (requests, tunnels, _) = bench.policy.taken();
    (requests, tunnels)
}

fn tunnel(limits: &str) -> Bench {
    let mut bench = bench(limits);
    bench.arrive(Side::Client, CONNECT);
    bench.dialled(false);
    assert!(bench.leave(Side::Client).starts_with("HTTP/1.1 200 "));
    bench
}

#[test]
fn an_open_tunnel_is_no_request_and_a_dialled_one_is_both() {
    let mut bench = bench("requests: 5, tunnels: 5");
    bench.arrive(Side::Client, CONNECT);
    assert_eq!(taken(&bench), (1, 1));
    bench.dialled(false);
    assert_eq!(taken(&bench), (0, 1));
    bench.feed(Input::Terminate);
    assert_eq!(taken(&bench), (0, 0));
}

#[test]
fn a_request_gives_its_place_back_however_it_ends() {
    type End = fn(&mut Bench);
    let ends: [End; 4] = [
        |bench| bench.feed(Input::Broken(Side::Client, &reset())),
        |bench| bench.feed(Input::Terminate),
        |bench| {
            bench.now += Duration::from_secs(11);
            bench.feed(Input::Expired);
        },
        |bench| {
            bench.dialled(false);
            bench.leave(Side::Origin);
            bench.arrive(Side::Origin, "HTTP/1.1 204 No Content\r\n\r\n");
            bench.leave(Side::Client);
        },
    ];
    for end in ends {
        let mut bench = bench("requests: 1");
        bench.arrive(Side::Client, &get(""));
        assert_eq!(taken(&bench), (1, 0));
        end(&mut bench);
        assert_eq!(taken(&bench), (0, 0));
    }
}

#[test]
fn what_is_answered_by_us_takes_no_place() {
    for (request, code) in [
        (
            "GET http://a.test/ HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            Code::MalformedRequest,
        ),
        ("GET http://10.0.0.1/ HTTP/1.1\r\n\r\n", Code::PrivateRange),
    ] {
        let mut bench = bench("requests: 1, rate: 1, burst: 2");
        bench.arrive(Side::Client, request);
        assert_eq!((bench.logged().code, taken(&bench)), (Some(code), (0, 0)));
    }
}

#[test]
fn a_tunnel_passes_the_day_s_bytes_and_not_one_more() {
    let mut bench = tunnel("bytes_per_day: 10");
    bench.arrive(Side::Client, "12345678");
    assert_eq!(bench.leave(Side::Origin), "12345678");
    bench.arrive(Side::Origin, "abcdefgh");
    assert_eq!(bench.flows.down.passable(), 2);
    assert!(!bench.session.is_done());
    assert_eq!(bench.leave(Side::Client), "ab");
    assert!(bench.session.is_done());
    let record = bench.logged();
    assert_eq!(record.code, Some(Code::QuotaExhausted));
    let end = record.end().unwrap();
    assert_eq!((end.bytes_in, end.bytes_out), (2, 8));
}

#[test]
fn a_silent_tunnel_ends_with_its_role_s_bytes() {
    let mut silent = tunnel("bytes_per_day: 10");
    let mut busy = Bench::new();
    busy.policy = silent.policy.clone();
    busy.arrive(Side::Client, CONNECT);
    busy.dialled(false);
    busy.leave(Side::Client);
    busy.arrive(Side::Origin, "0123456789");
    assert_eq!(busy.leave(Side::Client), "0123456789");
    assert!(busy.actions.iter().any(|action| matches!(action, Action::Spent)));
    assert!(silent.session.is_metered());
    silent.feed(Input::Moved);
    assert!(silent.session.is_done());
    assert_eq!(silent.logged().code, Some(Code::QuotaExhausted));
    let mut late = Bench::new();
    late.policy = silent.policy.clone();
    late.arrive(Side::Client, &get(""));
    let answer = late.leave(Side::Client);
    assert!(
        answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n"),
        "{answer}"
    );
    // It is midnight in the test's world.
    assert!(answer.contains("\r\nRetry-After: 86400\r\n"), "{answer}");
}

#[test]
fn a_tunnel_s_end_is_passed_on_where_its_bytes_are_counted() {
    let mut bench = tunnel("bytes_per_day: 100");
    bench.flows.up.note_end();
    bench.arrive(Side::Client, "bye");
    assert_eq!(bench.leave(Side::Origin), "bye");
    bench.leave(Side::Origin);
    assert_eq!(bench.flows.up.end, End::Passed);
    bench.flows.down.note_end();
    bench.feed(Input::Moved);
    bench.leave(Side::Client);
    assert!(bench.session.is_done());
    assert_eq!(bench.logged().code, None);
}

#[test]
fn a_response_without_enough_bytes_never_looks_whole() {
    for (head, shows) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n",
            true,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n12345678", false),
    ] {
        let mut bench = bench("bytes_per_day: 5");
        bench.send("");
        if !shows {
            bench.flows.down.note_end();
        }
        bench.arrive(Side::Origin, head);
        let left = bench.leave(Side::Client);
        assert!(left.ends_with("12345"), "{left}");
        bench.leave(Side::Client);
        let aborts = bench
            .actions
            .iter()
            .any(|action| matches!(action, Action::Close(Close::Abort)));
        let hangs_up = bench
            .actions
            .iter()
            .any(|action| matches!(action, Action::Hangup(Side::Client)));
        assert_eq!((aborts, hangs_up), (!shows, shows), "{head}");
    }
}

#[test]
fn a_body_that_the_day_has_nothing_for_is_429() {
    let mut bench = bench("bytes_per_day: 5");
    bench.arrive(
        Side::Client,
        "POST http://44.1.2.3/ HTTP/1.1\r\nContent-Length: 8\r\n\r\n12345678",
    );
    bench.dialled(false);
    assert!(bench.leave(Side::Origin).ends_with("\r\n\r\n12345"));
    let answer = bench.leave(Side::Client);
    assert!(
        answer.contains("X-Smokescreen-Code: quota-exhausted\r\n"),
        "{answer}"
    );
}

#[test]
fn a_client_s_connections_are_counted_from_its_arrival_to_its_end() {
    let limited = Bench::new()
        .policy
        .with_limits(Default::default(), std::num::NonZeroU32::new(1));
    let arrive = || {
        let mut bench = Bench::new();
        bench.policy = limited.clone();
        bench.feed(Input::Moved);
        bench
    };
    let first = arrive();
    let mut second = arrive();
    let answer = second.leave(Side::Client);
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{answer}"
    );
    let mut with_tls = Bench::new();
    with_tls.policy = limited.clone();
    with_tls.settings.takes_tls = true;
    with_tls.feed(Input::Moved);
    assert!(with_tls.session.is_done() && with_tls.flows.down.tx.is_empty());
    assert_eq!(with_tls.logged().code, Some(Code::Overloaded));
    drop(first);
    assert!(!arrive().flows.down.has_unsent());
}
