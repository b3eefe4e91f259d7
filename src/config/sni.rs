//! What is configured of looks into tunnels. Looks into none: that is `session/peek`.

use crate::policy::VerifySni;

use super::error::ConfigError;
use super::settings::Settings;
use super::table::destinations::{ECH, SNI_PORTS, VERIFY_SNI};

/// What of a tunnel's first bytes is looked at.
#[derive(Clone, Debug)]
pub struct SniConfig {
    /// What is done about wrong TLS server names, where a role's rule does not say.
    pub verify: VerifySni,
    /// Ports whose tunnels must begin with TLS.
    pub ports: Box<[u16]>,
    /// A TLS hello that may hide a server name is wrong.
    pub denies_ech: bool,
}

pub(super) fn sni(settings: &Settings) -> Result<SniConfig, ConfigError> {
    Ok(SniConfig {
        verify: settings.value(VERIFY_SNI)?,
        ports: settings.value(SNI_PORTS)?,
        denies_ech: settings.value(ECH)?.is_denied,
    })
}
