//! A table whose keys are hashes already. Hashes nothing itself: whoever makes the keys seeds them, and bounds how many
//! there are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Values by seeded hashes of 64 bits.
pub(super) type ByHash<V> = HashMap<u64, V, BuildHasherDefault<Hashed>>;

/// Takes a key for its own hash: a second one would make it no better.
#[derive(Default, Debug)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(false, "no hash: {bytes:?}");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
