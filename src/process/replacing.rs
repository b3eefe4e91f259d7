//! That another policy, and what was read with it, has come into force in all loops: each exchanges what it has when it comes
//! to it, and what was in force before is over with the last. Frees nothing.

use crate::server::in_force::InForce;

use super::files::Line;

/// The loops that still have what was in force before.
#[derive(Default)]
pub(super) struct Replacing {
    left: Vec<u8>,
    /// Kept here meanwhile, so that no loop has the last pointer to it; and what is to be said then.
    replaced: Option<(InForce, Vec<Line>)>,
}

impl Replacing {
    /// These are told to replace `old`. The lines are to be said when all have.
    pub(super) fn begin(&mut self, old: InForce, lines: Vec<Line>, loops: impl Iterator<Item = u8>) {
        self.left = loops.collect();
        self.replaced = Some((old, lines));
    }

    /// A loop has, or has ended. What was in force before, where none has it any more, and what is to be said.
    pub(super) fn note(&mut self, number: u8) -> Option<(InForce, Vec<Line>)> {
        self.left.retain(|left| *left != number);
        self.replaced.take_if(|_| self.left.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use crate::policy::{Policy, PolicyParts};
    use crate::tls::{Client, ClientParts};

    use super::*;

    #[test]
    fn the_old_one_is_over_when_the_last_loop_has_replaced_it_or_ended() {
        let trust = Client::new(ClientParts::default(), SystemTime::now(), &mut Vec::new());
        let old = InForce {
            policy: Arc::new(Policy::new(PolicyParts::without_rules())),
            tls: None,
            trust: Arc::new(trust.unwrap()),
            mitm: None,
        };
        let mut replacing = Replacing::default();
        replacing.begin(old.clone(), Vec::new(), 0..3);
        assert!(replacing.note(1).is_none());
        assert!(replacing.note(1).is_none(), "it ended since");
        assert!(replacing.note(0).is_none());
        assert!(replacing.note(2).is_some());
        assert!(replacing.note(2).is_none());
        replacing.begin(old, Vec::new(), 0..1);
        assert!(replacing.note(0).is_some());
    }
}
