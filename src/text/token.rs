//! Tokens, of which methods, field names and protocol names are made (RFC 9110, 5.6.2). Knows none of them by name.

/// Is this a character of a token?
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Is this a whole token? An empty text is none.
#[inline]
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_controls_and_bytes_beyond_ascii_are_no_token() {
        for byte in 0..=u8::MAX {
            let delimits = b"\"(),/:;<=>?@[\\]{}".contains(&byte);
            assert_eq!(
                is_token_byte(byte),
                byte.is_ascii_graphic() && !delimits,
                "{byte}"
            );
        }
        assert!(is_token(b"X-Trace_1") && !is_token(b"") && !is_token(b"two words"));
    }
}
