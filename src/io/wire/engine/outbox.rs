//! Sealed bytes on their way to the wire below, in the order in which they were sealed. Seals nothing.

use std::io;

use crate::text::slices::within;

use super::super::Wire;

/// The bytes. Memory behind them stays as it is from one time to the next: to make room is to clear it, which for bulk was
/// 2 % of all that a byte costs.
#[derive(Default)]
pub(super) struct Outbox {
    memory: Vec<u8>,
    /// So much of it is to leave.
    filled: usize,
}

impl Outbox {
    pub(super) fn bytes(&self) -> &[u8] {
        within(&self.memory, ..self.filled)
    }

    pub(super) fn len(&self) -> usize {
        self.filled
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// What it takes, bytes or none.
    pub(super) fn held_bytes(&self) -> usize {
        self.memory.capacity()
    }

    /// Room for so many bytes more. What is in it is nothing to rely on.
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.filled + bytes;
        if self.memory.len() < end {
            self.memory.resize(end, 0);
        }
        self.memory.get_mut(self.filled..end).unwrap_or_default()
    }

    /// The first bytes of the room are filled.
    pub(super) fn fill(&mut self, bytes: usize) {
        debug_assert!(self.filled + bytes <= self.memory.len(), "filled beyond its room");
        self.filled = (self.filled + bytes).min(self.memory.len());
    }

    /// Appends what is in another.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.fill(bytes.len());
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// The same bytes, in memory just as large.
    pub(super) fn kept(&self) -> Outbox {
        Outbox {
            memory: self.bytes().to_vec(),
            filled: self.filled,
        }
    }

    /// Gives the wire below what it takes, and takes it out. Was that all?
    ///
    /// # Errors
    /// The wire's below.
    pub(super) fn push(&mut self, below: &mut impl Wire) -> io::Result<bool> {
        let mut pushed = 0;
        let all = loop {
            let left = within(self.bytes(), pushed..);
            if left.is_empty() {
                break Ok(true);
            }
            match below.write(left, &[]) {
                Ok(n) if n < left.len() && below.short_read_means_drained() => {
                    pushed += n;
                    break Ok(false);
                }
                Ok(n) => pushed += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(false),
                Err(error) => break Err(error),
            }
        };
        self.memory.copy_within(pushed..self.filled, 0);
        self.filled -= pushed;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_is_kept_and_the_room_behind_it_is_not() {
        let mut outbox = Outbox::default();
        outbox.append(b"first");
        outbox.room(100)[..6].copy_from_slice(b"second");
        outbox.fill(6);
        assert_eq!((outbox.bytes(), outbox.len()), (b"firstsecond".as_slice(), 11));
        let kept = outbox.kept();
        assert_eq!((kept.bytes(), kept.held_bytes()), (b"firstsecond".as_slice(), 11));
        outbox.clear();
        assert!(outbox.is_empty() && outbox.held_bytes() >= 105);
        assert_eq!(Outbox::default().kept().held_bytes(), 0);
    }
}
