//! The system's words for an error as they stand in our own messages. Tells no kinds of errors apart.

use std::fmt::Display;

/// The words for an error without its number, beginning in lower case: `connection refused`, where `io::Error` prints
/// `Connection refused (os error 111)`.
pub(crate) fn words(error: &impl Display) -> String {
    let mut words = error.to_string();
    let end = words.find(" (os error").unwrap_or(words.len());
    words.truncate(end);
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn words_without_number() {
        for (number, want) in [
            (111, "connection refused"),
            (101, "network is unreachable"),
            (24, "too many open files"),
        ] {
            assert_eq!(words(&io::Error::from_raw_os_error(number)), want);
        }
        assert_eq!(words(&io::Error::from(io::ErrorKind::WriteZero)), "write zero");
        assert_eq!(words(&io::Error::other("É")), "É");
        assert_eq!(words(&""), "");
    }
}
