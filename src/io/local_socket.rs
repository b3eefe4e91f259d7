//! A listening socket of the file system, for programs on the same machine: bound with its permissions from the first moment
//! on, and removed in the end. Takes nobody in: that is `listener`'s business.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;

/// A socket's file, which goes with this.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nobody is left to be told; the next with this name replaces it.
        let _ = fs::remove_file(&self.0);
    }
}

/// Binds a listening socket to this path, with these permissions. A socket that stands there already is replaced: the name
/// is to be nobody else's. To be called before there are other threads that make files.
///
/// # Errors
/// Each names the path.
pub fn bind(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let named = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", path.display()),
        )
    };
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path).map_err(named)?;
    }
    // The kernel makes it with all permissions but these: there is no moment at which others could connect.
    let before = umask(Mode::from_raw_mode(!mode & 0o777));
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = bound.map_err(named)?;
    let file = SocketFile(path.to_owned());
    listener.set_nonblocking(true).map_err(named)?;
    Ok((listener, file))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn it_has_its_mode_replaces_a_stale_one_and_is_gone_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("track-1.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (listener, file) = bind(&path, 0o640).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(UnixStream::connect(&path).is_ok());
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn whatever_else_stands_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("track-1.sock");
        fs::write(&path, "mine").unwrap();
        let error = bind(&path, 0o700).unwrap_err().to_string();
        assert!(error.contains("track-1.sock"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let error = bind(&folder.path().join("none/x.sock"), 0o700).unwrap_err();
        assert!(error.to_string().contains("none/x.sock"));
    }
}
