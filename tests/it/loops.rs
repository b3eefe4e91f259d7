//! Several loops in one process. Most of what is to hold for all of them together is held by the cases for one, run again
//! with two and with four; beside these the cases that there are only with several.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{Shutdown, shutdown};
use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, Signal, getrlimit, pidfd_getfd, pidfd_open, prlimit,
};

use crate::admin::{fetch, with_admin};
use crate::auth::basic;
use crate::commands::{command, ended};
use crate::supervision::handing_over;
use crate::support::case::{Case, Verdict};
use crate::support::eventually;
use crate::support::message::{connect, get, request};
use crate::support::origin::Origin;
use crate::support::proxy::{PASSWORD, Proxy, Setup, with_loops};
use crate::support::wire::{End, Wire};

/// The cases that are run with so many loops.
type Run = fn(u8);

const OWN: [(&str, Run); 14] = [
    (
        "clients_are_spread_over_all_loops",
        clients_are_spread_over_all_loops,
    ),
    (
        "clients_of_a_socket_that_was_handed_over_are_dealt_out",
        clients_of_a_socket_that_was_handed_over_are_dealt_out,
    ),
    (
        "no_client_is_lost_between_loops_that_drain",
        no_client_is_lost_between_loops_that_drain,
    ),
    (
        "who_waits_as_a_drain_begins_gets_another_loops_strangers_place",
        who_waits_as_a_drain_begins_gets_another_loops_strangers_place,
    ),
    (
        "a_second_process_gets_the_port_only_by_reuse_port",
        a_second_process_gets_the_port_only_by_reuse_port,
    ),
    (
        "there_are_never_more_clients_than_may_be",
        there_are_never_more_clients_than_may_be,
    ),
    (
        "a_client_gets_the_place_of_any_loops_stranger",
        a_client_gets_the_place_of_any_loops_stranger,
    ),
    (
        "any_loops_idle_connections_go_before_strangers_do",
        any_loops_idle_connections_go_before_strangers_do,
    ),
    (
        "tunnels_of_all_loops_are_listed_and_counted",
        tunnels_of_all_loops_are_listed_and_counted,
    ),
    (
        "all_loops_together_keep_as_many_idle_connections_as_may_be",
        all_loops_together_keep_as_many_idle_connections_as_may_be,
    ),
    (
        "a_drain_ends_with_the_last_tunnel_of_any_loop",
        a_drain_ends_with_the_last_tunnel_of_any_loop,
    ),
    (
        "a_second_signal_cuts_the_tunnels_of_all_loops",
        a_second_signal_cuts_the_tunnels_of_all_loops,
    ),
    (
        "a_reload_reaches_all_loops_and_ends_tunnels_of_each",
        a_reload_reaches_all_loops_and_ends_tunnels_of_each,
    ),
    (
        "any_loops_broken_listener_ends_the_process",
        any_loops_broken_listener_ends_the_process,
    ),
];

/// Of the cases for one loop those that say something else with several, or nothing more.
const NOT_AGAIN: [&str; 9] = [
    // These are by who came first, which two loops don't agree on to the microsecond.
    "strangers::a_new_client_gets_the_place_of_the_stranger_that_waited_longest",
    "users::wrong_guesses_of_one_address_do_not_delay_another",
    "quotas::a_client_that_leaves_a_dial_gives_its_place_back",
    // What is kept of a crowd for the next one is each loop's.
    "limits::memory_returns_after_a_crowd",
    // Otherwise with several, and held above.
    "signals::a_broken_listener_ends_the_process_with_code_1_after_a_drain",
    "rolling::a_busy_port_stays_one_unless_both_say_that_they_share_it",
    // These take long, and are about one loop or about none.
    "strangers::who_has_little_to_do_does_not_wait_for_who_has_much",
    "signals::requests_are_answered_while_a_huge_acl_is_read",
    "signals::a_reload_asked_for_during_another_reads_what_is_there_then",
];

/// The cases whose limits, counts and ends are the process's.
fn shared() -> Vec<Case> {
    [
        crate::strangers::cases(),
        crate::limits::cases(),
        crate::quotas::cases(),
        crate::signals::cases(),
        crate::recheck::cases(),
        crate::admin::cases(),
        crate::stats_socket::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Further ones, for which two loops are enough.
fn further() -> Vec<Case> {
    [
        crate::watch::cases(),
        crate::users::cases(),
        crate::rolling::cases(),
        crate::supervision::cases(),
        crate::proxy_protocol::cases(),
        crate::tls_sessions::cases(),
        crate::mitm::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn again(cases: Vec<Case>, loops: u8) -> impl Iterator<Item = Case> {
    let is_again = |case: &Case| !NOT_AGAIN.contains(&case.name.as_str());
    let named = move |case: Case| Case {
        name: format!("loops_{loops}::{}", case.name),
        run: Box::new(move || with_loops(loops, || -> Verdict { (case.run)() })),
    };
    cases.into_iter().filter(is_again).map(named)
}

pub(crate) fn cases() -> Vec<Case> {
    let own = [2, 4].into_iter().flat_map(|loops| {
        OWN.into_iter().map(move |(name, run)| Case {
            name: format!("loops::{name}_{loops}"),
            run: Box::new(move || {
                with_loops(loops, || run(loops));
                Verdict::Passed
            }),
        })
    });
    own.chain(again(shared(), 2))
        .chain(again(further(), 2))
        .chain(again(shared(), 4))
        .collect()
}

/// How many sockets each loop's poll has, most first.
fn polled(proxy: &Proxy) -> Vec<usize> {
    let process = format!("/proc/{}", proxy.pid().as_raw_nonzero());
    let entries = std::fs::read_dir(format!("{process}/fd")).expect("its descriptors");
    // One poll may have several descriptors; they tell the same.
    let polls: BTreeSet<Vec<String>> = entries
        .filter_map(|entry| {
            let number = entry.ok()?.file_name().into_string().ok()?;
            let target = std::fs::read_link(format!("{process}/fd/{number}")).ok()?;
            if target.to_str()? != "anon_inode:[eventpoll]" {
                return None;
            }
            let info = std::fs::read_to_string(format!("{process}/fdinfo/{number}")).ok()?;
            let sockets = info.lines().filter(|line| line.starts_with("tfd:"));
            Some(sockets.map(str::to_owned).collect())
        })
        .collect();
    let mut counts: Vec<usize> = polls.iter().map(Vec::len).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts
}

/// How many clients each loop has, most first.
fn clients_by_loop(proxy: &Proxy, count: usize, before: &[usize]) -> Vec<usize> {
    eventually("all to be taken in", || {
        let now = polled(proxy);
        let came: usize = now.iter().sum::<usize>() - before.iter().sum::<usize>();
        (came == count).then_some(now)
    })
}

fn crowd(proxy: &Proxy, count: usize) -> Vec<Wire> {
    (0..count).map(|_| proxy.client()).collect()
}

/// The kernel draws by address and port: of 2,000 that is within a tenth of an even share at nearly any time.
fn clients_are_spread_over_all_loops(loops: u8) {
    smokescreen::io::descriptors::raise_nofile();
    let proxy = Setup::open().start();
    let before = polled(&proxy);
    assert_eq!(before.len(), usize::from(loops));
    let _crowd = crowd(&proxy, 2000);
    let even = 2000 / usize::from(loops);
    let spread = clients_by_loop(&proxy, 2000, &before);
    for clients in &spread {
        assert!(clients.abs_diff(even) <= even / 5 + 4, "{spread:?}");
    }
}

fn clients_of_a_socket_that_was_handed_over_are_dealt_out(loops: u8) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (proxy, origin) = (handing_over(Setup::open(), listener), Origin::fixed("ok"));
    let before = polled(&proxy);
    let mut crowd: Vec<Wire> = (0..40).map(|_| Wire::connect(address)).collect();
    let spread = clients_by_loop(&proxy, 40, &before);
    let even = 40 / usize::from(loops);
    for clients in &spread {
        assert!(clients.abs_diff(even) <= 4, "{spread:?}");
    }
    for client in &mut crowd {
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 200);
    }
}

/// Who was accepted is answered, and who was not waits for whoever gets the socket next.
fn no_client_is_lost_between_loops_that_drain(_: u8) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let next = listener.try_clone().expect("the socket again");
    let (mut proxy, origin) = (handing_over(Setup::open(), listener), Origin::fixed("ok"));
    let mut crowd: Vec<Wire> = (0..200)
        .map(|nth| {
            let mut client = Wire::connect(address);
            client.send(get(&origin.url("/")));
            if nth == 100 {
                proxy.signal(Signal::TERM);
            }
            client
        })
        .collect();
    assert_eq!(proxy.wait().code(), Some(0));
    next.set_nonblocking(true).expect("a socket");
    let left = std::iter::from_fn(|| next.accept().ok()).count();
    let is_answered = |client: &mut Wire| {
        client
            .try_response("GET")
            .is_ok_and(|answer| answer.status == 200)
    };
    let answered = crowd.iter_mut().map(is_answered).filter(|is| *is).count();
    assert_eq!(answered + left, 200, "{left} were left in the queue");
}

/// The first loop takes all clients; it has the known one, and the second the stranger. It hears of both at once, that a third
/// waits and that it is to drain.
fn who_waits_as_a_drain_begins_gets_another_loops_strangers_place(_: u8) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (setup, admin) = with_admin(Setup::locked().option("--max-connections", "2"));
    let (mut proxy, origin) = (handing_over(setup, listener), Origin::fixed("ok"));
    let mut first = Wire::connect(address);
    first.send(known(&origin.url("/")));
    assert_eq!(first.response().status, 200);
    let stranger = Wire::connect(address);
    eventually("both to be taken in", || {
        (figure(admin, "connections_open") == 2).then_some(())
    });
    proxy.signal(Signal::STOP);
    let mut last = Wire::connect(address);
    last.send(known(&origin.url("/")));
    proxy.signal(Signal::TERM);
    proxy.signal(Signal::CONT);
    assert_eq!(last.response().status, 200, "{:#?}", proxy.log());
    assert_eq!(proxy.wait().code(), Some(0));
    drop((first, stranger));
}

fn a_second_process_gets_the_port_only_by_reuse_port(_: u8) {
    let proxy = Setup::open().start();
    let port = proxy.address().port();
    let run = |setup: Setup| {
        setup
            .option("--listen-ip", "127.0.0.1")
            .option("--listen-port", port.to_string())
            .run()
    };
    for workers in ["1", "2", "3"] {
        let finished = run(Setup::open().option("--workers", workers));
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("address already in use"), "{finished:?}");
    }
    let second = Setup::open().arg("--reuse-port").port(port).start();
    second.assert_serves();
}

fn known(url: &str) -> String {
    request("GET", url, &(basic("u", PASSWORD) + "\r\n"))
}

/// A figure of the metrics.
fn figure(admin: std::net::SocketAddr, name: &str) -> usize {
    let text = fetch(admin, "/metrics").text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {text}"))
}

fn there_are_never_more_clients_than_may_be(_: u8) {
    let (setup, admin) = with_admin(Setup::locked().option("--max-connections", "10"));
    let (proxy, origin) = (setup.start(), Origin::fixed("ok"));
    let ask = |client: &mut Wire| {
        client.send(known(&origin.url("/")));
        assert_eq!(client.response().status, 200);
    };
    let mut clients = crowd(&proxy, 10);
    clients.iter_mut().for_each(ask);
    let mut next = crowd(&proxy, 10);
    for client in &mut next {
        client.send(known(&origin.url("/")));
    }
    let ticks = proxy.ticks();
    next[0].patience(Duration::from_secs(1));
    assert_eq!(
        next[0].fill(),
        Err(End::Silence),
        "it waits in the kernel's queue"
    );
    assert!(proxy.ticks() - ticks < 40, "a loop spins");
    assert_eq!(figure(admin, "connections_open"), 10);
    clients.iter_mut().for_each(ask);
    drop(clients);
    for client in &mut next {
        client.patience(Duration::from_secs(60));
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(figure(admin, "connections_open"), 10);
    drop(next);
    eventually("all to be gone", || {
        (figure(admin, "connections_open") == 0).then_some(())
    });
}

/// Whichever loop a client comes to: of ten strangers one goes for each.
fn a_client_gets_the_place_of_any_loops_stranger(_: u8) {
    let (setup, admin) = with_admin(Setup::locked().option("--max-connections", "10"));
    let (proxy, origin) = (setup.start(), Origin::fixed("ok"));
    let mut strangers = crowd(&proxy, 10);
    eventually("all to be taken in", || {
        (figure(admin, "connections_open") == 10).then_some(())
    });
    let mut clients: Vec<Wire> = (0..6)
        .map(|_| {
            let mut client = proxy.client();
            client.send(known(&origin.url("/")));
            assert_eq!(client.response().status, 200);
            client
        })
        .collect();
    assert_eq!(figure(admin, "connections_open"), 10);
    let mut served = 0;
    for stranger in &mut strangers {
        let is_asked = stranger.try_send(known(&origin.url("/"))).is_ok();
        let answer = stranger.try_response("GET");
        served += usize::from(is_asked && answer.is_ok_and(|response| response.status == 200));
    }
    assert_eq!(served, 4, "one goes for each");
    for client in &mut clients {
        client.send(known(&origin.url("/")));
        assert_eq!(client.response().status, 200, "who is known stays");
    }
}

/// The loop that accepts has none: it is the first, which hands clients out in turn.
fn any_loops_idle_connections_go_before_strangers_do(loops: u8) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (proxy, origin) = (handing_over(Setup::locked(), listener), Origin::fixed("ok"));
    let denied = "http://10.0.0.1/";
    let sockets = || polled(&proxy).iter().sum::<usize>();
    let before = sockets();
    let _clients: Vec<Wire> = (0..loops)
        .map(|nth| {
            let mut client = Wire::connect(address);
            let (url, status) = match nth {
                0 => (denied.to_owned(), 407),
                _ => (origin.url("/"), 200),
            };
            client.send(known(&url));
            assert_eq!(client.response().status, status);
            client
        })
        .collect();
    let mut strangers: Vec<Wire> = (0..2 * loops).map(|_| Wire::connect(address)).collect();
    // Beside all clients: an idle connection of each loop but the first.
    let open = before + 4 * usize::from(loops) - 1;
    eventually("strangers to be taken in", || (sockets() == open).then_some(()));
    // Not one further descriptor is to be had.
    let folder = format!("/proc/{}/fd", proxy.pid().as_raw_nonzero());
    let open = std::fs::read_dir(folder).expect("its descriptors");
    let number = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let numbers: BTreeSet<u64> = open.filter_map(number).collect();
    let limits = Rlimit {
        current: (0..).find(|number| !numbers.contains(number)),
        ..getrlimit(Resource::Nofile)
    };
    prlimit(Some(proxy.pid()), Resource::Nofile, limits).expect("a limit");
    let mut client = Wire::connect(address);
    client.send(known(denied));
    assert_eq!(client.response().status, 407, "{:#?}", proxy.log());
    for stranger in &mut strangers {
        stranger.send(known(denied));
        assert_eq!(stranger.response().status, 407);
    }
}

/// What passes them passes in a turn behind the one in which they are counted.
fn tunnels(proxy: &Proxy, origin: &Origin, count: usize) -> Vec<Wire> {
    let mut all: Vec<Wire> = (0..count).map(|_| proxy.tunnel(&origin.authority())).collect();
    all.iter_mut().for_each(echoes);
    all
}

fn echoes(tunnel: &mut Wire) {
    tunnel.send("still works");
    tunnel.expect(b"still works");
}

fn tunnels_of_all_loops_are_listed_and_counted(_: u8) {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::open().option("--stats-socket-dir", folder.path().to_str().unwrap());
    let (setup, admin) = with_admin(setup);
    let (proxy, origin) = (setup.start(), Origin::echo());
    let listed = || fetch(admin, "/tunnels").text().matches("\"id\":").count();
    assert_eq!(listed(), 0);
    let mut all = tunnels(&proxy, &origin, 300);
    assert_eq!((listed(), figure(admin, "tunnels_open")), (300, 300));
    assert_eq!(figure(admin, "connections_open"), 300);
    let top = command("top")
        .arg("--once")
        .option("--stats-socket-dir", folder.path().to_str().unwrap())
        .run();
    let table = ended(&top, 0);
    assert!(table.contains("300 tunnels"), "{table}");
    all.truncate(7);
    eventually("the rest to be gone", || {
        (listed() == 7 && figure(admin, "tunnels_open") == 7).then_some(())
    });
    let closed = figure(admin, "cn_close{role=\"\",project=\"\"}");
    assert_eq!(closed, 293);
}

fn all_loops_together_keep_as_many_idle_connections_as_may_be(loops: u8) {
    let origin = Origin::fixed("ok");
    let proxy = Setup::open().option("--transport-max-idle-conns", "6").start();
    let mut clients = crowd(&proxy, 40);
    for client in &mut clients {
        client.send(get(&origin.url("/")));
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    let opened = origin.accepted();
    // What is kept ends by itself only much later.
    if opened > 6 {
        origin.await_ended(opened - 6);
    }
    assert!(opened >= usize::from(loops), "each loop has its own");
}

fn a_drain_ends_with_the_last_tunnel_of_any_loop(_: u8) {
    let (setup, admin) = with_admin(Setup::open());
    let (mut proxy, origin) = (setup.start(), Origin::echo());
    let mut all = tunnels(&proxy, &origin, 24);
    proxy.signal(Signal::TERM);
    eventually("not ready", || {
        (fetch(admin, "/readyz").status == 503).then_some(())
    });
    eventually("no listener", || {
        std::net::TcpStream::connect(proxy.address())
            .is_err()
            .then_some(())
    });
    all.iter_mut().for_each(echoes);
    let mut last = all.pop().expect("a tunnel");
    drop(all);
    eventually("one tunnel to be left", || {
        let listed = fetch(admin, "/tunnels").text().matches("\"id\":").count();
        (listed == 1 && figure(admin, "tunnels_open") == 1).then_some(())
    });
    echoes(&mut last);
    assert!(proxy.is_running());
    drop(last);
    assert_eq!(proxy.wait().code(), Some(0));
    for text in [
        "Shutting down: 24 connections are open",
        "Shut down, cut: 0 tunnels, 0 other connections",
    ] {
        proxy.await_lines(text, 1);
    }
}

fn a_second_signal_cuts_the_tunnels_of_all_loops(_: u8) {
    let (mut proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut all = tunnels(&proxy, &origin, 24);
    proxy.signal(Signal::TERM);
    proxy.await_lines("Shutting down: 24 connections are open", 1);
    proxy.signal(Signal::INT);
    assert_eq!(proxy.wait().code(), Some(0));
    for tunnel in &mut all {
        let (rest, _) = tunnel.drain();
        assert!(rest.is_empty());
    }
    proxy.await_lines("Shut down, cut: 24 tunnels, 0 other connections", 1);
    assert_eq!(proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 24).len(), 24);
}

fn a_reload_reaches_all_loops_and_ends_tunnels_of_each(_: u8) {
    let acl =
        |action: &str| format!("version: v1\nservices: []\ndefault: {{project: p, action: {action}}}\n");
    let setup = Setup::open().arg("--recheck-tunnels");
    let path = setup.file("acl.yaml", &acl("open"));
    let (setup, admin) = with_admin(setup.option("--egress-acl-file", path.as_str()));
    let (proxy, origin) = (setup.start(), Origin::echo());
    let mut all = tunnels(&proxy, &origin, 24);
    assert_eq!(figure(admin, "acl_generation"), 1);
    std::fs::write(&path, acl("enforce")).expect("a file");
    proxy.signal(Signal::HUP);
    for tunnel in &mut all {
        let (rest, _) = tunnel.drain();
        assert!(rest.is_empty());
    }
    assert_eq!(
        figure(admin, "acl_generation"),
        2,
        "one reload, however many loops"
    );
    for _ in 0..24 {
        assert_eq!(proxy.ask(connect(&origin.authority())).status, 407);
    }
    let closed = proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 24);
    assert!(closed.iter().all(|line| line.get("policy_generation") == "2"));
    // The next one is read, though loops replace their policies when they come to it.
    std::fs::write(&path, acl("open")).expect("a file");
    proxy.signal(Signal::HUP);
    eventually("the next reload", || {
        (figure(admin, "acl_generation") == 3).then_some(())
    });
    tunnels(&proxy, &origin, 24).iter_mut().for_each(echoes);
}

fn listening(proxy: &Proxy) -> Vec<OwnedFd> {
    let process = pidfd_open(proxy.pid(), PidfdFlags::empty()).expect("a process");
    let folder = format!("/proc/{}/fd", proxy.pid().as_raw_nonzero());
    let descriptors = std::fs::read_dir(folder).expect("its descriptors");
    let numbers = descriptors.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let sockets = numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    sockets
        .filter(|socket| socket_acceptconn(socket).unwrap_or(false))
        .collect()
}

fn any_loops_broken_listener_ends_the_process(loops: u8) {
    let (mut proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut tunnel = proxy.tunnel(&origin.authority());
    let listening = listening(&proxy);
    assert_eq!(listening.len(), usize::from(loops));
    shutdown(listening.last().expect("a listener"), Shutdown::Both).expect("it listened");
    drop(listening);
    eventually("the way out", || {
        let log = proxy.log();
        let is_said =
            |line: &String| line.contains("Shutting down with 1 connections open, as only a restart");
        log.iter().any(is_said).then_some(())
    });
    echoes(&mut tunnel);
    drop(tunnel);
    assert_eq!(proxy.wait().code(), Some(1), "{:#?}", proxy.log());
}
