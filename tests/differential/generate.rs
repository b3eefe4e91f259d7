//! Inputs by seed: authorities and messages out of parts that parsers are known to read differently.

/// Chance by seed: xorshift64*.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(bits).unwrap() % n.max(1)
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Closed and open addresses, as the parts that spellings are made of.
const ADDRESSES: [[u8; 4]; 8] = [
    [127, 0, 0, 1],
    [169, 254, 169, 254],
    [10, 0, 0, 1],
    [0, 0, 0, 0],
    [192, 168, 1, 1],
    [100, 64, 0, 1],
    [1, 1, 1, 1],
    [93, 184, 216, 34],
];

const NAMES: [&str; 24] = [
    "example.com",
    "a.b-c.test",
    "localhost",
    "a_b.test",
    "bücher.test",
    "xn--bcher-kva.test",
    "xn--a",
    "straße.de",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "1.2.3.4.5",
    "0x",
    "1e3",
    "a.0x7f",
    "0x7f.a",
    "4294967297",
    "08.08.08.08",
    "١٢٧.٠.٠.١",
    "1\u{ad}27.0.0.1",
    "ffff::1",
    "[example.com]",
    "nip.127.0.0.1",
];

const SIX: [&str; 20] = [
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "fe80::1%25eth0",
    "fe80::1%eth0",
    "fec0::1",
    "fd00:ec2::254",
    "2606:4700::1111",
    "::ffff:0:127.0.0.1",
    "0000:0:0000::01",
    "::ffff:0177.0.0.1",
    "v1.fe80::1",
    "1::2::3",
    "2606:4700::0:5efe:127.0.0.1",
];

const AROUND: [&str; 14] = [
    "@", "\\", "#", "?", "/", " ", "\t", "%2e", "%00", "\0", ".", "..", "；", "\u{200b}",
];

/// An octet in one of its spellings.
fn octet(n: u32, random: &mut Random) -> String {
    match random.below(8) {
        0 => format!("0x{n:x}"),
        1 => format!("0X{n:02X}"),
        2 => format!("0{n:o}"),
        3 => format!("00{n:o}"),
        4 => format!("0{n}"),
        _ => n.to_string(),
    }
}

fn quad(random: &mut Random) -> String {
    let octets = random.pick(&ADDRESSES);
    let [a, b, c, d] = octets.map(u32::from);
    let whole = u32::from_be_bytes(octets);
    let parts = match random.below(8) {
        0 => vec![whole],
        1 => vec![a, whole & 0xff_ffff],
        2 => vec![a, b, whole & 0xffff],
        3 => vec![a, d],
        _ => vec![a, b, c, d],
    };
    let spelled: Vec<_> = parts.iter().map(|part| octet(*part, random)).collect();
    let dot = if random.one_in(12) {
        random.pick(&["。", "．", "｡", "..", "%2e"])
    } else {
        "."
    };
    let text = spelled.join(dot);
    if random.one_in(12) { wide(&text) } else { text }
}

/// The same in full-width characters.
fn wide(text: &str) -> String {
    let wider = |c: char| match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c),
        other => other,
    };
    text.chars().map(wider).collect()
}

/// What a client may well mean.
fn honest(random: &mut Random) -> String {
    let host = match random.below(4) {
        0 => {
            let mut octet = || random.below(256).to_string();
            [octet(), octet(), octet(), octet()].join(".")
        }
        1 => format!("[2606:4700::{:x}]", random.below(65_536)),
        _ => {
            const PARTS: &str = "a0xé1-_bß9ze7Ñ2中f";
            let label = |random: &mut Random| -> String {
                let part = |random: &mut Random| PARTS.chars().nth(random.below(PARTS.chars().count()));
                (0..=random.below(6)).filter_map(|_| part(random)).collect()
            };
            format!("{}.{}.test", label(random), label(random))
        }
    };
    let port = random.pick(&["", ":80", ":8443"]);
    format!("{host}{port}")
}

/// An authority, honest or not.
pub(crate) fn authority(random: &mut Random) -> String {
    if random.one_in(3) {
        return honest(random);
    }
    let mut text = match random.below(6) {
        0 | 1 => quad(random),
        2 => format!("[{}]", random.pick(&SIX)),
        3 => format!("[::ffff:{}]", quad(random)),
        _ => random.pick(&NAMES).to_owned(),
    };
    if random.one_in(6) {
        let other = if random.one_in(2) {
            quad(random)
        } else {
            random.pick(&NAMES).to_owned()
        };
        text = format!("{text}{}{other}", random.pick(&AROUND));
    }
    if random.one_in(8) {
        text = text.to_uppercase();
    }
    if random.one_in(5) {
        text.push('.');
    }
    if random.one_in(3) {
        text.push_str(random.pick(&[":80", ":443", ":0", ":080", ":+1", ":65616", ":", ":80:1", ": 80"]));
    }
    text
}

const ENDINGS: [&str; 5] = ["\n", "\r", "\r\r\n", "\r\n ", "\r\n\t"];

const FIELDS: [&str; 40] = [
    "Content-Length: 5",
    "Content-Length: 5",
    "Content-Length: 5",
    "Content-Length: 0",
    "Content-Length: 10",
    "Content-Length:5",
    "Content-Length:  5  ",
    "Content-Length: 05",
    "Content-Length: +5",
    "Content-Length: -5",
    "Content-Length: 5,5",
    "Content-Length: 5, 6",
    "Content-Length: 0x5",
    "Content-Length: 5 5",
    "Content-Length: ",
    "Content-Length: 18446744073709551621",
    "Content-Length: 5\x0b",
    "Content-Length : 5",
    " Content-Length: 5",
    "Content_Length: 5",
    "content-LENGTH: 5",
    "Content-Length: 5;",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked",
    "transfer-encoding:CHUNKED",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding: identity",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked;q=1",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding:\x0bchunked",
    "Transfer-Encoding : chunked",
    "X: a\0b",
    "X",
    ": x",
    "X: \u{e9}",
];

const CHUNKS: [&str; 24] = [
    "5\r\nhello\r\n",
    "5\r\nhello\r\n",
    "5\r\nhello\r\n",
    "A\r\n0123456789\r\n",
    "05\r\nhello\r\n",
    "5;a=b\r\nhello\r\n",
    "5 ;a=b\r\nhello\r\n",
    "5;a=\"\r\n\"\r\nhello\r\n",
    "5;a\nb\r\nhello\r\n",
    "5 \r\nhello\r\n",
    " 5\r\nhello\r\n",
    "0x5\r\nhello\r\n",
    "+5\r\nhello\r\n",
    "-5\r\nhello\r\n",
    "5_0\r\nhello\r\n",
    "5\nhello\n",
    "5\r\nhelloX\r\n",
    "5\r\nhello",
    "5\rhello\r\n",
    "5\r\n\r\nhello\r\n",
    "\r\n",
    "10000000000000005\r\nhello\r\n",
    "ffffffffffffffff\r\nhello\r\n",
    "5\u{e9}\r\nhello\r\n",
];

const LASTS: [&str; 12] = [
    "0\r\n\r\n",
    "0\r\n\r\n",
    "0\r\n\r\n",
    "00\r\n\r\n",
    "0;x\r\n\r\n",
    "0\r\nX: 1\r\n\r\n",
    "0\r\nContent-Length: 9\r\n\r\n",
    "0\n\n",
    "0\r\n\n",
    "0 \r\n\r\n",
    "0\r\n X: 1\r\n\r\n",
    "0\r\nX\r\n\r\n",
];

/// Messages one behind the other, each begun by one of `starts`.
pub(crate) fn messages(starts: &[&str], random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..=random.below(3) {
        message(starts, &mut text, random);
    }
    // One byte per character: those above ASCII are meant as Latin-1.
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect()
}

fn message(starts: &[&str], text: &mut String, random: &mut Random) {
    let strange = random.one_in(2);
    let ending = |random: &mut Random| match strange && random.one_in(12) {
        true => random.pick(&ENDINGS),
        false => "\r\n",
    };
    text.push_str(random.pick(starts));
    text.push_str(ending(random));
    if random.one_in(3) {
        text.push_str("Host: a.test");
        text.push_str(ending(random));
    }
    let mut chunked = false;
    for _ in 0..random.below(if strange { 4 } else { 2 }) {
        let field = random.pick(&FIELDS);
        chunked |= field.to_ascii_lowercase().contains("chunked");
        text.push_str(field);
        text.push_str(ending(random));
    }
    text.push_str(ending(random));
    if chunked && !random.one_in(8) {
        for _ in 0..random.below(3) {
            text.push_str(if strange { random.pick(&CHUNKS) } else { CHUNKS[0] });
        }
        if !random.one_in(10) {
            text.push_str(if strange { random.pick(&LASTS) } else { LASTS[0] });
        }
    } else {
        text.push_str(random.pick(&["", "hello", "hello", "0123456789", "hell"]));
    }
}
