//! One flat JSON object (RFC 8259) of texts: all that an answer of ours needs. Reads none.

use crate::text::json;

/// Makes an object of texts. ASCII only, whatever they hold: nothing in it can end a string, a line or a script.
pub(super) fn object(members: &[(&str, &str)]) -> String {
    let mut out = b"{".to_vec();
    for (nth, (name, value)) in members.iter().enumerate() {
        out.extend_from_slice(if nth == 0 { b"" } else { b", " });
        json::string(&mut out, name);
        out.extend_from_slice(b": ");
        json::string(&mut out, value);
    }
    out.extend_from_slice(b"}\n");
    // ASCII it is.
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_string() {
        let object = object(&[
            ("a", "x\"y\\z\n\r\t\0\u{7f}"),
            ("b", "é🦀\u{2028}</script>&"),
            ("c", ""),
        ]);
        assert_eq!(
            object,
            "{\"a\": \"x\\\"y\\\\z\\n\\u000d\\u0009\\u0000\\u007f\", \
             \"b\": \"\\u00e9\\ud83e\\udd80\\u2028\\u003c/script\\u003e\\u0026\", \"c\": \"\"}\n"
        );
    }
}
