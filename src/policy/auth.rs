//! The proxy password: reads `Proxy-Authorization: Basic` (RFC 7617) and compares in constant time.
//!
//! It knows no users, roles or files; who gets which role is decided in `identity`.

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
        with_basic(field, |_user, password| self.equals(password)).unwrap_or(false)
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

/// Hands on the user name and the password that the value of a `Proxy-Authorization` field holds, in memory that is wiped
/// afterwards; nothing, where it holds none.
pub(super) fn with_basic<R>(field: &[u8], read: impl FnOnce(&[u8], &[u8]) -> R) -> Option<R> {
    let encoded = basic(field)?;
    // Room for all of it at once: a buffer that grows would leave copies behind.
    let bytes = base64::decoded_len_estimate(encoded.len());
    match [0; ON_STACK_BYTES_MAX].get_mut(..bytes) {
        Some(room) => with_decoded(encoded, room, read),
        None => with_decoded(encoded, &mut vec![0; bytes], read),
    }
}

/// `room` is large enough for what base64 holds, and is wiped.
fn with_decoded<R>(encoded: &[u8], room: &mut [u8], read: impl FnOnce(&[u8], &[u8]) -> R) -> Option<R> {
    let length = STANDARD.decode_slice(encoded, room).ok();
    let result = length.and_then(|length| {
        let mut parts = within(room, ..length).splitn(2, |&byte| byte == b':');
        Some(read(parts.next()?, parts.next()?))
    });
    room.zeroize();
    result
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
