//! Why a text is not accepted, in one line that begins with the place. Words errors; finds none.

use std::borrow::Cow;
use std::fmt;

use crate::text::one_line;

use super::Position;

/// Most characters of each end of an error message: it may quote a value as long as the document.
const MESSAGE_END_CHARS_MAX: usize = 400;

/// Why a document was not accepted: one line of text, whatever the document holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct YamlError {
    /// Where.
    pub at: Position,
    /// What is wrong and, where that can be said, what is accepted.
    pub message: String,
}

impl YamlError {
    /// An error at a position; control characters in the message are escaped, so that it stays one line, and what
    /// is very long loses its middle: a quoted value stands there, what is wrong with it at the end.
    pub fn new(at: Position, message: &str) -> YamlError {
        YamlError {
            at,
            message: one_line::without_controls(&without_middle(message)),
        }
    }
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

impl std::error::Error for YamlError {}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_loses_its_middle() {
        let error = |chars| YamlError::new(Position::START, &"x".repeat(chars)).message;
        assert_eq!(error(2 * MESSAGE_END_CHARS_MAX).len(), 2 * MESSAGE_END_CHARS_MAX);
        assert_eq!(
            error(9 * MESSAGE_END_CHARS_MAX).len(),
            2 * MESSAGE_END_CHARS_MAX + " ... ".len()
        );
    }
}
