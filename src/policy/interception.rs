//! What an entry of `mitm_domains` has done inside of its tunnels: which fields each request gets, whose values may come
//! from the environment or from files, and what the log says of it. Reads neither: whoever does hands the values in. Which
//! tunnels are meant is `acl/intercepted`'s.

use std::fmt;

use zeroize::Zeroizing;

use crate::text::token::is_token;
use crate::yaml::{Position, YamlError};

/// Fields that one entry may add.
pub const FIELDS_MAX: usize = 64;

/// The longest value, in bytes, whatever it is put together from.
pub const VALUE_BYTES_MAX: usize = 8192;

/// Fields that frame a message, route it, or concern one hop (RFC 9110, 7.6.1; RFC 9112, 6): what is added must not change
/// where it ends, nor where it goes.
const NEVER_ADDED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-upstream-https-proxy",
];

/// Where a part of a value is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secret<'a> {
    /// `${env:NAME}`: the environment.
    Variable(&'a str),
    /// `${file:PATH}`: a file.
    File(&'a str),
}

impl fmt::Display for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Variable(name) => write!(f, "${{env:{name}}}"),
            Secret::File(path) => write!(f, "${{file:{path}}}"),
        }
    }
}

/// Reads such a part; what it gives is wiped when it was used. An error is the reason alone.
pub type ReadSecret<'a> = &'a dyn Fn(Secret<'_>) -> Result<Zeroizing<Vec<u8>>, String>;

/// A piece of a value as it is written.
#[derive(Clone, PartialEq, Eq)]
enum Piece {
    Text(Zeroizing<String>),
    Variable(Box<str>),
    File(Box<str>),
}

/// A field to be added, as it is written.
#[derive(Clone)]
pub(super) struct Written {
    name: Box<str>,
    pieces: Vec<Piece>,
    at: Position,
}

/// Wherever it stands.
impl PartialEq for Written {
    fn eq(&self, other: &Written) -> bool {
        self.name == other.name && self.pieces == other.pieces
    }
}

/// A field to be added, as it is sent.
#[derive(PartialEq)]
struct Added {
    name: Box<str>,
    /// Wiped with it.
    value: Zeroizing<Vec<u8>>,
}

/// What is said of each request in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detail {
    /// The fields whose values are shown; those of all others are not.
    shown: Box<[Box<str>]>,
}

impl Detail {
    /// Shows the values of these fields.
    pub(super) fn showing(names: Vec<String>) -> Detail {
        Detail {
            shown: names.into_iter().map(Into::into).collect(),
        }
    }

    /// May the log show the values of the field called that?
    pub fn shows(&self, name: &str) -> bool {
        self.shown.iter().any(|shown| shown.eq_ignore_ascii_case(name))
    }
}

/// What is done inside of a tunnel.
pub struct Interception {
    added: Box<[Added]>,
    detail: Option<Detail>,
}

impl Interception {
    /// With the values that stand there, or are read now.
    ///
    /// # Errors
    /// One can't be read, or can't be the value of a field: with its place.
    pub(super) fn new(
        written: &[Written],
        detail: Option<Detail>,
        read: ReadSecret<'_>,
    ) -> Result<Interception, YamlError> {
        let placed = |field: &Written, why: String| YamlError::new(field.at, &why);
        let added = written.iter();
        let added = added.map(|field| field.read(read).map_err(|why| placed(field, why)));
        Ok(Interception {
            added: added.collect::<Result<_, _>>()?,
            detail,
        })
    }

    /// Before the values were read, for whoever asks only whether a tunnel is intercepted: nothing is added.
    pub(super) fn unread(detail: Option<Detail>) -> Interception {
        Interception {
            added: Box::default(),
            detail,
        }
    }

    /// Is a field of a client's in the way of an added one? Letters' case says nothing, nor does what stands for a `-`: servers
    /// that hand fields on as variables take all of that for one another (RFC 3875, 4.1.18).
    pub fn replaces(&self, name: &str) -> bool {
        self.added.iter().any(|added| is_alike(&added.name, name))
    }

    /// Is anything added at all?
    pub fn adds(&self) -> bool {
        !self.added.is_empty()
    }

    /// Is the same added, value by value?
    pub(super) fn adds_as(&self, other: &Interception) -> bool {
        self.added == other.added
    }

    /// The fields with their values, to be sent over TLS to the origin alone.
    pub fn added(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.added
            .iter()
            .map(|added| (&*added.name, added.value.as_slice()))
    }

    /// What the log says of each request; none: as much as of any other.
    pub fn detail(&self) -> Option<&Detail> {
        self.detail.as_ref()
    }
}

/// Names alone: values are never shown.
impl fmt::Debug for Interception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.added().map(|(name, _)| name).collect();
        f.debug_struct("Interception")
            .field("added", &names)
            .field("detail", &self.detail)
            .finish()
    }
}

fn is_alike(one: &str, other: &str) -> bool {
    let folded = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => byte.to_ascii_lowercase(),
        _ => b'-',
    };
    one.len() == other.len() && one.bytes().map(folded).eq(other.bytes().map(folded))
}

impl Written {
    /// A field as the ACL has it, there.
    ///
    /// # Errors
    /// In words, without the value: the name can't be added, or the value is malformed.
    pub(super) fn parse(name: &str, value: &str, at: Position) -> Result<Written, String> {
        check_name(name)?;
        if value.chars().any(char::is_control) {
            return Err(format!(
                "the value of the header '{name}' holds a control character"
            ));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(too_long(name));
        }
        Ok(Written {
            name: name.into(),
            pieces: pieces(name, value)?,
            at,
        })
    }

    /// Is it the same field, however spelled?
    pub(super) fn is_same_field(&self, other: &Written) -> bool {
        is_alike(&self.name, &other.name)
    }

    /// What it is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, read: ReadSecret<'_>) -> Result<Added, String> {
        let name = &self.name;
        // Room for all of it at once: a text that grows would leave copies behind.
        let mut value = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX));
        for piece in &self.pieces {
            let secret = match piece {
                Piece::Text(text) => {
                    add(name, text.as_bytes(), &mut value)?;
                    continue;
                }
                Piece::Variable(variable) => Secret::Variable(variable),
                Piece::File(path) => Secret::File(path),
            };
            let refuse = |why: &str| format!("the header '{name}': {secret}: {why}");
            let read = read(secret).map_err(|why| refuse(&why))?;
            let line = without_line_end(&read);
            if line.is_empty() {
                return Err(refuse("there is nothing in it"));
            }
            if line.iter().any(|&byte| byte < b' ' || byte == 0x7f) {
                return Err(refuse(
                    "it holds a control character, such as a line break: a header's value is one line",
                ));
            }
            add(name, line, &mut value)?;
        }
        let mut kept = Zeroizing::new(Vec::with_capacity(value.len()));
        kept.extend_from_slice(&value);
        Ok(Added {
            name: name.clone(),
            value: kept,
        })
    }
}

/// Names alone, likewise.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A name that may be added.
fn check_name(name: &str) -> Result<(), String> {
    if !is_token(name.as_bytes()) {
        return Err(NO_NAME.to_owned());
    }
    let lower = name.to_ascii_lowercase().replace('_', "-");
    let is_ours = lower.starts_with("proxy-") || lower.starts_with("x-smokescreen-");
    match is_ours || NEVER_ADDED.contains(&lower.as_str()) {
        true => Err(format!(
            "the header '{name}' can't be added: it frames or routes messages, or is for one hop alone"
        )),
        false => Ok(()),
    }
}

/// What is said of a name that is none. It is not shown: a value that was written in its place may be a secret.
pub(super) const NO_NAME: &str =
    "what stands here is no header name; accepted are letters, digits and !#$%&'*+-.^_`|~";

fn too_long(name: &str) -> String {
    format!("the value of the header '{name}' is longer than {VALUE_BYTES_MAX} bytes")
}

fn add(name: &str, text: &[u8], value: &mut Zeroizing<Vec<u8>>) -> Result<(), String> {
    if value.len() + text.len() > VALUE_BYTES_MAX {
        return Err(too_long(name));
    }
    value.extend_from_slice(text);
    Ok(())
}

/// One line end goes, as editors and `echo` leave it.
fn without_line_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

/// Takes a value apart. What looks like a place to read from and is none is an error: a secret's name is not to be sent for
/// the secret.
fn pieces(name: &str, value: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest) = (Vec::new(), value);
    let text = |text: &str| Piece::Text(Zeroizing::new(text.to_owned()));
    while let Some((before, behind)) = rest.split_once("${") {
        let malformed = || {
            format!(
                "the value of the header '{name}' has a `${{` that begins no ${{env:NAME}} and no ${{file:PATH}}"
            )
        };
        let (inside, after) = behind.split_once('}').ok_or_else(malformed)?;
        pieces.push(text(before));
        pieces.push(match inside.split_once(':') {
            Some(("env", variable)) if !variable.is_empty() && !variable.contains('=') => {
                Piece::Variable(variable.into())
            }
            Some(("file", path)) if !path.is_empty() => Piece::File(path.into()),
            _ => return Err(malformed()),
        });
        rest = after;
    }
    pieces.push(text(rest));
    Ok(pieces)
}

#[cfg(test)]
#[path = "interception_tests.rs"]
mod tests;
