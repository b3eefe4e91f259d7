//! The strict reader that says what a client may have meant: RFC 9112's grammar and nothing else, written without
//! a look at the proxy's own parser. Where the grammar ends, so does the reading: nothing behind that point may
//! reach an origin.

/// A request as an origin ought to see it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Request {
    /// The method.
    pub(super) method: Vec<u8>,
    /// The target in origin-form.
    pub(super) target: Vec<u8>,
    /// The content, decoded.
    pub(super) body: Vec<u8>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (method, target) = (self.method.escape_ascii(), self.target.escape_ascii());
        write!(f, "{method} {target} \"{}\"", self.body.escape_ascii())
    }
}

/// What may become of a request whose beginning and end are clear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum May {
    /// It must arrive: there is nothing odd about it.
    Pass,
    /// It may arrive as it was read, or be refused.
    Either,
    /// It must be refused; what follows it may still be read.
    Refuse,
}

/// How the bytes end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Behind a whole request.
    Clean,
    /// In the middle of one, which might still become good.
    Cut,
    /// With something that is no request.
    Malformed,
}

/// Everything that the bytes may mean.
#[derive(Debug)]
pub(super) struct Reading {
    /// The requests in order.
    pub(super) requests: Vec<(Request, May)>,
    /// What comes behind them.
    pub(super) end: End,
    /// What comes behind them is not for the origin at all.
    pub(super) end_refused: bool,
    /// The last request's head, if that may pass but is odd, and its content bad or cut: the origin may see the
    /// head, never the whole.
    pub(super) begun: Option<Request>,
}

/// Reads all requests of a connection to a proxy; `authority` is the only origin there is.
pub(super) fn read(bytes: &[u8], authority: &str) -> Reading {
    let mut rest = Rest {
        bytes,
        may: May::Pass,
        begun: None,
    };
    let mut requests = Vec::new();
    loop {
        (rest.may, rest.begun) = (May::Pass, None);
        let read = if rest.bytes.is_empty() {
            Err(End::Clean)
        } else {
            request(&mut rest, authority)
        };
        match read {
            Ok(request) => requests.push((request, rest.may)),
            Err(end) => {
                let end_refused = rest.may == May::Refuse;
                return Reading {
                    requests,
                    end,
                    end_refused,
                    begun: rest.begun,
                };
            }
        }
    }
}

/// What is left, and what may become of the request at its front.
struct Rest<'a> {
    bytes: &'a [u8],
    may: May,
    begun: Option<Request>,
}

impl<'a> Rest<'a> {
    /// Notes that a reader may refuse the request.
    fn odd_if(&mut self, odd: bool) {
        if odd && self.may == May::Pass {
            self.may = May::Either;
        }
    }

    /// A line without its CRLF. Control characters but HTAB, bare CR and bare LF are in no line.
    fn line(&mut self) -> Result<&'a [u8], End> {
        let bad = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
        let Some(at) = self.bytes.iter().position(bad) else {
            return Err(End::Cut);
        };
        match &self.bytes[at..] {
            [b'\r', b'\n', rest @ ..] => {
                let line = &self.bytes[..at];
                self.bytes = rest;
                Ok(line)
            }
            [b'\r'] => Err(End::Cut),
            _ => Err(End::Malformed),
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], End> {
        let length = usize::try_from(length).map_err(|_| End::Cut)?;
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(End::Cut)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// Field lines up to the empty one. Only there is a malformed one judged: until then the head is incomplete.
    fn fields(&mut self) -> Result<Vec<(String, &'a [u8])>, End> {
        let (mut fields, mut malformed) = (Vec::new(), false);
        loop {
            match self.line()? {
                [] if malformed => return Err(End::Malformed),
                [] => return Ok(fields),
                [b' ' | b'\t', ..] => return Err(End::Malformed),
                line => match line.iter().position(|byte| *byte == b':') {
                    Some(colon) if is_token(&line[..colon]) => {
                        let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
                        fields.push((name, trim(&line[colon + 1..])));
                    }
                    _ => malformed = true,
                },
            }
        }
    }
}

fn is_token(word: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !word.is_empty() && word.iter().all(fits)
}

fn trim(value: &[u8]) -> &[u8] {
    let space = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let Some(first) = value.iter().position(|byte| !space(byte)) else {
        return b"";
    };
    let last = value.iter().rposition(|byte| !space(byte)).unwrap_or(first);
    &value[first..=last]
}

const METHODS: [&[u8]; 7] = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"];

fn request(rest: &mut Rest<'_>, authority: &str) -> Result<Request, End> {
    let mut line = rest.line()?;
    while line.is_empty() {
        rest.odd_if(true);
        line = rest.line()?;
    }
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version @ (b"HTTP/1.1" | b"HTTP/1.0")] = *words.as_slice() else {
        return Err(End::Malformed);
    };
    if !is_token(method) || target.is_empty() || target.contains(&b'\t') {
        return Err(End::Malformed);
    }
    let old = version == b"HTTP/1.0";
    let fields = rest.fields()?;
    rest.odd_if(old || !METHODS.contains(&method));
    let special = |name: &str| matches!(name, "connection" | "upgrade" | "expect");
    rest.odd_if(
        fields
            .iter()
            .any(|(name, value)| special(name) || !value.is_ascii()),
    );
    hosts(&fields, authority, rest)?;
    let target = match origin_form(method, target, authority) {
        Some((path, plain)) => {
            rest.odd_if(!plain);
            path
        }
        None => {
            rest.may = May::Refuse;
            target.to_vec()
        }
    };
    let framing = framing(&fields, old, rest)?;
    let method = method.to_vec();
    // Bad content of a request with a plain head is nothing that an origin may object to: it may not get there.
    if rest.may == May::Either {
        rest.begun = Some(Request {
            method: method.clone(),
            target: target.clone(),
            body: Vec::new(),
        });
    }
    let body = match framing {
        Framing::Length(length) => rest.take(length)?.to_vec(),
        Framing::Chunked => chunks(rest)?,
    };
    Ok(Request { method, target, body })
}

/// At most one Host; another than the target's is replaced or refused.
fn hosts(fields: &[(String, &[u8])], authority: &str, rest: &mut Rest<'_>) -> Result<(), End> {
    let mut hosts = fields.iter().filter(|(name, _)| name == "host");
    let first = hosts.next();
    rest.odd_if(first.is_none_or(|(_, value)| *value != authority.as_bytes()));
    if hosts.next().is_some() {
        Err(End::Malformed)
    } else {
        Ok(())
    }
}

enum Framing {
    Length(u64),
    Chunked,
}

fn framing(fields: &[(String, &[u8])], old: bool, rest: &mut Rest<'_>) -> Result<Framing, End> {
    let all = |wanted: &str| {
        let same = fields.iter().filter(|(name, _)| name == wanted);
        same.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    match (
        all("content-length").as_slice(),
        all("transfer-encoding").as_slice(),
    ) {
        ([], []) => Ok(Framing::Length(0)),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            rest.odd_if(length.len() > 1 && length[0] == b'0');
            let length = String::from_utf8_lossy(length)
                .parse()
                .map_err(|_| End::Malformed)?;
            if length > i64::MAX as u64 {
                Err(End::Malformed)
            } else {
                Ok(Framing::Length(length))
            }
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && !old => Ok(Framing::Chunked),
        _ => Err(End::Malformed),
    }
}

fn chunks(rest: &mut Rest<'_>) -> Result<Vec<u8>, End> {
    let mut body = Vec::new();
    loop {
        let line = rest.line()?;
        let digits = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
        let size = &line[..digits];
        rest.odd_if(line.len() > 8 || digits < line.len());
        if size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
            return Err(End::Malformed);
        }
        let size = u64::from_str_radix(&String::from_utf8_lossy(size), 16).map_err(|_| End::Malformed)?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.take(size)?);
        match rest.bytes {
            [b'\r', b'\n', after @ ..] => rest.bytes = after,
            [] | [b'\r'] => return Err(End::Cut),
            _ => return Err(End::Malformed),
        }
    }
    let trailers = rest.fields()?;
    rest.odd_if(!trailers.is_empty());
    Ok(body)
}

/// The target as an origin sees it, and whether it is plain; nothing when it isn't the origin's at all.
fn origin_form(method: &[u8], target: &[u8], authority: &str) -> Option<(Vec<u8>, bool)> {
    let (scheme, rest) = target.split_at_checked(b"http://".len())?;
    if method == b"CONNECT" || !scheme.eq_ignore_ascii_case(b"http://") {
        return None;
    }
    let end = rest
        .iter()
        .position(|byte| b"/?#".contains(byte))
        .unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    // A port with zeros before it is the same port, an IPv4-mapped address the same address.
    let (ip, port) = authority.split_once(':')?;
    let mapped = format!("[::ffff:{ip}]");
    let after_mapped = place.strip_prefix(mapped.as_bytes());
    let same = place
        .strip_prefix(ip.as_bytes())
        .or(after_mapped)?
        .strip_prefix(b":")?;
    let zeros = same.iter().take_while(|byte| **byte == b'0').count();
    if &same[zeros..] != port.as_bytes() {
        return None;
    }
    let common = |byte: &u8| byte.is_ascii_alphanumeric() || b"/?=&_-".contains(byte);
    let plain = zeros == 0 && after_mapped.is_none() && path.starts_with(b"/c") && path.iter().all(common);
    let path = path.split(|byte| *byte == b'#').next().unwrap_or(path);
    Some(match path {
        [] if method == b"OPTIONS" => (b"*".to_vec(), false),
        [b'/', ..] => (path.to_vec(), plain),
        _ => ([b"/", path].concat(), false),
    })
}
