//! Strict reading of the YAML files that people write for us: every error has a line and a column.
//!
//! `serde_yaml` fills the structs, but it knows no limits on the shape of a document and lets duplicate keys of a
//! map through; so the parser `saphyr-parser` walks the text first. Nothing else in `policy`
//! names either crate. This file opens no files and knows nothing of what one means.

mod shape;

use std::borrow::Cow;
use std::fmt;

use saphyr_parser::Marker;
use serde::de::{DeserializeOwned, IgnoredAny};

pub use self::shape::{Level, Step, Visit, locate};
use self::shape::{Root, walk};
use crate::text::{nearest, one_line};

/// The largest document that is read, in bytes.
pub const SIZE_MAX: usize = 16 << 20;

/// How deep lists and mappings may be nested, the outermost mapping included.
pub const DEPTH_MAX: usize = 16;

/// Most characters of each end of an error message: it may quote a value as long as the document.
const MESSAGE_END_CHARS_MAX: usize = 400;

/// Where something stands in a text; both count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    const START: Position = Position { line: 1, column: 1 };

    fn of(marker: &Marker) -> Position {
        Position {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

/// Why a document was not accepted: one line of text, whatever the document holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct YamlError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong and, where that can be said, what is accepted.
    pub message: String,
}

impl YamlError {
    /// An error at a position; control characters in the message are escaped, so that it stays one line, and what
    /// is very long loses its middle: a quoted value stands there, what is wrong with it at the end.
    pub fn new(at: Position, message: &str) -> YamlError {
        YamlError {
            line: at.line,
            column: at.column,
            message: one_line::without_controls(&without_middle(message)),
        }
    }

    fn from_serde(error: &serde_yaml::Error, prefix: &str) -> YamlError {
        let text = error.to_string();
        let Some(place) = error.location() else {
            return YamlError::new(Position::START, &format!("{prefix}{text}"));
        };
        // The crate's text ends with the place; ours begins with it.
        let suffix = format!(" at line {} column {}", place.line(), place.column());
        let text = text.strip_suffix(&suffix).unwrap_or(&text);
        YamlError::new(
            Position {
                line: place.line(),
                column: place.column(),
            },
            &format!("{prefix}{text}{}", meant(text).unwrap_or_default()),
        )
    }
}

/// Which key an unknown one was meant to be, told from the crate's own text: it names that key and all that there are.
fn meant(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("unknown field `")?;
    let (name, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2);
    let known = nearest::nearest(known.map(|known| (known, known)), name)?;
    Some(format!("; did you mean `{known}`?"))
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for YamlError {}

/// Reads one document, a mapping, into `T`. An empty document counts as an empty mapping.
///
/// # Errors
/// Bad syntax (the message contains `yaml`), more than [`SIZE_MAX`] bytes, more than one document, nesting beyond
/// [`DEPTH_MAX`], duplicate or composite keys, anchors, aliases and tags, a root that is no mapping, and whatever
/// `T` refuses (derive it with `deny_unknown_fields`).
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    read_noting(text, &mut |_, _| {})
}

/// As [`read`]; `note` is called for every value, in order, with the way to it and its place.
///
/// # Errors
/// As [`read`]; what was noted until then is of no use.
pub fn read_noting<T: DeserializeOwned>(text: &str, note: Visit<'_>) -> Result<T, YamlError> {
    let text = without_byte_order_mark(text);
    let text = match walk(text, note)? {
        Root::Mapping => text,
        Root::Empty => "{}",
    };
    serde_yaml::from_str(text).map_err(|error| match serde_yaml::from_str::<IgnoredAny>(text) {
        // What is no YAML at all is told as such, wherever the values before it are wrong.
        Err(syntax) => YamlError::from_serde(&syntax, "not valid yaml: "),
        Ok(IgnoredAny) => YamlError::from_serde(&error, ""),
    })
}

fn without_middle(message: &str) -> Cow<'_, str> {
    let start = message.char_indices().nth(MESSAGE_END_CHARS_MAX);
    let end = message.char_indices().nth_back(MESSAGE_END_CHARS_MAX - 1);
    match (start, end) {
        (Some((start, _)), Some((end, _))) if start < end => {
            let (start, end) = (message.get(..start), message.get(end..));
            format!("{} ... {}", start.unwrap_or_default(), end.unwrap_or_default()).into()
        }
        _ => message.into(),
    }
}

fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
