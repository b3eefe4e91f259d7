//! The files that make the proxy a TLS server: at start and, with the others, by SIGHUP. What they must hold is `tls`'s
//! business.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::config::TlsFiles;
use crate::io::regular_file;
use crate::tls::{self, Server, ServerParts};

/// The largest file. Revocation lists get long: about 40 bytes a certificate.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

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

fn file(path: &Path) -> Result<tls::File, String> {
    let name = path.display().to_string();
    let refuse = |why: &dyn std::fmt::Display| format!("{name}: {why}");
    let bytes = regular_file::open(path).and_then(|(file, _)| bytes(file));
    let bytes = bytes.map_err(|error| refuse(&error))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(refuse(&format_args!(
            "it is larger than {} MiB",
            FILE_BYTES_MAX >> 20
        )));
    }
    Ok(tls::File { name, bytes })
}

fn bytes(file: File) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // One more than is accepted, to tell a longer file apart.
    Ok(Zeroizing::new(regular_file::read(file, FILE_BYTES_MAX + 1)?))
}
