//! By hand: hellos made of their parts, at every cut and in records of every size; and what is no hello.

use proptest::prelude::*;

use super::*;

/// A part with its length before it, in so many bytes.
fn part(length_bytes: usize, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[4 - length_bytes..], content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &part(2, content)].concat()
}

fn host_name(name: &[u8]) -> Vec<u8> {
    [&[HOST_NAME][..], &part(2, name)].concat()
}

fn server_name(names: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = names.iter().flat_map(|name| host_name(name)).collect();
    extension(SERVER_NAME, &part(2, &list))
}

/// What stands before the extensions.
fn before_extensions() -> Vec<u8> {
    let parts = [
        &[3, 3][..],
        &[7; 32],
        &part(1, &[9; 32]),
        &part(2, &[0x13, 1]),
        &part(1, &[0]),
    ];
    parts.concat()
}

fn handshake(body: &[u8]) -> Vec<u8> {
    [&[CLIENT_HELLO][..], &part(3, body)].concat()
}

fn with(extensions: &[Vec<u8>]) -> Vec<u8> {
    handshake(&[before_extensions(), part(2, &extensions.concat())].concat())
}

/// A message in records of so many bytes.
fn records(message: &[u8], bytes: usize) -> Vec<u8> {
    let pieces = message.chunks(bytes);
    pieces
        .flat_map(|piece| [&[HANDSHAKE_RECORD, 3, 1][..], &part(2, piece)].concat())
        .collect()
}

fn hello(name: ServerName<'_>, has_ech: bool) -> Read<'_> {
    Read::Hello(ClientHello { name, has_ech })
}

fn one(name: &[u8]) -> ServerName<'_> {
    ServerName::One(name.into())
}

fn reason(received: &[u8]) -> &'static str {
    match read(received) {
        Read::Malformed(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// The same whole, with more behind it, in records of all sizes, and at every cut; until it is whole more is wanted, and
/// no more than it has.
fn assert_is(message: &[u8], expected: &Read<'_>) {
    for bytes in (1..=12).chain([40, 100, message.len()]) {
        let received = records(message, bytes);
        assert_eq!(read(&received), *expected, "records of {bytes} bytes");
        assert_eq!(read(&[&received[..], &[0x17, 3, 3, 0, 1]].concat()), *expected);
        let mut needed = 0;
        for end in 0..received.len() {
            match read(&received[..end]) {
                Read::NeedMore(bytes) => {
                    assert!(
                        bytes > end && bytes <= received.len() && bytes >= needed,
                        "{end}: {bytes}"
                    );
                    assert!(end >= needed || bytes == needed, "{end}: {bytes} after {needed}");
                    needed = bytes;
                }
                other => panic!("{other:?} of {end} bytes of {}", received.len()),
            }
        }
    }
}

#[test]
fn names_are_found() {
    let ech = || extension(ENCRYPTED_CLIENT_HELLO, &[0; 9]);
    let others = || [extension(0x0a0a, &[]), extension(43, &[2, 3, 4])].concat();
    for (extensions, name, has_ech) in [
        (vec![server_name(&[b"example.com"])], one(b"example.com"), false),
        (vec![others(), server_name(&[b"a"]), ech()], one(b"a"), true),
        (
            vec![ech(), others(), server_name(&[b"EXAMPLE.com."])],
            one(b"EXAMPLE.com."),
            true,
        ),
        (vec![server_name(&[&[b'a'; 255]])], one(&[b'a'; 255]), false),
        (
            vec![server_name(&[b"a", b"b"])],
            ServerName::Several(b"a"[..].into()),
            false,
        ),
        (
            vec![server_name(&[b"a", b"a"])],
            ServerName::Several(b"a"[..].into()),
            false,
        ),
        (vec![], ServerName::Absent, false),
        (vec![others()], ServerName::Absent, false),
        (vec![ech()], ServerName::Absent, true),
    ] {
        assert_is(&with(&extensions), &hello(name, has_ech));
    }
    assert_is(
        &handshake(&before_extensions()),
        &hello(ServerName::Absent, false),
    );
}

#[test]
fn every_length_is_exact() {
    let whole = [before_extensions(), part(2, &server_name(&[b"example.com"]))].concat();
    // Cut, with every length outside of it right.
    for end in 0..whole.len() {
        let is_whole_without = end == before_extensions().len();
        let received = records(&handshake(&whole[..end]), 16_000);
        assert_eq!(
            matches!(read(&received), Read::Hello(_)),
            is_whole_without,
            "{end}"
        );
    }
    let behind = [&whole[..], &[0]].concat();
    assert_eq!(
        reason(&records(&handshake(&behind), 16_000)),
        "bytes behind the extensions"
    );
    // One byte more or less in any length.
    let name = [&[0, 0, 0, 9, 0, 7, 0, 0, 4][..], b"host"].concat();
    assert!(matches!(
        read(&records(&with(std::slice::from_ref(&name)), 16_000)),
        Read::Hello(_)
    ));
    for place in [3, 5, 8] {
        for change in [1, 0xff] {
            let mut name = name.clone();
            name[place] = name[place].wrapping_add(change);
            assert!(
                matches!(read(&records(&with(&[name]), 16_000)), Read::Malformed(_)),
                "{place}"
            );
        }
    }
}

#[test]
fn what_is_ambiguous_is_malformed() {
    let list = |list: &[u8]| vec![extension(SERVER_NAME, &part(2, list))];
    let twice = |kind| vec![extension(kind, b"a"), server_name(&[b"a"]), extension(kind, b"a")];
    let many = |count: u16| (1..=count).map(|kind| extension(kind, b"")).collect();
    for (extensions, expected) in [
        (twice(21), "an extension that comes twice"),
        (twice(0x0a0a), "an extension that comes twice"),
        (
            vec![server_name(&[b"a"]), server_name(&[b"a"])],
            "an extension that comes twice",
        ),
        (many(129), "more than 128 extensions"),
        (vec![extension(SERVER_NAME, b"")], SHORT),
        (list(b""), "a server_name extension that is no list of names"),
        (
            vec![extension(SERVER_NAME, &[0, 4, 0, 0, 1, b'a', 0])],
            "a server_name extension that is no list of names",
        ),
        (list(&[1, 0, 1, b'a']), "a server name that is no host's"),
        (
            list(&[&host_name(b"a")[..], &[7, 0, 1, b'a']].concat()),
            "a server name that is no host's",
        ),
        (vec![server_name(&[b""])], "a server name that no host has"),
        (
            vec![server_name(&[b"a\0.example.com"])],
            "a server name that no host has",
        ),
        (
            vec![server_name(&[b"a example.com"])],
            "a server name that no host has",
        ),
        (
            vec![server_name(&["b\u{fc}cher.example".as_bytes()])],
            "a server name that no host has",
        ),
        (
            vec![server_name(&[&[b'a'; 256]])],
            "a server name that no host has",
        ),
        (
            vec![server_name(&[b"a", b"\n"])],
            "a server name that no host has",
        ),
    ] {
        assert_eq!(reason(&records(&with(&extensions), 16_000)), expected);
    }
    assert!(matches!(
        read(&records(&with(&many(128)), 16_000)),
        Read::Hello(_)
    ));
}

#[test]
fn the_parts_before_the_extensions_have_limits() {
    for (parts, expected) in [
        (
            [&[2, 0][..], &[0], &[0, 2, 0, 1], &[1, 0]],
            "a ClientHello of no version of TLS",
        ),
        (
            [&[0xfe, 0xfd], &[0], &[0, 2, 0, 1], &[1, 0]],
            "a ClientHello of no version of TLS",
        ),
        ([&[3, 3], &[33], &[0, 2, 0, 1], &[1, 0]], SHORT),
        ([&[3, 3], &[0], &[0, 0], &[1, 0]], "no list of cipher suites"),
        (
            [&[3, 3], &[0], &[0, 3, 0, 1, 2], &[1, 0]],
            "no list of cipher suites",
        ),
        ([&[3, 3], &[0], &[0, 2, 0, 1], &[0]], "no compression methods"),
    ] {
        let [version, session_id, suites, compression] = parts;
        let body = [version, &[0; 32], session_id, suites, compression].concat();
        assert_eq!(reason(&records(&handshake(&body), 16_000)), expected);
    }
    let long_id = [&[3, 3][..], &[0; 32], &part(1, &[0; 33]), &[0, 2, 0, 1, 1, 0]].concat();
    assert_eq!(
        reason(&records(&handshake(&long_id), 16_000)),
        "a session id of more than 32 bytes"
    );
}

#[test]
fn records_hold_the_hello_and_nothing_else() {
    let message = with(&[server_name(&[b"example.com"])]);
    let halves = records(&message, message.len() / 2 + 1);
    let second = RECORD_HEADER_BYTES + message.len() / 2 + 1;
    // Alert, change_cipher_spec, application data, heartbeat, and what is no type at all.
    for other in [0x15, 0x14, 0x17, 0x18, 0, 0xff] {
        let mut received = halves.clone();
        received[second] = other;
        assert_eq!(
            reason(&received),
            "a record of another type within the ClientHello"
        );
        let between = [&halves[..second], &[other, 3, 3, 0, 1, 1], &halves[second..]].concat();
        assert_eq!(
            reason(&between),
            "a record of another type within the ClientHello"
        );
    }
    let empty = [
        &halves[..second],
        &[HANDSHAKE_RECORD, 3, 3, 0, 0],
        &halves[second..],
    ]
    .concat();
    assert_eq!(reason(&empty), "an empty record");
    let mut other_version = halves.clone();
    other_version[second + 1] = 2;
    assert_eq!(reason(&other_version), "a record of no version of TLS");
    let two = records(&[&message[..], &message].concat(), 16_000);
    assert_eq!(reason(&two), "bytes behind the ClientHello in its record");
    for kind in [0, 2, 11, 24] {
        let mut other = message.clone();
        other[0] = kind;
        assert_eq!(
            reason(&records(&other, 16_000)),
            "a handshake message other than a ClientHello"
        );
    }
    // Two hellos in records of their own: the second is not looked at.
    let two = [
        records(&message, 16_000),
        records(&with(&[server_name(&[b"other"])]), 16_000),
    ]
    .concat();
    assert_eq!(read(&two), hello(one(b"example.com"), false));
}

#[test]
fn a_hello_has_16_kib_at_most() {
    let padded = |bytes: usize| {
        let empty = with(&[server_name(&[b"a"]), extension(21, b"")]);
        with(&[server_name(&[b"a"]), extension(21, &vec![0; bytes - empty.len()])])
    };
    let most = HELLO_BYTES_MAX - RECORD_HEADER_BYTES;
    assert_eq!(read(&records(&padded(most), most)), hello(one(b"a"), false));
    assert_eq!(read(&records(&padded(most - 5), 16_000)), hello(one(b"a"), false));
    // Known to be too long from its length on, before the bytes are there.
    let long = records(&padded(most + 1), most + 1);
    assert_eq!(read(&long[..5]), TOO_LONG);
    let long = records(&padded(most + 1), 100);
    assert_eq!(read(&long[..105]), TOO_LONG);
    assert_eq!(read(&long), TOO_LONG);
    let small = records(&padded(3000), 1);
    assert_eq!(read(&small), TOO_LONG);
    let within = (0..=HELLO_BYTES_MAX).find(|end| matches!(read(&small[..*end]), Read::Malformed(_)));
    assert!(within.is_some());
}

proptest! {
    #[test]
    fn no_bytes_panic_and_more_changes_no_verdict(
        begin in 0_usize..4,
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let whole = records(&with(&[server_name(&[b"example.com"])]), 40);
        let begin = [&[][..], &[HANDSHAKE_RECORD, 3, 1], &whole[..60], &whole[..whole.len() - 9]][begin];
        let bytes = [begin, &rest].concat();
        let mut verdict = Read::NeedMore(0);
        for end in 0..=bytes.len() {
            let now = read(&bytes[..end]);
            match verdict {
                Read::NeedMore(needed) => prop_assert!(end >= needed || now == verdict),
                _ => prop_assert_eq!(&now, &verdict),
            }
            verdict = now;
        }
    }
}
