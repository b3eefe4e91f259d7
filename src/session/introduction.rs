//! What the CONNECT of an intercepted tunnel said once for all requests inside of it. Judges nothing of that.

use std::fmt;

use zeroize::Zeroizing;

use crate::policy::Credentials;

/// What a client says of itself, for as long as its tunnel lasts.
#[derive(Default)]
pub struct Introduction {
    /// The proxy that it names (`X-Upstream-Https-Proxy`).
    external_proxy: Option<Box<[u8]>>,
    /// Its `Proxy-Authorization`, for it is asked again who it is once another policy is in force. Wiped with it.
    credentials: Option<Zeroizing<Vec<u8>>>,
}

impl Introduction {
    /// Of a head whose client is known by these credentials.
    pub(super) fn new(external_proxy: Option<&[u8]>, credentials: Credentials<'_>) -> Introduction {
        Introduction {
            external_proxy: external_proxy.map(Into::into),
            credentials: match credentials {
                Credentials::Given(field) => Some(Zeroizing::new(field.to_vec())),
                // Nobody is known by several.
                Credentials::Absent | Credentials::Several => None,
            },
        }
    }

    /// The proxy that it names.
    pub(super) fn external_proxy(&self) -> Option<&[u8]> {
        self.external_proxy.as_deref()
    }

    /// What it proves itself by.
    pub(super) fn credentials(&self) -> Credentials<'_> {
        match &self.credentials {
            Some(field) => Credentials::Given(field),
            None => Credentials::Absent,
        }
    }
}

/// Without the credentials.
impl fmt::Debug for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introduction").finish_non_exhaustive()
    }
}
