//! The bytes that all connections together may hold beyond what each is granted: a count, no allocator.

use crate::flow::{Flow, Flows, GRANTED_BYTES};

/// How much of the shared room is taken.
#[derive(Debug)]
pub struct Budget {
    max_bytes: usize,
    used_bytes: usize,
}

impl Budget {
    /// A budget of `max_bytes` beyond [`GRANTED_BYTES`] a direction.
    pub fn new(max_bytes: usize) -> Budget {
        Budget {
            max_bytes,
            used_bytes: 0,
        }
    }

    /// Is nothing left?
    pub fn is_spent(&self) -> bool {
        self.used_bytes >= self.max_bytes
    }

    /// Bytes taken now.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Accounts for what a connection holds now, where `charged` was accounted for before; returns the new charge.
    pub fn settle(&mut self, flows: &Flows, charged: u32) -> u32 {
        let beyond = |flow: &Flow| (flow.rx.capacity() + flow.tx.capacity()).saturating_sub(GRANTED_BYTES);
        let charge = u32::try_from(beyond(&flows.up) + beyond(&flows.down)).unwrap_or(u32::MAX);
        self.used_bytes = (self.used_bytes + charge as usize).saturating_sub(charged as usize);
        charge
    }

    /// Gives back what was charged to a connection that is no more.
    pub fn release(&mut self, charged: u32) {
        self.used_bytes = self.used_bytes.saturating_sub(charged as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn what_is_held_beyond_the_grant_is_charged_and_comes_back() {
        let mut budget = Budget::new(10_000);
        let mut flows = Flows::new(Instant::now());
        flows.up.rx.push(&[0; 100]);
        assert_eq!(budget.settle(&flows, 0), 0, "granted");
        flows.up.rx.push(&vec![0; 20_000]);
        let charged = budget.settle(&flows, 0);
        assert!(charged >= 16_000 && budget.is_spent());
        flows.up.rx.release();
        assert_eq!(budget.settle(&flows, charged), 0);
        assert_eq!(budget.used_bytes(), 0);
        let charged = budget.settle(&flows, 0);
        budget.release(charged);
        assert_eq!(budget.used_bytes(), 0);
    }
}
