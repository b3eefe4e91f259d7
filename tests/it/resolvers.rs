//! Who is asked about a name, and that it is that name: the system's resolver as it is configured, and our own.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::case::cases;
use crate::support::dns::{Answer, Dns, parse};
use crate::support::message::{connect, get, request};
use crate::support::origin::{Deaf, Origin};
use crate::support::proxy::{PASSWORD, Setup};
use crate::support::wire::Wire;
use crate::support::{AT_ONCE, PUBLIC, PUBLIC_6, PUBLIC_B};

cases![
    the_search_list_completes_no_name,
    hosts_file_and_switch_hold_for_both_resolvers,
    single_labels_are_not_asked_where_resolved_would_complete_them,
    slow_names_of_one_client_leave_the_threads_to_the_others,
    slow_names_of_one_client_leave_the_sockets_to_the_others,
    a_late_family_joins_the_race,
    a_late_family_is_waited_for_where_the_first_is_denied,
    a_dead_first_server_costs_less_than_the_limit,
    a_dead_first_server_of_the_system_is_outwaited,
];

/// What resolv.conf may say beside the server.
const COMPLETIONS: [&str; 7] = [
    "search internal corp.test",
    "domain internal",
    "search internal corp.test\noptions ndots:0",
    "search internal corp.test\noptions ndots:1",
    "search internal corp.test\noptions ndots:15",
    "search internal. corp.test.\noptions ndots:5 use-vc",
    "domain corp.test\nsearch internal\noptions no-tld-query",
];

/// Also sing-box#3477 and curl#3022: a name that is judged as `db` must not be looked up as `db.internal`, which is
/// denied, nor `www.pub.test.` as `www.pub.test.corp.test`.
fn the_search_list_completes_no_name() {
    let origin = Origin::fixed("inside");
    let credentials = format!("Basic {}", STANDARD.encode(format!("user:{PASSWORD}")));
    let ask = |host: &str| {
        let url = format!("http://{host}:{}/", origin.address().port());
        request("GET", &url, &format!("Proxy-Authorization: {credentials}\r\n"))
    };
    for (index, completion) in COMPLETIONS.into_iter().enumerate() {
        for with_stub in [false, true] {
            let address = format!("127.1.{}.{}", u8::from(with_stub), index + 1);
            let mut dns = Dns::system(&address).name("pub.test", &[PUBLIC]);
            for trap in [
                "db.internal",
                "db.corp.test",
                "www.pub.test.internal",
                "www.pub.test.corp.test",
                "pub.test.internal",
                "a.b.c.internal",
            ] {
                dns = dns.name(trap, &[PUBLIC]);
            }
            let resolv_conf = format!("nameserver {address}\noptions timeout:5 attempts:1\n{completion}\n");
            let mut setup = Setup::locked().etc("resolv.conf", &resolv_conf);
            // They count for nothing either.
            setup = setup.env("LOCALDOMAIN", "internal").env("RES_OPTIONS", "ndots:3");
            if with_stub {
                setup = setup.resolver(&dns);
            }
            let proxy = setup.start();
            assert_eq!(proxy.ask(ask("db.internal")).status, 407, "{completion}");
            for host in ["db", "db.", "DB", "www.pub.test", "www.pub.test.", "a.b.c"] {
                let response = proxy.ask(ask(host));
                assert_eq!(response.status, 502, "{host}, {completion}: {}", response.text());
            }
            for host in ["pub.test", "pub.test."] {
                assert_eq!(proxy.ask(ask(host)).text(), "inside", "{host}, {completion}");
            }
            let asked = dns.questions();
            let expected = ["db", "www.pub.test", "a.b.c", "pub.test"];
            let others: Vec<_> = asked
                .iter()
                .filter(|name| !expected.contains(&name.as_str()))
                .collect();
            assert!(others.is_empty(), "{completion}: asked for {others:?}");
            assert!(
                expected
                    .iter()
                    .all(|name| asked.iter().any(|asked| asked == name))
            );
        }
    }
}

fn hosts_file_and_switch_hold_for_both_resolvers() {
    let origin = Origin::fixed("known");
    let hosts = format!("{PUBLIC} db Www.Known.Test. # a comment\n{PUBLIC_B} other.test\n127.0.0.1 inner\n");
    for (index, (switch, is_read)) in [
        ("hosts: files dns\n", true),
        ("passwd: files\n", true),
        ("hosts: dns\n", false),
    ]
    .into_iter()
    .enumerate()
    {
        for with_stub in [false, true] {
            let address = format!("127.2.{}.{}", u8::from(with_stub), index + 1);
            let dns = Dns::system(&address);
            let mut setup = Setup::open()
                .etc("hosts", &hosts)
                .etc("nsswitch.conf", switch)
                .etc("resolv.conf", &format!("nameserver {address}\nsearch internal\n"));
            if with_stub {
                setup = setup.resolver(&dns);
            }
            let proxy = setup.start();
            for host in ["db", "db.", "www.known.test", "WWW.known.test."] {
                let response = proxy.ask(get(&origin.url_at(host, "/")));
                let expected = if is_read { 200 } else { 502 };
                assert_eq!(
                    response.status,
                    expected,
                    "{host}, {switch:?}: {}",
                    response.text()
                );
            }
            assert_eq!(
                dns.questions().is_empty(),
                is_read,
                "{switch:?}: {:?}",
                dns.questions()
            );
            if is_read {
                assert_eq!(proxy.ask(connect("inner:443")).status, 407);
            }
            for host in ["localhost", "localhost.", "a.localhost"] {
                let response = proxy.ask(connect(&format!("{host}:443")));
                assert!(
                    response.text().contains("Deny: Not Global Unicast"),
                    "{}",
                    response.text()
                );
            }
        }
    }
}

/// systemd-resolved, asked by its own protocol, completes a single label with a dot behind it too.
fn single_labels_are_not_asked_where_resolved_would_complete_them() {
    let origin = Origin::fixed("found");
    let dns = Dns::system("127.3.0.1")
        .name("db", &[PUBLIC])
        .name("db.test", &[PUBLIC]);
    let proxy = Setup::open()
        .etc("nsswitch.conf", "hosts: files resolve dns\n")
        .etc("resolv.conf", "nameserver 127.3.0.1\n")
        .start();
    assert_eq!(proxy.ask(get(&origin.url_at("db", "/"))).status, 502);
    assert_eq!(dns.questions(), Vec::<String>::new());
    assert_eq!(proxy.ask(get(&origin.url_at("db.test", "/"))).text(), "found");
}

/// Also envoy PR#39283 and node#8436.
fn slow_names_of_one_client_leave_the_threads_to_the_others() {
    let dns = Dns::system("127.3.0.2");
    let resolv_conf = "nameserver 127.3.0.2\noptions timeout:30 attempts:1\n";
    slow_names(dns, Setup::open().etc("resolv.conf", resolv_conf));
}

fn slow_names_of_one_client_leave_the_sockets_to_the_others() {
    let dns = Dns::system("127.3.0.3");
    let setup = Setup::open().resolver(&dns);
    slow_names(dns, setup);
}

/// One client asks for many names that nobody answers, and goes away from half of them; then others ask.
fn slow_names(mut dns: Dns, setup: Setup) {
    let origin = Origin::fixed("quick");
    for n in 0..200 {
        dns = dns.answer(&format!("slow{n}.test"), Answer::Silence);
    }
    for n in 0..30 {
        dns = dns.name(&format!("quick{n}.test"), &[PUBLIC]);
    }
    let proxy = setup.option("--dns-timeout", "30s").start();
    let mut slow: Vec<Wire> = (0..200).map(|_| proxy.client()).collect();
    for (n, client) in slow.iter_mut().enumerate() {
        client.send(connect(&format!("slow{n}.test:443")));
    }
    let asked_for = |dns: &Dns| {
        dns.questions()
            .iter()
            .filter(|name| name.starts_with("slow"))
            .count()
    };
    crate::support::eventually("the slow questions", || (asked_for(&dns) >= 16).then_some(()));
    slow.drain(..8).for_each(Wire::reset);
    // Each a name of its own, one behind the other: all of them fit into a fraction of what one slow name takes.
    for n in 0..30 {
        let from = format!("127.9.0.{}", 1 + n % 3);
        let mut client = Wire::connect_from(&from, proxy.address());
        client.send(get(&origin.url_at(&format!("quick{n}.test"), "/")));
        assert_eq!(client.response().text(), "quick", "name {n}");
    }
}

/// What a name answers when one family comes at once and the other some time later.
fn one_late(late_v6: bool, v4: &[&str], v6: &[&str]) -> Answer {
    let late = |is_late, addresses: &[&str]| {
        let answer = Box::new(Answer::Addresses(parse(addresses)));
        match is_late {
            true => Box::new(Answer::Late(Duration::from_millis(200), answer)),
            false => answer,
        }
    };
    Answer::Families(late(!late_v6, v4), late(late_v6, v6))
}

/// Also happy-eyeballs#9: the family that answers at once is dead, and the other, which is alive, comes 200 ms later.
fn a_late_family_joins_the_race() {
    let (over_v4, over_v6) = (Origin::fixed("v4"), Origin::fixed_at(PUBLIC_6, "v6"));
    for (origin, late_v6, expected) in [(&over_v6, true, "v6"), (&over_v4, false, "v4")] {
        // Nobody listens at the other family's address and this port.
        let dns = Dns::start()
            .answer("refused.test", one_late(late_v6, &[PUBLIC], &[PUBLIC_6]))
            .answer(
                "many.test",
                one_late(late_v6, &[PUBLIC, PUBLIC_B], &[PUBLIC_6, "2a00:1111:2222::9"]),
            );
        let proxy = Setup::open().resolver(&dns).start();
        for name in ["refused.test", "many.test"] {
            assert_eq!(
                proxy.ask(get(&origin.url_at(name, "/"))).text(),
                expected,
                "{name}"
            );
            proxy.tunnel(&format!("{name}:{}", origin.address().port()));
        }
    }
    // A silent one does not end, so the other is dialled beside it.
    let _silent = Deaf::at_port(PUBLIC, over_v6.address().port());
    let dns = Dns::start().answer("silent.test", one_late(true, &[PUBLIC], &[PUBLIC_6]));
    let proxy = Setup::open().resolver(&dns).start();
    assert_eq!(proxy.ask(get(&over_v6.url_at("silent.test", "/"))).text(), "v6");
}

fn a_late_family_is_waited_for_where_the_first_is_denied() {
    let (over_v4, over_v6) = (Origin::fixed("v4"), Origin::fixed_at(PUBLIC_6, "v6"));
    let dns = Dns::start()
        .answer("six.test", one_late(true, &["10.0.0.1"], &[PUBLIC_6]))
        .answer("four.test", one_late(false, &[PUBLIC], &["fd00::1"]))
        .answer("none.test", one_late(false, &["10.0.0.1"], &["fd00::1"]))
        .answer("gone.test", one_late(false, &[], &["fd00::1"]));
    let proxy = Setup::open().resolver(&dns).start();
    assert_eq!(proxy.ask(get(&over_v6.url_at("six.test", "/"))).text(), "v6");
    assert_eq!(proxy.ask(get(&over_v4.url_at("four.test", "/"))).text(), "v4");
    for name in ["none.test", "gone.test"] {
        let response = proxy.ask(connect(&format!("{name}:443")));
        assert_eq!(response.status, 407, "{name}");
        assert!(
            response.text().contains("Deny: Private Range"),
            "{}",
            response.text()
        );
    }
}

/// Also golang/go#57694.
fn a_dead_first_server_costs_less_than_the_limit() {
    let origin = Origin::fixed("in");
    let second = Dns::start().name("a.test", &[PUBLIC]);
    let refusing = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    // It refuses all but one peer, and no other case gets the port meanwhile.
    refusing.connect("127.0.0.1:9").expect("a peer");
    let refused = refusing.local_addr().expect("its address");
    let silent = Dns::start().answer("a.test", Answer::Silence);
    let failing = Dns::start().answer("a.test", Answer::Failure);
    for first in [silent.authority(), failing.authority(), refused.to_string()] {
        let setup = Setup::open().option("--resolver-address", first);
        let proxy = setup.resolver(&second).option("--dns-timeout", "120s").start();
        let start = std::time::Instant::now();
        assert_eq!(proxy.ask(get(&origin.url_at("a.test", "/"))).text(), "in");
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    }
}

/// Also golang/go#57694. glibc gives a server five seconds: a limit of that length would end the lookup as the second
/// server is asked.
fn a_dead_first_server_of_the_system_is_outwaited() {
    let origin = Origin::fixed("in");
    let silent = Dns::system("127.3.0.4").answer("a.test", Answer::Silence);
    let failing = Dns::system("127.3.0.6").answer("a.test", Answer::Failure);
    let second = Dns::system("127.3.0.5").name("a.test", &[PUBLIC]);
    // Nobody listens at the last one.
    for first in ["127.3.0.4", "127.3.0.6", "127.3.0.7"] {
        let resolv_conf = format!("nameserver {first}\nnameserver 127.3.0.5\n");
        let proxy = Setup::open().etc("resolv.conf", &resolv_conf).start();
        let before = second.asked("a.test");
        assert_eq!(
            proxy.ask(get(&origin.url_at("a.test", "/"))).text(),
            "in",
            "{first}"
        );
        assert!(second.asked("a.test") > before, "{first}");
    }
    assert!(silent.asked("a.test") > 0 && failing.asked("a.test") > 0);
}
