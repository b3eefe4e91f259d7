//! A strict reader of HTTP/1.1 messages, written for the test alone: whatever the proxy sends must be readable by
//! it, in one way. Shares nothing with the code under test.

/// A message head.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The start line.
    pub(crate) start: String,
    /// Names in lower case and values.
    pub(crate) fields: Vec<(String, String)>,
    /// Bytes of it, the empty line included.
    pub(crate) bytes: usize,
}

/// How a body is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    Absent,
    Length(usize),
    Chunked,
}

/// A body, as far as it is there.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Its content.
    pub(crate) content: Vec<u8>,
    /// Where it ends, if its end is there.
    pub(crate) end: Option<usize>,
    /// Bytes below which its end can't be there; it need not be read again before.
    pub(crate) needs: usize,
    /// Trailer lines.
    pub(crate) trailers: Vec<String>,
}

impl Head {
    /// The only value of a field, if there is one.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// How many fields have this name?
    pub(crate) fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(n, _)| n == name).count()
    }

    /// Does Connection list this option?
    pub(crate) fn connection(&self, option: &str) -> bool {
        let values = self.fields.iter().filter(|(n, _)| n == "connection");
        values
            .flat_map(|(_, v)| v.split(','))
            .any(|o| o.trim().eq_ignore_ascii_case(option))
    }

    /// The framing, which must be one.
    pub(crate) fn framing(&self) -> Result<Framing, String> {
        let (lengths, codings) = (self.count("content-length"), self.count("transfer-encoding"));
        match (lengths, codings) {
            (0, 0) => Ok(Framing::Absent),
            (1, 0) => {
                let value = self.value("content-length").unwrap_or_default();
                value
                    .parse()
                    .map(Framing::Length)
                    .map_err(|_| format!("Content-Length {value:?}"))
            }
            (0, 1) if self.value("transfer-encoding") == Some("chunked") => Ok(Framing::Chunked),
            _ => Err(format!("ambiguous framing: {:?}", self.fields)),
        }
    }
}

/// Reads a head from the front; `None` if its end is not there yet.
pub(crate) fn head(bytes: &[u8]) -> Option<Result<Head, String>> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    Some(lines(&bytes[..end - 2]).and_then(|lines| {
        let mut lines = lines.into_iter();
        let start = lines.next().unwrap_or_default();
        let fields: Result<Vec<_>, String> = lines.map(|line| field(&line)).collect();
        fields.map(|fields| Head {
            start,
            fields,
            bytes: end,
        })
    }))
}

fn field(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once(':').ok_or(format!("no colon: {line:?}"))?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) {
        return Err(format!("field name {name:?}"));
    }
    Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
}

/// Whole lines, each ended by CRLF, with no other control characters.
fn lines(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| "not UTF-8".to_owned())?;
    let body = text.strip_suffix("\r\n").ok_or("no CRLF at the end")?;
    let lines: Vec<String> = body.split("\r\n").map(str::to_owned).collect();
    match lines.iter().find(|line| line.chars().any(char::is_control)) {
        Some(line) => Err(format!("a control character in {line:?}")),
        None => Ok(lines),
    }
}

/// Reads a body of this framing from the front.
pub(crate) fn body(bytes: &[u8], framing: Framing) -> Result<Read, String> {
    let trailers = Vec::new();
    match framing {
        Framing::Absent => Ok(Read {
            content: Vec::new(),
            end: Some(0),
            needs: 0,
            trailers,
        }),
        Framing::Length(n) => Ok(Read {
            content: bytes[..n.min(bytes.len())].to_vec(),
            end: (bytes.len() >= n).then_some(n),
            needs: n,
            trailers,
        }),
        Framing::Chunked => chunked(bytes),
    }
}

fn chunked(bytes: &[u8]) -> Result<Read, String> {
    let mut read = Read {
        content: Vec::new(),
        end: None,
        needs: bytes.len() + 1,
        trailers: Vec::new(),
    };
    let mut at = 0;
    while let Some(line) = line(&bytes[at..])? {
        at += line.len() + 2;
        let size = usize::from_str_radix(&line, 16).map_err(|_| format!("chunk size {line:?}"))?;
        if size == 0 {
            while let Some(line) = self::line(&bytes[at..])? {
                at += line.len() + 2;
                if line.is_empty() {
                    read.end = Some(at);
                    return Ok(read);
                }
                read.trailers.push(line);
            }
            return Ok(read);
        }
        let there = size.min(bytes.len() - at);
        read.content.extend_from_slice(&bytes[at..at + there]);
        at += there;
        let tail = &bytes[at..bytes.len().min(at + 2)];
        if there < size || tail.len() < 2 {
            read.needs = at - there + size + "\r\n0\r\n\r\n".len();
            return Ok(read);
        }
        if tail != b"\r\n" {
            return Err(format!("{tail:?} behind a chunk"));
        }
        at += 2;
    }
    Ok(read)
}

fn line(bytes: &[u8]) -> Result<Option<String>, String> {
    let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") else {
        return Ok(None);
    };
    lines(&bytes[..end + 2]).map(|lines| lines.into_iter().next())
}
