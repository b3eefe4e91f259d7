//! What serving takes from files, read and understood, and the policy that it comes to. Binds nothing, and puts nothing in
//! force.

use std::sync::Arc;

use crate::config::{AclSource, Config, UpstreamConfig};
use crate::policy::acl::{self, Acl};
use crate::policy::ranges::Ranges;
use crate::policy::users::Users;
use crate::policy::{Policy, PolicyParts, Sources, Upstreams};
use crate::server::in_force::InForce;
use crate::tls::{Client, Leaves, Server};

use super::start_error::StartError;
use super::watch::Watched;
use super::{files, mitm_files, tls_files, trust_files, users_file};

/// What serving takes from files, all of it read and understood.
pub(super) struct Prepared {
    pub(super) acl: Option<Acl>,
    pub(super) users: Option<Users>,
    pub(super) tls: Option<Arc<Server>>,
    pub(super) trust: Arc<Client>,
    pub(super) mitm: Option<Arc<Leaves>>,
    /// What an operator should know of the files.
    pub(super) warnings: Vec<String>,
}

/// Reads all files that serving takes, those last that others name: `watched` is told of them. Binds nothing.
pub(super) fn prepare(config: &Config, watched: Option<&Watched>) -> Result<Prepared, StartError> {
    let (tls, trust, mut warnings) = read_tls(config)?;
    let (acl, mitm) = read_mitm(config, read_acl(config)?, watched, &mut warnings)?;
    let users = config.users_file.as_deref().map(users_file::at_start).transpose();
    let users = users.map_err(StartError::config)?;
    Ok(Prepared {
        acl,
        users,
        tls,
        trust,
        mitm,
        warnings,
    })
}

/// The policy that serving would have, as far as hosts and addresses are concerned: who may ask is not read.
///
/// # Errors
/// An ACL that can't be served.
pub fn policy_of(config: &Config) -> Result<Policy, StartError> {
    let acl = read_acl(config)?;
    policy(config, acl, None, configured_ports(config)).map(|(policy, _)| policy)
}

/// The ports that it would listen on, where the configuration says which.
pub(super) fn configured_ports(config: &Config) -> Vec<u16> {
    let admin = config.admin.as_ref().map(|admin| admin.port);
    let ports = [Some(config.listen_port), admin].into_iter().flatten();
    ports.filter(|port| *port != 0).collect()
}

/// What is to be said of what comes into force at start.
pub(super) struct Warnings {
    pub(super) of_rules: Vec<String>,
    pub(super) of_files: Vec<String>,
}

/// What was read, in force.
///
/// # Errors
/// As for [`policy`].
pub(super) fn in_force(
    config: &Config,
    prepared: Prepared,
    own_ports: Vec<u16>,
) -> Result<(InForce, Warnings), StartError> {
    let (policy, of_rules) = policy(config, prepared.acl, prepared.users, own_ports)?;
    let in_force = InForce {
        policy: Arc::new(policy),
        tls: prepared.tls,
        trust: prepared.trust,
        mitm: prepared.mitm,
    };
    let warnings = Warnings {
        of_rules,
        of_files: prepared.warnings,
    };
    Ok((in_force, warnings))
}

/// What TLS takes on either side, and what an operator should know of it.
type TlsParts = (Option<Arc<Server>>, Arc<Client>, Vec<String>);

/// What the proxy presents to clients, where those speak TLS, and whom it believes of the servers that it connects to.
fn read_tls(config: &Config) -> Result<TlsParts, StartError> {
    let mut warnings = Vec::new();
    let read = |files| tls_files::read(files, None, &mut warnings).map_err(StartError::config);
    let server = config.tls.as_ref().map(read).transpose()?;
    let client = trust_files::read(&config.trust, None, &mut warnings).map_err(StartError::config)?;
    Ok((server.map(Arc::new), client, warnings))
}

/// The CA of intercepted tunnels, and the ACL with what is added to requests inside of them.
fn read_mitm(
    config: &Config,
    acl: Option<Acl>,
    watched: Option<&Watched>,
    warnings: &mut Vec<String>,
) -> Result<(Option<Acl>, Option<Arc<Leaves>>), StartError> {
    let read = |files| mitm_files::read(files, None, warnings).map_err(StartError::config);
    let mitm = config.mitm.as_ref().map(read).transpose()?;
    let Some(acl) = acl else { return Ok((None, mitm)) };
    if mitm.is_some() && acl.first_intercepted().is_none() {
        warnings.push(
            "--mitm-ca-cert-file has no effect: no service of the egress ACL has mitm_domains".to_owned(),
        );
    }
    let AclSource::File(path) = &config.acl else {
        return Ok((Some(acl), mitm));
    };
    let acl = files::for_serving(acl, path, mitm.is_some(), watched).map_err(StartError::config)?;
    Ok((Some(acl), mitm))
}

/// The ACL in force at start: the file's, the built-in one where there is a password, or none.
fn read_acl(config: &Config) -> Result<Option<Acl>, StartError> {
    let disabled = &config.disable_acl_policy_actions;
    match &config.acl {
        AclSource::File(path) => files::acl_at_start(path, disabled)
            .map(Some)
            .map_err(StartError::config),
        AclSource::BuiltIn => Acl::parse(acl::BUILT_IN, disabled)
            .map(Some)
            .map_err(|error| StartError::config(format_args!("the built-in ACL: {error}"))),
        AclSource::Absent => Ok(None),
    }
}

/// The policy, and a warning for each rule of addresses that can never take effect.
///
/// # Errors
/// An upstream that leads back to the proxy.
pub(super) fn policy(
    config: &Config,
    acl: Option<Acl>,
    users: Option<Users>,
    own_ports: Vec<u16>,
) -> Result<(Policy, Vec<String>), StartError> {
    let (allow, deny) = (config.allow.clone(), config.deny.clone());
    let ranges = Ranges::new(allow, deny, config.unsafe_allow_private_ranges, own_ports)
        .with_nat64(config.nat64_prefixes.clone());
    let shadowed = ranges.shadowed(acl.as_ref().is_some_and(Acl::has_private_exceptions));
    let policy = Policy::new(PolicyParts {
        acl,
        ranges,
        password: config.password.clone(),
        allow_missing_role: config.allow_missing_role,
        network: config.network,
    });
    let policy = policy
        .with_sources(Sources::new(&config.roles_by_source))
        .with_limits(config.limits, config.max_connections_per_client)
        .with_upstreams(upstreams(config));
    files::leads_elsewhere(&policy).map_err(StartError::config)?;
    let policy = match users {
        Some(users) => policy.with_users(users),
        None => policy,
    };
    Ok((policy, shadowed))
}

fn upstreams(config: &Config) -> Upstreams {
    let UpstreamConfig {
        http,
        https,
        no_proxy,
    } = config.upstreams.clone();
    Upstreams::new(http, https, no_proxy)
}
