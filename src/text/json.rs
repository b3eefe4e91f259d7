//! Texts as JSON strings (RFC 8259). ASCII only, whatever they hold: nothing in one can end a string, a line or a script.
//! Reads none.

use super::digits::HEXADECIMAL;

/// Appends a text as a string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            ' '..='~' if !matches!(character, '<' | '>' | '&') => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escaped(out, *unit);
                }
            }
        }
    }
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = usize::from(unit >> shift & 15);
        out.extend(HEXADECIMAL.get(digit));
    }
}
