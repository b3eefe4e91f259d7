//! What holds for both back ends: cache, coalescing, bounds; and the stub's two files.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::io::resolver::outcome::Found;

use super::servers::{A, Build, Server, honest};
use super::*;

#[test]
fn answers_are_kept_for_their_ttl_but_no_longer_than_configured() {
    for (ttl, kept_seconds) in [(3, 3), (900, 5)] {
        let server = Server::start(move |heard| honest(heard, ttl, "192.0.2.1").act());
        let mut bench = Bench::new(settings(&[server.address]));
        assert!(bench.resolve("a.test").is_ok());
        bench.pass(Duration::from_millis(kept_seconds * 1000 - 500));
        assert!(matches!(bench.ask(1, "a.test"), Asked::Answered(Ok(_))));
        bench.pass(Duration::from_millis(500));
        assert_eq!(bench.ask(2, "a.test"), Asked::Pending);
    }
}

#[test]
fn ten_thousand_requests_for_a_name_cost_one_lookup_per_ttl() {
    let server = Server::start(|heard| honest(heard, 3, "192.0.2.1").act());
    let mut bench = Bench::for_ipv4(&[server.address]);
    bench.ask_all_the_time("a.test");
    // At 0, 3, 6 and 9 seconds of ten.
    assert_eq!(server.heard().len(), 4);
}

#[test]
fn ten_thousand_requests_for_a_name_cost_the_system_one_lookup_per_cache_ttl() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Outcome::Found(Found {
            addresses: addresses(&["192.0.2.1"]),
            ttl: None,
        })
    });
    let mut bench = Bench::with_lookup(settings(&[]), lookup);
    bench.ask_all_the_time("a.test");
    // At 0 and 5 seconds of ten.
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn nothing_is_kept_when_the_cache_is_off_or_the_ttl_zero() {
    for (ttl, cache_ttl) in [(900, Duration::ZERO), (0, Duration::from_secs(5))] {
        let server = Server::start(move |heard| match heard.name.as_str() {
            "a.test" => honest(heard, ttl, "192.0.2.1").act(),
            _ => Build::to(&heard.message).rcode(3).act(),
        });
        let mut bench = Bench::new(Settings {
            cache_ttl,
            ..settings(&[server.address])
        });
        assert!(bench.resolve("a.test").is_ok() && bench.resolve("gone.test").is_err());
        assert_eq!(bench.ask(1, "a.test"), Asked::Pending);
        if cache_ttl.is_zero() {
            assert_eq!(bench.ask(2, "gone.test"), Asked::Pending);
        }
    }
}

#[test]
fn an_unknown_name_is_remembered_for_a_second() {
    let server = Server::start(|heard| Build::to(&heard.message).rcode(3).act());
    let mut bench = Bench::new(settings(&[server.address]));
    let text = String::from("lookup gone.test: no such host");
    assert_eq!(bench.resolve("gone.test"), Err((text.clone(), false)));
    let Asked::Answered(answer) = bench.ask(1, "gone.test") else {
        panic!("asked again")
    };
    assert_eq!(plain(answer), Err((text, false)));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.ask(2, "gone.test"), Asked::Pending);
}

#[test]
fn one_question_serves_all_who_wait_for_it() {
    let server = Server::start(|heard| honest(heard, 0, "192.0.2.1").act());
    let mut bench = Bench::new(settings(&[server.address]));
    for seq in 0..10 {
        assert_eq!(bench.ask(seq, "a.test"), Asked::Pending);
    }
    assert_eq!(bench.resolver.in_flight(), 10);
    bench.resolver.cancel(ticket(3));
    let mut answers = bench.wait_all(9);
    answers.sort_by_key(|(ticket, _)| ticket.seq);
    let expected = [0, 1, 2, 4, 5, 6, 7, 8, 9].map(ticket);
    assert_eq!(
        answers.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(),
        expected
    );
    assert!(
        answers
            .iter()
            .all(|(_, answer)| plain(answer.clone()) == Ok(addresses(&["192.0.2.1"])))
    );
    server.next();
    server.next();
    assert!(server.heard().is_empty());
}

#[test]
fn shares_are_fair_and_the_queue_is_bounded() {
    let silent = Server::silent();
    let queue_max = 66;
    let mut bench = Bench::new(Settings {
        queue_max,
        network: Network::V4,
        ..settings(&[silent.address])
    });
    let (mut pending, mut per_asker) = (0, Vec::new());
    for asker in 1..=6 {
        for n in 0..20 {
            let (seq, now) = (asker * 100 + n, bench.now());
            let name = format!("n{seq}.test");
            match bench
                .resolver
                .ask_for(ticket(seq), &name, client(asker.try_into().unwrap()), now)
            {
                Asked::Pending => pending += 1,
                Asked::Full => {}
                other => panic!("{other:?}"),
            }
        }
        per_asker.push(pending);
    }
    // A quarter for each; the last quarter is for those of whom none waits.
    assert_eq!(per_asker, [16, 32, 48, 49, 50, 51]);
    assert_eq!(bench.resolver.in_flight(), 51);
    // A ticket given back is a place for who has none.
    bench.resolver.cancel(ticket(100));
    let now = bench.now();
    assert_eq!(
        bench.resolver.ask_for(ticket(900), "x.test", client(2), now),
        Asked::Full
    );
    assert_eq!(
        bench.resolver.ask_for(ticket(901), "x.test", client(9), now),
        Asked::Pending
    );
    assert_eq!(
        bench.resolver.ask_for(ticket(902), "x.test", client(1), now),
        Asked::Full
    );
}

#[test]
fn asking_again_cancels_what_the_ticket_asked_before() {
    let server = Server::start(|heard| match heard.name.as_str() {
        "b.test" => honest(heard, 9, "192.0.2.2").act(),
        _ => Vec::new(),
    });
    let mut bench = Bench::new(settings(&[server.address]));
    assert_eq!(bench.ask(1, "a.test"), Asked::Pending);
    assert_eq!(bench.ask(1, "b.test"), Asked::Pending);
    assert_eq!(bench.resolver.in_flight(), 1);
    assert_eq!(bench.wait(1), Ok(addresses(&["192.0.2.2"])));
}

#[test]
fn the_hosts_file_answers_first_and_changes_are_seen() {
    let server = Server::start(|heard| honest(heard, 0, "192.0.2.1").act());
    let mut bench = Bench::new(settings(&[server.address]));
    std::fs::write(bench.file("hosts"), "192.0.2.7 a.test alias\n192.0.2.8 A.test\n").unwrap();
    let Asked::Answered(answer) = bench.ask(1, "a.test") else {
        panic!("asked")
    };
    assert_eq!(plain(answer), Ok(addresses(&["192.0.2.7", "192.0.2.8"])));
    let Asked::Answered(answer) = bench.ask(1, "localhost") else {
        panic!("asked")
    };
    assert_eq!(plain(answer), Ok(addresses(&["127.0.0.1", "::1"])));
    assert!(server.heard().is_empty());
    std::fs::write(bench.file("hosts"), "192.0.2.9 other.test\n").unwrap();
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.resolve("a.test"), Ok(addresses(&["192.0.2.1"])));
}

#[test]
fn the_name_looked_up_is_the_name_that_was_judged() {
    let server = Server::start(|heard| Build::to(&heard.message).rcode(3).act());
    let mut bench = Bench::for_ipv4(&[server.address]);
    for name in ["db", "www.test", "a.b.c.d.test"] {
        let text = format!("lookup {name}: no such host");
        assert_eq!(bench.resolve(name), Err((text, false)));
        assert_eq!(server.next().name, name);
    }
    assert!(server.heard().is_empty());
}

#[test]
fn a_name_that_dns_cannot_carry_fails_at_once() {
    let server = Server::start(|heard| honest(heard, 9, "192.0.2.1").act());
    let mut bench = Bench::new(settings(&[server.address]));
    let long = "a".repeat(64);
    let Asked::Answered(answer) = bench.ask(1, &long) else {
        panic!("asked")
    };
    let text = plain(answer).unwrap_err().0;
    assert!(text.ends_with("not a domain name"), "{text}");
    assert_eq!((bench.resolver.in_flight(), bench.resolver.deadline()), (0, None));
    assert!(bench.resolver.questions.is_empty());
}

#[test]
fn many_questions_at_once_share_the_loop() {
    let server = Server::start(|heard| {
        let last = heard
            .name
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(0u8, |n, digit| n * 10 + (digit - b'0'));
        honest(heard, 9, &format!("192.0.2.{last}")).act()
    });
    let mut bench = Bench::new(Settings {
        queue_max: 400,
        ..settings(&[server.address])
    });
    for seq in 0..60 {
        assert_eq!(bench.ask(seq, &format!("n{seq}.test")), Asked::Pending);
    }
    for (ticket, answer) in bench.wait_all(60) {
        assert_eq!(
            plain(answer),
            Ok(addresses(&[&format!("192.0.2.{}", ticket.seq)]))
        );
    }
    let heard = server.heard();
    assert_eq!(heard.iter().filter(|one| one.kind == A).count(), 60);
    let ports: std::collections::HashSet<SocketAddr> = heard.iter().map(|one| one.from).collect();
    assert_eq!(ports.len(), 120, "every question has a port of its own");
}
