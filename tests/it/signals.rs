//! Signals: draining, a second signal, reloading the ACL and the password. And a listener that breaks, which ends the
//! process much as a signal does.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{Shutdown, shutdown};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, Signal as Sig, pidfd_getfd, pidfd_open};

use crate::auth::basic;
use crate::support::case::cases;
use crate::support::message::{get, ok, request};
use crate::support::origin::{Next, Origin, Signal};
use crate::support::proxy::{Proxy, Setup};
use crate::support::{AT_ONCE, DEADLINE, eventually};

cases![
    an_idle_proxy_ends_at_once_with_code_0,
    draining_refuses_new_connections_and_closes_idle_ones,
    draining_finishes_running_exchanges_with_connection_close,
    draining_lets_tunnels_go_on_until_the_exit_timeout,
    draining_ends_when_the_last_tunnel_ends,
    a_second_signal_ends_everything_now,
    the_drain_delay_keeps_the_listener_open,
    queued_connections_are_served_before_the_listener_closes,
    reloading_a_valid_acl_takes_effect,
    reloading_an_invalid_acl_keeps_the_old_one_and_says_why,
    reloading_without_an_acl_file_changes_nothing,
    sigusr1_does_nothing_but_say_so,
    draining_says_so_at_once_and_every_ten_seconds_and_what_was_cut,
    a_reload_is_no_second_signal,
    a_changed_password_counts_on_kept_connections_too,
    a_bad_password_file_keeps_acl_and_password,
    a_deny_entry_that_goes_is_a_warning,
    services_that_no_client_can_be_are_named,
    exceptions_that_hold_for_no_host_are_named,
    a_pipe_in_place_of_the_acl_stops_nobody,
    requests_are_answered_while_a_huge_acl_is_read,
    a_reload_asked_for_during_another_reads_what_is_there_then,
    an_exit_does_not_wait_for_a_reload,
    a_broken_listener_ends_the_process_with_code_1_after_a_drain,
];

/// A signal is asynchronous: the drain has begun when the port refuses.
pub(crate) fn await_closed(proxy: &Proxy) {
    eventually("the listener to close", || {
        TcpStream::connect(proxy.address()).is_err().then_some(())
    });
}

#[track_caller]
fn assert_exit_0(mut proxy: Proxy) {
    let status = proxy.wait();
    assert_eq!(status.code(), Some(0), "{status}: {:#?}", proxy.log());
}

fn an_idle_proxy_ends_at_once_with_code_0() {
    for signal in [Sig::TERM, Sig::INT, Sig::USR2] {
        let proxy = Setup::open().start();
        proxy.assert_serves();
        let start = Instant::now();
        proxy.signal(signal);
        assert_exit_0(proxy);
        assert!(start.elapsed() < AT_ONCE, "{signal:?}: {:?}", start.elapsed());
    }
}

fn draining_refuses_new_connections_and_closes_idle_ones() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut idle = proxy.client();
    idle.send(get(&origin.url("/")));
    assert_eq!(idle.response().status, 200);
    let mut fresh = proxy.client();
    proxy.signal(Sig::TERM);
    idle.expect_gone();
    fresh.expect_gone();
    assert_exit_0(proxy);
}

fn draining_finishes_running_exchanges_with_connection_close() {
    let release = Signal::new();
    let wait = release.clone();
    let origin = Origin::http(move |_, wire| {
        wait.wait();
        let _ = wire.try_send(ok("finished"));
        Next::Keep
    });
    let proxy = Setup::open().start();
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    origin.await_requests(1);
    proxy.signal(Sig::TERM);
    await_closed(&proxy);
    release.raise();
    let response = client.response();
    assert!(response.text() == "finished" && response.closes(), "{response:?}");
    client.expect_eof();
    assert_exit_0(proxy);
}

fn draining_lets_tunnels_go_on_until_the_exit_timeout() {
    let (proxy, origin) = (
        Setup::open().option("--exit-timeout", "1500ms").start(),
        Origin::echo(),
    );
    let mut tunnel = proxy.tunnel(&origin.authority());
    let start = Instant::now();
    proxy.signal(Sig::TERM);
    await_closed(&proxy);
    tunnel.send("still works");
    tunnel.expect(b"still works");
    tunnel.expect_gone();
    assert!(
        start.elapsed() > Duration::from_millis(1200),
        "{:?}",
        start.elapsed()
    );
    let line = proxy.close_line();
    assert_eq!(
        (line.get("bytes_in"), line.find("active_at_termination")),
        ("11", Some("true"))
    );
    assert_exit_0(proxy);
}

fn draining_ends_when_the_last_tunnel_ends() {
    let (proxy, origin) = (
        Setup::open().option("--exit-timeout", "600s").start(),
        Origin::echo(),
    );
    let tunnel = proxy.tunnel(&origin.authority());
    proxy.signal(Sig::TERM);
    await_closed(&proxy);
    drop(tunnel);
    let start = Instant::now();
    assert_exit_0(proxy);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

fn a_second_signal_ends_everything_now() {
    let (proxy, origin) = (
        Setup::open().option("--exit-timeout", "600s").start(),
        Origin::echo(),
    );
    let mut tunnel = proxy.tunnel(&origin.authority());
    proxy.signal(Sig::TERM);
    await_closed(&proxy);
    let start = Instant::now();
    proxy.signal(Sig::INT);
    tunnel.expect_gone();
    proxy.close_line();
    assert_exit_0(proxy);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

fn the_drain_delay_keeps_the_listener_open() {
    let (proxy, origin) = (
        Setup::open().option("--drain-delay", "1500ms").start(),
        Origin::fixed("ok"),
    );
    let start = Instant::now();
    proxy.signal(Sig::TERM);
    let mut served = 0;
    while let Ok(stream) = TcpStream::connect(proxy.address()) {
        let mut client = crate::support::wire::Wire::new(stream);
        if client.try_send(get(&origin.url("/"))).is_ok()
            && client
                .try_response("GET")
                .is_ok_and(|response| response.status == 200)
        {
            served += 1;
        }
        std::thread::sleep(Duration::from_millis(50));
        assert!(start.elapsed() < DEADLINE, "the listener stays open");
    }
    assert!(
        served > 0 && start.elapsed() > Duration::from_millis(1200),
        "{served} served within {:?}",
        start.elapsed()
    );
    assert_exit_0(proxy);
}

/// A connection that the kernel had accepted before the signal must not be reset.
fn queued_connections_are_served_before_the_listener_closes() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    let mut clients: Vec<_> = (0..30).map(|_| proxy.client()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send(get(&origin.url("/"))));
    proxy.signal(Sig::TERM);
    for client in &mut clients {
        assert_eq!(client.response().text(), "ok");
    }
    assert_exit_0(proxy);
}

fn acl(action: &str) -> String {
    format!("version: v1\nservices: []\ndefault: {{project: p, action: {action}}}\n")
}

fn await_status(proxy: &Proxy, origin: &Origin, status: u16) {
    eventually("the new ACL", || {
        (proxy.ask(get(&origin.url("/"))).status == status).then_some(())
    });
}

fn reloading_a_valid_acl_takes_effect() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("enforce"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let origin = Origin::fixed("ok");
    let mut kept = proxy.client();
    kept.send(get(&origin.url("/")));
    assert_eq!(kept.response().status, 407);
    std::fs::write(&path, acl("open")).expect("a file");
    proxy.signal(Sig::HUP);
    await_status(&proxy, &origin, 200);
    kept.send(get(&origin.url("/")));
    assert_eq!(
        kept.response().status,
        200,
        "connections that were open see the new ACL too"
    );
    std::fs::write(&path, acl("enforce")).expect("a file");
    proxy.signal(Sig::HUP);
    await_status(&proxy, &origin, 407);
}

fn reloading_an_invalid_acl_keeps_the_old_one_and_says_why() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let mut proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let origin = Origin::fixed("ok");
    for bad in [
        "version: v1\nservices: []\ngobal_deny_list: []\n",
        "version: [",
        "",
    ] {
        let before = proxy.log().len();
        std::fs::write(&path, bad).expect("a file");
        proxy.signal(Sig::HUP);
        eventually("a word about it", || {
            let lines = proxy.log_lines();
            lines[before..]
                .iter()
                .any(|line| line.get("level") == "error" && format!("{line:?}").contains("acl.yaml"))
                .then_some(())
        });
        assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    }
    std::fs::remove_file(&path).expect("gone");
    proxy.signal(Sig::HUP);
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    assert!(proxy.is_running());
}

fn reloading_without_an_acl_file_changes_nothing() {
    let mut proxy = Setup::open().start();
    let origin = Origin::fixed("ok");
    let mut tunnel = proxy.tunnel(&origin.authority());
    proxy.signal(Sig::HUP);
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    tunnel.half_close();
    tunnel.expect_gone();
    assert!(proxy.is_running());
}

/// Waits for a line that holds the text; its level.
#[track_caller]
fn await_said(proxy: &Proxy, text: &str) -> String {
    eventually(text, || {
        let lines = proxy.log_lines();
        let line = lines.iter().find(|line| line.get("msg").contains(text))?;
        Some(line.get("level").to_owned())
    })
}

fn sigusr1_does_nothing_but_say_so() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut tunnel = proxy.tunnel(&origin.authority());
    proxy.signal(Sig::USR1);
    assert_eq!(await_said(&proxy, "SIGUSR1 does nothing"), "info");
    tunnel.send("on");
    tunnel.expect(b"on");
    proxy.assert_serves();
}

fn draining_says_so_at_once_and_every_ten_seconds_and_what_was_cut() {
    let (proxy, origin) = (
        Setup::open().option("--exit-timeout", "600s").start(),
        Origin::echo(),
    );
    let mut tunnels = [
        proxy.tunnel(&origin.authority()),
        proxy.tunnel(&origin.authority()),
    ];
    // What passes them passes in a turn behind the one in which they are counted.
    for tunnel in &mut tunnels {
        tunnel.send("a");
        tunnel.expect(b"a");
    }
    proxy.signal(Sig::TERM);
    await_said(&proxy, "draining: 2 tunnels left, 600s");
    await_closed(&proxy);
    // Ten seconds later, or more on a busy machine.
    eventually("the second word", || {
        let lines = proxy.log();
        let mut again = lines
            .iter()
            .filter(|line| line.contains("draining: 2 tunnels left, 5"));
        again.next().map(|_| ())
    });
    proxy.signal(Sig::INT);
    assert_eq!(
        await_said(&proxy, "Shut down, cut: 2 tunnels, 0 other connections"),
        "info"
    );
    let last = proxy.log_lines().pop().expect("lines");
    assert!(last.get("msg").starts_with("Shut down, cut"), "{last:?}");
    assert_exit_0(proxy);
    drop(tunnels);
}

fn a_reload_is_no_second_signal() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let proxy = setup
        .option("--egress-acl-file", path)
        .option("--exit-timeout", "600s")
        .start();
    let origin = Origin::echo();
    let mut tunnel = proxy.tunnel(&origin.authority());
    proxy.signal(Sig::TERM);
    await_closed(&proxy);
    proxy.signal(Sig::HUP);
    await_said(&proxy, "The egress ACL was reloaded");
    tunnel.send("on");
    tunnel.expect(b"on");
    tunnel.half_close();
    tunnel.expect_gone();
    await_said(&proxy, "Shut down, cut: 0 tunnels");
    assert_exit_0(proxy);
}

fn with_password(url: &str, password: &str) -> String {
    request("GET", url, &(basic("any", password) + "\r\n"))
}

fn a_changed_password_counts_on_kept_connections_too() {
    let setup = Setup::bare();
    let path = setup.file("password", "before\n");
    let proxy = setup.env("PROXY_PASSWORD_FILE", &path).start();
    let origin = Origin::fixed("ok");
    let (old, new) = (
        with_password(&origin.url("/"), "before"),
        with_password(&origin.url("/"), "after"),
    );
    let mut kept = proxy.client();
    kept.send(&old);
    assert_eq!(kept.response().status, 200);
    std::fs::write(&path, "after\n").expect("a file");
    proxy.signal(Sig::HUP);
    assert_eq!(
        await_said(&proxy, "PROXY_PASSWORD_FILE: it is another one"),
        "info"
    );
    kept.send(&old);
    assert_eq!(kept.response().status, 407);
    assert_eq!(proxy.ask(&new).status, 200);
    proxy.signal(Sig::HUP);
    await_said(&proxy, "PROXY_PASSWORD_FILE: it is the same");
    let log = proxy.log().join("\n");
    assert!(!log.contains("before") && !log.contains("after"), "{log}");
}

fn a_bad_password_file_keeps_acl_and_password() {
    let setup = Setup::bare();
    let (password, rules) = (
        setup.file("password", "one"),
        setup.file("acl.yaml", &acl("open")),
    );
    let proxy = setup
        .env("PROXY_PASSWORD_FILE", &password)
        .option("--egress-acl-file", rules.as_str())
        .start();
    std::fs::write(&rules, acl("enforce")).expect("a file");
    std::fs::write(&password, "").expect("a file");
    proxy.signal(Sig::HUP);
    let level = await_said(
        &proxy,
        "Nothing was reloaded, what was read before stays in force",
    );
    assert_eq!(level, "error");
    await_said(&proxy, "it is empty");
    let origin = Origin::fixed("ok");
    assert_eq!(proxy.ask(with_password(&origin.url("/"), "one")).status, 200);
}

fn a_deny_entry_that_goes_is_a_warning() {
    let setup = Setup::open();
    let path = setup.file(
        "acl.yaml",
        &(acl("open") + "global_deny_list: ['*.internal', evil.test]\n"),
    );
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let text = acl("open") + "global_deny_list: ['*.internal']\nglobal_allow_list: [good.test]\n";
    std::fs::write(&path, text).expect("a file");
    proxy.signal(Sig::HUP);
    let changed = |what: &str| await_said(&proxy, &format!("The egress ACL changed: {what}"));
    assert_eq!(changed("global_deny_list: 'evil.test' removed"), "warning");
    assert_eq!(changed("global_allow_list: 'good.test' added"), "info");
}

fn exceptions_that_hold_for_no_host_are_named() {
    let setup = Setup::open();
    let rule = |more: &str| {
        format!(
            "version: v1\nservices: []\ndefault: {{action: open, allow_private: [{{cidr: 10.0.0.0/8}}]{more}}}\n"
        )
    };
    let path = setup.file("acl.yaml", &rule(", allowed_domains: [db.test]"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    proxy.settle_log();
    assert!(!proxy.log().join("\n").contains("lets nobody in"));
    std::fs::write(&path, rule("")).expect("a file");
    proxy.signal(Sig::HUP);
    let words = "allow_private of the default rule in the egress ACL lets nobody in anywhere";
    assert_eq!(await_said(&proxy, words), "warning");
    let proxy = Setup::open().acl(&rule("")).start();
    assert_eq!(await_said(&proxy, words), "warning");
}

fn services_that_no_client_can_be_are_named() {
    let setup = Setup::locked();
    let services = |names: &str| format!("version: v1\nservices: [{names}]\n");
    let path = setup.file("acl.yaml", &services("{name: authed, action: open}"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    proxy.settle_log();
    assert!(!proxy.log().join("\n").contains("No client can be"));
    let text = services("{name: authd, action: open}, {name: web, action: open}");
    std::fs::write(&path, &text).expect("a file");
    proxy.signal(Sig::HUP);
    let words = "No client can be the service 'authd', 'web' of the egress ACL: whoever gives the proxy";
    assert_eq!(await_said(&proxy, words), "warning");
    let proxy = Setup::locked().acl(&text).start();
    assert_eq!(await_said(&proxy, words), "warning");
    let proxy = Setup::open()
        .acl(&services("{name: authed, action: open}"))
        .start();
    await_said(&proxy, "No client can be the service 'authed' of the egress ACL");
}

fn a_pipe_in_place_of_the_acl_stops_nobody() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    std::fs::remove_file(&path).expect("gone");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("a pipe");
    proxy.signal(Sig::HUP);
    await_said(&proxy, "not a regular file");
    proxy.assert_serves();
}

/// Makes the proxy's listening socket one that does not listen, as nobody but the kernel could.
fn break_listener(proxy: &Proxy) {
    let process = pidfd_open(proxy.pid(), PidfdFlags::empty()).expect("a process");
    let descriptors =
        std::fs::read_dir(format!("/proc/{}/fd", proxy.pid().as_raw_nonzero())).expect("its descriptors");
    let numbers = descriptors.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let sockets = numbers.filter_map(|number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok());
    let listening: Vec<_> = sockets
        .filter(|socket| socket_acceptconn(socket).unwrap_or(false))
        .collect();
    assert_eq!(listening.len(), 1);
    shutdown(&listening[0], Shutdown::Both).expect("it listened");
}

fn a_broken_listener_ends_the_process_with_code_1_after_a_drain() {
    let (mut proxy, origin) = (
        Setup::open().option("--drain-delay", "1h").start(),
        Origin::echo(),
    );
    let mut tunnel = proxy.tunnel(&origin.authority());
    break_listener(&proxy);
    let broken = &proxy.await_lines(
        &format!(
            "Shutting down with 1 connections open, as only a restart can help: cannot accept connections on {}: invalid argument",
            proxy.address()
        ),
        1,
    )[0];
    assert_eq!(broken.get("level"), "error");
    tunnel.send("still works");
    tunnel.expect(b"still works");
    drop(tunnel);
    assert_eq!(proxy.wait().code(), Some(1), "{:#?}", proxy.log());
}

/// An ACL that takes long to read, with this action for everybody.
fn huge_acl(action: &str) -> String {
    let names: String = (0..100_000).map(|number| format!("- d{number}.test\n")).collect();
    acl(action) + "global_allow_list:\n" + &names
}

/// The order of the log's lines shows it: between the next signal, which is heard at once, and the end of the reload there
/// is the line of a request.
fn requests_are_answered_while_a_huge_acl_is_read() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let origin = Origin::fixed("ok");
    std::fs::write(&path, huge_acl("enforce")).expect("a file");
    proxy.signal(Sig::HUP);
    proxy.signal(Sig::USR1);
    await_said(&proxy, "SIGUSR1 does nothing");
    await_status(&proxy, &origin, 407);
    // Its line may still be on its way when what it tells of counts.
    await_said(&proxy, "The egress ACL was reloaded");
    let log = proxy.log();
    let place = |text: &str| log.iter().position(|line| line.contains(text)).expect(text);
    let heard = place("SIGUSR1 does nothing");
    let reloaded = place("The egress ACL was reloaded");
    let answered = log[heard..reloaded]
        .iter()
        .filter(|line| line.contains("CANONICAL-PROXY-DECISION"))
        .count();
    assert!(answered > 0, "{log:#?}");
}

fn a_reload_asked_for_during_another_reads_what_is_there_then() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    let origin = Origin::fixed("ok");
    std::fs::write(&path, huge_acl("open")).expect("a file");
    proxy.signal(Sig::HUP);
    // The reading has begun when the next signal has been heard.
    proxy.signal(Sig::USR1);
    await_said(&proxy, "SIGUSR1 does nothing");
    let new = format!("{path}.new");
    std::fs::write(&new, acl("enforce")).expect("a file");
    std::fs::rename(&new, &path).expect("a file");
    proxy.signal(Sig::HUP);
    await_status(&proxy, &origin, 407);
}

fn an_exit_does_not_wait_for_a_reload() {
    let setup = Setup::open();
    let path = setup.file("acl.yaml", &acl("open"));
    let proxy = setup.option("--egress-acl-file", path.as_str()).start();
    std::fs::write(&path, huge_acl("enforce")).expect("a file");
    proxy.signal(Sig::HUP);
    proxy.signal(Sig::TERM);
    await_said(&proxy, "Shut down, cut: 0 tunnels");
    assert!(!proxy.log().join("\n").contains("was reloaded"));
    assert_exit_0(proxy);
}
