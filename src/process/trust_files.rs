//! The CAs that origins are verified against, the system's and those of a file: at start and, with the others, by SIGHUP.
//! What they must be is `tls`'s business.

use std::sync::Arc;
use std::time::SystemTime;

use rustls_native_certs::CertificateResult;

use crate::config::TrustSources;
use crate::tls::{Client, ClientParts};

use super::tls_files::file;

/// Reads them. `before` is what is in force, if anything is: where the same are trusted it stays, and its sessions go on. Else
/// they are void, for who resumes one is not judged again. What an operator should know is added to `warnings`.
///
/// # Errors
/// The first that is wrong with the file, with its name.
pub(super) fn read(
    sources: &TrustSources,
    before: Option<&Arc<Client>>,
    warnings: &mut Vec<String>,
) -> Result<Arc<Client>, String> {
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
    let client = Client::new(parts, SystemTime::now(), warnings)?;
    Ok(match before {
        Some(before) if before.trusts_as(&client) => Arc::clone(before),
        _ => Arc::new(client),
    })
}

#[cfg(test)]
mod tests {
    use crate::tls::testing::Ca;

    use super::*;

    #[test]
    fn the_same_cas_keep_what_was_learnt_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cas");
        let sources = TrustSources {
            system: false,
            file: Some(path.clone()),
        };
        let read = |text: String, before: Option<&Arc<Client>>| {
            std::fs::write(&path, text).unwrap();
            super::read(&sources, before, &mut Vec::new()).unwrap()
        };
        let (one, other) = (Ca::new("One").pem(), Ca::new("Other").pem());
        let before = read(one.clone(), None);
        assert!(Arc::ptr_eq(&before, &read(one.clone(), Some(&before))));
        assert!(!Arc::ptr_eq(&before, &read(one + &other, Some(&before))));
    }
}
