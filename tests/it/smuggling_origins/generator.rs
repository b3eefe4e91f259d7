//! Makes byte strings that two readers may take differently: a plain request, bent in one or two places, with
//! another request hidden where a confused reader would find it, and often a harmless one behind it.

use super::dice::Dice;
use super::framings::{chunk_syntax, codings, length_and_coding, lengths, trailers};
use super::heads::{connection, line_ends, start_line, targets, white_space};

/// The target of hidden requests: an origin's form, so that no proxy may forward it.
pub(super) const SMUGGLED: &str = "/smuggled";

/// One field line: name, what stands between name and value, value, line end.
type Line = (Vec<u8>, &'static [u8], Vec<u8>, &'static [u8]);

pub(super) const CRLF: &[u8] = b"\r\n";

/// Bends a draft; the bytes are the content.
type Bend = fn(&mut Draft, &mut Dice, &Place<'_>, &[u8]);

/// A request before it is written.
pub(super) struct Draft {
    pub(super) start: [Vec<u8>; 3],
    pub(super) start_spaces: [&'static [u8]; 2],
    pub(super) start_end: &'static [u8],
    pub(super) lines: Vec<Line>,
    pub(super) head_end: &'static [u8],
    pub(super) body: Vec<u8>,
}

/// The bytes of one case, which a seed and a number determine.
pub(super) fn case(seed: u64, id: u64, authority: &str) -> Vec<u8> {
    let dice = &mut Dice::of(seed, id);
    let at = Place { id, authority };
    let mut bytes = Vec::new();
    if dice.once_in(10) {
        bytes.extend_from_slice(at.get("first").as_bytes());
    }
    let payload = at.payload(dice);
    let mut draft = at.plain(dice, &payload);
    let bends: [Bend; 12] = [
        |draft, dice, _, payload| lengths(draft, dice, payload),
        |draft, dice, _, payload| codings(draft, dice, payload),
        |draft, dice, _, payload| length_and_coding(draft, dice, payload),
        |draft, dice, _, payload| chunk_syntax(draft, dice, payload),
        |draft, dice, _, payload| trailers(draft, dice, payload),
        |draft, dice, _, _| line_ends(draft, dice),
        |draft, dice, _, _| white_space(draft, dice),
        |draft, dice, _, _| start_line(draft, dice),
        |draft, dice, at, _| targets(draft, dice, at),
        |draft, dice, at, _| connection(draft, dice, at),
        |draft, _, _, payload| hidden_second(draft, payload),
        |_, _, _, _| {},
    ];
    let count = 1 + usize::from(dice.once_in(3));
    for _ in 0..count {
        dice.pick(&bends)(&mut draft, dice, &at, &payload);
    }
    let begins = bytes.len();
    draft.write(&mut bytes);
    if dice.once_in(6) {
        noise(&mut bytes, begins, dice);
    }
    if !dice.once_in(6) {
        bytes.extend_from_slice(at.get("marker").as_bytes());
    }
    bytes
}

/// Whose case it is and where it goes.
pub(super) struct Place<'a> {
    pub(super) id: u64,
    pub(super) authority: &'a str,
}

impl Place<'_> {
    fn url(&self, path: &str) -> String {
        format!("http://{}/c{}/{path}", self.authority, self.id)
    }

    fn get(&self, path: &str) -> String {
        format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.url(path),
            self.authority
        )
    }

    /// The content: often a request for a confused reader.
    fn payload(&self, dice: &mut Dice) -> Vec<u8> {
        let hidden = format!(
            "GET {SMUGGLED}/c{}/ HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.id, self.authority
        );
        match dice.below(9) {
            0 => Vec::new(),
            1 => b"x=1".to_vec(),
            2 => self.get("inner").into_bytes(),
            3 => format!("0\r\n\r\n{hidden}").into_bytes(),
            4 => format!("\r\n{hidden}").into_bytes(),
            5 => format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()).into_bytes(),
            6 => hidden.trim_end().as_bytes().to_vec(),
            _ => hidden.into_bytes(),
        }
    }

    fn plain(&self, dice: &mut Dice, payload: &[u8]) -> Draft {
        let method = dice.pick(&["POST", "POST", "POST", "PUT", "GET", "HEAD", "DELETE", "OPTIONS"]);
        let mut draft = Draft {
            start: [method.into(), self.url("main").into(), "HTTP/1.1".into()],
            start_spaces: [b" ", b" "],
            start_end: CRLF,
            lines: vec![(b"Host".to_vec(), b": ", self.authority.into(), CRLF)],
            head_end: CRLF,
            body: Vec::new(),
        };
        if dice.once_in(2) {
            draft.field("Content-Length", payload.len().to_string());
            draft.body = payload.to_vec();
        } else {
            draft.field("Transfer-Encoding", "chunked");
            draft.body = chunked(dice, payload);
        }
        draft
    }
}

impl Draft {
    pub(super) fn field(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.lines.push((name.into(), b": ", value.into(), CRLF));
    }

    pub(super) fn without_framing(&mut self) {
        let framing = |name: &[u8]| {
            name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding")
        };
        self.lines.retain(|line| !framing(&line.0));
    }

    fn write(&self, out: &mut Vec<u8>) {
        let [method, target, version] = &self.start;
        let [first, second] = self.start_spaces;
        for part in [method, first, target, second, version, self.start_end] {
            out.extend_from_slice(part);
        }
        for (name, between, value, end) in &self.lines {
            for part in [name, *between, value, end] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(self.head_end);
        out.extend_from_slice(&self.body);
    }
}

pub(super) fn chunked(dice: &mut Dice, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let size = 1 + dice.below(payload.len() + 1);
    for chunk in payload.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(CRLF);
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Content that no field announces: the next request, to a strict reader.
fn hidden_second(draft: &mut Draft, payload: &[u8]) {
    draft.without_framing();
    draft.body = payload.to_vec();
}

/// One byte changed, lost, doubled or put in, wherever.
fn noise(bytes: &mut Vec<u8>, from: usize, dice: &mut Dice) {
    let at = from + dice.below(bytes.len() - from);
    let byte = dice.pick(b"\r\n\0 \t:;,\x0b\x7f\x85\xa0\xff0aZ\"/");
    match dice.below(4) {
        0 => bytes[at] = byte,
        1 => drop(bytes.remove(at)),
        2 => bytes.insert(at, bytes[at]),
        _ => bytes.insert(at, byte),
    }
}
