//! Any bytes as one quoted string that no reader can mistake for more than one: the one escaping that text and
//! JSON lines share. What it writes is a JSON string (RFC 8259 section 7) and therefore also a logfmt value.

use crate::text::digits::HEXADECIMAL;

/// Stands for itself between quotes: printable ASCII but quote and backslash.
const PLAIN: u8 = 1;
/// Needs no quotes as a part of a text line's value.
const BARE: u8 = 2;
/// What each byte is, as a sum of the above.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0u8;
    while byte < 128 {
        if matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\' {
            classes[byte as usize] |= PLAIN;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'/' | b'@' | b'^' | b'+') {
            classes[byte as usize] |= BARE;
        }
        byte += 1;
    }
    classes
}

fn is(class: u8, byte: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// Appends `bytes` in double quotes, as UTF-8.
///
/// Printable UTF-8 stays as it is. Control characters and everything that is not seen, or that changes how its
/// neighbours are seen, becomes `\uXXXX`; so does, as `\ufffd`, each sequence that is not UTF-8.
pub(super) fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    quoted_of(classes_of(bytes), out, bytes);
}

/// Appends `bytes` as they are, if they need no quotes in a text line, or else in quotes.
pub(super) fn bare_or_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    match classes_of(bytes) {
        classes if classes & BARE != 0 => out.extend_from_slice(bytes),
        classes => quoted_of(classes, out, bytes),
    }
}

fn quoted_of(classes: u8, out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    match classes & PLAIN {
        0 => escaped(out, bytes),
        _ => out.extend_from_slice(bytes),
    }
    out.push(b'"');
}

fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (plain, special) = split_where(rest, |byte| !is(PLAIN, byte));
        out.extend_from_slice(plain);
        // What is not plain ends at a plain byte, which is no part of a longer character: the cut splits none.
        let (special, next) = split_where(special, |byte| is(PLAIN, byte));
        for chunk in special.utf8_chunks() {
            chunk.valid().chars().for_each(|c| character(out, c));
            if !chunk.invalid().is_empty() {
                out.extend_from_slice(b"\\ufffd");
            }
        }
        rest = next;
    }
}

/// What all of these bytes are.
fn classes_of(bytes: &[u8]) -> u8 {
    // To the end in any case: that is cheaper than a look after each byte.
    let common = |classes, byte: &u8| classes & CLASSES[usize::from(*byte)];
    bytes.iter().fold(PLAIN | BARE, common)
}

/// Can this value of a text line go without quotes? (The rule of logrus: an empty one can.) If so, it is ASCII.
pub(super) fn is_bare(bytes: &[u8]) -> bool {
    classes_of(bytes) & BARE != 0
}

/// Is this its own spelling between quotes, and not one without?
pub(super) fn needs_only_quotes(bytes: &[u8]) -> bool {
    classes_of(bytes) & (PLAIN | BARE) == PLAIN
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

/// What comes before the first byte that is `wanted`, and what begins with it.
fn split_where(bytes: &[u8], wanted: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let before = bytes.iter().take_while(|byte| !wanted(**byte)).count();
    bytes.split_at_checked(before).unwrap_or((bytes, &[]))
}

fn character(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        _ if is_hidden(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let digit = |shift: u16| HEXADECIMAL[usize::from(*unit >> shift & 15)];
                out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
            }
        }
        _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
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
        let mut out = Vec::new();
        quoted(&mut out, bytes);
        String::from_utf8(out).unwrap()
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
        for bare in ["CANONICAL-PROXY-DECISION", "a.b_c/d@e^f+9", ""] {
            assert!(is_bare(bare.as_bytes()), "{bare:?}");
        }
        for quoted in [" ", "a=b", "a:1", "\"", "é", "a\n"] {
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
