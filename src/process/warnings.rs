//! What an operator is warned of at start, as texts: `start` writes them into the log, `check-config` prints them. What a
//! file says in vain is `files`' and `tls_files`' to tell; nothing is read or decided here.

use std::time::Duration;

use log::Level;

use crate::config::Config;
use crate::config::options::TRANSPORT_MAX_IDLE_CONNS;
use crate::policy::Policy;

use super::descriptors::Descriptors;
use super::files::{self, Line};

/// Of limits that this machine does not bear out.
pub(super) fn of_limits(config: &Config, descriptors: Descriptors) -> Vec<String> {
    let (mut texts, limit) = (Vec::new(), descriptors.limit());
    let (configured, derived) = (config.max_connections, descriptors.connections());
    if configured > derived {
        texts.push(format!(
            "--max-connections is {configured}, but {limit} descriptors are enough for {derived}: dials fail when they are \
             used up"
        ));
    }
    let (configured, room) = (config.transport_max_idle_conns, descriptors.wires());
    // Only who asked for more than there is at all is told.
    let is_default = TRANSPORT_MAX_IDLE_CONNS.row().default == configured.to_string();
    if configured > room && !is_default {
        texts.push(format!(
            "{room} idle upstream connections are kept at most, not {configured}: the limit is {limit} descriptors"
        ));
    }
    let options = [
        ("--transport-max-idle-conns", config.transport_max_idle_conns),
        (
            "--transport-max-idle-conns-per-host",
            config.transport_max_idle_conns_per_host,
        ),
    ];
    texts.extend(
        options
            .map(|(name, kept)| without_a_share(name, kept, config.workers))
            .into_iter()
            .flatten(),
    );
    texts
}

/// Of what loops share out, so that some of them have nothing of it. Whoever sets none at all means it.
fn without_a_share(option: &str, kept: usize, loops: usize) -> Option<String> {
    let without = loops.saturating_sub(kept);
    (kept > 0 && without > 0).then(|| {
        format!(
            "{option} is {kept}, which the {loops} loops of --workers share out: {without} of them keep no idle upstream \
             connection"
        )
    })
}

/// Of what the configuration leaves open, or says in vain.
pub(super) fn of_start(config: &Config, policy: &Policy) -> Vec<Line> {
    let warn = |text: &str| Line::new(Level::Warn, text.to_owned());
    let mut lines = Vec::new();
    match policy.acl() {
        None => lines.push(warn(
            "No egress ACL is configured: every host is allowed, only addresses are judged",
        )),
        Some(acl) if !acl.has_default_rule() => lines.push(warn(
            "The egress ACL has no default rule: a role that no service is named after is denied everything",
        )),
        Some(_) => {}
    }
    lines.extend(files::warnings(policy, config.has_client_certificates()));
    if ways(config).is_empty() {
        lines.push(warn(
            "Clients are not identified (--allow-missing-role): whoever reaches the port may use it",
        ));
    }
    if config.proxy_protocol && config.proxy_protocol_from.is_empty() {
        lines.push(warn(
            "--proxy-protocol is on without --proxy-protocol-from: whoever reaches the port may claim any address as its own",
        ));
    }
    lines.extend(config.idle_options.iter().map(|sentence| warn(sentence)));
    if config.exit_timeout < Duration::from_secs(1) {
        lines.push(warn(
            "--exit-timeout is below one second: tunnels are cut almost at once on shutdown",
        ));
    }
    lines
}

/// The ways by which clients are told apart.
pub(super) fn ways(config: &Config) -> Vec<&'static str> {
    let ways = [
        (config.has_client_certificates(), "certificate"),
        (config.users_file.is_some(), "users file"),
        (!config.roles_by_source.is_empty(), "source address"),
        (config.password.is_some(), "password"),
    ];
    ways.iter()
        .filter(|(is_there, _)| *is_there)
        .map(|(_, way)| *way)
        .collect()
}
