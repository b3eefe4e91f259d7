//! Chunked bodies that pass and that don't, split invariance, and trailers.

use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    head_bytes_max: 512,
    head_fields_max: 4,
};

/// What a caller gets out of a body: the payload, the trailer section, and what lies behind it.
type Decoded = Result<Option<(Vec<u8>, Vec<u8>, usize)>, Fault>;

/// Reads a body as a session does, seeing it in pieces that end at `cuts`. `None`: it is not all there.
fn decode(bytes: &[u8], cuts: impl IntoIterator<Item = usize>) -> Decoded {
    let (mut chunks, mut payload, mut taken, mut due) = (Chunks::new(), Vec::new(), 0, 0_u64);
    for cut in cuts.into_iter().chain([bytes.len()]) {
        loop {
            let through = usize::try_from(due).unwrap_or(usize::MAX).min(cut - taken);
            payload.extend_from_slice(&bytes[taken..taken + through]);
            taken += through;
            due -= through as u64;
            if due > 0 {
                break;
            }
            let (consumed, chunk) = chunks.advance(&bytes[taken..cut], &LIMITS)?;
            taken += consumed;
            match chunk {
                Chunk::More => break,
                Chunk::Payload(n) => due = n,
                Chunk::Trailers(n) => {
                    return Ok(Some((payload, bytes[taken..taken + n].to_vec(), taken + n)));
                }
            }
        }
    }
    Ok(None)
}

fn whole(body: &str) -> Decoded {
    decode(body.as_bytes(), [])
}

#[test]
fn bodies_are_walked_through() {
    for (body, payload, section) in [
        ("0\r\n\r\n", "", "\r\n"),
        ("3\r\nabc\r\n0\r\n\r\n", "abc", "\r\n"),
        (
            "3\r\nabc\r\nA\r\n0123456789\r\n00\r\n\r\n",
            "abc0123456789",
            "\r\n",
        ),
        ("0000000000000003\r\n\r\n\r\r\n0\r\n\r\n", "\r\n\r", "\r\n"),
        (
            "1;a\r\nx\r\n1;a=b;c=\"d;\t\u{e9}\"\r\ny\r\n0;last\r\n\r\n",
            "xy",
            "\r\n",
        ),
        ("1\r\nx\r\n0\r\nX-T: v\r\nB:\r\n\r\n", "x", "X-T: v\r\nB:\r\n\r\n"),
    ] {
        let followed = format!("{body}GET next");
        let want = (
            payload.as_bytes().to_vec(),
            section.as_bytes().to_vec(),
            body.len(),
        );
        assert_eq!(whole(&followed), Ok(Some(want)), "{body:?}");
        for cut in 0..body.len() {
            assert_eq!(decode(&body.as_bytes()[..cut], []), Ok(None), "{body:?} {cut}");
        }
    }
}

/// tinyproxy CVE-2026-3945: a size that overflows a signed number; and hyper RUSTSEC-2021-0079, one that overflows
/// an unsigned one.
#[test]
fn cve_2026_3945_chunk_size_7fffffffffffffff() {
    for size in [
        "8000000000000000",
        "ffffffffffffffff",
        "fffffffffffffffff",
        "10000000000000003",
        "00000000000000003",
        "00000000000000000",
        "80000000000000000",
        "7ffffffffffffffff",
    ] {
        let body = format!("{size}\r\nabc\r\n0\r\n\r\n");
        assert_eq!(
            whole(&body),
            Err(Fault::Malformed("a chunk size out of range")),
            "{size}"
        );
    }
    let largest = Chunks::new().advance(b"7FFFFFFFFFFFFFFF\r\n", &LIMITS);
    assert_eq!(largest, Ok((18, Chunk::Payload((1 << 63) - 1))));
}

/// http-parser PR#483: senders that reserve room for the size pad it with zeros.
#[test]
fn sizes_may_be_padded_to_sixteen_digits() {
    for body in [
        "0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n",
        "0003\r\nabc\r\n000\r\n\r\n",
    ] {
        let (payload, section, length) = whole(body).unwrap().unwrap();
        assert_eq!(
            (&payload[..], &section[..], length),
            (&b"abc"[..], &b"\r\n"[..], body.len())
        );
    }
}

/// squid CVE-2023-46846 and its kin: sizes that two readers read differently.
#[test]
fn cve_2023_46846_chunk_size_white_space_and_extensions() {
    for size in [
        "", " 3", "3 ", "\t3", "3\t", "+3", "-3", "0x3", "3g", "3,", "3 ;a", ";a", "3_0", "é", "3\0",
        "\u{ff13}",
    ] {
        let body = format!("{size}\r\nabc\r\n0\r\n\r\n");
        assert_eq!(
            whole(&body),
            Err(Fault::Malformed("a malformed chunk size")),
            "{size:?}"
        );
    }
    for extension in ["a\0", "a\x07", "a\x7f", "a\x1b[m", "a=\"\n\""] {
        let body = format!("3;{extension}\r\nabc\r\n0\r\n\r\n");
        assert_eq!(
            whole(&body),
            Err(Fault::Malformed("a malformed chunk extension")),
            "{extension:?}"
        );
    }
    let of_length = |n: usize| format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(n - 2));
    assert!(matches!(whole(&of_length(256)), Ok(Some(_))));
    assert_eq!(
        whole(&of_length(257)),
        Err(Fault::Malformed("a chunk extension is too long"))
    );
}

/// Go CVE-2025-22871: a bare LF in a chunk line.
#[test]
fn cve_2025_22871_bare_lf_in_chunked() {
    for body in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r\n0\n\r\n",
        "3;a\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\n",
        "3\r\nabc\r\n0\r\nA: b\n\r\n",
        "3;a\r\r\nabc\r\n0\r\n\r\n",
        "3\rabc",
        "3\r\nabc\r0",
        "3\r\nabc\r\n0\r\n\rX",
        "0\r\nA: b\r\n\n",
        "3\r\n\nabc\r\n",
        "3\r\r\nabc",
    ] {
        // The payload "\nab" of the last but one is legal; that "c\r" follows it is not.
        assert!(matches!(whole(body), Err(Fault::Malformed(_))), "{body:?}");
    }
}

#[test]
fn payload_longer_or_shorter_than_announced() {
    let without_end = Err(Fault::Malformed("a chunk without CRLF at its end"));
    for body in [
        "2\r\nabc\r\n0\r\n\r\n",
        "4\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\rX",
    ] {
        assert_eq!(whole(body), without_end, "{body:?}");
    }
}

#[test]
fn trailer_sections_are_judged_and_bounded() {
    assert_eq!(
        whole("0\r\n folded: x\r\n\r\n"),
        Err(Fault::Malformed("a folded field line"))
    );
    assert_eq!(
        whole("0\r\nA: \0\r\n\r\n"),
        Err(Fault::Malformed("a NUL in the head"))
    );
    let many = format!("0\r\n{}\r\n", "A: b\r\n".repeat(5));
    assert_eq!(whole(&many), Err(Fault::TooLarge("too many fields")));
    let long = format!("0\r\nA: {}", "b".repeat(600));
    assert_eq!(whole(&long), Err(Fault::TooLarge("the head is too large")));
}

#[test]
fn an_unfinished_section_is_left_to_be_shown_again() {
    let mut chunks = Chunks::new();
    assert_eq!(chunks.advance(b"0\r\nA: b\r\n", &LIMITS), Ok((3, Chunk::More)));
    assert_eq!(chunks.advance(b"A: b\r\n\r", &LIMITS), Ok((0, Chunk::More)));
    assert_eq!(
        chunks.advance(b"A: b\r\n\r\n", &LIMITS),
        Ok((0, Chunk::Trailers(8)))
    );
    assert!(size_of::<Chunks>() <= 32);
}

#[test]
fn sizes_are_written() {
    let mut out = Vec::new();
    for n in [0, 10, 0xabcdef] {
        write_chunk_size(n, &mut out);
    }
    assert_eq!(out, b"0\r\na\r\nabcdef\r\n");
}

fn rewritten(section: &str) -> Result<String, Fault> {
    let mut out = b">".to_vec();
    let result = rewrite_trailers(section.as_bytes(), &LIMITS, &mut out);
    let out = String::from_utf8(out).unwrap();
    assert!(result.is_ok() || out == ">", "nothing is appended on an error");
    result.map(|()| out[1..].to_owned())
}

#[test]
fn harmless_trailers_pass() {
    assert_eq!(rewritten("\r\n").unwrap(), "\r\n");
    let passes = "grpc-status: 0\r\nX-T: \u{e9}\tv\r\nDigest: x\r\nServer-Timing: \r\n\r\n";
    assert_eq!(rewritten(passes).unwrap(), passes);
    assert_eq!(rewritten("A:b \r\n\r\n").unwrap(), "A: b\r\n\r\n");
    let plenty = HeadLimits::default();
    let section = "A: b\r\n".repeat(200) + "\r\n";
    let mut out = Vec::new();
    rewrite_trailers(section.as_bytes(), &plenty, &mut out).unwrap();
    assert_eq!(out, section.as_bytes());
}

#[test]
fn trailers_can_not_pass_for_a_head() {
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Trailer",
        "TE",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "HTTP2-Settings",
        "Expect",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "Authorization",
        "WWW-Authenticate",
        "Cookie",
        "Set-Cookie",
        "Content-Encoding",
        "Content-Type",
        "Content-Range",
        "Cache-Control",
        "If-None-Match",
        "Location",
        "Range",
        "X-Smokescreen-Error",
        "X-Smokescreen-Role",
        "X-Upstream-Https-Proxy",
        "Proxy",
        "host",
        "CONTENT-length",
        "Via",
    ] {
        assert_eq!(
            rewritten(&format!("{name}: 1\r\nX: y\r\n\r\n")).unwrap(),
            "X: y\r\n\r\n",
            "{name}"
        );
    }
}

#[test]
fn malformed_trailers_are_a_fault() {
    let bad_name = Err(Fault::Malformed("a malformed field name"));
    for section in [
        "A : b\r\n\r\n",
        "A\r\n\r\n",
        "X: y\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "(: b\r\n\r\n",
    ] {
        assert_eq!(rewritten(section), bad_name, "{section:?}");
    }
    for section in ["", "A: b\r\n", "\r\n\r\n", "A: b\r\n\r\nmore"] {
        assert!(rewritten(section).is_err(), "{section:?}");
    }
    assert_eq!(
        rewritten("A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\n\r\n"),
        Err(Fault::TooLarge("too many fields"))
    );
}

/// Bytes that look enough like a chunked body to get far into one.
fn chunkedlike() -> impl Strategy<Value = Vec<u8>> {
    let chunk = prop_oneof![
        12 => prop::collection::vec(any::<u8>(), 1..40)
            .prop_map(|payload| [format!("{:x}\r\n", payload.len()).as_bytes(), &payload, b"\r\n"].concat()),
        2 => Just(b"3;ext=\"v\"\r\n\r\n\r\r\n".to_vec()),
        2 => Just(b"0\r\nX-T: v\r\n\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..5),
        1 => prop::sample::select(vec!["\r\n", "\n", "\r", ";", "f", " ", "0\r\n"])
            .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    prop::collection::vec(chunk, 0..10).prop_map(|chunks| [chunks.concat(), b"0\r\n\r\n".to_vec()].concat())
}

proptest! {
    #[test]
    fn any_chopping_gives_the_same(bytes in chunkedlike(), cuts in prop::collection::vec(0_usize..400, 0..12)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let want = decode(&bytes, []);
        prop_assert_eq!(&want, &decode(&bytes, cuts));
        prop_assert_eq!(&want, &decode(&bytes, 0..bytes.len()));
    }

    #[test]
    fn what_is_encoded_is_decoded(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..6)) {
        let mut body = Vec::new();
        for piece in &pieces {
            write_chunk_size(piece.len() as u64, &mut body);
            body.extend_from_slice(piece);
            body.extend_from_slice(b"\r\n");
        }
        write_chunk_size(0, &mut body);
        rewrite_trailers(b"\r\n", &LIMITS, &mut body).unwrap();
        prop_assert_eq!(decode(&body, []), Ok(Some((pieces.concat(), b"\r\n".to_vec(), body.len()))));
    }
}
