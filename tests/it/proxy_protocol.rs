//! A balancer before the proxy: whose connections it says they are, and who may say so.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::eventually;
use crate::support::log_line::LogLine;
use crate::support::message::{connect, get, request};
use crate::support::origin::Origin;
use crate::support::program::{self, Running};
use crate::support::proxy::{PASSWORD, Proxy, Setup};
use crate::support::wire::{End, Wire};

cases![
    the_header_names_the_client_in_every_line,
    a_header_in_single_bytes_is_one,
    each_connection_has_a_header_and_not_each_request,
    who_names_nobody_keeps_the_address,
    addresses_of_the_header_are_no_destinations,
    what_is_not_listed_is_closed_before_a_byte_is_read,
    without_a_list_anybody_is_a_balancer_and_that_is_a_warning,
    what_has_no_header_is_answered_or_closed_with_one_line,
    lines_about_missing_headers_are_bounded,
    strangers_count_for_the_address_that_the_header_names,
    curl_sends_the_header,
    haproxy_sends_lines,
    haproxy_sends_binary_headers,
];

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 1 that names this client.
fn line(client: &str) -> Vec<u8> {
    let client: SocketAddr = client.parse().expect("an address");
    let (family, own) = if client.is_ipv4() {
        ("TCP4", "192.0.2.99")
    } else {
        ("TCP6", "2001:db8::99")
    };
    format!("PROXY {family} {} {own} {} 4750\r\n", client.ip(), client.port()).into_bytes()
}

/// One of version 2, with something behind the addresses.
fn binary(client: &str) -> Vec<u8> {
    let (bytes, family) = match client.parse().expect("an address") {
        SocketAddr::V4(client) => ([&client.ip().octets()[..], &[7; 4]].concat(), 0x11),
        SocketAddr::V6(client) => ([&client.ip().octets()[..], &[7; 16]].concat(), 0x21),
    };
    let port = client
        .parse::<SocketAddr>()
        .expect("an address")
        .port()
        .to_be_bytes();
    let rest = [&bytes[..], &port, &[0x12, 0x8e], &[0x04, 0, 2, 0, 0]].concat();
    let length = u8::try_from(rest.len()).expect("short");
    [SIGNATURE, &[0x21, family, 0, length], &rest].concat()
}

/// Behind a balancer on the loopback.
fn balanced(setup: Setup) -> Setup {
    setup
        .arg("--proxy-protocol")
        .option("--proxy-protocol-from", "127.0.0.0/8")
}

/// A client of whom the balancer says this.
fn announced(proxy: &Proxy, header: &[u8]) -> Wire {
    let mut client = proxy.client();
    client.send(header);
    client
}

#[track_caller]
fn assert_names(line: &LogLine, client: &str) {
    let (ip, port) = client.rsplit_once(':').expect("a port");
    assert_eq!(line.get("inbound_remote_addr"), client);
    assert_eq!(line.find("source_addr").unwrap_or(client), client);
    assert_eq!(line.find("src_host").unwrap_or(ip), ip.trim_matches(['[', ']']));
    assert_eq!(line.find("src_port").unwrap_or(port), port);
}

fn the_header_names_the_client_in_every_line() {
    let origin = Origin::echo();
    for (header, client) in [
        (line("203.0.113.7:1234"), "203.0.113.7:1234"),
        (line("[2001:db8::7]:1234"), "[2001:db8::7]:1234"),
        (line("[::ffff:203.0.113.7]:1234"), "203.0.113.7:1234"),
        (binary("203.0.113.7:1234"), "203.0.113.7:1234"),
        (binary("[2001:db8::7]:1234"), "[2001:db8::7]:1234"),
        (binary("[::ffff:203.0.113.7]:1234"), "203.0.113.7:1234"),
    ] {
        let proxy = balanced(Setup::open()).start();
        let mut tunnel = announced(
            &proxy,
            &[header, connect(&origin.authority()).into_bytes()].concat(),
        );
        assert_eq!(tunnel.response_to("CONNECT").status, 200);
        tunnel.send("ping");
        tunnel.expect(b"ping");
        drop(tunnel);
        assert_names(&proxy.decision(), client);
        assert_names(&proxy.close_line(), client);
    }
    let proxy = balanced(Setup::locked()).start();
    let header = line("203.0.113.7:1234");
    let mut stranger = announced(&proxy, &[header, get("http://x.test/").into_bytes()].concat());
    assert_eq!(stranger.response().status, 407);
    assert_names(&proxy.decision(), "203.0.113.7:1234");
    assert_names(
        &proxy.await_lines("Unable to get role for request", 1)[0],
        "203.0.113.7:1234",
    );
}

fn a_header_in_single_bytes_is_one() {
    let (proxy, origin) = (balanced(Setup::open()).start(), Origin::fixed("ok"));
    for header in [line("203.0.113.7:1"), binary("203.0.113.7:1")] {
        let mut client = proxy.client();
        for byte in [header, get(&origin.url("/")).into_bytes()].concat() {
            client.send([byte]);
        }
        assert_eq!(client.response().status, 200);
    }
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 2) {
        assert_names(&line, "203.0.113.7:1");
    }
}

fn each_connection_has_a_header_and_not_each_request() {
    let (proxy, origin) = (balanced(Setup::open()).start(), Origin::fixed("ok"));
    let mut client = announced(&proxy, &line("203.0.113.7:1"));
    for _ in 0..3 {
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 200);
    }
    client.send(line("203.0.113.8:1"));
    assert_eq!(client.response().status, 400, "a request that is none");
    for line in proxy.await_lines("CANONICAL-PROXY-DECISION", 4) {
        assert_names(&line, "203.0.113.7:1");
    }
}

fn who_names_nobody_keeps_the_address() {
    let (proxy, origin) = (balanced(Setup::open()).start(), Origin::fixed("ok"));
    let local = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    let headers = [b"PROXY UNKNOWN\r\n".to_vec(), local.clone()];
    for (nth, header) in headers.iter().enumerate() {
        let mut client = announced(&proxy, header);
        let own = client.stream().local_addr().expect("its address").to_string();
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 200);
        assert_names(&proxy.await_lines("CANONICAL-PROXY-DECISION", nth + 1)[nth], &own);
    }
    // A check of health that says no more.
    let mut check = announced(&proxy, &local);
    check.half_close();
    assert_eq!(check.drain(), (Vec::new(), End::Eof));
    // Lines come in order: there is none of its between these.
    let mut last = announced(&proxy, &local);
    last.send(get(&origin.url("/")));
    assert_eq!(last.response().status, 200);
    assert_eq!(proxy.await_lines("CANONICAL-PROXY-DECISION", 3).len(), 3);
}

/// Not even its own address, said to be the client's, opens the proxy to itself or anything else.
fn addresses_of_the_header_are_no_destinations() {
    let proxy = balanced(Setup::open()).start();
    let own = proxy.address().to_string();
    for authority in [own.as_str(), "10.1.2.3:80"] {
        let mut client = announced(&proxy, &line(&own));
        client.send(connect(authority));
        assert_eq!(client.response_to("CONNECT").status, 407);
    }
}

fn what_is_not_listed_is_closed_before_a_byte_is_read() {
    let origin = Origin::fixed("ok");
    let proxy = Setup::open()
        .arg("--proxy-protocol")
        .option("--proxy-protocol-from", "127.0.0.9/32")
        .option("--proxy-protocol-from", "10.0.0.0/8")
        .start();
    let mut other = proxy.client();
    let from = other.stream().local_addr().expect("its address");
    let (said, end) = other.drain();
    assert_eq!((said.len(), end), (0, End::Eof), "nothing was sent yet");
    let closed = format!("Closed a connection from {from}: the address is not in --proxy-protocol-from");
    let lines = proxy.await_lines(&closed, 1);
    assert_eq!(lines[0].get("level"), "warning");
    let mut listed = Wire::connect_from("127.0.0.9", proxy.address());
    listed.send([line("203.0.113.7:1"), get(&origin.url("/")).into_bytes()].concat());
    assert_eq!(listed.response().status, 200);
    assert_names(&proxy.decision(), "203.0.113.7:1");
    assert!(!proxy.log().iter().any(|line| line.contains("may claim")));
}

fn without_a_list_anybody_is_a_balancer_and_that_is_a_warning() {
    let (proxy, origin) = (Setup::open().arg("--proxy-protocol").start(), Origin::fixed("ok"));
    let mut client = announced(&proxy, &line("203.0.113.7:1"));
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().status, 200);
    let warned =
        |line: &String| line.contains("level=warning") && line.contains("without --proxy-protocol-from");
    eventually("the warning", || proxy.log().iter().any(warned).then_some(()));
}

fn what_has_no_header_is_answered_or_closed_with_one_line() {
    let proxy = balanced(Setup::locked()).start();
    let response = proxy.ask(request("GET", "http://x.test/", &(basic("u", PASSWORD) + "\r\n")));
    assert_eq!(response.status, 400);
    assert!(
        response.closes() && response.text().contains("--proxy-protocol"),
        "{}",
        response.text()
    );
    let begins: [&[u8]; 5] = [
        b"PROXY TCP4 203.0.113.7 192.0.2.99 01234 4750\r\n",
        b"PROXY TCP4  203.0.113.7 192.0.2.99 1234 4750\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x41\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ];
    for begin in begins {
        let (said, _) = announced(&proxy, begin).drain();
        assert!(said.is_empty(), "{}", said.escape_ascii());
    }
    let lines = proxy.await_lines("CANONICAL-PROXY-DECISION", 6);
    for line in &lines {
        assert_eq!(
            (line.get("level"), line.get("code"), line.get("allow")),
            ("warning", "malformed-request", "false")
        );
        let reason = line.get("decision_reason");
        assert!(
            reason.starts_with("PROXY protocol header expected (--proxy-protocol): "),
            "{reason}"
        );
        assert!(line.get("inbound_remote_addr").starts_with("127.0.0.1:"));
    }
    assert_eq!(lines.len(), 6);
    // Within the header time runs as for a head.
    let hasty = balanced(Setup::open())
        .option("--read-header-timeout", "1s")
        .start();
    let mut slow = announced(&hasty, b"PROXY TCP4 203.0");
    assert_eq!(slow.drain(), (Vec::new(), End::Eof));
    let late = hasty.decision();
    assert!(
        late.get("decision_reason")
            .ends_with("it did not arrive in time."),
        "{late:?}"
    );
}

fn lines_about_missing_headers_are_bounded() {
    let proxy = balanced(Setup::open()).start();
    let began = std::time::Instant::now();
    // Many at a time, for by turns a busy machine has fewer a second than may be told of.
    for _ in 0..20 {
        let mut clients: Vec<Wire> = (0..100).map(|_| proxy.client()).collect();
        for client in &mut clients {
            let _ = client.try_send(b"\0");
        }
        clients.into_iter().for_each(|mut client| drop(client.drain()));
    }
    let seconds = began.elapsed().as_secs() + 1;
    let said = &proxy.await_lines("lines about strangers left out", 1)[0];
    let left_out: u64 = said.get("count").parse().expect("a number");
    let written = proxy
        .log()
        .iter()
        .filter(|line| line.contains("malformed-request"))
        .count() as u64;
    assert!(
        (1_000..=1_001 + 100 * seconds).contains(&written),
        "{written} lines in {seconds} s"
    );
    assert!(left_out <= 2_000 - 1_000, "{left_out}");
}

/// As they would without a balancer: the address that has most loses one.
fn strangers_count_for_the_address_that_the_header_names() {
    let known = |url: &str| request("GET", url, &(basic("u", PASSWORD) + "\r\n"));
    let proxy = balanced(Setup::locked())
        .option("--max-connections", "10")
        .start();
    let origin = Origin::fixed("ok");
    // The header comes after the connection was counted for the balancer.
    let mut few: Vec<Wire> = (0..2).map(|_| proxy.client()).collect();
    for (nth, client) in few.iter_mut().enumerate() {
        client.send("PROXY ");
        client.send(format!("TCP4 203.0.113.7 192.0.2.99 {nth} 4750\r\nGET http"));
    }
    let mut many = Vec::new();
    for nth in 0..60 {
        let mut stranger = proxy.client();
        let _ = stranger.try_send([line(&format!("203.0.113.8:{nth}")), b"GET http".to_vec()].concat());
        many.push(stranger);
    }
    let mut newcomer = announced(&proxy, &line("203.0.113.9:1"));
    newcomer.send(known(&origin.url("/")));
    assert_eq!(newcomer.response().status, 200);
    let (_, rest) = known(&origin.url("/"))
        .split_once("http")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("a URL");
    for client in &mut few {
        client.send(&rest);
        assert_eq!(client.response().status, 200, "they came first and are two");
    }
}

fn curl_sends_the_header() -> Result<(), String> {
    let curl = program::find("curl")?;
    let (proxy, origin) = (balanced(Setup::open()).start(), Origin::fixed("over curl"));
    let through = format!("http://{}", proxy.address());
    let mut command = Command::new(curl);
    command.args([
        "-sS",
        "--max-time",
        "50",
        "--haproxy-protocol",
        "-x",
        &through,
        &origin.url("/"),
    ]);
    let finished = program::run(command.env_clear());
    assert_eq!(
        (finished.code, finished.text().as_str()),
        (Some(0), "over curl"),
        "{finished:?}"
    );
    let line = proxy.decision();
    assert_eq!(line.get("allow"), "true");
    assert!(
        line.get("inbound_remote_addr").starts_with("127.0.0.1:"),
        "{line:?}"
    );
    Ok(())
}

/// HAProxy before a proxy, which it asks for its health all the time; and where it listens.
fn haproxy(proxy: &Proxy, sends: &str) -> Result<(Running, tempfile::TempDir, SocketAddr), String> {
    let program = program::find("haproxy")?;
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = reserved.local_addr().expect("its address");
    drop(reserved);
    let configuration = format!(
        "defaults\n  mode tcp\n  timeout connect 50s\n  timeout client 50s\n  timeout server 50s\n\
         listen balancer\n  bind {address}\n  option httpchk\n  http-check send meth OPTIONS uri /\n  \
         http-check expect status 400\n  server one {} {sends} check inter 100ms fall 1 rise 1\n",
        proxy.address()
    );
    let (running, folder) = program::haproxy(&program, &configuration);
    Ok((running, folder, address))
}

/// Its checks of health are answered, under its own address, and its clients keep theirs.
fn behind_haproxy(sends: &str) -> Result<(), String> {
    let (proxy, origin) = (balanced(Setup::open()).start(), Origin::fixed("over haproxy"));
    let (_running, _folder, address) = haproxy(&proxy, sends)?;
    let checks = proxy.await_lines("CANONICAL-PROXY-DECISION", 3);
    for check in &checks {
        assert_eq!(check.get("code"), "not-a-proxy-request", "{check:?}");
        assert_eq!(check.get("src_host"), "127.0.0.1");
    }
    let mut client = Wire::connect_from("127.0.0.77", address);
    let own = client.stream().local_addr().expect("its address").to_string();
    client.send(get(&origin.url("/")));
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (200, "over haproxy"));
    let allowed = || {
        proxy
            .log_lines()
            .into_iter()
            .find(|line| line.find("allow") == Some("true"))
    };
    assert_names(&eventually("the client's line", allowed), &own);
    Ok(())
}

fn haproxy_sends_lines() -> Result<(), String> {
    behind_haproxy("send-proxy")
}

fn haproxy_sends_binary_headers() -> Result<(), String> {
    behind_haproxy("send-proxy-v2")
}
