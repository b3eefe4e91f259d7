//! A listening socket of the file system, for programs on the same machine: bound with its permissions from the first moment
//! on, beside those of others, and removed in the end. Takes nobody in: that is `listener`'s business.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::process::umask;
use socket2::{Domain, SockAddr, Socket, Type};

/// Names that are tried, where running processes have those before.
const NAMES_MAX: u32 = 16;

/// A socket's file, which goes with this.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Which file it is, by its device and number: another process may have put one of its own in its place.
    identity: (u64, u64),
}

impl SocketFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Nobody is left to be told; the next with this name replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds a listening socket in this folder, with these permissions: `NAME.sock`, or `NAME-2.sock` and so on where a running
/// process answers at the one before, as one with our number does in another container. A socket at which nobody
/// answers is replaced. To be called before there are other threads that make files.
///
/// # Errors
/// Each names the path.
pub fn bind(folder: &Path, name: &str, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let numbered = |number| format!("{name}-{number}.sock");
    let first = std::iter::once(format!("{name}.sock"));
    let mut path = PathBuf::new();
    for name in first.chain((2..=NAMES_MAX).map(numbered)) {
        path = folder.join(name);
        let bound = bind_to(&path, mode);
        if !matches!(&bound, Err(error) if error.kind() == ErrorKind::AddrInUse) {
            return bound.map_err(|error| named(&path, &error));
        }
    }
    Err(named(&path, &ErrorKind::AddrInUse.into()))
}

fn bind_to(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        if is_answered(path)? {
            return Err(ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    // The kernel makes it with all permissions but these: there is no moment at which others could connect.
    let before = umask(Mode::from_raw_mode(!mode & 0o777));
    let bound = UnixListener::bind(path);
    umask(before);
    let listener = match bound {
        // What stands there is no socket, and somebody's.
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, error));
        }
        bound => bound?,
    };
    listener.set_nonblocking(true)?;
    let file = SocketFile {
        identity: identity(path)?,
        path: path.to_owned(),
    };
    Ok((listener, file))
}

/// Does a process listen there? One whose queue is full does.
fn is_answered(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => Ok(!matches!(
            error.kind(),
            ErrorKind::ConnectionRefused | ErrorKind::NotFound
        )),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    let text = format!("cannot listen on {}: {error}", path.display());
    io::Error::new(error.kind(), text)
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
        let (listener, file) = bind(folder.path(), "track-1", 0o640).unwrap();
        assert_eq!(file.path(), path);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(UnixStream::connect(&path).is_ok());
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn one_that_is_answered_stays_and_gets_one_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let bind = || bind(folder.path(), "track-1", 0o700);
        let (_listener, first) = bind().unwrap();
        let (_other, second) = bind().unwrap();
        assert_eq!(second.path(), folder.path().join("track-1-2.sock"));
        assert!(UnixStream::connect(first.path()).is_ok() && UnixStream::connect(second.path()).is_ok());
        let _others: Vec<_> = (3..=NAMES_MAX).map(|_| bind().unwrap()).collect();
        let error = bind().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains("track-1-16.sock"), "{error}");
    }

    #[test]
    fn what_another_put_in_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (_listener, file) = bind(folder.path(), "track-1", 0o700).unwrap();
        let path = file.path().to_owned();
        fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        drop(file);
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn whatever_else_stands_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("track-1.sock");
        fs::write(&path, "mine").unwrap();
        let error = bind(folder.path(), "track-1", 0o700).unwrap_err().to_string();
        assert!(error.contains("track-1.sock"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let error = bind(&folder.path().join("none"), "x", 0o700).unwrap_err();
        assert!(error.to_string().contains("none/x.sock"));
    }
}
