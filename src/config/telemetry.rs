//! Where it can be asked how the proxy is: the port and the socket, as options name them. What they answer is decided
//! elsewhere.

use std::path::PathBuf;

use super::error::ConfigError;
use super::settings::Settings;
use super::table::operation::{
    ADMIN_STATUS, EXPOSE_PROMETHEUS_METRICS, PROMETHEUS_ENDPOINT, PROMETHEUS_LISTEN_IP, PROMETHEUS_PORT,
    STATS_SOCKET_DIR, STATS_SOCKET_FILE_MODE,
};

/// The port where it can be asked how the proxy is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminConfig {
    /// Address (without brackets) or host name to listen on.
    pub ip: String,
    /// Port to listen on; 0 is any free one.
    pub port: u16,
    /// The metrics' path.
    pub metrics_path: String,
    /// The pages for people are not for clients on loopback alone.
    pub is_open: bool,
}

/// The socket that answers with statistics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatsSocket {
    /// The directory that it is made in.
    pub folder: PathBuf,
    /// Its permissions.
    pub mode: u32,
}

pub(super) fn admin(settings: &Settings) -> Result<Option<AdminConfig>, ConfigError> {
    let is_there = settings.value(EXPOSE_PROMETHEUS_METRICS)?;
    let admin = AdminConfig {
        ip: settings.value(PROMETHEUS_LISTEN_IP)?,
        port: settings.value(PROMETHEUS_PORT)?,
        metrics_path: settings.value(PROMETHEUS_ENDPOINT)?,
        is_open: settings.value(ADMIN_STATUS)?,
    };
    Ok(is_there.then_some(admin))
}

pub(super) fn stats_socket(settings: &Settings) -> Result<Option<StatsSocket>, ConfigError> {
    let mode = settings.value(STATS_SOCKET_FILE_MODE)?;
    let folder = settings.optional(STATS_SOCKET_DIR)?;
    Ok(folder.map(|folder| StatsSocket { folder, mode }))
}
