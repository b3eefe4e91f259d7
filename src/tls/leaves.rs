//! The leaves of intercepted tunnels, of all loops of the process together: made once a host, kept, and bounded. A CA that is
//! read anew has leaves of its own. On which thread one is made is the caller's affair; what is in one, `mint`'s.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use crate::lock::unpoisoned;
use crate::net::Host;

use super::mint::{Authority, Leaf};
use super::pem::File;

/// Hosts whose leaf is kept; beyond that the one goes that nobody asked for the longest. A leaf has 1.5 KiB as a rule, and 11
/// KiB where the CA's file is as large as it may be.
pub const LEAVES_MAX: usize = 512;

/// What becomes of a question.
pub type Minted = Result<Arc<Leaf>, Unmade>;

/// Why there is no leaf.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unmade {
    /// Nobody is free to make it; a second later somebody may be.
    Busy(Arc<str>),
    /// The CA makes none, in words.
    Impossible(Arc<str>),
}

impl fmt::Display for Unmade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unmade::Busy(why) | Unmade::Impossible(why) => f.write_str(why),
        }
    }
}

/// Who waits for a leaf, and is told once.
pub type Waiter = Box<dyn FnOnce(Minted) + Send>;

/// What is said at once.
pub enum Asked {
    /// It is there.
    Ready(Arc<Leaf>),
    /// The waiter is told when this order was carried out, which the caller must see to.
    Mint(Order),
    /// The waiter is told when somebody else has carried out one.
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
    ready: HashMap<Host, Kept>,
    /// Those being made, and who waits for them.
    pending: HashMap<Host, Vec<Waiter>>,
    /// How often one was asked for.
    asked: u64,
}

struct Kept {
    leaf: Arc<Leaf>,
    /// When it was last asked for.
    asked: u64,
}

/// A leaf that is to be made. **Dropped, it tells whoever waits that nobody will**: so no host waits for what was forgotten.
pub struct Order {
    /// Until it was carried out or given up.
    leaves: Option<Arc<Leaves>>,
    host: Host,
}

impl Order {
    /// For which host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Makes it, and tells whoever waits for it. Computes for as long as the CA's key signs.
    pub fn carry_out(mut self, now: SystemTime) {
        let Some(leaves) = self.leaves.clone() else {
            return;
        };
        let minted = leaves.authority.mint(&self.host, now);
        let minted = minted.map(Arc::new).map_err(|why| Unmade::Impossible(why.into()));
        if let Ok(leaf) = &minted {
            leaves.lock().keep(&self.host, leaf);
        }
        self.end(&minted);
    }

    /// Nobody will, for this reason.
    pub fn give_up(mut self, why: &str) {
        self.end(&Err(Unmade::Busy(why.into())));
    }

    fn end(&mut self, minted: &Minted) {
        if let Some(leaves) = self.leaves.take() {
            leaves.tell(&self.host, minted);
        }
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        self.end(&Err(Unmade::Busy("it was given up".into())));
    }
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
    pub fn ask(self: &Arc<Self>, host: &Host, now: SystemTime, waiter: Waiter) -> Asked {
        let mut state = self.lock();
        if let Some(leaf) = state.find(host, now) {
            return Asked::Ready(leaf);
        }
        match state.pending.get_mut(host) {
            Some(waiters) => {
                waiters.push(waiter);
                Asked::Waits
            }
            None => {
                state.pending.insert(host.clone(), vec![waiter]);
                drop(state);
                Asked::Mint(Order {
                    leaves: Some(Arc::clone(self)),
                    host: host.clone(),
                })
            }
        }
    }

    fn tell(&self, host: &Host, minted: &Minted) {
        let waiters = self.lock().pending.remove(host);
        for waiter in waiters.into_iter().flatten() {
            waiter(minted.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        unpoisoned(self.state.lock())
    }
}

impl State {
    fn find(&mut self, host: &Host, now: SystemTime) -> Option<Arc<Leaf>> {
        self.asked += 1;
        let kept = self.ready.get_mut(host).filter(|kept| !kept.leaf.is_due(now))?;
        kept.asked = self.asked;
        Some(Arc::clone(&kept.leaf))
    }

    fn keep(&mut self, host: &Host, leaf: &Arc<Leaf>) {
        let (leaf, asked) = (Arc::clone(leaf), self.asked);
        self.ready.insert(host.clone(), Kept { leaf, asked });
        if self.ready.len() > LEAVES_MAX {
            // As many are looked at as a signature takes microseconds.
            let last = self
                .ready
                .iter()
                .filter(|(other, _)| *other != host)
                .min_by_key(|(_, kept)| kept.asked);
            if let Some(last) = last.map(|(host, _)| host.clone()) {
                self.ready.remove(&last);
            }
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
