//! The proxy as a TLS client: whom it believes of the servers that it connects to, from CAs to a configuration of engines. A
//! reload makes another; connections keep what they began with.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, DnsName, ServerName};
use rustls::{ClientConfig, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::net::{Host, Peer, TlsFault, Trust};

use super::failure::Failure;
use super::origins::{Believer, Verifier};
use super::pem::{self, File};
use super::sessions::Sessions;
use super::{due, words};

/// The only protocol that is spoken (RFC 7301).
const HTTP_1_1: &[u8] = b"http/1.1";

/// What a [`Client`] is made from.
#[derive(Debug, Default)]
pub struct ClientParts {
    /// The system's CAs. One that can't be one is passed over, as every program does.
    pub system: Vec<CertificateDer<'static>>,
    /// Files with further ones, each of which must be usable.
    pub files: Vec<File>,
}

/// The proxy as a TLS client.
pub struct Client {
    verified: Arc<ClientConfig>,
    unverified: Arc<ClientConfig>,
    /// Those that are trusted, in order.
    roots: Vec<CertificateDer<'static>>,
}

impl Client {
    /// Makes one, without sessions. What an operator should know is added to `warnings`.
    ///
    /// # Errors
    /// The first that is wrong with a file, which it names.
    pub fn new(parts: ClientParts, now: SystemTime, warnings: &mut Vec<String>) -> Result<Client, String> {
        let (store, roots) = roots(parts, now, warnings)?;
        if roots.is_empty() {
            warnings.push(
                "No CA is trusted for connections to origins: https requests are answered by 502 tls-failed (install \
                 ca-certificates, or set --upstream-ca-file)"
                    .into(),
            );
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(Verifier::new(store, &provider)?);
        let mut verified = config(verifier, &provider)?;
        verified.resumption = Resumption::store(Arc::new(Sessions::default()));
        let believer = Arc::new(Believer {
            provider: Arc::clone(&provider),
        });
        let mut unverified = config(believer, &provider)?;
        unverified.resumption = Resumption::disabled();
        Ok(Client {
            verified: Arc::new(verified),
            unverified: Arc::new(unverified),
            roots,
        })
    }

    /// How many CAs are trusted.
    pub fn roots(&self) -> usize {
        self.roots.len()
    }

    /// Does it trust the same CAs?
    pub fn trusts_as(&self, other: &Client) -> bool {
        self.roots == other.roots
    }

    /// A connection that is to find this peer at the other end.
    ///
    /// # Errors
    /// No certificate can be for its name; or rustls's, where there is no randomness to be had.
    pub fn connection(&self, peer: &Peer) -> Result<UnbufferedClientConnection, Failure> {
        let config = match peer.trust {
            Trust::Verified => &self.verified,
            Trust::Unverified => &self.unverified,
        };
        let name = server_name(&peer.host)?;
        UnbufferedClientConnection::new(Arc::clone(config), name).map_err(|error| Failure::of_server(&error))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("roots", &self.roots.len())
            .finish_non_exhaustive()
    }
}

fn config(
    verifier: Arc<dyn ServerCertVerifier>,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(config)
}

/// Those that are trusted: as rustls has them, and as they were read, each once.
fn roots(
    parts: ClientParts,
    now: SystemTime,
    warnings: &mut Vec<String>,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), String> {
    let mut store = RootCertStore::empty();
    let mut roots = Vec::new();
    for File { name, bytes } in &parts.files {
        for der in pem::certificates(bytes).map_err(|why| format!("{name}: {why}"))? {
            let added = store.add(der.clone());
            added.map_err(|error| format!("{name}: a certificate can't be a CA's: {}", words(&error)))?;
            warnings.extend(expired(&der, name, now));
            roots.push(der);
        }
    }
    for der in parts.system {
        if store.add(der.clone()).is_ok() {
            roots.push(der);
        }
    }
    roots.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    roots.dedup();
    Ok((store, roots))
}

/// A CA whose time is over is trusted all the same, but was likely meant to be replaced.
fn expired(der: &CertificateDer<'_>, file: &str, now: SystemTime) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let is_over = due::time(certificate.validity().not_after.timestamp()) < now;
    is_over.then(|| {
        format!(
            "{file}: the certificate of the CA {:?} has expired",
            subject.to_string()
        )
    })
}

fn server_name(host: &Host) -> Result<ServerName<'static>, Failure> {
    match host {
        Host::Addr(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => DnsName::try_from(name.as_str().to_owned())
            .map(ServerName::DnsName)
            .map_err(|_| {
                Failure::certificate(format!("no certificate can be for the name {}", name.as_str()))
            }),
    }
}

/// Is the leaf of these still valid? A session that is resumed verifies nothing.
///
/// # Errors
/// Its time is over.
pub fn check_time(certificates: &[CertificateDer<'_>], now: SystemTime) -> Result<(), Failure> {
    let Some(leaf) = certificates.first() else {
        return Ok(());
    };
    match X509Certificate::from_der(leaf) {
        Ok((_, leaf)) if due::time(leaf.validity().not_after.timestamp()) >= now => Ok(()),
        _ => Err(Failure {
            fault: TlsFault::Certificate,
            words: "its certificate has expired since its session began".into(),
        }),
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
