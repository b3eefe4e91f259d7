//! Ends and cuts through TLS: a close_notify with its FIN is an end, a FIN alone is a cut, and neither becomes the other on
//! its way through the proxy; what was sent before an end is never lost.

use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::support::case::cases;
use crate::support::message::{connect, get, request};
use crate::support::origin::{Next, Origin, Signal};
use crate::support::site::Site;
use crate::support::tls::{Client, TLS_1_2, TLS_1_3, Tls};
use crate::support::wire::End;
use crate::support::{DEADLINE, assert_same_bytes, eventually, pattern};
use crate::tls::tunnel;

cases![
    a_client_that_ends_its_half_still_reads,
    an_origin_that_ends_its_half_still_reads,
    the_last_bytes_before_an_end_arrive_at_a_slow_reader,
    a_client_that_cuts_reaches_the_origin_as_a_reset,
    a_client_that_resets_reaches_the_origin_as_a_reset,
    an_origins_reset_reaches_the_client_as_a_cut,
    a_body_until_close_that_is_cut_is_no_whole_body,
    a_refused_client_hears_close_notify,
    an_upload_that_is_cut_is_no_whole_upload,
    a_client_that_cuts_while_it_waits_frees_everything,
    the_end_of_the_server_is_said_where_nothing_is_cut,
];

fn a_client_that_ends_its_half_still_reads() {
    let site = Site::new();
    let go_on = Signal::new();
    let (waits, body) = (go_on.clone(), pattern(200_000, 3));
    let sent = body.clone();
    let origin = Origin::raw(move |mut wire| {
        let (heard, end) = wire.drain();
        assert_eq!((heard.as_slice(), end), (&b"last words"[..], End::Eof));
        // The end came while nothing else moved; there is still somebody to talk to.
        assert!(waits.wait());
        let _ = wire.try_send(&sent);
    });
    let proxy = site.open();
    for versions in [TLS_1_2, TLS_1_3] {
        let client = Client::new(&site.servers.pem(), versions, None);
        let mut wire = tunnel(&client, &proxy, &origin.authority());
        wire.send("last words");
        wire.half_close();
        go_on.raise();
        let (got, end) = wire.drain();
        assert_same_bytes(&got, &body);
        assert_eq!(end, End::Eof, "a close_notify");
    }
    origin.await_ended(2);
    for line in proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 2) {
        assert_eq!((line.get("error"), line.get("bytes_in")), ("", "200000"));
    }
}

fn an_origin_that_ends_its_half_still_reads() {
    let site = Site::new();
    let heard = Signal::new();
    let says = heard.clone();
    let origin = Origin::raw(move |mut wire| {
        let _ = wire.try_send("that is all");
        wire.half_close();
        if wire.drain() == (b"but I go on".to_vec(), End::Eof) {
            says.raise();
        }
    });
    let proxy = site.open();
    let mut wire = tunnel(&site.client(), &proxy, &origin.authority());
    let (got, end) = wire.drain();
    assert_eq!((got.as_slice(), end), (&b"that is all"[..], End::Eof));
    wire.send("but I go on");
    wire.half_close();
    assert!(heard.wait());
    assert_eq!(proxy.close_line().get("error"), "");
}

fn the_last_bytes_before_an_end_arrive_at_a_slow_reader() {
    let site = Site::new();
    let body = pattern(1 << 20, 9);
    let sent = body.clone();
    let origin = Origin::raw(move |mut wire| {
        let _ = wire.try_send(&sent);
    });
    let proxy = site.open();
    for versions in [TLS_1_2, TLS_1_3] {
        let client = Client::new(&site.servers.pem(), versions, None);
        let mut wire = tunnel(&client, &proxy, &origin.authority());
        let mut got = Vec::new();
        // Nothing can be at its end while so much is not taken.
        while got.len() < body.len() / 2 {
            got.extend(wire.take(8192).expect("more"));
            std::thread::sleep(Duration::from_millis(2));
        }
        let (rest, end) = wire.drain();
        got.extend(rest);
        assert_same_bytes(&got, &body);
        assert_eq!(end, End::Eof);
    }
}

/// An origin that sends back four bytes, and says how the tunnel to it ended.
fn watching() -> (Origin, Receiver<End>) {
    let (says, hears) = std::sync::mpsc::channel();
    let says = Mutex::new(says);
    let origin = Origin::raw(move |mut wire| {
        if let Ok(bytes) = wire.take(4) {
            let _ = wire.try_send(bytes);
        }
        let (_, end) = wire.drain();
        let _ = says.lock().expect("the channel").send(end);
    });
    (origin, hears)
}

fn a_client_that_cuts_reaches_the_origin_as_a_reset() {
    let site = Site::new();
    let (proxy, (origin, hears)) = (site.open(), watching());
    for versions in [TLS_1_2, TLS_1_3] {
        let client = Client::new(&site.servers.pem(), versions, None);
        let mut wire = tunnel(&client, &proxy, &origin.authority());
        wire.send("half");
        wire.expect(b"half");
        wire.cut();
        assert_eq!(hears.recv_timeout(DEADLINE), Ok(End::Reset));
    }
    for line in proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 2) {
        assert_eq!(
            (line.get("error"), line.get("bytes_out")),
            ("unexpected EOF", "4")
        );
    }
}

fn a_client_that_resets_reaches_the_origin_as_a_reset() {
    let site = Site::new();
    let (proxy, (origin, hears)) = (site.open(), watching());
    let mut wire = tunnel(&site.client(), &proxy, &origin.authority());
    wire.send("half");
    wire.expect(b"half");
    wire.reset();
    assert_eq!(hears.recv_timeout(DEADLINE), Ok(End::Reset));
    assert_ne!(proxy.close_line().get("error"), "");
}

fn an_origins_reset_reaches_the_client_as_a_cut() {
    let site = Site::new();
    let origin = Origin::raw(|mut wire| {
        let _ = wire.take(1);
        wire.reset();
    });
    let proxy = site.open();
    for versions in [TLS_1_2, TLS_1_3] {
        let client = Client::new(&site.servers.pem(), versions, None);
        let mut wire = tunnel(&client, &proxy, &origin.authority());
        wire.send("R");
        wire.expect_reset();
        assert_eq!(wire.failure(), None, "nothing was said");
    }
    for line in proxy.await_lines("CANONICAL-PROXY-CN-CLOSE", 2) {
        assert!(line.get("error").contains("reset"), "{line:?}");
    }
}

fn a_body_until_close_that_is_cut_is_no_whole_body() {
    let site = Site::new();
    let origin = Origin::http(|seen, wire| {
        let _ = wire.try_send("HTTP/1.1 200 OK\r\n\r\nas far as it");
        let _ = seen.target == "/cut" && {
            let _ = socket2::SockRef::from(wire.stream()).set_linger(Some(Duration::ZERO));
            true
        };
        Next::Close
    });
    let proxy = site.open();
    let mut wire = site.client().connect(proxy.address());
    wire.send(get(&origin.url("/whole")));
    let response = wire.response();
    assert_eq!((response.text().as_str(), response.whole), ("as far as it", true));
    let mut wire = site.client().connect(proxy.address());
    wire.send(get(&origin.url("/cut")));
    // It may be cut before anything left.
    match wire.try_response("GET") {
        Ok(response) => assert!(response.status == 502 || !response.whole, "{response:?}"),
        Err(end) => assert_eq!(end, End::Reset),
    }
}

fn a_refused_client_hears_close_notify() {
    let site = Site::new();
    let proxy = site.open();
    let mut wire = site.client().connect(proxy.address());
    wire.send(connect("127.0.0.1:443"));
    let response = wire.response_to("POST");
    assert!(response.status == 407 && response.closes(), "{response:?}");
    wire.expect_eof();
    let mut wire = site.client().connect(proxy.address());
    wire.send("nonsense\r\n\r\n");
    assert_eq!(wire.response().status, 400);
    wire.expect_eof();
}

fn an_upload_that_is_cut_is_no_whole_upload() {
    let site = Site::new();
    let (proxy, (origin, hears)) = (site.open(), {
        let (says, hears) = std::sync::mpsc::channel();
        let says = Mutex::new(says);
        let origin = Origin::raw(move |mut wire| {
            let _ = wire.take_until(b"half");
            let _ = wire.try_send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let _ = says.lock().expect("the channel").send(wire.drain());
        });
        (origin, hears)
    });
    for lines in ["Transfer-Encoding: chunked\r\n", "Content-Length: 100\r\n"] {
        let mut wire = site.client().connect(proxy.address());
        wire.send(request("POST", &origin.url("/"), lines));
        wire.send(if lines.contains("chunked") {
            "5\r\nhalf,\r\n"
        } else {
            "half,"
        });
        assert!(wire.take_until(b"\r\n\r\n").is_ok());
        wire.cut();
        let (rest, _) = hears.recv_timeout(DEADLINE).expect("an end");
        assert!(!rest.ends_with(b"0\r\n\r\n") && rest.len() < 90, "{rest:?}");
    }
}

/// Who ends in order may wait for an answer; who cuts waits for none.
fn a_client_that_cuts_while_it_waits_frees_everything() {
    let site = Site::new();
    let origin = Origin::raw(|mut wire| {
        let _ = wire.drain();
    });
    let proxy = site.open();
    let before = proxy.open_descriptors();
    let clients: Vec<Tls> = (0..5)
        .map(|nth| {
            let mut wire = site.client().connect(proxy.address());
            wire.send(get(&origin.url("/")));
            origin.await_accepted(nth + 1);
            wire
        })
        .collect();
    clients.into_iter().for_each(Tls::cut);
    origin.await_ended(5);
    eventually("everything to be freed", || {
        (proxy.open_descriptors() <= before).then_some(())
    });
}

fn the_end_of_the_server_is_said_where_nothing_is_cut() {
    let site = Site::new();
    let (mut proxy, origin, echo) = (site.open(), Origin::fixed("kept"), Origin::echo());
    let mut idle = site.client().connect(proxy.address());
    idle.send(get(&origin.url("/")));
    assert_eq!(idle.response().text(), "kept");
    let mut goes_on = tunnel(&site.client(), &proxy, &echo.authority());
    proxy.signal(rustix::process::Signal::TERM);
    idle.expect_eof();
    goes_on.send("ping");
    goes_on.expect(b"ping");
    proxy.signal(rustix::process::Signal::TERM);
    // That is no end of the origin's: nobody may take what came for complete.
    goes_on.expect_reset();
    assert!(proxy.wait().success());
}
