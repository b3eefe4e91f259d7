//! What went wrong in a TLS connection, for a person who runs the proxy: whose fault it is, and what would cure it.

use std::fmt::Debug;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// In one line, about a client.
pub fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("the client's certificate {}", certificate(error)),
        Error::NoCertificatesPresented => "the client gave no certificate".into(),
        Error::NoApplicationProtocol => {
            "the client offers only protocols other than HTTP/1.1 (ALPN): let it speak HTTP/1.1 to its proxy"
                .into()
        }
        Error::AlertReceived(alert) => alert_received(*alert),
        // Who speaks no newer version than 1.1 names no signature algorithms, and that is looked at first.
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => "the client offers neither TLS 1.2 nor TLS 1.3".into(),
        Error::PeerIncompatible(why) => {
            format!("the client and the proxy have nothing in common: {}", spaced(why))
        }
        Error::PeerMisbehaved(why) => format!("the client breaks the rules of TLS: {}", spaced(why)),
        Error::InvalidMessage(why) => format!("what the client sent is no TLS: {}", spaced(why)),
        Error::DecryptError => "what the client sent can't be opened: it was changed on its way".into(),
        other => other.to_string(),
    }
}

/// In one line, about a client that takes the proxy for its origin.
pub(super) fn inside(error: &Error) -> String {
    use AlertDescription as A;
    match error {
        Error::NoApplicationProtocol => {
            "the client offers only protocols other than HTTP/1.1 (ALPN): take the host out of mitm_domains, or let the \
             client speak HTTP/1.1"
                .into()
        }
        Error::AlertReceived(
            alert @ (A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::CertificateExpired),
        ) => format!(
            "the client does not trust the CA of intercepted tunnels (alert: {}): have it trust --mitm-ca-cert-file, or \
             take the host out of mitm_domains",
            spaced(alert)
        ),
        other => words(other),
    }
}

/// What is wrong with a certificate.
fn certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } => "has expired".into(),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "is not valid yet: compare the clocks of who issued it and of the proxy".into()
        }
        E::Revoked => "is revoked, or that of one of its issuers is".into(),
        E::UnknownIssuer => {
            "is signed by none of the client CAs (--tls-client-ca-file), nor by a CA that it came with".into()
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "is not for clients: its extendedKeyUsage lacks clientAuth".into()
        }
        E::UnknownRevocationStatus => "has an issuer whose revocation list does not cover it".into(),
        E::BadSignature => {
            "is not signed with the key of the client CA that it names: one of that name may have been replaced".into()
        }
        E::BadEncoding => "can't be read".into(),
        E::Other(other) => unusual(&format!("{other:?}"), "client"),
        other => format!("is not accepted: {}", spaced(other)),
    }
}

/// What Go takes and webpki does not has no name of rustls's own.
pub(super) fn unusual(debug: &str, owner: &str) -> String {
    if debug.contains("UnsupportedCertVersion") {
        return "is of X.509 version 1: issue it as version 3 (openssl x509 -req with -extfile)".into();
    }
    if debug.contains("CaUsedAsEndEntity") {
        return format!("is a CA's (basicConstraints CA:TRUE): issue one for the {owner} itself");
    }
    if debug.contains("ChainTooLong") {
        return "comes with too many others: a chain has at most 8 certificates and 32 KiB".into();
    }
    format!("is not accepted: {debug}")
}

fn alert_received(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let name = spaced(&alert);
    match alert {
        A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::CertificateExpired => {
            format!("the client does not trust the proxy's certificate (alert: {name})")
        }
        _ => format!("the client ended it (alert: {name})"),
    }
}

/// A name of rustls's as words: `NoCipherSuitesInCommon` as `no cipher suites in common`.
pub(super) fn spaced(name: &impl Debug) -> String {
    let mut words = String::new();
    let debug = format!("{name:?}");
    let mut before = ' ';
    for letter in debug.chars() {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            words.push(' ');
        }
        before = letter;
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_with_its_cure() {
        for (error, text) in [
            (Error::InvalidCertificate(CertificateError::Revoked), "revoked"),
            (
                Error::InvalidCertificate(CertificateError::InvalidPurpose),
                "clientAuth",
            ),
            (
                Error::InvalidCertificate(CertificateError::BadSignature),
                "may have been replaced",
            ),
            (Error::NoApplicationProtocol, "HTTP/1.1"),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "does not trust",
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired),
                "neither TLS 1.2 nor",
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                "nothing in common: no cipher suites in common",
            ),
        ] {
            let words = words(&error);
            assert!(words.contains(text), "{words}");
        }
    }
}
