//! Any bytes as one quoted string that no reader can mistake for more than one: the one escaping that text and
//! JSON lines share. What it writes is a JSON string (RFC 8259 section 7) and therefore also a logfmt value.

use std::fmt::Write as _;

/// Appends `bytes` in double quotes.
///
/// Printable UTF-8 stays as it is. Control characters and everything that is not seen, or that changes how its
/// neighbours are seen, becomes `\uXXXX`; so does, as `\ufffd`, each sequence that is not UTF-8.
pub(super) fn quoted(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| character(out, c));
        if !chunk.invalid().is_empty() {
            out.push_str("\\ufffd");
        }
    }
    out.push('"');
}

/// Can this value of a text line go without quotes? (The rule of logrus.)
pub(super) fn is_bare(bytes: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(byte);
    !bytes.is_empty() && bytes.iter().all(plain)
}

/// The longest beginning of `bytes` that is at most `length_max` long and splits no character.
pub(super) fn cut(bytes: &[u8], length_max: usize) -> &[u8] {
    let Some((head, [first_left_out, ..])) = bytes.split_at_checked(length_max) else {
        return bytes;
    };
    let continues = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    if !continues(first_left_out) {
        return head;
    }
    // A character has at most three continuation bytes; with more, this is no UTF-8 and any place will do.
    match head.iter().rev().take(4).position(|byte| !continues(byte)) {
        Some(back) => head.get(..head.len() - back - 1).unwrap_or(head),
        None => head,
    }
}

fn character(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        ' '..='~' => out.push(c),
        _ if is_hidden(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        _ => out.push(c),
    }
}

/// Unicode's categories Cc (controls), Cf (format controls: bidirectional marks, joiners, tags), Zl and Zp (line
/// and paragraph separators), and the noncharacters of the basic plane.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let mut out = String::new();
        quoted(&mut out, bytes);
        out
    }

    #[test]
    fn what_is_escaped_and_how() {
        assert_eq!(shown(b""), r#""""#);
        assert_eq!(shown(br#"a "b" \n"#), r#""a \"b\" \\n""#);
        assert_eq!(
            shown(b"\r\n\t\0\x1b[31m\x7f"),
            r#""\r\n\t\u0000\u001b[31m\u007f""#
        );
        assert_eq!(shown("☃é\u{a0}中🦀".as_bytes()), "\"☃é\u{a0}中🦀\"");
        assert_eq!(shown("\u{85}\u{9b}".as_bytes()), r#""\u0085\u009b""#);
        assert_eq!(
            shown("\u{2028}\u{2029}\u{202e}\u{feff}\u{200f}".as_bytes()),
            r#""\u2028\u2029\u202e\ufeff\u200f""#
        );
        assert_eq!(shown("\u{e0041}".as_bytes()), r#""\udb40\udc41""#);
        assert_eq!(shown(b"caf\xe9!"), r#""caf\ufffd!""#);
        assert_eq!(shown("\u{fffd}".as_bytes()), "\"\u{fffd}\"");
    }

    #[test]
    fn bare_values_are_those_of_logrus() {
        assert!(is_bare(b"CANONICAL-PROXY-DECISION") && is_bare(b"a.b_c/d@e^f+9"));
        for quoted in ["", " ", "a=b", "a:1", "\"", "é", "a\n"] {
            assert!(!is_bare(quoted.as_bytes()), "{quoted:?}");
        }
    }

    #[test]
    fn a_cut_splits_no_character() {
        assert_eq!(cut(b"abc", 3), b"abc");
        assert_eq!(cut(b"abc", 2), b"ab");
        assert_eq!(cut("ab☃c".as_bytes(), 4), b"ab");
        assert_eq!(cut("ab☃c".as_bytes(), 5), "ab☃".as_bytes());
        assert_eq!(cut("🦀".as_bytes(), 3), b"");
        assert_eq!(cut(&[0x80; 10], 7), [0x80; 7]);
        assert_eq!(cut(b"abc", 0), b"");
    }
}
