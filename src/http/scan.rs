//! Finds the end of a head (or trailer section) in bytes that arrive piece by piece, walking over each byte once.
//! Judges line endings, control characters, sizes and the start line; splits nothing into fields (that is `head`).

use crate::text::controls::Controls;
use crate::text::slices::within;
use crate::text::token::is_token_byte;

use super::{Fault, HeadLimits, Version};

/// Positions are kept in 32 bits; no configuration allows a head this long.
const POSITION_MAX: usize = 1 << 30;

/// The longest method that is taken for one. The longest registered one has 17 bytes.
const METHOD_BYTES_MAX: usize = 64;

/// Empty lines that are skipped before a request line, for clients that send one too many behind a body
/// (RFC 9112, 2.2).
const EMPTY_LINES_MAX: u8 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Request,
    Response,
    Trailers,
}

/// A search for the end of a head that remembers where it stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scan {
    kind: Kind,
    /// The start line was judged, or there is none.
    started: bool,
    empty_lines: u8,
    fields: u16,
    /// Where the current line begins.
    line: u32,
    /// Every byte before this one was looked at.
    at: u32,
}

/// What a [`Scan`] knows so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scanned {
    /// The end is not there yet.
    More,
    /// The head has this many bytes, counted from the first one received, the empty line included.
    Head(usize),
    /// This is no head, whatever comes after.
    Bad(Fault),
}

impl Default for Scan {
    fn default() -> Self {
        Scan::request()
    }
}

impl Scan {
    /// A search for the end of a request head.
    pub fn request() -> Scan {
        Scan::of(Kind::Request)
    }

    /// A search for the end of a response head.
    pub fn response() -> Scan {
        Scan::of(Kind::Response)
    }

    /// A search for the end of a trailer section (RFC 9112, 7.1.2), the final empty line included.
    pub(crate) fn trailers() -> Scan {
        Scan::of(Kind::Trailers)
    }

    fn of(kind: Kind) -> Scan {
        Scan {
            kind,
            started: kind == Kind::Trailers,
            empty_lines: 0,
            fields: 0,
            line: 0,
            at: 0,
        }
    }

    /// Bytes of empty lines before the request line: they count in [`Scanned::Head`] and mean nothing.
    pub fn skipped(&self) -> usize {
        usize::from(self.empty_lines) * 2
    }

    /// Looks at what is new in `bytes`, which hold everything received of this head from its first byte.
    ///
    /// A request or status line is judged as soon as its end is there, a method byte by byte. Every LF must follow
    /// a CR and every CR precede an LF; NUL and all other control characters but HTAB are refused; so are folded
    /// lines. The answer doesn't depend on how the bytes were cut into pieces.
    pub fn advance(&mut self, bytes: &[u8], limits: &HeadLimits) -> Scanned {
        let bytes_max = limits.head_bytes_max.min(POSITION_MAX);
        let window = bytes.get(..bytes_max).unwrap_or(bytes);
        match self.walk(window, limits) {
            Ok(Some(length)) => Scanned::Head(length),
            Ok(None) if bytes.len() > bytes_max => Scanned::Bad(Fault::TooLarge("the head is too large")),
            Ok(None) => Scanned::More,
            Err(fault) => Scanned::Bad(fault),
        }
    }

    fn walk(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Fault> {
        let start = self.at as usize;
        let mut controls = Controls::of(within(bytes, start..));
        loop {
            if !self.started {
                let begun = within(bytes, self.line as usize..);
                match self.kind {
                    Kind::Request => request_line_begins(begun)?,
                    Kind::Response => status_line_begins(begun)?,
                    Kind::Trailers => {}
                }
            }
            let Some(end) = controls.next().map(|n| start + n) else {
                self.at = position(bytes.len());
                return Ok(None);
            };
            match within(bytes, end..) {
                [b'\r', b'\n', ..] => {}
                [b'\r'] => {
                    self.at = position(end);
                    return Ok(None);
                }
                [b'\r', ..] => return Err(Fault::Malformed("a CR without LF")),
                [b'\n', ..] => return Err(Fault::Malformed("a line ends with LF alone")),
                [0, ..] => return Err(Fault::Malformed("a NUL in the head")),
                _ => return Err(Fault::Malformed("a control character in the head")),
            }
            // The LF of this very line.
            controls.next();
            let ends = self.line_ends(within(bytes, self.line as usize..end), limits)?;
            self.line = position(end + 2);
            if ends {
                self.at = self.line;
                return Ok(Some(end + 2));
            }
        }
    }

    /// Takes one whole line, without its CRLF. True: it is the empty line that ends the head.
    fn line_ends(&mut self, line: &[u8], limits: &HeadLimits) -> Result<bool, Fault> {
        match (self.started, line) {
            (true, []) => return Ok(true),
            (true, [b' ' | b'\t', ..]) => return Err(Fault::Malformed("a folded field line")),
            (true, _) => {
                self.fields = self.fields.saturating_add(1);
                if usize::from(self.fields) > limits.fields_max() {
                    return Err(Fault::TooLarge("too many fields"));
                }
            }
            (false, []) => {
                self.empty_lines += 1;
                if self.kind != Kind::Request || self.empty_lines > EMPTY_LINES_MAX {
                    return Err(Fault::Malformed("an empty start line"));
                }
            }
            (false, _) => {
                match self.kind {
                    Kind::Request => {
                        request_line(line)?;
                    }
                    Kind::Response => status_line(line)?,
                    Kind::Trailers => {}
                }
                self.started = true;
            }
        }
        Ok(false)
    }
}

/// A position or length in a window of at most [`POSITION_MAX`] bytes.
#[expect(
    clippy::cast_possible_truncation,
    reason = "windows are cut at POSITION_MAX, which fits"
)]
fn position(n: usize) -> u32 {
    n as u32
}

/// Judges as much of a request line as can be judged before its end: the method.
fn request_line_begins(line: &[u8]) -> Result<(), Fault> {
    if let [b'\r' | b'\n', ..] = line {
        return Ok(());
    }
    match line
        .iter()
        .take(METHOD_BYTES_MAX + 1)
        .position(|&byte| !is_token_byte(byte))
    {
        None if line.len() > METHOD_BYTES_MAX => Err(Fault::Malformed("the method is too long")),
        None => Ok(()),
        Some(0) if line.first() == Some(&0x16) => Err(Fault::Malformed(
            "a TLS handshake where a plain HTTP request was expected",
        )),
        Some(n) if n > 0 && line.get(n) == Some(&b' ') => Ok(()),
        Some(_) => Err(Fault::Malformed("not an HTTP request")),
    }
}

/// The parts of a request line.
pub(super) struct RequestLine<'b> {
    pub(super) method: &'b [u8],
    pub(super) target: &'b [u8],
    pub(super) version: Version,
}

/// Judges a whole request line, but for its method: method SP request-target SP HTTP-version (RFC 9112, 3). The
/// target may hold bytes from 0x80 on, in whatever coding: what they mean is its origin's affair.
pub(super) fn request_line(line: &[u8]) -> Result<RequestLine<'_>, Fault> {
    const MALFORMED: Fault = Fault::Malformed("a malformed request line");
    let is_space = |&byte: &u8| byte == b' ';
    // They are short, so plain loops find their ends soonest.
    let (method, rest) = around(line, line.iter().position(is_space)).ok_or(MALFORMED)?;
    let (target, version) = match around(rest, rest.iter().position(|&byte| byte <= b' ')) {
        Some((target @ [_, ..], version)) if rest.get(target.len()).is_some_and(is_space) => {
            (target, version)
        }
        _ => return Err(MALFORMED),
    };
    let version = known_version(version).map_err(|fault| match version.contains(&b' ') {
        // What stands between the first space and the last is no target.
        true => MALFORMED,
        false => fault,
    })?;
    Ok(RequestLine {
        method,
        target,
        version,
    })
}

/// What stands before and behind the byte at that position.
fn around(text: &[u8], at: Option<usize>) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(at?)?;
    Some((before, rest.get(1..)?))
}

fn known_version(version: &[u8]) -> Result<Version, Fault> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', ..] => Err(Fault::Malformed("an unsupported HTTP version")),
        _ => Err(Fault::Malformed("a malformed HTTP version")),
    }
}

/// Judges as much of a status line as can be judged before its end: the protocol's name.
fn status_line_begins(line: &[u8]) -> Result<(), Fault> {
    if line.iter().zip(b"HTTP/1.").all(|(got, wanted)| got == wanted) {
        return Ok(());
    }
    Err(Fault::Malformed("not an HTTP response"))
}

/// Judges a whole status line: HTTP-version SP status-code [ SP [ reason-phrase ] ] (RFC 9112, 4; the second SP may
/// be missing, as many servers leave it out).
fn status_line(line: &[u8]) -> Result<(), Fault> {
    let (version, rest) = line.split_at_checked(8).unwrap_or((line, b""));
    known_version(version)?;
    match rest {
        [b' ', b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => Ok(()),
        [b' ', b'1'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..] => Ok(()),
        _ => Err(Fault::Malformed("a malformed status line")),
    }
}

#[cfg(test)]
mod tests;
