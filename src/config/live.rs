//! What is configured of changes while the proxy serves: whether they are looked for, and whom they concern. Looks at no
//! file and ends no tunnel: that is `process/watch`, and `session/recheck`.

use super::error::ConfigError;
use super::settings::Settings;
use super::table::operation::{RECHECK_TUNNELS, WATCH};

/// How changes of the files come into force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Live {
    /// The files are read again when they changed, not by SIGHUP alone.
    pub watch: bool,
    /// Open tunnels are judged anew after that.
    pub recheck_tunnels: bool,
}

pub(super) fn live(settings: &Settings) -> Result<Live, ConfigError> {
    Ok(Live {
        watch: settings.value(WATCH)?,
        recheck_tunnels: settings.value(RECHECK_TUNNELS)?,
    })
}
