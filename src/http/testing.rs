//! For this room's tests: takes a head the way a session does, through [`Scan`] and the parser.

use super::head::{RequestHead, ResponseHead, Scan, Scanned, with_request, with_response};
use super::{Fault, HeadLimits};

fn measured(mut scan: Scan, bytes: &[u8]) -> Result<&[u8], Fault> {
    match scan.advance(bytes, &HeadLimits::default()) {
        Scanned::Head(length) => Ok(&bytes[scan.skipped()..length]),
        Scanned::Bad(fault) => Err(fault),
        Scanned::More => panic!("not a whole head: {:?}", String::from_utf8_lossy(bytes)),
    }
}

/// Scans and parses a request head and gives it to `f`.
pub(super) fn request<R>(bytes: impl AsRef<[u8]>, f: impl FnOnce(&RequestHead<'_>) -> R) -> Result<R, Fault> {
    let bytes = measured(Scan::request(), bytes.as_ref())?;
    with_request(bytes, &HeadLimits::default(), |head| head.map(|head| f(&head)))
}

/// Scans and parses a response head and gives it to `f`.
pub(super) fn response<R>(
    bytes: impl AsRef<[u8]>,
    f: impl FnOnce(&ResponseHead<'_>) -> R,
) -> Result<R, Fault> {
    let bytes = measured(Scan::response(), bytes.as_ref())?;
    with_response(bytes, &HeadLimits::default(), |head| head.map(|head| f(&head)))
}

/// A request head for `http://h/` with these field lines.
pub(super) fn get(version: &str, lines: &[&str]) -> String {
    with_lines(&format!("GET http://h/ {version}"), lines)
}

/// A response head with these field lines.
pub(super) fn ok(version: &str, lines: &[&str]) -> String {
    with_lines(&format!("{version} 200 OK"), lines)
}

/// A head of a start line and field lines.
pub(super) fn with_lines(start: &str, lines: &[&str]) -> String {
    let mut head = format!("{start}\r\n");
    for line in lines {
        head += line;
        head += "\r\n";
    }
    head + "\r\n"
}
