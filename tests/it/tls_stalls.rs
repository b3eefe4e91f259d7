//! Clients that do TLS wrong: that stall, break off, send something else, come in crowds. What they cost others, and what
//! is said of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::Error;

use crate::signals::await_closed;
use crate::support::case::cases;
use crate::support::eventually;
use crate::support::message::get;
use crate::support::origin::Origin;
use crate::support::pki::Leaf;
use crate::support::proxy::{Proxy, Setup};
use crate::support::site::{Site, await_failures, failures, settle};
use crate::support::tls::{ANY, Client, TLS_1_2, TLS_1_3, Tls};
use crate::support::wire::{End, Wire};
use crate::tls::tunnel;

cases![
    who_stalls_in_the_handshake_has_ten_seconds,
    a_long_hello_may_come_byte_by_byte,
    a_hello_in_many_records_is_taken,
    who_goes_away_in_the_handshake_frees_everything,
    garbage_behind_the_hello_is_answered_with_an_alert,
    a_record_that_is_too_long_is_answered_with_an_alert,
    who_speaks_no_version_of_today_is_told_by_an_alert,
    a_broken_record_in_a_tunnel_is_a_cut,
    a_crowd_in_the_handshake_delays_no_tunnel_and_leaves_no_memory_behind,
    many_whole_handshakes_at_once_are_all_done,
    who_waits_in_the_handshake_is_a_stranger,
    who_asks_for_nothing_behind_the_handshake_is_a_stranger,
    who_gave_a_certificate_is_no_stranger,
    lines_about_handshakes_are_bounded,
    who_does_not_trust_the_proxy_is_named_so,
    the_end_of_the_server_ends_handshakes,
    who_is_in_the_handshake_as_the_server_drains_is_served,
    a_flood_of_hellos_keeps_no_other_address_waiting,
];

/// Reads until the end; gives what came.
fn rest(mut client: Wire) -> (Vec<u8>, End) {
    client.drain()
}

fn who_stalls_in_the_handshake_has_ten_seconds() {
    let site = Site::new();
    let proxy = site.open();
    let hello = |versions| Client::new(&site.servers.pem(), versions, None).hello();
    let (hello_12, hello_13) = (hello(TLS_1_2), hello(TLS_1_3));
    let sent: [&[u8]; 4] = [b"", &hello_13[..hello_13.len() / 2], &hello_13, &hello_12];
    let waits = sent.map(|bytes| {
        let began = Instant::now();
        let mut client = proxy.client();
        client.send(bytes);
        std::thread::spawn(move || (rest(client), began.elapsed()))
    });
    // In the last second too, where nobody else waits for an answer.
    let (mut late, hello) = (proxy.client(), hello_13.clone());
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(9_100));
        let _ = late.try_send(hello);
        rest(late)
    });
    for (wait, sent) in waits.into_iter().zip(sent) {
        let ((got, end), waited) = wait.join().expect("a client");
        assert_eq!(end, End::Eof, "{} bytes", sent.len());
        assert_eq!(got.is_empty(), sent.len() < hello_12.len().min(hello_13.len()));
        // Its own time would be 30 s for a head.
        let range = Duration::from_millis(9_900)..Duration::from_secs(25);
        assert!(range.contains(&waited), "{} bytes: {waited:?}", sent.len());
    }
    assert_ne!(late.join().expect("a client").0, b"");
    for line in await_failures(&proxy, 5) {
        assert!(line.contains("level=warning") && line.contains("10 s"), "{line}");
    }
}

/// A socket that sends each byte in a packet of its own.
struct ByteByByte(TcpStream);

impl Read for ByteByByte {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for ByteByByte {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

/// A client whose hello is nearly as long as a record can be.
fn verbose(site: &Site, versions: &[&'static rustls::SupportedProtocolVersion], names: u8) -> Client {
    let mut protocols: Vec<Vec<u8>> = (0..names).map(|nth| vec![b'a' + nth % 26; 255]).collect();
    protocols.push(b"http/1.1".to_vec());
    let protocols: Vec<&[u8]> = protocols.iter().map(Vec::as_slice).collect();
    Client::new(&site.servers.pem(), versions, None).alpn(&protocols)
}

fn a_long_hello_may_come_byte_by_byte() {
    let (site, origin) = (Site::new(), Origin::fixed("at last"));
    let proxy = site.open();
    for versions in [TLS_1_2, TLS_1_3] {
        let client = verbose(&site, versions, 62);
        assert!((15_900..16_384).contains(&client.hello().len()));
        let connected = client.connect_through(proxy.address(), ByteByByte);
        let mut wire = connected.unwrap_or_else(|error| panic!("handshake: {error}"));
        wire.send(get(&origin.url("/")));
        assert_eq!(wire.response().text(), "at last");
    }
}

fn a_hello_in_many_records_is_taken() {
    let (site, origin) = (Site::new(), Origin::fixed("at last"));
    let proxy = site.open();
    let client = verbose(&site, ANY, 200);
    assert!(client.hello().len() > 3 * 16_384);
    let mut wire = client.connect(proxy.address());
    wire.send(get(&origin.url("/")));
    assert_eq!(wire.response().text(), "at last");
}

fn who_goes_away_in_the_handshake_frees_everything() {
    let site = Site::new();
    let proxy = site.open();
    let before = proxy.open_descriptors();
    let hello = site.client().hello();
    for resets in [false, true] {
        for bytes in [&hello[..1], &hello[..hello.len() / 2], &hello] {
            let mut client = proxy.client();
            client.send(bytes);
            if resets {
                client.reset();
            } else {
                client.half_close();
                assert_eq!(rest(client).1, End::Eof);
            }
        }
    }
    eventually("everything to be freed", || {
        (proxy.open_descriptors() <= before).then_some(())
    });
    for line in await_failures(&proxy, 6) {
        assert!(line.contains("level=warning"), "{line}");
    }
    site.client().connect(proxy.address());
}

/// The description of the alert that an answer ends with (RFC 8446, 6): its record's only unencrypted one.
fn alert(answer: &[u8]) -> Option<u8> {
    let mut left = answer;
    let mut found = None;
    while let [kind, _, _, high, low, rest @ ..] = left {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (text, behind) = rest.split_at(length.min(rest.len()));
        if let ([2, description], 21) = (text, kind) {
            found = Some(*description);
        }
        left = behind;
    }
    found
}

fn garbage_behind_the_hello_is_answered_with_an_alert() {
    let site = Site::new();
    let proxy = site.open();
    let hello = Client::new(&site.servers.pem(), TLS_1_2, None).hello();
    // No record, no handshake message, a second hello.
    let garbage = [
        get("http://x.test/").into_bytes(),
        b"\x16\x03\x03\x00\x04\x63\x00\x00\x00".to_vec(),
        hello.clone(),
    ];
    for bytes in &garbage {
        let mut client = proxy.client();
        client.send([&hello, bytes.as_slice()].concat());
        let (answer, end) = rest(client);
        assert_eq!(end, End::Eof, "{bytes:?}");
        assert!(alert(&answer).is_some(), "{bytes:?}: {answer:?}");
    }
    // A message longer than any: rustls ends it without a word.
    let mut client = proxy.client();
    client.send(b"\x16\x03\x01\x00\x05hello");
    assert_eq!(rest(client), (Vec::new(), End::Eof));
    for line in await_failures(&proxy, 4) {
        assert!(line.contains("level=warning"), "{line}");
    }
    site.client().connect(proxy.address());
}

fn a_record_that_is_too_long_is_answered_with_an_alert() {
    let site = Site::new();
    let proxy = site.open();
    let mut client = proxy.client();
    client.send(b"\x16\x03\x01\xff\xff\x01\x00\xff\xff");
    let (answer, _) = rest(client);
    assert!(alert(&answer).is_some(), "{answer:?}");
    await_failures(&proxy, 1);
}

fn who_speaks_no_version_of_today_is_told_by_an_alert() {
    let site = Site::new();
    let proxy = site.open();
    // A hello of TLS 1.0 with one cipher suite and nothing else.
    let body = [&b"\x03\x01"[..], &[7; 32], b"\x00\x00\x02\x00\x2f\x01\x00"].concat();
    let length = u8::try_from(body.len()).expect("short");
    let hello = [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat();
    let mut client = proxy.client();
    client.send(hello);
    let (answer, end) = rest(client);
    // protocol_version, or handshake_failure for what such a client lacks beside.
    assert!(
        matches!(alert(&answer), Some(70 | 40)) && end == End::Eof,
        "{answer:?}"
    );
    let line = await_failures(&proxy, 1).remove(0);
    assert!(line.contains("neither TLS 1.2 nor TLS 1.3"), "{line}");
}

fn a_broken_record_in_a_tunnel_is_a_cut() {
    let (site, origin) = (Site::new(), Origin::echo());
    let proxy = site.open();
    let mut connection = site.client().connection();
    let mut socket = TcpStream::connect(proxy.address()).expect("connect");
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).expect("a handshake");
    }
    let head = crate::support::message::connect(&origin.authority());
    connection.writer().write_all(head.as_bytes()).expect("room");
    connection.complete_io(&mut socket).expect("sent");
    origin.await_accepted(1);
    socket.write_all(&[0x17, 3, 3, 0, 32]).expect("sent");
    socket.write_all(&[9; 32]).expect("sent");
    origin.await_ended(1);
    let line = proxy.close_line();
    assert!(!line.get("error").is_empty(), "{line:?}");
    let told = loop {
        match connection.complete_io(&mut socket) {
            Err(error) => break error.to_string(),
            Ok((0, 0)) => panic!("no alert"),
            Ok(_) => {}
        }
    };
    assert!(told.contains("BadRecordMac"), "{told}");
}

/// Connections that have sent a hello and say no more.
fn crowd(site: &Site, to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let hello = site.client().hello();
    let greet = |_| {
        let mut stream = TcpStream::connect(to).expect("connect");
        stream.write_all(&hello).expect("a hello");
        stream
    };
    (0..count).map(greet).collect()
}

/// A client of another address says hello; then, behind `meanwhile`, it goes on, and is served.
fn ask_from_elsewhere(site: &Site, proxy: SocketAddr, url: &str, meanwhile: impl FnOnce()) {
    let mut connection = site.client().connection();
    let wire = Wire::connect_from("127.0.0.2", proxy);
    let mut socket = wire.stream();
    connection.write_tls(&mut socket).expect("a hello");
    meanwhile();
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).expect("a handshake");
    }
    connection.writer().write_all(get(url).as_bytes()).expect("room");
    connection.complete_io(&mut socket).expect("sent");
    let mut answer = [0; 12];
    while connection.reader().read(&mut answer).is_err() {
        connection.complete_io(&mut socket).expect("an answer");
    }
    assert_eq!(answer.escape_ascii().to_string(), "HTTP/1.1 200");
}

/// So much more than before, or half as much again, is no leak: an allocator keeps something.
const KEPT_KIB: u64 = 12 * 1024;

/// Memory is bounded by so much of each connection in its handshake, and so much of all.
const CONNECTION_KIB_MAX: u64 = 8;
const SHARED_KIB_MAX: u64 = 36 * 1024;

fn a_crowd_in_the_handshake_delays_no_tunnel_and_leaves_no_memory_behind() {
    const COUNT: usize = 10_000;
    let nofile = smokescreen::io::descriptors::raise_nofile();
    assert!(
        nofile > 10_600,
        "{nofile} descriptors are too few for a crowd of {COUNT}"
    );
    let (site, origin, asked) = (Site::new(), Origin::echo(), Origin::fixed("beside the crowd"));
    // None of them loses its place to another.
    let setup = site.sealed(Setup::open()).option("--max-connections", "10500");
    let proxy = setup.start();
    let mut beside = tunnel(&site.client(), &proxy, &origin.authority());
    beside.send("ping");
    beside.expect(b"ping");
    // The origin's connection is kept for the next.
    ask_from_elsewhere(&site, proxy.address(), &asked.url("/"), || {});
    let (before, descriptors) = (proxy.resident_kib(), proxy.open_descriptors());
    let (address, began) = (proxy.address(), Instant::now());
    let (mut slowest, mut highest) = (Duration::ZERO, 0);
    std::thread::scope(|scope| {
        let crowd = scope.spawn(|| {
            let (mut crowd, mut answered) = (crowd(&site, address, COUNT), 0);
            for client in &mut crowd {
                // The answer came, or, where the machine is so busy that ten seconds were not enough, the end.
                client
                    .set_read_timeout(Some(crate::support::DEADLINE))
                    .expect("a timeout");
                let mut answer = [0; 4096];
                let is_silent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
                let read = client.read(&mut answer);
                assert!(!read.as_ref().is_err_and(is_silent), "nothing came");
                answered += usize::from(read.is_ok_and(|n| n > 0));
            }
            (crowd, answered)
        });
        while !crowd.is_finished() {
            let sent = Instant::now();
            beside.send("ping");
            beside.expect(b"ping");
            slowest = slowest.max(sent.elapsed());
            highest = highest.max(proxy.resident_kib());
            ask_from_elsewhere(&site, address, &asked.url("/"), || {});
        }
        let (crowd, answered) = crowd.join().expect("a crowd");
        // In ten seconds even a busy machine computes for some of them.
        let least = if began.elapsed() < Duration::from_secs(9) {
            COUNT
        } else {
            COUNT / 20
        };
        assert!(answered >= least, "{answered} answered in {:?}", began.elapsed());
        highest = highest.max(proxy.resident_kib());
        drop(crowd);
    });
    let took = began.elapsed();
    assert!(
        slowest < Duration::from_secs(5),
        "{slowest:?} for a ping, {took:?} for the crowd"
    );
    let bound = before + CONNECTION_KIB_MAX * COUNT as u64 + SHARED_KIB_MAX;
    assert!(highest < bound, "{before} to {highest} KiB of {bound}");
    eventually("the crowd to be forgotten", || {
        (proxy.open_descriptors() <= descriptors).then_some(())
    });
    eventually("its memory to be given back", || {
        (proxy.resident_kib() < before * 3 / 2 + KEPT_KIB).then_some(())
    });
    beside.send("ping");
    beside.expect(b"ping");
}

fn many_whole_handshakes_at_once_are_all_done() {
    let (site, origin) = (Site::new(), Origin::fixed("one of many"));
    let proxy = site.open();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                // None of them takes another's session.
                for _ in 0..25 {
                    let mut wire = site.client().connect(proxy.address());
                    wire.send(get(&origin.url("/")));
                    assert_eq!(wire.response().text(), "one of many");
                }
            });
        }
    });
    assert_eq!(failures(&proxy), Vec::<String>::new());
}

fn who_waits_in_the_handshake_is_a_stranger() {
    let (site, origin) = (Site::new(), Origin::fixed("in"));
    let proxy = site
        .sealed(Setup::open())
        .option("--max-connections", "10")
        .start();
    let before = proxy.open_descriptors();
    let mut strangers = crowd(&site, proxy.address(), 10);
    eventually("all to be accepted", || {
        (proxy.open_descriptors() >= before + 10).then_some(())
    });
    let mut known = Vec::new();
    for _ in 0..10 {
        let mut wire = site.client().connect(proxy.address());
        wire.send(get(&origin.url("/")));
        assert_eq!(wire.response().text(), "in");
        known.push(wire);
    }
    for stranger in &mut strangers {
        stranger
            .set_read_timeout(Some(crate::support::DEADLINE))
            .expect("a timeout");
        // The server's half of the handshake may have come; then the end.
        assert!(stranger.read_to_end(&mut Vec::new()).is_ok());
    }
    for wire in &mut known {
        wire.send(get(&origin.url("/")));
        assert_eq!(wire.response().text(), "in", "who is known stays");
    }
}

fn who_asks_for_nothing_behind_the_handshake_is_a_stranger() {
    let (site, origin) = (Site::new(), Origin::fixed("in"));
    let proxy = site
        .sealed(Setup::open())
        .option("--max-connections", "10")
        .start();
    let mut strangers: Vec<Tls> = (0..10).map(|_| site.client().connect(proxy.address())).collect();
    let mut wire = site.client().connect(proxy.address());
    wire.send(get(&origin.url("/")));
    assert_eq!(wire.response().text(), "in");
    assert_eq!(
        strangers[0].drain(),
        (Vec::new(), End::Eof),
        "who waited longest, in order"
    );
    for stranger in &mut strangers[1..] {
        stranger.send(get(&origin.url("/")));
        assert_eq!(stranger.response().text(), "in");
    }
}

/// Also where the password is still owed.
fn who_gave_a_certificate_is_no_stranger() {
    let site = Site::new();
    let proxy = site
        .mutual(Setup::locked())
        .option("--max-connections", "10")
        .start();
    let client = site.client_with(&site.clients.issue(&Leaf::client("known")));
    let asks = |wire: &mut Tls| {
        wire.send(get("http://x.test/"));
        assert_eq!(wire.response().status, 407);
    };
    let mut known: Vec<Tls> = (0..9).map(|_| client.connect(proxy.address())).collect();
    known.iter_mut().for_each(asks);
    let mut stranger = site.client().connect(proxy.address());
    for _ in 0..3 {
        let next = site.client().connect(proxy.address());
        // A cut, where it was not done with the handshake yet.
        stranger.expect_gone();
        stranger = next;
    }
    known.iter_mut().for_each(asks);
}

fn lines_about_handshakes_are_bounded() {
    let site = Site::new();
    let proxy = site.open();
    let (began, count) = (Instant::now(), 3_000);
    for _ in 0..count {
        let mut client = TcpStream::connect(proxy.address()).expect("connect");
        client.write_all(b"\x16\x03\x01\x00\x05hello").expect("sent");
        let _ = client.read_to_end(&mut Vec::new());
    }
    let said = &proxy.await_lines("lines about strangers left out", 1)[0];
    assert_eq!((said.get("level"), said.get("addresses")), ("warning", "1"));
    settle(&proxy);
    let (written, seconds) = (failures(&proxy).len() as u64, began.elapsed().as_secs() + 1);
    assert!(
        (1_000..1_001 + 100 * seconds).contains(&written),
        "{written} lines in {seconds} s"
    );
}

fn who_does_not_trust_the_proxy_is_named_so() {
    let site = Site::new();
    let proxy = site.open();
    for versions in [TLS_1_2, TLS_1_3] {
        let refused = Client::new(&site.clients.pem(), versions, None).try_connect(proxy.address());
        assert!(matches!(refused.err(), Some(Error::InvalidCertificate(_))));
    }
    for line in await_failures(&proxy, 2) {
        assert!(line.contains("does not trust the proxy's certificate"), "{line}");
    }
}

fn the_end_of_the_server_ends_handshakes() {
    let site = Site::new();
    let mut proxy: Proxy = site.sealed(Setup::open()).start();
    let mut stalled = crowd(&site, proxy.address(), 1);
    let mut answer = [0; 4096];
    assert!(stalled[0].read(&mut answer).is_ok_and(|n| n > 0));
    proxy.signal(rustix::process::Signal::TERM);
    assert!(
        proxy.wait().success(),
        "a handshake holds nothing up for longer than its time"
    );
}

/// A socket over which a client goes on with its handshake when something was done meanwhile.
struct After<'a> {
    socket: TcpStream,
    meanwhile: &'a dyn Fn(),
    writes: usize,
}

impl Read for After<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.socket.read(into)
    }
}

impl Write for After<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writes += 1;
        if self.writes == 2 {
            (self.meanwhile)();
        }
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.socket.flush()
    }
}

/// Its request can't be there yet: it comes behind the handshake.
fn who_is_in_the_handshake_as_the_server_drains_is_served() {
    let (site, origin) = (Site::new(), Origin::fixed("just in time"));
    for versions in [TLS_1_2, TLS_1_3] {
        let mut proxy = site.open();
        let drains = || {
            proxy.signal(rustix::process::Signal::TERM);
            await_closed(&proxy);
        };
        let connected =
            Client::new(&site.servers.pem(), versions, None).connect_through(proxy.address(), |socket| {
                After {
                    socket,
                    meanwhile: &drains,
                    writes: 0,
                }
            });
        let mut wire = connected.unwrap_or_else(|error| panic!("handshake: {error}"));
        wire.send(get(&origin.url("/")));
        let response = wire.response();
        assert!(
            response.text() == "just in time" && response.closes(),
            "{response:?}"
        );
        assert!(proxy.wait().success());
    }
}

/// Those of the flood were all there before.
fn a_flood_of_hellos_keeps_no_other_address_waiting() {
    const COUNT: usize = 2_000;
    let (site, origin) = (Site::new(), Origin::fixed("beside the flood"));
    let proxy = site.open();
    // Nothing is answered until all is said.
    proxy.signal(rustix::process::Signal::STOP);
    let flood = crowd(&site, proxy.address(), COUNT);
    let url = origin.url("/");
    ask_from_elsewhere(&site, proxy.address(), &url, || {
        proxy.signal(rustix::process::Signal::CONT)
    });
    let mut waiting: Vec<PollFd<'_>> = flood.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
    let answered = poll(&mut waiting, Some(&Timespec::default())).expect("poll");
    assert!(answered < COUNT * 3 / 4, "{answered} of the flood came first");
}
