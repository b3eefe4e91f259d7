//! The helpers can fail: these cases show that they see what they claim to see.

use crate::support::case::cases;
use crate::support::dns::{Answer, Dns};
use crate::support::log_line;
use crate::support::message::{self, Framing};
use crate::support::origin::{Deaf, Next, Origin, Refusing};
use crate::support::wire::{End, Wire};
use crate::support::{PRIVATE, PUBLIC, PUBLIC_6, PUBLIC_B, PUBLIC_C, pattern};

cases![
    the_namespace_has_the_public_addresses,
    an_origin_records_what_it_gets,
    an_origin_complains_about_ambiguous_framing,
    a_wire_tells_fin_from_rst,
    a_refusing_port_refuses_and_a_deaf_one_is_silent,
    the_name_server_counts_and_scripts,
    log_lines_are_read_strictly,
    responses_are_framed_strictly,
    patterns_depend_on_position,
];

fn the_namespace_has_the_public_addresses() {
    for ip in [PUBLIC, PUBLIC_B, PUBLIC_C, PUBLIC_6, PRIVATE] {
        let origin = Origin::fixed_at(ip, "here");
        let mut wire = Wire::connect(origin.address());
        wire.send(message::get(&origin.url("/")));
        assert_eq!(wire.response().text(), "here");
    }
}

fn an_origin_records_what_it_gets() {
    let origin = Origin::fixed("x");
    let mut wire = Wire::connect(origin.address());
    wire.send(message::post(&origin.url("/a"), "body"));
    assert_eq!(wire.response().status, 200);
    let request = origin.last();
    assert_eq!(
        (request.method.as_str(), request.body.as_slice()),
        ("POST", &b"body"[..])
    );
    assert_eq!(
        (request.framing, request.version.as_str()),
        (Framing::Length(4), "HTTP/1.1")
    );
    assert_eq!(origin.accepted(), 1);
}

fn an_origin_complains_about_ambiguous_framing() {
    let origin = Origin::fixed("x");
    for lines in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +1\r\n",
        "Bad : x\r\n",
        "A: b\nC: d\r\n",
    ] {
        let mut wire = Wire::connect(origin.address());
        wire.send(message::request("POST", "http://x/", lines));
        wire.expect_eof();
        assert_eq!(origin.take_complaints().len(), 1, "{lines:?}");
    }
    assert!(origin.requests().is_empty());
}

fn a_wire_tells_fin_from_rst() {
    let origin = Origin::raw(|mut wire| {
        let kind = wire.take(1);
        if kind == Ok(b"R".to_vec()) {
            wire.reset();
        }
    });
    let mut wire = Wire::connect(origin.address());
    wire.send("R");
    wire.expect_reset();
    let mut wire = Wire::connect(origin.address());
    wire.send("F");
    wire.expect_eof();
}

fn a_refusing_port_refuses_and_a_deaf_one_is_silent() {
    let refusing = Refusing::new();
    let error = std::net::TcpStream::connect(refusing.authority()).expect_err("a refusal");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    let deaf = Deaf::new();
    let address = deaf.authority().parse().expect("an address");
    let limit = std::time::Duration::from_millis(300);
    let error = std::net::TcpStream::connect_timeout(&address, limit).expect_err("silence");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

fn the_name_server_counts_and_scripts() {
    let dns = Dns::start()
        .name("a.test", &["44.1.2.3", "::1"])
        .script("b.test", |before| match before {
            0 => Answer::Failure,
            _ => Answer::NoSuchName,
        });
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(dns.authority()).expect("connect");
    let ask = |name: &str, kind: u8| {
        let mut query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).expect("short"));
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(&[0, 0, kind, 0, 1]);
        socket.send(&query).expect("send");
        let mut answer = [0u8; 512];
        let length = socket.recv(&mut answer).expect("an answer");
        answer[..length].to_vec()
    };
    let v4 = ask("a.test", 1);
    assert_eq!(
        (v4[3] & 15, v4[7], &v4[v4.len() - 4..]),
        (0, 1, &[44, 1, 2, 3][..])
    );
    let v6 = ask("a.test", 28);
    assert_eq!((v6[7], v6[v6.len() - 1], v6.len()), (1, 1, v4.len() + 12));
    assert_eq!(ask("b.test", 1)[3] & 15, 2);
    assert_eq!(ask("b.test", 1)[3] & 15, 3);
    assert_eq!(ask("c.test", 1)[3] & 15, 3);
    assert_eq!(
        (dns.asked("a.test"), dns.asked("b.test"), dns.asked("d.test")),
        (2, 2, 0)
    );
}

fn log_lines_are_read_strictly() {
    let line = log_line::parse(
        r#"time="2026-01-01T00:00:00Z" level=info msg="a \"b\" \\ \n \x1b \u00e9" n=1 empty="#,
    );
    let line = line.expect("a good line");
    assert_eq!(line.get("msg"), "a \"b\" \\ \n \u{1b} é");
    assert_eq!((line.number("n"), line.find("empty")), (1.0, Some("")));
    for bad in [
        "a=1 a=2",
        "a=\"x",
        "a=x y",
        "a=\"x\"y",
        "a=b=c",
        "=x",
        "a=\"\u{1b}\"",
        "a=1  b=2",
        "a=1 ",
    ] {
        assert!(log_line::parse(bad).is_err(), "{bad:?}");
    }
    let json = log_line::parse(r#"{"msg":"a","allow":true,"n":1.5,"e":null}"#).expect("a good line");
    assert_eq!(
        (json.get("msg"), json.get("allow"), json.number("n")),
        ("a", "true", 1.5)
    );
    assert!(log_line::parse(r#"{"a":1,"a":2}"#).is_err());
}

fn responses_are_framed_strictly() {
    let read = |bytes: &'static [u8]| {
        let origin = Origin::raw(move |mut wire| {
            let _ = wire.try_send(bytes);
        });
        Wire::connect(origin.address()).try_response("GET")
    };
    let whole = read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: v\r\n\r\n");
    let whole = whole.expect("a response");
    assert_eq!(
        (whole.interim.as_slice(), whole.text().as_str()),
        (&[100][..], "ab")
    );
    assert_eq!(
        (whole.trailers.get("t"), whole.whole),
        (Some("v".to_owned()), true)
    );
    let cut = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").expect("a head");
    assert_eq!((cut.text().as_str(), cut.whole), ("ab", false));
    let cut = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n5\r\nb").expect("a head");
    assert_eq!((cut.text().as_str(), cut.whole), ("a", false));
    let bad = read(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na");
    assert!(matches!(bad, Err(End::Nonsense(_))));
    assert!(matches!(read(b"HTTP/1.1 2"), Err(End::Eof)));
    let kept = Origin::scripted(message::ok("x"), Next::Keep);
    assert_eq!(kept.accepted(), 0);
}

fn patterns_depend_on_position() {
    let long = pattern(1 << 18, 7);
    assert_eq!(long.len(), 1 << 18);
    assert_ne!(long[..1000], long[1000..2000]);
    let pieces: Vec<&[u8]> = long.chunks(1 << 12).collect();
    let different: std::collections::HashSet<&[u8]> = pieces.iter().copied().collect();
    assert_eq!(different.len(), pieces.len());
    assert_ne!(pattern(64, 1), pattern(64, 3));
}
