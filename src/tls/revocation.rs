//! Certificate revocation lists (RFC 5280, 5): whether they can be read, which CA's key signed them, what an operator should
//! know about them, and whether they name a certificate. Each is read and verified once, when it is loaded, and not again in
//! every handshake.

use rustls::pki_types::CertificateRevocationListDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::text::listing;

use super::authorities::Authority;
use super::due::Due;
use super::list_parts::{self, Serials};
use super::signature::{self, Signed};

/// How many CAs a warning names.
const NAMED_MAX: usize = 5;

/// A revocation list that may count.
pub(super) struct List {
    pub(super) der: CertificateRevocationListDer<'static>,
    serials: Serials,
    issuer: Vec<u8>,
    issuer_words: String,
    /// The key that signed it, as its SubjectPublicKeyInfo; unknown where its issuer is none of the CAs.
    key: Option<Vec<u8>>,
    /// Of what its issuer issued it covers this part; nothing: all.
    scope: Option<Vec<u8>>,
    updated: i64,
    next_update: Option<i64>,
    file: String,
}

/// Checks a list of this file against the CAs. What is only to be known is added to `warnings`.
///
/// # Errors
/// In words: it can't be read or judged by, or its issuer is among the CAs and did not sign it.
pub(super) fn checked(
    der: CertificateRevocationListDer<'static>,
    file: &str,
    authorities: &[Authority],
    warnings: &mut Vec<String>,
) -> Result<List, String> {
    let unreadable = || format!("{file}: a revocation list can't be read");
    let (rest, list) = CertificateRevocationList::from_der(&der).map_err(|_| unreadable())?;
    let issuer_words = list.issuer().to_string();
    let refuse = |why: &str| format!("{file}: the revocation list of {issuer_words:?} {why}");
    if list.version().is_none() {
        return Err(refuse(
            "is of version 1: make one of version 2 (RFC 5280, 5.1.2.1)",
        ));
    }
    let serials = list_parts::serials(&der, &list).ok_or_else(unreadable)?;
    if !rest.is_empty() || list.tbs_cert_list.signature != list.signature_algorithm {
        return Err(unreadable());
    }
    let scope = list_parts::scope(&list).map_err(refuse)?;
    let issuer = list.issuer().as_raw();
    let key = signer(&der, issuer, authorities).map_err(refuse)?;
    if key.is_none() {
        warnings.push(format!(
            "{file}: the revocation list of {issuer_words:?} is of none of the client CAs: it counts only for a CA that clients \
             send along"
        ));
    }
    if scope.is_some() {
        warnings.push(format!(
            "{file}: the revocation list of {issuer_words:?} covers only part of what that CA issued \
             (issuingDistributionPoint): the rest is not checked"
        ));
    }
    Ok(List {
        issuer: issuer.to_vec(),
        scope: scope.map(<[u8]>::to_vec),
        updated: list.last_update().timestamp(),
        next_update: list.next_update().map(|at| at.timestamp()),
        file: file.to_owned(),
        serials,
        issuer_words,
        key,
        der,
    })
}

/// The key of the CA of this name that signed the list; nothing, where there is no such CA.
fn signer(list: &[u8], issuer: &[u8], authorities: &[Authority]) -> Result<Option<Vec<u8>>, &'static str> {
    if signature::is_by_sha1(list) {
        return Err("is signed with SHA-1, which is not accepted: have it signed with SHA-256");
    }
    if !signature::is_supported(list) {
        return Err("is signed with an algorithm that is not supported");
    }
    let mut named = authorities
        .iter()
        .filter(|authority| authority.subject == issuer)
        .peekable();
    if named.peek().is_none() {
        return Ok(None);
    }
    let signer = named.find(|authority| signature::signed(list, &authority.key) == Signed::Yes);
    match signer {
        Some(authority) => Ok(Some(authority.key.clone())),
        None => Err("has a wrong signature: that CA did not make it"),
    }
}

/// Puts them in the order in which they are asked: the newest first.
pub(super) fn sort(lists: &mut [List], warnings: &mut Vec<String>) {
    lists.sort_by_key(|list| std::cmp::Reverse(list.updated));
    for (nth, list) in lists.iter().enumerate() {
        if lists.iter().take(nth).any(|newer| newer.replaces(list)) {
            warnings.push(format!(
                "{}: there is a newer revocation list of {:?}: this one is not asked",
                list.file, list.issuer_words
            ));
        }
    }
}

/// Does one of these lists, sorted, name this certificate, signed with the list's key? `others` are keys that may have signed
/// a list whose issuer is none of the CAs; where there can be none, its name is enough.
pub(super) fn is_revoked(
    lists: &[List],
    certificate: &X509Certificate<'_>,
    der: &[u8],
    others: &[&[u8]],
) -> bool {
    let issuer = certificate.issuer().as_raw();
    let of_issuer = lists.iter().enumerate().filter(|(_, list)| list.issuer == issuer);
    let mut naming = of_issuer.filter(|(nth, list)| {
        let is_replaced = lists.iter().take(*nth).any(|newer| newer.replaces(list));
        !is_replaced && list.serials.have(&list.der, certificate.raw_serial())
    });
    // What follows costs a signature or more, and is for those alone whose number is listed.
    naming.any(|(_, list)| match &list.key {
        Some(key) => signature::signed(der, key) != Signed::No,
        None if others.is_empty() => true,
        None => others.iter().any(|key| {
            signature::signed(der, key) == Signed::Yes && signature::signed(&list.der, key) == Signed::Yes
        }),
    })
}

/// The CAs without a list, where others have one: nobody learns what they revoked.
pub(super) fn uncovered(lists: &[List], authorities: &[Authority]) -> Option<String> {
    if lists.is_empty() {
        return None;
    }
    let without = authorities.iter().filter(|authority| {
        let is_its =
            |list: &List| list.issuer == authority.subject && list.key.as_ref() == Some(&authority.key);
        !lists.iter().any(is_its)
    });
    let names: Vec<String> = without
        .map(|authority| format!("{:?}", authority.words))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "No revocation list is there of the client CA {}: certificates of its are not checked for revocation",
            listing::first_of(&names, NAMED_MAX)
        )
    })
}

impl List {
    /// Does this one, which is newer, cover all that the other does?
    fn replaces(&self, older: &List) -> bool {
        self.issuer == older.issuer && self.key == older.key && self.scope == older.scope
    }

    /// When its next one is due, if it says so.
    pub(super) fn due(&self) -> Option<Due> {
        let words = format!(
            "{}: the revocation list of {:?} has expired: it is still enforced, but what was revoked since then is not known",
            self.file, self.issuer_words
        );
        Some(Due::at(self.next_update?, words))
    }
}
