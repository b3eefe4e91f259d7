//! Private exceptions of the ACL, ports, and NAT64, as clients meet them: who gets into the private network where, through
//! shared lookups, kept connections and reloads.

use std::sync::Arc;

use rustix::process::Signal as Sig;

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::dns::{Answer, Dns, parse};
use crate::support::eventually;
use crate::support::message::{get, request};
use crate::support::origin::{Origin, Signal};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::{PRIVATE, PUBLIC, PUBLIC_6};

cases![
    an_exception_is_for_one_role_host_and_port,
    lookups_are_shared_and_verdicts_are_not,
    of_mixed_answers_each_role_gets_what_it_may_have,
    kept_connections_are_found_by_who_may_have_them_and_not_after_a_reload,
    a_reload_counts_from_the_next_request_on,
    the_proxy_is_not_reached_by_an_exception_nor_what_is_denied,
    a_failed_dial_says_what_let_it_in,
    ports_deny_without_a_lookup_and_say_which_entry_has_others,
    bad_ports_and_exceptions_stop_a_start_and_a_reload_keeps_the_old,
    behind_a_nat64_the_ipv4_address_is_judged,
    the_acl_of_the_readme_does_what_it_says,
];

/// `authed` may reach db.test in the private network at this port; everybody may reach any host that is public.
fn acl(port: u16) -> String {
    format!(
        "version: v1\nservices:\n- name: authed\n  action: open\n  allowed_domains: ['db.test:{port}', gone.test]\n  \
         allow_private:\n  - cidr: 10.1.0.0/16\n    ports: [{port}]\ndefault:\n  action: open\n  allowed_domains: \
         [db.test]\n"
    )
}

/// Clients with the password are `authed`, those without have no role.
fn start(setup: Setup, dns: &Dns, acl: &str) -> Proxy {
    setup.arg("--allow-missing-role").resolver(dns).acl(acl).start()
}

fn dns() -> Dns {
    Dns::start()
        .name("db.test", &[PRIVATE])
        .name("other.test", &[PRIVATE])
}

fn authed() -> String {
    basic("u", PASSWORD) + "\r\n"
}

/// Status and code of a plain request.
#[track_caller]
fn ask(proxy: &Proxy, url: &str, lines: &str) -> (u16, String) {
    let response = proxy.ask(request("GET", url, lines));
    let code = response.fields.get("X-Smokescreen-Code").unwrap_or_default();
    (response.status, code)
}

fn denied(code: &str) -> (u16, String) {
    (407, code.to_owned())
}

fn ok() -> (u16, String) {
    (200, String::new())
}

fn an_exception_is_for_one_role_host_and_port() {
    let (origin, elsewhere) = (Origin::fixed_at(PRIVATE, "in"), Origin::fixed_at(PRIVATE, "in"));
    let dns = dns();
    let port = origin.address().port();
    let proxy = start(Setup::locked(), &dns, &acl(port));
    assert_eq!(ask(&proxy, &origin.url_at("db.test", "/"), &authed()), ok());
    let line = proxy.decision();
    assert_eq!(line.get("private_exception"), "10.1.0.0/16");
    assert_eq!(line.get("outbound_remote_addr"), format!("{PRIVATE}:{port}"));
    assert_eq!((line.get("role"), line.get("level")), ("authed", "info"));
    let tunnel = proxy.ask(request("CONNECT", &format!("DB.test.:{port}"), &authed()));
    assert_eq!(tunnel.status, 200);
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
    assert_eq!(lines[1].get("private_exception"), "10.1.0.0/16");
    for (url, lines) in [
        (origin.url_at("db.test", "/"), String::new()),
        (origin.url_at("other.test", "/"), authed()),
        (origin.url("/"), authed()),
        (elsewhere.url_at("db.test", "/"), authed()),
    ] {
        assert_eq!(
            ask(&proxy, &url, &lines),
            denied("private-range"),
            "{url} {lines}"
        );
    }
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 6);
    assert!(
        lines[2..]
            .iter()
            .all(|line| line.find("private_exception").is_none())
    );
    let (port, hint) = (elsewhere.address().port(), lines[5].get("hint"));
    assert!(
        hint.starts_with(&format!("port {port} in allow_private 10.1.0.0/16 at ")),
        "{hint}"
    );
    assert!(
        hint.ends_with(&format!(", and db.test:{port} in allowed_domains")),
        "{hint}"
    );
    assert_eq!((origin.accepted(), elsewhere.accepted()), (2, 0));
}

fn lookups_are_shared_and_verdicts_are_not() {
    let origin = Origin::fixed_at(PRIVATE, "in");
    let dns = dns();
    let setup = Setup::locked().option("--dns-cache-ttl", "1h");
    let proxy = start(setup, &dns, &acl(origin.address().port()));
    let url = origin.url_at("db.test", "/");
    for _ in 0..2 {
        assert_eq!(ask(&proxy, &url, &authed()), ok());
        assert_eq!(ask(&proxy, &url, ""), denied("private-range"));
    }
    assert_eq!(origin.requests().len(), 2);
}

fn of_mixed_answers_each_role_gets_what_it_may_have() {
    let origin = Origin::fixed_at("0.0.0.0", "in");
    let dns = Dns::start().name("db.test", &["127.9.9.9", PRIVATE, PUBLIC]);
    let port = origin.address().port();
    let proxy = start(Setup::locked(), &dns, &acl(port));
    let url = format!("http://db.test:{port}/");
    assert_eq!(ask(&proxy, &url, ""), ok());
    assert_eq!(ask(&proxy, &url, &authed()), ok());
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
    assert_eq!(lines[0].get("outbound_remote_addr"), format!("{PUBLIC}:{port}"));
    assert_eq!(lines[0].find("private_exception"), None);
    // Its order is the answer's; loopback is no exception of anybody.
    assert_eq!(lines[1].get("outbound_remote_addr"), format!("{PRIVATE}:{port}"));
    assert_eq!(lines[1].get("private_exception"), "10.1.0.0/16");
}

fn kept_connections_are_found_by_who_may_have_them_and_not_after_a_reload() {
    let origin = Origin::fixed_at(PRIVATE, "in");
    let dns = dns();
    let port = origin.address().port();
    let setup = Setup::locked();
    let path = setup.file("acl.yaml", "");
    let proxy = start(setup, &dns, &acl(port));
    let url = origin.url_at("db.test", "/");
    assert_eq!(ask(&proxy, &url, &authed()), ok());
    assert_eq!(ask(&proxy, &url, &authed()), ok());
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 2);
    assert_eq!(
        origin.accepted(),
        1,
        "the second request took the connection of the first"
    );
    assert_eq!(
        lines[1].get("private_exception"),
        "10.1.0.0/16",
        "and is told of all the same"
    );
    assert_eq!(ask(&proxy, &url, ""), denied("private-range"));
    let without = acl(port).replace(
        "  allow_private:\n  - cidr: 10.1.0.0/16\n",
        "  allow_private:\n  - cidr: 10.2.0.0/16\n",
    );
    std::fs::write(path, without).unwrap();
    reload(&proxy, 1);
    assert_eq!(ask(&proxy, &url, &authed()), denied("private-range"));
    assert_eq!((origin.accepted(), origin.requests().len()), (1, 2));
    assert!(
        said(&proxy, "allow_private 10.2.0.0/16"),
        "what opens something is told: {:#?}",
        proxy.log()
    );
}

/// Waits until so many reloads were said to be done.
fn reload(proxy: &Proxy, count: usize) {
    proxy.signal(Sig::HUP);
    eventually("a reload", || {
        let log = proxy.log();
        let done = log
            .iter()
            .filter(|line| line.contains("The egress ACL was reloaded"));
        (done.count() == count).then_some(())
    });
}

fn said(proxy: &Proxy, text: &str) -> bool {
    eventually(text, || {
        proxy.log().iter().any(|line| line.contains(text)).then_some(true)
    })
}

/// What was decided is decided: host and exception together, for a request whose lookup takes longer than the reload.
fn a_reload_counts_from_the_next_request_on() {
    let origin = Origin::fixed_at(PRIVATE, "in");
    let go = Arc::new(Signal::new());
    let waits = go.clone();
    let dns = Dns::start().script("db.test", move |_| {
        assert!(waits.wait());
        Answer::Addresses(parse(&[PRIVATE]))
    });
    let port = origin.address().port();
    let setup = Setup::locked()
        .option("--dns-cache-ttl", "0")
        .option("--dns-timeout", "60s");
    let path = setup.file("acl.yaml", "");
    let proxy = start(setup, &dns, &acl(port));
    let url = origin.url_at("db.test", "/");
    let mut before = proxy.client();
    before.send(request("GET", &url, &authed()));
    eventually("the question", || (dns.asked("db.test") > 0).then_some(()));
    std::fs::write(
        path,
        "version: v1\nservices: []\ndefault: {action: open, allowed_domains: [db.test]}\n",
    )
    .unwrap();
    reload(&proxy, 1);
    let mut after = proxy.client();
    after.send(request("GET", &url, &authed()));
    go.raise();
    assert_eq!(before.response().status, 200);
    assert_eq!(
        after.response().fields.get("X-Smokescreen-Code").as_deref(),
        Some("private-range")
    );
    assert_eq!(origin.accepted(), 1);
}

fn the_proxy_is_not_reached_by_an_exception_nor_what_is_denied() {
    let origin = Origin::fixed_at("127.0.0.1", "in");
    let dns = Dns::start()
        .name("self.test", &["127.0.0.1"])
        .name("db.test", &["127.0.0.1"]);
    let acl = "version: v1\nservices:\n- name: authed\n  action: enforce\n  allowed_domains: [self.test, db.test, 127.0.0.1]\n  \
               allow_private: [{cidr: 127.0.0.0/8}, {cidr: 10.0.0.0/8}]\n";
    let proxy = start(Setup::locked(), &dns, acl);
    assert_eq!(ask(&proxy, &origin.url_at("db.test", "/"), &authed()), ok());
    assert_eq!(ask(&proxy, &origin.url("/"), &authed()), ok());
    let own = proxy.address().port();
    for host in ["self.test", "127.0.0.1"] {
        let url = format!("http://{host}:{own}/");
        assert_eq!(ask(&proxy, &url, &authed()), denied("self-connection"), "{host}");
    }
    let denying = Setup::locked()
        .option("--deny-range", "127.0.0.0/16")
        .option("--deny-address", PRIVATE);
    let proxy = start(denying, &dns, acl);
    assert_eq!(
        ask(&proxy, &origin.url_at("db.test", "/"), &authed()),
        denied("not-global-unicast")
    );
    assert!(!proxy.log().iter().any(|line| line.contains("never takes effect")));
    assert_eq!(origin.requests().len(), 2);
}

fn a_failed_dial_says_what_let_it_in() {
    let dns = Dns::start().name("gone.test", &[PRIVATE]);
    // Nobody listens there.
    let free = Origin::fixed_at(PRIVATE, "gone");
    let port = free.address().port();
    drop(free);
    let proxy = start(Setup::locked(), &dns, &acl(port));
    let (status, code) = ask(&proxy, &format!("http://gone.test:{port}/"), &authed());
    assert_eq!((status, code.as_str()), (502, "connect-failed"));
    assert_eq!(proxy.decision().get("private_exception"), "10.1.0.0/16");
}

fn ports_deny_without_a_lookup_and_say_which_entry_has_others() {
    let (git, web) = (Origin::fixed("git"), Origin::fixed("web"));
    let dns = Dns::start()
        .name("git.test", &[PUBLIC])
        .name("x.web.test", &[PUBLIC]);
    let (git_port, web_port) = (git.address().port(), web.address().port());
    let acl = format!(
        "version: v1\nservices:\n- name: authed\n  action: enforce\n  default_ports: [{web_port}]\n  allowed_domains:\n  \
         - git.test:{git_port}\n  - '*.web.test'\n"
    );
    let proxy = start(Setup::locked(), &dns, &acl);
    assert_eq!(ask(&proxy, &git.url_at("git.test", "/"), &authed()), ok());
    assert_eq!(ask(&proxy, &web.url_at("x.web.test", "/"), &authed()), ok());
    let before = dns.questions().len();
    assert_eq!(
        ask(&proxy, &web.url_at("git.test", "/"), &authed()),
        denied("not-in-allowed-domains")
    );
    assert_eq!(
        ask(&proxy, &git.url_at("x.web.test", "/"), &authed()),
        denied("not-in-allowed-domains")
    );
    assert_eq!(dns.questions().len(), before);
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 4);
    for (line, entry) in [
        (&lines[2], format!("'git.test:{git_port}'")),
        (&lines[3], format!("is for default_ports, {web_port}")),
    ] {
        assert!(
            line.get("hint").contains(&entry),
            "{entry} is not in {}",
            line.get("hint")
        );
        assert!(line.get("rule").ends_with("acl.yaml:3"));
    }
}

fn bad_ports_and_exceptions_stop_a_start_and_a_reload_keeps_the_old() {
    let origin = Origin::fixed_at(PRIVATE, "in");
    let dns = dns();
    let good = acl(origin.address().port());
    let service =
        |keys: &str| format!("version: v1\nservices:\n- name: authed\n  action: enforce\n  {keys}\n");
    let setup = Setup::locked();
    let path = setup.file("acl.yaml", "");
    let proxy = start(setup, &dns, &good);
    for (keys, place, words) in [
        (
            "allowed_domains: ['a.test:0']",
            "line 5, column 21",
            "accepted are ports from 1 to 65535",
        ),
        (
            "allowed_domains: ['a.test:9-8']",
            "line 5, column 21",
            "write '8-9'",
        ),
        (
            "default_ports: []",
            "line 5, column 18",
            "the list of ports is empty",
        ),
        (
            "allow_private: [{cidr: 10.0.0.0}, {cidr: 10.0.0.0/32}]",
            "line 5, column 44",
            "a second entry",
        ),
        (
            "allow_private: [{cidr: '::ffff:10.0.0.0/104'}]",
            "line 5, column 26",
            "write '10.0.0.0/8'",
        ),
        (
            "allow_privat: []",
            "line 5, column 3",
            "did you mean `allow_private`?",
        ),
    ] {
        let text = service(keys);
        let refused = Setup::locked().acl(&text).run();
        let said = &refused.stderr;
        assert_eq!(refused.code, Some(2), "{said}");
        assert!(
            said.lines().count() == 1 && said.contains(place) && said.contains(words),
            "{keys}: {said}"
        );
        std::fs::write(&path, &text).unwrap();
        proxy.signal(Sig::HUP);
        self::said(&proxy, words);
        assert_eq!(ask(&proxy, &origin.url_at("db.test", "/"), &authed()), ok());
    }
}

fn behind_a_nat64_the_ipv4_address_is_judged() {
    // Not assigned to anything: only the verdict is asked for, and what is let out finds no way.
    let dns = Dns::start()
        .name("far.test", &["64:ff9b::44.1.2.3"])
        .name("near.test", &["64:ff9b::10.1.2.3"]);
    let setup = Setup::open()
        .option("--nat64-prefix", "64:ff9b::/96")
        .option("--nat64-prefix", "2a00:1111::/32")
        .option("--timeout", "1s");
    let proxy = setup.resolver(&dns).start();
    for (host, code) in [
        ("near.test", "private-range"),
        ("[64:ff9b::10.1.2.3]", "private-range"),
        ("[64:ff9b::7f00:1]", "not-global-unicast"),
        ("[64:ff9b::169.254.169.254]", "not-global-unicast"),
        ("[2a00:1111:a01:203::]", "private-range"),
        ("[2a00:1111:2c01:203:100::]", "ipv6-embedding"),
    ] {
        let response = proxy.ask(get(&format!("http://{host}:8080/")));
        assert_eq!(
            (
                response.status,
                response.fields.get("X-Smokescreen-Code").as_deref()
            ),
            (407, Some(code)),
            "{host}"
        );
    }
    for host in ["far.test", "[64:ff9b::44.1.2.3]"] {
        let response = proxy.ask(get(&format!("http://{host}:8080/")));
        assert!(
            [502, 504].contains(&response.status),
            "{host}: {}",
            response.text()
        );
        assert!(
            response.text().contains("64:ff9b::2c01:203"),
            "named as it is dialled: {}",
            response.text()
        );
    }
    // An address that is there: it carries 34.34.0.0, and is dialled as it is.
    let origin = Origin::fixed_at(PUBLIC_6, "in");
    let prefix = Setup::open().option("--nat64-prefix", "2a00:1111::/32").start();
    let response = prefix.ask(get(&origin.url("/")));
    assert_eq!((response.status, response.text().as_str()), (200, "in"));
    let remote = format!("[{PUBLIC_6}]:{}", origin.address().port());
    assert_eq!(prefix.decision().get("outbound_remote_addr"), remote);
    let denying = Setup::open()
        .option("--nat64-prefix", "2a00:1111::/32")
        .option("--deny-range", "34.34.0.0/16")
        .start();
    let response = denying.ask(get(&origin.url("/")));
    assert_eq!(
        response.fields.get("X-Smokescreen-Code").as_deref(),
        Some("user-configured")
    );
}

/// The first ACL of README.md, as it stands there.
fn the_acl_of_the_readme_does_what_it_says() {
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md");
    let (_, acl) = readme.split_once("```yaml\n").expect("an ACL");
    let (acl, _) = acl.split_once("```").expect("its end");
    let dns = Dns::start()
        .name("api.example.com", &[PRIVATE])
        .name("db.example.com", &[PRIVATE, PUBLIC])
        .name("git.example.com", &[PRIVATE]);
    let proxy = start(Setup::locked(), &dns, acl);
    let refused = |authority: &str, lines: &str| {
        let response = proxy.ask(request("CONNECT", authority, lines));
        (
            response.status,
            response.fields.get("X-Smokescreen-Code").unwrap_or_default(),
        )
    };
    // Let in, where nobody listens.
    let failed = (502, "connect-failed".to_owned());
    for (authority, expected) in [
        ("api.example.com:443", &denied("private-range")),
        // Whatever the list has, at the exception's port.
        ("api.example.com:5432", &failed),
        ("db.example.com:443", &failed),
        ("git.example.com:443", &denied("private-range")),
    ] {
        assert_eq!(&refused(authority, &authed()), expected, "{authority}");
    }
    assert_eq!(refused("db.example.com:5432", &authed()), failed);
    assert_eq!(refused("db.example.com:5432", ""), denied("default-rule"));
    assert_eq!(refused("x.internal:5432", &authed()), denied("global-deny-list"));
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 7);
    let by_exception = lines
        .iter()
        .filter(|line| line.find("private_exception").is_some());
    assert_eq!(by_exception.count(), 2);
    assert_eq!(lines[4].get("private_exception"), "10.1.2.0/24");
    assert_eq!(
        lines[2].find("private_exception"),
        None,
        "it was let out to the public address"
    );
}
