//! The stub against servers that lie, fail, cut short or say nothing.

use super::servers::{A, AAAA, Act, Build, Heard, Server, has_edns, honest};
use super::*;

const GOOD: &str = "192.0.2.1";
const BAD: &str = "127.0.0.66";

fn good() -> Result<Vec<IpAddr>, (String, bool)> {
    Ok(addresses(&[GOOD]))
}

fn kinds(heard: &[Heard]) -> Vec<u16> {
    let mut kinds: Vec<u16> = heard.iter().map(|one| one.kind).collect();
    kinds.sort_unstable();
    kinds
}

/// A server that first sends what `lie` makes of the honest-looking bad answer, then the good one.
fn after_lies(lie: impl Fn(&Heard, Build) -> Vec<Act> + Send + Clone + 'static) -> Server {
    Server::start(move |heard| {
        let mut acts = lie(heard, honest(heard, 9, BAD));
        acts.extend(honest(heard, 9, GOOD).act());
        acts
    })
}

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
fn wrong_ids_are_waited_out() {
    let server = after_lies(|_, mut bad| {
        bad.0[1] ^= 1;
        bad.act()
    });
    assert_eq!(Bench::new(settings(&[server.address])).resolve("a.test"), good());
}

#[test]
fn wrong_questions_are_waited_out() {
    let server = after_lies(|heard, bad| {
        let (mut name, mut class, mut direction) = (bad.clone(), bad.clone(), bad);
        name.0[13] ^= 1;
        class.0[12 + heard.name.len() + 5] = 3;
        direction.0[2] ^= 0x80;
        vec![Act::Reply(name.0), Act::Reply(class.0), Act::Reply(direction.0)]
    });
    assert_eq!(Bench::new(settings(&[server.address])).resolve("a.test"), good());
}

#[test]
fn wrong_case_is_waited_out() {
    let server = after_lies(|_, mut bad| {
        bad.0[13] ^= 0x20;
        bad.act()
    });
    assert_eq!(Bench::new(settings(&[server.address])).resolve("a.test"), good());
}

#[test]
fn answers_from_another_port_never_arrive() {
    let server = after_lies(|_, bad| vec![Act::FromElsewhere(bad.0)]);
    assert_eq!(Bench::new(settings(&[server.address])).resolve("a.test"), good());
}

#[test]
fn garbage_is_waited_out() {
    let server = after_lies(|heard, _| {
        let torn = heard.message[..heard.message.len() / 2].to_vec();
        vec![
            Act::Reply(Vec::new()),
            Act::Reply(vec![0xff; 700]),
            Act::Reply(torn),
            Act::Reply(vec![0; 12]),
        ]
    });
    assert_eq!(Bench::new(settings(&[server.address])).resolve("a.test"), good());
}

#[test]
fn a_server_that_changes_the_case_is_understood_in_the_second_round() {
    let server = Server::start(|heard| {
        let mut reply = honest(heard, 9, GOOD);
        reply.0[12..12 + heard.name.len() + 1].make_ascii_lowercase();
        reply.act()
    });
    let mut bench = Bench::new(Settings {
        network: Network::V4,
        ..settings(&[server.address])
    });
    // Long enough that its case is not drawn all lower.
    let name = "a-name-with-many-letters-in-it.test";
    assert_eq!(bench.ask(0, name), Asked::Pending);
    server.next();
    bench.skip_to_deadline();
    assert_eq!(bench.wait(0), good());
}

#[test]
fn a_flood_of_wrong_answers_moves_the_question_to_another_port() {
    // Who writes to the server from here gets the first question flooded, by no more than its socket has room for.
    let tap = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (tapped_from, mut victim) = (tap.local_addr().unwrap(), None);
    let server = Server::start(move |heard| {
        if heard.from != tapped_from && heard.before > 0 {
            return honest(heard, 9, GOOD).act();
        }
        if let Some(victim) = victim {
            let mut bad = honest(heard, 9, BAD);
            bad.0[0] ^= 1;
            return (0..20).map(|_| Act::To(victim, bad.0.clone())).collect();
        }
        victim = Some(heard.from);
        Vec::new()
    });
    let mut bench = Bench::new(Settings {
        network: Network::V4,
        ..settings(&[server.address])
    });
    assert_eq!(bench.ask(0, "a.test"), Asked::Pending);
    let first = server.next();
    // 257 are too many.
    for _ in 0..13 {
        assert_eq!(bench.resolver.in_flight(), 1);
        tap.send_to(&first.message, server.address).unwrap();
        assert_eq!(server.next().from, tapped_from);
        bench.turn();
    }
    assert_eq!(bench.wait(0), good());
    let second = server.next();
    assert_ne!(first.from, second.from);
    assert_ne!(first.message[..2], second.message[..2]);
}

#[test]
fn rustsec_compression_loops_are_failures_and_the_next_server_is_asked() {
    let looping = Server::start(|heard| {
        let mut reply = honest(heard, 9, BAD);
        let owner = 12 + heard.name.len() + 2 + 4;
        if heard.kind == A {
            reply.0[owner + 1] = u8::try_from(owner).unwrap();
        }
        reply.act()
    });
    let fine = Server::start(|heard| honest(heard, 9, GOOD).act());
    let mut bench = Bench::new(settings(&[looping.address, fine.address]));
    assert_eq!(bench.resolve("a.test"), good());
    assert_eq!(fine.next().kind, A);
}

#[test]
fn a_huge_answer_count_is_a_failure() {
    let server = Server::start(|heard| {
        let mut reply = honest(heard, 9, BAD);
        reply.0[6..8].copy_from_slice(&[0xff, 0xff]);
        reply.act()
    });
    let mut bench = Bench::new(settings(&[server.address]));
    let text = format!("lookup a.test on {}: server misbehaving", server.address);
    assert_eq!(bench.resolve("a.test"), Err((text, false)));
}

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
    let mut bench = Bench::new(Settings {
        network: Network::V4,
        ..settings(&[silent.address])
    });
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
    let mut bench = Bench::new(Settings {
        network: Network::V4,
        ..settings(&[server.address])
    });
    assert_eq!(bench.ask(0, "a.test"), Asked::Pending);
    server.next();
    bench.skip_to_deadline();
    assert_eq!(bench.wait(0), good());
}

#[test]
fn who_joins_late_is_asked_for_again_after_the_first_timeout() {
    let silent = Server::silent();
    let mut bench = Bench::new(Settings {
        network: Network::V4,
        ..settings(&[silent.address])
    });
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
    let mut bench = Bench::new(Settings {
        network: Network::V4,
        ..settings(&[server.address])
    });
    assert_eq!(bench.resolve("a.test"), good());
}

#[test]
fn lies_over_tcp_are_failures() {
    let lies: [fn(&Heard) -> Vec<Act>; 4] = [
        |_| Vec::new(),
        |_| vec![Act::Reply(Vec::new())],
        |heard| Build::to(&heard.message).truncated().act(),
        |heard| {
            let mut bad = honest(heard, 9, BAD);
            bad.0[0] ^= 1;
            bad.act()
        },
    ];
    for lie in lies {
        let liar = Server::start(move |heard| {
            if heard.tcp {
                lie(heard)
            } else {
                Build::to(&heard.message).truncated().act()
            }
        });
        let fine = Server::start(|heard| honest(heard, 9, GOOD).act());
        let mut bench = Bench::new(Settings {
            network: Network::V4,
            ..settings(&[liar.address, fine.address])
        });
        assert_eq!(bench.resolve("a.test"), good());
    }
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
        let mut bench = Bench::new(Settings {
            network: Network::V4,
            ..settings(&[server.address])
        });
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

#[test]
fn alias_loops_end_within_and_across_answers() {
    let across = Server::start(|heard| {
        let target = if heard.name == "a.test" {
            "b.test"
        } else {
            "a.test"
        };
        Build::to(&heard.message).alias("", 9, target).act()
    });
    let within = Server::start(|heard| {
        Build::to(&heard.message)
            .alias("", 9, "b.test")
            .alias("b.test", 9, &heard.name)
            .act()
    });
    for server in [across, within] {
        let mut bench = Bench::new(Settings {
            network: Network::V4,
            ..settings(&[server.address])
        });
        let text = format!("lookup a.test on {}: CNAME chain too long", server.address);
        assert_eq!(bench.resolve("a.test"), Err((text, false)));
        assert!(server.heard().len() <= 17);
    }
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
        let mut bench = Bench::new(Settings {
            network: Network::V4,
            ..settings(&[server.address])
        });
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
    let mut bench = Bench::new(Settings {
        network: Network::V4,
        ..settings(&[server.address])
    });
    let text = format!("lookup a.test on {}: CNAME chain too long", server.address);
    assert_eq!(bench.resolve("a.test"), Err((text, false)));
}

#[test]
fn unrelated_records_are_not_used() {
    let server = Server::start(|heard| {
        let reply = Build::to(&heard.message)
            .address("b.test", 9, BAD)
            .alias("c.test", 9, "b.test");
        if heard.kind == A {
            reply.address("", 9, GOOD).act()
        } else {
            reply.act()
        }
    });
    assert_eq!(Bench::new(settings(&[server.address])).resolve("a.test"), good());
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

/// Public at the first look, private at the second, TTL 0: every look is a question of its own, each answer is
/// whole, and vetting the whole of it is the policy's.
#[test]
fn rebinding_every_answer_is_whole_and_none_outlives_its_ttl() {
    let server = Server::start(|heard| {
        let reply = Build::to(&heard.message);
        match heard.before {
            0 => reply.address("", 0, GOOD).act(),
            1 => reply.address("", 0, GOOD).address("", 0, "127.0.0.1").act(),
            2 => reply
                .alias("", 0, "internal.test")
                .address("internal.test", 0, "10.0.0.1")
                .act(),
            _ => reply.address("", 0, "127.0.0.1").act(),
        }
    });
    let mut bench = Bench::new(Settings {
        network: Network::V4,
        ..settings(&[server.address])
    });
    assert_eq!(bench.resolve("a.test"), good());
    assert_eq!(bench.resolve("a.test"), Ok(addresses(&[GOOD, "127.0.0.1"])));
    assert_eq!(bench.resolve("a.test"), Ok(addresses(&["10.0.0.1"])));
    assert_eq!(bench.resolve("a.test"), Ok(addresses(&["127.0.0.1"])));
    let one_in_the_cache = {
        let server =
            Server::start(|heard| honest(heard, 900, if heard.before == 0 { GOOD } else { BAD }).act());
        let mut bench = Bench::new(Settings {
            network: Network::V4,
            ..settings(&[server.address])
        });
        let first = bench.resolve("a.test");
        (first, bench.resolve("a.test"))
    };
    assert_eq!(one_in_the_cache, (good(), good()));
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
