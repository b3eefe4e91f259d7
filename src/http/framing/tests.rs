//! The framing table, for requests and responses alike, and the advisories about it.

use proptest::prelude::*;

use super::super::testing::{get, ok, request, response, with_lines};
use super::*;

const NEITHER: Fault = Fault::Malformed("both Content-Length and Transfer-Encoding");
const TWICE: Fault = Fault::Malformed("more than one Content-Length");
const BAD_LENGTH: Fault = Fault::Malformed("a malformed Content-Length");
const BAD_CODING: Fault = Fault::Malformed("an unsupported Transfer-Encoding");
const OLD_CODING: Fault = Fault::Malformed("Transfer-Encoding in an HTTP/1.0 message");

fn of_request(version: &str, lines: &[&str]) -> Result<Body, Fault> {
    request(get(version, lines), request_body)?
}

fn of_response(version: &str, lines: &[&str]) -> Result<Body, Fault> {
    response(ok(version, lines), |head| response_body(head, false, false))?
}

/// Both directions, and the answers that have no body, say the same of these fields.
fn refused(version: &str, lines: &[&str], want: Fault) {
    assert_eq!(of_request(version, lines), Err(want), "{lines:?}");
    assert_eq!(of_response(version, lines), Err(want), "{lines:?}");
    for status in ["100 C", "101 S", "204 N", "304 N", "407 P"] {
        let head = with_lines(&format!("{version} {status}"), lines);
        assert_eq!(
            response(&head, |head| response_body(head, false, false)),
            Ok(Err(want)),
            "{status} {lines:?}"
        );
    }
    assert_eq!(
        response(ok(version, lines), |head| response_body(head, true, false)),
        Ok(Err(want)),
        "{lines:?}"
    );
}

fn both(lines: &[&str], want: Body) {
    assert_eq!(of_request("HTTP/1.1", lines), Ok(want), "{lines:?}");
    assert_eq!(of_response("HTTP/1.1", lines), Ok(want), "{lines:?}");
}

#[test]
fn one_length_of_digits() {
    both(&["Content-Length: 0"], Body::Length(0));
    both(&["content-LENGTH:42"], Body::Length(42));
    both(&["Content-Length: \t 007 \t"], Body::Length(7));
    both(
        &["Content-Length: 9223372036854775807"],
        Body::Length(u64::MAX / 2),
    );
    assert_eq!(
        of_request("HTTP/1.0", &["Content-Length: 1"]),
        Ok(Body::Length(1))
    );
    assert_eq!(of_request("HTTP/1.1", &[]), Ok(Body::None));
    assert_eq!(of_response("HTTP/1.1", &[]), Ok(Body::UntilClose));
    assert_eq!(of_response("HTTP/1.0", &[]), Ok(Body::UntilClose));
}

/// hyper RUSTSEC-2021-0078 (CVE-2021-32715): `+3`, and all other spellings of a number.
#[test]
fn rustsec_2021_0078_content_length_plus_3() {
    for value in [
        "+3",
        "-3",
        "",
        "3,3",
        "3, 3",
        "3 3",
        "3;",
        "0x3",
        "3.0",
        "1e3",
        "３",
        "abc",
        "\"3\"",
        "3\t3",
        "3_0",
        ",3",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999",
        "00000000000000000003",
    ] {
        refused("HTTP/1.1", &[&format!("Content-Length: {value}")], BAD_LENGTH);
    }
}

/// tinyproxy CVE-2026-54388: two Content-Length; agreeing ones are refused too.
#[test]
fn cve_2026_54388_two_content_lengths() {
    refused("HTTP/1.1", &["Content-Length: 1", "Content-Length: 2"], TWICE);
    refused(
        "HTTP/1.1",
        &["Content-Length: 1", "A: b", "content-length: 1"],
        TWICE,
    );
    refused("HTTP/1.1", &["Content-Length: 1", "Content-Length:"], TWICE);
}

/// tinyproxy CVE-2026-54387: a Content-Length beside a Transfer-Encoding, in either order.
#[test]
fn cve_2026_54387_content_length_and_transfer_encoding() {
    refused(
        "HTTP/1.1",
        &["Content-Length: 3", "Transfer-Encoding: chunked"],
        NEITHER,
    );
    refused(
        "HTTP/1.1",
        &["Transfer-Encoding: chunked", "Content-Length: 3"],
        NEITHER,
    );
    refused(
        "HTTP/1.1",
        &["Transfer-Encoding: identity", "Content-Length: 0"],
        NEITHER,
    );
    refused(
        "HTTP/1.0",
        &["Transfer-Encoding: chunked", "Content-Length: 3"],
        NEITHER,
    );
    refused("HTTP/1.1", &["Transfer-Encoding:", "Content-Length: 3"], NEITHER);
}

/// tinyproxy CVE-2026-31842: the coding's name has no case.
#[test]
fn cve_2026_31842_transfer_encoding_chunked_in_any_case() {
    for value in ["chunked", "Chunked", "CHUNKED", " \tchunked\t "] {
        both(&[&format!("Transfer-Encoding:{value}")], Body::Chunked);
    }
}

/// hyper RUSTSEC-2020-0008 and Go CVE-2022-1705: several or odd codings.
#[test]
fn cve_2022_1705_transfer_encoding_other_than_chunked() {
    for value in [
        "",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "chun ked",
        "chunked\u{b}x",
        "chunkeſ",
        "c\u{68}unked\u{a0}",
    ] {
        let line = format!("Transfer-Encoding: {value}");
        if value.contains('\u{b}') {
            assert!(request(get("HTTP/1.1", &[&line]), |_| ()).is_err());
        } else {
            refused("HTTP/1.1", &[&line], BAD_CODING);
        }
    }
    refused(
        "HTTP/1.1",
        &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        BAD_CODING,
    );
    refused(
        "HTTP/1.1",
        &["Transfer-Encoding: chunked", "transfer-encoding: identity"],
        BAD_CODING,
    );
    refused(
        "HTTP/1.1",
        &["Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
        BAD_CODING,
    );
}

/// Pingora CVE-2026-2835: Transfer-Encoding in HTTP/1.0.
#[test]
fn cve_2026_2835_http10_with_transfer_encoding() {
    refused("HTTP/1.0", &["Transfer-Encoding: chunked"], OLD_CODING);
    refused("HTTP/1.0", &["Transfer-Encoding: identity"], OLD_CODING);
}

#[test]
fn some_responses_have_no_body() {
    for lines in [&["Content-Length: 5"][..], &["Transfer-Encoding: chunked"], &[]] {
        for status in ["100 C", "103 E", "204 N", "304 N"] {
            let head = with_lines(&format!("HTTP/1.1 {status}"), lines);
            assert_eq!(
                response(&head, |head| response_body(head, false, false)),
                Ok(Ok(Body::None)),
                "{status}"
            );
        }
        assert_eq!(
            response(ok("HTTP/1.1", lines), |head| response_body(head, true, false)),
            Ok(Ok(Body::None))
        );
    }
}

/// Envoy CVE-2025-64763's neighbour: what a 2xx to CONNECT says of its framing means nothing; a refusal's does.
#[test]
fn framing_in_a_connect_reply() {
    let broken = ["Content-Length: 5", "Transfer-Encoding: chunked"];
    assert_eq!(
        response(ok("HTTP/1.1", &broken), |head| response_body(head, false, true)),
        Ok(Ok(Body::None))
    );
    let head = with_lines("HTTP/1.1 407 Denied", &broken);
    assert_eq!(
        response(&head, |head| response_body(head, false, true)),
        Ok(Err(NEITHER))
    );
    let head = with_lines("HTTP/1.1 407 Denied", &["Content-Length: 5"]);
    assert_eq!(
        response(&head, |head| response_body(head, false, true)),
        Ok(Ok(Body::Length(5)))
    );
}

#[test]
fn connect_has_no_content() {
    let of = |lines: &[&str]| request(with_lines("CONNECT h:443 HTTP/1.1", lines), request_body).unwrap();
    assert_eq!(of(&[]), Ok(Body::None));
    assert_eq!(of(&["Content-Length: 0"]), Ok(Body::None));
    for line in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        assert_eq!(
            of(&[line]),
            Err(Fault::Malformed("a CONNECT request has no content"))
        );
    }
}

/// hyper RUSTSEC-2022-0022's neighbour: a GET may have a body, and then it must be framed.
#[test]
fn get_with_a_body() {
    assert_eq!(
        of_request("HTTP/1.1", &["Content-Length: 5"]),
        Ok(Body::Length(5))
    );
    assert_eq!(
        of_request("HTTP/1.1", &["Transfer-Encoding: chunked"]),
        Ok(Body::Chunked)
    );
}

proptest! {
    #[test]
    fn a_length_is_digits_up_to_two_to_the_63(n in any::<u64>(), zeros in 0..4_usize) {
        let value = format!("{}{n}", "0".repeat(zeros));
        let want = match i64::try_from(n) {
            Ok(_) if value.len() <= 19 => Ok(Body::Length(n)),
            _ => Err(BAD_LENGTH),
        };
        let line = format!("Content-Length: {value}");
        prop_assert_eq!(of_request("HTTP/1.1", &[&line]), want);
        prop_assert_eq!(of_response("HTTP/1.0", &[&line]), want);
    }

    /// Whatever stands there, it is read in one way or not at all.
    #[test]
    fn any_values_say_one_thing(
        lengths in proptest::collection::vec("[0-9]{1,3}|[ -~]{0,6}", 0..3),
        codings in proptest::collection::vec("[cC]hunked|[ -~]{0,9}", 0..3),
    ) {
        let lengths = lengths.iter().map(|value| format!("Content-Length: {value}"));
        let codings = codings.iter().map(|value| format!("Transfer-Encoding: {value}"));
        let lines: Vec<_> = lengths.chain(codings).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        match of_request("HTTP/1.1", &lines) {
            Ok(Body::None) => prop_assert!(lines.is_empty()),
            Ok(_) => prop_assert_eq!(lines.len(), 1),
            Err(_) => prop_assert!(!lines.is_empty()),
        }
    }
}
