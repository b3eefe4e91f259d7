//! Bends what says where the content ends: lengths, codings, both, chunks, trailers.

use super::dice::Dice;
use super::generator::{CRLF, Draft, chunked};

/// Spellings of a length that one reader or other takes for it.
fn length(dice: &mut Dice, n: usize) -> Vec<u8> {
    let wrapped = (1u128 << dice.pick(&[16, 31, 32, 63, 64])) + n as u128;
    let spellings = [
        format!("{n}"),
        format!("{n}"),
        format!("{n}"),
        format!("+{n}"),
        format!("-{n}"),
        format!("0{n}"),
        format!("0x{n:x}"),
        format!("{n}, {n}"),
        format!("{n},0"),
        format!("0, {n}"),
        format!("{n}.0"),
        format!("{n};x"),
        format!("\"{n}\""),
        format!("{n} {n}"),
        format!("{n}\u{b}"),
        format!("\u{c}{n}"),
        format!("{n}\0"),
        format!("{n}\u{a0}"),
        format!("{n}_0"),
        format!("\t {n} \t"),
        format!("{wrapped}"),
        format!("{n}e0"),
        format!("{n}\r\n "),
        String::new(),
        format!("{}", n + 7),
        format!("{}", n.saturating_sub(5)),
        format!("{}", n / 2),
        "0".to_owned(),
    ];
    spellings[dice.below(spellings.len())].clone().into_bytes()
}

const LENGTH_NAMES: [&str; 12] = [
    "Content-Length",
    "Content-Length",
    "Content-Length",
    "content-length",
    "CONTENT-LENGTH",
    "Content_Length",
    "Content-Length ",
    " Content-Length",
    "Content-Length\t",
    "Content-Length\0",
    "X-Content-Length",
    "Content\u{2010}Length",
];

/// Says the length oddly, once or twice.
pub(super) fn lengths(draft: &mut Draft, dice: &mut Dice, payload: &[u8]) {
    draft.without_framing();
    for _ in 0..=dice.below(2) {
        let value = length(dice, payload.len());
        draft.field(dice.pick(&LENGTH_NAMES), value);
    }
    draft.body = payload.to_vec();
}

const CODING_NAMES: [&str; 11] = [
    "Transfer-Encoding",
    "Transfer-Encoding",
    "Transfer-Encoding",
    "transfer-encoding",
    "TRANSFER-ENCODING",
    "Transfer_Encoding",
    "Transfer-Encoding ",
    "\tTransfer-Encoding",
    "Transfer-Encoding\u{b}",
    "TE",
    "Content-Encoding",
];

const CODINGS: [&str; 30] = [
    "chunked",
    "chunked",
    "chunked",
    "Chunked",
    "CHUNKED",
    "chunKed",
    " chunked \t",
    "\u{b}chunked",
    "chunked\u{b}",
    "\u{c}chunked",
    "\"chunked\"",
    "'chunked'",
    "xchunked",
    "chunkedx",
    "chunked;q=1",
    "chunked ;",
    "chunked, identity",
    "identity, chunked",
    "chunked, chunked",
    "gzip, chunked",
    "gzip",
    "identity",
    ",chunked",
    "chunked,",
    "chunked\0",
    "chunked\u{a0}",
    "c\u{68}unked\r\n ",
    "\r\n chunked",
    "cow",
    "",
];

/// Says the coding oddly, once or twice.
pub(super) fn codings(draft: &mut Draft, dice: &mut Dice, payload: &[u8]) {
    draft.without_framing();
    for _ in 0..=dice.below(2) {
        draft.field(dice.pick(&CODING_NAMES), dice.pick(&CODINGS));
    }
    draft.body = chunked(dice, payload);
    if dice.once_in(4) {
        draft.start[2] = b"HTTP/1.0".to_vec();
    }
}

/// Says both, in either order.
pub(super) fn length_and_coding(draft: &mut Draft, dice: &mut Dice, payload: &[u8]) {
    draft.without_framing();
    let framed = chunked(dice, payload);
    let covers = dice.pick(&[framed.len(), payload.len(), 0, 4, 5, framed.len() + 3]);
    let value = if dice.once_in(3) {
        length(dice, covers)
    } else {
        covers.to_string().into_bytes()
    };
    let (length_name, coding_name) = (dice.pick(&LENGTH_NAMES), dice.pick(&CODING_NAMES));
    let coding = dice.pick(&CODINGS);
    if dice.once_in(2) {
        draft.field(coding_name, coding);
        draft.field(length_name, value);
    } else {
        draft.field(length_name, value);
        draft.field(coding_name, coding);
    }
    draft.body = if dice.once_in(4) { payload.to_vec() } else { framed };
}

/// Ways of writing the line before a chunk of `n` bytes.
fn size_line(dice: &mut Dice, n: usize) -> Vec<u8> {
    let (hidden, wide) = (
        "GET /smuggled/ HTTP/1.1",
        (1u128 << dice.pick(&[32, 63, 64])) + n as u128,
    );
    let lines = [
        format!("{n:X}\r\n"),
        format!("0{n:x}\r\n"),
        format!("{n:032x}\r\n"),
        format!("+{n:x}\r\n"),
        format!("-{n:x}\r\n"),
        format!("0x{n:x}\r\n"),
        format!("{n:x} \r\n"),
        format!(" {n:x}\r\n"),
        format!("{n:x}\t\r\n"),
        format!("{n:x}\u{b}\r\n"),
        format!("{n:x}\0\r\n"),
        format!("{wide:x}\r\n"),
        format!("{n:x}_0\r\n"),
        format!("{n:x}g\r\n"),
        format!("{n:x}.0\r\n"),
        format!("{n:x};\r\n"),
        format!("{n:x};a=b\r\n"),
        format!("{n:x};a=\"b\r\n"),
        format!("{n:x};a=\"\r\n{hidden}\r\n"),
        format!("{n:x};a=\"b;c\"\r\n"),
        format!("{n:x};\n{hidden}\r\n"),
        format!("{n:x};a\rb\r\n"),
        format!("{n:x} ;a=b\r\n"),
        format!("{n:x}; a = b\r\n"),
        format!("{n:x};{}\r\n", "e".repeat(300)),
        format!("{n:x}\n"),
        format!("{n:x};a\n"),
        format!("{n:x}\r"),
        format!("{n:x}\r\r\n"),
        format!("{n:x}\n\r"),
        format!("{n:x}\r\n\r\n"),
        format!("{:x}\r\n", n + 1),
        format!("{:x}\r\n", n.saturating_sub(1)),
        format!("{n}\r\n"),
        "\r\n".to_owned(),
        "0\r\n".to_owned(),
        "00000\r\n".to_owned(),
        "0;x\r\n\r\n".to_owned(),
    ];
    lines[dice.below(lines.len())].clone().into_bytes()
}

/// Writes chunks oddly.
pub(super) fn chunk_syntax(draft: &mut Draft, dice: &mut Dice, payload: &[u8]) {
    draft.without_framing();
    draft.field("Transfer-Encoding", "chunked");
    draft.body.clear();
    let size = 1 + dice.below(payload.len() + 1);
    let odd_from = dice.below(3);
    for (index, chunk) in payload.chunks(size).enumerate() {
        let odd = index >= odd_from && dice.once_in(2);
        let line = if odd {
            size_line(dice, chunk.len())
        } else {
            format!("{:x}\r\n", chunk.len()).into_bytes()
        };
        draft.body.extend_from_slice(&line);
        draft.body.extend_from_slice(chunk);
        let end: &[u8] = if dice.once_in(6) {
            dice.pick(&[b"\n", b"\r", b"", b"\n\r", b"\r\r\n", b"x\r\n", b"\r\n\r\n"])
        } else {
            CRLF
        };
        draft.body.extend_from_slice(end);
    }
    let last: &[u8] = if dice.once_in(2) {
        dice.pick(&[
            b"0\n\n",
            b"0\r\n\n",
            b"0\n\r\n",
            b"0\r\r",
            b"00\r\n\r\n",
            b"0;x=\"\r\n\r\n",
            b"-0\r\n\r\n",
            b"0x0\r\n\r\n",
            b" 0\r\n\r\n",
            b"0 \r\n\r\n",
            b"0\r\n",
            b"0\r\n\r",
            b"0",
            b"",
            b"\r\n\r\n",
            b"0\r\n \r\n\r\n",
        ])
    } else {
        b"0\r\n\r\n"
    };
    draft.body.extend_from_slice(last);
}

/// Puts fields behind the last chunk.
pub(super) fn trailers(draft: &mut Draft, dice: &mut Dice, payload: &[u8]) {
    draft.without_framing();
    draft.field("Transfer-Encoding", "chunked");
    if dice.once_in(2) {
        draft.field("Trailer", "X-T, Content-Length");
    }
    let mut body = chunked(dice, payload);
    body.truncate(body.len() - 2);
    for _ in 0..=dice.below(2) {
        body.extend_from_slice(dice.pick(&[
            b"X-T: 1\r\n",
            b"Content-Length: 50\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Host: evil.test\r\n",
            b"Connection: close\r\n",
            b" folded: 1\r\n",
            b"X-T : 1\r\n",
            b"no colon\r\n",
            b"X-T: a\nGET /smuggled/ HTTP/1.1\r\n",
            b"X-T: a\rb\r\n",
            b"GET /smuggled/ HTTP/1.1\r\n",
            b"X-T: \0\r\n",
            b": empty\r\n",
            b"X-T: 1\n",
        ]));
    }
    body.extend_from_slice(CRLF);
    draft.body = body;
}
