//! What a hostile or unlucky crowd can do: slow heads, idle connections, descriptors running out, floods.

use std::time::{Duration, Instant};

use crate::support::case::cases;
use crate::support::message::{connect, get};
use crate::support::origin::Origin;
use crate::support::proxy::Setup;
use crate::support::wire::{End, Wire};
use crate::support::{AT_ONCE, eventually};

cases![
    a_slow_head_is_408_and_closed,
    a_dribbled_head_does_not_extend_its_deadline,
    a_silent_connection_is_closed,
    an_idle_kept_connection_is_closed,
    descriptor_exhaustion_pauses_accepting_and_recovers,
    five_hundred_idle_connections_cost_little,
    memory_returns_after_a_crowd,
    issue_284_a_flood_of_connects_leaves_nothing_behind,
    connections_per_start_are_bounded,
    one_busy_tunnel_does_not_starve_others,
    a_slow_reader_of_a_response_does_not_grow_memory,
];

fn a_slow_head_is_408_and_closed() {
    let proxy = Setup::open().option("--read-header-timeout", "1s").start();
    for part in [
        "GET http://x.test/ HTTP/1.1\r\n",
        "GET http://x.test/ HTTP/1.1\r\nHost: x",
        "GET ht",
    ] {
        let mut client = proxy.client();
        let start = Instant::now();
        client.send(part);
        let response = client.response();
        assert!(response.status == 408 && response.closes(), "{response:?}");
        assert!(
            start.elapsed() > Duration::from_millis(800),
            "{:?}",
            start.elapsed()
        );
        client.expect_gone();
    }
}

/// Slowloris: a byte now and then must not count as progress.
fn a_dribbled_head_does_not_extend_its_deadline() {
    let proxy = Setup::open().option("--read-header-timeout", "1s").start();
    let mut client = proxy.client();
    let mut twin = client.twin();
    let start = Instant::now();
    let sender = std::thread::spawn(move || {
        for byte in format!("GET http://x.test/ HTTP/1.1\r\nX: {}", "y".repeat(2000)).bytes() {
            if twin.try_send([byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    });
    assert_eq!(client.response().status, 408);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    drop(client);
    sender.join().expect("sent");
}

fn a_silent_connection_is_closed() {
    let proxy = Setup::open().option("--read-header-timeout", "1s").start();
    let mut client = proxy.client();
    let (bytes, end) = client.drain();
    assert!(
        bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 408"),
        "{:?}",
        String::from_utf8_lossy(&bytes)
    );
    assert_eq!(end, End::Eof);
}

fn an_idle_kept_connection_is_closed() {
    let (proxy, origin) = (
        Setup::open().option("--idle-timeout", "1s").start(),
        Origin::fixed("ok"),
    );
    let mut client = proxy.client();
    client.send(get(&origin.url("/")));
    assert_eq!(client.response().status, 200);
    let start = Instant::now();
    client.expect_gone();
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

/// With no descriptors left it must neither spin nor exit, must go on with what it has, and must recover.
fn descriptor_exhaustion_pauses_accepting_and_recovers() {
    let (mut proxy, echo) = (Setup::open().descriptors(64).start(), Origin::echo());
    let mut tunnel = proxy.tunnel(&echo.authority());
    let mut crowd: Vec<Wire> = (0..150).map(|_| proxy.client()).collect();
    for client in &mut crowd {
        let _ = client.try_send("GET http://x.test/ HTTP/1.1\r\n");
    }
    tunnel.send("still served");
    tunnel.expect(b"still served");
    let ticks = proxy.ticks();
    std::thread::sleep(Duration::from_secs(1));
    let spent = proxy.ticks() - ticks;
    assert!(
        spent < 30,
        "{spent} hundredths of a second of processor time in one second of waiting"
    );
    assert!(proxy.open_descriptors() <= 64 && proxy.is_running());
    crowd.into_iter().for_each(Wire::reset);
    tunnel.send("and now");
    tunnel.expect(b"and now");
    let origin = Origin::fixed("recovered");
    eventually("a fresh connection to be served", || {
        let mut client = proxy.client();
        client.try_send(get(&origin.url("/"))).ok()?;
        client
            .try_response("GET")
            .ok()
            .filter(|response| response.text() == "recovered")
    });
}

fn five_hundred_idle_connections_cost_little() {
    let (proxy, origin) = (Setup::open().start(), Origin::fixed("ok"));
    proxy.assert_serves();
    let before = proxy.resident_kib();
    let mut crowd: Vec<Wire> = (0..500).map(|_| proxy.client()).collect();
    eventually("all to be accepted", || {
        (proxy.open_descriptors() > 500).then_some(())
    });
    assert_eq!(proxy.ask(get(&origin.url("/"))).status, 200);
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 4 << 10, "{grown} KiB for 500 idle connections");
    let ticks = proxy.ticks();
    std::thread::sleep(Duration::from_millis(500));
    assert!(proxy.ticks() - ticks < 15, "idle connections cost processor time");
    for client in crowd.iter_mut().take(5) {
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 200);
    }
}

fn memory_returns_after_a_crowd() {
    smokescreen::io::descriptors::raise_nofile();
    let proxy = Setup::open().start();
    proxy.assert_serves();
    let head = format!("GET http://x.test/ HTTP/1.1\r\nX: {}", "y".repeat(2000));
    // A few first: the pages of the program that their coming and going touches are resident from then on.
    // One or two of the request before may still be open.
    let idle = proxy.open_descriptors();
    let mut few: Vec<Wire> = (0..50).map(|_| proxy.client()).collect();
    few.iter_mut().for_each(|client| client.send(&head));
    eventually("a few to be there", || {
        (proxy.open_descriptors() >= idle + 45).then_some(())
    });
    drop(few);
    eventually("a few to be gone", || {
        (proxy.open_descriptors() <= idle).then_some(())
    });
    let before = proxy.resident_kib();
    let mut crowd: Vec<Wire> = (0..1500).map(|_| proxy.client()).collect();
    crowd.iter_mut().for_each(|client| client.send(&head));
    eventually("their heads to be kept", || {
        (proxy.resident_kib() > before + (3 << 10)).then_some(())
    });
    // Slowly: what is given back as the most have gone must not be all.
    for left in [370, 10] {
        crowd.truncate(left);
        eventually("the connections to be gone", || {
            (proxy.open_descriptors() < left + 30).then_some(())
        });
    }
    eventually("the memory to be given back", || {
        (proxy.resident_kib() < before + (1 << 9)).then_some(())
    });
}

/// Hundreds of CONNECTs at once in a small machine.
fn issue_284_a_flood_of_connects_leaves_nothing_behind() {
    let proxy = Setup::open().start();
    proxy.assert_serves();
    let before = proxy.open_descriptors();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1250 {
                    assert_eq!(proxy.ask(connect("127.0.0.1:1")).status, 407);
                }
            });
        }
    });
    eventually("descriptors to be given back", || {
        (proxy.open_descriptors() <= before + 5).then_some(())
    });
    assert!(proxy.resident_kib() < 64 << 10, "{} KiB", proxy.resident_kib());
}

/// With --max-connections reached, new ones wait or get 503; old ones are served.
fn connections_per_start_are_bounded() {
    let trial = Setup::open()
        .option("--max-connections", "10")
        .arg("--print-config")
        .run();
    if trial.code != Some(0) {
        assert!(trial.stderr.contains("max-connections"), "{}", trial.stderr);
        return;
    }
    let (proxy, origin) = (
        Setup::open().option("--max-connections", "10").start(),
        Origin::fixed("ok"),
    );
    let mut kept: Vec<Wire> = (0..10).map(|_| proxy.client()).collect();
    for client in &mut kept {
        client.send(get(&origin.url("/")));
        assert_eq!(client.response().status, 200);
    }
    let mut extra = proxy.client();
    extra.patience(Duration::from_millis(500));
    let _ = extra.try_send(get(&origin.url("/")));
    match extra.try_response("GET") {
        Ok(response) => assert_eq!(
            (response.status, response.fields.get("retry-after").as_deref()),
            (503, Some("1"))
        ),
        Err(end) => assert!(matches!(end, End::Silence | End::Eof | End::Reset)),
    }
    kept[0].send(get(&origin.url("/")));
    assert_eq!(kept[0].response().status, 200);
    drop(kept);
    drop(extra);
    eventually("room again", || {
        let mut client = proxy.client();
        client.try_send(get(&origin.url("/"))).ok()?;
        client
            .try_response("GET")
            .ok()
            .filter(|response| response.status == 200)
    });
}

fn one_busy_tunnel_does_not_starve_others() {
    let (proxy, echo) = (Setup::open().start(), Origin::echo());
    let pouring = Origin::raw(|mut wire| while wire.try_send([b'x'; 65536]).is_ok() {});
    let mut busy = proxy.tunnel(&pouring.authority());
    let stop = crate::support::origin::Signal::new();
    let told = stop.clone();
    let reader = std::thread::spawn(move || while !told.is_raised() && busy.take(1 << 16).is_ok() {});
    let mut tunnel = proxy.tunnel(&echo.authority());
    let start = Instant::now();
    for _ in 0..50 {
        tunnel.send("ping");
        tunnel.expect(b"ping");
    }
    assert!(
        start.elapsed() < AT_ONCE,
        "{:?} for 50 small exchanges",
        start.elapsed()
    );
    stop.raise();
    reader.join().expect("read");
}

fn a_slow_reader_of_a_response_does_not_grow_memory() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.take_head();
        let _ = wire.try_send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            1u64 << 40
        ));
        while wire.try_send([b'x'; 65536]).is_ok() {}
    });
    let proxy = Setup::open().start();
    proxy.assert_serves();
    let before = proxy.resident_kib();
    let mut clients: Vec<Wire> = (0..20).map(|_| proxy.client()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.send(get(&origin.url("/"))));
    origin.await_accepted(20);
    std::thread::sleep(Duration::from_millis(700));
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB for 20 readers that do not read");
    assert_eq!(clients[0].take_head().expect("a head").start, "HTTP/1.1 200 OK");
}
