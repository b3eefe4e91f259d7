//! What makes the proxy a TLS server to its clients, as the options have it. Reads no file.

use std::path::PathBuf;

use crate::tls::RoleFrom;

use super::error::ConfigError;
use super::settings::Settings;
use super::table::clients::{
    TLS_CLIENT_CA_FILE, TLS_CRL_FILE, TLS_KEY_FILE, TLS_ROLE_FROM, TLS_SERVER_BUNDLE_FILE,
};

/// The files of a TLS server.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate, its issuers, and the key where `key` is not given.
    pub bundle: PathBuf,
    /// The key.
    pub key: Option<PathBuf>,
    /// CAs that clients' certificates are verified against.
    pub client_cas: Vec<PathBuf>,
    /// What those revoked.
    pub crls: Vec<PathBuf>,
    /// What of a certificate names the role.
    pub role_from: RoleFrom,
}

pub(super) fn tls(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    let Some(bundle) = settings.optional(TLS_SERVER_BUNDLE_FILE)? else {
        return Ok(None);
    };
    Ok(Some(TlsFiles {
        bundle,
        key: settings.optional(TLS_KEY_FILE)?,
        client_cas: settings.list(TLS_CLIENT_CA_FILE)?,
        crls: settings.list(TLS_CRL_FILE)?,
        role_from: settings.optional(TLS_ROLE_FROM)?.unwrap_or_default(),
    }))
}
