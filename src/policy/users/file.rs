//! The users file as text: `name:hash` lines, comments and empty lines. What a hash is, and who is asked, is elsewhere;
//! no line is ever repeated.

use std::collections::HashSet;
use std::fmt;

use super::hash::Hash;

/// How much of a users file is taken on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes_max: usize,
    /// Bytes of a line.
    pub line_bytes_max: usize,
    /// Users.
    pub users_max: usize,
}

/// Those of every users file.
pub const LIMITS: Limits = Limits {
    bytes_max: 2 << 20,
    line_bytes_max: 1024,
    users_max: 16_384,
};

/// Longest name, in bytes: as of any role.
const NAME_BYTES_MAX: usize = 256;

/// What is wrong with a users file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsersError {
    /// Counted from 1; `None` where it is about the whole file.
    pub line: Option<usize>,
    /// Why, in words that repeat nothing of the line.
    pub words: String,
}

impl UsersError {
    fn whole(words: impl Into<String>) -> UsersError {
        UsersError {
            line: None,
            words: words.into(),
        }
    }
}

impl fmt::Display for UsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.words),
            None => f.write_str(&self.words),
        }
    }
}

/// The users of a file, in its order.
///
/// # Errors
/// The first line that is neither a user of its own name nor a comment nor empty; too much of anything; no user at all.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(&str, Hash)>, UsersError> {
    if bytes.len() > LIMITS.bytes_max {
        let words = format!("it is larger than {} bytes", LIMITS.bytes_max);
        return Err(UsersError::whole(words));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut users = Vec::new();
    let mut names = HashSet::new();
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let refuse = |words: String| UsersError {
            line: Some(number),
            words,
        };
        let Some((name, hash)) = user(line).map_err(refuse)? else {
            continue;
        };
        if !names.insert(name) {
            return Err(refuse("a user of this name stands above already".to_owned()));
        }
        if users.len() == LIMITS.users_max {
            return Err(refuse(format!("there are more than {} users", LIMITS.users_max)));
        }
        users.push((name, hash));
    }
    if users.is_empty() {
        let words = "there is no user in it: lines of NAME:HASH are expected";
        return Err(UsersError::whole(words));
    }
    Ok(users)
}

/// The user of a line; none in a comment or an empty line.
fn user(line: &[u8]) -> Result<Option<(&str, Hash)>, String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.starts_with(b"#") || line.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
        return Ok(None);
    }
    if line.len() > LIMITS.line_bytes_max {
        return Err(format!("it is longer than {} bytes", LIMITS.line_bytes_max));
    }
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8 text")?;
    let (name, hash) = line.split_once(':').ok_or("NAME:HASH is expected")?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("the name is longer than {NAME_BYTES_MAX} bytes"));
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err("the name has control characters, or blanks around it".to_owned());
    }
    let hash = Hash::parse(hash).map_err(|why| format!("the password's hash can't be used: {why}"))?;
    Ok(Some((name, hash)))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
