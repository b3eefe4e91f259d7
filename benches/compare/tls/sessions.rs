//! What clients remember of a proxy: its tickets, and the certificate that was verified. Opens no connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue, WebPkiServerVerifier,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, NamedGroup, RootCertStore, SignatureScheme};

/// Kept at most, the last that came.
const TICKETS_MAX: usize = 1024;

/// Tickets, each of which is used once.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<VecDeque<Tls13ClientSessionValue>>);

impl Sessions {
    /// Is there one to resume?
    pub(super) fn has_any(&self) -> bool {
        !self.0.lock().expect("one thread").is_empty()
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.0.lock().expect("one thread");
        tickets.truncate(TICKETS_MAX - 1);
        tickets.push_front(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().expect("one thread").pop_front()
    }
}

/// Verifies a certificate's chain once, and from then on that it is the very same; each handshake's signature each time.
/// The generator must not be slower than what it measures.
#[derive(Debug)]
pub(super) struct Remembering {
    verifier: Arc<WebPkiServerVerifier>,
    verified: Mutex<Option<CertificateDer<'static>>>,
}

impl Remembering {
    pub(super) fn new(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Remembering {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Remembering {
            verifier: verifier.expect("a root is there"),
            verified: Mutex::default(),
        }
    }
}

impl ServerCertVerifier for Remembering {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut verified = self.verified.lock().expect("one thread");
        if verified.as_ref().is_none_or(|before| before != leaf) {
            self.verifier.verify_server_cert(leaf, between, name, ocsp, now)?;
            *verified = Some(leaf.clone().into_owned());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
