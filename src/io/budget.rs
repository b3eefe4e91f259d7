//! The bytes that all connections together may hold beyond what each is granted: a count, no allocator; and who may add
//! to it when it gets scarce.
//!
//! While more than half is taken, strangers together hold at most a quarter, those of one address at most a sixteenth:
//! those of the address that holds most are to be refused, the longest-waiting first. Who is no stranger is never
//! refused, but waits: so what the connections of one address hold, a quarter at most, and what all of them hold, three
//! quarters, is bounded from the first byte on. An address that many are behind, a balancer's, has no bound of its own.
//!
//! All loops of a process have one budget. Most connections never hold so much that anything is charged to them: only
//! where a charge changes, a lock is taken; how much is taken in all can be read without.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::flow::{Flow, Flows, GRANTED_BYTES};
use crate::lock::unpoisoned;
use crate::net::{ClientKey, Networks};

use super::bells::Bells;
use super::crowd::Crowd;
use super::token::ConnId;

/// A table of so few is kept for those who come next.
const KEPT_MAX: usize = 1024;

/// Whose bytes they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The connection.
    pub id: ConnId,
    /// Its client's address, which becomes another only as long as it is a stranger's.
    pub address: IpAddr,
    /// Nobody knows who the client is.
    pub is_stranger: bool,
}

impl Holder {
    fn key(&self) -> ClientKey {
        ClientKey::of(self.address)
    }
}

/// What is charged to a connection: nothing, as a rule.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Charge {
    bytes: u32,
    to_stranger: bool,
}

impl Charge {
    /// Is something charged to it as to a stranger?
    pub fn is_to_stranger(&self) -> bool {
        self.to_stranger
    }
}

/// The budget, as one loop has it.
#[derive(Debug)]
pub struct Budget {
    common: Arc<Common>,
    bells: Bells,
    /// The loop's connections that wait for room, each once.
    waiting: VecDeque<ConnId>,
    /// How many of them are to be looked at, since something was given back.
    due: usize,
    /// What had been given back by then.
    seen: u64,
}

/// How much of the shared room is taken.
#[derive(Debug)]
struct Common {
    max_bytes: usize,
    /// From so many on it is scarce,
    scarce_bytes: usize,
    /// and from so many on no longer ample.
    ample_bytes: usize,
    /// Addresses that have no bound of their own.
    balancers: Networks,
    /// Changed under the lock of `held`.
    used_bytes: AtomicUsize,
    /// How often something was given back.
    freed: AtomicU64,
    held: Mutex<Held>,
}

/// By whom.
#[derive(Default, Debug)]
struct Held {
    strangers: Crowd,
    /// Strangers whose addresses are such.
    balanced: Crowd,
    /// Bytes of the others, by address, and in all.
    known: HashMap<ClientKey, usize>,
    known_bytes: usize,
    /// The stranger of whom its loop was told last that it holds too much, until it hears that or that changes.
    told: Option<ConnId>,
}

impl Budget {
    /// A budget of `max_bytes` beyond [`GRANTED_BYTES`] a direction, for one loop.
    pub fn new(max_bytes: usize) -> Budget {
        Budget::of(Common::new(max_bytes, Networks::default()), Bells::of_one())
    }

    /// A new one with no bound for what single ones of these addresses hold: others are behind them.
    #[must_use]
    pub fn without_bound_for(self, balancers: Networks) -> Budget {
        Budget::of(Common::new(self.common.max_bytes, balancers), self.bells)
    }

    /// The same budget for a loop that has these bells.
    #[must_use]
    pub fn for_loop(&self, bells: Bells) -> Budget {
        Budget::of(Arc::clone(&self.common), bells)
    }

    fn of(common: Arc<Common>, bells: Bells) -> Budget {
        Budget {
            common,
            bells,
            waiting: VecDeque::new(),
            due: 0,
            seen: 0,
        }
    }

    /// Is more than half taken, so that it matters who wants more?
    pub fn is_scarce(&self) -> bool {
        self.used_bytes() >= self.common.scarce_bytes
    }

    /// Is nothing left?
    pub fn is_spent(&self) -> bool {
        self.used_bytes() >= self.common.max_bytes
    }

    /// Bytes taken now, by all loops.
    pub fn used_bytes(&self) -> usize {
        self.common.used_bytes.load(Ordering::Relaxed)
    }

    /// Is nothing charged to anybody?
    pub fn is_unused(&self) -> bool {
        let held = self.common.lock();
        let strangers_hold = !(held.strangers.is_empty() && held.balanced.is_empty());
        self.used_bytes() == 0 && held.known_bytes == 0 && !strangers_hold && held.known.is_empty()
    }

    /// May it hold more than it does? What a stranger has too much shows afterwards: see [`Budget::surplus`].
    pub fn admits(&self, holder: Holder) -> bool {
        if holder.is_stranger || self.is_ample() {
            return !self.is_spent();
        }
        let Common {
            max_bytes, balancers, ..
        } = &*self.common;
        let quarter = max_bytes / 4;
        let held = self.common.lock();
        let its = held.known.get(&holder.key()).copied().unwrap_or(0);
        let may_hold_more = its < quarter || balancers.contains(holder.address);
        may_hold_more && held.known_bytes < max_bytes - quarter && !self.is_spent()
    }

    /// Is so little taken that what could be done without may be held too?
    pub fn is_hardly_used(&self) -> bool {
        self.used_bytes() < self.common.max_bytes / 16
    }

    /// Is so little taken that nobody can have too much?
    pub fn is_ample(&self) -> bool {
        self.used_bytes() < self.common.ample_bytes
    }

    /// The stranger that must give up what it holds, if strangers hold too much: perhaps another loop's.
    pub fn surplus(&self) -> Option<ConnId> {
        if !self.is_scarce() {
            return None;
        }
        self.common.lock().surplus(self.common.max_bytes)
    }

    /// Is its loop still to be told that this stranger is to give up what it holds? Once, until it has heard it or that changes.
    pub fn is_to_be_told_of(&self, id: ConnId) -> bool {
        self.common.lock().told.replace(id) != Some(id)
    }

    /// Its loop has heard it, and looks for itself whether somebody holds too much still. Whoever does later is told of again.
    pub fn was_told(&self) {
        self.common.lock().told = None;
    }

    /// What is charged for what a connection holds: its flows, and so many bytes beside them, which count as on the way up.
    pub fn charge(flows: &Flows, beside_bytes: usize, is_stranger: bool) -> Charge {
        let held = |flow: &Flow| flow.rx.capacity() + flow.tx.capacity();
        let up = (held(&flows.up) + beside_bytes).saturating_sub(GRANTED_BYTES);
        let down = held(&flows.down).saturating_sub(GRANTED_BYTES);
        let bytes = u32::try_from(up + down).unwrap_or(u32::MAX);
        Charge {
            bytes,
            to_stranger: is_stranger && bytes > 0,
        }
    }

    /// Accounts for what a connection holds now, where `before` was accounted for.
    pub fn settle(&mut self, holder: Holder, before: Charge, after: Charge) {
        self.common.settle(holder, before, after);
        if after.bytes < before.bytes {
            self.note_freed();
        }
    }

    /// A connection is no more: gives back what was charged to it.
    pub fn release(&mut self, holder: Holder, charge: Charge) {
        self.common.settle(holder, charge, Charge::default());
        match charge.bytes {
            // It may be among those who wait.
            0 => self.due = self.waiting.len(),
            _ => self.note_freed(),
        }
    }

    /// It waits for room; not to be said again before it was named by [`Budget::next_waiting`].
    pub fn wait(&mut self, id: ConnId) {
        self.waiting.push_back(id);
    }

    /// Who is to be asked whether there is room now, which leaves the waiting: each once after something was given
    /// back.
    pub fn next_waiting(&mut self) -> Option<ConnId> {
        if self.waiting.is_empty() {
            return None;
        }
        let freed = self.common.freed.load(Ordering::SeqCst);
        if freed != self.seen {
            (self.seen, self.due) = (freed, self.waiting.len());
        }
        if self.is_spent() {
            self.due = 0;
        }
        self.due = self.due.checked_sub(1)?;
        self.waiting.pop_front()
    }

    /// Is there anybody to be asked? To be called before the loop waits: from then on it is woken when another one gives
    /// something back.
    pub fn has_due(&self) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        self.bells.wait();
        self.due > 0 || self.common.freed.load(Ordering::SeqCst) != self.seen
    }

    fn note_freed(&self) {
        self.common.freed.fetch_add(1, Ordering::SeqCst);
        self.bells.ring();
    }
}

impl Common {
    fn new(max_bytes: usize, balancers: Networks) -> Arc<Common> {
        Arc::new(Common {
            max_bytes,
            scarce_bytes: max_bytes.min(max_bytes / 2 + 1),
            ample_bytes: max_bytes / 4,
            balancers,
            used_bytes: AtomicUsize::new(0),
            freed: AtomicU64::new(0),
            held: Mutex::default(),
        })
    }

    fn settle(&self, holder: Holder, before: Charge, after: Charge) {
        let held = &mut *self.lock();
        let used = self.used_bytes.load(Ordering::Relaxed) + after.bytes as usize;
        let used = used.saturating_sub(before.bytes as usize);
        self.used_bytes.store(used, Ordering::Relaxed);
        let is_balanced = self.balancers.contains(holder.address);
        match (before.to_stranger, after.to_stranger) {
            (false, false) => held.count_known(holder.key(), before.bytes, after.bytes),
            (true, true) => held.count_stranger(holder, after.bytes, is_balanced),
            (true, false) => {
                held.count_stranger(holder, 0, is_balanced);
                held.count_known(holder.key(), 0, after.bytes);
            }
            (false, true) => {
                held.count_known(holder.key(), before.bytes, 0);
                held.count_stranger(holder, after.bytes, is_balanced);
            }
        }
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, Held> {
        unpoisoned(self.held.lock())
    }
}

impl Held {
    /// See [`Budget::surplus`]; of a budget of so many bytes that is scarce.
    fn surplus(&self, max_bytes: usize) -> Option<ConnId> {
        let first = self.strangers.first();
        if let Some((id, held)) = first
            && held > max_bytes as u64 / 16
        {
            return Some(id);
        }
        if self.strangers.held() + self.balanced.held() <= max_bytes as u64 / 4 {
            return None;
        }
        let firsts = [self.balanced.first(), first];
        let most = firsts.into_iter().flatten().max_by_key(|(_, held)| *held);
        most.map(|(id, _)| id)
    }

    /// Wherever it was counted before, it may have been another address's.
    fn count_stranger(&mut self, holder: Holder, bytes: u32, is_balanced: bool) {
        let (its, other) = match is_balanced {
            true => (&mut self.balanced, &mut self.strangers),
            false => (&mut self.strangers, &mut self.balanced),
        };
        its.set(holder.id, holder.key(), bytes);
        other.remove(holder.id);
        self.told.take_if(|told| *told == holder.id);
    }

    fn count_known(&mut self, key: ClientKey, before: u32, after: u32) {
        if before == after {
            return;
        }
        self.known_bytes = (self.known_bytes + after as usize).saturating_sub(before as usize);
        let held = self.known.get(&key).copied().unwrap_or(0);
        match (held + after as usize).saturating_sub(before as usize) {
            0 => drop(self.known.remove(&key)),
            held => drop(self.known.insert(key, held)),
        }
        if self.known.is_empty() && self.known.capacity() > KEPT_MAX {
            self.known = HashMap::new();
        }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
