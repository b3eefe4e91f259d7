//! What the proxy presents itself with to its clients, and by which CAs it knows theirs: from files to a configuration of
//! engines. A reload makes another; connections keep what they began with.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use zeroize::Zeroizing;

use crate::net::Certified;

use super::identity::{self, RoleFrom};
use super::revocation::{self, Checked, Due};
use super::tickets::Keys;
use super::{pem, words};

/// The only protocol that is spoken (RFC 7301): a client that offers others alone is told so by an alert.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A client asks once, and comes back with the last ticket that it got.
const TICKETS: usize = 1;

/// A file's bytes, and how messages call it.
#[derive(Debug)]
pub struct File {
    /// Its path.
    pub name: String,
    /// What is in it; wiped, for it may be a key.
    pub bytes: Zeroizing<Vec<u8>>,
}

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
#[derive(PartialEq, Eq)]
struct Trust {
    cas: Vec<CertificateDer<'static>>,
    crls: Vec<CertificateRevocationListDer<'static>>,
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
        let mut cas = Vec::new();
        for file in &parts.client_cas {
            cas.extend(pem::certificates(&file.bytes).map_err(|why| format!("{}: {why}", file.name))?);
        }
        let lists = lists(&parts.crls, &cas, warnings)?;
        let dues: Vec<Due> = lists.iter().filter_map(Checked::due).collect();
        warnings.extend(revocation::overdue(&dues, now));
        let trust = Trust {
            cas,
            crls: lists.into_iter().map(|list| list.der).collect(),
        };
        let keys = match before {
            Some(before) if before.trust == trust => before.keys.clone(),
            _ => Keys::fresh()?,
        };
        let verifier = verifier(parts, &trust, &provider)?;
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

    /// Are clients asked for a certificate?
    pub fn asks_for_certificates(&self) -> bool {
        !self.trust.cas.is_empty()
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

    /// A line for each revocation list that should have been replaced by now.
    pub fn overdue(&self, now: SystemTime) -> impl Iterator<Item = String> + '_ {
        revocation::overdue(&self.dues, now)
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
    let at = |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    if at(validity.not_after.timestamp()) < now {
        warnings.push(format!(
            "{name}: the certificate has expired ({}): clients will refuse it",
            validity.not_after
        ));
    }
    if at(validity.not_before.timestamp()) > now {
        warnings.push(format!(
            "{name}: the certificate is not valid before {}",
            validity.not_before
        ));
    }
    Ok(u64::try_from(validity.not_after.timestamp()).unwrap_or(0))
}

/// The revocation lists of these files, in the order in which they are asked.
fn lists(
    files: &[File],
    cas: &[CertificateDer<'static>],
    warnings: &mut Vec<String>,
) -> Result<Vec<Checked>, String> {
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

/// Who judges clients' certificates: all of a chain, by the lists that cover it. A certificate that none covers passes, for
/// a CA need not have one; of that there was a warning.
fn verifier(
    parts: &ServerParts,
    trust: &Trust,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    if trust.cas.is_empty() {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    for file in &parts.client_cas {
        for ca in pem::certificates(&file.bytes)? {
            let added = roots.add(ca);
            added.map_err(|error| {
                format!("{}: a certificate can't be a CA's: {}", file.name, words(&error))
            })?;
        }
    }
    let crl_files = parts
        .crls
        .iter()
        .map(|file| file.name.as_str())
        .collect::<Vec<_>>();
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .with_crls(trust.crls.iter().cloned())
        .allow_unauthenticated()
        .allow_unknown_revocation_status()
        .build()
        .map_err(|error| format!("{}: {error}", crl_files.join(", ")))
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
