//! Who judges the certificates of servers that we connect to: webpki by chain, time, purpose and name. Asks nobody whether
//! one was revoked.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

/// A server may send so many certificates. They are kept as long as its connection, and with its sessions.
const CHAIN_LENGTH_MAX: usize = 12;

/// And so much of them in all.
const CHAIN_BYTES_MAX: usize = 24 * 1024;

/// What webpki has no name for.
#[derive(Clone, Copy, Debug)]
enum Unfit {
    /// More certificates or bytes than are accepted.
    ChainTooLong,
    /// There is no CA to believe.
    NoRoots,
}

impl Unfit {
    fn error(self) -> Error {
        CertificateError::Other(OtherError(Arc::new(self))).into()
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::ChainTooLong => "comes with too many others: a chain has at most 12 certificates and 24 KiB",
            Unfit::NoRoots => {
                "can't be verified, for no CA is trusted here: install ca-certificates, or name one by --upstream-ca-file"
            }
        })
    }
}

impl StdError for Unfit {}

/// What is said of such a fault.
pub(super) fn words(error: &OtherError) -> Option<String> {
    error.0.downcast_ref::<Unfit>().map(Unfit::to_string)
}

/// Judges by these roots.
pub(super) struct Verifier {
    /// None where there is no root.
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// One that believes whom these vouch for.
    ///
    /// # Errors
    /// In words: rustls makes nothing of them.
    pub(super) fn new(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Verifier, String> {
        let inner = match roots.is_empty() {
            true => None,
            false => {
                let builder =
                    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
                Some(builder.build().map_err(|error| error.to_string())?)
            }
        };
        Ok(Verifier {
            inner,
            provider: Arc::clone(provider),
        })
    }

    fn inner(&self) -> Result<&WebPkiServerVerifier, Error> {
        self.inner.as_deref().ok_or_else(|| Unfit::NoRoots.error())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let bytes = end_entity.len() + intermediates.iter().map(|one| one.len()).sum::<usize>();
        if intermediates.len() >= CHAIN_LENGTH_MAX || bytes > CHAIN_BYTES_MAX {
            return Err(Unfit::ChainTooLong.error());
        }
        self.inner()?
            .verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner()?
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner()?
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// Believes anybody (`insecure_skip_verify`). A signature proves nothing where it does not matter whose key it is.
pub(super) struct Believer {
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // They are kept, whether anybody believes them or not.
        let bytes = end_entity.len() + intermediates.iter().map(|one| one.len()).sum::<usize>();
        match bytes > CHAIN_BYTES_MAX {
            true => Err(Unfit::ChainTooLong.error()),
            false => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl fmt::Debug for Believer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Believer").finish_non_exhaustive()
    }
}
