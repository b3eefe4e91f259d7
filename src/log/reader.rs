//! Decision lines read back, ours or the reference's, as text or JSON, behind whatever a collector put before them. Takes
//! what people's logs hold, and says so where it can't be understood; judges nothing.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};
use serde::Deserialize;

/// What the message of a decision is.
const DECISION: &str = "CANONICAL-PROXY-DECISION";

/// What a line is.
#[derive(Debug)]
pub enum Read<'l> {
    /// No decision.
    Other,
    /// A decision that can't be understood: cut, or not as any of the two writes it.
    Unreadable,
    /// A decision.
    Decision(Box<Told<'l>>),
}

/// What a line tells of a decision; what it does not say is `None`.
#[derive(Deserialize, Default, Debug)]
pub struct Told<'l> {
    #[serde(borrow)]
    msg: Option<Cow<'l, str>>,
    /// Was the request let out?
    pub allow: Option<bool>,
    /// Who asked; empty where nobody was named.
    #[serde(borrow)]
    pub role: Option<Cow<'l, str>>,
    /// The rule's project.
    #[serde(borrow)]
    pub project: Option<Cow<'l, str>>,
    /// The host as it was asked for, with its port if it had one.
    #[serde(borrow)]
    pub requested_host: Option<Cow<'l, str>>,
    /// `http` or `connect`.
    #[serde(borrow)]
    pub proxy_type: Option<Cow<'l, str>>,
    /// The stable name of what an answer of ours was due to; the reference has none.
    #[serde(borrow)]
    pub code: Option<Cow<'l, str>>,
    /// Why, in words.
    #[serde(borrow)]
    pub decision_reason: Option<Cow<'l, str>>,
    /// What failed behind the decision.
    #[serde(borrow)]
    pub error: Option<Cow<'l, str>>,
    /// The address that was dialled, with its port.
    #[serde(borrow)]
    pub outbound_remote_addr: Option<Cow<'l, str>>,
    /// The same without it, as older lines have it.
    #[serde(borrow)]
    pub dst_ip: Option<Cow<'l, str>>,
}

/// Reads a line, without its line feed.
pub fn read(line: &[u8]) -> Read<'_> {
    if memmem::find(line, DECISION.as_bytes()).is_none() {
        return Read::Other;
    }
    let told = std::str::from_utf8(line).ok().and_then(told);
    match told {
        // Other messages may quote the word.
        Some(told) if told.msg.as_deref() == Some(DECISION) => Read::Decision(Box::new(told)),
        Some(told) if told.msg.is_some() => Read::Other,
        _ => Read::Unreadable,
    }
}

fn told(line: &str) -> Option<Told<'_>> {
    let line = line.trim_end();
    let json = memmem::find(line.as_bytes(), b"{\"");
    let text = [word(line, "time="), word(line, "level=")]
        .into_iter()
        .flatten()
        .min();
    match (json, text) {
        (Some(json), text) if text.is_none_or(|text| json < text) => {
            serde_json::from_str(line.get(json..)?).ok()
        }
        (_, text) => fields(line.get(text?..)?),
    }
}

/// Where a word begins that no letter stands before.
fn word(line: &str, word: &str) -> Option<usize> {
    let begins = |at: &usize| {
        let before = at.checked_sub(1).and_then(|at| line.as_bytes().get(at));
        before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
    };
    memmem::find_iter(line.as_bytes(), word.as_bytes()).find(begins)
}

/// A line of logfmt; each key that counts once.
fn fields(mut rest: &str) -> Option<Told<'_>> {
    let mut told = Told::default();
    while !rest.is_empty() {
        let at = memchr2(b'=', b' ', rest.as_bytes())?;
        let (key, behind) = rest.split_at_checked(at)?;
        let (text, behind) = value(behind.strip_prefix('=')?)?;
        told.take(key, text)?;
        rest = behind.trim_start_matches(' ');
    }
    Some(told)
}

/// A value, bare or quoted, and what stands behind it.
fn value(rest: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
        let (bare, behind) = rest.split_at_checked(end)?;
        return (!bare.contains('"')).then_some((bare.into(), behind));
    };
    let mut end = 0;
    let mut is_plain = true;
    loop {
        end += memchr2(b'"', b'\\', quoted.as_bytes().get(end..)?)?;
        if quoted.as_bytes().get(end) == Some(&b'"') {
            break;
        }
        is_plain = false;
        // What is escaped ends nothing.
        end += 2;
    }
    let (text, behind) = quoted.split_at_checked(end)?;
    let behind = behind.strip_prefix('"')?;
    if !behind.is_empty() && !behind.starts_with(' ') {
        return None;
    }
    let text = match is_plain {
        true => text.into(),
        false => unescaped(text)?.into(),
    };
    Some((text, behind))
}

/// A text as Go's strconv.Quote, JSON and we ourselves escape it; halves of what is no character are replaced.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        let escaped = match next {
            '\\' => rest.next()?,
            plain => {
                flush(&mut out, &mut units);
                out.push(plain);
                continue;
            }
        };
        let mut number = |digits: usize| {
            let digits: Option<String> = (0..digits).map(|_| rest.next()).collect();
            u32::from_str_radix(&digits?, 16).ok()
        };
        if escaped == 'u' {
            units.push(u16::try_from(number(4)?).ok()?);
            continue;
        }
        flush(&mut out, &mut units);
        out.push(match escaped {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'x' => char::from_u32(number(2)?)
                .filter(char::is_ascii)
                .unwrap_or(char::REPLACEMENT_CHARACTER),
            'U' => char::from_u32(number(8)?).unwrap_or(char::REPLACEMENT_CHARACTER),
            other @ ('"' | '\\' | '\'' | '/') => other,
            _ => return None,
        });
    }
    flush(&mut out, &mut units);
    Some(out)
}

fn flush(out: &mut String, units: &mut Vec<u16>) {
    let characters = char::decode_utf16(units.drain(..));
    out.extend(characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

impl<'l> Told<'l> {
    /// Takes a field; `None` where it is there a second time, or is not what it must be.
    fn take(&mut self, key: &str, text: Cow<'l, str>) -> Option<()> {
        let field = match key {
            "msg" => &mut self.msg,
            "role" => &mut self.role,
            "project" => &mut self.project,
            "requested_host" => &mut self.requested_host,
            "proxy_type" => &mut self.proxy_type,
            "code" => &mut self.code,
            "decision_reason" => &mut self.decision_reason,
            "error" => &mut self.error,
            "outbound_remote_addr" => &mut self.outbound_remote_addr,
            "dst_ip" => &mut self.dst_ip,
            "allow" => {
                let allow = text.parse().ok()?;
                return self.allow.replace(allow).is_none().then_some(());
            }
            _ => return Some(()),
        };
        field.replace(text).is_none().then_some(())
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
