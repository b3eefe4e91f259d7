//! By hand, at every cut, and against the headers that another implementation writes.

use std::net::{SocketAddrV4, SocketAddrV6};

use ppp::{HeaderResult, PartialResult as _, v1, v2};
use proptest::prelude::*;

use super::*;

fn source(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

/// A version 2 header of these parts.
fn header(version_and_command: u8, family_and_transport: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let fixed = [version_and_command, family_and_transport, length[0], length[1]];
    [V2_SIGNATURE, &fixed, rest].concat()
}

const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0x30, 0x39, 0x12, 0x8e];

/// The same, whole, with more behind it, and in all pieces: until it is whole more is wanted.
#[track_caller]
fn assert_is(bytes: &[u8], source: Option<SocketAddr>) {
    let expected = Read::Header(Header {
        bytes: bytes.len(),
        source,
    });
    assert_eq!(read(bytes), expected, "{}", bytes.escape_ascii());
    assert_eq!(read(&[bytes, b"\r\nGET http"].concat()), expected);
    for end in 0..bytes.len() {
        assert_eq!(
            read(&bytes[..end]),
            Read::NeedMore,
            "{}",
            bytes[..end].escape_ascii()
        );
    }
}

/// Malformed from some byte on, and never something else before.
#[track_caller]
fn assert_malformed(bytes: &[u8]) {
    assert!(
        matches!(read(bytes), Read::Malformed(_)),
        "{}",
        bytes.escape_ascii()
    );
    let early = (0..bytes.len()).map(|end| read(&bytes[..end]));
    let early = early.skip_while(|read| *read == Read::NeedMore);
    assert!(early.into_iter().all(|read| matches!(read, Read::Malformed(_))));
}

#[test]
fn lines() {
    for (line, named) in [
        (
            "TCP4 192.0.2.1 198.51.100.1 12345 4750",
            source("192.0.2.1:12345"),
        ),
        ("TCP4 0.0.0.0 255.255.255.255 0 65535", source("0.0.0.0:0")),
        ("TCP6 2001:db8::1 ::1 1 2", source("[2001:db8::1]:1")),
        ("TCP6 2001:DB8:0:0:0:0:0:1 :: 1 2", source("[2001:db8::1]:1")),
        ("TCP6 ::ffff:192.0.2.1 ::1 1 2", source("192.0.2.1:1")),
        ("TCP6 ::ffff:c000:201 ::1 1 2", source("192.0.2.1:1")),
        ("UNKNOWN", None),
        ("UNKNOWN  what ever", None),
        ("UNKNOWN TCP4 192.0.2.1 198.51.100.1 1 2", None),
    ] {
        assert_is(format!("PROXY {line}\r\n").as_bytes(), named);
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_BYTES_MAX - 16));
    assert_eq!(longest.len(), V1_BYTES_MAX);
    assert_is(longest.as_bytes(), None);
}

#[test]
fn malformed_lines() {
    for line in [
        "",
        " TCP4 192.0.2.1 198.51.100.1 1 2",
        "TCP4",
        "TCP4 ",
        "TCP4 192.0.2.1 198.51.100.1 1",
        "TCP4 192.0.2.1 198.51.100.1 1 2 3",
        "TCP4 192.0.2.1 198.51.100.1 1 2 ",
        "TCP4  192.0.2.1 198.51.100.1 1 2",
        "TCP4 192.0.2.1\t198.51.100.1 1 2",
        "TCP4 192.0.2.01 198.51.100.1 1 2",
        "TCP4 192.0.2 198.51.100.1 1 2",
        "TCP4 3221225985 198.51.100.1 1 2",
        "TCP4 192.0.2.1 198.51.100.256 1 2",
        "TCP4 ::1 ::1 1 2",
        "TCP4 ::ffff:192.0.2.1 198.51.100.1 1 2",
        "TCP6 192.0.2.1 198.51.100.1 1 2",
        "TCP6 fe80::1%eth0 ::1 1 2",
        "TCP6 [::1] ::1 1 2",
        "TCP6 ::1 192.0.2.1 1 2",
        "TCP4 192.0.2.1 198.51.100.1 01 2",
        "TCP4 192.0.2.1 198.51.100.1 +1 2",
        "TCP4 192.0.2.1 198.51.100.1 -1 2",
        "TCP4 192.0.2.1 198.51.100.1 65536 2",
        "TCP4 192.0.2.1 198.51.100.1 1 65536",
        "TCP4 192.0.2.1 198.51.100.1 1 00",
        "TCP4 192.0.2.1 198.51.100.1 0x1 2",
        "TCP4 \u{661}92.0.2.1 198.51.100.1 1 2",
        "tcp4 192.0.2.1 198.51.100.1 1 2",
        "UDP4 192.0.2.1 198.51.100.1 1 2",
        "TCP 192.0.2.1 198.51.100.1 1 2",
        "UNKNOWNX",
        "UNKNOWN\0",
        "unknown",
        "/ HTTP/1.1",
    ] {
        assert_malformed(format!("PROXY {line}\r\n").as_bytes());
    }
    assert_malformed(b"PROXY TCP4 192.0.2.\xff 198.51.100.1 1 2\r\n");
    let line = "PROXY TCP4 192.0.2.1 198.51.100.1 1 2";
    for end in ["\n", "\r\r\n", "\rX", "\n\r"] {
        assert_malformed(format!("{line}{end}").as_bytes());
    }
    assert_malformed(b"PROXY UNKNOWN a\rb\r\n");
    assert_malformed(b"PROXY UNKNOWN a\nb\r\n");
    for length in [V1_BYTES_MAX - 15, V1_BYTES_MAX - 14, V1_BYTES_MAX] {
        assert_malformed(format!("PROXY UNKNOWN {}\r\n", "x".repeat(length)).as_bytes());
    }
}

#[test]
fn binary_headers() {
    let v4 = source("192.0.2.1:12345");
    assert_is(&header(0x21, 0x11, &V4), v4);
    let v6: Vec<u8> = [
        &Ipv6Addr::from_bits(0x2001 << 112 | 1).octets()[..],
        &[7; 16],
        &[0x30, 0x39, 0, 1],
    ]
    .concat();
    assert_is(&header(0x21, 0x21, &v6), source("[2001::1]:12345"));
    let mapped: Vec<u8> = [
        &Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().octets()[..],
        &[0; 16],
        &[0x30, 0x39, 0, 1],
    ]
    .concat();
    assert_is(&header(0x21, 0x21, &mapped), v4);
    // What stands behind the addresses is skipped, a checksum that is wrong and a length that is none too.
    for tlvs in [&[3, 0, 4, 1, 2, 3, 4][..], &[0x20, 0xff, 0xff], &[1; 3000]] {
        assert_is(&header(0x21, 0x11, &[&V4[..], tlvs].concat()), v4);
    }
}

#[test]
fn senders_that_name_no_client() {
    // LOCAL, with whatever else.
    assert_is(&header(0x20, 0, b""), None);
    assert_is(&header(0x20, 0x11, &V4), None);
    assert_is(&header(0x20, 0x11, b"short"), None);
    assert_is(&header(0x20, 0xff, &[7; 300]), None);
    // UNSPEC, UDP, UNIX.
    assert_is(&header(0x21, 0, b""), None);
    assert_is(&header(0x21, 0, &V4), None);
    for others in [0x12, 0x22, 0x31, 0x32] {
        assert_is(&header(0x21, others, &[7; 216]), None);
    }
}

#[test]
fn malformed_binary_headers() {
    for version_and_command in [0x01, 0x11, 0x31, 0xf1, 0x22, 0x2f] {
        assert_malformed(&header(version_and_command, 0x11, &V4));
    }
    for family_and_transport in [0x01, 0x02, 0x10, 0x13, 0x20, 0x23, 0x30, 0x33, 0x41, 0xff] {
        assert_malformed(&header(0x21, family_and_transport, &[0; 216]));
    }
    for (family_and_transport, bytes) in [
        (0x11, 0),
        (0x11, 11),
        (0x21, 0),
        (0x21, 35),
        (0x12, 11),
        (0x22, 35),
        (0x31, 215),
        (0x32, 36),
    ] {
        assert_malformed(&header(0x21, family_and_transport, &vec![0; bytes]));
    }
    // Of one that is too long nothing more is waited for.
    let most = HEADER_BYTES_MAX - V2_FIXED_BYTES;
    for command in [0x20, 0x21] {
        assert!(matches!(
            read(&header(command, 0x11, &vec![1; most])),
            Read::Header(_)
        ));
        let long = header(command, 0x11, &vec![1; most + 1]);
        assert_eq!(read(&long[..15]), Read::NeedMore);
        assert!(matches!(read(&long[..16]), Read::Malformed(_)));
    }
}

#[test]
fn what_begins_no_header() {
    for other in [
        "G",
        "GET / HTTP/1.1\r\n",
        "POST",
        "PRI * HTTP/2.0",
        "PROPFIND /",
        "proxy ",
        "PROXY\t",
        "PROXY\r\n",
    ] {
        assert_eq!(read(other.as_bytes()), Read::Absent, "{other}");
    }
    for other in [
        &b"\x16\x03\x01"[..],
        b"\x05\x01\0",
        b"\r\n\r\nG",
        b"\r\nGET /",
        b"\r\n\r\n\0\r\nQUIT\r",
        b"\n",
        b"\0",
    ] {
        assert_eq!(read(other), Read::Absent, "{}", other.escape_ascii());
    }
    assert_eq!(read(b""), Read::NeedMore);
}

/// What the other implementation makes of it: the source where there is a whole header, or `None` where more is wanted.
fn theirs(bytes: &[u8]) -> Option<Result<Option<SocketAddr>, ()>> {
    let read = HeaderResult::parse(bytes);
    if read.is_incomplete() {
        return None;
    }
    Some(match read {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Unknown => None,
            v1::Addresses::Tcp4(named) => Some(unmapped(named.source_address, named.source_port)),
            v1::Addresses::Tcp6(named) => Some(unmapped(named.source_address, named.source_port)),
        }),
        HeaderResult::V2(Ok(header)) => Ok(match (header.command, header.protocol, header.addresses) {
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(named)) => {
                Some(unmapped(named.source_address, named.source_port))
            }
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(named)) => {
                Some(unmapped(named.source_address, named.source_port))
            }
            _ => None,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Err(()),
    })
}

fn any_address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        (any::<Ipv4Addr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddrV4::new(ip, port).into()),
        (any::<Ipv6Addr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddrV6::new(ip, port, 0, 0).into()),
        (any::<Ipv4Addr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddrV6::new(
            ip.to_ipv6_mapped(),
            port,
            0,
            0
        )
        .into()),
    ]
}

/// Two addresses of one family.
fn any_pair() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    (any_address(), any_address())
        .prop_filter("of one family", |(one, other)| one.is_ipv4() == other.is_ipv4())
}

/// A header as the other implementation writes it.
fn written_v2((from, to): (SocketAddr, SocketAddr), local: bool, tlvs: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let command = if local {
        v2::Command::Local
    } else {
        v2::Command::Proxy
    };
    let mut builder =
        v2::Builder::with_addresses(v2::Version::Two | command, v2::Protocol::Stream, (from, to));
    for (kind, value) in tlvs {
        builder = builder.write_tlv(*kind, value).unwrap();
    }
    builder.build().unwrap()
}

proptest! {
    #[test]
    fn lines_that_others_write((from, to) in any_pair()) {
        let line = v1::Addresses::from((from, to)).to_string();
        assert_is(line.as_bytes(), Some(unmapped(from.ip(), from.port())));
    }

    #[test]
    fn binary_headers_that_others_write(
        pair in any_pair(),
        local in any::<bool>(),
        tlvs in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..200)), 0..10),
    ) {
        let from = Some(unmapped(pair.0.ip(), pair.0.port()));
        assert_is(&written_v2(pair, local, &tlvs), from.filter(|_| !local));
    }

    /// What we take they take too, with the same meaning; but that to them LOCAL needs a family that exists.
    #[test]
    fn nothing_is_taken_that_others_refuse(
        pair in any_pair(),
        is_line in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = match is_line {
            true => v1::Addresses::from(pair).to_string().into_bytes(),
            false => written_v2(pair, false, &[]),
        };
        for (place, byte) in changes {
            *place.get_mut(&mut bytes) = byte;
        }
        if let Read::Header(Header { bytes: length, source }) = read(&bytes) {
            prop_assert!(length <= bytes.len());
            let is_local = !is_line && bytes[12] == 0x20;
            if !is_local {
                prop_assert_eq!(theirs(&bytes), Some(Ok(source)), "{}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn no_bytes_panic_and_more_changes_no_verdict(
        begin in 0_usize..4,
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [[&b"PROXY "[..], b"PROXY TCP4 1.2.3.4 ", V2_SIGNATURE, b""][begin], &rest].concat();
        let mut verdict = Read::NeedMore;
        for end in 0..=bytes.len() {
            let now = read(&bytes[..end]);
            prop_assert!(now == verdict || verdict == Read::NeedMore);
            verdict = now;
        }
    }
}
