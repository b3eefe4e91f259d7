//! The users file: read at start and again, each time with a new key for what is remembered; and what is said of a
//! difference. What stands in it is `policy/users`' business.

use std::fmt::Display;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::io::regular_file;
use crate::policy::users::{Key, LIMITS, Users};

/// How many users are named in a line.
const USERS_NAMED_MAX: usize = 20;

/// Reads the users from whatever stands at the path: at start a pipe does no harm.
pub(super) fn at_start(path: &Path) -> Result<Users, String> {
    let file = File::open(path).map_err(|error| refusal(path, error))?;
    users(path, file)
}

/// Reads them from a regular file.
pub(super) fn again(path: &Path) -> Result<Users, String> {
    let (file, _) = regular_file::open(path).map_err(|error| refusal(path, error))?;
    users(path, file)
}

fn users(path: &Path, file: File) -> Result<Users, String> {
    // One byte more than is accepted: the parser then says that it is too much.
    let text = regular_file::read(file, LIMITS.bytes_max + 1).map_err(|error| refusal(path, error))?;
    let key = key().map_err(|error| refusal(path, format_args!("no randomness for a key: {error}")))?;
    Users::parse(&text, key).map_err(|error| refusal(path, error))
}

/// Waits until the system has randomness, which is never after it has booted.
fn key() -> rustix::io::Result<Key> {
    let mut key = Key::default();
    let mut filled = 0;
    while let Some(rest) = key.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(key)
}

fn refusal(path: &Path, error: impl Display) -> String {
    format!("{}: {error}", path.display())
}

/// Says who came, who went and who has another password.
pub(super) fn difference(path: &Path, present: Option<&Users>, next: &Users) -> String {
    let difference = present.map(|old| old.difference(next)).unwrap_or_default();
    let (path, count) = (path.display(), next.count());
    let mut text = format!("The users file was read again from {path}, users: {count}");
    let mut left = USERS_NAMED_MAX;
    for (what, names) in [
        ("added", &difference.added),
        ("changed", &difference.changed),
        ("removed", &difference.removed),
    ] {
        if !names.is_empty() {
            text.push_str(&format!("; {what}: {}", named(names, &mut left)));
        }
    }
    text
}

/// The first of these names, as many as may still be named, and how many more there are.
fn named(names: &[Arc<str>], left: &mut usize) -> String {
    let shown = names.len().min(*left);
    *left -= shown;
    let mut words: Vec<String> = names.iter().take(shown).map(|name| format!("'{name}'")).collect();
    if shown < names.len() {
        words.push(format!("{} more", names.len() - shown));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$5$saltsalt$cZWIyy.ZRgVqs4yd0ajZfzMAT2y6ajSCs.ICbM2aR27";
    const OTHER: &str = "$5$saltsalt$dZWIyy.ZRgVqs4yd0ajZfzMAT2y6ajSCs.ICbM2aR27";

    fn users(lines: &[(String, &str)]) -> Users {
        let lines: Vec<String> = lines
            .iter()
            .map(|(name, hash)| format!("{name}:{hash}\n"))
            .collect();
        Users::parse(lines.concat().as_bytes(), Key::default()).unwrap()
    }

    #[test]
    fn a_difference_names_who_came_who_changed_and_who_went() {
        let old = users(&[("a".into(), HASH), ("b".into(), HASH), ("c".into(), HASH)]);
        let new = users(&[("c".into(), OTHER), ("b".into(), HASH), ("d".into(), HASH)]);
        let said = difference(Path::new("/u"), Some(&old), &new);
        let start = "The users file was read again from /u, users: 3";
        assert_eq!(said, format!("{start}; added: 'd'; changed: 'c'; removed: 'a'"));
        assert_eq!(difference(Path::new("/u"), Some(&old), &old), start);
    }

    #[test]
    fn no_more_than_twenty_are_named_in_all() {
        let many = |prefix: &str| -> Vec<(String, &str)> {
            (0..15).map(|n| (format!("{prefix}{n}"), HASH)).collect()
        };
        let said = difference(Path::new("/u"), Some(&users(&many("old"))), &users(&many("new")));
        assert_eq!(said.matches("'new").count(), 15);
        assert_eq!(said.matches("'old").count(), 5);
        assert!(said.ends_with("'old4', 10 more"), "{said}");
    }

    #[test]
    fn keys_are_never_the_same() {
        assert_ne!(key().unwrap(), key().unwrap());
        assert_ne!(key().unwrap(), Key::default());
    }
}
