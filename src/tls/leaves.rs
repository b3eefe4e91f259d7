//! The leaves of intercepted tunnels, of all loops of the process together: made once a host, kept, and bounded. A CA that is
//! read anew has leaves of its own. On which thread one is made is the caller's affair; what is in one, `mint`'s.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::net::Host;

use super::mint::{Authority, Leaf};
use super::pem::File;

/// Hosts whose leaf is kept; beyond that the one that came first goes. A leaf has 1.5 KiB as a rule, and 11 KiB where the
/// CA's file is as large as it may be.
pub const LEAVES_MAX: usize = 512;

/// What becomes of a question: a leaf, or in words why there is none.
pub type Minted = Result<Arc<Leaf>, Arc<str>>;

/// Who waits for a leaf, and is told once.
pub type Waiter = Box<dyn FnOnce(Minted) + Send>;

/// What is said at once.
pub enum Asked {
    /// It is there.
    Ready(Arc<Leaf>),
    /// The waiter is told when [`Leaves::mint`] has made it, which the caller must see to.
    Mint,
    /// The waiter is told when somebody else has.
    Waits,
}

/// A CA and its leaves.
pub struct Leaves {
    authority: Authority,
    /// What it was read from.
    files: [File; 2],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ready: HashMap<Host, Arc<Leaf>>,
    /// In the order in which they came.
    order: VecDeque<Host>,
    /// Those being made, and who waits for them.
    pending: HashMap<Host, Vec<Waiter>>,
}

impl Leaves {
    /// Those of the CA in these files: its certificate, with its issuers' behind it, and its key. What an operator should
    /// know is added to `warnings`.
    ///
    /// # Errors
    /// What is wrong with a file, which is named.
    pub fn new(
        certificate: File,
        key: File,
        now: SystemTime,
        warnings: &mut Vec<String>,
    ) -> Result<Leaves, String> {
        Ok(Leaves {
            authority: Authority::new(&certificate, &key, now, warnings)?,
            files: [certificate, key],
            state: Mutex::default(),
        })
    }

    /// Is it the same CA?
    pub fn signs_as(&self, other: &Leaves) -> bool {
        let pairs = self.files.iter().zip(&other.files);
        pairs.into_iter().all(|(one, other)| one.bytes == other.bytes)
    }

    /// A line where the CA ends within a month, or has ended.
    pub fn overdue(&self, now: SystemTime) -> impl Iterator<Item = String> + '_ {
        self.authority.overdue(now)
    }

    /// The leaf for this host, now or later: one is made at a time, however many ask.
    pub fn ask(&self, host: &Host, now: SystemTime, waiter: Waiter) -> Asked {
        let mut state = self.lock();
        if let Some(leaf) = state.ready.get(host).filter(|leaf| !leaf.is_due(now)) {
            return Asked::Ready(Arc::clone(leaf));
        }
        match state.pending.get_mut(host) {
            Some(waiters) => {
                waiters.push(waiter);
                Asked::Waits
            }
            None => {
                state.pending.insert(host.clone(), vec![waiter]);
                Asked::Mint
            }
        }
    }

    /// Makes the leaf for a host, and tells whoever waits for it. Computes for as long as the CA's key signs.
    pub fn mint(&self, host: &Host, now: SystemTime) {
        let minted = self.authority.mint(host, now);
        let minted = minted.map(Arc::new).map_err(Arc::from);
        if let Ok(leaf) = &minted {
            self.lock().keep(host, leaf);
        }
        self.tell(host, &minted);
    }

    /// Nobody will make it, for this reason.
    pub fn give_up(&self, host: &Host, why: &str) {
        self.tell(host, &Err(why.into()));
    }

    fn tell(&self, host: &Host, minted: &Minted) {
        let waiters = self.lock().pending.remove(host);
        for waiter in waiters.into_iter().flatten() {
            waiter(minted.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, host: &Host, leaf: &Arc<Leaf>) {
        if self.ready.insert(host.clone(), Arc::clone(leaf)).is_some() {
            return;
        }
        self.order.push_back(host.clone());
        if self.order.len() > LEAVES_MAX
            && let Some(first) = self.order.pop_front()
        {
            self.ready.remove(&first);
        }
    }
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaves").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "leaves_tests.rs"]
mod tests;
