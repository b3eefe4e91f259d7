//! What SIGHUP reads again: the ACL, the password file, the users file, and what TLS takes. All are read before one counts, and none waits
//! for another reason than its length. Warns of what opens, and of services that no client can be. When it is read, and what
//! becomes of it, is `reload`'s business.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::Level;

use crate::config::{AclSource, Config, MitmFiles, PasswordFile, TlsFiles, TrustSources};
use crate::io::{local, regular_file};
use crate::policy::Policy;
use crate::policy::acl::{self, Acl, Action};
use crate::policy::auth::Password;
use crate::server::in_force::InForce;
use crate::stats;
use crate::text::listing;
use crate::tls::{Client, Leaves};

use super::watch::Watched;
use super::{mitm_files, tls_files, trust_files, users_file};

/// How many services are named in a warning.
const SERVICES_NAMED_MAX: usize = 20;

/// What was read, and what is to be said once it is in force.
pub(super) struct Fresh {
    pub(super) in_force: InForce,
    /// How roles are counted by it, if anything is.
    pub(super) layout: Option<stats::Layout>,
    pub(super) lines: Vec<Line>,
}

/// A line for the log.
pub(super) struct Line {
    level: Level,
    text: String,
}

impl Line {
    pub(super) fn new(level: Level, text: String) -> Line {
        Line { level, text }
    }

    /// What it says.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Writes it.
    pub(super) fn log(self) {
        log::log!(self.level, "{}", self.text);
    }
}

/// The files that are read again.
pub(super) struct Files {
    acl: Option<PathBuf>,
    disabled_actions: Vec<Action>,
    password: Option<PasswordFile>,
    tls: Option<TlsFiles>,
    trust: TrustSources,
    mitm: Option<MitmFiles>,
    users: Option<PathBuf>,
    /// Any role may be named by a certificate.
    by_certificate: bool,
    /// Who watches them, if anybody does.
    watched: Option<Arc<Watched>>,
    /// What counts, if anything does.
    stats: Option<stats::Common>,
}

impl Files {
    /// Those that this configuration names.
    pub(super) fn of(config: &Config) -> Files {
        Files {
            acl: match &config.acl {
                AclSource::File(path) => Some(path.clone()),
                AclSource::BuiltIn | AclSource::Absent => None,
            },
            disabled_actions: config.disable_acl_policy_actions.clone(),
            password: config.password_file.clone(),
            tls: config.tls.clone(),
            trust: config.trust.clone(),
            mitm: config.mitm.clone(),
            users: config.users_file.clone(),
            by_certificate: config.has_client_certificates(),
            watched: None,
            stats: None,
        }
    }

    /// The same, with who is told before they are read.
    pub(super) fn watched_by(self, watched: Option<Arc<Watched>>) -> Files {
        Files { watched, ..self }
    }

    /// The same, with what is to count by the ACL that is read.
    pub(super) fn counted_by(self, stats: Option<stats::Common>) -> Files {
        Files { stats, ..self }
    }

    fn acl_again(&self, path: &Path) -> Result<Acl, String> {
        let (file, metadata) = regular_file::open(path).map_err(|error| refusal(path, error))?;
        let acl = acl(path, file, metadata.len(), &self.disabled_actions)?;
        for_serving(acl, path, self.mitm.is_some(), self.watched.as_deref())
    }

    /// Where they are: all that [`Files::read`] opens by name, but for what the system has. Who watches them is told of what the
    /// ACL names itself (`${file:}` of `add_headers`) as that is read.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let tls = self.tls.as_ref().map(|tls| {
            let lists = tls.client_cas.iter().chain(&tls.crls);
            std::iter::once(&tls.bundle).chain(&tls.key).chain(lists)
        });
        let paths = tls.into_iter().flatten().chain(&self.acl).chain(&self.users);
        let mut paths: Vec<PathBuf> = paths.chain(&self.trust.file).cloned().collect();
        paths.extend(self.password.as_ref().map(|file| file.path().to_owned()));
        let authority = self
            .mitm
            .as_ref()
            .map(|mitm| [mitm.certificate.clone(), mitm.key.clone()]);
        paths.extend(authority.into_iter().flatten());
        paths
    }

    /// What the files say now, in place of what is in force of them.
    ///
    /// # Errors
    /// The first that is wrong with one of them.
    pub(super) fn read(&self, present: &InForce) -> Result<Fresh, String> {
        if let Some(watched) = &self.watched {
            watched.note_reading();
        }
        let before = &*present.policy;
        let acl = self.acl.as_deref();
        let acl = acl.map(|path| self.acl_again(path)).transpose()?;
        let password = self.password.as_ref().map(password_again).transpose()?;
        let users = self.users.as_deref().map(users_file::again).transpose()?;
        let mut warnings = Vec::new();
        let tls = self.tls.as_ref();
        let tls = tls
            .map(|files| tls_files::read(files, present.tls.as_deref(), &mut warnings))
            .transpose()?;
        let trust = trust_files::read(&self.trust, Some(&present.trust), &mut warnings)?;
        let mitm = self.mitm.as_ref();
        let mitm = mitm
            .map(|files| mitm_files::read(files, present.mitm.as_ref(), &mut warnings))
            .transpose()?;
        let mut lines: Vec<Line> = Vec::new();
        if let (Some(path), Some(next)) = (&self.acl, &acl) {
            say_difference(path, before, next, &mut lines);
        }
        if let Some(next) = &password {
            lines.push(password_line(before, next));
        }
        if let (Some(path), Some(next)) = (&self.users, &users) {
            let text = users_file::difference(path, before.users(), next);
            lines.push(Line::new(Level::Info, text));
        }
        if tls.is_some() {
            let text = "The TLS certificate, CAs and revocation lists were read again";
            lines.push(Line::new(Level::Info, text.into()));
        }
        lines.push(trust_line(&present.trust, &trust));
        lines.extend(mitm_line(present.mitm.as_ref(), mitm.as_ref()));
        lines.extend(warnings.into_iter().map(|text| Line::new(Level::Warn, text)));
        let mut policy = before.renewed(acl, password);
        if let Some(users) = users {
            policy = policy.with_users(users);
        }
        leads_elsewhere(&policy)?;
        lines.extend(self::warnings(&policy, self.by_certificate));
        let stats = self.stats.as_ref();
        Ok(Fresh {
            layout: stats.map(|stats| stats.lay_out(policy.acl())),
            in_force: InForce {
                policy: Arc::new(policy),
                tls: tls.map(Arc::new),
                trust,
                mitm,
            },
            lines,
        })
    }
}

/// An ACL with all that serving takes for it: what is added to requests inside of intercepted tunnels, and a CA for those.
/// `watched` is told which files that takes.
///
/// # Errors
/// With its path.
pub(super) fn for_serving(
    acl: Acl,
    path: &Path,
    has_ca: bool,
    watched: Option<&Watched>,
) -> Result<Acl, String> {
    mitm_files::check(&acl, &path.display().to_string(), has_ca)?;
    acl.with_secrets(&|secret| mitm_files::secret(secret, watched))
        .map_err(|error| refusal(path, error))
}

/// No upstream may be ourselves. Those with names are looked up when they are asked for, and refused then.
///
/// # Errors
/// One is.
pub(super) fn leads_elsewhere(policy: &Policy) -> Result<(), String> {
    match policy.upstream_to_ourselves(&local::is_local()) {
        None => Ok(()),
        Some(upstream) => Err(format!(
            "the upstream proxy {upstream} is an address of this proxy itself: its requests would come back for ever; \
             name another (--upstream-http-proxy-addr, --upstream-https-proxy-addr, upstream_proxy)"
        )),
    }
}

fn password_line(present: &Policy, next: &Password) -> Line {
    let word = if present.has_password(next) {
        "the same"
    } else {
        "another one"
    };
    let text = format!("The proxy password was read again from PROXY_PASSWORD_FILE: it is {word}");
    Line::new(Level::Info, text)
}

fn mitm_line(present: Option<&Arc<Leaves>>, next: Option<&Arc<Leaves>>) -> Option<Line> {
    let is_same = |next| present.is_some_and(|present| Arc::ptr_eq(present, next));
    let word = match is_same(next?) {
        true => "the same",
        false => "another one: new tunnels get certificates of it",
    };
    let text = format!("The CA of intercepted tunnels was read again: it is {word}");
    Some(Line::new(Level::Info, text))
}

fn trust_line(present: &Arc<Client>, next: &Arc<Client>) -> Line {
    let word = match Arc::ptr_eq(present, next) {
        true => "the same ones",
        false => "other ones: kept connections are closed, and no session is resumed",
    };
    let text = format!("The CAs for origins were read again: {}, {word}", next.roots());
    Line::new(Level::Info, text)
}

/// Reads an ACL from whatever stands at the path: at start a pipe does no harm.
pub(super) fn acl_at_start(path: &Path, disabled: &[Action]) -> Result<Acl, String> {
    let file = File::open(path).map_err(|error| refusal(path, error))?;
    acl(path, file, 0, disabled)
}

fn acl(path: &Path, file: File, length: u64, disabled: &[Action]) -> Result<Acl, String> {
    // One byte more than is accepted: the parser then says that it is too much.
    let bytes_max = acl::LIMITS.bytes_max as u64 + 1;
    // Room for all of it at once: a text that grows is there twice for a moment.
    let room = usize::try_from(length.min(bytes_max)).unwrap_or_default() + 1;
    let mut text = String::with_capacity(room);
    file.take(bytes_max)
        .read_to_string(&mut text)
        .map_err(|error| refusal(path, error))?;
    let acl = Acl::parse(&text, disabled).map_err(|error| refusal(path, error))?;
    Ok(acl.named(&path.display().to_string()))
}

fn refusal(path: &Path, error: impl Display) -> String {
    format!("{}: {error}", path.display())
}

fn password_again(file: &PasswordFile) -> Result<Password, String> {
    let (source, _) = regular_file::open(file.path()).map_err(|error| file.refusal(&error).to_string())?;
    file.password_in(source).map_err(|error| error.to_string())
}

fn say_difference(path: &Path, present: &Policy, next: &Acl, lines: &mut Vec<Line>) {
    let difference = present.acl().map(|old| old.difference(next)).unwrap_or_default();
    let mut say = |level, text| lines.push(Line::new(level, text));
    let (path, count) = (path.display(), difference.len());
    say(
        Level::Info,
        format!("The egress ACL was reloaded from {path}, changes: {count}"),
    );
    for change in &difference.changes {
        let level = if change.opens { Level::Warn } else { Level::Info };
        say(level, format!("The egress ACL changed: {}", change.text));
    }
    let (untold, opening) = (difference.untold, difference.untold_opening);
    if opening > 0 {
        let text =
            format!("The egress ACL changed: {untold} more changes, {opening} of them open what was closed");
        say(Level::Warn, text);
    } else if untold > 0 {
        say(
            Level::Info,
            format!("The egress ACL changed: {untold} more changes"),
        );
    }
}

/// Warnings of what an ACL says in vain.
fn without_effect(policy: &Policy, by_certificate: bool) -> impl Iterator<Item = Line> {
    let services = services_without_clients(policy, by_certificate);
    services.into_iter().chain(exceptions_without_hosts(policy))
}

/// A warning of rules whose private exceptions hold for no host.
fn exceptions_without_hosts(policy: &Policy) -> Option<Line> {
    let rules = policy.acl().map(Acl::with_idle_exceptions).unwrap_or_default();
    if rules.is_empty() {
        return None;
    }
    let rules = listing::first_of(&rules, SERVICES_NAMED_MAX);
    let text = format!(
        "allow_private of {rules} in the egress ACL lets nobody in anywhere: it holds for hosts in allowed_domains alone, \
         and there are none"
    );
    Some(Line::new(Level::Warn, text))
}

/// What an operator is told of a policy each time it comes into force.
pub(super) fn warnings(policy: &Policy, by_certificate: bool) -> Vec<Line> {
    let mut lines: Vec<Line> = without_effect(policy, by_certificate).collect();
    lines.extend(unverified_services(policy));
    lines
}

/// A warning of services that take any origin for the right one.
fn unverified_services(policy: &Policy) -> Option<Line> {
    let services = policy.acl().map(Acl::unverified).unwrap_or_default();
    if services.is_empty() {
        return None;
    }
    let services = listing::first_of(&services, SERVICES_NAMED_MAX);
    let text = format!(
        "insecure_skip_verify is on for {services}: whoever answers an https request of theirs is taken for the origin"
    );
    Some(Line::new(Level::Warn, text))
}

/// A warning of services that no client can be: such a one is most likely misspelled, or waits for another way to tell
/// clients apart. Where certificates name roles, any may be.
fn services_without_clients(policy: &Policy, by_certificate: bool) -> Option<Line> {
    let mut services = policy.acl().map(Acl::services).unwrap_or_default();
    services.retain(|name| !(by_certificate || policy.may_name(name)));
    if services.is_empty() {
        return None;
    }
    let services: Vec<String> = services.iter().map(|name| format!("'{name}'")).collect();
    let services = listing::first_of(&services, SERVICES_NAMED_MAX);
    let why = ways_to_a_role(policy);
    Some(Line::new(
        Level::Warn,
        format!("No client can be the service {services} of the egress ACL: {why}"),
    ))
}

/// Who has a role, where no certificates are verified.
fn ways_to_a_role(policy: &Policy) -> String {
    let ways = [
        (
            policy.asks_for_password(),
            "whoever gives the proxy password is 'authed'",
        ),
        (policy.users().is_some(), "users of --users-file have their names"),
        (
            policy.has_sources(),
            "client addresses have the roles of roles_by_source",
        ),
    ];
    let there = ways.iter().filter(|(is_there, _)| *is_there);
    let ways: Vec<&str> = there.map(|(_, way)| *way).collect();
    match ways.is_empty() {
        true => "without a password nobody has a role".to_owned(),
        false => ways.join(", "),
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
