//! Appends the small pieces of a head to a buffer: its fields. Allocates nothing but the buffer's growth.

use crate::text::digits;

/// Appends `name: value` and CRLF. Neither may hold a line break: names and values come out of parsed heads or are
/// our own constants.
pub(super) fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends `name: n` and CRLF.
pub(super) fn number_field(out: &mut Vec<u8>, name: &str, n: u64) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    digits::decimal(out, n);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_one_line() {
        let mut out = b"x".to_vec();
        field(&mut out, "A", b"");
        number_field(&mut out, "B", 7);
        assert_eq!(out, b"xA: \r\nB: 7\r\n");
    }
}
