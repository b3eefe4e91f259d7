//! TLS hellos: those of real clients, by name; and what rustls and OpenSSL (by Python) make of mutated ones. Where one of
//! them reads another server's name in what we let through, we must have refused.

use std::borrow::Cow;
use std::fs;

use rustls::server::Acceptor;
use smokescreen::hello::client_hello::{ClientHello, Read, ServerName, read};

use super::generate::Random;
use super::{programs, seed};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hellos");

/// Mutated hellos.
const ROUNDS: usize = 6_000;

/// A row of the folder's table.
struct Row {
    file: String,
    name: String,
    has_ech: bool,
    bytes: Vec<u8>,
}

fn rows() -> Vec<Row> {
    let table = fs::read_to_string(format!("{FOLDER}/README.md")).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Row> = rows
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [file, _, _, name, ech] = cells[..] else {
                panic!("{line}");
            };
            let file = file.trim_matches('`').to_owned();
            Row {
                bytes: fs::read(format!("{FOLDER}/{file}.bin")).unwrap(),
                name: if name == "none" {
                    String::new()
                } else {
                    name.trim_matches('`').to_owned()
                },
                has_ech: ech == "yes",
                file,
            }
        })
        .collect();
    assert!(rows.len() >= 30, "{} hellos", rows.len());
    rows
}

/// The name that rustls reads, an empty one being none; nothing where it refuses.
fn rustls(mut bytes: &[u8]) -> Option<String> {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        acceptor.read_tls(&mut bytes).ok()?;
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                return Some(
                    accepted
                        .client_hello()
                        .server_name()
                        .unwrap_or_default()
                        .to_owned(),
                );
            }
            Err(_) => return None,
        }
    }
    None
}

/// What OpenSSL reads, likewise.
fn openssl(answer: &str) -> Option<String> {
    let name = answer.strip_prefix("name:")?;
    Some(String::from_utf8_lossy(&programs::unhex(name)).into_owned())
}

fn ours(bytes: &[u8]) -> Option<String> {
    match read(bytes) {
        Read::Hello(ClientHello {
            name: ServerName::Absent,
            ..
        }) => Some(String::new()),
        Read::Hello(ClientHello {
            name: ServerName::One(name),
            ..
        }) => Some(String::from_utf8_lossy(&name).into_owned()),
        Read::Hello(_) | Read::NeedMore(_) | Read::Malformed(_) => None,
    }
}

/// Does somebody else read a name that is not ours? That there is none may be said of what is no host's name, as an address.
fn differs(ours: &str, theirs: &str) -> bool {
    // rustls drops the dot.
    let [ours, theirs] = [ours, theirs].map(|name| name.strip_suffix('.').unwrap_or(name));
    let is_host = ours.ends_with(|c: char| c.is_ascii_alphabetic())
        && ours.split('.').all(|label| {
            label.len() < 64
                && label.starts_with(|c: char| c.is_ascii_alphanumeric())
                && label.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    match theirs.is_empty() {
        true => is_host,
        false => !theirs.eq_ignore_ascii_case(ours),
    }
}

#[test]
fn real_hellos_are_read() {
    let rows = rows();
    let inputs: Vec<_> = rows.iter().map(|row| row.bytes.clone()).collect();
    let answers = programs::python("hello", &inputs);
    for (
        nth,
        Row {
            file,
            name,
            has_ech,
            bytes,
        },
    ) in rows.iter().enumerate()
    {
        let expected = match name.as_str() {
            "" => ServerName::Absent,
            name => ServerName::One(Cow::Borrowed(name.as_bytes())),
        };
        let expected = Read::Hello(ClientHello {
            name: expected,
            has_ech: *has_ech,
        });
        assert_eq!(read(bytes), expected, "{file}");
        assert!(
            matches!(read(&bytes[..bytes.len() - 1]), Read::NeedMore(_)),
            "{file}"
        );
        if let Some(theirs) = rustls(bytes) {
            assert!(!differs(name, &theirs), "{file}: {theirs}");
        }
        if let Some(answers) = &answers {
            let theirs = openssl(&answers[nth]).unwrap_or_else(|| panic!("{file}: {}", answers[nth]));
            assert!(!differs(name, &theirs), "{file}: {theirs}");
        }
    }
}

/// Numbers in so many bytes, and what they are the lengths of, wrong by one now and then.
fn part(length_bytes: usize, content: &[u8], random: &mut Random) -> Vec<u8> {
    let wrong = match random.below(60) {
        0 => 1,
        1 => usize::MAX,
        _ => 0,
    };
    let length = (content.len().wrapping_add(wrong) as u64).to_be_bytes();
    [&length[8 - length_bytes..], content].concat()
}

fn server_name(random: &mut Random) -> Vec<u8> {
    const NAMES: [&[u8]; 8] = [
        b"a.test",
        b"b.test",
        b"A.test.",
        b"",
        b"192.0.2.1",
        b"c\0.test",
        b"x y",
        b"\xc3\xbc.test",
    ];
    let mut list = Vec::new();
    for _ in 0..random.pick(&[0, 1, 1, 1, 1, 1, 1, 2, 3]) {
        list.push(random.pick(&[0, 0, 0, 0, 0, 0, 0, 1, 255]));
        let names = if random.one_in(3) { 8 } else { 3 };
        let name = random.pick(&NAMES[..names]);
        list.extend(part(2, name, random));
    }
    part(2, &list, random)
}

/// A hello of parts that are right but for one or another, in records of any size.
fn drawn(random: &mut Random) -> Vec<u8> {
    let mut extensions = Vec::new();
    for _ in 0..random.below(7) {
        let (kind, content) = match random.below(6) {
            0 | 1 => (0_u16, server_name(random)),
            2 => (43, vec![4, 3, 4, 3, 3]),
            3 => (10, vec![0, 2, 0, 29]),
            4 => (13, vec![0, 4, 4, 3, 8, 4]),
            _ => (
                random.pick(&[0x0a0a, 0xfe0d, 21, 65281]),
                vec![0; random.below(3)],
            ),
        };
        extensions.extend(kind.to_be_bytes());
        extensions.extend(part(2, &content, random));
    }
    let mut body = vec![3, random.pick(&[3, 3, 3, 1])];
    body.extend([7; 32]);
    body.extend(part(1, &vec![1; random.pick(&[0, 32, 32, 33])], random));
    body.extend(part(2, &[0x13, 1, 0xc0, 0x2f, 0xc0, 0x2b], random));
    body.extend(part(1, &[0], random));
    body.extend(part(2, &extensions, random));
    if random.one_in(30) {
        body.push(0);
    }
    let message = [
        &[random.pick(&[1, 1, 1, 1, 1, 1, 1, 2])][..],
        &part(3, &body, random),
    ]
    .concat();
    let size = random.pick(&[16_000, 16_000, 100, 7, 1]);
    let mut received = Vec::new();
    for piece in message.chunks(size) {
        received.extend([
            if random.one_in(400) { 0x15 } else { 0x16 },
            3,
            random.pick(&[1, 3, 3]),
        ]);
        received.extend(part(2, piece, random));
        if random.one_in(400) {
            received.extend([0x16, 3, 3, 0, 0]);
        }
    }
    received
}

/// A real one with a few bytes changed.
fn mutated(rows: &[Row], random: &mut Random) -> Vec<u8> {
    let mut bytes = rows[random.below(rows.len())].bytes.clone();
    bytes.truncate(2_000);
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        let end = bytes.len().min(at + random.below(12));
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            2 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            _ => bytes[at] ^= 1 << random.below(8),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn nobody_reads_another_name_in_what_we_let_through() {
    let (rows, mut random) = (rows(), Random(seed()));
    let inputs: Vec<Vec<u8>> = (0..ROUNDS)
        .map(|nth| match nth % 2 {
            0 => drawn(&mut random),
            _ => mutated(&rows, &mut random),
        })
        .collect();
    let answers = programs::python("hello", &inputs);
    let (mut let_through, mut by_rustls, mut by_openssl) = (0, 0, 0);
    for (nth, bytes) in inputs.iter().enumerate() {
        let Some(name) = ours(bytes) else { continue };
        let_through += 1;
        if let Some(theirs) = rustls(bytes) {
            by_rustls += 1;
            assert!(
                !differs(&name, &theirs),
                "{name}, to rustls {theirs}: {bytes:02x?}"
            );
        }
        if let Some(theirs) = answers.as_ref().and_then(|answers| openssl(&answers[nth])) {
            by_openssl += 1;
            assert!(
                !differs(&name, &theirs),
                "{name}, to OpenSSL {theirs}: {bytes:02x?}"
            );
        }
    }
    println!("{let_through} let through, {by_rustls} read by rustls, {by_openssl} by OpenSSL");
    assert!(
        let_through > ROUNDS / 10 && by_rustls > ROUNDS / 50,
        "{let_through}, {by_rustls}"
    );
    assert!(answers.is_none() || by_openssl > ROUNDS / 20, "{by_openssl}");
}
