//! A certificate authority for tests and benches: makes certificates, keys and revocation lists in memory. Everything it
//! makes is valid from 2020 to 2040 unless told otherwise.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "each test takes what it needs, and says what it expects by failing"
)]

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P521_SHA512, PKCS_ED25519,
    PKCS_RSA_SHA256, RevokedCertParams, SanType, SerialNumber, SigningKey as _, date_time_ymd,
};

/// What is signed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    P256,
    /// Which signs with SHA-512.
    P521,
    /// Of 2,048 bits.
    Rsa,
    /// Whose signatures are all of one length.
    Ed25519,
}

impl Key {
    fn pair(self) -> KeyPair {
        let algorithm = match self {
            Key::P256 => &PKCS_ECDSA_P256_SHA256,
            Key::P521 => &PKCS_ECDSA_P521_SHA512,
            Key::Rsa => &PKCS_RSA_SHA256,
            Key::Ed25519 => &PKCS_ED25519,
        };
        KeyPair::generate_for(algorithm).unwrap()
    }
}

/// An authority.
pub(crate) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its own certificate and those of its issuers but the root, to be sent along.
    chain: String,
}

/// A certificate with its key, both as PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    /// Leaf first.
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) serial: u64,
}

/// What is asked of an authority.
#[derive(Clone, Debug)]
pub(crate) struct Leaf<'a> {
    pub(crate) common_name: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) uris: &'a [&'a str],
    pub(crate) dns: &'a [&'a str],
    pub(crate) usage: Option<ExtendedKeyUsagePurpose>,
    pub(crate) serial: u64,
    /// The years in which it is valid: from the first's beginning to the second's.
    pub(crate) years: (i32, i32),
    /// So long it is valid from now on, whatever the second year.
    pub(crate) ends_in: Option<Duration>,
    pub(crate) key: Key,
    pub(crate) is_ca: bool,
}

impl Leaf<'_> {
    /// A client's, whose common name this is.
    pub(crate) fn client(common_name: &str) -> Leaf<'_> {
        Leaf {
            common_name,
            unit: "",
            uris: &[],
            dns: &[],
            usage: Some(ExtendedKeyUsagePurpose::ClientAuth),
            serial: 2,
            years: (2020, 2040),
            ends_in: None,
            key: Key::P256,
            is_ca: false,
        }
    }

    /// That of a server on this machine.
    pub(crate) fn server() -> Leaf<'static> {
        Leaf {
            dns: &["localhost"],
            usage: Some(ExtendedKeyUsagePurpose::ServerAuth),
            serial: 1,
            ..Leaf::client("localhost")
        }
    }
}

impl Issued {
    /// Chain and key in one.
    pub(crate) fn bundle(&self) -> String {
        format!("{}{}", self.chain, self.key)
    }
}

impl Ca {
    /// A root.
    pub(crate) fn new(name: &str) -> Ca {
        Ca::with_key(name, Key::P256)
    }

    /// A root that signs with this.
    pub(crate) fn with_key(name: &str, key: Key) -> Ca {
        Ca {
            issuer: CertifiedIssuer::self_signed(ca_params(name, 1), key.pair()).unwrap(),
            chain: String::new(),
        }
    }

    /// An authority below this one.
    pub(crate) fn below(&self, name: &str, serial: u64) -> Ca {
        let issuer =
            CertifiedIssuer::signed_by(ca_params(name, serial), Key::P256.pair(), &self.issuer).unwrap();
        Ca {
            chain: format!("{}{}", issuer.pem(), self.chain),
            issuer,
        }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its key, as PEM.
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Makes a certificate.
    pub(crate) fn issue(&self, leaf: &Leaf<'_>) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !leaf.common_name.is_empty() {
            params
                .distinguished_name
                .push(DnType::CommonName, leaf.common_name);
        }
        if !leaf.unit.is_empty() {
            params
                .distinguished_name
                .push(DnType::OrganizationalUnitName, leaf.unit);
        }
        let uris = leaf
            .uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()));
        let dns = leaf.dns.iter().map(|name| match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*name).try_into().unwrap()),
        });
        params.subject_alt_names = uris.chain(dns).collect();
        if leaf.dns.contains(&"localhost") {
            params
                .subject_alt_names
                .push(SanType::IpAddress([127, 0, 0, 1].into()));
        }
        params.extended_key_usages = leaf.usage.iter().cloned().collect();
        params.serial_number = Some(leaf.serial.into());
        params.not_before = date_time_ymd(leaf.years.0, 1, 1);
        params.not_after = match leaf.ends_in {
            Some(ends_in) => (SystemTime::now() + ends_in).into(),
            None => date_time_ymd(leaf.years.1, 1, 1),
        };
        if leaf.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = leaf.key.pair();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            chain: format!("{}{}", certificate.pem(), self.chain),
            key: key.serialize_pem(),
            serial: leaf.serial,
        }
    }

    /// A certificate of its with other bytes in it, of the same length, signed anew: what nobody would issue.
    pub(crate) fn altered(&self, issued: &Issued, from: &[u8], to: &[u8]) -> Issued {
        let text: String = issued
            .chain
            .lines()
            .filter(|line| !line.starts_with("--"))
            .collect();
        let der = STANDARD.decode(text).unwrap();
        // Certificate ::= SEQUENCE { what is signed, algorithm, signature }
        let (header_bytes, _) = extent(&der);
        let (_, signed_bytes) = extent(&der[header_bytes..]);
        let (signed, rest) = der[header_bytes..].split_at(signed_bytes);
        let algorithm = &rest[..extent(rest).1];
        let mut signed = signed.to_vec();
        let at = signed
            .windows(from.len())
            .rposition(|bytes| bytes == from)
            .unwrap();
        signed[at..at + to.len()].copy_from_slice(to);
        let signature = self.issuer.key().sign(&signed).unwrap();
        let length = u8::try_from(signature.len() + 1).unwrap();
        let parts = [&signed, algorithm, &[3, length, 0], &signature].concat();
        let length = u16::try_from(parts.len()).unwrap().to_be_bytes();
        let text = STANDARD.encode([&[0x30, 0x82], &length[..], &parts].concat());
        Issued {
            chain: format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"),
            ..issued.clone()
        }
    }

    /// A list of what it revoked, as PEM. Made in the first year, the next is due in the second.
    pub(crate) fn crl(&self, serials: &[u64], years: (i32, i32)) -> String {
        self.crl_of(serials, years, None)
    }

    /// One that says it covers only what points at this place.
    pub(crate) fn partial_crl(&self, serials: &[u64], url: &str) -> String {
        let point = CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec![url.to_owned()],
            },
            scope: None,
        };
        self.crl_of(serials, (2020, 2040), Some(point))
    }

    /// One that says it covers no CAs.
    pub(crate) fn user_crl(&self, serials: &[u64]) -> String {
        let point = CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec!["http://lists.example/".to_owned()],
            },
            scope: Some(CrlScope::UserCertsOnly),
        };
        self.crl_of(serials, (2020, 2040), Some(point))
    }

    fn crl_of(
        &self,
        serials: &[u64],
        years: (i32, i32),
        issuing_distribution_point: Option<CrlIssuingDistributionPoint>,
    ) -> String {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(years.0, 1, 1),
            next_update: date_time_ymd(years.1, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// How many bytes stand before what is in this element of DER, and how many it has in all.
fn extent(der: &[u8]) -> (usize, usize) {
    let (header_bytes, text_bytes) = match der[1] {
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        0x81 => (3, usize::from(der[2])),
        short => (2, usize::from(short)),
    };
    (header_bytes, header_bytes + text_bytes)
}

fn ca_params(name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial.into());
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}
