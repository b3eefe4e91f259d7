//! What the parser takes and refuses, beyond what the scan judged.

use super::super::testing::{get, ok, request, response, with_lines};
use super::*;

fn refused(fields: &[&str]) -> Fault {
    let of_request = request(get("HTTP/1.1", fields), |_| ()).unwrap_err();
    let of_response = response(ok("HTTP/1.1", fields), |_| ()).unwrap_err();
    assert_eq!(of_request, of_response);
    of_request
}

#[test]
fn a_request_is_taken_apart() {
    let head = b"\r\nPOST http://h/\xc3\xa9?q HTTP/1.0\r\nA:b\r\nX-L:  caf\xe9\tx \t\r\nEmpty:\r\n\r\n";
    request(head, |head| {
        assert_eq!(
            (head.method, head.target, head.version),
            ("POST", "http://h/é?q".as_bytes(), Version::Http10)
        );
        let fields: Vec<_> = head
            .fields
            .iter()
            .map(|field| (field.name, field.value))
            .collect();
        assert_eq!(fields, [("A", &b"b"[..]), ("X-L", b"caf\xe9\tx"), ("Empty", b"")]);
    })
    .unwrap();
}

/// mitmproxy#2272 and its kin: a path in Latin-1, or in no coding at all, is its origin's affair.
#[test]
fn targets_may_hold_any_bytes_but_controls_and_space() {
    for byte in 0..=255 {
        let head = [
            b"GET http://h/p",
            &[byte][..],
            b"?q=",
            &[byte],
            b" HTTP/1.1\r\nA: b\r\n\r\n",
        ]
        .concat();
        if byte > b' ' && byte != 0x7f {
            let target = request(&head, |head| (head.target.to_vec(), head.fields.len()));
            assert_eq!(
                target,
                Ok(([b"http://h/p", &[byte][..], b"?q=", &[byte]].concat(), 1))
            );
        } else if byte != b'\r' {
            assert!(request(&head, |_| ()).is_err(), "{byte}");
        }
    }
}

/// What the scan would refuse is refused by the parser alone, too.
#[test]
fn no_other_request_line_is_taken() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / / HTTP/1.1",
        " / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "GET / HTTP/2.0",
        "",
        "GET  HTTP/1.1",
    ] {
        let head = format!("{line}\r\nA: b\r\n\r\n");
        assert!(
            with_request(head.as_bytes(), &HeadLimits::default(), |head| head.is_err()),
            "{line}"
        );
    }
    for head in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nA: b\r\n\r\nx",
        "GET / HTTP/1.1\rA: b\r\n\r\n",
    ] {
        assert!(
            with_request(head.as_bytes(), &HeadLimits::default(), |head| head.is_err()),
            "{head:?}"
        );
    }
}

#[test]
fn a_response_is_taken_apart() {
    for (line, status, reason) in [
        (&b"HTTP/1.1 200 OK"[..], 200, &b"OK"[..]),
        (b"HTTP/1.1 200", 200, b""),
        (b"HTTP/1.1 200 ", 200, b""),
        (b"HTTP/1.1 404 N\xe9 \t x", 404, b"N\xe9 \t x"),
        (b"HTTP/1.1 100 C", 100, b"C"),
        (b"HTTP/1.1 999 ", 999, b""),
    ] {
        let head = [line, b"\r\nA: b\r\n\r\n"].concat();
        let found = response(&head, |head| {
            (head.status, head.reason.to_vec(), head.fields.len())
        });
        assert_eq!(
            found,
            Ok((status, reason.to_vec(), 1)),
            "{}",
            String::from_utf8_lossy(line)
        );
    }
}

#[test]
fn any_number_of_fields_up_to_the_limit() {
    for n in [0, 1, 31, 32, 33, 64, 65, 66, 256] {
        let lines: Vec<String> = (0..n).map(|i| format!("X-{i}: {i}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(request(get("HTTP/1.1", &lines), |head| head.fields.len()), Ok(n));
        assert_eq!(response(ok("HTTP/1.1", &lines), |head| head.fields.len()), Ok(n));
    }
    assert_eq!(refused(&["A: b"; 257]), Fault::TooLarge("too many fields"));
    let few = HeadLimits {
        head_fields_max: 1,
        ..HeadLimits::default()
    };
    let head = get("HTTP/1.1", &["A: b", "C: d"]);
    assert!(with_request(head.as_bytes(), &few, |head| head.is_err()));
}

/// Go CVE-2019-16276 and squid: white space before the colon.
#[test]
fn cve_2019_16276_space_before_colon() {
    for line in [
        "Name : v",
        "Transfer-Encoding : chunked",
        "Name\t: v",
        "Na me: v",
        ": v",
        "Name",
        "N\u{e9}: v",
        "(: v",
    ] {
        assert_eq!(
            refused(&[line]),
            Fault::Malformed("a malformed field name"),
            "{line}"
        );
    }
}

/// hyper RUSTSEC-2017-0002: a line break inside a value can't get in, however it is spelled.
#[test]
fn rustsec_2017_0002_newline_in_value() {
    for line in [
        "A: b\nEvil: 1",
        "A: b\rEvil: 1",
        "A: b\r Evil: 1",
        "A: b\r\n Evil: 1",
        "A: b\r\n\tEvil: 1",
        "A: b\0",
    ] {
        assert!(matches!(refused(&[line]), Fault::Malformed(_)), "{line:?}");
    }
}

/// Go CVE-2023-29406: Host with spaces or slashes.
#[test]
fn cve_2023_29406_host_is_an_authority_or_nothing() {
    for value in [
        "a b", "a/b", "a\tb", "a?b", "a#b", "a@b", "a\\b", "<a>", "a\"b", "a{b",
    ] {
        let head = get("HTTP/1.1", &[&format!("Host: {value}")]);
        assert_eq!(
            request(head, |_| ()),
            Err(Fault::Malformed("a malformed Host")),
            "{value}"
        );
    }
    for value in ["", "h", "h:80", "[::1]:80", "bücher.example", "a_b", "a%20"] {
        assert_eq!(
            request(get("HTTP/1.1", &[&format!("Host: {value}")]), |_| ()),
            Ok(()),
            "{value}"
        );
    }
    assert_eq!(request(get("HTTP/1.1", &[]), |_| ()), Ok(()));
    let twice = get("HTTP/1.1", &["Host: h", "A: b", "host: h"]);
    assert_eq!(
        request(twice, |_| ()),
        Err(Fault::Malformed("more than one Host"))
    );
}

#[test]
fn connection_lists_are_bounded() {
    let lists = |n: usize| format!("Connection: {}", ",x, ".repeat(n));
    assert_eq!(
        refused(&[&lists(33)]),
        Fault::Malformed("too many connection options")
    );
    assert_eq!(
        refused(&[&lists(20), &lists(13)]),
        Fault::Malformed("too many connection options")
    );
    assert_eq!(request(get("HTTP/1.1", &[&lists(32)]), |_| ()), Ok(()));
}

/// Were the scan skipped, the parser alone would still not read past or short of what it was given.
#[test]
fn a_head_is_exactly_what_was_measured() {
    let limits = HeadLimits::default();
    for bytes in [
        "GET / HTTP/1.1\r\n\r\nmore",
        "GET / HTTP/1.1\r\n",
        "",
        "GET / HTTP/1.1\r\nA: b\r\n\r\n\r\n",
    ] {
        assert!(
            with_request(bytes.as_bytes(), &limits, |head| head.is_err()),
            "{bytes:?}"
        );
    }
    for bytes in [
        "HTTP/1.1 200 OK\r\n\r\nmore",
        "HTTP/1.1 200 OK\r\n",
        "",
        "HTTP/1.1 099 OK\r\n\r\n",
    ] {
        assert!(
            with_response(bytes.as_bytes(), &limits, |head| head.is_err()),
            "{bytes:?}"
        );
    }
}

#[test]
fn a_relative_target_is_a_head_all_the_same() {
    assert_eq!(
        request(with_lines("FOO x HTTP/1.1", &[]), |head| head.method.len()),
        Ok(3)
    );
}
