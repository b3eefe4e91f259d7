//! Certificate revocation lists (RFC 5280, 5) before they count: whether they can be read, whether who issued them signed
//! them, in which order they are asked, and what an operator should know about them. Enforced they are by webpki, in the
//! handshake.

use std::time::{Duration, SystemTime};

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

/// How many CAs a warning names.
const NAMED_MAX: usize = 5;

/// A revocation list that may count.
pub(super) struct Checked {
    pub(super) der: CertificateRevocationListDer<'static>,
    issuer: Vec<u8>,
    issuer_words: String,
    updated: i64,
    next_update: Option<i64>,
    file: String,
}

/// Checks a list of this file against the CAs. What is only to be known is added to `warnings`.
///
/// # Errors
/// In words: it can't be read, or its issuer is among the CAs and did not sign it.
pub(super) fn checked(
    der: CertificateRevocationListDer<'static>,
    file: &str,
    cas: &[CertificateDer<'static>],
    warnings: &mut Vec<String>,
) -> Result<Checked, String> {
    let (_, list) = CertificateRevocationList::from_der(&der)
        .map_err(|_| format!("{file}: a revocation list can't be read"))?;
    let issuer = list.issuer();
    let issuers: Vec<X509Certificate<'_>> = cas
        .iter()
        .filter_map(|ca| X509Certificate::from_der(ca).ok())
        .map(|(_, ca)| ca)
        .filter(|ca| ca.subject().as_raw() == issuer.as_raw())
        .collect();
    if issuers.is_empty() {
        warnings.push(format!(
            "{file}: the revocation list of {issuer:?} is of none of the client CAs: it counts only for a CA that clients \
             send along",
            issuer = issuer.to_string(),
        ));
    } else if !issuers
        .iter()
        .any(|ca| list.verify_signature(ca.public_key()).is_ok())
    {
        return Err(format!(
            "{file}: the revocation list of {:?} has a wrong signature: that CA did not make it",
            issuer.to_string()
        ));
    }
    let is_partial = list.extensions().iter().any(|extension| {
        matches!(
            extension.parsed_extension(),
            ParsedExtension::IssuingDistributionPoint(_)
        )
    });
    if is_partial {
        warnings.push(format!(
            "{file}: the revocation list of {:?} covers only part of what that CA issued (issuingDistributionPoint): the rest \
             is not checked",
            issuer.to_string()
        ));
    }
    Ok(Checked {
        issuer: issuer.as_raw().to_vec(),
        issuer_words: issuer.to_string(),
        updated: list.last_update().timestamp(),
        next_update: list.next_update().map(|at| at.timestamp()),
        file: file.to_owned(),
        der,
    })
}

/// Puts them in the order in which they are to be asked, of one issuer's the newest first, for only the first that covers a
/// certificate is.
pub(super) fn sort(lists: &mut [Checked], warnings: &mut Vec<String>) {
    lists.sort_by_key(|list| std::cmp::Reverse(list.updated));
    for (nth, list) in lists.iter().enumerate() {
        if lists.iter().take(nth).any(|newer| newer.issuer == list.issuer) {
            warnings.push(format!(
                "{}: there is a newer revocation list of {:?}: this one is not asked where that covers a certificate",
                list.file, list.issuer_words
            ));
        }
    }
}

/// The CAs without a list, where others have one: nobody learns what they revoked.
pub(super) fn uncovered(lists: &[Checked], cas: &[CertificateDer<'static>]) -> Option<String> {
    if lists.is_empty() {
        return None;
    }
    let subjects = cas.iter().filter_map(|ca| {
        let (_, ca) = X509Certificate::from_der(ca).ok()?;
        let subject = ca.subject();
        let is_covered = lists.iter().any(|list| list.issuer == subject.as_raw());
        (!is_covered).then(|| format!("{:?}", subject.to_string()))
    });
    let mut names: Vec<String> = subjects.collect();
    let count = names.len();
    names.truncate(NAMED_MAX);
    let more = match count > NAMED_MAX {
        true => format!(" and {} more", count - NAMED_MAX),
        false => String::new(),
    };
    (count > 0).then(|| {
        format!(
            "No revocation list is there of the client CA {}{more}: certificates of its are not checked for revocation",
            names.join(", ")
        )
    })
}

/// Those whose next one is overdue. They are enforced all the same.
pub(super) fn overdue<'a>(lists: &'a [Due], now: SystemTime) -> impl Iterator<Item = String> + 'a {
    let overdue = lists.iter().filter(move |list| list.at < now);
    overdue.map(|list| {
        format!(
            "{}: the revocation list of {:?} has expired: it is still enforced, but what was revoked since then is not known",
            list.file, list.issuer_words
        )
    })
}

/// When a list's next one is due.
#[derive(Debug)]
pub(super) struct Due {
    file: String,
    issuer_words: String,
    at: SystemTime,
}

impl Checked {
    /// When its next one is due, if it says so.
    pub(super) fn due(&self) -> Option<Due> {
        let seconds = u64::try_from(self.next_update?).unwrap_or(0);
        Some(Due {
            file: self.file.clone(),
            issuer_words: self.issuer_words.clone(),
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        })
    }
}
