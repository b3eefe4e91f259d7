//! Who is asked about a name, and that it is that name: the system's resolver as it is configured, and our own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::case::cases;
use crate::support::dns::{Answer, Dns};
use crate::support::message::{connect, get, request};
use crate::support::origin::Origin;
use crate::support::proxy::{PASSWORD, Setup};
use crate::support::wire::Wire;
use crate::support::{PUBLIC, PUBLIC_B};

cases![
    the_search_list_completes_no_name,
    hosts_file_and_switch_hold_for_both_resolvers,
    single_labels_are_not_asked_where_resolved_would_complete_them,
    slow_names_of_one_client_leave_the_threads_to_the_others,
    slow_names_of_one_client_leave_the_sockets_to_the_others,
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
