//! TLS hellos: however they are cut the verdict is one, and what is said of one stands in it, found by another reader.

use smokescreen::hello::client_hello::{ClientHello, HELLO_BYTES_MAX, Read, ServerName, read};

use super::in_pieces;

pub(crate) fn run(input: &[u8]) {
    let (cut, input) = input.split_first().unwrap_or((&0, &[]));
    let whole = read(input);
    let mut needed = 0;
    let first = in_pieces(input, *cut, |received| match read(received) {
        Read::NeedMore(bytes) => {
            assert!(
                bytes > received.len() && bytes <= HELLO_BYTES_MAX,
                "{bytes} wanted"
            );
            assert!(bytes >= needed, "less is wanted than before");
            needed = bytes;
            None
        }
        verdict => {
            assert!(
                received.len() >= needed,
                "a verdict before what was wanted for it"
            );
            Some(format!("{verdict:?}"))
        }
    });
    match &whole {
        Read::NeedMore(_) => {
            assert!(
                first.is_none() && input.len() < HELLO_BYTES_MAX,
                "more is wanted without end"
            );
        }
        Read::Malformed(reason) => assert!(!reason.is_empty()),
        Read::Hello(hello) => the_hello(input, hello),
    }
    if !matches!(whole, Read::NeedMore(_)) {
        assert_eq!(first, Some(format!("{whole:?}")));
    }
}

/// Reads the same once more, by counting from the front.
fn the_hello(input: &[u8], hello: &ClientHello<'_>) {
    let mut message = Vec::new();
    let mut rest = input;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    while message.len() < 4 || message.len() < 4 + number(&message[1..4]) {
        assert_eq!((rest[0], rest[1]), (0x16, 3));
        let end = 5 + number(&rest[3..5]);
        message.extend_from_slice(&rest[5..end]);
        rest = &rest[end..];
    }
    assert!(message[0] == 1 && message.len() == 4 + number(&message[1..4]));
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(message[at]);
    at += 2 + number(&message[at..at + 2]);
    at += 1 + usize::from(message[at]);
    let (mut names, mut has_ech) = (Vec::new(), false);
    let mut extensions = message.get(at + 2..).unwrap_or_default();
    while !extensions.is_empty() {
        let end = 4 + number(&extensions[2..4]);
        let content = &extensions[4..end];
        match number(&extensions[..2]) {
            0 => {
                let mut list = &content[2..];
                while !list.is_empty() {
                    let end = 3 + number(&list[1..3]);
                    names.push(list[3..end].to_vec());
                    list = &list[end..];
                }
            }
            0xfe0d => has_ech = true,
            _ => {}
        }
        extensions = &extensions[end..];
    }
    let name = match &hello.name {
        ServerName::Absent => None,
        ServerName::One(name) | ServerName::Several(name) => Some(name.to_vec()),
    };
    assert_eq!((names.first(), hello.has_ech), (name.as_ref(), has_ech));
    assert_eq!(names.len() > 1, matches!(hello.name, ServerName::Several(_)));
    assert!(names.iter().flatten().all(u8::is_ascii_graphic));
}
