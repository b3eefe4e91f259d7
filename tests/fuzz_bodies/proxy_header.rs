//! PROXY protocol headers: however they are cut the verdict is one, and what is taken says what it is taken for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smokescreen::hello::may_be_http;
use smokescreen::hello::proxy::{HEADER_BYTES_MAX, Header, Read, read};

use super::in_pieces;

pub(crate) fn run(input: &[u8]) {
    let (cut, input) = input.split_first().unwrap_or((&0, &[]));
    let whole = read(input);
    let first = in_pieces(input, *cut, |received| {
        let verdict = read(received);
        (verdict != Read::NeedMore).then_some((received.len(), verdict))
    });
    let Some((seen, verdict)) = first else {
        assert_eq!(whole, Read::NeedMore);
        assert!(input.len() < HEADER_BYTES_MAX, "more is wanted without end");
        return;
    };
    assert_eq!(verdict, whole, "of {seen} bytes and of {}", input.len());
    match verdict {
        Read::NeedMore => {}
        Read::Header(header) => the_header(input, header),
        Read::Absent => assert!(!input.starts_with(b"PROXY ") && !input.starts_with(b"\r\n\r\n\0\r\nQUIT\n")),
        Read::Malformed(reason) => {
            assert!(!reason.is_empty());
            // A binary one gets no answer in text.
            assert!(input.starts_with(b"PROXY ") || !may_be_http(input));
        }
    }
}

fn the_header(input: &[u8], Header { bytes, source }: Header) {
    assert!(bytes <= HEADER_BYTES_MAX);
    let header = &input[..bytes];
    if let Some(source) = source {
        assert_eq!(source.ip(), source.ip().to_canonical(), "still mapped");
    }
    match header.strip_prefix(b"PROXY ") {
        Some(line) => the_line(line, source),
        None => the_binary(header, source),
    }
}

/// Written out again it is the same line, but for how IPv6 is spelled.
fn the_line(line: &[u8], source: Option<SocketAddr>) {
    assert!(line.len() <= 101);
    let line = std::str::from_utf8(line)
        .expect("text")
        .strip_suffix("\r\n")
        .expect("a line");
    assert!(!line.contains(['\r', '\n']), "{line:?}");
    let words: Vec<&str> = line.split(' ').collect();
    let Some(source) = source else {
        assert_eq!(words[0], "UNKNOWN");
        return;
    };
    let [family, from, to, port, own_port] = words[..] else {
        panic!("{} words in {line:?}", words.len());
    };
    let addresses = [from, to].map(|text| text.parse::<IpAddr>().expect("an address"));
    assert!(
        addresses.iter().all(|ip| ip.is_ipv6() == (family == "TCP6")),
        "{line:?}"
    );
    assert_eq!(addresses[0].to_canonical(), source.ip());
    for (text, number) in [
        (port, source.port()),
        (own_port, own_port.parse().expect("a port")),
    ] {
        assert_eq!(text, number.to_string());
    }
}

fn the_binary(header: &[u8], source: Option<SocketAddr>) {
    let rest = header.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n").expect("a signature");
    let announced = usize::from(rest[2]) << 8 | usize::from(rest[3]);
    assert_eq!(rest.len(), 4 + announced);
    let parts = &rest[4..];
    let expected: Option<(IpAddr, usize)> = match (rest[0], rest[1]) {
        (0x21, 0x11) => Some((Ipv4Addr::new(parts[0], parts[1], parts[2], parts[3]).into(), 8)),
        (0x21, 0x21) => {
            let bits = parts[..16]
                .iter()
                .fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
            Some((Ipv6Addr::from_bits(bits).into(), 32))
        }
        (0x20, _) | (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => None,
        other => panic!("{other:x?} is taken"),
    };
    let expected = expected.map(|(ip, port)| {
        let port = u16::from(parts[port]) << 8 | u16::from(parts[port + 1]);
        SocketAddr::new(ip.to_canonical(), port)
    });
    assert_eq!(source, expected);
}
