//! Who judges clients' certificates: webpki by chain, time and purpose, and behind it the revocation lists, in which a
//! certificate is looked up. Certificates of a CA without a list pass, for a CA need not have one; of that there was a warning.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::anchors::Sorted;
use super::authorities::Authority;
use super::revocation::{self, List};
use super::words;

/// A client may send so many certificates. They are kept as long as its connection, and travel in its tickets.
const CHAIN_LENGTH_MAX: usize = 8;

/// And so much of them in all.
const CHAIN_BYTES_MAX: usize = 16 * 1024;

/// More certificates or bytes than are accepted.
#[derive(Debug)]
struct ChainTooLong;

impl fmt::Display for ChainTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the chain of certificates is too long")
    }
}

impl StdError for ChainTooLong {}

struct Verifier {
    inner: Arc<dyn ClientCertVerifier>,
    intermediates: Vec<Intermediate>,
    /// The names of CAs of the files that are revoked.
    revoked: Vec<Vec<u8>>,
    lists: Arc<Vec<List>>,
    /// Clients choose by them what they present: also by those that need not be sent along.
    names: Vec<DistinguishedName>,
}

/// One that clients need not send along.
struct Intermediate {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

/// One that judges by these CAs and lists.
///
/// # Errors
/// In words: one of the CAs is not usable, or none is left of them.
pub(super) fn verifier(
    cas: &Sorted<'_>,
    lists: Arc<Vec<List>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for Authority { der, file, .. } in &cas.anchors {
        let added = roots.add(der.clone());
        added.map_err(|error| format!("{file}: a certificate can't be a CA's: {}", words(&error)))?;
    }
    if let (Some(revoked), true) = (cas.revoked.first(), roots.is_empty()) {
        return Err(format!(
            "{}: every client CA is revoked: nobody could come in with a certificate",
            revoked.file
        ));
    }
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| error.to_string())?;
    let mut names = inner.root_hint_subjects().to_vec();
    names.extend(cas.intermediates.iter().filter_map(|authority| {
        let (_, subject) = Any::from_der(&authority.subject).ok()?;
        Some(DistinguishedName::in_sequence(subject.data))
    }));
    let intermediates = cas.intermediates.iter().map(|authority| Intermediate {
        der: authority.der.clone(),
        subject: authority.subject.clone(),
        issuer: authority.issuer.clone(),
    });
    Ok(Arc::new(Verifier {
        inner,
        intermediates: intermediates.collect(),
        revoked: cas
            .revoked
            .iter()
            .map(|authority| authority.subject.clone())
            .collect(),
        lists,
        names,
    }))
}

impl Verifier {
    /// The CAs of the files that may lie between these certificates and an anchor.
    fn between(&self, presented: &[Presented<'_>]) -> Vec<&Intermediate> {
        let mut found: Vec<&Intermediate> = Vec::new();
        let mut fresh = self.of_names(|name| {
            presented
                .iter()
                .any(|one| one.certificate.issuer().as_raw() == name)
        });
        while !fresh.is_empty() {
            found.append(&mut fresh);
            fresh = self.of_names(|name| found.iter().any(|one| one.issuer == name));
            fresh.retain(|one| !found.iter().any(|known| std::ptr::eq(*known, *one)));
        }
        found
    }

    fn of_names(&self, is_wanted: impl Fn(&[u8]) -> bool) -> Vec<&Intermediate> {
        self.intermediates
            .iter()
            .filter(|one| is_wanted(&one.subject))
            .collect()
    }

    /// Is one of them in a list, or signed by a CA that is?
    fn is_revoked(&self, presented: &[Presented<'_>]) -> bool {
        presented.iter().any(|one| {
            let issuer = one.certificate.issuer().as_raw();
            let issuers = presented
                .iter()
                .filter(|other| other.certificate.subject().as_raw() == issuer);
            let keys: Vec<&[u8]> = issuers
                .map(|issuer| issuer.certificate.public_key().raw)
                .collect();
            // Without its issuer's key, a list of somebody unknown can't be believed; the empty key fits none.
            let keys = if keys.is_empty() { vec![&[][..]] } else { keys };
            revocation::is_revoked(&self.lists, &one.certificate, one.der, &keys)
        })
    }

    /// Is one of them signed by a CA of the files that is revoked, and so was not found?
    fn lacks_revoked(&self, presented: &[Presented<'_>]) -> bool {
        let is_revoked = |name: &[u8]| self.revoked.iter().any(|revoked| revoked == name);
        presented
            .iter()
            .any(|one| is_revoked(one.certificate.issuer().as_raw()))
    }
}

/// A certificate that a client sent.
struct Presented<'d> {
    der: &'d [u8],
    certificate: X509Certificate<'d>,
}

fn presented<'d>(chain: impl Iterator<Item = &'d CertificateDer<'d>>) -> Result<Vec<Presented<'d>>, Error> {
    let chain = chain.map(|der| {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
        Ok(Presented { der, certificate })
    });
    chain.collect()
}

impl ClientCertVerifier for Verifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let bytes = end_entity.len() + intermediates.iter().map(|one| one.len()).sum::<usize>();
        if intermediates.len() >= CHAIN_LENGTH_MAX || bytes > CHAIN_BYTES_MAX {
            return Err(CertificateError::Other(OtherError(Arc::new(ChainTooLong))).into());
        }
        let chain = presented(std::iter::once(end_entity).chain(intermediates))?;
        let between = self.between(&chain);
        let verified = match between.is_empty() {
            true => self.inner.verify_client_cert(end_entity, intermediates, now),
            false => {
                let own = between.iter().map(|one| one.der.clone());
                let all: Vec<_> = intermediates.iter().cloned().chain(own).collect();
                self.inner.verify_client_cert(end_entity, &all, now)
            }
        };
        match verified {
            Ok(_) if self.is_revoked(&chain) => Err(CertificateError::Revoked.into()),
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) if self.lacks_revoked(&chain) => {
                Err(CertificateError::Revoked.into())
            }
            verified => verified,
        }
    }

    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::crypto::aws_lc_rs;

    use crate::tls::pem::{self, File};
    use crate::tls::testing::{Ca, Leaf};
    use crate::tls::{anchors, authorities};

    use super::*;

    /// Whatever webpki would make of it: who names the client later reads no more than what is read here.
    #[test]
    fn what_can_not_be_read_is_refused_before_it_is_judged() {
        let ca = Ca::new("Root");
        let file = File {
            name: "ca".to_owned(),
            bytes: ca.pem().into_bytes().into(),
        };
        let authorities = authorities::read(&[file]).unwrap();
        let sorted = anchors::sorted(&authorities, &[], &mut Vec::new());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = verifier(&sorted, Arc::default(), &provider).unwrap();
        let leaf = pem::certificates(ca.issue(&Leaf::client("c")).chain.as_bytes()).unwrap();
        let odd = CertificateDer::from(&[0x30, 3, 2, 1, 0][..]);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let judged = |leaf, between: &[_]| verifier.verify_client_cert(leaf, between, now).err();
        let unreadable = Some(Error::InvalidCertificate(CertificateError::BadEncoding));
        assert_eq!(judged(&leaf[0], &[]), None);
        assert_eq!(judged(&odd, &[]), unreadable);
        assert_eq!(judged(&leaf[0], std::slice::from_ref(&odd)), unreadable);
    }
}
