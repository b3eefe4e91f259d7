//! `--recheck-tunnels`: after a reload tunnels end that the new policy would not let out.
//!
//! `RECHECK_TUNNELS=9000 cargo test --release --test it -- recheck::many --nocapture --test-threads 1` prints what that takes of so
//! many, with one loop, two and four, and what the others notice; it takes 19,000 descriptors here.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::origin_tls::House;
use crate::support::case::cases;
use crate::support::dns::Dns;
use crate::support::log_line::LogLine;
use crate::support::message::{connect, request};
use crate::support::origin::{Next, Origin};
use crate::support::pki::Leaf;
use crate::support::proxy::{Proxy, Setup};
use crate::support::wire::Wire;
use crate::support::{DEADLINE, PUBLIC, eventually};

cases![
    tunnels_to_a_host_that_was_taken_out_end_and_say_why,
    an_upgraded_connection_ends_as_a_tunnel_does,
    a_server_name_that_is_listed_no_longer_ends_its_tunnel,
    without_the_option_and_after_an_invalid_reload_tunnels_go_on,
    a_drain_that_is_under_way_ends_with_the_last_of_them,
    what_is_on_its_way_through_an_upstream_is_judged_by_the_next_policy,
    a_second_reload_while_tunnels_are_judged_has_all_judged_by_the_last,
    many_end_within_a_second_and_the_others_hardly_notice,
];

fn acl(domains: &str) -> String {
    format!(
        "version: v1\nservices: []\ndefault: {{project: p, action: enforce, allowed_domains: [{domains}]}}\n"
    )
}

fn names() -> Dns {
    Dns::start()
        .name("one.test", &[PUBLIC])
        .name("two.test", &[PUBLIC])
}

/// A proxy with that ACL, and where it stands.
fn proxy(setup: Setup, dns: &Dns, domains: &str) -> (Proxy, String) {
    let path = setup.file("acl.yaml", &acl(domains));
    let setup = setup.resolver(dns).option("--egress-acl-file", path.as_str());
    (setup.start(), path)
}

fn rechecking() -> Setup {
    Setup::open().arg("--recheck-tunnels")
}

fn reload(proxy: &Proxy, path: &str, text: &str) {
    std::fs::write(path, text).expect("a file");
    proxy.signal(Signal::HUP);
}

fn tunnel(proxy: &Proxy, origin: &Origin, host: &str) -> Wire {
    proxy.tunnel(&format!("{host}:{}", origin.address().port()))
}

#[track_caller]
fn assert_passes(wire: &mut Wire) {
    wire.send("still");
    wire.expect(b"still");
}

fn tunnels_to_a_host_that_was_taken_out_end_and_say_why() {
    let (origin, dns) = (Origin::echo(), names());
    let (proxy, path) = proxy(
        rechecking()
            .arg("--expose-prometheus-metrics")
            .option("--prometheus-port", "0"),
        &dns,
        "one.test, two.test",
    );
    let (mut one, mut two) = (
        tunnel(&proxy, &origin, "one.test"),
        tunnel(&proxy, &origin, "two.test"),
    );
    assert_passes(&mut one);
    reload(&proxy, &path, &acl("one.test, two.test, three.test"));
    eventually("the first reload", || {
        let lines = proxy.log_lines();
        lines
            .iter()
            .any(|line| line.get("msg").contains("was reloaded"))
            .then_some(())
    });
    assert_passes(&mut one);
    reload(&proxy, &path, &acl("two.test"));
    one.expect_gone();
    let line = proxy.close_line();
    assert_eq!(line.get("code"), "default-rule");
    assert_eq!(line.number("policy_generation"), 3.0);
    assert!(line.get("requested_host").starts_with("one.test:"), "{line:?}");
    assert!(line.get("error").starts_with("no longer allowed: "), "{line:?}");
    assert!(line.get("rule").contains("acl.yaml:"), "{line:?}");
    assert!(!line.get("hint").is_empty(), "{line:?}");
    assert_passes(&mut two);
    drop(two);
    let lines = proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 2);
    assert_eq!(lines[1].find("policy_generation"), None);
    let refused = proxy.ask(connect(&format!("one.test:{}", origin.address().port())));
    assert_eq!(refused.code(), "default-rule");
}

fn an_upgraded_connection_ends_as_a_tunnel_does() {
    let dns = names();
    let origin = Origin::http(|_, wire| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = wire.try_send(head);
        wire.drain();
        Next::Close
    });
    let (proxy, path) = proxy(rechecking(), &dns, "one.test");
    let mut client = proxy.client();
    let url = format!("http://one.test:{}/", origin.address().port());
    client.send(request(
        "GET",
        &url,
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ));
    assert_eq!(client.response().status, 101);
    reload(&proxy, &path, &acl("two.test"));
    client.expect_gone();
    let line = proxy.close_line();
    assert_eq!(
        (line.get("code"), line.get("proxy_type")),
        ("default-rule", "http")
    );
}

fn a_server_name_that_is_listed_no_longer_ends_its_tunnel() {
    let path = format!("{}/tests/hellos/openssl-default.bin", env!("CARGO_MANIFEST_DIR"));
    let hello = std::fs::read(path).expect("a hello");
    let (origin, dns) = (Origin::echo(), names());
    let setup = rechecking().option("--verify-sni", "enforce");
    let (proxy, path) = proxy(setup, &dns, "one.test, example.com");
    let mut client = tunnel(&proxy, &origin, "one.test");
    client.send(&hello);
    client.expect(&hello);
    reload(&proxy, &path, &acl("one.test"));
    client.expect_gone();
    let line = proxy.close_line();
    assert_eq!(
        (line.get("code"), line.get("sni"), line.get("sni_verdict")),
        ("sni-mismatch", "example.com", "mismatch")
    );
    assert_eq!(line.number("policy_generation"), 2.0);
}

fn without_the_option_and_after_an_invalid_reload_tunnels_go_on() {
    let (origin, dns) = (Origin::echo(), names());
    for (setup, text, said) in [
        (Setup::open(), acl("two.test"), "was reloaded"),
        (rechecking(), "version: [".to_owned(), "Nothing was reloaded"),
    ] {
        let (proxy, path) = proxy(setup, &dns, "one.test");
        let mut one = tunnel(&proxy, &origin, "one.test");
        reload(&proxy, &path, &text);
        eventually(said, || {
            let lines = proxy.log_lines();
            lines
                .iter()
                .any(|line| line.get("msg").contains(said))
                .then_some(())
        });
        // Several turns later.
        proxy.settle_log();
        assert_passes(&mut one);
    }
}

fn a_drain_that_is_under_way_ends_with_the_last_of_them() {
    let (origin, dns) = (Origin::echo(), names());
    let setup = rechecking().option("--exit-timeout", "600s");
    let (mut proxy, path) = proxy(setup, &dns, "one.test");
    let mut tunnels: Vec<Wire> = (0..20).map(|_| tunnel(&proxy, &origin, "one.test")).collect();
    proxy.signal(Signal::TERM);
    crate::signals::await_closed(&proxy);
    reload(&proxy, &path, &acl("two.test"));
    tunnels.iter_mut().for_each(Wire::expect_gone);
    assert_eq!(proxy.wait().code(), Some(0));
}

/// Passes a connection on, there and back, once it is told to. Tells when something came in.
fn held(to: SocketAddr) -> (SocketAddr, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    let ((came, comes), (release, released)) = (mpsc::channel(), mpsc::channel());
    thread::spawn(move || {
        let (near, _) = listener.accept().expect("a connection");
        near.peek(&mut [0]).expect("a byte");
        came.send(()).expect("heard");
        released.recv().expect("told");
        let far = TcpStream::connect(to).expect("a connection");
        let twin = |stream: &TcpStream| stream.try_clone().expect("a twin");
        let (mut from_far, mut to_near) = (twin(&far), twin(&near));
        thread::spawn(move || std::io::copy(&mut from_far, &mut to_near));
        let _ = std::io::copy(&mut { near }, &mut { far });
    });
    (address, comes, release)
}

/// An upstream that has not answered yet, and one with which there is a handshake still.
fn what_is_on_its_way_through_an_upstream_is_judged_by_the_next_policy() {
    let (house, origin) = (House::new(), Origin::echo());
    let authority = format!("good.test:{}", origin.address().port());
    for scheme in ["http", "https"] {
        let outer = match scheme {
            "http" => house.setup(),
            _ => {
                let setup = house.setup();
                let leaf = Leaf {
                    dns: &["127.0.0.1"],
                    ..Leaf::server()
                };
                let bundle = setup.file("server.pem", &house.ca.issue(&leaf).bundle());
                setup.option("--tls-server-bundle-file", bundle)
            }
        };
        let outer = outer.start();
        let (address, comes, release) = held(outer.address());
        let setup = house.setup().arg("--recheck-tunnels");
        let path = setup.file("acl.yaml", &acl("good.test"));
        let proxy = setup
            .option("--upstream-https-proxy-addr", format!("{scheme}://{address}"))
            .option("--egress-acl-file", path.as_str())
            .start();
        let mut client = proxy.client();
        client.send(connect(&authority));
        comes.recv_timeout(DEADLINE).expect("it is asked");
        reload(&proxy, &path, &acl("other.test"));
        await_reloads(&proxy, 1);
        release.send(()).expect("told");
        let response = client.response_to("CONNECT");
        assert_eq!(
            (response.status, response.code().as_str()),
            (407, "default-rule"),
            "{scheme}"
        );
    }
}

/// Waits until so many reloads are in force.
fn await_reloads(proxy: &Proxy, count: usize) {
    eventually("a reload", || {
        let lines = proxy.log();
        let reloaded = lines.iter().filter(|line| line.contains("was reloaded from"));
        (reloaded.count() == count).then_some(())
    });
}

/// Those that the first took out and had not come to are in again.
fn a_second_reload_while_tunnels_are_judged_has_all_judged_by_the_last() {
    smokescreen::io::descriptors::raise_nofile();
    let keeper = Keeper::new();
    let setup = rechecking().etc("hosts", &format!("{PUBLIC} one.test two.test\n"));
    let path = setup.file("acl.yaml", &acl("one.test, two.test"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let open = |host: &str| -> Vec<TcpStream> {
        let authority = format!("{host}:{}", keeper.address.port());
        (0..300).map(|_| bare(&proxy, &authority)).collect()
    };
    let (mut one, mut two) = (open("one.test"), open("two.test"));
    reload(&proxy, &path, &acl("two.test"));
    proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 1);
    reload(&proxy, &path, &acl("one.test"));
    eventually("those of the other to end", || {
        two.retain_mut(|stream| !is_gone(stream));
        two.is_empty().then_some(())
    });
    await_reloads(&proxy, 2);
    let ended = eventually("a line for each that ended", || {
        one.retain_mut(|stream| !is_gone(stream));
        let lines = proxy.log_lines();
        let closed = lines
            .into_iter()
            .filter(|line| line.get("msg") == "CANONICAL-PROXY-CN-CLOSE");
        let closed: Vec<LogLine> = closed.collect();
        (closed.len() == 600 - one.len()).then_some(closed)
    });
    for line in &ended {
        let by = match line.get("requested_host").starts_with("one.test") {
            true => "2",
            false => "3",
        };
        assert_eq!(
            (line.get("code"), line.get("policy_generation")),
            ("default-rule", by)
        );
    }
}

/// How long single messages of a tunnel took until they were back.
fn echo(mut wire: Wire, is_over: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        assert_passes(&mut wire);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times
}

/// Accepts and keeps whoever comes, until it is dropped.
struct Keeper {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
}

impl Keeper {
    fn new() -> Keeper {
        let listener = TcpListener::bind((PUBLIC, 0)).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let is_over = Arc::new(AtomicBool::new(false));
        let is_over_there = Arc::clone(&is_over);
        thread::spawn(move || {
            let goes_on = |_: &TcpStream| !is_over_there.load(Ordering::SeqCst);
            let coming = listener.incoming().map_while(Result::ok);
            let kept: Vec<TcpStream> = coming.take_while(goes_on).collect();
            drop(kept);
        });
        Keeper { address, is_over }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes it.
        let _ = TcpStream::connect(self.address);
    }
}

/// A tunnel as a bare socket that never blocks.
fn bare(proxy: &Proxy, authority: &str) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).expect("a connection");
    std::io::Write::write_all(&mut stream, connect(authority).as_bytes()).expect("sent");
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    stream.set_nonblocking(true).expect("a socket");
    stream
}

fn is_gone(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// So many tunnels, half of them to a host that is taken out: when the last of those was gone, and how long the messages of
/// another tunnel took meanwhile.
fn run(count: usize, rechecks: bool) -> (Duration, Vec<Duration>) {
    let (origin, keeper) = (Origin::echo(), Keeper::new());
    let setup = match rechecks {
        true => rechecking(),
        false => Setup::open(),
    };
    let setup = setup.etc("hosts", &format!("{PUBLIC} one.test two.test\n"));
    let path = setup.file("acl.yaml", &acl("one.test, two.test"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let open = |host: &str| -> Vec<TcpStream> {
        let authority = format!("{host}:{}", keeper.address.port());
        (0..count / 2).map(|_| bare(&proxy, &authority)).collect()
    };
    let (mut leaving, mut staying) = (open("one.test"), open("two.test"));
    let (wire, is_over) = (tunnel(&proxy, &origin, "two.test"), AtomicBool::new(false));
    let (mut took, mut times) = (Duration::ZERO, Vec::new());
    thread::scope(|threads| {
        let echoing = threads.spawn(|| echo(wire, &is_over));
        let start = Instant::now();
        reload(&proxy, &path, &acl("two.test"));
        match rechecks {
            true => {
                while !leaving.is_empty() && start.elapsed() < DEADLINE {
                    leaving.retain_mut(|stream| !is_gone(stream));
                    thread::sleep(Duration::from_millis(1));
                }
                took = start.elapsed();
            }
            false => {
                eventually("the reload", || {
                    let lines = proxy.log();
                    lines
                        .iter()
                        .any(|line| line.contains("was reloaded"))
                        .then_some(())
                });
                proxy.settle_log();
            }
        }
        while start.elapsed() < Duration::from_millis(1500) {
            thread::sleep(Duration::from_millis(20));
        }
        is_over.store(true, Ordering::Relaxed);
        times = echoing.join().expect("its times");
    });
    assert_eq!(
        leaving.len(),
        if rechecks { 0 } else { count / 2 },
        "of {count} tunnels"
    );
    assert!(!staying.iter_mut().any(is_gone), "an allowed tunnel ended");
    (took, times)
}

fn many_end_within_a_second_and_the_others_hardly_notice() {
    let count = std::env::var("RECHECK_TUNNELS").map_or(400, |count| count.parse().expect("a number"));
    let p99 = |times: &[Duration]| times[times.len() * 99 / 100];
    let (_, without) = run(count, false);
    let (took, with) = run(count, true);
    println!(
        "{count} tunnels, half of them denied: gone after {took:?}; messages of another: p99 {:?} ({} of them, the worst {:?}), \
         without recheck {:?} ({}, {:?})",
        p99(&with),
        with.len(),
        with.last().expect("messages"),
        p99(&without),
        without.len(),
        without.last().expect("messages"),
    );
    // A machine that does other things adds to both; no timer of the proxy's takes as long.
    assert!(took < Duration::from_secs(20), "{took:?}");
}
