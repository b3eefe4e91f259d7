//! What SIGHUP reads again: the ACL and the password file. Both are read before either counts, and neither holds up the
//! loop for another reason than its length. Warns of what opens, and of services that no client can be.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::{AclSource, Config, PasswordFile};
use crate::io::regular_file;
use crate::policy::acl::{self, Acl, Action};
use crate::policy::auth::Password;
use crate::policy::{AUTHED, Policy};

/// Makes the next policy; the error says why the present one stays.
pub(super) type Reload = Box<dyn FnMut(&Policy) -> Result<Policy, String>>;

/// How many services are named in a warning.
const SERVICES_NAMED_MAX: usize = 20;

/// Makes the process's reload: valid files are swapped in together, and what changed is logged.
pub(super) fn reload(config: &Config) -> Reload {
    let acl_path: Option<PathBuf> = match &config.acl {
        AclSource::File(path) => Some(path.clone()),
        AclSource::BuiltIn | AclSource::Absent => None,
    };
    let disabled = config.disable_acl_policy_actions.clone();
    let password_file = config.password_file.clone();
    Box::new(move |present| {
        if acl_path.is_none() && password_file.is_none() {
            return Err(
                "there is no file to read again: neither --egress-acl-file nor PROXY_PASSWORD_FILE is set"
                    .into(),
            );
        }
        let acl = acl_path.as_deref().map(|path| acl_again(path, &disabled));
        let acl = acl.transpose()?;
        let password = password_file.as_ref().map(password_again).transpose()?;
        if let (Some(path), Some(next)) = (&acl_path, &acl) {
            say_difference(path, present, next);
        }
        if let Some(next) = &password {
            let word = if present.has_password(next) {
                "the same"
            } else {
                "another one"
            };
            log::info!("The proxy password was read again from PROXY_PASSWORD_FILE: it is {word}");
        }
        Ok(present.renewed(acl, password))
    })
}

/// Reads an ACL from whatever stands at the path: at start a pipe does no harm.
pub(super) fn acl_at_start(path: &Path, disabled: &[Action]) -> Result<Acl, String> {
    let file = File::open(path).map_err(|error| refusal(path, error))?;
    acl(path, file, 0, disabled)
}

fn acl_again(path: &Path, disabled: &[Action]) -> Result<Acl, String> {
    let (file, metadata) = regular_file::open(path).map_err(|error| refusal(path, error))?;
    acl(path, file, metadata.len(), disabled)
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

fn say_difference(path: &Path, present: &Policy, next: &Acl) {
    let difference = present.acl().map(|old| old.difference(next)).unwrap_or_default();
    log::info!(
        "The egress ACL was reloaded from {}, changes: {}",
        path.display(),
        difference.len()
    );
    for change in &difference.changes {
        let level = if change.opens {
            log::Level::Warn
        } else {
            log::Level::Info
        };
        log::log!(level, "The egress ACL changed: {}", change.text);
    }
    let (untold, opening) = (difference.untold, difference.untold_opening);
    if opening > 0 {
        log::warn!("The egress ACL changed: {untold} more changes, {opening} of them open what was closed");
    } else if untold > 0 {
        log::info!("The egress ACL changed: {untold} more changes");
    }
    warn_of_services_without_clients(next, present.asks_for_password());
}

/// A service that no client can be is most likely misspelled, or waits for another way to tell clients apart.
pub(super) fn warn_of_services_without_clients(acl: &Acl, with_password: bool) {
    let mut services = acl.services();
    services.retain(|name| !(with_password && *name == AUTHED));
    if services.is_empty() {
        return;
    }
    let untold = services.len().saturating_sub(SERVICES_NAMED_MAX);
    services.truncate(SERVICES_NAMED_MAX);
    let more = if untold > 0 {
        format!(" and {untold} more")
    } else {
        String::new()
    };
    let why = if with_password {
        "whoever gives the proxy password is 'authed'"
    } else {
        "without a password nobody has a role"
    };
    log::warn!(
        "No client can be the service '{}'{more} of the egress ACL: {why}",
        services.join("', '")
    );
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
