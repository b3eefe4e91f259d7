//! Whom a certificate names: the role by one of its names, and what the log shows of it (RFC 5280, 4.1.2.6 and 4.2.1.6).
//! Whether it may be believed was decided in the handshake; only its time is looked at again, for a session that is
//! resumed verifies nothing.

use std::sync::Arc;
use std::time::SystemTime;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

use crate::net::Certified;

use super::due;

/// Which part of a client's certificate names its role (`tls.role_from`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum RoleFrom {
    /// The subject's common name.
    #[default]
    CommonName,
    /// The first URI among the subject's alternative names, whole: a SPIFFE id or any other.
    Uri,
    /// The first DNS name among them.
    Dns,
}

/// Whom this certificate, in DER, names at this time.
///
/// # Errors
/// In words: that it is no certificate, or that its time is over.
pub(super) fn certified(der: &[u8], role_from: RoleFrom, now: SystemTime) -> Result<Certified, String> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| "the client's certificate can't be read".to_owned())?;
    if due::time(certificate.validity().not_after.timestamp()) < now {
        return Err("the client's certificate has expired since its session began".to_owned());
    }
    let subject = certificate.subject();
    let common_name = first_text(subject.iter_common_name());
    let role = match role_from {
        RoleFrom::CommonName => common_name.clone(),
        RoleFrom::Uri => alternative(&certificate, |name| match name {
            GeneralName::URI(uri) => Some(uri),
            _ => None,
        }),
        RoleFrom::Dns => alternative(&certificate, |name| match name {
            GeneralName::DNSName(name) => Some(name),
            _ => None,
        }),
    };
    Ok(Certified {
        role,
        common_name,
        organizational_unit: first_text(subject.iter_organizational_unit()),
    })
}

/// The first attribute, if it is a text, and not an empty one; no other stands in for it.
fn first_text<'a>(mut attributes: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<Arc<str>> {
    let text = attributes.next()?.as_str().ok()?;
    (!text.is_empty()).then(|| text.into())
}

/// The first of the subject's alternative names that is of this kind.
fn alternative<'c>(
    certificate: &'c X509Certificate<'_>,
    kind: impl Fn(&'c GeneralName<'c>) -> Option<&'c str>,
) -> Option<Arc<str>> {
    let names = certificate.subject_alternative_name().ok()??;
    let name = names.value.general_names.iter().find_map(kind)?;
    (!name.is_empty()).then(|| name.into())
}
