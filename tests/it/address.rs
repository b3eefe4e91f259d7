//! Where it may go, by address: every internal form is refused as a literal and as a DNS answer, public ones are
//! dialled, and exactly the address that was vetted is dialled.

use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::case::cases;
use crate::support::dns::{Answer, Dns, parse};
use crate::support::message::{Response, connect, get};
use crate::support::netlink::add_local_route;
use crate::support::origin::{Deaf, Origin};
use crate::support::proxy::{Proxy, Setup};
use crate::support::{AT_ONCE, PRIVATE, PUBLIC, PUBLIC_6, PUBLIC_B};

cases![
    public_addresses_are_dialled_by_both_families,
    every_internal_literal_is_denied_with_its_rule,
    every_internal_dns_answer_is_denied_with_its_rule,
    addresses_at_the_edges_are_public,
    cve_2024_4032_special_purpose_ranges_are_not_all_alike,
    mapped_public_addresses_are_unmapped_and_dialled,
    issue_282_301_the_proxys_own_listener_is_denied,
    cve_2018_14505_own_listener_is_denied_on_every_local_address,
    own_listener_is_denied_on_addresses_that_no_interface_has,
    allowed_answers_are_used_and_denied_ones_are_not,
    cve_2026_58442_a_second_private_answer_is_never_dialled,
    cve_2026_30858_an_alias_to_an_internal_address_is_denied,
    forged_dns_answers_are_ignored,
    a_dead_first_address_is_raced,
    user_rules_allow_and_deny_with_ports,
    allow_beats_deny,
    private_ranges_may_be_allowed_all_at_once,
    user_rules_see_mapped_addresses_as_ipv4,
    the_network_option_applies_to_literals_too,
    cve_2023_24623_the_wildcard_address,
    issue_265_277_cgnat_and_embedded_addresses,
];

const UNICAST: &str = "Deny: Not Global Unicast";
const PRIVATE_RANGE: &str = "Deny: Private Range";
const CGNAT: &str = "Deny: CGNAT Range";
const EMBEDDING: &str = "Deny: IPv6 Embedding";
const SPECIAL: &str = "Deny: Special Purpose Range";

/// One address of every kind that must be denied, and the rule that names it.
const INTERNAL: &[(&str, &str)] = &[
    ("0.0.0.0", UNICAST),
    ("0.1.2.3", SPECIAL),
    ("10.0.0.1", PRIVATE_RANGE),
    ("10.255.255.255", PRIVATE_RANGE),
    ("100.64.0.1", CGNAT),
    ("100.100.100.200", CGNAT),
    ("100.127.255.255", CGNAT),
    ("127.0.0.1", UNICAST),
    ("127.255.255.254", UNICAST),
    ("169.254.169.254", UNICAST),
    ("169.254.170.2", UNICAST),
    ("172.16.0.1", PRIVATE_RANGE),
    ("172.31.255.255", PRIVATE_RANGE),
    ("192.0.0.1", SPECIAL),
    ("192.0.0.170", SPECIAL),
    ("192.0.2.1", SPECIAL),
    ("192.88.99.1", SPECIAL),
    ("192.168.0.1", PRIVATE_RANGE),
    ("198.18.0.1", SPECIAL),
    ("198.19.255.255", SPECIAL),
    ("198.51.100.7", SPECIAL),
    ("203.0.113.7", SPECIAL),
    ("224.0.0.1", UNICAST),
    ("239.255.255.255", UNICAST),
    ("240.0.0.1", SPECIAL),
    ("255.255.255.255", UNICAST),
    ("168.63.129.16", SPECIAL),
    ("::", UNICAST),
    ("::1", UNICAST),
    ("::ffff:127.0.0.1", UNICAST),
    ("::ffff:7f00:1", UNICAST),
    ("::ffff:10.0.0.1", PRIVATE_RANGE),
    ("::ffff:169.254.169.254", UNICAST),
    ("::127.0.0.1", SPECIAL),
    ("::169.254.169.254", SPECIAL),
    ("::ffff:0:127.0.0.1", SPECIAL),
    ("64:ff9b::7f00:1", EMBEDDING),
    ("64:ff9b::a9fe:a9fe", EMBEDDING),
    ("64:ff9b::808:808", EMBEDDING),
    ("64:ff9b:1::7f00:1", SPECIAL),
    ("64:ff9b:2::1", SPECIAL),
    ("100::1", SPECIAL),
    ("200::1", SPECIAL),
    ("2001::1", EMBEDDING),
    ("2001:0:7f00:1::", EMBEDDING),
    ("2001:2::1", SPECIAL),
    ("2001:10::1", SPECIAL),
    ("2001:db8::1", SPECIAL),
    ("2002:7f00:1::", EMBEDDING),
    ("2002:a9fe:a9fe::1", EMBEDDING),
    ("3fff::1", SPECIAL),
    ("4000::1", SPECIAL),
    ("5f00::1", SPECIAL),
    ("fc00::1", PRIVATE_RANGE),
    ("fdaa::3", PRIVATE_RANGE),
    ("fd00:ec2::254", PRIVATE_RANGE),
    ("fe00::1", SPECIAL),
    ("fe80::1", UNICAST),
    ("fec0::1", SPECIAL),
    ("ff02::1", UNICAST),
    ("2a00:1111:2222::5efe:127.0.0.1", SPECIAL),
    ("2a00:1111:2222::200:5efe:10.0.0.1", SPECIAL),
];

fn host(address: &str) -> String {
    let ip: IpAddr = address.parse().expect("an address");
    if ip.is_ipv6() {
        format!("[{address}]")
    } else {
        address.to_owned()
    }
}

#[track_caller]
fn assert_denied(response: &Response, rule: &str) {
    assert_eq!(response.status, 407, "{}", response.text());
    let text = response.text();
    assert!(
        text.contains(&format!(
            "was denied by rule '{rule}'. destination address was denied by rule, see error"
        )),
        "{text}"
    );
}

/// Listens on every address of the namespace and counts who gets there.
struct Canary {
    port: u16,
    hits: Arc<AtomicUsize>,
}

impl Canary {
    fn new() -> Canary {
        let listener = TcpListener::bind("[::]:0").expect("a dual stack listener");
        let port = listener.local_addr().expect("its address").port();
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&hits);
        thread::spawn(move || {
            for _ in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Canary { port, hits }
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(
            self.hits.load(Ordering::SeqCst),
            0,
            "a denied address was dialled"
        );
    }
}

fn public_addresses_are_dialled_by_both_families() {
    let dns = Dns::start()
        .name("four.test", &[PUBLIC])
        .name("six.test", &[PUBLIC_6]);
    let proxy = Setup::open().resolver(&dns).start();
    for (ip, name) in [(PUBLIC, "four.test"), (PUBLIC_6, "six.test")] {
        let origin = Origin::fixed_at(ip, "in");
        assert_eq!(proxy.ask(get(&origin.url("/"))).text(), "in");
        assert_eq!(proxy.ask(get(&origin.url_at(name, "/"))).text(), "in");
        let mut tunnel = proxy.tunnel(&format!("{name}:{}", origin.address().port()));
        tunnel.send(get("http://inner/"));
        assert_eq!(tunnel.response().text(), "in");
    }
}

fn every_internal_literal_is_denied_with_its_rule() {
    let (proxy, canary) = (Setup::open().start(), Canary::new());
    for (address, rule) in INTERNAL {
        let authority = format!("{}:{}", host(address), canary.port);
        for ask in [get(&format!("http://{authority}/")), connect(&authority)] {
            let response = proxy.ask(ask);
            assert_denied(&response, rule);
            assert!(
                response
                    .text()
                    .starts_with(&format!("Egress proxying is denied to host '{authority}': ")),
                "{}",
                response.text()
            );
        }
    }
    canary.assert_untouched();
}

fn every_internal_dns_answer_is_denied_with_its_rule() {
    let canary = Canary::new();
    let named = |index: usize| format!("n{index}.test");
    let dns = INTERNAL
        .iter()
        .enumerate()
        .fold(Dns::start(), |dns, (index, (address, _))| {
            dns.name(&named(index), &[address])
        });
    let proxy = Setup::open().resolver(&dns).start();
    for (index, (address, rule)) in INTERNAL.iter().enumerate() {
        let authority = format!("{}:{}", named(index), canary.port);
        let response = proxy.ask(connect(&authority));
        assert_eq!(response.status, 407, "{address}: {}", response.text());
        assert_denied(&response, rule);
    }
    canary.assert_untouched();
}

/// They get as far as the dial: without a route that is a 502 that names the address.
fn addresses_at_the_edges_are_public() {
    let proxy = Setup::open().start();
    for address in [
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.0.9",
        "192.0.0.10",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "168.63.129.15",
        "168.63.129.17",
        "1.0.0.0",
        "2001:20::1",
        "2001:4860::1",
        "2003::1",
        "2a00::1",
        "2600::1",
    ] {
        let response = proxy.ask(connect(&format!("{}:443", host(address))));
        assert_eq!(response.status, 502, "{address}: {}", response.text());
        assert!(
            response.text().starts_with("Failed to connect to remote host: "),
            "{}",
            response.text()
        );
    }
}

/// Also Gitea CVE-2026-22874: tables of "global" ranges that miss a registry entry, or take one too many.
fn cve_2024_4032_special_purpose_ranges_are_not_all_alike() {
    let proxy = Setup::open().start();
    for denied in [
        "192.0.0.0",
        "192.0.0.8",
        "192.0.0.11",
        "192.0.0.255",
        "198.18.0.0",
        "203.0.113.255",
        "2001:1ff:ffff::1",
        "2001:2::1",
    ] {
        assert_denied(&proxy.ask(connect(&format!("{}:443", host(denied)))), SPECIAL);
    }
    for reached in ["192.0.0.9", "192.0.0.10", "2001:20::1", "2001:2f:ffff::1"] {
        let response = proxy.ask(connect(&format!("{}:443", host(reached))));
        assert_eq!(response.status, 502, "{reached}: {}", response.text());
    }
}

fn mapped_public_addresses_are_unmapped_and_dialled() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("in"));
    for spelling in [
        format!("[::ffff:{PUBLIC}]"),
        "[::ffff:2c01:203]".to_owned(),
        "[0:0:0:0:0:FFFF:2C01:0203]".to_owned(),
    ] {
        let response = proxy.ask(get(&origin.url_at(&spelling, "/")));
        assert_eq!(response.text(), "in", "{spelling}");
    }
    assert_eq!(proxy.decision().get("outbound_remote_addr"), origin.authority());
}

#[track_caller]
fn assert_self_connection(proxy: &Proxy, authority: &str) {
    for ask in [get(&format!("http://{authority}/")), connect(authority)] {
        assert_denied(&proxy.ask(ask), "Deny: Self Connection");
    }
}

fn issue_282_301_the_proxys_own_listener_is_denied() {
    let proxy = Setup::open().option("--allow-range", "127.0.0.0/8").start();
    let port = proxy.address().port();
    for host in ["127.0.0.1", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "localhost"] {
        assert_self_connection(&proxy, &format!("{host}:{port}"));
    }
}

fn cve_2018_14505_own_listener_is_denied_on_every_local_address() {
    let proxy = Setup::open().listen("::").start();
    let port = proxy.address().port();
    for host in [
        PUBLIC,
        PUBLIC_B,
        PRIVATE,
        "127.0.0.1",
        "[::1]",
        &format!("[{PUBLIC_6}]"),
        &format!("[::ffff:{PUBLIC}]"),
    ] {
        assert_self_connection(&proxy, &format!("{host}:{port}"));
    }
    // Another machine's address on the same port number is nobody's listener.
    let elsewhere = proxy.ask(connect(&format!("44.9.9.9:{port}")));
    assert_eq!(elsewhere.status, 502, "{}", elsewhere.text());
}

/// What a load balancer's agent does: the balancer's addresses are this machine's by a route alone.
fn own_listener_is_denied_on_addresses_that_no_interface_has() {
    let proxy = Setup::open().listen("::").start();
    let port = proxy.address().port();
    for (network, bits) in [("44.77.7.0", 24), ("2a00:77::", 64)] {
        add_local_route(network.parse().expect("an address"), bits).expect("a route");
    }
    for host in ["44.77.7.1", "44.77.7.200", "[2a00:77::1]", "[::ffff:44.77.7.1]"] {
        assert_self_connection(&proxy, &format!("{host}:{port}"));
    }
}

fn allowed_answers_are_used_and_denied_ones_are_not() {
    let origin = Origin::fixed("in");
    let port = origin.address().port();
    let loopback = Origin::http_at("127.0.0.1", |_, _| crate::support::origin::Next::Close);
    let dns = Dns::start()
        .name("mixed.test", &["127.0.0.1", "::1", "10.0.0.1", PUBLIC])
        .name("denied.test", &["10.0.0.1", "127.0.0.1"]);
    let proxy = Setup::open().resolver(&dns).start();
    for _ in 0..5 {
        assert_eq!(proxy.ask(get(&format!("http://mixed.test:{port}/"))).text(), "in");
        let response = proxy.ask(connect(&format!("denied.test:{}", loopback.address().port())));
        assert_denied(&response, "Deny: Private Range");
        assert!(response.text().contains("(10.0.0.1)"), "{}", response.text());
    }
    assert_eq!(loopback.accepted(), 0);
}

/// Public on the first question, internal on the second: one request asks once, and dials what it vetted.
fn cve_2026_58442_a_second_private_answer_is_never_dialled() {
    let origin = Origin::fixed("in");
    let canary = Canary::new();
    let rebind = |before| {
        let address = if before == 0 { PUBLIC } else { "127.0.0.1" };
        Answer::Addresses(parse(&[address]))
    };
    let names = [0, 1, 2].map(|n| format!("rebind{n}.test"));
    let dns = names
        .iter()
        .fold(Dns::start(), |dns, name| dns.script(name, rebind));
    let proxy = Setup::open()
        .resolver(&dns)
        .option("--dns-cache-ttl", "0")
        .start();
    for name in &names {
        for round in 0..2 {
            let (start, asked) = (Instant::now(), dns.asked(name));
            let response = proxy.ask(get(&origin.url_at(name, "/")));
            // Whom a name server's answer takes two seconds to reach asks again.
            if start.elapsed() < Duration::from_secs(2) {
                assert_eq!(dns.asked(name) - asked, 2, "A and AAAA once for each request");
                assert_eq!(response.text() == "in", round == 0, "{}", response.text());
            }
            if round > 0 || response.text() != "in" {
                assert_denied(&response, UNICAST);
            }
        }
    }
    canary.assert_untouched();
}

fn cve_2026_30858_an_alias_to_an_internal_address_is_denied() {
    let canary = Canary::new();
    let inside = Answer::Alias("inner.internal.test".to_owned(), parse(&["127.0.0.1", "::1"]));
    let outside = Answer::Alias("cdn.test".to_owned(), parse(&[PUBLIC]));
    let dns = Dns::start()
        .answer("alias.test", inside)
        .answer("good.test", outside);
    let proxy = Setup::open().resolver(&dns).start();
    assert_denied(
        &proxy.ask(connect(&format!("alias.test:{}", canary.port))),
        UNICAST,
    );
    let origin = Origin::fixed("in");
    assert_eq!(proxy.ask(get(&origin.url_at("good.test", "/"))).text(), "in");
    canary.assert_untouched();
}

fn forged_dns_answers_are_ignored() {
    let origin = Origin::fixed("in");
    let dns = Dns::start().answer("forged.test", Answer::AfterForgeries(parse(&[PUBLIC])));
    let proxy = Setup::open().resolver(&dns).start();
    assert_eq!(proxy.ask(get(&origin.url_at("forged.test", "/"))).text(), "in");
}

/// RFC 8305: the second attempt starts 250 ms after the first, not when it has failed.
fn a_dead_first_address_is_raced() {
    // Another test may have the port at the other address.
    let (deaf, listener) = (0..20)
        .find_map(|_| {
            let deaf = Deaf::at(PUBLIC_B);
            let listener = TcpListener::bind((PUBLIC, deaf.port())).ok()?;
            Some((deaf, listener))
        })
        .expect("a port that is free at both");
    let address = format!("{PUBLIC}:{}", deaf.port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut wire = crate::support::wire::Wire::new(stream);
            if wire.take_request().is_ok() {
                let _ = wire.try_send(crate::support::message::ok("second"));
            }
        }
    });
    let dns = Dns::start().name("race.test", &[PUBLIC_B, PUBLIC]);
    let proxy = Setup::open().resolver(&dns).option("--timeout", "300s").start();
    let start = std::time::Instant::now();
    assert_eq!(
        proxy
            .ask(get(&format!("http://race.test:{}/", deaf.port())))
            .text(),
        "second"
    );
    assert!(
        start.elapsed() < AT_ONCE,
        "it waited for the first attempt to fail"
    );
    assert_eq!(proxy.decision().get("outbound_remote_addr"), address);
}

fn user_rules_allow_and_deny_with_ports() {
    let (origin, other) = (Origin::fixed("in"), Origin::fixed("in"));
    let local = Origin::fixed_at("127.0.0.1", "local");
    let inner = Origin::fixed_at(PRIVATE, "inner");
    let proxy = Setup::open()
        .option("--deny-address", origin.authority())
        .option("--allow-address", local.authority())
        .option("--allow-range", format!("{PRIVATE}/32"))
        .option("--deny-range", format!("{PUBLIC_B}/31"))
        .start();
    assert_denied(&proxy.ask(get(&origin.url("/"))), "Deny: User Configured");
    assert_eq!(proxy.ask(get(&other.url("/"))).text(), "in");
    assert_eq!(proxy.ask(get(&local.url("/"))).text(), "local");
    assert_eq!(proxy.ask(get(&inner.url("/"))).text(), "inner");
    assert_denied(&proxy.ask(connect("127.0.0.1:1")), UNICAST);
    assert_denied(
        &proxy.ask(connect(&format!("{PUBLIC_B}:1"))),
        "Deny: User Configured",
    );
    assert_denied(&proxy.ask(connect("10.1.2.4:1")), PRIVATE_RANGE);
}

fn allow_beats_deny() {
    let origin = Origin::fixed("in");
    let proxy = Setup::open()
        .option("--deny-range", "44.0.0.0/8")
        .option("--allow-address", PUBLIC)
        .start();
    assert_eq!(proxy.ask(get(&origin.url("/"))).text(), "in");
    assert_denied(&proxy.ask(connect("44.1.2.4:1")), "Deny: User Configured");
}

fn private_ranges_may_be_allowed_all_at_once() {
    let inner = Origin::fixed_at(PRIVATE, "inner");
    let proxy = Setup::open().arg("--unsafe-allow-private-ranges").start();
    assert_eq!(proxy.ask(get(&inner.url("/"))).text(), "inner");
    assert_denied(&proxy.ask(connect("127.0.0.1:1")), UNICAST);
    assert_denied(&proxy.ask(connect("169.254.169.254:80")), UNICAST);
}

fn user_rules_see_mapped_addresses_as_ipv4() {
    let proxy = Setup::open().option("--deny-address", PUBLIC).start();
    assert_denied(
        &proxy.ask(connect(&format!("[::ffff:{PUBLIC}]:1"))),
        "Deny: User Configured",
    );
}

fn the_network_option_applies_to_literals_too() {
    let (four, six) = (Origin::fixed("four"), Origin::fixed_at(PUBLIC_6, "six"));
    let only_4 = Setup::open().option("--network", "ip4").start();
    assert_eq!(only_4.ask(get(&four.url("/"))).text(), "four");
    assert_ne!(only_4.ask(get(&six.url("/"))).status, 200);
    let only_6 = Setup::open().option("--network", "ip6").start();
    assert_eq!(only_6.ask(get(&six.url("/"))).text(), "six");
    assert_ne!(only_6.ask(get(&four.url("/"))).status, 200);
    assert_eq!((four.accepted(), six.accepted()), (1, 1));
}

/// Also imgproxy CVE-2025-24354 and new-api CVE-2026-42339.
fn cve_2023_24623_the_wildcard_address() {
    let (proxy, canary) = (Setup::open().start(), Canary::new());
    for host in [
        "0.0.0.0",
        "[::]",
        "[0:0:0:0:0:0:0:0]",
        "[::0.0.0.0]",
        "[::ffff:0.0.0.0]",
    ] {
        assert_denied(&proxy.ask(connect(&format!("{host}:{}", canary.port))), UNICAST);
    }
    canary.assert_untouched();
}

fn issue_265_277_cgnat_and_embedded_addresses() {
    let proxy = Setup::open().start();
    for (address, rule) in [
        ("100.64.0.1", CGNAT),
        ("64:ff9b::a9fe:a9fe", EMBEDDING),
        ("2002:7f00:1::", EMBEDDING),
        ("2001:0:53aa:64c::1", EMBEDDING),
    ] {
        assert_denied(&proxy.ask(connect(&format!("{}:80", host(address)))), rule);
    }
    let teredo: Ipv6Addr = "2001:0:ffff::".parse().expect("an address");
    assert_denied(&proxy.ask(connect(&format!("[{teredo}]:80"))), EMBEDDING);
}
