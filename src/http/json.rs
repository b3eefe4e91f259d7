//! One flat JSON object (RFC 8259) of texts: all that an answer of ours needs. Reads none.

/// Makes an object of texts. ASCII only, whatever they hold: nothing in it can end a string, a line or a script.
pub(super) fn object(members: &[(&str, &str)]) -> String {
    let mut out = String::from("{");
    for (nth, (name, value)) in members.iter().enumerate() {
        out.push_str(if nth == 0 { "" } else { ", " });
        string(&mut out, name);
        out.push_str(": ");
        string(&mut out, value);
    }
    out.push_str("}\n");
    out
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            ' '..='~' if !matches!(character, '<' | '>' | '&') => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
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
