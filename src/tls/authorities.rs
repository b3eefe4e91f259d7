//! The CAs that may sign clients' certificates, as their files have them: whether they are CAs at all, and when their time is over.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use super::due::Due;
use super::pem::{self, File};

/// A certificate of such a file. Names and the key are as they stand in it.
pub(super) struct Authority {
    pub(super) der: CertificateDer<'static>,
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) words: String,
    pub(super) file: String,
    not_after: i64,
}

/// Those of these files.
///
/// # Errors
/// In words: a file has none, or one that is not a CA's.
pub(super) fn read(files: &[File]) -> Result<Vec<Authority>, String> {
    let mut authorities = Vec::new();
    for File { name, bytes } in files {
        for der in pem::certificates(bytes).map_err(|why| format!("{name}: {why}"))? {
            authorities.push(authority(der, name)?);
        }
    }
    Ok(authorities)
}

fn authority(der: CertificateDer<'static>, file: &str) -> Result<Authority, String> {
    let (_, certificate) =
        X509Certificate::from_der(&der).map_err(|_| format!("{file}: a certificate can't be read"))?;
    let words = certificate.subject().to_string();
    // Of what it may do, a certificate of version 1 can't say anything.
    if certificate.version() == X509Version::V3 && !certificate.is_ca() {
        return Err(format!(
            "{file}: the certificate of {words:?} is not a CA's (basicConstraints lacks CA:TRUE): here belong those that sign \
             clients' certificates"
        ));
    }
    Ok(Authority {
        subject: certificate.subject().as_raw().to_vec(),
        issuer: certificate.issuer().as_raw().to_vec(),
        key: certificate.public_key().raw.to_vec(),
        not_after: certificate.validity().not_after.timestamp(),
        file: file.to_owned(),
        words,
        der,
    })
}

impl Authority {
    /// When its time is over.
    pub(super) fn due(&self) -> Due {
        let words = format!(
            "{}: the certificate of the client CA {:?} has expired: replace it, and the clients' certificates with it",
            self.file, self.words
        );
        Due::at(self.not_after, words)
    }
}
