//! Signals: draining, a second signal, reloading the ACL.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal as Sig;

use crate::support::case::cases;
use crate::support::message::{get, ok};
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
];

/// A signal is asynchronous: the drain has begun when the port refuses.
fn await_closed(proxy: &Proxy) {
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
