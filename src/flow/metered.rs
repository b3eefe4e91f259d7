//! A direction whose bytes are counted before they leave: how many wait for that, and how many may. Who counts them is not
//! known here.

use std::num::NonZeroU64;

use super::{Below, End, Flow, Gate};

impl Flow {
    /// From now on nothing leaves that was not granted. What is left then is the end, which needs no leave.
    pub fn meter(&mut self) {
        let is_over =
            self.end >= End::Reached && self.rx.is_empty() && !matches!(self.below(), Below::Pipe(_));
        self.gate = match self.gate {
            Gate::Open if !is_over => Gate::Metered {
                granted: 0,
                left: None,
            },
            Gate::Pass(n) if n > 0 => Gate::Metered {
                granted: 0,
                left: NonZeroU64::new(n),
            },
            Gate::Metered { left: None, .. } if is_over => Gate::Open,
            gate => gate,
        };
    }

    /// How many bytes were granted and did not leave.
    pub fn granted_bytes(&self) -> u64 {
        match self.gate {
            Gate::Metered { granted, .. } => granted.into(),
            Gate::Hold | Gate::Pass(_) | Gate::Open => 0,
        }
    }

    /// How many bytes were read that only wait to be granted.
    pub fn ungranted_bytes(&self) -> u64 {
        let Gate::Metered { granted, left } = self.gate else {
            return 0;
        };
        let piped_bytes = match self.below() {
            Below::Pipe(bytes) => bytes.into(),
            Below::Nothing | Below::Engine(_) => 0,
        };
        let read_bytes = self.rx.len() as u64 + piped_bytes;
        let bytes = left.map_or(read_bytes, |left| read_bytes.min(left.get()));
        match self.dead {
            true => 0,
            false => bytes.saturating_sub(granted.into()),
        }
    }

    /// Lets so many more of them leave.
    pub fn grant(&mut self, bytes: u64) {
        if let Gate::Metered { granted, .. } = &mut self.gate {
            *granted = granted.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {

    use crate::clock::Instant;

    use super::*;

    fn flow(gate: Gate, rx: &[u8]) -> Flow {
        let mut flow = Flow::new(gate, Instant::now());
        flow.rx.push(rx);
        flow.meter();
        flow
    }

    #[test]
    fn only_what_was_granted_may_leave() {
        let mut f = flow(Gate::Open, b"abcdef");
        assert_eq!((f.passable(), f.ungranted_bytes(), f.has_unsent()), (0, 6, false));
        f.grant(4);
        assert_eq!((f.passable(), f.ungranted_bytes(), f.granted_bytes()), (4, 2, 4));
        f.rx.consume(3);
        f.count_passed(3);
        assert_eq!((f.passable(), f.ungranted_bytes(), f.granted_bytes()), (1, 2, 1));
        assert!(!f.wants_bytes() && !f.end_is_due());
    }

    #[test]
    fn behind_a_body_s_last_byte_the_gate_is_shut() {
        let mut f = flow(Gate::Pass(4), b"abcdef");
        assert_eq!(f.ungranted_bytes(), 4);
        f.grant(4);
        f.rx.consume(4);
        f.count_passed(4);
        assert_eq!(f.gate, Gate::Pass(0));
        f.meter();
        assert_eq!((f.gate, f.rx.len()), (Gate::Pass(0), 2));
    }

    #[test]
    fn bytes_of_a_pipe_wait_as_others_do() {
        let mut f = flow(Gate::Open, b"");
        f.set_piped(10);
        assert_eq!((f.ungranted_bytes(), f.pipe_passable(10)), (10, 0));
        f.grant(6);
        assert_eq!((f.ungranted_bytes(), f.pipe_passable(10)), (4, 6));
    }

    #[test]
    fn an_end_needs_no_leave() {
        let mut f = flow(Gate::Open, b"a");
        f.end = End::Reached;
        f.meter();
        assert!(!f.end_is_due());
        f.grant(1);
        f.rx.consume(1);
        f.count_passed(1);
        f.meter();
        assert!(f.gate == Gate::Open && f.end_is_due());
    }
}
