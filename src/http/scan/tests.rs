//! Tables of heads that are found and refused, and split invariance.

use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 4096,
    head_fields_max: 8,
};

fn all(mut scan: Scan, bytes: &[u8]) -> Scanned {
    scan.advance(bytes, &LIMITS)
}

/// Shows the bytes in pieces that end at `cuts`; the first final answer counts.
fn pieces(mut scan: Scan, bytes: &[u8], cuts: &[usize]) -> (Scanned, usize) {
    let mut last = Scanned::More;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        last = scan.advance(&bytes[..cut], &LIMITS);
        if last != Scanned::More {
            break;
        }
    }
    (last, scan.skipped())
}

fn bad(scanned: Scanned) -> &'static str {
    match scanned {
        Scanned::Bad(Fault::Malformed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn heads_end_at_the_empty_line() {
    for head in [
        "GET http://h/ HTTP/1.1\r\n\r\n",
        "CONNECT h:1 HTTP/1.0\r\nA: b\r\nC:\td\te\r\n\r\n",
    ] {
        let followed = format!("{head}early data \0\n");
        assert_eq!(
            all(Scan::request(), followed.as_bytes()),
            Scanned::Head(head.len())
        );
        for cut in 0..head.len() {
            assert_eq!(
                all(Scan::request(), &head.as_bytes()[..cut]),
                Scanned::More,
                "{cut}"
            );
        }
    }
    for head in [
        "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
        "HTTP/1.0 404\r\n\r\n",
        "HTTP/1.1 200 \r\n\r\n",
    ] {
        assert_eq!(all(Scan::response(), head.as_bytes()), Scanned::Head(head.len()));
    }
    assert_eq!(all(Scan::trailers(), b"\r\nGET"), Scanned::Head(2));
    assert_eq!(all(Scan::trailers(), b"A: b\r\n\r\n"), Scanned::Head(8));
}

#[test]
fn two_empty_lines_before_a_request_are_skipped() {
    let mut scan = Scan::request();
    assert_eq!(
        scan.advance(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", &LIMITS),
        Scanned::Head(22)
    );
    assert_eq!(scan.skipped(), 4);
    assert_eq!(
        bad(all(Scan::request(), b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n")),
        "an empty start line"
    );
    assert_eq!(
        bad(all(Scan::response(), b"\r\nHTTP/1.1 200 OK\r\n\r\n")),
        "not an HTTP response"
    );
}

#[test]
fn other_protocols_are_refused_at_once() {
    let tls = "a TLS handshake where a plain HTTP request was expected";
    assert_eq!(bad(all(Scan::request(), b"\x16")), tls);
    assert_eq!(
        bad(all(
            Scan::request(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        )),
        tls
    );
    assert_eq!(
        bad(all(Scan::request(), b"SSH-2.0-OpenSSH_9.6\r")),
        "not an HTTP request"
    );
    assert_eq!(
        bad(all(Scan::request(), b"SSH-2.0-OpenSSH_9.6 Ubuntu\r\n")),
        "a malformed request line"
    );
    assert_eq!(
        bad(all(Scan::request(), b"PRI * HTTP/2.0\r\n")),
        "an unsupported HTTP version"
    );
    for start in [
        &b"\x05\x01"[..],
        b"\x04",
        b"\x80",
        b" GET",
        b"G\0",
        b"GET\t",
        b"GET\n",
        b"\0",
        b"{",
    ] {
        assert_eq!(
            bad(all(Scan::request(), start)),
            "not an HTTP request",
            "{start:?}"
        );
    }
    assert_eq!(bad(all(Scan::request(), &[b'A'; 65])), "the method is too long");
    assert_eq!(bad(all(Scan::response(), b"SSH-2")), "not an HTTP response");
    assert_eq!(bad(all(Scan::response(), b"HTTP/2")), "not an HTTP response");
}

#[test]
fn start_lines_are_judged_when_they_end() {
    for line in [
        "GET  http://h/ HTTP/1.1",
        "GET http://h/  HTTP/1.1",
        "GET http://h/ HTTP/1.1 ",
        "GET http://h/",
        "GET",
        "GET ",
        "GET http://h/\tHTTP/1.1",
        "GET http://h/\t HTTP/1.1",
        "GET http://h/ a HTTP/1.1",
        "GET http://h/ ",
        "GET http://h/ http/1.1",
        "GET http://h/ HTTP/1.2",
        "GET http://h/ HTTP/0.9",
        "GET http://h/ HTTP/2.0",
        "GET http://h/ HTTP/1.1\t",
        "GET http://h/ HTTP/1.10",
        "GET http://h/ HTTP/01.1",
        "GET http://h/ HTTP/1",
    ] {
        assert!(
            matches!(
                all(Scan::request(), format!("{line}\r\n").as_bytes()),
                Scanned::Bad(_)
            ),
            "{line}"
        );
    }
    for line in [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 abc OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 099 x",
        "HTTP/1.1 200\tOK",
        "HTTP/1.2 200 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1\t200 OK",
    ] {
        assert!(
            matches!(
                all(Scan::response(), format!("{line}\r\n").as_bytes()),
                Scanned::Bad(_)
            ),
            "{line}"
        );
    }
    assert_eq!(
        all(Scan::response(), b"HTTP/1.1 999 caf\xe9\tx\r\n"),
        Scanned::More
    );
}

/// Bare line ends and control characters, in requests, responses and trailers alike.
#[test]
fn bare_line_ends_controls_and_folds_are_refused() {
    let starts = [
        (Scan::request(), "GET http://h/ HTTP/1.1\r\n"),
        (Scan::response(), "HTTP/1.1 200 OK\r\n"),
        (Scan::trailers(), ""),
    ];
    for (scan, start) in starts {
        for (lines, reason) in [
            ("A: b\nC: d\r\n\r\n", "a line ends with LF alone"),
            ("A: b\r\n\nGET", "a line ends with LF alone"),
            ("\n", "a line ends with LF alone"),
            ("A: b\rC: d\r\n\r\n", "a CR without LF"),
            ("A: b\r\r\n\r\n", "a CR without LF"),
            ("\r\r", "a CR without LF"),
            ("A: b\0\r\n\r\n", "a NUL in the head"),
            ("A\0: b\r\n\r\n", "a NUL in the head"),
            ("A: \x1b[31m\r\n", "a control character in the head"),
            ("A: \x7f\r\n", "a control character in the head"),
            ("A: b\r\n folded\r\n\r\n", "a folded field line"),
            ("A: b\r\n\tfolded\r\n\r\n", "a folded field line"),
            (" A: b\r\n\r\n", "a folded field line"),
            (" \r\n\r\n", "a folded field line"),
        ] {
            assert_eq!(
                bad(all(scan, format!("{start}{lines}").as_bytes())),
                reason,
                "{start}{lines:?}"
            );
        }
    }
    let whole_line = [
        &b"GET http://h/\0 HTTP/1.1\r\n"[..],
        b"GET http://h/\x01 HTTP/1.1\r\n",
    ];
    assert!(
        whole_line
            .iter()
            .all(|line| matches!(all(Scan::request(), line), Scanned::Bad(_)))
    );
    assert_eq!(
        bad(all(Scan::request(), b"GET http://h/ HTTP/1.1\nA")),
        "a line ends with LF alone"
    );
    assert_eq!(
        bad(all(Scan::response(), b"HTTP/1.1 200 OK\nA")),
        "a line ends with LF alone"
    );
}

#[test]
fn limits_hold_at_the_byte_and_at_the_field() {
    let of_size = |bytes: usize| format!("GET http://h/ HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(bytes - 31));
    assert_eq!(of_size(4096).len(), 4096);
    assert_eq!(
        all(Scan::request(), of_size(4096).as_bytes()),
        Scanned::Head(4096)
    );
    let too_large = Scanned::Bad(Fault::TooLarge("the head is too large"));
    assert_eq!(all(Scan::request(), of_size(4097).as_bytes()), too_large);
    assert_eq!(
        all(Scan::request(), &of_size(5000).as_bytes()[..4096]),
        Scanned::More
    );
    assert_eq!(all(Scan::request(), &of_size(5000).as_bytes()[..4097]), too_large);
    let of_fields = |n: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(n));
    assert!(matches!(
        all(Scan::response(), of_fields(8).as_bytes()),
        Scanned::Head(_)
    ));
    let too_many = Scanned::Bad(Fault::TooLarge("too many fields"));
    assert_eq!(all(Scan::response(), of_fields(9).as_bytes()), too_many);
    let generous = HeadLimits {
        head_bytes_max: usize::MAX,
        head_fields_max: usize::MAX,
    };
    assert_eq!(
        Scan::response().advance(of_fields(1025).as_bytes(), &generous),
        too_many
    );
    assert!(matches!(
        Scan::response().advance(of_fields(1024).as_bytes(), &generous),
        Scanned::Head(_)
    ));
}

#[test]
fn a_scan_is_small() {
    assert!(size_of::<Scan>() <= 16);
}

/// Bytes that look enough like a head to get far into one.
fn headlike() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "GET http://h/ HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "A: b\r\n", "\r\n", "\r", "\n", " ", "\t", "GET ", "Host: x",
            "HTTP/1.0 ", "é",
        ]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
        1 => (0..1500_usize).prop_map(|n| vec![b'x'; n]),
    ];
    let pieces = prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat());
    (
        prop::sample::select(vec!["", "GET http://h/ HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n"]),
        pieces,
    )
        .prop_map(|(start, rest)| [start.as_bytes(), &rest].concat())
}

proptest! {
    #[test]
    fn any_chopping_gives_the_same(bytes in headlike(), cuts in prop::collection::vec(0_usize..200, 0..12)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let every: Vec<usize> = (0..bytes.len()).collect();
        for scan in [Scan::request(), Scan::response(), Scan::trailers()] {
            let whole = pieces(scan, &bytes, &[]);
            prop_assert_eq!(whole, pieces(scan, &bytes, &cuts));
            prop_assert_eq!(whole, pieces(scan, &bytes, &every));
        }
    }
}
