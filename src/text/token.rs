//! Tokens, of which methods, field names and protocol names are made (RFC 9110, 5.6.2). Knows none of them by name.

/// Is this a character of a token?
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

static TOKEN_BYTES: [bool; 256] = token_bytes();

const fn token_bytes() -> [bool; 256] {
    let mut are = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        are[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
            );
        byte += 1;
    }
    are
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
