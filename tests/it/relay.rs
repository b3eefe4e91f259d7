//! Bytes in tunnels: all of them, in order, each direction closing on its own, resets as resets, bounded memory.

use std::io::{ErrorKind, Write as _};
use std::time::{Duration, Instant};

use crate::support::case::cases;
use crate::support::origin::{Origin, Signal};
use crate::support::proxy::Setup;
use crate::support::wire::{End, Wire};
use crate::support::{assert_same_bytes, eventually, pattern};

cases![
    the_clients_fin_travels_and_answers_still_come,
    the_origins_fin_travels_and_requests_still_go,
    the_clients_reset_travels_as_a_reset,
    the_origins_reset_travels_as_a_reset,
    a_reset_behind_the_end_is_no_error,
    large_transfers_both_ways_at_once_are_exact,
    single_bytes_are_not_held_back,
    bytes_behind_an_urgent_mark_arrive_without_further_ones,
    an_origin_that_does_not_read_stops_the_client,
    a_client_that_does_not_read_stops_the_origin,
    one_stalled_tunnel_does_not_stall_another,
    a_silent_tunnel_ends_after_the_idle_timeout,
    a_tunnel_with_traffic_one_way_is_not_idle,
    everything_sent_before_a_fin_arrives_even_to_a_slow_reader,
    descriptors_are_given_back,
];

const BULK: usize = 24 << 20;

fn the_clients_fin_travels_and_answers_still_come() {
    let origin = Origin::raw(|mut wire| {
        let (bytes, end) = wire.drain();
        assert_eq!(end, End::Eof);
        let _ = wire.try_send(format!("{} bytes", bytes.len()));
        let _ = wire.try_send(pattern(200_000, 5));
    });
    let proxy = Setup::open().start();
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.send("question");
    tunnel.half_close();
    tunnel.expect(b"8 bytes");
    tunnel.expect(&pattern(200_000, 5));
    tunnel.expect_eof();
    let line = proxy.close_line();
    assert_eq!(
        (line.get("bytes_out"), line.get("bytes_in"), line.get("error")),
        ("8", "200007", "")
    );
}

fn the_origins_fin_travels_and_requests_still_go() {
    let arrived = Signal::new();
    let raised = arrived.clone();
    let origin = Origin::raw(move |mut wire| {
        let _ = wire.try_send("hello");
        wire.half_close();
        let (bytes, end) = wire.drain();
        if bytes == pattern(300_000, 9) && end == End::Eof {
            raised.raise();
        }
    });
    let proxy = Setup::open().start();
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.expect(b"hello");
    tunnel.expect_eof();
    tunnel.send(pattern(300_000, 9));
    tunnel.half_close();
    assert!(arrived.wait(), "the bytes after the origin's FIN must arrive");
}

fn the_clients_reset_travels_as_a_reset() {
    let (reset, ready) = (Signal::new(), Signal::new());
    let (raised, told) = (reset.clone(), ready.clone());
    let origin = Origin::raw(move |mut wire| {
        let _ = wire.take(2);
        told.raise();
        if wire.drain() == (Vec::new(), End::Reset) {
            raised.raise();
        }
    });
    let proxy = Setup::open().start();
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.send("hi");
    assert!(ready.wait());
    tunnel.reset();
    assert!(reset.wait(), "the origin must see ECONNRESET");
    assert_eq!(proxy.close_line().get("error"), "connection reset by peer");
}

fn the_origins_reset_travels_as_a_reset() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.take(2);
        wire.reset();
    });
    let proxy = Setup::open().start();
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.send("hi");
    tunnel.expect_reset();
    assert_eq!(proxy.close_line().get("error"), "connection reset by peer");
}

/// The origin says its last word and is gone. What the client does then meets a reset, or is one.
fn a_reset_behind_the_end_is_no_error() {
    let last_words: [fn(&mut Wire); 3] = [
        // As TLS ends.
        |tunnel| {
            tunnel.expect(b"bye");
            tunnel.expect_eof();
            let _ = tunnel.try_send("close_notify");
        },
        // The second meets the first one's reset.
        |tunnel| {
            tunnel.expect(b"bye");
            tunnel.expect_eof();
            let _ = tunnel.try_send("one");
            std::thread::sleep(Duration::from_millis(100));
            let _ = tunnel.try_send("two");
        },
        // Closed with the word and the end unread.
        |_| std::thread::sleep(Duration::from_millis(200)),
    ];
    for last_word in last_words {
        let origin = Origin::raw(|mut wire| {
            let _ = wire.try_send("bye");
        });
        let proxy = Setup::open().start();
        let mut tunnel = proxy.tunnel(&origin.authority());
        last_word(&mut tunnel);
        drop(tunnel);
        let line = proxy.close_line();
        assert_eq!((line.get("bytes_in"), line.get("error")), ("3", ""), "{line:?}");
    }
}

fn large_transfers_both_ways_at_once_are_exact() {
    let exact = Signal::new();
    let raised = exact.clone();
    let origin = Origin::raw(move |mut wire| {
        let mut twin = wire.twin();
        let sender = std::thread::spawn(move || {
            twin.send(pattern(BULK, 11));
            twin.half_close();
        });
        if wire.drain() == (pattern(BULK, 13), End::Eof) {
            raised.raise();
        }
        sender.join().expect("sent");
    });
    let proxy = Setup::open().start();
    let mut tunnel = proxy.tunnel(&origin.authority());
    let mut twin = tunnel.twin();
    let sender = std::thread::spawn(move || {
        twin.send(pattern(BULK, 13));
        twin.half_close();
    });
    let (got, end) = tunnel.drain();
    assert_same_bytes(&got, &pattern(BULK, 11));
    assert_eq!(end, End::Eof);
    sender.join().expect("sent");
    assert!(exact.wait(), "what the origin got differs");
    let line = proxy.close_line();
    let both = (line.get("bytes_in").to_owned(), line.get("bytes_out").to_owned());
    assert_eq!(both, (BULK.to_string(), BULK.to_string()));
    assert!(proxy.resident_kib() < 64 << 10, "{} KiB", proxy.resident_kib());
}

fn single_bytes_are_not_held_back() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    let mut tunnel = proxy.tunnel(&origin.authority());
    let mut times: Vec<Duration> = (0..200u8)
        .map(|byte| {
            let start = Instant::now();
            tunnel.send([byte]);
            tunnel.expect(&[byte]);
            start.elapsed()
        })
        .collect();
    // Acknowledgements are delayed by 40 ms, but for the first ones.
    let fastest = times.split_off(100).into_iter().min().expect("a hundred");
    assert!(
        fastest < Duration::from_millis(20),
        "{fastest:?}: something waits for more"
    );
}

/// A read stops at the mark, and no event tells of what is behind it, if all was there before the read.
fn bytes_behind_an_urgent_mark_arrive_without_further_ones() {
    let (stopped, sent) = (Signal::new(), Signal::new());
    let (go, done) = (stopped.clone(), sent.clone());
    let origin = Origin::raw(move |mut wire| {
        go.wait();
        send_around_a_mark(&mut wire);
        done.raise();
        let arrived = wire.take(6).unwrap_or_default();
        let _ = wire.try_send(arrived);
        let _ = wire.drain();
    });
    let proxy = Setup::open().start();
    let mut tunnel = proxy.tunnel(&origin.authority());
    proxy.signal(rustix::process::Signal::STOP);
    send_around_a_mark(&mut tunnel);
    stopped.raise();
    assert!(
        sent.wait(),
        "the origin sends its bytes while the proxy stands still"
    );
    proxy.signal(rustix::process::Signal::CONT);
    tunnel.expect(b"abcdefabcdef");
}

fn send_around_a_mark(wire: &mut Wire) {
    let _ = wire.try_send("abc");
    let _ = socket2::SockRef::from(wire.stream()).send_out_of_band(b"!");
    let _ = wire.try_send("def");
}

/// Writes until the peer has taken nothing for a second; how much went out.
fn fill_up(wire: &Wire, limit: usize) -> usize {
    let mut stream = wire.stream();
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .expect("a write timeout");
    let chunk = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while sent < limit {
        match stream.write(&chunk) {
            Ok(length) => sent += length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("after {sent} bytes: {error}"),
        }
    }
    sent
}

/// Kernel buffers on both connections may hold some megabytes each; the proxy's own share must be small.
fn an_origin_that_does_not_read_stops_the_client() {
    const LIMIT: usize = 96 << 20;
    let read = Signal::new();
    let wait = read.clone();
    let total = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let sum = std::sync::Arc::clone(&total);
    let origin = Origin::raw(move |mut wire| {
        wait.wait();
        let (bytes, _) = wire.drain();
        sum.store(bytes.len(), std::sync::atomic::Ordering::SeqCst);
    });
    let proxy = Setup::open().start();
    let before = proxy.resident_kib();
    let tunnel = proxy.tunnel(&origin.authority());
    let sent = fill_up(&tunnel, LIMIT);
    assert!(sent < LIMIT, "{sent} bytes went out and nobody read them");
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 8 << 10, "the proxy holds {grown} KiB more");
    read.raise();
    tunnel.half_close();
    eventually("all bytes at the origin", || {
        (total.load(std::sync::atomic::Ordering::SeqCst) == sent).then_some(())
    });
}

fn a_client_that_does_not_read_stops_the_origin() {
    const LIMIT: usize = 96 << 20;
    let stuck = Signal::new();
    let raised = stuck.clone();
    let origin = Origin::raw(move |wire| {
        if fill_up(&wire, LIMIT) < LIMIT {
            raised.raise();
        }
    });
    let proxy = Setup::open().start();
    let before = proxy.resident_kib();
    let tunnel = proxy.tunnel(&origin.authority());
    assert!(stuck.wait(), "the origin could send everything");
    let grown = proxy.resident_kib().saturating_sub(before);
    assert!(grown < 8 << 10, "the proxy holds {grown} KiB more");
    drop(tunnel);
}

fn one_stalled_tunnel_does_not_stall_another() {
    let release = Signal::new();
    let wait = release.clone();
    let stalled = Origin::raw(move |_wire| {
        wait.wait();
    });
    let (proxy, echo) = (Setup::open().start(), Origin::echo());
    let stuck = proxy.tunnel(&stalled.authority());
    fill_up(&stuck, 96 << 20);
    let mut tunnel = proxy.tunnel(&echo.authority());
    let bytes = pattern(1 << 20, 3);
    let mut twin = tunnel.twin();
    let copy = bytes.clone();
    let sender = std::thread::spawn(move || twin.send(copy));
    tunnel.expect(&bytes);
    sender.join().expect("sent");
    release.raise();
}

fn a_silent_tunnel_ends_after_the_idle_timeout() {
    let (proxy, origin) = (
        Setup::open().option("--idle-timeout", "1s").start(),
        Origin::echo(),
    );
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.send("ping");
    tunnel.expect(b"ping");
    let start = Instant::now();
    tunnel.expect_gone();
    assert!(
        start.elapsed() > Duration::from_millis(800),
        "{:?}",
        start.elapsed()
    );
    origin.await_ended(1);
    proxy.close_line();
}

fn a_tunnel_with_traffic_one_way_is_not_idle() {
    let origin = Origin::raw(|mut wire| {
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(500));
            if wire.try_send(".").is_err() {
                return;
            }
        }
    });
    let proxy = Setup::open().option("--idle-timeout", "3s").start();
    let mut tunnel = proxy.tunnel(&origin.authority());
    tunnel.expect(b"........");
    tunnel.expect_eof();
}

fn everything_sent_before_a_fin_arrives_even_to_a_slow_reader() {
    let origin = Origin::raw(|mut wire| {
        let _ = wire.try_send(pattern(6 << 20, 17));
    });
    let proxy = Setup::open().start();
    let mut tunnel = proxy.tunnel(&origin.authority());
    let wanted = pattern(6 << 20, 17);
    for part in wanted.chunks(256 << 10) {
        tunnel.expect(part);
        std::thread::sleep(Duration::from_millis(10));
    }
    tunnel.expect_eof();
}

fn descriptors_are_given_back() {
    let (proxy, origin) = (Setup::open().start(), Origin::echo());
    let before = proxy.open_descriptors();
    for _ in 0..3 {
        let mut tunnels: Vec<_> = (0..30).map(|_| proxy.tunnel(&origin.authority())).collect();
        for (index, mut tunnel) in tunnels.drain(..).enumerate() {
            tunnel.send("x");
            tunnel.expect(b"x");
            match index % 3 {
                0 => tunnel.reset(),
                1 => tunnel.half_close(),
                _ => drop(tunnel),
            }
        }
        // Bulk may leave pooled pipes behind; a few descriptors are not a leak, one for each tunnel is.
        eventually("descriptors to be given back", || {
            (proxy.open_descriptors() <= before + 10).then_some(())
        });
    }
}
