//! The proxy password: reads `Proxy-Authorization: Basic` (RFC 7617) and compares in constant time.
//!
//! It knows no users, roles or files; who gets which role is decided in `policy`.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, Zeroizing};

use crate::text::slices::within;

/// Credentials up to this length are decoded without allocating.
const ON_STACK_BYTES_MAX: usize = 192;

/// The one password of this proxy. Never printed; clones share it, and with the last one it is wiped from memory.
#[derive(Clone)]
pub struct Password(Arc<Zeroizing<Vec<u8>>>);

impl Password {
    /// Takes any bytes but none: an empty password would be no password, so there is no such value.
    pub fn new(password: impl Into<Vec<u8>>) -> Option<Password> {
        let password = Zeroizing::new(password.into());
        (!password.is_empty()).then(|| Password(Arc::new(password)))
    }

    /// Does the value of a `Proxy-Authorization` field carry this password? The user name may be anything, also
    /// empty, but the colon after it must be there. The scheme's name is case-insensitive (RFC 9110, 11.1),
    /// base64 is read strictly: standard alphabet, canonical padding, nothing behind it.
    pub fn accepts(&self, field: &[u8]) -> bool {
        let Some(encoded) = basic(field) else {
            return false;
        };
        // Room for all of it at once: a buffer that grows would leave copies behind.
        let bytes = base64::decoded_len_estimate(encoded.len());
        match [0; ON_STACK_BYTES_MAX].get_mut(..bytes) {
            Some(room) => self.is_in(encoded, room),
            None => self.is_in(encoded, &mut vec![0; bytes]),
        }
    }

    /// Do these base64 credentials hold it? `decoded` has room for them, and is wiped.
    fn is_in(&self, encoded: &[u8], decoded: &mut [u8]) -> bool {
        let accepted = STANDARD
            .decode_slice(encoded, decoded)
            .is_ok_and(|length| self.is_password_of(within(decoded, ..length)));
        decoded.zeroize();
        accepted
    }

    fn is_password_of(&self, credentials: &[u8]) -> bool {
        let mut parts = credentials.splitn(2, |&byte| byte == b':');
        match (parts.next(), parts.next()) {
            (Some(_user), Some(password)) => self.equals(password),
            _ => false,
        }
    }

    /// Takes the same time for every wrong password, whatever its length and however much of it is right.
    fn equals(&self, given: &[u8]) -> bool {
        let same_length = given.len() == self.0.len();
        let compared = if same_length { given } else { &self.0 };
        (self.0.ct_eq(compared) & Choice::from(u8::from(same_length))).into()
    }
}

/// In constant time too.
impl PartialEq for Password {
    fn eq(&self, other: &Password) -> bool {
        self.equals(&other.0)
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(hidden)")
    }
}

/// The base64 part of a `Basic` field value.
fn basic(field: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = trim(field, b" \t").split_at_checked(5)?;
    (scheme.eq_ignore_ascii_case(b"basic") && rest.starts_with(b" ")).then(|| trim(rest, b" "))
}

fn trim<'a>(mut text: &'a [u8], blanks: &[u8]) -> &'a [u8] {
    while let [first, rest @ ..] = text
        && blanks.contains(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && blanks.contains(last)
    {
        text = rest;
    }
    text
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
