//! Which of the client CAs are trusted for themselves, which only as far as another one vouches for them, and which no more.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::authorities::Authority;
use super::revocation::{self, List};

/// What the lists leave of them.
#[derive(Default)]
pub(super) struct Sorted<'a> {
    /// Trusted for themselves: of their own, or of an issuer that no file holds. Nobody looks at their time.
    pub(super) anchors: Vec<&'a Authority>,
    /// To be vouched for in each handshake.
    pub(super) intermediates: Vec<&'a Authority>,
    /// Neither.
    pub(super) revoked: Vec<&'a Authority>,
}

/// Sorts them by what they are trusted for. Those that the lists name are trusted for nothing: a warning says so.
pub(super) fn sorted<'a>(
    authorities: &'a [Authority],
    lists: &[List],
    warnings: &mut Vec<String>,
) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    for authority in authorities {
        let is_own = authority.subject == authority.issuer;
        let is_top = !authorities.iter().any(|other| other.subject == authority.issuer);
        if !is_own && is_revoked(authority, lists) {
            warnings.push(format!(
                "{}: the client CA {:?} is revoked: clients whose certificates it signed are refused",
                authority.file, authority.words
            ));
            sorted.revoked.push(authority);
        } else if is_own || is_top {
            sorted.anchors.push(authority);
        } else {
            sorted.intermediates.push(authority);
        }
    }
    sorted
}

fn is_revoked(authority: &Authority, lists: &[List]) -> bool {
    X509Certificate::from_der(&authority.der)
        .is_ok_and(|(_, certificate)| revocation::is_revoked(lists, &certificate, &authority.der, &[]))
}
