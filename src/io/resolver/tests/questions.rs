//! What the stub asks of servers that mean well, and what it makes of their answers: types, families, TCP, EDNS, chains
//! of aliases; and the sockets it takes for that. What holds for both back ends is in `front`.

use super::servers::{A, AAAA, Act, BAD, Build, GOOD, Heard, Server, good, has_edns, honest, kinds};
use super::*;

#[test]
fn an_answer_is_asked_for_once_per_type() {
    let server = Server::start(|heard| {
        let reply = Build::to(&heard.message);
        let address = if heard.kind == A { GOOD } else { "2001:db8::1" };
        reply.address("", 9, address).act()
    });
    let mut bench = Bench::new(settings(&[server.address]));
    assert_eq!(bench.resolve("a.test"), Ok(addresses(&["2001:db8::1", GOOD])));
    assert_eq!(kinds(&[server.next(), server.next()]), [A, AAAA]);
    assert!(server.heard().is_empty());
    assert_eq!(bench.resolver.in_flight(), 0);
    assert_eq!(bench.resolver.deadline(), None);
}

#[test]
fn only_the_wanted_family_is_asked_for() {
    for (network, kind, address) in [(Network::V4, A, GOOD), (Network::V6, AAAA, "2001:db8::1")] {
        let server = Server::start(move |heard| Build::to(&heard.message).address("", 9, address).act());
        let mut bench = Bench::new(Settings {
            network,
            ..settings(&[server.address])
        });
        assert_eq!(bench.resolve("a.test"), Ok(addresses(&[address])));
        assert_eq!(server.next().kind, kind);
        assert!(server.heard().is_empty());
    }
}

#[test]
fn an_unknown_name_is_an_answer_and_no_other_server_is_asked() {
    let unknown = Server::start(|heard| Build::to(&heard.message).rcode(3).act());
    let other = Server::start(|heard| honest(heard, 9, BAD).act());
    let mut bench = Bench::new(settings(&[unknown.address, other.address]));
    assert_eq!(
        bench.resolve("gone.test"),
        Err(("lookup gone.test: no such host".into(), false))
    );
    assert!(other.heard().is_empty());
}

#[test]
fn a_cut_answer_is_asked_for_over_tcp() {
    let server = Server::start(|heard| {
        let reply = honest(heard, 9, GOOD);
        if heard.tcp {
            reply.act()
        } else {
            Build::to(&heard.message).truncated().act()
        }
    });
    let mut bench = Bench::new(settings(&[server.address]));
    assert_eq!(bench.resolve("a.test"), good());
    let heard: Vec<Heard> = (0..4).map(|_| server.next()).collect();
    for over_tcp in heard.iter().filter(|one| one.tcp) {
        assert!(
            heard
                .iter()
                .any(|one| !one.tcp && one.message == over_tcp.message)
        );
    }
    assert_eq!(heard.iter().filter(|one| one.tcp).count(), 2);
}

#[test]
fn a_long_answer_arrives_over_tcp() {
    let server = Server::start(|heard| {
        if !heard.tcp {
            return Build::to(&heard.message).truncated().act();
        }
        let mut reply = Build::to(&heard.message);
        for _ in 0..200 {
            reply = reply.record("", 16, 9, &[&[250], &[b'x'; 250][..]].concat());
        }
        reply.address("", 9, GOOD).act()
    });
    let mut bench = Bench::for_ipv4(&[server.address]);
    assert_eq!(bench.resolve("a.test"), good());
}

#[test]
fn without_edns_where_it_is_not_known() {
    for rcode in [1, 4] {
        let server = Server::start(move |heard| {
            if !has_edns(&heard.message) {
                return honest(heard, 9, GOOD).act();
            }
            let mut bare = Build::to(&heard.message).rcode(rcode).0;
            bare.truncate(12);
            bare[5] = 0;
            vec![Act::Reply(bare)]
        });
        let mut bench = Bench::for_ipv4(&[server.address]);
        assert_eq!(bench.resolve("a.test"), good());
        assert!(has_edns(&server.next().message) && !has_edns(&server.next().message));
    }
}

#[test]
fn an_alias_without_address_is_followed_by_asking() {
    let server = Server::start(|heard| match heard.name.as_str() {
        "a.test" => Build::to(&heard.message).alias("", 3, "b.test").act(),
        "b.test" => honest(heard, 9, GOOD).act(),
        other => panic!("asked for {other}"),
    });
    let mut bench = Bench::new(settings(&[server.address]));
    assert_eq!(bench.resolve("a.test"), good());
    // The chain's least TTL counts.
    bench.pass(Duration::from_secs(2));
    assert!(matches!(bench.ask(1, "a.test"), Asked::Answered(Ok(_))));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.ask(2, "a.test"), Asked::Pending);
}

/// Sixteen aliases, so many of them in each answer.
#[test]
fn a_chain_of_sixteen_aliases_is_followed_within_and_across_answers() {
    for (links, per_answer, works) in [
        (16, 1, true),
        (16, 5, true),
        (16, 16, true),
        (17, 1, false),
        (17, 6, false),
    ] {
        let server = Server::start(move |heard| {
            let at: usize = heard
                .name
                .trim_start_matches('n')
                .split('.')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            let mut reply = Build::to(&heard.message);
            for n in at..links.min(at + per_answer) {
                reply = reply.alias(&format!("n{n}.test"), 9, &format!("n{}.test", n + 1));
            }
            if at + per_answer > links || at == links {
                reply = reply.address(&format!("n{links}.test"), 9, GOOD);
            }
            reply.act()
        });
        let mut bench = Bench::for_ipv4(&[server.address]);
        let text = format!("lookup n0.test on {}: CNAME chain too long", server.address);
        let expected = if works { good() } else { Err((text, false)) };
        assert_eq!(
            bench.resolve("n0.test"),
            expected,
            "{links} links, {per_answer} an answer"
        );
    }
}

#[test]
fn a_chain_of_twenty_aliases_is_refused() {
    let server = Server::start(|heard| {
        let mut reply = Build::to(&heard.message).alias("", 9, "n1.test");
        for n in 1..20 {
            reply = reply.alias(&format!("n{n}.test"), 9, &format!("n{}.test", n + 1));
        }
        reply.address("n20.test", 9, BAD).act()
    });
    let mut bench = Bench::for_ipv4(&[server.address]);
    let text = format!("lookup a.test on {}: CNAME chain too long", server.address);
    assert_eq!(bench.resolve("a.test"), Err((text, false)));
}

/// happy-eyeballs#9: one family answers, the other is silent or late.
#[test]
fn one_family_is_told_of_before_the_other() {
    for (answered, address) in [(A, GOOD), (AAAA, "2001:db8::1")] {
        let server = Server::start(move |heard| {
            if heard.kind != answered {
                return Vec::new();
            }
            Build::to(&heard.message).address("", 900, address).act()
        });
        let mut bench = Bench::new(settings(&[server.address]));
        assert_eq!(bench.ask(1, "a.test"), Asked::Pending);
        assert_eq!(bench.wait_for_part(1), addresses(&[address]));
        // Who asks now is told the same, and waits for the rest with the first.
        assert_eq!(
            bench.ask(2, "a.test"),
            Asked::Partly(addresses(&[address]).into())
        );
        assert_eq!(bench.resolver.in_flight(), 2);
        bench.pass(Duration::from_secs(6));
        for (_, answer) in bench.wait_all(2) {
            assert_eq!(plain(answer), Ok(addresses(&[address])));
        }
        // Half an answer is soon asked for again.
        assert!(matches!(bench.ask(3, "a.test"), Asked::Answered(Ok(_))));
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.ask(4, "a.test"), Asked::Pending);
    }
}

#[test]
fn the_rest_of_an_answer_is_kept_though_nobody_waits_for_it() {
    let late = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (six, release) = (std::sync::Arc::clone(&late), late);
    let (send, asked) = std::sync::mpsc::channel();
    let server = Server::start(move |heard| {
        let reply = Build::to(&heard.message);
        if heard.kind == A {
            return reply.address("", 900, GOOD).act();
        }
        let reply = reply.address("", 900, "2001:db8::1");
        if six.load(std::sync::atomic::Ordering::SeqCst) {
            return reply.act();
        }
        send.send((heard.from, reply.act())).unwrap();
        Vec::new()
    });
    let mut bench = Bench::new(settings(&[server.address]));
    assert_eq!(bench.ask(1, "a.test"), Asked::Pending);
    assert_eq!(bench.wait_for_part(1), addresses(&[GOOD]));
    bench.resolver.cancel(ticket(1));
    assert_eq!(
        (bench.resolver.in_flight(), bench.resolver.questions.len()),
        (0, 1)
    );
    // The question is asked anew when its first try was silent; then the rest comes.
    asked.recv_timeout(PATIENCE).unwrap();
    release.store(true, std::sync::atomic::Ordering::SeqCst);
    bench.skip_to_deadline();
    while !bench.resolver.questions.is_empty() {
        bench.turn();
    }
    let Asked::Answered(answer) = bench.ask(2, "a.test") else {
        panic!("asked again")
    };
    assert_eq!(plain(answer), Ok(addresses(&["2001:db8::1", GOOD])));
}

#[test]
fn cancelling_closes_the_sockets() {
    let silent = Server::silent();
    let mut bench = Bench::new(settings(&[silent.address]));
    let open = |bench: &Bench| match &bench.resolver.back {
        Back::Stub(stub) => stub.open(),
        Back::System(_) => 0,
    };
    assert_eq!(
        (bench.ask(1, "a.test"), bench.ask(2, "a.test")),
        (Asked::Pending, Asked::Pending)
    );
    assert_eq!(open(&bench), 2);
    bench.resolver.cancel(ticket(1));
    assert_eq!(open(&bench), 2);
    bench.resolver.cancel(ticket(2));
    assert_eq!(
        (
            open(&bench),
            bench.resolver.deadline(),
            bench.resolver.in_flight()
        ),
        (0, None, 0)
    );
    assert!(bench.resolver.questions.is_empty() && bench.resolver.names.is_empty());
    bench.resolver.on_event(0, bench.now);
    bench.resolver.on_event(77, bench.now);
}

/// The sockets are the process's: one that another loop gives back is had by whose turn it is, which is woken for it.
#[test]
fn two_loops_share_the_sockets_and_wake_each_other() {
    let silent = Server::silent();
    let mut settings = settings(&[silent.address]);
    (settings.places, settings.network) = (1, Network::V4);
    let polls = [Poll::new().unwrap(), Poll::new().unwrap()];
    let waker = |poll: &Poll| Arc::new(Waker::new(poll.registry(), Source::Waker.token()).unwrap());
    let bells = Bells::new(polls.iter().map(waker));
    let lookup: Lookup = Arc::new(|name| panic!("the system was asked for {name}"));
    let common = Common::with_lookup(settings, bells, lookup);
    let [mut first, mut second] = [0, 1].map(|number| Bench::of_loop(&common, number));
    let open = |bench: &Bench| match &bench.resolver.back {
        Back::Stub(stub) => stub.open(),
        Back::System(_) => 0,
    };
    assert_eq!(first.ask(1, "a.test"), Asked::Pending);
    assert_eq!(second.ask(1, "b.test"), Asked::Pending);
    assert_eq!((open(&first), open(&second)), (1, 0));
    first.resolver.cancel(ticket(1));
    let now = first.now();
    assert_eq!(
        first.resolver.deadline(),
        Some(now),
        "whose turn it is now is told in a turn"
    );
    first.resolver.on_deadline(now);
    let mut events = Events::with_capacity(4);
    let [_, mut poll] = polls;
    poll.poll(&mut events, Some(PATIENCE)).unwrap();
    assert!(!events.is_empty());
    second.resolver.on_wake(second.now);
    assert_eq!((open(&first), open(&second)), (0, 1));
    assert_eq!(first.ask(2, "c.test"), Asked::Pending);
    drop(second);
    first.resolver.on_wake(first.now);
    assert_eq!(open(&first), 1, "a loop that ends leaves its socket");
}
