//! Whom the proxy believes of the servers that it connects to, as the options have it. Reads no file.

use std::path::PathBuf;

use super::error::ConfigError;
use super::settings::Settings;
use super::table::destinations::{UPSTREAM_CA_FILE, UPSTREAM_SYSTEM_ROOTS};

/// Where the CAs are that origins and upstream proxies are verified against.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustSources {
    /// A file with some.
    pub file: Option<PathBuf>,
    /// The system's count beside those.
    pub system: bool,
}

pub(super) fn trust_sources(settings: &Settings) -> Result<TrustSources, ConfigError> {
    Ok(TrustSources {
        file: settings.optional(UPSTREAM_CA_FILE)?,
        system: settings.value(UPSTREAM_SYSTEM_ROOTS)?,
    })
}
