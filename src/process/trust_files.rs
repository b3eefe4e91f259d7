//! The CAs that origins are verified against, the system's and those of a file: at start and, with the others, by SIGHUP.
//! What they must be is `tls`'s business.

use std::time::SystemTime;

use rustls_native_certs::CertificateResult;

use crate::config::TrustSources;
use crate::tls::{Client, ClientParts};

use super::tls_files::file;

/// Reads them. `before` is what is in force, if anything is. What an operator should know is added to `warnings`.
///
/// # Errors
/// The first that is wrong with the file, with its name.
pub(super) fn read(
    sources: &TrustSources,
    before: Option<&Client>,
    warnings: &mut Vec<String>,
) -> Result<Client, String> {
    let mut parts = ClientParts::default();
    if let Some(path) = &sources.file {
        parts.files.push(file(path)?);
    }
    if sources.system {
        let CertificateResult { certs, errors, .. } = rustls_native_certs::load_native_certs();
        // Where some could be read, the others are the system's affair; where none could, this may be why.
        if certs.is_empty() {
            let error = errors.first();
            warnings.extend(error.map(|error| format!("The system's CAs can't be read: {error}")));
        }
        parts.system = certs;
    }
    Client::new(parts, before, SystemTime::now(), warnings)
}
