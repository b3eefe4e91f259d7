//! What went wrong in a TLS connection that we made, for a person who wants it to work: whose fault it is, and what would
//! cure it. "It" is the peer, whose name stands before.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use x509_parser::time::ASN1Time;

use super::origins;
use super::words::{spaced, unusual};

/// So many of a certificate's names are told.
const NAMES_TOLD_MAX: usize = 5;

/// And so much of each.
const NAME_CHARS_MAX: usize = 60;

/// In one line.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => format!("its certificate {}", certificate(error)),
        Error::NoCertificatesPresented => "it gave no certificate".into(),
        Error::AlertReceived(alert) => alert_received(*alert),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "it speaks neither TLS 1.2 nor TLS 1.3".into(),
        Error::PeerIncompatible(why) => format!("it and the proxy have nothing in common: {}", spaced(why)),
        Error::PeerMisbehaved(why) => format!("it breaks the rules of TLS: {}", spaced(why)),
        Error::InvalidMessage(why) => format!("what it sent is no TLS: {}", spaced(why)),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "it breaks the rules of TLS: a message out of turn".into()
        }
        Error::DecryptError => "what it sent can't be opened: it was changed on its way".into(),
        other => other.to_string(),
    }
}

/// What is wrong with a certificate.
fn certificate(error: &CertificateError) -> String {
    use CertificateError as E;
    match error {
        E::Expired => "has expired".into(),
        E::ExpiredContext { not_after, .. } => format!("has expired ({})", date(*not_after)),
        E::NotValidYet => "is not valid yet".into(),
        E::NotValidYetContext { not_before, .. } => format!(
            "is not valid before {}: compare the clocks of who issued it and of the proxy",
            date(*not_before)
        ),
        E::Revoked => "is revoked, or that of one of its issuers is".into(),
        E::UnknownIssuer => {
            "is signed by no CA that is trusted here (the system's, --upstream-ca-file), nor by a CA that it \
                             came with"
                .into()
        }
        E::NotValidForName => "is for another name".into(),
        E::NotValidForNameContext { presented, .. } => match presented.is_empty() {
            true => "is for no name at all (subjectAltName)".into(),
            false => format!("is for another name: {}", names(presented)),
        },
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "is not for servers: its extendedKeyUsage lacks serverAuth".into()
        }
        E::BadSignature => {
            "or one of its issuers' is not signed with the key that it should be signed with".into()
        }
        E::BadEncoding => "can't be read".into(),
        E::Other(other) => match origins::words(other) {
            Some(words) => words,
            None => unusual(&format!("{other:?}"), "server"),
        },
        other => format!("is not accepted: {}", spaced(other)),
    }
}

/// The names of a certificate, of which whoever made it had as many as they liked.
fn names(presented: &[String]) -> String {
    let cut = |name: &String| bare(name).chars().take(NAME_CHARS_MAX).collect::<String>();
    let told: Vec<String> = presented.iter().take(NAMES_TOLD_MAX).map(cut).collect();
    match presented.len().saturating_sub(told.len()) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// `DnsName("a.test")` and `IpAddress(192.0.2.1)`, as webpki calls them, without the kind.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match ASN1Time::from_timestamp(seconds) {
        Ok(time) => time.to_string(),
        Err(_) => format!("{seconds} s after 1970"),
    }
}

fn alert_received(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let name = spaced(&alert);
    let why = match alert {
        A::UnrecognisedName => ", it does not know this name",
        A::NoApplicationProtocol => ", it does not speak HTTP/1.1 (ALPN)",
        A::CertificateRequired | A::BadCertificate => {
            ", it may want a client's certificate, and the proxy has none"
        }
        A::ProtocolVersion => ", it speaks neither TLS 1.2 nor TLS 1.3",
        _ => "",
    };
    format!("it ended the handshake or the connection{why} (alert: {name})")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::ServerName;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_fault_is_told_with_what_helps() {
        let names = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("a.test").unwrap(),
            presented: presented.iter().map(|name| (*name).to_owned()).collect(),
        };
        let expired = CertificateError::ExpiredContext {
            time: at(2),
            not_after: at(1_609_459_200),
        };
        for (error, text) in [
            (
                Error::InvalidCertificate(expired),
                "has expired (Jan  1 00:00:00 2021",
            ),
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                "--upstream-ca-file",
            ),
            (
                Error::InvalidCertificate(names(&["DnsName(\"b.test\")", "IpAddress(192.0.2.1)"])),
                "another name: b.test, 192.0.2.1",
            ),
            (
                Error::InvalidCertificate(names(&["a", "b", "c", "d", "e", "f", "g"])),
                "a, b, c, d, e and 2 more",
            ),
            (Error::InvalidCertificate(names(&[])), "no name at all"),
            (
                Error::AlertReceived(AlertDescription::UnrecognisedName),
                "it does not know this name (alert: unrecognised name)",
            ),
        ] {
            let words = words(&error);
            assert!(words.contains(text), "{words}");
        }
    }
}
