//! Regular files, read without ever waiting for a writer: what stands at a path may become a FIFO at any time, and an
//! open that blocks would stop the loop. What the bytes mean is the caller's business.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file for reading, and says what it is. The open doesn't block, and what was opened is looked at, not
/// the path; symbolic links are followed. The descriptor is close-on-exec.
///
/// # Errors
/// The system's; `InvalidInput`, "not a regular file", for anything else.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Looked at by name first: opening a device or a FIFO has effects of its own, even for a moment.
    regular(std::fs::metadata(path)?)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let metadata = regular(file.metadata()?)?;
    Ok((file, metadata))
}

/// Reads what [`open`] opened, at most its first `bytes_max` bytes: who wants to tell a longer one apart asks for one
/// more.
///
/// # Errors
/// Those of read(2).
pub fn read(file: File, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(file, bytes_max, &mut bytes)?;
    Ok(bytes)
}

/// The same, appended to what is the caller's to wipe, and to nothing else.
///
/// # Errors
/// Those of read(2).
pub fn read_into(file: File, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let bytes_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    // Room for all of it at once, and for seeing its end: what grows leaves copies behind, which nobody wipes.
    let room = usize::try_from(file.metadata()?.len().min(bytes_max)).unwrap_or_default() + 1;
    into.reserve_exact(room);
    // A file may grow while it is read: the bound holds all the same.
    file.take(bytes_max).read_to_end(into)?;
    Ok(())
}

fn regular(metadata: Metadata) -> io::Result<Metadata> {
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn read_at(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        read(open(path)?.0, bytes_max)
    }

    fn fifo(path: &Path) {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
    }

    #[test]
    fn a_file_is_read_up_to_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read_at(&path, 10).unwrap(), b"0123456789");
        assert_eq!(read_at(&path, 4).unwrap(), b"0123");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_at(&link, 99).unwrap(), b"0123456789");
        let gone = read_at(&dir.path().join("gone"), 1).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        fifo(&path);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for odd in [path.as_path(), &link, dir.path(), Path::new("/dev/null")] {
            let error = read_at(odd, 1).unwrap_err();
            assert_eq!(error.to_string(), "not a regular file", "{}", odd.display());
        }
    }

    /// Without the look at the descriptor, or with an open that blocks, this does not end: nobody writes.
    #[test]
    fn a_path_that_becomes_a_fifo_at_any_moment_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let (plain, pipe) = (dir.path().join("plain"), dir.path().join("pipe"));
        std::fs::write(&plain, "text").unwrap();
        let done = AtomicBool::new(false);
        let (mut reads, mut refusals) = (0, 0);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                fifo(&pipe);
                while !done.load(Ordering::Relaxed) {
                    for source in [&plain, &pipe] {
                        let next = dir.path().join("next");
                        std::fs::hard_link(source, &next).unwrap();
                        std::fs::rename(&next, &path).unwrap();
                        std::fs::remove_file(&next).ok();
                    }
                }
            });
            for _ in 0..20_000 {
                match read_at(&path, 9) {
                    Ok(bytes) => {
                        assert_eq!(bytes, b"text");
                        reads += 1;
                    }
                    Err(_) => refusals += 1,
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(reads + refusals, 20_000);
    }
}
