//! How many connections each client has at a time. Who may have none any more is told so by the session; nobody is
//! remembered who has none.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::lock::unpoisoned;
use crate::net::ClientKey;

/// The connections of all clients, by whose they are.
#[derive(Debug)]
pub struct Clients {
    max: NonZeroU32,
    counts: Mutex<HashMap<ClientKey, u32>>,
}

/// A connection that counts for its client, until it is dropped.
#[derive(Debug)]
pub struct ClientSlot {
    of: Arc<Clients>,
    key: ClientKey,
}

impl Clients {
    /// Each may have so many.
    pub fn new(max: NonZeroU32) -> Arc<Clients> {
        Arc::new(Clients {
            max,
            counts: Mutex::default(),
        })
    }

    /// One more for this client, if it may have one.
    pub fn take(self: &Arc<Clients>, key: ClientKey) -> Option<ClientSlot> {
        let mut counts = self.counts();
        let count = counts.entry(key).or_insert(0);
        if *count >= self.max.get() {
            return None;
        }
        *count += 1;
        let of = Arc::clone(self);
        Some(ClientSlot { of, key })
    }

    /// Of how many clients there are connections.
    pub fn len(&self) -> usize {
        self.counts().len()
    }

    /// Is nobody there?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What others panicked at is whole all the same.
    fn counts(&self) -> MutexGuard<'_, HashMap<ClientKey, u32>> {
        unpoisoned(self.counts.lock())
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        let mut counts = self.of.counts();
        if let Some(count) = counts.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}
