//! Reads log lines as a log pipeline would, strictly: a line that could be read in two ways is an error.

use std::collections::BTreeMap;

/// One line's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine(pub(crate) BTreeMap<String, String>);

impl LogLine {
    /// A field's value; the case fails when it is missing.
    #[track_caller]
    pub(crate) fn get(&self, key: &str) -> &str {
        self.find(key)
            .unwrap_or_else(|| panic!("no {key} in {:?}", self.0))
    }

    /// A field's value, if there is one.
    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// A field's value as a number.
    #[track_caller]
    pub(crate) fn number(&self, key: &str) -> f64 {
        self.get(key)
            .parse()
            .unwrap_or_else(|_| panic!("{key} is no number in {:?}", self.0))
    }

    /// Is this the line with that message?
    pub(crate) fn says(&self, message: &str) -> bool {
        self.find("msg") == Some(message)
    }
}

/// Parses either format.
pub(crate) fn parse(line: &str) -> Result<LogLine, String> {
    if line.starts_with('{') {
        json(line)
    } else {
        logfmt(line)
    }
}

/// `key=value key="quoted value"`, as logrus writes it.
fn logfmt(line: &str) -> Result<LogLine, String> {
    let mut fields = BTreeMap::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest
            .split_once('=')
            .ok_or_else(|| format!("no = in {rest:?} of {line:?}"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if key.is_empty() || !key.bytes().all(plain) {
            return Err(format!("{key:?} is no key in {line:?}"));
        }
        let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
            unquote(quoted)?
        } else {
            bare(after)?
        };
        if fields.insert(key.to_owned(), value).is_some() {
            return Err(format!("{key} twice in {line:?}"));
        }
        rest = match after.strip_prefix(' ') {
            Some(next) if !next.is_empty() => next,
            None if after.is_empty() => after,
            _ => return Err(format!("{after:?} after a value in {line:?}")),
        };
    }
    Ok(LogLine(fields))
}

fn bare(text: &str) -> Result<(String, &str), String> {
    let (value, _) = text.split_once(' ').unwrap_or((text, ""));
    if value.chars().any(|c| c == '"' || c == '=' || c.is_control()) {
        return Err(format!("{value:?} ought to be quoted"));
    }
    Ok((value.to_owned(), &text[value.len()..]))
}

/// Go's quoting (`%q`).
fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut bytes = Vec::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((String::from_utf8_lossy(&bytes).into_owned(), &text[at + 1..])),
            '\\' => escape(&mut characters, &mut bytes)?,
            c if c.is_control() => return Err(format!("a raw control character in {text:?}")),
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err(format!("no closing quote in {text:?}"))
}

fn escape(characters: &mut std::str::CharIndices<'_>, bytes: &mut Vec<u8>) -> Result<(), String> {
    let (_, kind) = characters.next().ok_or("a lone backslash")?;
    let simple = [
        ('n', b'\n'),
        ('t', b'\t'),
        ('r', b'\r'),
        ('a', 7),
        ('b', 8),
        ('f', 12),
        ('v', 11),
        ('"', b'"'),
        ('\\', b'\\'),
    ];
    if let Some((_, byte)) = simple.into_iter().find(|(name, _)| *name == kind) {
        bytes.push(byte);
        return Ok(());
    }
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        other => return Err(format!("unknown escape \\{other}")),
    };
    let text: String = characters.by_ref().take(digits).map(|(_, c)| c).collect();
    let code = u32::from_str_radix(&text, 16).map_err(|error| error.to_string())?;
    if kind == 'x' {
        bytes.push(u8::try_from(code).map_err(|error| error.to_string())?);
    } else {
        let character = char::from_u32(code).ok_or("no such character")?;
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(())
}

/// JSON is YAML, as far as these lines go; a duplicate key is an error there too.
fn json(line: &str) -> Result<LogLine, String> {
    let value: serde_yaml::Mapping =
        serde_yaml::from_str(line).map_err(|error| format!("{error}: {line:?}"))?;
    let mut fields = BTreeMap::new();
    for (key, value) in value {
        let key = key
            .as_str()
            .ok_or_else(|| format!("a key that is no string in {line:?}"))?
            .to_owned();
        let text = match value {
            serde_yaml::Value::String(text) => text,
            serde_yaml::Value::Null => "null".to_owned(),
            serde_yaml::Value::Bool(truth) => truth.to_string(),
            serde_yaml::Value::Number(number) => number.to_string(),
            // The fields of a message.
            fields @ serde_yaml::Value::Mapping(_) if key == "mitm_req_headers" => format!("{fields:?}"),
            other => return Err(format!("{other:?} in {line:?}")),
        };
        fields.insert(key, text);
    }
    Ok(LogLine(fields))
}
