//! PEM files (RFC 7468) as certificates, keys and revocation lists, or what is wrong with them, for a person. Checks no
//! signature and no time.

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// A file's bytes, and how messages call it.
#[derive(Debug)]
pub struct File {
    /// Its path.
    pub name: String,
    /// What is in it; wiped, for it may be a key.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// What is said of such a key.
const ENCRYPTED: &str = "the key is encrypted: decrypt it with `openssl pkey -in FILE -out PLAIN`";

/// The certificates in a file, at least one.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    // A key beside them that is encrypted in the old way has header lines, which no block of today has.
    let refuse = |error: &pem::Error| match is_encrypted(bytes) {
        true => ENCRYPTED.into(),
        false => refusal(error),
    };
    match certificates.map_err(|error| refuse(&error))? {
        none if none.is_empty() => {
            Err("there is no certificate in it (a block BEGIN CERTIFICATE is expected)".into())
        }
        some => Ok(some),
    }
}

/// Is there an encrypted key in a file (RFC 7468, 11, or RFC 1421's header, as older programs write it)?
fn is_encrypted(bytes: &[u8]) -> bool {
    let has = |mark: &str| memchr::memmem::find(bytes, mark.as_bytes()).is_some();
    has("-----BEGIN ENCRYPTED PRIVATE KEY-----") || has("Proc-Type: 4,ENCRYPTED")
}

/// The one key in a file.
pub(super) fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if is_encrypted(bytes) {
        return Err(ENCRYPTED.into());
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(bytes);
    match (keys.next(), keys.next()) {
        (None, _) => Err("there is no private key in it (a block BEGIN PRIVATE KEY is expected)".into()),
        (Some(Err(error)), _) | (_, Some(Err(error))) => Err(refusal(&error)),
        (Some(Ok(_)), Some(Ok(_))) => Err("there is more than one private key in it".into()),
        (Some(Ok(key)), None) => Ok(key),
    }
}

/// The revocation lists in a file, at least one; a file that is not PEM is one in DER.
pub(super) fn revocation_lists(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    if memchr::memmem::find(bytes, b"-----BEGIN ").is_none() && bytes.first() == Some(&0x30) {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>();
    match lists.map_err(|error| refusal(&error))? {
        none if none.is_empty() => {
            Err("there is no revocation list in it (a block BEGIN X509 CRL, or DER, is expected)".into())
        }
        some => Ok(some),
    }
}

fn refusal(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no END line".into(),
        pem::Error::IllegalSectionStart { .. } => "a BEGIN line is malformed".into(),
        pem::Error::Base64Decode(_) => "a block is not base64".into(),
        other => format!("it is no PEM: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        for (text, words) in [
            ("", "no certificate"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "no END line"),
            (
                "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
                "not base64",
            ),
            (
                "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
                "encrypted",
            ),
        ] {
            let error = certificates(text.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
        let block = |label: &str| format!("-----BEGIN {label}-----\nMAMCAQA=\n-----END {label}-----\n");
        for (text, words) in [
            (String::new(), "no private key"),
            (block("ENCRYPTED PRIVATE KEY"), "encrypted"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n".into(),
                "encrypted",
            ),
            (block("PRIVATE KEY").repeat(2), "more than one"),
        ] {
            let error = key(text.as_bytes()).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
        assert!(
            revocation_lists(b"nothing")
                .unwrap_err()
                .contains("no revocation list")
        );
        assert_eq!(revocation_lists(&[0x30, 3, 2, 1, 0]).unwrap().len(), 1);
    }
}
