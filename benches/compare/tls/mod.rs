//! TLS to proxies: what a row asks of it, the certificates that both sides need, and the client's end of it (`sealed`).
//! TLS 1.3, TLS_AES_128_GCM_SHA256 and X25519, whoever it is with.

mod sealed;
mod sessions;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

pub(crate) use self::sealed::Sealed;
use self::sessions::{Remembering, Sessions};
use crate::pki::{Ca, Issued, Key, Leaf};

/// Whom a client's certificate names: the role that the password stands for, too.
const ROLE: &str = "authed";

/// How a row speaks TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The proxy's key is RSA-2048, not P-256.
    pub(crate) rsa: bool,
    /// All but the first handshakes resume a session.
    pub(crate) resumed: bool,
    /// Clients have a certificate, and are asked for it.
    pub(crate) certified: bool,
}

/// Certificates for one row.
pub(crate) struct Credentials {
    tls: Tls,
    ca: String,
    server: Issued,
    client: Issued,
}

/// Where they are, for the proxy.
pub(crate) struct Files {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one.
    pub(crate) bundle: PathBuf,
    /// Where clients are to be asked for a certificate: who signed them.
    pub(crate) client_ca: Option<PathBuf>,
}

/// How clients speak TLS to one proxy.
#[derive(Clone)]
pub(crate) struct Terms {
    config: Arc<ClientConfig>,
    sessions: Option<Arc<Sessions>>,
}

impl Credentials {
    /// Fresh ones, signed by one authority.
    pub(crate) fn new(tls: Tls) -> Credentials {
        let ca = Ca::new("compare");
        let server = ca.issue(&Leaf {
            key: if tls.rsa { Key::Rsa } else { Key::P256 },
            ..Leaf::server()
        });
        Credentials {
            tls,
            ca: ca.pem(),
            server,
            client: ca.issue(&Leaf::client(ROLE)),
        }
    }

    /// Writes what the proxy needs.
    pub(crate) fn write(&self, folder: &TempDir) -> Result<Files, String> {
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            let written = std::fs::write(&path, text);
            written.map(|()| path).map_err(|error| format!("{name}: {error}"))
        };
        let client_ca = self.tls.certified.then(|| write("ca.pem", &self.ca));
        Ok(Files {
            chain: write("chain.pem", &self.server.chain)?,
            key: write("key.pem", &self.server.key)?,
            bundle: write("bundle.pem", &self.server.bundle())?,
            client_ca: client_ca.transpose()?,
        })
    }

    /// For clients of a proxy that nobody has spoken to yet.
    pub(crate) fn terms(&self) -> Terms {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        });
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca) {
            roots.add(certificate).expect("a root");
        }
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("it goes with the suite")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Remembering::new(roots, provider)));
        let mut config = if self.tls.certified {
            let key = PrivateKeyDer::from_pem_slice(self.client.key.as_bytes()).expect("a key");
            let chain = certificates(&self.client.chain).collect();
            builder.with_client_auth_cert(chain, key).expect("they fit")
        } else {
            builder.with_no_client_auth()
        };
        let sessions = self.tls.resumed.then(Arc::<Sessions>::default);
        config.resumption = match &sessions {
            Some(sessions) => rustls::client::Resumption::store(Arc::clone(sessions) as _),
            None => rustls::client::Resumption::disabled(),
        };
        Terms {
            config: Arc::new(config),
            sessions,
        }
    }
}

fn certificates(pem: &str) -> impl Iterator<Item = CertificateDer<'static>> + '_ {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(|certificate| certificate.expect("a certificate"))
}
