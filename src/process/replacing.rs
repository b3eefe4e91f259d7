//! That a policy has been replaced in all loops: each exchanges its pointer when it comes to it, and the old policy is over
//! with the last. Frees nothing.

use std::sync::Arc;

use crate::policy::Policy;

/// The loops that still have the policy before the one in force.
#[derive(Default)]
pub(super) struct Replacing {
    left: Vec<u8>,
    old: Option<Arc<Policy>>,
}

impl Replacing {
    /// These are told to replace theirs.
    pub(super) fn begin(&mut self, loops: impl Iterator<Item = u8>) {
        self.left = loops.collect();
    }

    /// A loop has, and gives the old one, or has ended and dropped it. The old one, where none has it any more.
    pub(super) fn note(&mut self, number: u8, old: Option<Arc<Policy>>) -> Option<Arc<Policy>> {
        let before = self.left.len();
        self.left.retain(|left| *left != number);
        self.old = old.or(self.old.take());
        let is_last = before > 0 && self.left.is_empty();
        self.old.take_if(|_| is_last)
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::PolicyParts;

    use super::*;

    #[test]
    fn the_old_one_is_over_when_the_last_loop_has_replaced_it_or_ended() {
        let old = || Some(Arc::new(Policy::new(PolicyParts::without_rules())));
        let mut replacing = Replacing::default();
        replacing.begin(0..3);
        assert!(replacing.note(1, old()).is_none());
        assert!(replacing.note(1, None).is_none(), "it ended since");
        assert!(replacing.note(0, old()).is_none());
        assert!(replacing.note(2, None).is_some());
        assert!(replacing.note(2, None).is_none());
        replacing.begin(0..1);
        assert!(replacing.note(0, old()).is_some());
    }
}
