//! The loop's own buffers, lent to the connection whose turn it is: one large one to the direction that reads, two for
//! what its session writes. Between turns a connection has only what could not leave. Counts nothing (that is `budget`).

use crate::flow::{Buf, Flow, Flows};
use crate::net::Side;

/// A buffer of the session that grew larger than this is not kept.
const TX_BYTES_KEPT: usize = 64 * 1024;

/// What is lent, or lies ready.
#[derive(Debug)]
pub struct Scratch {
    rx: Buf,
    /// How large that is, unless a head needs more for a while.
    rx_bytes: usize,
    /// The source of the direction that reads into it.
    lent_to: Option<Side>,
    tx: [Buf; 2],
}

impl Scratch {
    /// Reads are of at most `rx_bytes` as a rule.
    pub fn new(rx_bytes: usize) -> Scratch {
        Scratch {
            rx: Vec::with_capacity(rx_bytes).into(),
            rx_bytes,
            lent_to: None,
            tx: Default::default(),
        }
    }

    /// Gives the buffers to write into, where the connection has none that is still full.
    pub fn lend_tx(&mut self, flows: &mut Flows) {
        for (flow, lent) in [&mut flows.up, &mut flows.down].into_iter().zip(&mut self.tx) {
            if !flow.tx.has_memory() {
                flow.tx.swap_memory(lent);
            }
        }
    }

    /// Gives the buffer to read into to the direction from `side`, whose own must be empty; unless the other has it.
    pub fn lend_rx(&mut self, side: Side, flow: &mut Flow) {
        if self.lent_to.is_none() && flow.rx.is_empty() {
            flow.rx.swap_memory(&mut self.rx);
            self.lent_to = Some(side);
        }
    }

    /// The room of the buffer to read into; none while it is lent.
    pub fn read_bytes(&self) -> usize {
        self.rx.capacity()
    }

    /// Takes the buffer to read into back, where the direction from `side` has it; what is in it is copied to memory of
    /// the direction's own.
    // Asked whenever a direction rests, which mostly has nothing to give back: only the question is inlined.
    #[inline]
    pub fn take_back_rx(&mut self, side: Side, flow: &mut Flow) {
        if self.lent_to == Some(side) {
            self.take_back_lent_rx(flow);
        }
    }

    #[inline(never)]
    fn take_back_lent_rx(&mut self, flow: &mut Flow) {
        self.lent_to = None;
        self.rx = flow.rx.give_back();
        if self.rx.capacity() > self.rx_bytes {
            self.rx = Vec::with_capacity(self.rx_bytes).into();
        }
    }

    /// Takes everything back, and leaves no memory where nothing is.
    pub fn take_back(&mut self, flows: &mut Flows) {
        self.take_back_rx(Side::Client, &mut flows.up);
        self.take_back_rx(Side::Origin, &mut flows.down);
        for (flow, lent) in [&mut flows.up, &mut flows.down].into_iter().zip(&mut self.tx) {
            if flow.rx.is_empty() {
                flow.rx.release();
            }
            if flow.tx.is_empty() && flow.tx.capacity() <= TX_BYTES_KEPT && !lent.has_memory() {
                flow.tx.swap_memory(lent);
            }
            if flow.tx.is_empty() {
                flow.tx.release();
            }
        }
    }
}

#[cfg(test)]
mod tests {

    use crate::clock::Instant;

    use super::*;

    fn held(flows: &Flows) -> [usize; 4] {
        [&flows.up, &flows.down]
            .map(|flow| [flow.rx.capacity(), flow.tx.capacity()])
            .concat()
            .try_into()
            .unwrap()
    }

    #[test]
    fn what_is_lent_comes_back_and_rests_stay() {
        let (mut scratch, mut flows) = (Scratch::new(1000), Flows::new(Instant::now()));
        scratch.lend_tx(&mut flows);
        scratch.lend_rx(Side::Origin, &mut flows.down);
        flows.down.rx.push(b"hello");
        flows.up.tx.push(b"written");
        // The other direction gets none meanwhile, and keeps its own.
        scratch.lend_rx(Side::Client, &mut flows.up);
        flows.up.rx.push(b"own");
        scratch.take_back(&mut flows);
        assert_eq!(flows.down.rx.as_slice(), b"hello");
        assert_eq!(flows.up.rx.as_slice(), b"own");
        assert_eq!(flows.up.tx.as_slice(), b"written");
        assert!(flows.down.rx.capacity() < 10 && !flows.down.tx.has_memory());
        assert!(scratch.read_bytes() == 1000 && scratch.rx.is_empty());
    }

    #[test]
    fn a_large_head_leaves_later_reads_as_they_were() {
        let (mut scratch, mut flows) = (Scratch::new(1000), Flows::new(Instant::now()));
        scratch.lend_rx(Side::Client, &mut flows.up);
        flows.up.rx.push(&[b'h'; 5000]);
        scratch.take_back(&mut flows);
        assert_eq!((flows.up.rx.len(), scratch.read_bytes()), (5000, 1000));
    }

    #[test]
    fn an_empty_connection_holds_nothing_and_memory_is_used_again() {
        let (mut scratch, mut flows) = (Scratch::new(1000), Flows::new(Instant::now()));
        for _ in 0..2 {
            scratch.lend_tx(&mut flows);
            scratch.lend_rx(Side::Client, &mut flows.up);
            flows.up.rx.push(b"read");
            flows.up.rx.consume(4);
            flows.down.tx.push(b"written");
            flows.down.tx.consume(7);
            scratch.take_back(&mut flows);
            assert_eq!(held(&flows), [0; 4]);
        }
        scratch.lend_tx(&mut flows);
        assert!(flows.down.tx.capacity() >= 7, "the same memory");
    }
}
