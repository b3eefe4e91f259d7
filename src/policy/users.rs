//! Users with hashed passwords: whose credentials are, by the users file. Remembers what it verified, so that only the
//! first request of a user costs a hash. Reads no file, and starts no thread: whoever calls [`Verify::verify`] has one.

mod file;
mod hash;

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use blake2::Blake2sMac256;
use blake2::digest::{FixedOutput, KeyInit, Update};
use subtle::ConstantTimeEq;

pub use self::file::{LIMITS, Limits, UsersError};
use self::hash::Hash;
use super::auth::with_basic;
use super::question::{AtOnce, Unable, Verify};

/// Longest password that is hashed, in bytes, as crypt(3) has it: some hashes take time by the square of its length.
const PASSWORD_BYTES_MAX: usize = 512;

/// The key of what is remembered: random, of one reading of the file, never written anywhere.
pub type Key = [u8; 32];

type Digest = [u8; 32];

/// The users of one reading of the file. What is remembered of a user takes 32 bytes, and there is no more than one thing:
/// so it is bounded by the number of users.
pub struct Users {
    places: HashMap<Arc<str>, usize>,
    /// Never empty.
    users: Vec<User>,
    key: Key,
    /// Whose hashes were computed, in order.
    #[cfg(test)]
    hashed: std::sync::Mutex<Vec<usize>>,
}

struct User {
    name: Arc<str>,
    hash: Hash,
    /// The digest of the credentials that were found to be this user's.
    remembered: OnceLock<Digest>,
}

/// What two readings of a users file differ in, by name and in the new one's order, those that are gone last.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct UsersDifference {
    /// Who came.
    pub added: Vec<Arc<str>>,
    /// Who has another hash.
    pub changed: Vec<Arc<str>>,
    /// Who went.
    pub removed: Vec<Arc<str>>,
}

impl Users {
    /// Reads the text of a users file. `key` is for this reading alone.
    ///
    /// # Errors
    /// What is wrong with it, and where; never what stands there.
    pub fn parse(text: &[u8], key: Key) -> Result<Users, UsersError> {
        let parsed = file::parse(text)?;
        let mut users = Users {
            places: HashMap::with_capacity(parsed.len()),
            users: Vec::with_capacity(parsed.len()),
            key,
            #[cfg(test)]
            hashed: std::sync::Mutex::default(),
        };
        for (name, hash) in parsed {
            let name: Arc<str> = name.into();
            users.places.insert(Arc::clone(&name), users.users.len());
            let remembered = OnceLock::new();
            users.users.push(User {
                name,
                hash,
                remembered,
            });
        }
        Ok(users)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.users.len()
    }

    /// What is different in a later reading.
    pub fn difference(&self, next: &Users) -> UsersDifference {
        let mut difference = UsersDifference::default();
        for user in &next.users {
            match self.user(&user.name) {
                None => difference.added.push(Arc::clone(&user.name)),
                Some(old) if old.hash != user.hash => difference.changed.push(Arc::clone(&user.name)),
                Some(_) => {}
            }
        }
        let gone = self.users.iter().filter(|user| next.user(&user.name).is_none());
        difference.removed.extend(gone.map(|user| Arc::clone(&user.name)));
        difference
    }

    fn user(&self, name: &str) -> Option<&User> {
        self.users.get(*self.places.get(name)?)
    }

    /// The user of this name, if there is one.
    fn named(&self, name: &[u8]) -> Option<&User> {
        self.user(std::str::from_utf8(name).ok()?)
    }

    /// A user whose hash is computed for a name that nobody has: always the same one for the same name, and who that is
    /// depends on this run's randomness. So names that are there can't be told from others by the time that they take, nor,
    /// where hashes differ in kind and cost, by its spread.
    fn stand_in(&self, name: &[u8]) -> Option<&User> {
        let drawn = usize::try_from(self.subject(name) % self.users.len().max(1) as u64);
        self.users.get(drawn.unwrap_or_default())
    }

    fn subject(&self, name: &[u8]) -> u64 {
        self.places.hasher().hash_one(name)
    }

    /// No name holds a colon, so no two credentials are the same text.
    fn digest(&self, name: &[u8], password: &[u8]) -> Digest {
        let mut mac = Blake2sMac256::new(&self.key.into());
        for part in [name, b":", password] {
            mac.update(part);
        }
        mac.finalize_fixed().into()
    }

    fn look(&self, name: &[u8], password: &[u8]) -> AtOnce {
        if !may_be_hashed(password) {
            return AtOnce::OfNobody;
        }
        // For every name, so that it takes the same time.
        let digest = self.digest(name, password);
        match self.named(name) {
            Some(user) if user.remembers(&digest) => AtOnce::Of(Arc::clone(&user.name)),
            _ => AtOnce::Unknown(self.subject(name)),
        }
    }

    fn find_out(&self, name: &[u8], password: &[u8]) -> Result<Option<Arc<str>>, Unable> {
        // Another connection may have found it out meanwhile.
        match self.look(name, password) {
            AtOnce::Of(name) => return Ok(Some(name)),
            AtOnce::OfNobody => return Ok(None),
            AtOnce::Unknown(_) => {}
        }
        let (user, is_named) = match self.named(name) {
            Some(user) => (user, true),
            None => (self.stand_in(name).ok_or(Unable)?, false),
        };
        #[cfg(test)]
        self.hashed.lock().unwrap().push(self.places[&user.name]);
        if !(user.hash.is_of(password)? && is_named) {
            return Ok(None);
        }
        user.remembered.get_or_init(|| self.digest(name, password));
        Ok(Some(Arc::clone(&user.name)))
    }
}

/// Can this be a password at all, whoever's? Two that differ behind a zero byte could have the same hash.
fn may_be_hashed(password: &[u8]) -> bool {
    password.len() <= PASSWORD_BYTES_MAX && !password.contains(&0)
}

impl User {
    fn remembers(&self, digest: &Digest) -> bool {
        let remembered = self.remembered.get();
        remembered.is_some_and(|remembered| remembered.ct_eq(digest).into())
    }
}

impl Verify for Users {
    /// A name of the file has no other password than the one there.
    fn claims(&self, field: &[u8]) -> bool {
        with_basic(field, |name, _| self.named(name).is_some()).unwrap_or(false)
    }

    fn at_once(&self, field: &[u8]) -> AtOnce {
        with_basic(field, |name, password| self.look(name, password)).unwrap_or(AtOnce::OfNobody)
    }

    fn verify(&self, field: &[u8]) -> Result<Option<Arc<str>>, Unable> {
        with_basic(field, |name, password| self.find_out(name, password)).unwrap_or(Ok(None))
    }

    fn may_name(&self, role: &str) -> bool {
        self.places.contains_key(role)
    }
}

/// Without hashes and digests.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.count())
    }
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
