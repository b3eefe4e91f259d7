//! Any text as one line that forges no other, in two strengths: for people, who read UTF-8, and for header fields,
//! which hold printable ASCII. Quotes nothing and cuts nothing.

/// The text with every control character escaped (`\n`, `\u{1b}`): what else it holds stays, a backslash too.
pub(crate) fn without_controls(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Appends a text as a field's value (RFC 9110, 5.5) of printable ASCII without white space at its ends: white space
/// and line breaks become one space, everything else that a field must not hold is escaped.
pub(crate) fn field_value(out: &mut Vec<u8>, text: &str) {
    let start = out.len();
    let mut gap = false;
    for character in text.chars() {
        if matches!(character, ' ' | '\t' | '\r' | '\n') {
            gap = true;
            continue;
        }
        if gap && out.len() > start {
            out.push(b' ');
        }
        gap = false;
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii_graphic() => out.push(byte),
            _ => out.extend(character.escape_default().map(|escaped| {
                debug_assert!(escaped.is_ascii(), "an escape is plain");
                u8::try_from(escaped).unwrap_or(b'?')
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_escaped_and_nothing_else() {
        assert_eq!(
            without_controls("bad\r\nlevel=error forged \u{1b}[31m\u{85} é \\n \"q\""),
            "bad\\r\\nlevel=error forged \\u{1b}[31m\\u{85} é \\n \"q\""
        );
    }

    #[test]
    fn a_field_value_is_printable_ascii_with_single_spaces() {
        for (text, value) in [
            ("", ""),
            (" \r\n\t", ""),
            (" one\r\ntwo\t three ", "one two three"),
            ("é\u{1b}\u{7f}\0", "\\u{e9}\\u{1b}\\u{7f}\\u{0}"),
            ("\"quoted\" \\n", "\"quoted\" \\n"),
        ] {
            let mut out = b"before: ".to_vec();
            field_value(&mut out, text);
            assert_eq!(String::from_utf8(out).unwrap(), format!("before: {value}"));
        }
    }
}
