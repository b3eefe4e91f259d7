//! HTTP/1 messages as the two raw peers see them. Reading is strict: what a lenient peer would repair is a
//! complaint here, because the proxy must never send it.

/// Header or trailer fields in their order on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, Vec<u8>)>);

impl Fields {
    /// The first value of a field, as text.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }

    /// Every value of a field, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let same = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        same.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// Is there such a field?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// All names, in lower case.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(key, _)| key.to_ascii_lowercase()).collect()
    }
}

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// All until the connection ends.
    UntilClose,
}

/// A start line and fields.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The start line without its line end.
    pub(crate) start: String,
    /// The fields.
    pub(crate) fields: Fields,
    /// The bytes as they came, the empty line included.
    pub(crate) raw: Vec<u8>,
}

/// A response, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The status line.
    pub(crate) start: String,
    /// Header fields.
    pub(crate) fields: Fields,
    /// The content.
    pub(crate) body: Vec<u8>,
    /// How its end was told.
    pub(crate) framing: Framing,
    /// Trailer fields.
    pub(crate) trailers: Fields,
    /// The codes of the 1xx responses before it.
    pub(crate) interim: Vec<u16>,
    /// Did the body end as its framing says?
    pub(crate) whole: bool,
}

impl Response {
    /// The content as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The code of what we refuse; empty where there is none, as in an origin's.
    pub(crate) fn code(&self) -> String {
        self.fields.get("x-smokescreen-code").unwrap_or_default()
    }

    /// Does it say that the connection closes?
    pub(crate) fn closes(&self) -> bool {
        self.fields
            .get("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// A request that arrived at an origin.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// The target as it was sent.
    pub(crate) target: String,
    /// `HTTP/1.1`, one would hope.
    pub(crate) version: String,
    /// Header fields.
    pub(crate) fields: Fields,
    /// The head's bytes.
    pub(crate) raw: Vec<u8>,
    /// The content.
    pub(crate) body: Vec<u8>,
    /// How its end was told.
    pub(crate) framing: Framing,
    /// Trailer fields.
    pub(crate) trailers: Fields,
}

/// Splits a head strictly.
pub(crate) fn head(raw: &[u8]) -> Result<Head, String> {
    let text = raw.strip_suffix(b"\r\n\r\n").ok_or("no empty line")?;
    let mut lines = Vec::new();
    for line in split(text) {
        if line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(format!(
                "a bare line end or NUL in {:?}",
                String::from_utf8_lossy(line)
            ));
        }
        lines.push(line);
    }
    let start = String::from_utf8_lossy(lines.first().ok_or("no start line")?).into_owned();
    Ok(Head {
        start,
        fields: fields(&lines[1..])?,
        raw: raw.to_vec(),
    })
}

/// Field lines, strictly: a token, a colon at once, a value without surrounding space.
pub(crate) fn fields(lines: &[&[u8]]) -> Result<Fields, String> {
    let mut found = Vec::new();
    for line in lines {
        let shown = String::from_utf8_lossy(line);
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or_else(|| format!("no colon in {shown:?}"))?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        if name.is_empty() || !name.iter().all(token) {
            return Err(format!("not a field name in {shown:?}"));
        }
        found.push((
            String::from_utf8_lossy(name).into_owned(),
            value.trim_ascii().to_vec(),
        ));
    }
    Ok(Fields(found))
}

fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    lines
}

/// What the fields say about the body; anything that two readers could take differently is an error.
pub(crate) fn framing(fields: &Fields, otherwise: Framing) -> Result<Framing, String> {
    let lengths = fields.all("content-length");
    let codings = fields.all("transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(otherwise),
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => length
            .parse()
            .map(Framing::Length)
            .map_err(|error| error.to_string()),
        ([], [coding]) if coding == "chunked" => Ok(Framing::Chunked),
        _ => Err(format!(
            "ambiguous framing: Content-Length {lengths:?}, Transfer-Encoding {codings:?}"
        )),
    }
}

/// A request's bytes: the `Host` field is the target's authority, further fields are given as whole lines.
pub(crate) fn request(method: &str, url: &str, lines: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or(authority);
    format!("{method} {url} HTTP/1.1\r\nHost: {authority}\r\n{lines}\r\n")
}

/// A plain GET.
pub(crate) fn get(url: &str) -> String {
    request("GET", url, "")
}

/// A request with a body of known length.
pub(crate) fn post(url: &str, body: &str) -> String {
    let lines = format!("Content-Length: {}\r\n", body.len());
    request("POST", url, &lines) + body
}

/// A CONNECT.
pub(crate) fn connect(authority: &str) -> String {
    request("CONNECT", authority, "")
}

/// A response with a body of known length.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "", body.as_bytes())
}

/// A response with a status, further fields as whole lines, and a body of known length.
pub(crate) fn answer(status: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{lines}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A body in chunked coding, in chunks of the given size, without trailers.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + body.len() / size * 8 + 16);
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
