//! What is configured of the operator's own upstream proxies. Which requests go through them is `policy/routing`'s to say.

use crate::net::{NoProxy, ProxyUrl};

use super::environment::{self, Environment};
use super::error::ConfigError;
use super::settings::Settings;
use super::table::destinations::{UPSTREAM_HTTP_PROXY_ADDR, UPSTREAM_HTTPS_PROXY_ADDR};

/// What requests go through before they come to their target.
#[derive(Clone, Default, Debug)]
pub struct UpstreamConfig {
    /// The proxy for `http` URIs.
    pub http: Option<ProxyUrl>,
    /// The proxy for tunnels.
    pub https: Option<ProxyUrl>,
    /// Targets that neither is asked for, from `NO_PROXY`.
    pub no_proxy: NoProxy,
}

pub(super) fn upstreams(
    settings: &Settings,
    environment: &Environment,
) -> Result<UpstreamConfig, ConfigError> {
    Ok(UpstreamConfig {
        http: settings.optional(UPSTREAM_HTTP_PROXY_ADDR)?,
        https: settings.optional(UPSTREAM_HTTPS_PROXY_ADDR)?,
        no_proxy: environment::no_proxy(environment),
    })
}
