//! A small configuration file of the system's, read again when it has changed. What its text means is its
//! reader's business.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Instant;
use crate::io::told::Told;
use crate::io::{heap, regular_file};

/// How often the file is looked at, at most.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How much of a file is read, in bytes. What follows is not there. Hosts files that block advertisements reach 6 MiB.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// A file that could not be used is complained of again when it was fine, or not looked at, for so long.
const QUIET_MIN: Duration = Duration::from_secs(3600);

/// What was made of a file from this size on is worth giving back.
const LARGE_BYTES: usize = 256 * 1024;

/// A file and what was made of it.
pub(super) struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> T,
    value: T,
    version: Option<Version>,
    checked: Option<Instant>,
    was_large: bool,
    told: Told,
}

/// What changes when a file does: a new file has another inode, an edited one another time or size.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Version {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Version {
        Version {
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl<T> Watched<T> {
    /// Watches `path`; nothing is read yet. `parse` makes sense of the text and takes any.
    pub(super) fn new(path: impl Into<PathBuf>, parse: fn(&str) -> T) -> Watched<T> {
        Watched {
            path: path.into(),
            parse,
            value: parse(""),
            version: None,
            checked: None,
            was_large: false,
            told: Told::new(QUIET_MIN),
        }
    }

    /// What the file says. It is looked at when the last look is a second ago, and read when it has changed. A
    /// file that isn't there says nothing; one that can't be read says what it said before.
    pub(super) fn get(&mut self, now: Instant) -> &T {
        let due = self
            .checked
            .is_none_or(|checked| now.duration_since(checked) >= CHECK_INTERVAL);
        if due {
            self.checked = Some(now);
            match self.refresh(now) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.version = None;
                    self.value = (self.parse)("");
                    if std::mem::take(&mut self.was_large) {
                        heap::trim();
                    }
                }
                Err(error) => self.warn(&format!("can't read {}: {error}", self.path.display()), now),
            }
        }
        &self.value
    }

    fn refresh(&mut self, now: Instant) -> io::Result<()> {
        let (file, metadata) = regular_file::open(&self.path)?;
        let version = Version::of(&metadata);
        if self.version == Some(version) {
            return Ok(());
        }
        if version.size > BYTES_MAX as u64 {
            let (path, most) = (self.path.display(), BYTES_MAX >> 20);
            self.warn(
                &format!("{path} is larger than {most} MiB: the rest is not read"),
                now,
            );
        }
        let bytes = regular_file::read(file, BYTES_MAX)?;
        // A block list of 8 MiB takes several times that: not twice at a time, and not for ever.
        self.value = (self.parse)("");
        self.value = (self.parse)(&String::from_utf8_lossy(&bytes));
        self.version = Some(version);
        let is_large = bytes.len() >= LARGE_BYTES;
        drop(bytes);
        if std::mem::replace(&mut self.was_large, is_large) || is_large {
            heap::trim();
        }
        Ok(())
    }

    fn warn(&mut self, text: &str, now: Instant) {
        if self.told.is_news(text, now) {
            log::warn!("{text}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_read_again_but_not_looked_at_too_often() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        let mut watched = Watched::new(&path, str::to_owned);
        let start = Instant::now();
        assert_eq!(watched.get(start), "");
        std::fs::write(&path, "one").unwrap();
        assert_eq!(watched.get(start + Duration::from_millis(900)), "");
        assert_eq!(watched.get(start + Duration::from_secs(1)), "one");
        std::fs::write(&path, "another").unwrap();
        assert_eq!(watched.get(start + Duration::from_secs(2)), "another");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(watched.get(start + Duration::from_secs(3)), "");
    }

    #[test]
    fn a_file_of_any_size_or_kind_is_survived() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        std::fs::write(&path, vec![0xff; BYTES_MAX + 9]).unwrap();
        let mut watched = Watched::new(&path, str::len);
        assert!(*watched.get(Instant::now()) <= 3 * BYTES_MAX);
        let mut directory = Watched::new(dir.path(), str::len);
        assert_eq!(*directory.get(Instant::now()), 0);
    }

    #[test]
    fn a_file_that_became_a_fifo_says_what_it_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        std::fs::write(&path, "one").unwrap();
        let mut watched = Watched::new(&path, str::to_owned);
        let start = Instant::now();
        assert_eq!(watched.get(start), "one");
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(watched.get(start + Duration::from_secs(2)), "one");
    }
}
