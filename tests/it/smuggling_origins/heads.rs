//! Bends a head: line ends, white space, request lines, targets, fields that concern the connection.

use super::dice::Dice;
use super::generator::{CRLF, Draft, Place};

/// Ends a line oddly.
pub(super) fn line_ends(draft: &mut Draft, dice: &mut Dice) {
    let ends: [&[u8]; 10] = [
        b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b"", b"\r\n\r", b"\0\r\n", b"\r\n\n",
    ];
    let end = dice.pick(&ends);
    match dice.below(4) {
        0 => draft.start_end = end,
        1 => draft.head_end = end,
        2 => {
            // An otherwise harmless field that hides framing behind an odd line end.
            draft.without_framing();
            let value = [
                &b"a"[..],
                end,
                dice.pick(&[&b"Content-Length: 9"[..], b"Transfer-Encoding: chunked"]),
            ]
            .concat();
            draft.field("X-Hides", value);
        }
        _ => {
            let at = dice.below(draft.lines.len());
            draft.lines[at].3 = end;
        }
    }
}

/// Puts white space and its like where it doesn't belong.
pub(super) fn white_space(draft: &mut Draft, dice: &mut Dice) {
    let at = dice.below(draft.lines.len());
    let betweens: [&[u8]; 14] = [
        b" : ", b":", b"\t:", b":\t", b": \t ", b":\r\n ", b":\r\n\t", b": \x0b", b":\x0c", b" ", b"",
        b":\0", b"::", b":\xa0",
    ];
    match dice.below(4) {
        0 => draft.lines[at].0.insert(0, dice.pick(b" \t\x0b\x0c\0\r\n\xa0")),
        1 => draft.lines[at].2.push(dice.pick(b" \t\x0b\x0c\0\x85\xa0")),
        2 => draft.lines.insert(
            0,
            (
                dice.pick(&[&b" X"[..], b"\tX", b"", b" "]).to_vec(),
                b": ",
                b"y".to_vec(),
                CRLF,
            ),
        ),
        _ => draft.lines[at].1 = dice.pick(&betweens),
    }
}

/// Bends method, version, or what stands between them.
pub(super) fn start_line(draft: &mut Draft, dice: &mut Dice) {
    match dice.below(5) {
        0 => {
            let methods: [&[u8]; 14] = [
                b"post",
                b"PO ST",
                b"G\0T",
                b"",
                b"GET\t",
                b"QUERY",
                b"FOO-BAR",
                b"P(ST",
                b"\xc3\xa9",
                b"POST\r\nX:",
                b"TRACE",
                b"PRI",
                b"GET /smuggled HTTP/1.1\r\nGET",
                b"\r\n\r\nPOST",
            ];
            draft.start[0] = dice.pick(&methods).to_vec();
        }
        1 => {
            let versions: [&[u8]; 18] = [
                b"HTTP/1.0",
                b"HTTP/1.0",
                b"HTTP/0.9",
                b"HTTP/2.0",
                b"HTTP/1.2",
                b"HTTP/1.10",
                b"HTTP/01.1",
                b"HTTP/1.",
                b"HTTP/1",
                b"http/1.1",
                b"HTTP/ 1.1",
                b"HTTP/1.1 ",
                b"HTTP/1.1\t",
                b"",
                b"HTTP/1.1\0",
                b"XTTP/1.1",
                b"HTTP/1,1",
                b"HTTP/1.1 HTTP/1.1",
            ];
            draft.start[2] = dice.pick(&versions).to_vec();
        }
        2 => {
            draft.start_spaces[dice.below(2)] = dice.pick(&[
                &b"  "[..],
                b"\t",
                b"",
                b"\x0b",
                b"\x0c",
                b" \t",
                b"\r\n ",
                b"\xa0",
                b"\0",
            ])
        }
        3 => {
            draft.start[0] = [
                dice.pick(&[
                    &b"\r\n"[..],
                    b"\r\n\r\n",
                    b"\r\n\r\n\r\n",
                    b"\n",
                    b"\r",
                    b" ",
                    b"\0",
                    b"\xef\xbb\xbf",
                ]),
                b"POST",
            ]
            .concat()
        }
        _ => {
            draft.start_end = dice.pick(&[
                &b" \r\n"[..],
                b"\t\r\n",
                b"\r\n\r\n",
                b"\x0b\r\n",
                b"\n",
                b"\r\r\n",
            ])
        }
    }
}

/// Asks for the same place in another way, for another one, or for none.
pub(super) fn targets(draft: &mut Draft, dice: &mut Dice, at: &Place<'_>) {
    let (authority, id) = (at.authority, at.id);
    let (ip, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let targets = [
        format!("HTTP://{authority}/c{id}/upper"),
        format!("http://{authority}?/c{id}/x"),
        format!("http://{authority}?/c{id}/x#/y"),
        format!("http://{authority}/c{id}/x#y"),
        format!("http://{authority}/c{id}/a b"),
        format!("http://{authority}/c{id}/x HTTP/1.1\r\nX:"),
        format!("http://{authority}/c{id}/%0d%0aX:%20y"),
        format!("http://{authority}/c{id}/\u{e9}\u{85}\u{a0}x"),
        format!("http://{authority}/c{id}/\0"),
        format!("http://{authority}/c{id}/\u{b}x"),
        format!("http://{authority}/c{id}/x\\..\\y"),
        format!("http://{authority}//c{id}/../x"),
        format!("http://user@{authority}/c{id}/x"),
        format!("http://{authority}@evil.test/c{id}/x"),
        format!("http://evil.test@{authority}/c{id}/x"),
        format!("http://{authority}\\@evil.test/c{id}/x"),
        format!("http://{authority},evil.test/c{id}/x"),
        format!("http://{ip}:0{port}/c{id}/x"),
        format!("http://{ip}.:{port}/c{id}/x"),
        format!("http://{ip}:/c{id}/x"),
        format!("http://{ip}:{port}:{port}/c{id}/x"),
        format!("http://[::ffff:{ip}]:{port}/c{id}/x"),
        format!("http://0x2c.1.2.5:{port}/c{id}/x"),
        format!("http:///c{id}/x"),
        format!("http:/{authority}/c{id}/x"),
        format!("http:{authority}/c{id}/x"),
        format!("//{authority}/c{id}/x"),
        format!("/smuggled/c{id}/x"),
        "*".to_owned(),
        authority.to_owned(),
        format!("ftp://{authority}/c{id}/x"),
        format!("http://{authority}/c{id}/x?http://evil.test/ HTTP/1.0"),
        String::new(),
    ];
    draft.start[1] = targets[dice.below(targets.len())].clone().into_bytes();
    if dice.once_in(8) {
        draft.start[0] = b"CONNECT".to_vec();
        draft.start[1] = format!("{authority}/").into_bytes();
    }
}

/// Adds fields about the connection, and other Hosts.
pub(super) fn connection(draft: &mut Draft, dice: &mut Dice, at: &Place<'_>) {
    let lines: [(&str, &str); 22] = [
        ("Connection", "close"),
        ("Connection", "keep-alive"),
        ("Connection", "Content-Length"),
        ("Connection", "Transfer-Encoding"),
        ("Connection", "close, Content-Length, Transfer-Encoding"),
        ("Connection", "Host"),
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Connection", "X-Hides, \"close\""),
        ("Connection", "\u{e9}"),
        ("Connection", ",,,"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Connection", "close"),
        ("Keep-Alive", "timeout=1, max=1"),
        ("Upgrade", "h2c"),
        ("Upgrade", "websocket"),
        ("TE", "trailers, chunked"),
        ("Expect", "100-continue"),
        ("Expect", "100-continue, x"),
        ("Host", "evil.test"),
        ("Host", ""),
        ("Host", "a b"),
        ("Trailer", "Content-Length"),
    ];
    for _ in 0..=dice.below(2) {
        let (name, value) = dice.pick(&lines);
        if name == "Host" && dice.once_in(2) {
            draft.lines[0].2 = value.into();
        } else {
            draft.field(name, value);
        }
        if value.contains("Upgrade") {
            draft.field("Upgrade", "h2c");
        }
    }
    if dice.once_in(6) {
        draft.lines.retain(|line| line.0 != b"Host");
    }
    if dice.once_in(8) {
        draft.field("Connection", at.authority);
        draft.start[2] = b"HTTP/1.0".to_vec();
    }
}
