//! The CA of intercepted tunnels, from its files, and the certificates that it signs for their hosts: a leaf for one name or
//! address, for a day. `rcgen` writes them; the issuer's name is put in as the CA's certificate has it, byte for byte, for
//! clients compare it so (RFC 5280, 6.1.3). Which leaves there are is `leaves`'s business.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use crate::net::Host;

use super::due::{self, Due};
use super::pem::{self, File};
use super::signature::{Signed, signed};

/// How long a leaf is good for,
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// and since when, for clocks that are slow.
const SKEW: Duration = Duration::from_secs(60 * 60);

/// A leaf is used for so long: a clock that is fast by as much as is left finds it valid still.
const USED_FOR: Duration = Duration::from_secs(12 * 60 * 60);

/// An operator is told so long before the CA's end.
const CA_NOTICE_SECONDS: i64 = 30 * 24 * 60 * 60;

/// What is sent beside a leaf, and kept with each.
const CHAIN_LENGTH_MAX: usize = 4;
const CHAIN_BYTES_MAX: usize = 8 * 1024;

/// The only protocol that is spoken (RFC 7301): a client that offers others alone is told so by an alert.
const HTTP_1_1: &[u8] = b"http/1.1";

/// What a client is presented inside of a tunnel.
pub struct Leaf {
    config: Arc<ServerConfig>,
    renewed_at: SystemTime,
}

impl Leaf {
    /// What engines are made with.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Is another one to be made by then?
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.renewed_at <= now
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("renewed_at", &self.renewed_at)
            .finish_non_exhaustive()
    }
}

/// Signs leaves.
pub(super) struct Authority {
    issuer: Issuer<'static, Later>,
    /// Its name, in DER.
    subject: Vec<u8>,
    /// Its certificate, and those of its issuers but a root's.
    chain: Vec<CertificateDer<'static>>,
    not_before: SystemTime,
    not_after: SystemTime,
    /// That it ends soon.
    due: Due,
    has_key_id: bool,
    /// The key of all leaves. One for all, and made anew with each CA that is read: whoever could read it from this memory
    /// could read the next one there too, and the CA's.
    leaf_key: KeyPair,
    leaf_signer: Arc<dyn rustls::sign::SigningKey>,
    provider: Arc<CryptoProvider>,
    /// What all leaves have in common.
    config: ServerConfig,
}

impl Authority {
    /// From its certificate, with those of its issuers behind it, and its key. What an operator should know is added to
    /// `warnings`.
    ///
    /// # Errors
    /// What is wrong with a file, which is named.
    pub(super) fn new(
        certificate: &File,
        key: &File,
        now: SystemTime,
        warnings: &mut Vec<String>,
    ) -> Result<Authority, String> {
        let name = &certificate.name;
        let refuse = |why: &dyn fmt::Display| format!("{name}: {why}");
        let chain = pem::certificates(&certificate.bytes).map_err(|why| refuse(&why))?;
        let own = chain.first().map_or(&[][..], |own| own.as_ref());
        let (_, parsed) =
            X509Certificate::from_der(own).map_err(|_| refuse(&"the first certificate can't be read"))?;
        check(&parsed, now).map_err(|why| refuse(&why))?;
        let due = ends(&parsed, name);
        warnings.extend(begins(&parsed, now).map(|why| refuse(&why)));
        warnings.extend(is_little_known(&parsed).map(|why| refuse(&why)));
        warnings.extend(due::overdue(std::slice::from_ref(&due), now));
        let pair = key_pair(key)?;
        if pair.der_bytes() != &*parsed.public_key().subject_public_key.data {
            let message = format!("the private key does not belong to the first certificate of {name}");
            return Err(format!("{}: {message}", key.name));
        }
        let key_id = key_id(&parsed);
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.key_identifier_method = KeyIdMethod::PreSpecified(key_id.clone().unwrap_or_default());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let leaf_key =
            KeyPair::generate().map_err(|error| format!("no key for leaves can be made: {error}"))?;
        let der = PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into());
        let leaf_signer = provider.key_provider.load_private_key(der);
        let authority = Authority {
            issuer: Issuer::new(params, Later(pair)),
            subject: parsed.subject().as_raw().to_vec(),
            not_before: due::time(parsed.validity().not_before.timestamp()),
            not_after: due::time(parsed.validity().not_after.timestamp()),
            due,
            has_key_id: key_id.is_some(),
            leaf_signer: leaf_signer.map_err(|error| error.to_string())?,
            leaf_key,
            config: config(&provider)?,
            provider,
            chain: to_be_sent(&chain).map_err(|why| refuse(&why))?,
        };
        authority.try_out(&parsed, now).map_err(|why| refuse(&why))?;
        Ok(authority)
    }

    /// A line from a month before its end on.
    pub(super) fn overdue(&self, now: SystemTime) -> impl Iterator<Item = String> + '_ {
        due::overdue(std::slice::from_ref(&self.due), now)
    }

    /// A leaf for this host.
    ///
    /// # Errors
    /// In words: the CA's time is over, or there is no randomness to be had.
    pub(super) fn mint(&self, host: &Host, now: SystemTime) -> Result<Leaf, String> {
        if self.not_after <= now {
            return Err("the CA (--mitm-ca-cert-file) has expired".into());
        }
        let leaf = self.certificate(host, now)?;
        let mut chain = vec![leaf];
        chain.extend(self.chain.iter().cloned());
        let certified = CertifiedKey::new(chain, Arc::clone(&self.leaf_signer));
        let mut config = self.config.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        Ok(Leaf {
            config: Arc::new(config),
            renewed_at: self.not_after.min(now + USED_FOR),
        })
    }

    fn certificate(&self, host: &Host, now: SystemTime) -> Result<CertificateDer<'static>, String> {
        let words = |error: rcgen::Error| format!("no certificate for {host} can be made: {error}");
        let mut params = CertificateParams::default();
        // Names of a subject count for nothing (RFC 9525, 2).
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![match host {
            Host::Name(name) => SanType::DnsName(name.as_str().try_into().map_err(words)?),
            Host::Addr(address) => SanType::IpAddress(*address),
        }];
        params.serial_number = Some(self.serial()?);
        params.not_before = self.not_before.max(now - SKEW).into();
        params.not_after = self.not_after.min(now + LIFETIME).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = self.has_key_id;
        let certificate = params.signed_by(&self.leaf_key, &self.issuer).map_err(words)?;
        with_issuer(certificate.der(), &self.subject, &self.issuer.key().0)
            .ok_or_else(|| format!("no certificate for {host} can be made: it can't be signed"))
    }

    /// Of 127 bits that nobody can guess (RFC 5280, 4.1.2.2).
    fn serial(&self) -> Result<SerialNumber, String> {
        let mut serial = [0; 16];
        let filled = self.provider.secure_random.fill(&mut serial);
        filled.map_err(|_| "there is no randomness to be had".to_owned())?;
        if let Some(first) = serial.first_mut() {
            // Positive, and as long as it is.
            *first = *first & 0x7f | 0x40;
        }
        Ok(SerialNumber::from_slice(&serial))
    }

    /// Makes one, for nobody: a CA that signs what clients would not believe is to be told of before one comes.
    fn try_out(&self, own: &X509Certificate<'_>, now: SystemTime) -> Result<(), String> {
        let host = Host::Addr([192, 0, 2, 1].into());
        let leaf = self.certificate(&host, now)?;
        let issued = X509Certificate::from_der(&leaf);
        let is_issuer = issued.is_ok_and(|(_, leaf)| leaf.issuer().as_raw() == own.subject().as_raw());
        match is_issuer && signed(&leaf, own.public_key().raw) == Signed::Yes {
            true => Ok(()),
            false => Err(
                "what this CA signs can't be verified: use a key of RSA (2048 bits or more) or ECDSA".into(),
            ),
        }
    }
}

/// The CA's key, which signs when all that is signed is there: not what `rcgen` writes, whose issuer is another.
struct Later(KeyPair);

impl PublicKeyData for Later {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Later {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// Can it sign?
fn check(own: &X509Certificate<'_>, now: SystemTime) -> Result<(), String> {
    let words = own.subject().to_string();
    if own.version() != X509Version::V3 || !own.is_ca() {
        return Err(format!(
            "the certificate of {words:?} is not a CA's (basicConstraints lacks CA:TRUE): make one with `openssl req -x509`"
        ));
    }
    let usage = own.key_usage().ok().flatten();
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(format!(
            "the certificate of {words:?} may sign no certificates (keyUsage lacks keyCertSign)"
        ));
    }
    let not_after = own.validity().not_after;
    if due::time(not_after.timestamp()) <= now {
        return Err(format!(
            "the CA {words:?} has expired ({not_after}): make another one"
        ));
    }
    Ok(())
}

/// What is said of a CA whose time has not come.
fn begins(own: &X509Certificate<'_>, now: SystemTime) -> Option<String> {
    let (words, not_before) = (own.subject().to_string(), own.validity().not_before);
    let is_early = due::time(not_before.timestamp()) > now;
    is_early.then(|| format!("the CA {words:?} is not valid before {not_before}"))
}

/// What is said of a CA whose signatures many clients can't verify.
fn is_little_known(own: &X509Certificate<'_>) -> Option<String> {
    let is_ed25519 = own.public_key().algorithm.algorithm == OID_SIG_ED25519;
    is_ed25519.then(|| {
        format!(
            "the CA {:?} has an Ed25519 key, which browsers and many other clients can't verify: make one with an ECDSA key",
            own.subject().to_string()
        )
    })
}

/// When it ends, and what is said from then on.
fn ends(own: &X509Certificate<'_>, file: &str) -> Due {
    let (words, not_after) = (own.subject().to_string(), own.validity().not_after);
    let words = format!(
        "{file}: the CA {words:?} expires at {not_after}: make another one, and have clients trust it"
    );
    Due::at(not_after.timestamp() - CA_NOTICE_SECONDS, words)
}

fn key_pair(file: &File) -> Result<KeyPair, String> {
    let refuse = |why: &dyn fmt::Display| format!("{}: {why}", file.name);
    let key = pem::key(&file.bytes).map_err(|why| refuse(&why))?;
    KeyPair::try_from(&key).map_err(|_| {
        refuse(&"the private key is not usable: accepted are RSA (2048 bits or more), ECDSA (P-256, P-384, P-521) and Ed25519")
    })
}

/// The subjectKeyIdentifier.
fn key_id(own: &X509Certificate<'_>) -> Option<Vec<u8>> {
    own.iter_extensions()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
}

/// Those of a file that clients may need: a root they have.
fn to_be_sent(all: &[CertificateDer<'static>]) -> Result<Vec<CertificateDer<'static>>, String> {
    let is_root = |der: &CertificateDer<'_>| {
        X509Certificate::from_der(der).is_ok_and(|(_, one)| one.subject().as_raw() == one.issuer().as_raw())
    };
    let chain: Vec<_> = all.iter().filter(|der| !is_root(der)).cloned().collect();
    let bytes: usize = chain.iter().map(|der| der.len()).sum();
    match chain.len() > CHAIN_LENGTH_MAX || bytes > CHAIN_BYTES_MAX {
        true => Err(format!(
            "there are more certificates in it than the CA's and its issuers': accepted are {CHAIN_LENGTH_MAX} beside a \
             root's, of {} KiB together",
            CHAIN_BYTES_MAX >> 10
        )),
        false => Ok(chain),
    }
}

fn config(provider: &Arc<CryptoProvider>) -> Result<ServerConfig, String> {
    let nobody = Arc::new(rustls::server::ResolvesServerCertUsingSni::new());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(nobody);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    // A session would be resumed by the client's name for it, which need not be the tunnel's host.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The certificate with this issuer, signed. None, where it is no certificate, or can't be signed.
fn with_issuer(der: &[u8], issuer: &[u8], key: &KeyPair) -> Option<CertificateDer<'static>> {
    // Certificate ::= SEQUENCE { what is signed, algorithm, signature }
    let (_, certificate) = Any::from_der(der).ok()?;
    let (behind, tbs) = Any::from_der(certificate.data).ok()?;
    let (signature, _) = Any::from_der(behind).ok()?;
    let algorithm = behind.get(..behind.len().checked_sub(signature.len())?)?;
    // Version, serial number and algorithm stand before the issuer (RFC 5280, 4.1).
    let mut rest = tbs.data;
    for _ in 0..3 {
        (rest, _) = Any::from_der(rest).ok()?;
    }
    let before = tbs.data.get(..tbs.data.len().checked_sub(rest.len())?)?;
    let (after, _) = Any::from_der(rest).ok()?;
    let tbs = element(SEQUENCE, &[before, issuer, after].concat())?;
    let signature = key.sign(&tbs).ok()?;
    let signature = element(BIT_STRING, &[&[0], signature.as_slice()].concat())?;
    let all = [tbs.as_slice(), algorithm, &signature].concat();
    Some(element(SEQUENCE, &all)?.into())
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 3;

/// What is in it, behind its tag and its length (X.690, 8.1.3); none where it is longer than any certificate.
fn element(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    let header: &[u8] = match (high, low) {
        (0, low @ ..0x80) => &[tag, low],
        (0, low) => &[tag, 0x81, low],
        (high, low) => &[tag, 0x82, high, low],
    };
    Some([header, content].concat())
}

#[cfg(test)]
#[path = "mint_tests.rs"]
pub(super) mod tests;
