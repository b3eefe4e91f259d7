//! One hashed password as a line of the users file has it: what is accepted, and whether a password is the one. Who it
//! belongs to is not known here.

use std::fmt;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use bcrypt::HashParts;
use sha_crypt::{PasswordHashRef, ShaCrypt};
use subtle::ConstantTimeEq;

use crate::policy::question::Unable;
use crate::text::slices::within;

/// What bcrypt looks at of a password, in bytes; the rest would count for nothing.
const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;

/// Costs: 2 to this power rounds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// Rounds of SHA-crypt; without a number there are 5,000.
const SHA_ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;

/// Memory of argon2, in KiB.
const ARGON2_KIB_MAX: u32 = 64 * 1024;

/// Passes of argon2 over it.
const ARGON2_PASSES_MAX: u32 = 10;

/// The letters of the base64 of SHA-crypt, by what they stand for.
const SHA_LETTERS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A hash, in one of the kinds that are accepted, and neither too cheap to be one nor too dear to be computed.
pub(super) enum Hash {
    /// `$2a$`, `$2b$`, `$2y$`: differently made, but the same for passwords without zero bytes.
    Bcrypt(Box<str>),
    /// `$5$` and `$6$`.
    Sha(Box<str>),
    /// `$argon2id$` and `$argon2i$`.
    Argon2(Box<Argon2Hash>),
}

/// A hash of argon2, taken apart.
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Box<[u8]>,
    output: Output,
    text: Box<str>,
}

impl Hash {
    /// Understands a hash.
    ///
    /// # Errors
    /// Why it is not accepted, in words that don't repeat it.
    pub(super) fn parse(text: &str) -> Result<Hash, &'static str> {
        match text.split('$').nth(1).filter(|_| text.starts_with('$')) {
            Some("2a" | "2b" | "2y") => bcrypt(text),
            Some("5") => sha(text, 43, 16),
            Some("6") => sha(text, 86, 4),
            Some("argon2id" | "argon2i") => argon2(text),
            _ => Err(
                "accepted are bcrypt ($2a$, $2b$, $2y$), SHA-crypt ($5$, $6$) and argon2 ($argon2id$, \
                 $argon2i$), as `htpasswd -B` and `openssl passwd -6` make them",
            ),
        }
    }

    /// Is this the password? Takes as long for one that can't be.
    ///
    /// # Errors
    /// There is not enough memory to tell.
    pub(super) fn is_of(&self, password: &[u8]) -> Result<bool, Unable> {
        match self {
            Hash::Bcrypt(text) => {
                let is_same = bcrypt::verify(password, text).unwrap_or(false);
                Ok(is_same && password.len() <= BCRYPT_PASSWORD_BYTES_MAX)
            }
            Hash::Sha(text) => {
                let verified = ShaCrypt::default().verify_password(password, &**text);
                Ok(verified.is_ok())
            }
            Hash::Argon2(hash) => hash.is_of(password),
        }
    }

    fn text(&self) -> &str {
        match self {
            Hash::Bcrypt(text) | Hash::Sha(text) => text,
            Hash::Argon2(hash) => &hash.text,
        }
    }
}

/// The same kind, salt, costs and result.
impl PartialEq for Hash {
    fn eq(&self, other: &Hash) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(hidden)")
    }
}

impl Argon2Hash {
    fn is_of(&self, password: &[u8]) -> Result<bool, Unable> {
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut room = [0; Output::MAX_LENGTH];
        let output = room.get_mut(..self.output.len()).ok_or(Unable)?;
        match argon2.hash_password_into(password, &self.salt, output) {
            Ok(()) => Ok(output.ct_eq(self.output.as_ref()).into()),
            Err(_) => Err(Unable),
        }
    }
}

fn bcrypt(text: &str) -> Result<Hash, &'static str> {
    let parts: HashParts = text.parse().map_err(|_| "the bcrypt hash is malformed")?;
    // What was read is what is meant: no sign in the cost.
    let cost = within(text.as_bytes(), 4..6);
    if !cost.iter().all(u8::is_ascii_digit) {
        return Err("the bcrypt hash is malformed");
    }
    if !BCRYPT_COSTS.contains(&parts.get_cost()) {
        return Err("the cost of the bcrypt hash is not 4 to 14");
    }
    Ok(Hash::Bcrypt(text.into()))
}

/// SHA-crypt whose result has so many letters, the last of them among the first so many.
fn sha(text: &str, letters: usize, last_letters: usize) -> Result<Hash, &'static str> {
    const MALFORMED: &str = "the SHA-crypt hash is malformed";
    PasswordHashRef::new(text).map_err(|_| MALFORMED)?;
    let mut fields = text.split('$').skip(2);
    let mut next = fields.next().ok_or(MALFORMED)?;
    if let Some(rounds) = next.strip_prefix("rounds=") {
        let is_number = !rounds.is_empty() && rounds.bytes().all(|byte| byte.is_ascii_digit());
        let rounds = rounds.parse().ok().filter(|_| is_number);
        if !rounds.is_some_and(|rounds| SHA_ROUNDS.contains(&rounds)) {
            return Err("the rounds of the SHA-crypt hash are not 1000 to 1000000");
        }
        next = fields.next().ok_or(MALFORMED)?;
    }
    let (salt, result) = (next, fields.next().ok_or(MALFORMED)?);
    let is_letter = |byte: &u8| SHA_LETTERS.contains(byte);
    let last = result.as_bytes().last();
    let ends_well = last.is_some_and(|last| within(SHA_LETTERS, ..last_letters).contains(last));
    let is_whole = result.len() == letters && result.as_bytes().iter().all(is_letter);
    // A `=` in the salt would be the rounds, misspelt.
    if salt.contains('=') || !is_whole || !ends_well || fields.next().is_some() {
        return Err(MALFORMED);
    }
    Ok(Hash::Sha(text.into()))
}

fn argon2(text: &str) -> Result<Hash, &'static str> {
    const MALFORMED: &str = "the argon2 hash is malformed";
    let hash = PasswordHash::new(text).map_err(|_| MALFORMED)?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(|_| MALFORMED)?;
    // The first version did not write itself down.
    let version = match hash.version {
        None => Version::V0x10,
        Some(version) => Version::try_from(version).map_err(|_| MALFORMED)?,
    };
    let number = |name| hash.params.get_decimal(name);
    let (Some(kib), Some(passes), Some(lanes)) = (number("m"), number("t"), number("p")) else {
        return Err(MALFORMED);
    };
    if hash.params.iter().count() != 3 {
        return Err("the argon2 hash has other parameters than m, t and p");
    }
    if kib > ARGON2_KIB_MAX {
        return Err("the argon2 hash takes more than 64 MiB of memory");
    }
    if passes > ARGON2_PASSES_MAX {
        return Err("the argon2 hash takes more than 10 passes");
    }
    let (Some(salt), Some(output)) = (hash.salt, hash.hash) else {
        return Err(MALFORMED);
    };
    let params = Params::new(kib, passes, lanes, Some(output.len())).map_err(|_| MALFORMED)?;
    let salt: Box<[u8]> = salt.as_ref().into();
    Ok(Hash::Argon2(Box::new(Argon2Hash {
        algorithm,
        version,
        params,
        salt,
        output,
        text: text.into(),
    })))
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
