//! The bytes that all connections together may hold beyond what each is granted: a count, no allocator; and who may add
//! to it when it gets scarce.
//!
//! While more than half is taken, strangers together hold at most a quarter, those of one address at most a sixteenth:
//! those of the address that holds most are to be refused, the longest-waiting first. Who is no stranger is never
//! refused, but waits: so what the connections of one address hold, a quarter at most, and what all of them hold, three
//! quarters, is bounded from the first byte on. An address that many are behind, a balancer's, has no bound of its own.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::flow::{Flow, Flows, GRANTED_BYTES};
use crate::net::{ClientKey, Networks};

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

/// How much of the shared room is taken, and by whom.
#[derive(Debug)]
pub struct Budget {
    max_bytes: usize,
    used_bytes: usize,
    /// From so many on it is scarce,
    scarce_bytes: usize,
    /// and from so many on no longer ample.
    ample_bytes: usize,
    /// Addresses that have no bound of their own.
    balancers: Networks,
    strangers: Crowd,
    /// Strangers whose addresses are such.
    balanced: Crowd,
    /// Bytes of the others, by address, and in all.
    known: HashMap<ClientKey, usize>,
    known_bytes: usize,
    /// Those who wait for room, each once.
    waiting: VecDeque<ConnId>,
    /// How many of them are to be looked at, since something was given back.
    due: usize,
}

impl Budget {
    /// A budget of `max_bytes` beyond [`GRANTED_BYTES`] a direction.
    pub fn new(max_bytes: usize) -> Budget {
        Budget {
            max_bytes,
            used_bytes: 0,
            scarce_bytes: max_bytes.min(max_bytes / 2 + 1),
            ample_bytes: max_bytes / 4,
            balancers: Networks::default(),
            strangers: Crowd::default(),
            balanced: Crowd::default(),
            known: HashMap::new(),
            known_bytes: 0,
            waiting: VecDeque::new(),
            due: 0,
        }
    }

    /// With no bound for what single ones of these addresses hold: others are behind them.
    pub fn without_bound_for(self, balancers: Networks) -> Budget {
        Budget { balancers, ..self }
    }

    /// Is more than half taken, so that it matters who wants more?
    pub fn is_scarce(&self) -> bool {
        self.used_bytes >= self.scarce_bytes
    }

    /// Is nothing left?
    pub fn is_spent(&self) -> bool {
        self.used_bytes >= self.max_bytes
    }

    /// Bytes taken now.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Is nothing charged to anybody?
    pub fn is_unused(&self) -> bool {
        let strangers_hold = !(self.strangers.is_empty() && self.balanced.is_empty());
        self.used_bytes == 0 && !strangers_hold && self.known.is_empty()
    }

    /// May it hold more than it does? What a stranger has too much shows afterwards: see [`Budget::surplus`].
    pub fn admits(&self, holder: Holder) -> bool {
        let quarter = self.max_bytes / 4;
        if holder.is_stranger || self.is_ample() {
            return !self.is_spent();
        }
        let held = self.known.get(&holder.key()).copied().unwrap_or(0);
        let may_hold_more = held < quarter || self.balancers.contains(holder.address);
        may_hold_more && self.known_bytes < self.max_bytes - quarter && !self.is_spent()
    }

    /// Is so little taken that what could be done without may be held too?
    pub fn is_hardly_used(&self) -> bool {
        self.used_bytes < self.max_bytes / 16
    }

    /// Is so little taken that nobody can have too much?
    pub fn is_ample(&self) -> bool {
        self.used_bytes < self.ample_bytes
    }

    /// The stranger that must give up what it holds, if strangers hold too much.
    pub fn surplus(&self) -> Option<ConnId> {
        if !self.is_scarce() {
            return None;
        }
        let first = self.strangers.first();
        if let Some((id, held)) = first
            && held > self.max_bytes as u64 / 16
        {
            return Some(id);
        }
        if self.strangers.held() + self.balanced.held() <= self.max_bytes as u64 / 4 {
            return None;
        }
        let firsts = [self.balanced.first(), first];
        let most = firsts.into_iter().flatten().max_by_key(|(_, held)| *held);
        most.map(|(id, _)| id)
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
        self.used_bytes = (self.used_bytes + after.bytes as usize).saturating_sub(before.bytes as usize);
        match (before.to_stranger, after.to_stranger) {
            (false, false) => self.count_known(holder.key(), before.bytes, after.bytes),
            (true, true) => self.count_stranger(holder, after.bytes),
            (true, false) => {
                self.count_stranger(holder, 0);
                self.count_known(holder.key(), 0, after.bytes);
            }
            (false, true) => {
                self.count_known(holder.key(), before.bytes, 0);
                self.count_stranger(holder, after.bytes);
            }
        }
        if after.bytes < before.bytes {
            self.due = self.waiting.len();
        }
    }

    /// A connection is no more: gives back what was charged to it.
    pub fn release(&mut self, holder: Holder, charge: Charge) {
        self.settle(holder, charge, Charge::default());
        // It may be among those who wait.
        self.due = self.waiting.len();
    }

    /// It waits for room; not to be said again before it was named by [`Budget::next_waiting`].
    pub fn wait(&mut self, id: ConnId) {
        self.waiting.push_back(id);
    }

    /// Who is to be asked whether there is room now, which leaves the waiting: each once after something was given
    /// back.
    pub fn next_waiting(&mut self) -> Option<ConnId> {
        if self.is_spent() {
            self.due = 0;
        }
        self.due = self.due.checked_sub(1)?;
        self.waiting.pop_front()
    }

    /// Is there anybody to be asked?
    pub fn has_due(&self) -> bool {
        self.due > 0
    }

    /// Wherever it was counted before, it may have been another address's.
    fn count_stranger(&mut self, holder: Holder, bytes: u32) {
        let (its, other) = match self.balancers.contains(holder.address) {
            true => (&mut self.balanced, &mut self.strangers),
            false => (&mut self.strangers, &mut self.balanced),
        };
        its.set(holder.id, holder.key(), bytes);
        other.remove(holder.id);
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
