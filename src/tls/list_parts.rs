//! What stands in a revocation list: the serial numbers, and which part of what its issuer issued it covers. x509-parser skips
//! over what it can't read; here that is no list at all, for what was skipped might have been revoked.

use x509_parser::asn1_rs::{Any, Class, Tag};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::{CertificateRevocationList, RevokedCertificate};

/// deltaCRLIndicator (RFC 5280, 5.2.4).
const DELTA: &str = "2.5.29.27";

/// issuingDistributionPoint (RFC 5280, 5.2.5).
const ISSUING_POINT: &str = "2.5.29.28";

/// certificateIssuer, of an entry (RFC 5280, 5.3.3).
const CERTIFICATE_ISSUER: &str = "2.5.29.29";

/// Where in a list the serial numbers stand, by rising number: one block, however long the list is.
pub(super) struct Serials(Vec<(u32, u32)>);

impl Serials {
    /// Is this one among them? `der` is the list.
    pub(super) fn have(&self, der: &[u8], serial: &[u8]) -> bool {
        let serial = number(serial);
        self.0
            .binary_search_by(|place| at(der, *place).cmp(serial))
            .is_ok()
    }
}

/// Those of a list; nothing, where a part of it can't be read.
pub(super) fn serials(der: &[u8], list: &CertificateRevocationList<'_>) -> Option<Serials> {
    let entries = list.tbs_cert_list.revoked_certificates.as_slice();
    let raw_entries = raw_entries(list.tbs_cert_list.as_ref(), !list.extensions().is_empty())?;
    let is_whole = |(raw, entry): (&Any<'_>, &RevokedCertificate<'_>)| {
        elements(raw.data)
            .is_some_and(|fields| fields.len() == 2 + usize::from(!entry.extensions().is_empty()))
    };
    if raw_entries.len() != entries.len() || !raw_entries.iter().zip(entries).all(is_whole) {
        return None;
    }
    let places = entries.iter().map(|entry| {
        let serial = number(entry.raw_serial());
        let start = (serial.as_ptr() as usize).checked_sub(der.as_ptr() as usize)?;
        Some((u32::try_from(start).ok()?, u32::try_from(serial.len()).ok()?))
    });
    let mut places = places.collect::<Option<Vec<_>>>()?;
    places.sort_unstable_by(|one, other| at(der, *one).cmp(at(der, *other)));
    Some(Serials(places))
}

fn at(der: &[u8], (start, length): (u32, u32)) -> &[u8] {
    let (start, length) = (start as usize, length as usize);
    der.get(start..start + length).unwrap_or_default()
}

/// Without the zeros before it.
fn number(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|byte| **byte == 0).count();
    serial.get(zeros..).unwrap_or_default()
}

/// The entries between the times and the extensions, with nothing beside them.
fn raw_entries(to_be_signed: &[u8], has_extensions: bool) -> Option<Vec<Any<'_>>> {
    let (_, all) = Any::from_der(to_be_signed).ok()?;
    let mut fields = elements(all.data)?.into_iter().peekable();
    fields.next_if(|field| field.tag() == Tag::Integer)?;
    let (_algorithm, _issuer, _updated) = (fields.next()?, fields.next()?, fields.next()?);
    fields.next_if(|field| matches!(field.tag(), Tag::UtcTime | Tag::GeneralizedTime));
    let entries = fields.next_if(|field| field.tag() == Tag::Sequence && field.class() == Class::Universal);
    let extensions = fields.next_if(|field| field.class() == Class::ContextSpecific);
    if fields.next().is_some() || extensions.is_some() != has_extensions {
        return None;
    }
    entries.map_or(Some(Vec::new()), |entries| elements(entries.data))
}

fn elements(mut der: &[u8]) -> Option<Vec<Any<'_>>> {
    let mut all = Vec::new();
    while !der.is_empty() {
        let (rest, element) = Any::from_der(der).ok()?;
        all.push(element);
        der = rest;
    }
    Some(all)
}

/// The issuingDistributionPoint of one that covers only part of what its issuer issued.
///
/// # Errors
/// In words: it says something by which nobody here can judge.
pub(super) fn scope<'l>(list: &'l CertificateRevocationList<'_>) -> Result<Option<&'l [u8]>, &'static str> {
    const INDIRECT: &str =
        "is indirect: it names certificates of other CAs, which is not supported; use each CA's own list";
    const UNKNOWN: &str = "has a critical extension that is not supported (RFC 5280, 5.2)";
    let mut scope = None;
    for extension in list.extensions() {
        match extension.parsed_extension() {
            _ if extension.oid.to_id_string() == DELTA => {
                return Err("is a delta: it holds only what has changed; use the complete list");
            }
            ParsedExtension::IssuingDistributionPoint(point) if point.indirect_crl => return Err(INDIRECT),
            ParsedExtension::IssuingDistributionPoint(_) => scope = Some(extension.value),
            // It need not be critical to say that the list is another CA's.
            _ if extension.oid.to_id_string() == ISSUING_POINT => {
                return Err("has an issuingDistributionPoint that can't be read");
            }
            ParsedExtension::CRLNumber(_)
            | ParsedExtension::AuthorityKeyIdentifier(_)
            | ParsedExtension::IssuerAlternativeName(_) => {}
            _ if extension.critical => return Err(UNKNOWN),
            _ => {}
        }
    }
    for entry in &list.tbs_cert_list.revoked_certificates {
        if names_issuer(entry) {
            return Err(INDIRECT);
        }
        let is_known = |parsed: &ParsedExtension<'_>| {
            matches!(
                parsed,
                ParsedExtension::ReasonCode(_) | ParsedExtension::InvalidityDate(_)
            )
        };
        let mut extensions = entry.extensions().iter();
        if extensions.any(|extension| extension.critical && !is_known(extension.parsed_extension())) {
            return Err(UNKNOWN);
        }
    }
    Ok(scope)
}

fn names_issuer(entry: &RevokedCertificate<'_>) -> bool {
    let mut extensions = entry.extensions().iter();
    extensions.any(|extension| extension.oid.to_id_string() == CERTIFICATE_ISSUER)
}
