//! What is said when the program cannot start as asked: one line that names the option or the file. It decides
//! nothing and prints nothing; `main` writes it to stderr and exits with code 2.

use std::fmt;

use crate::text::one_line;

use super::source::Source;

/// Longest part of a refused value that is repeated in an error, in characters.
const QUOTED_CHARS_MAX: usize = 120;

/// Why no configuration came about. [`fmt::Display`] gives exactly one line, without control characters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError(String);

impl ConfigError {
    /// An error with these words.
    pub(super) fn new(words: impl Into<String>) -> ConfigError {
        ConfigError(one_line::without_controls(&words.into()))
    }

    /// An error of one value: where it was given, and what is wrong.
    pub(super) fn at(source: &Source, words: impl fmt::Display) -> ConfigError {
        ConfigError::new(format!("{source}: {words}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A refused value in quotes, cut where it is very long.
pub(super) fn quoted(value: &str) -> String {
    match value.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", value.get(..end).unwrap_or_default()),
        None => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_whatever_it_quotes() {
        let error = ConfigError::new("bad\r\nlevel=error forged \u{1b}[31m");
        assert_eq!(error.to_string(), r"bad\r\nlevel=error forged \u{1b}[31m");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let text = "é".repeat(500);
        let quote = quoted(&text);
        assert!(quote.ends_with("\"..."), "{quote}");
        assert_eq!(quote.chars().filter(|c| *c == 'é').count(), QUOTED_CHARS_MAX);
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
    }
}
