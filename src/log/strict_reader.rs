//! A strict reader of both spellings, for tests: it accepts nothing that two readers could take differently.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// What a line says. Values of both spellings are kept as text; a JSON string is marked with a leading quote, so
/// that `"7"` and `7` stay apart.
pub(super) type Fields = BTreeMap<String, String>;

/// Reads a logfmt line. `None` where it is none, or names a key twice.
pub(super) fn logfmt(line: &str) -> Option<Fields> {
    let mut fields = Fields::new();
    let mut rest = line.chars().peekable();
    loop {
        let key = take_while(&mut rest, |c| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
        });
        (!key.is_empty() && rest.next() == Some('=')).then_some(())?;
        let value = match rest.peek() {
            Some('"') => string(&mut rest)?,
            _ => take_while(&mut rest, |c| c.is_ascii_alphanumeric() || "-._/@^+".contains(c)),
        };
        fields.insert(key, value).is_none().then_some(())?;
        match rest.next() {
            None => return Some(fields),
            Some(' ') => {}
            Some(_) => return None,
        }
    }
}

/// Reads a flat JSON object. `None` where it is none, or names a key twice.
pub(super) fn json(line: &str) -> Option<Fields> {
    let mut fields = Fields::new();
    let mut rest = line.chars().peekable();
    (rest.next() == Some('{')).then_some(())?;
    loop {
        let key = string(&mut rest)?;
        (rest.next() == Some(':')).then_some(())?;
        let value = match rest.peek() {
            Some('"') => format!("\"{}", string(&mut rest)?),
            _ => take_while(&mut rest, |c| c.is_ascii_alphanumeric() || "-.".contains(c)),
        };
        let literal = value.starts_with('"') || ["true", "false"].contains(&value.as_str());
        (literal || value.parse::<f64>().is_ok()).then_some(())?;
        fields.insert(key, value).is_none().then_some(())?;
        match rest.next() {
            Some('}') => return rest.next().is_none().then_some(fields),
            Some(',') => {}
            _ => return None,
        }
    }
}

/// Reads a JSON string (RFC 8259 section 7), surrogate pairs included.
fn string(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    (rest.next() == Some('"')).then_some(())?;
    let mut units: Vec<u16> = Vec::new();
    loop {
        let unit = match rest.next()? {
            '"' => return String::from_utf16(&units).ok(),
            '\\' => match rest.next()? {
                'n' => 10,
                'r' => 13,
                't' => 9,
                'u' => {
                    let digits: String = rest.take(4).collect();
                    u16::from_str_radix(&digits, 16).ok()?
                }
                c @ ('"' | '\\') => c as u16,
                _ => return None,
            },
            c if c.is_control() => return None,
            c => {
                units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
                continue;
            }
        };
        units.push(unit);
    }
}

fn take_while(rest: &mut Peekable<Chars<'_>>, wanted: impl Fn(char) -> bool) -> String {
    let mut taken = String::new();
    while let Some(c) = rest.next_if(|c| wanted(*c)) {
        taken.push(c);
    }
    taken
}
