//! Heads as the generator has to understand them. Rewrites nothing, forgives nothing.

/// What a response's head says about its body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Response {
    /// Bytes of the body; without it the body ends with the connection.
    pub(crate) length: Option<u64>,
    /// The connection ends behind it.
    pub(crate) close: bool,
}

/// The longest head that is put up with.
const HEAD_BYTES: usize = 64 * 1024;

/// Adds `bytes` to what is there of a head. Returns how many of them belonged to it, once it is complete.
pub(crate) fn collect(head: &mut Vec<u8>, bytes: &[u8]) -> Result<Option<usize>, String> {
    let before = head.len();
    head.extend_from_slice(bytes);
    match memchr::memmem::find(head, b"\r\n\r\n") {
        Some(at) => {
            head.truncate(at + 4);
            Ok(Some(at + 4 - before))
        }
        None if head.len() > HEAD_BYTES => Err(format!("a head of more than {HEAD_BYTES} bytes")),
        None => Ok(None),
    }
}

/// Reads a response's head; anything but a status of 200 is an error.
pub(crate) fn response(head: &[u8]) -> Result<Response, String> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Response::new(&mut fields);
    let complete = parsed.parse(head).map_err(|error| format!("response: {error}"))?;
    if complete.is_partial() || parsed.code != Some(200) {
        return Err(format!(
            "response: {}",
            String::from_utf8_lossy(head).lines().next().unwrap_or_default()
        ));
    }
    let mut response = Response {
        length: None,
        close: parsed.version == Some(0),
    };
    for field in parsed.headers.iter() {
        let value = String::from_utf8_lossy(field.value);
        if field.name.eq_ignore_ascii_case("content-length") {
            response.length = Some(value.parse().map_err(|_| format!("Content-Length: {value}"))?);
        } else if field.name.eq_ignore_ascii_case("connection")
            || field.name.eq_ignore_ascii_case("proxy-connection")
        {
            response.close = value.eq_ignore_ascii_case("close");
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(format!("Transfer-Encoding: {value}"));
        }
    }
    Ok(response)
}

/// Checks a request's head as it came to the origin.
pub(crate) fn request(head: &[u8]) -> Result<(), String> {
    if head.starts_with(b"GET /content HTTP/1.") {
        return Ok(());
    }
    Err(format!(
        "request: {}",
        String::from_utf8_lossy(head).lines().next().unwrap_or_default()
    ))
}
