//! What intercepting tunnels takes from outside: the CA's files, and the secrets that are added to requests, from the
//! environment and from files; at start and, with the others, by SIGHUP. What they must be is `tls`'s and `policy`'s business.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::config::MitmFiles;
use crate::io::regular_file;
use crate::policy::acl::Acl;
use crate::policy::interception::{Secret, VALUE_BYTES_MAX};
use crate::tls::Leaves;

use super::tls_files::file;
use super::watch::Watched;

/// Reads the CA. `before` is what is in force, if anything is: the same CA keeps its leaves. What an operator should know is
/// added to `warnings`.
///
/// # Errors
/// What is wrong with a file, with its name.
pub(super) fn read(
    files: &MitmFiles,
    before: Option<&Arc<Leaves>>,
    warnings: &mut Vec<String>,
) -> Result<Arc<Leaves>, String> {
    let (certificate, key) = (file(&files.certificate)?, file(&files.key)?);
    let leaves = Leaves::new(certificate, key, SystemTime::now(), warnings)?;
    Ok(match before {
        Some(before) if before.signs_as(&leaves) => Arc::clone(before),
        _ => Arc::new(leaves),
    })
}

/// Is there a CA for what the ACL has intercepted? `acl_name` is how messages call the ACL.
///
/// # Errors
/// There is none.
pub(super) fn check(acl: &Acl, acl_name: &str, has_ca: bool) -> Result<(), String> {
    match acl.first_intercepted().filter(|_| !has_ca) {
        None => Ok(()),
        Some((domain, at)) => Err(format!(
            "{acl_name}: {at}: mitm_domains has '{domain}', and there is no CA to intercept its tunnels with: set \
             --mitm-ca-cert-file and --mitm-ca-key-file, or take it out"
        )),
    }
}

/// Reads a part of a header's value; `watched` is told of a file before it is read.
///
/// # Errors
/// In words, without what is in it.
pub(super) fn secret(secret: Secret<'_>, watched: Option<&Watched>) -> Result<Zeroizing<Vec<u8>>, String> {
    match secret {
        Secret::Variable(name) => match std::env::var_os(OsStr::from_bytes(name.as_bytes())) {
            Some(value) => Ok(Zeroizing::new(std::os::unix::ffi::OsStringExt::into_vec(value))),
            None => Err("this environment variable is not set".into()),
        },
        Secret::File(path) => {
            if let Some(watched) = watched {
                watched.note_reading_of(Path::new(path));
            }
            // A line end may follow, and one more byte tells a longer file apart.
            let bytes_max = VALUE_BYTES_MAX + 3;
            let mut bytes = Zeroizing::new(Vec::new());
            regular_file::open(Path::new(path))
                .and_then(|(file, _)| regular_file::read_into(file, bytes_max, &mut bytes))
                .map_err(|error| error.to_string())?;
            Ok(bytes)
        }
    }
}
