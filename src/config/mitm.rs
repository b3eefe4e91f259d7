//! The CA of intercepted tunnels, as the options have it. Reads no file.

use std::path::PathBuf;

use super::error::ConfigError;
use super::settings::Settings;
use super::table::destinations::{MITM_CA_CERT_FILE, MITM_CA_KEY_FILE};

/// Where the CA is that signs for the hosts of intercepted tunnels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MitmFiles {
    /// Its certificate, and its issuers' behind it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Both or neither, as was checked before.
pub(super) fn mitm_files(settings: &Settings) -> Result<Option<MitmFiles>, ConfigError> {
    let certificate = settings.optional(MITM_CA_CERT_FILE)?;
    let both = certificate.zip(settings.optional(MITM_CA_KEY_FILE)?);
    Ok(both.map(|(certificate, key)| MitmFiles { certificate, key }))
}
