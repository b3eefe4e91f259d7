//! What the CONNECT of an intercepted tunnel said once for all requests inside of it. Judges nothing of that.

use std::fmt;

use zeroize::Zeroizing;

use crate::policy::Credentials;

/// Longer credentials are not kept, for each tunnel would pay for them: their client has to come again once another policy
/// is in force.
const CREDENTIALS_BYTES_MAX: usize = 4096;

/// What a client says of itself, for as long as its tunnel lasts.
#[derive(Default)]
pub struct Introduction {
    /// The proxy that it names (`X-Upstream-Https-Proxy`).
    external_proxy: Option<Box<[u8]>>,
    /// Its `Proxy-Authorization`, for it is asked again who it is once another policy is in force. Wiped with it.
    credentials: Kept,
}

/// What is kept of credentials.
#[derive(Default)]
enum Kept {
    /// There were none.
    #[default]
    Nothing,
    /// All of them.
    Whole(Zeroizing<Vec<u8>>),
    /// Nothing: they are too long.
    TooLong,
}

impl Introduction {
    /// Of a head whose client is known by these credentials.
    pub(super) fn new(external_proxy: Option<&[u8]>, credentials: Credentials<'_>) -> Introduction {
        Introduction {
            external_proxy: external_proxy.map(Into::into),
            credentials: match credentials {
                Credentials::Given(field) if field.len() > CREDENTIALS_BYTES_MAX => Kept::TooLong,
                Credentials::Given(field) => Kept::Whole(Zeroizing::new(field.to_vec())),
                // Nobody is known by several.
                Credentials::Absent | Credentials::Several => Kept::Nothing,
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
            Kept::Whole(field) => Credentials::Given(field),
            Kept::Nothing => Credentials::Absent,
            // Which are never right.
            Kept::TooLong => Credentials::Several,
        }
    }
}

/// Without the credentials.
impl fmt::Debug for Introduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introduction").finish_non_exhaustive()
    }
}
