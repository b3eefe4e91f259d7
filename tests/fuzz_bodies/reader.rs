//! A reader of HTTP/1.1 messages, written for the tests alone and slow on purpose: lines first, then meaning. It is
//! stricter than any origin, for what the proxy sends must be readable by the strictest.

/// Names in lower case, and values.
type Fields = Vec<(String, Vec<u8>)>;

/// A message head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// The start line.
    pub(crate) start: Vec<u8>,
    /// Names in lower case, and values without the white space around them.
    pub(crate) fields: Fields,
    /// Bytes of it, the empty line included.
    pub(crate) length: usize,
}

/// How a body is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    Absent,
    Length(u64),
    Chunked,
}

/// A body, as far as it is there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Body {
    pub(crate) content: Vec<u8>,
    /// Where it ends, if it does.
    pub(crate) end: Option<usize>,
    /// Names of trailer fields, in lower case.
    pub(crate) trailers: Vec<String>,
    /// What is wrong with the trailer section.
    pub(crate) trailer_fault: Option<Bad>,
}

/// Not readable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bad(pub(crate) &'static str);

/// The line at the front, without its CRLF.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Bad> {
    let end = bytes.windows(2).position(|two| two == b"\r\n");
    let seen = &bytes[..end.unwrap_or(bytes.len().saturating_sub(1))];
    if seen.iter().any(|&b| b < 32 && b != b'\t' || b == 127) {
        return Err(Bad("a control character"));
    }
    Ok(end.map(|end| &bytes[..end]))
}

fn is_token(bytes: &[u8]) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !bytes.is_empty() && bytes.iter().all(fits)
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let blank = |b: &u8| *b == b' ' || *b == b'\t';
    let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    &bytes[start..end]
}

/// Reads field lines and the empty line behind them from `at` on; returns where they end.
fn fields(bytes: &[u8], mut at: usize) -> Result<Option<(Fields, usize)>, Bad> {
    let mut fields = Vec::new();
    while let Some(text) = line(&bytes[at..])? {
        at += text.len() + 2;
        if text.is_empty() {
            return Ok(Some((fields, at)));
        }
        let colon = text.iter().position(|&b| b == b':').ok_or(Bad("no colon"))?;
        let (name, value) = (&text[..colon], trimmed(&text[colon + 1..]));
        if !is_token(name) {
            return Err(Bad("a field name that is no token"));
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        fields.push((name, value.to_vec()));
    }
    Ok(None)
}

/// Reads a head; `None` while its end is not there. Up to `empty_lines_max` empty lines may stand before it.
pub(crate) fn head(bytes: &[u8], empty_lines_max: usize) -> Result<Option<Head>, Bad> {
    let mut at = 0;
    let mut skipped = 0;
    while bytes[at..].starts_with(b"\r\n") && skipped < empty_lines_max {
        at += 2;
        skipped += 1;
    }
    let Some(start) = line(&bytes[at..])? else {
        return Ok(None);
    };
    if start.is_empty() {
        return Err(Bad("an empty start line"));
    }
    let read = fields(bytes, at + start.len() + 2)?;
    Ok(read.map(|(fields, length)| Head {
        start: start.to_vec(),
        fields,
        length,
    }))
}

impl Head {
    /// The values of a field.
    pub(crate) fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.fields
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_slice())
    }

    /// Does a field of this name list the option?
    pub(crate) fn lists(&self, name: &str, option: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|&b| b == b','))
            .any(|member| trimmed(member).eq_ignore_ascii_case(option.as_bytes()))
    }

    /// The words of the start line, which single spaces part.
    pub(crate) fn words(&self) -> Vec<&[u8]> {
        self.start.split(|&b| b == b' ').collect()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Result<u16, Bad> {
        let words = self.words();
        let status = words.get(1).and_then(|word| std::str::from_utf8(word).ok());
        let status = status
            .filter(|word| word.len() == 3)
            .and_then(|word| word.parse().ok());
        match words[0] {
            b"HTTP/1.1" | b"HTTP/1.0" => status.ok_or(Bad("a status line without status")),
            _ => Err(Bad("not HTTP")),
        }
    }

    /// How the body is delimited, if that is said in one way.
    pub(crate) fn framing(&self) -> Result<Framing, Bad> {
        let lengths: Vec<_> = self.values("content-length").collect();
        let codings: Vec<_> = self.values("transfer-encoding").collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => Ok(Framing::Absent),
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            ([length], []) => {
                let text = std::str::from_utf8(length).map_err(|_| Bad("a length"))?;
                if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Bad("a length"));
                }
                text.parse().map(Framing::Length).map_err(|_| Bad("a length"))
            }
            _ => Err(Bad("ambiguous framing")),
        }
    }
}

/// Reads a body of this framing from the front.
pub(crate) fn body(bytes: &[u8], framing: Framing) -> Result<Body, Bad> {
    let mut body = Body::default();
    match framing {
        Framing::Absent => body.end = Some(0),
        Framing::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            body.content = bytes[..length.min(bytes.len())].to_vec();
            body.end = (length <= bytes.len()).then_some(length);
        }
        Framing::Chunked => chunked(bytes, &mut body)?,
    }
    Ok(body)
}

fn chunked(bytes: &[u8], body: &mut Body) -> Result<(), Bad> {
    let mut at = 0;
    while let Some(text) = line(&bytes[at..])? {
        at += text.len() + 2;
        let digits = text.split(|&b| b == b';').next().unwrap_or_default();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Bad("a chunk size"));
        }
        let digits = std::str::from_utf8(digits).map_err(|_| Bad("a chunk size"))?;
        let size = u64::from_str_radix(digits, 16).map_err(|_| Bad("a chunk size"))?;
        if size == 0 {
            match fields(bytes, at) {
                Ok(Some((fields, end))) => {
                    body.trailers = fields.into_iter().map(|(name, _)| name).collect();
                    body.end = Some(end);
                }
                Ok(None) => {}
                Err(bad) => body.trailer_fault = Some(bad),
            }
            return Ok(());
        }
        let there = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len() - at);
        body.content.extend(&bytes[at..at + there]);
        at += there;
        if (there as u64) < size || bytes.len() - at < 2 {
            return Ok(());
        }
        if bytes[at..at + 2] != *b"\r\n" {
            return Err(Bad("a chunk without CRLF"));
        }
        at += 2;
    }
    Ok(())
}
