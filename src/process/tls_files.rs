//! The files that make the proxy a TLS server: at start and, with the others, by SIGHUP. What they must hold is `tls`'s
//! business.

use std::path::Path;
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::clock::Instant;
use crate::config::TlsFiles;
use crate::io::regular_file;
use crate::tls::{self, Leaves, Server, ServerParts};

/// The largest file. Revocation lists get long: about 40 bytes a certificate.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often an operator is told of a revocation list that should have been replaced.
const REMINDER_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells once a day of revocation lists that have expired, which are enforced, but say nothing of what came after them; and of
/// a CA for intercepted tunnels that ends soon.
pub(super) struct Reminder {
    next: Instant,
}

impl Reminder {
    /// For what was said at start; the next time is a day later.
    pub(super) fn new(now: Instant) -> Reminder {
        Reminder {
            next: now + REMINDER_INTERVAL,
        }
    }

    /// When it is to be asked again.
    pub(super) fn deadline(&self) -> Instant {
        self.next
    }

    /// Says what is to be said by now.
    pub(super) fn tell(
        &mut self,
        (server, mitm): (Option<&Server>, Option<&Leaves>),
        now: Instant,
        wall: SystemTime,
    ) -> Vec<String> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + REMINDER_INTERVAL;
        let of_server = server.into_iter().flat_map(|server| server.overdue(wall));
        let of_mitm = mitm.into_iter().flat_map(|leaves| leaves.overdue(wall));
        of_server.chain(of_mitm).collect()
    }
}

/// Reads them. `before` is what is in force, if anything is. What an operator should know is added to `warnings`.
///
/// # Errors
/// The first that is wrong, with the file's name.
pub(super) fn read(
    files: &TlsFiles,
    before: Option<&Server>,
    warnings: &mut Vec<String>,
) -> Result<Server, String> {
    let all =
        |paths: &[std::path::PathBuf]| paths.iter().map(|path| file(path)).collect::<Result<Vec<_>, _>>();
    let parts = ServerParts {
        bundle: file(&files.bundle)?,
        key: files.key.as_deref().map(file).transpose()?,
        client_cas: all(&files.client_cas)?,
        crls: all(&files.crls)?,
        role_from: files.role_from,
    };
    Server::new(&parts, before, SystemTime::now(), warnings)
}

/// A file, whole.
///
/// # Errors
/// With its name.
pub(super) fn file(path: &Path) -> Result<tls::File, String> {
    let name = path.display().to_string();
    let refuse = |why: &dyn std::fmt::Display| format!("{name}: {why}");
    let mut bytes = Zeroizing::new(Vec::new());
    regular_file::open(path)
        // One more than is accepted, to tell a longer file apart.
        .and_then(|(file, _)| regular_file::read_into(file, FILE_BYTES_MAX + 1, &mut bytes))
        .map_err(|error| refuse(&error))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(refuse(&format_args!(
            "it is larger than {} MiB",
            FILE_BYTES_MAX >> 20
        )));
    }
    Ok(tls::File { name, bytes })
}

#[cfg(test)]
mod tests {
    use crate::tls::RoleFrom;
    use crate::tls::testing::{Ca, Leaf};

    use super::*;

    #[test]
    fn a_file_is_read_into_one_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for length in [0, 100, 5000, 100_001] {
            std::fs::write(&path, vec![7; length]).unwrap();
            let bytes = file(&path).unwrap().bytes;
            assert_eq!((bytes.len(), bytes.capacity()), (length, length + 1));
        }
    }

    #[test]
    fn an_expired_list_is_told_of_once_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let ca = Ca::new("Root");
        let files = TlsFiles {
            bundle: write("bundle", ca.issue(&Leaf::server()).bundle()),
            key: None,
            client_cas: vec![write("ca", ca.pem())],
            crls: vec![write("crl", ca.crl(&[], (2020, 2021)))],
            role_from: RoleFrom::CommonName,
        };
        let mut warnings = Vec::new();
        let server = read(&files, None, &mut warnings).unwrap();
        assert_eq!(warnings.len(), 1);
        let (start, wall) = (Instant::now(), SystemTime::now());
        let mut reminder = Reminder::new(start);
        let mut told = |hours: u64| {
            let now = start + Duration::from_secs(hours * 3600);
            reminder.tell((Some(&server), None), now, wall).len()
        };
        assert_eq!([0, 23, 24, 25, 47, 48, 49].map(&mut told), [0, 0, 1, 0, 0, 1, 0]);
        assert!(read(&files, Some(&server), &mut warnings).is_ok());
        std::fs::write(&files.client_cas[0], "").unwrap();
        let error = read(&files, Some(&server), &mut warnings).unwrap_err();
        assert!(error.contains("ca: there is no certificate in it"), "{error}");
    }
}
