//! What clients who have not said who they are can cost the others: connections, the room for heads, log lines, time.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::eventually;
use crate::support::message::{answer, get, request};
use crate::support::origin::{Next, Origin};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::wire::{End, Wire};

cases![
    a_new_client_gets_the_place_of_the_stranger_that_waited_longest,
    the_address_that_has_most_strangers_loses_one,
    who_said_who_it_is_is_not_replaced_and_nothing_spins,
    a_stranger_that_says_who_it_is_just_now_stays,
    a_crowd_of_strangers_behind_the_same_address_keeps_nobody_out,
    where_descriptors_are_out_strangers_go_first,
    the_tenth_refusal_of_a_stranger_is_its_last,
    a_refused_stranger_is_gone_after_ten_seconds_whatever_it_sends,
    unfinished_heads_of_strangers_leave_room_for_the_heads_of_others,
    who_said_who_it_is_waits_for_room_and_is_not_refused,
    who_has_little_to_do_does_not_wait_for_who_has_much,
    lines_about_strangers_are_bounded_and_what_is_left_out_is_said,
    guesses_are_limited_and_who_knows_is_not,
];

/// A request that says who asks.
fn known(url: &str) -> String {
    request("GET", url, &(basic("u", PASSWORD) + "\r\n"))
}

/// Connects from an address of the loopback's.
fn client_from(ip: [u8; 4], proxy: &Proxy) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let from = SocketAddr::from((Ipv4Addr::from(ip), 0));
    socket.bind(&from.into()).expect("bind");
    socket.connect(&proxy.address().into()).expect("connect");
    Wire::new(socket.into())
}

fn is_served(client: &mut Wire, url: &str) -> bool {
    client.try_send(known(url)).is_ok()
        && client
            .try_response("GET")
            .is_ok_and(|response| response.status == 200)
}

/// Fills a proxy for ten; the first ones have been there longest.
fn full() -> (Proxy, Vec<Wire>) {
    let proxy = Setup::locked().option("--max-connections", "10").start();
    let before = proxy.open_descriptors();
    let strangers = (0..10).map(|_| proxy.client()).collect();
    eventually("all to be accepted", || {
        (proxy.open_descriptors() >= before + 10).then_some(())
    });
    (proxy, strangers)
}

fn a_new_client_gets_the_place_of_the_stranger_that_waited_longest() {
    let ((proxy, mut strangers), origin) = (full(), Origin::fixed("ok"));
    assert!(is_served(&mut proxy.client(), &origin.url("/")));
    assert_eq!(strangers[0].drain(), (Vec::new(), End::Eof), "an orderly end");
    for stranger in &mut strangers[1..] {
        assert!(is_served(stranger, &origin.url("/")));
    }
}

fn the_address_that_has_most_strangers_loses_one() {
    let (proxy, origin) = (
        Setup::locked().option("--max-connections", "10").start(),
        Origin::fixed("ok"),
    );
    let mut few: Vec<Wire> = (0..2).map(|_| client_from([127, 0, 0, 2], &proxy)).collect();
    let _many: Vec<Wire> = (0..60).map(|_| client_from([127, 0, 0, 3], &proxy)).collect();
    assert!(is_served(&mut proxy.client(), &origin.url("/")));
    for stranger in &mut few {
        assert!(
            is_served(stranger, &origin.url("/")),
            "they came first and are two"
        );
    }
}

fn who_said_who_it_is_is_not_replaced_and_nothing_spins() {
    let ((proxy, mut clients), origin) = (full(), Origin::fixed("ok"));
    for client in &mut clients {
        assert!(is_served(client, &origin.url("/")));
    }
    let mut next = proxy.client();
    next.send(known(&origin.url("/")));
    let ticks = proxy.ticks();
    next.patience(Duration::from_secs(1));
    assert_eq!(next.fill(), Err(End::Silence), "it waits in the kernel's queue");
    assert!(proxy.ticks() - ticks < 30, "the loop spins");
    for client in &mut clients {
        assert!(is_served(client, &origin.url("/")));
    }
    drop(clients);
    next.patience(Duration::from_secs(60));
    assert_eq!(next.response().status, 200);
}

fn a_stranger_that_says_who_it_is_just_now_stays() {
    let ((proxy, mut strangers), origin) = (full(), Origin::fixed("ok"));
    proxy.signal(Signal::STOP);
    strangers[0].send(known(&origin.url("/")));
    let mut next = proxy.client();
    next.send(known(&origin.url("/")));
    proxy.signal(Signal::CONT);
    assert_eq!(next.response().status, 200);
    assert_eq!(strangers[0].response().status, 200);
    assert_eq!(strangers[1].drain(), (Vec::new(), End::Eof));
}

/// A balancer, or the machine that everybody is behind.
fn a_crowd_of_strangers_behind_the_same_address_keeps_nobody_out() {
    let (proxy, origin) = (
        Setup::locked().option("--max-connections", "20").start(),
        Origin::fixed("ok"),
    );
    let mut crowd: Vec<Wire> = (0..200).map(|_| proxy.client()).collect();
    for stranger in &mut crowd {
        let _ = stranger.try_send(get("http://x.test/"));
    }
    // Of several loops another's queue may have strangers yet who came before a client: twenty of them taken at once behind it
    // would make it the one that has waited longest. So all have been taken, whatever became of them.
    for stranger in &mut crowd {
        let _ = stranger.try_response("GET");
    }
    for _ in 0..20 {
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        assert_eq!(
            client.response().status,
            407,
            "the challenge first, as .NET and Java do"
        );
        assert!(is_served(&mut client, &origin.url("/")));
    }
}

fn where_descriptors_are_out_strangers_go_first() {
    let (proxy, origin) = (
        Setup::locked()
            .option("--max-connections", "1000")
            .descriptors(64)
            .start(),
        Origin::fixed("ok"),
    );
    let _crowd: Vec<Wire> = (0..150).map(|_| proxy.client()).collect();
    eventually("a client to be served", || {
        is_served(&mut proxy.client(), &origin.url("/")).then_some(())
    });
}

fn the_tenth_refusal_of_a_stranger_is_its_last() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("ok"));
    let mut client = proxy.client();
    for nth in 1..=10 {
        client.send(get(&origin.url("/")));
        let response = client.response();
        assert_eq!(
            (response.status, response.closes()),
            (407, nth == 10),
            "refusal {nth}"
        );
    }
    client.expect_gone();
    // Who has said it once is refused as often as he asks.
    let mut client = proxy.client();
    assert!(is_served(&mut client, &origin.url("/")));
    for _ in 0..20 {
        client.send(get(&origin.url("/")));
        let response = client.response();
        assert_eq!((response.status, response.closes()), (407, false));
    }
    assert!(is_served(&mut client, &origin.url("/")));
}

fn a_refused_stranger_is_gone_after_ten_seconds_whatever_it_sends() {
    let proxy = Setup::locked().start();
    let mut silent = proxy.client();
    silent.send(get("http://x.test/"));
    assert_eq!(silent.response().status, 407);
    let mut slow = proxy.client();
    slow.send(get("http://x.test/"));
    assert_eq!(slow.response().status, 407);
    slow.send("GET http://x.test/ HTTP/1.1\r\nX: ");
    // Their own time is 30 s for a head and 60 s without one.
    for client in [&mut silent, &mut slow] {
        client.patience(Duration::from_secs(25));
        let (_, end) = client.drain();
        assert_eq!(end, End::Eof);
    }
}

/// A head that lacks its end, of so many bytes, and the end.
fn unfinished(url: &str, lines: &str, length: usize) -> String {
    let begun = request("GET", url, lines);
    let begun = begun.strip_suffix("\r\n").expect("an empty line");
    format!("{begun}X: {}", "x".repeat(length))
}
const REST: &str = "\r\n\r\n";

fn unfinished_heads_of_strangers_leave_room_for_the_heads_of_others() {
    smokescreen::io::descriptors::raise_nofile();
    let proxy = Setup::locked().start();
    let origin = Origin::http(|_, wire| {
        let line = format!("X: {}\r\n", "y".repeat(20_000));
        let _ = wire.try_send(answer("200 OK", &line, b"ok"));
        Next::Keep
    });
    let credentials = basic("u", PASSWORD) + "\r\n";
    for attackers_ip in [[127, 0, 0, 2], [127, 0, 0, 1]] {
        let mut attackers: Vec<Wire> = (0..290).map(|_| client_from(attackers_ip, &proxy)).collect();
        for attacker in &mut attackers {
            // It may be refused meanwhile.
            let _ = attacker.try_send(unfinished("http://x.test/", "", 125_000));
        }
        for _ in 0..20 {
            let mut client = client_from([127, 0, 0, 1], &proxy);
            client.send(unfinished(&origin.url("/"), &credentials, 10_000));
            std::thread::yield_now();
            client.send("x".repeat(10_000) + REST);
            let response = client.response();
            assert_eq!(response.status, 200, "{}", response.text());
            assert_eq!(response.fields.get("x").map(|x| x.len()), Some(20_000));
        }
        let is_refused = |attacker: &mut Wire| {
            attacker.patience(Duration::from_millis(1));
            attacker
                .try_response("GET")
                .is_ok_and(|response| response.status == 503)
        };
        let refused = attackers
            .iter_mut()
            .map(|attacker| usize::from(is_refused(attacker)));
        assert!(refused.sum::<usize>() > 100, "who spent the room is refused");
    }
}

fn who_said_who_it_is_waits_for_room_and_is_not_refused() {
    smokescreen::io::descriptors::raise_nofile();
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("ok"));
    let credentials = basic("u", PASSWORD) + "\r\n";
    let mut clients: Vec<Wire> = (0..700).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert!(is_served(client, &origin.url("/")));
    }
    for client in &mut clients {
        client.send(unfinished(&origin.url("/"), &credentials, 60_000));
    }
    // They hold more than half of the room by now, so the last of them wait; another address has a share of its own.
    let mut other = client_from([127, 0, 0, 2], &proxy);
    assert!(is_served(&mut other, &origin.url("/")));
    other.send(unfinished(&origin.url("/"), &credentials, 60_000));
    other.send(REST);
    assert_eq!(other.response().status, 200);
    eventually("waiting to cost no processor time", || {
        let ticks = proxy.ticks();
        std::thread::sleep(Duration::from_millis(500));
        (proxy.ticks() - ticks < 15).then_some(())
    });
    clients.drain(..600);
    for client in &mut clients {
        client.send(REST);
        let response = client.response();
        assert_eq!(response.status, 200, "{}", response.text());
    }
}

fn who_has_little_to_do_does_not_wait_for_who_has_much() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("ok"));
    let mut strangers: Vec<Wire> = (0..40).map(|_| proxy.client()).collect();
    for stranger in &mut strangers {
        stranger.send(get("http://a.test/"));
        assert_eq!(stranger.response().status, 407);
    }
    let mut client = proxy.client();
    assert!(is_served(&mut client, &origin.url("/")));
    proxy.settle_log();
    let before = proxy.log().len();
    proxy.signal(Signal::STOP);
    for stranger in &mut strangers {
        stranger.send(get("http://b.test/").repeat(8));
    }
    client.send(known("http://10.0.0.1/"));
    proxy.signal(Signal::CONT);
    assert_eq!(client.response().status, 407);
    for stranger in &mut strangers {
        (0..8).for_each(|_| assert_eq!(stranger.response().status, 407));
    }
    proxy.settle_log();
    let decisions = proxy.log()[before..].to_vec();
    let decisions = decisions
        .iter()
        .filter(|line| line.contains("CANONICAL-PROXY-DECISION"));
    let place = decisions.clone().position(|line| line.contains("10.0.0.1"));
    assert!(
        place.is_some_and(|place| place <= 2 * 40),
        "{place:?} of {}",
        decisions.count()
    );
}

/// So many refused requests, as many on each connection as it is good for.
fn refused(count: usize, lines: &str, proxy: &Proxy) -> Vec<u16> {
    let mut statuses = Vec::new();
    while statuses.len() < count {
        let mut client = proxy.client();
        client.send(request("GET", "http://x.test/", lines).repeat(10));
        statuses.extend(
            (0..10)
                .map_while(|_| client.try_response("GET").ok())
                .map(|response| response.status),
        );
    }
    statuses
}

fn lines_about_strangers_are_bounded_and_what_is_left_out_is_said() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("ok"));
    let trace = format!("X-Smokescreen-Trace-ID: {}\r\n", "secret".repeat(100));
    let began = Instant::now();
    let count = refused(6_000, &trace, &proxy).len() as u64;
    let seconds = began.elapsed().as_secs() + 1;
    // Who is known has all of his lines.
    assert!(is_served(&mut proxy.client(), &origin.url("/")));
    let known = || {
        proxy
            .log()
            .iter()
            .any(|line| line.contains("allow=true"))
            .then_some(())
    };
    eventually("the line of the one who is known", known);
    let lines = proxy.log();
    let written = lines
        .iter()
        .filter(|line| line.contains("x.test") || line.contains("role"))
        .count() as u64;
    assert!(written <= 1_001 + 100 * seconds, "{written} lines in {seconds} s");
    assert!(written >= 1_000, "{written}");
    assert!(!lines.iter().any(|line| line.contains("secret")), "a trace id");
    let said = &proxy.await_lines("lines about strangers left out", 1)[0];
    assert_eq!((said.get("level"), said.get("addresses")), ("warning", "1"));
    let left_out: u64 = said.get("count").parse().expect("a number");
    // Each refusal has two lines. What came after the summary is another's matter: there was nothing.
    assert!(
        left_out >= 2 * count - written - 10 && left_out <= 2 * count,
        "{left_out}"
    );
}

fn guesses_are_limited_and_who_knows_is_not() {
    let (proxy, origin) = (Setup::locked().start(), Origin::fixed("ok"));
    let wrong = basic("u", "guess") + "\r\n";
    let began = Instant::now();
    let statuses = refused(3_000, &wrong, &proxy);
    let seconds = began.elapsed().as_secs() + 1;
    let tried = statuses.iter().filter(|status| **status == 407).count() as u64;
    assert!(
        (1_000..=1_000 + 100 * seconds).contains(&tried),
        "{tried} in {seconds} s"
    );
    assert!(statuses.iter().all(|status| matches!(status, 407 | 429)));
    // Not a right one, not a missing one, from the very same address.
    for _ in 0..50 {
        let mut client = proxy.client();
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 407);
        assert!(is_served(&mut client, &origin.url("/")));
    }
    // Guesses came due again meanwhile: how many depends on how busy the machine is.
    assert!((0..20).any(|_| refused(200, &wrong, &proxy).contains(&429)));
    let mut client = proxy.client();
    for _ in 0..1_000 {
        client.send(request("GET", "http://x.test/", &wrong));
        let response = client.response();
        if response.status == 429 {
            assert_eq!(response.fields.get("retry-after").as_deref(), Some("1"));
            assert_eq!(
                response.fields.get("x-smokescreen-code").as_deref(),
                Some("rate-limited")
            );
            assert!(response.closes() && !response.fields.has("proxy-authenticate"));
            return;
        }
        if response.closes() {
            client = proxy.client();
        }
    }
    panic!("no guess is one too many");
}
