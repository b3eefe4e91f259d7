//! Whom a client's certificate names. How that is read out of one, and whether it may be believed, is `tls`'s business.

use std::sync::Arc;

/// Whom a certificate names that was verified.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Certified {
    /// The role: by `tls.role_from` the common name, or the first URI or DNS name of the subject's alternatives. None where
    /// the certificate has no such.
    pub role: Option<Arc<str>>,
    /// The subject's common name (RFC 5280, 4.1.2.6), the first where there are several.
    pub common_name: Option<Arc<str>>,
    /// Its organizational unit, likewise.
    pub organizational_unit: Option<Arc<str>>,
}
