//! The stub against servers that lie, and against who answers in their place: what is waited out, what is a failure,
//! and what of an answer is used. Servers that only fail are in `failing`.

use super::servers::{A, Act, BAD, Build, GOOD, Heard, Server, good, honest};
use super::*;

/// A server that first sends what `lie` makes of the honest-looking bad answer, then the good one.
fn after_lies(lie: impl Fn(&Heard, Build) -> Vec<Act> + Send + Clone + 'static) -> Server {
    Server::start(move |heard| {
        let mut acts = lie(heard, honest(heard, 9, BAD));
        acts.extend(honest(heard, 9, GOOD).act());
        acts
    })
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
    let mut bench = Bench::for_ipv4(&[server.address]);
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
    let mut bench = Bench::for_ipv4(&[server.address]);
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
        let mut bench = Bench::for_ipv4(&[liar.address, fine.address]);
        assert_eq!(bench.resolve("a.test"), good());
    }
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
        let mut bench = Bench::for_ipv4(&[server.address]);
        let text = format!("lookup a.test on {}: CNAME chain too long", server.address);
        assert_eq!(bench.resolve("a.test"), Err((text, false)));
        assert!(server.heard().len() <= 17);
    }
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
    let mut bench = Bench::for_ipv4(&[server.address]);
    assert_eq!(bench.resolve("a.test"), good());
    assert_eq!(bench.resolve("a.test"), Ok(addresses(&[GOOD, "127.0.0.1"])));
    assert_eq!(bench.resolve("a.test"), Ok(addresses(&["10.0.0.1"])));
    assert_eq!(bench.resolve("a.test"), Ok(addresses(&["127.0.0.1"])));
    let one_in_the_cache = {
        let server =
            Server::start(|heard| honest(heard, 900, if heard.before == 0 { GOOD } else { BAD }).act());
        let mut bench = Bench::for_ipv4(&[server.address]);
        let first = bench.resolve("a.test");
        (first, bench.resolve("a.test"))
    };
    assert_eq!(one_in_the_cache, (good(), good()));
}
