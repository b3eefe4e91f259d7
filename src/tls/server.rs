//! What the proxy presents itself with to its clients, and by which CAs it knows theirs: from files to a configuration of
//! engines. A reload makes another; connections keep what they began with.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::net::Certified;

use super::anchors;
use super::authorities::{self, Authority};
use super::due::{self, Due};
use super::identity::{self, RoleFrom};
use super::pem::{self, File};
use super::revocation::{self, List};
use super::tickets::Keys;
use super::{verifier, words};

/// The only protocol that is spoken (RFC 7301): a client that offers others alone is told so by an alert.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A client asks once, and comes back with the last ticket that it got.
const TICKETS: usize = 1;

/// What a [`Server`] is made from.
#[derive(Debug)]
pub struct ServerParts {
    /// The certificate, its issuers behind it, and the key where `key` has it not.
    pub bundle: File,
    /// The key.
    pub key: Option<File>,
    /// Who may sign clients' certificates; none: clients are not asked for one.
    pub client_cas: Vec<File>,
    /// What those revoked.
    pub crls: Vec<File>,
    /// What of a certificate names the role.
    pub role_from: RoleFrom,
}

/// The proxy as a TLS server.
pub struct Server {
    config: Arc<ServerConfig>,
    role_from: RoleFrom,
    trust: Trust,
    keys: Keys,
    dues: Vec<Due>,
}

/// By what clients' certificates are judged, as it was read.
struct Trust {
    cas: Vec<CertificateDer<'static>>,
    lists: Arc<Vec<List>>,
}

impl PartialEq for Trust {
    fn eq(&self, other: &Trust) -> bool {
        let lists = self.lists.iter().map(|list| &list.der);
        self.cas == other.cas && lists.eq(other.lists.iter().map(|list| &list.der))
    }
}

impl Server {
    /// Makes one. Where `before` judged clients by other CAs or lists, its tickets are void: who resumes a session is not
    /// judged again. What an operator should know is added to `warnings`.
    ///
    /// # Errors
    /// The first that is wrong with a file, which it names.
    pub fn new(
        parts: &ServerParts,
        before: Option<&Server>,
        now: SystemTime,
        warnings: &mut Vec<String>,
    ) -> Result<Server, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certified = certified_key(parts, &provider)?;
        let end = certificate_end(&parts.bundle.name, &certified, now, warnings)?;
        let cas = authorities::read(&parts.client_cas)?;
        let lists = Arc::new(lists(&parts.crls, &cas, warnings)?);
        let mut dues: Vec<Due> = lists.iter().filter_map(List::due).collect();
        dues.extend(cas.iter().map(Authority::due));
        warnings.extend(due::overdue(&dues, now));
        let verifier = match cas.is_empty() {
            true => WebPkiClientVerifier::no_client_auth(),
            false => {
                let sorted = anchors::sorted(&cas, &lists, warnings);
                verifier::verifier(&sorted, Arc::clone(&lists), &provider)?
            }
        };
        let trust = Trust {
            cas: cas.into_iter().map(|ca| ca.der).collect(),
            lists,
        };
        let keys = match before {
            Some(before) if before.trust == trust => before.keys.clone(),
            _ => Keys::fresh()?,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = keys.until(end);
        config.send_tls13_tickets = TICKETS;
        Ok(Server {
            config: Arc::new(config),
            role_from: parts.role_from,
            trust,
            keys,
            dues,
        })
    }

    /// What engines are made with.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Whom these certificates name, that were verified in this handshake or in that of the session which is resumed, leaf
    /// first; nobody, where there are none.
    ///
    /// # Errors
    /// In words: the certificate's time is over by now.
    pub fn certified(
        &self,
        certificates: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<Option<Arc<Certified>>, String> {
        let leaf = certificates.first();
        let certified = leaf.map(|leaf| identity::certified(leaf, self.role_from, now));
        Ok(certified.transpose()?.map(Arc::new))
    }

    /// A line for each revocation list and client CA that should have been replaced by now.
    pub fn overdue(&self, now: SystemTime) -> impl Iterator<Item = String> + '_ {
        due::overdue(&self.dues, now)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Server");
        shown.field("role_from", &self.role_from).finish_non_exhaustive()
    }
}

/// The certificate with its key, which must fit.
fn certified_key(parts: &ServerParts, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let ServerParts { bundle, key, .. } = parts;
    let chain = pem::certificates(&bundle.bytes).map_err(|why| format!("{}: {why}", bundle.name))?;
    let key_file = key.as_ref().unwrap_or(bundle);
    let refuse = |why: &dyn fmt::Display| format!("{}: {why}", key_file.name);
    let key = pem::key(&key_file.bytes).map_err(|why| refuse(&why))?;
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| refuse(&format_args!("the private key is not usable: {error}")))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(refuse(&format_args!(
            "the private key does not belong to the first certificate of {}",
            bundle.name
        ))),
        Err(error) => Err(format!("{}: {}", bundle.name, words(&error))),
    }
}

/// When the certificate ends, in seconds since 1970. One whose time is over, or still to come, is served nevertheless: who
/// starts a proxy with it wants to be told, not to be without.
fn certificate_end(
    name: &str,
    certified: &CertifiedKey,
    now: SystemTime,
    warnings: &mut Vec<String>,
) -> Result<u64, String> {
    let unreadable = || format!("{name}: the certificate can't be read");
    let leaf = certified.end_entity_cert().map_err(|_| unreadable())?;
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| unreadable())?;
    let validity = leaf.validity();
    if due::time(validity.not_after.timestamp()) < now {
        warnings.push(format!(
            "{name}: the certificate has expired ({}): clients will refuse it",
            validity.not_after
        ));
    }
    if due::time(validity.not_before.timestamp()) > now {
        warnings.push(format!(
            "{name}: the certificate is not valid before {}",
            validity.not_before
        ));
    }
    Ok(u64::try_from(validity.not_after.timestamp()).unwrap_or(0))
}

/// The revocation lists of these files, in the order in which they are asked.
fn lists(files: &[File], cas: &[Authority], warnings: &mut Vec<String>) -> Result<Vec<List>, String> {
    let mut lists = Vec::new();
    for File { name, bytes } in files {
        for der in pem::revocation_lists(bytes).map_err(|why| format!("{name}: {why}"))? {
            lists.push(revocation::checked(der, name, cas, warnings)?);
        }
    }
    revocation::sort(&mut lists, warnings);
    warnings.extend(revocation::uncovered(&lists, cas));
    Ok(lists)
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
