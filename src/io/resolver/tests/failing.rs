//! The stub against servers that fail, are not there, are late or say nothing: who is asked next, and when it ends.
//! Lies are in `hostile`.

use super::servers::{A, AAAA, Act, BAD, Build, GOOD, Server, good, honest, kinds};
use super::*;

#[test]
fn a_failing_server_is_asked_once_and_the_next_takes_over() {
    let failing = Server::start(|heard| Build::to(&heard.message).rcode(2).act());
    let refusing = Server::start(|heard| Build::to(&heard.message).rcode(5).act());
    let fine = Server::start(|heard| honest(heard, 9, GOOD).act());
    let mut bench = Bench::new(settings(&[failing.address, refusing.address, fine.address]));
    assert_eq!(bench.resolve("a.test"), good());
    for server in [&failing, &refusing, &fine] {
        assert_eq!(kinds(&[server.next(), server.next()]), [A, AAAA]);
        assert!(server.heard().is_empty());
    }
}

#[test]
fn when_every_server_fails_the_last_is_named_and_nothing_is_kept() {
    let failing = Server::start(|heard| Build::to(&heard.message).rcode(2).act());
    let mut bench = Bench::new(settings(&[failing.address]));
    let text = format!("lookup a.test on {}: server misbehaving", failing.address);
    for _ in 0..2 {
        assert_eq!(bench.resolve("a.test"), Err((text.clone(), false)));
        assert_eq!(kinds(&[failing.next(), failing.next()]), [A, AAAA]);
    }
}

#[test]
fn a_server_that_is_not_there_is_passed_over() {
    // A port that refuses all but one peer, and that no other test gets meanwhile.
    let holder = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    holder.connect("127.0.0.1:9").unwrap();
    let gone = holder.local_addr().unwrap();
    let fine = Server::start(|heard| honest(heard, 9, GOOD).act());
    assert_eq!(
        Bench::new(settings(&[gone, fine.address])).resolve("a.test"),
        good()
    );
    let text = format!("lookup a.test on {gone}: connection refused");
    assert_eq!(
        Bench::new(settings(&[gone])).resolve("a.test"),
        Err((text, false))
    );
}

#[test]
fn a_silent_server_is_passed_over() {
    let (silent, fine) = (
        Server::silent(),
        Server::start(|heard| honest(heard, 9, GOOD).act()),
    );
    let mut bench = Bench::new(settings(&[silent.address, fine.address]));
    let start = bench.now();
    assert_eq!(bench.ask(0, "a.test"), Asked::Pending);
    assert_eq!(kinds(&[silent.next(), silent.next()]), [A, AAAA]);
    bench.skip_to_deadline();
    // The time is shared out among two servers and two rounds.
    assert_eq!(bench.now() - start, Duration::from_millis(1250));
    assert_eq!(bench.wait(0), good());
}

#[test]
fn silence_ends_with_a_timeout_that_is_not_kept() {
    let silent = Server::silent();
    let mut bench = Bench::for_ipv4(&[silent.address]);
    let start = bench.now();
    assert_eq!(bench.ask(0, "a.test"), Asked::Pending);
    let first = silent.next();
    bench.skip_to_deadline();
    let second = silent.next();
    assert_ne!(first.from, second.from);
    assert_eq!(bench.resolver.answers().count(), 0);
    bench.skip_to_deadline();
    let text = format!("lookup a.test on {}: i/o timeout", silent.address);
    let answers: Vec<_> = bench
        .whole_answers()
        .into_iter()
        .map(|(_, answer)| plain(answer))
        .collect();
    assert_eq!(answers, [Err((text, true))]);
    let took = bench.now() - start;
    assert_eq!(took, Duration::from_secs(5));
    assert_eq!((bench.resolver.in_flight(), bench.resolver.deadline()), (0, None));
    assert_eq!(bench.ask(0, "a.test"), Asked::Pending);
}

#[test]
fn a_late_answer_is_foreign_to_the_next_try() {
    let mut late: Option<Vec<u8>> = None;
    let server = Server::start(move |heard| {
        let Some(late) = late.take() else {
            late = Some(honest(heard, 9, BAD).0);
            return Vec::new();
        };
        vec![Act::To(heard.from, late), Act::Reply(honest(heard, 9, GOOD).0)]
    });
    let mut bench = Bench::for_ipv4(&[server.address]);
    assert_eq!(bench.ask(0, "a.test"), Asked::Pending);
    server.next();
    bench.skip_to_deadline();
    assert_eq!(bench.wait(0), good());
}

#[test]
fn who_joins_late_is_asked_for_again_after_the_first_timeout() {
    let silent = Server::silent();
    let mut bench = Bench::for_ipv4(&[silent.address]);
    assert_eq!(bench.ask(1, "a.test"), Asked::Pending);
    bench.skip_to_deadline();
    assert_eq!(bench.ask(2, "a.test"), Asked::Pending);
    bench.skip_to_deadline();
    let answers: Vec<_> = bench.resolver.answers().map(|(ticket, _)| ticket).collect();
    assert_eq!(answers, [ticket(1)]);
    assert_eq!(bench.resolver.in_flight(), 1);
    for _ in 0..3 {
        silent.next();
    }
    // Its own time ends before the question's does.
    bench.resolver.cancel(ticket(2));
    assert_eq!((bench.resolver.in_flight(), bench.resolver.deadline()), (0, None));
}
