//! What kind of answer a client asks for (Accept: RFC 9110, 12.5.1), as far as ours differ: JSON or plain text.
//! Ranks nothing and serves no origin: their answers pass as they are.

use httparse::Header;

use super::fields::{Fields, field, trim};

const JSON: &str = "application/json";

/// Does the client ask for `application/json`, and for neither `text/plain` nor `text/html`? What it asks for with a
/// weight of zero it does not want, and so does not ask for. Wildcards name nothing: most clients send them.
pub fn prefers_json(fields: Fields<'_>) -> bool {
    // The common case ends here: a value too short to name it, such as `*/*`, or none.
    if !field(fields, "accept").any(|value| value.len() >= JSON.len()) {
        return false;
    }
    let mut json = false;
    for range in field(fields, "accept").flat_map(|value| parts(value, b',')) {
        let mut parts = parts(range, b';');
        let Some(name) = parts.next() else {
            continue;
        };
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let weight = parts.find_map(weight);
        // Where a weight can't be read, the plain answer is the safe one.
        if (is("text/plain") || is("text/html")) && weight != Some(Weight::Zero) {
            return false;
        }
        json |= is(JSON) && matches!(weight, None | Some(Weight::Positive));
    }
    json
}

/// The same of a head that can't be parsed: its lines that look like Accept count.
pub fn unparsed_prefers_json(head: &[u8]) -> bool {
    let lines = head.split(|&byte| byte == b'\n').skip(1);
    let fields = lines.filter_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        let name = name.eq_ignore_ascii_case(b"accept").then_some("accept")?;
        Some(Header { name, value })
    });
    prefers_json(Fields::of(&fields.collect::<Vec<_>>()))
}

#[derive(PartialEq, Eq)]
enum Weight {
    Zero,
    Positive,
    Unreadable,
}

/// The weight, where this parameter is one.
fn weight(parameter: &[u8]) -> Option<Weight> {
    let value = match parameter {
        [b'q' | b'Q', b'=', value @ ..] => value,
        _ => return None,
    };
    Some(match value {
        [b'0'] | [b'0', b'.', ..] | [b'1'] | [b'1', b'.', ..] if is_weight(value) => {
            if value.iter().any(|byte| (b'1'..=b'9').contains(byte)) {
                Weight::Positive
            } else {
                Weight::Zero
            }
        }
        _ => Weight::Unreadable,
    })
}

/// At most three digits behind the point, and behind a one only zeros.
fn is_weight(value: &[u8]) -> bool {
    let fraction = value.get(2..).unwrap_or_default();
    let digits = match value {
        [b'1', ..] => fraction.iter().all(|&byte| byte == b'0'),
        _ => fraction.iter().all(u8::is_ascii_digit),
    };
    digits && fraction.len() <= 3
}

/// What stands between separators, trimmed; one inside a quoted string (RFC 9110, 5.6.4) separates nothing.
fn parts(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value
        .split(move |&byte| {
            let (was_quoted, was_escaped) = (quoted, escaped);
            escaped = was_quoted && !was_escaped && byte == b'\\';
            quoted ^= byte == b'"' && !was_escaped;
            byte == separator && !was_quoted
        })
        .map(trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(values: &[&str], json: bool) {
        let fields: Vec<Header<'_>> = values
            .iter()
            .map(|value| Header {
                name: "aCCept",
                value: value.as_bytes(),
            })
            .collect();
        assert_eq!(prefers_json(Fields::of(&fields)), json, "{values:?}");
    }

    #[test]
    fn json_is_for_those_who_name_it_and_no_text() {
        for one in [
            "application/json",
            "APPLICATION/Json",
            "application/json;q=0.001",
            "application/json ; charset=utf-8 ;\tQ=1.000",
            "application/json, */*",
            "*/*;q=0.1,application/json",
            "image/png,,application/json, ",
            "application/json;profile=\"a,text/html;q=1\"",
            "application/json;x=\"\\\",text/plain\"",
            "application/json, text/html;q=0, text/plain;q=0.000",
        ] {
            expect(&[one], true);
        }
        for one in [
            "",
            "*/*",
            "application/*",
            "text/html",
            "application/json;q=0",
            "application/json; q=0.000",
            "application/json;charset=utf-8;q=0.0",
            "application/json;q=2",
            "application/json;q=1.001",
            "application/json;q=0.0001",
            "application/json;q=",
            "application/json;q=\"1\"",
            "application/jsonp",
            "application/vnd.api+json",
            "x;y=\"application/json\"",
            "x;y=\", application/json\"",
            "application/json, text/plain",
            "TEXT/HTML ;level=1, application/json",
            "text/html;q=zero, application/json",
            "application/json;q=0, application/xml",
        ] {
            expect(&[one], false);
        }
    }

    #[test]
    fn several_fields_are_one_list() {
        expect(&["image/png", "application/json"], true);
        expect(&["application/json", "text/html;q=0.1"], false);
        expect(&["text/plain", "application/json"], false);
        expect(&[], false);
    }
}
