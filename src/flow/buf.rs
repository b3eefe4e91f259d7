//! A queue of bytes, and how its memory is borrowed and given back. Who may read what is in it is the gate's matter.

use crate::text::slices::within;

/// A queue of bytes: appended at the end, consumed from the front, seldom moving what is left. One without memory is a
/// null pointer, as most are.
#[derive(Default, Debug)]
pub struct Buf(Option<Box<Bytes>>);

#[derive(Default, Debug)]
struct Bytes {
    bytes: Vec<u8>,
    start: usize,
}

impl From<Vec<u8>> for Buf {
    fn from(bytes: Vec<u8>) -> Buf {
        Buf(Some(Box::new(Bytes { bytes, start: 0 })))
    }
}

impl Buf {
    /// What is queued.
    pub fn as_slice(&self) -> &[u8] {
        self.0
            .as_ref()
            .map_or(&[], |queue| within(&queue.bytes, queue.start..))
    }

    /// How many bytes are queued.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.bytes.len() - queue.start)
    }

    /// Is nothing queued?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has it memory, used or not?
    pub fn has_memory(&self) -> bool {
        self.0.is_some()
    }

    /// Bytes of memory held, used or not.
    pub fn capacity(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.bytes.capacity())
    }

    /// Drops the first `n` bytes, or all there are.
    pub fn consume(&mut self, n: usize) {
        if let Some(queue) = &mut self.0 {
            queue.start += n;
            if queue.start >= queue.bytes.len() {
                self.clear();
            }
        }
    }

    /// Drops all bytes, keeps the memory, which may be borrowed.
    pub fn clear(&mut self) {
        if let Some(queue) = &mut self.0 {
            queue.bytes.clear();
            queue.start = 0;
        }
    }

    /// Drops all bytes and the memory, which must be its own.
    pub fn release(&mut self) {
        self.0 = None;
    }

    /// Appends a copy of `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.writer().extend_from_slice(bytes);
    }

    /// The vector behind the queue, for writers that append. Whoever holds it must only append.
    ///
    /// Where less is queued than was consumed, it moves to the front first: so a queue that never gets empty doesn't
    /// grow for ever, and no byte moves that another consumed one did not pay for.
    pub fn writer(&mut self) -> &mut Vec<u8> {
        let Bytes { bytes, start } = &mut **self.0.get_or_insert_default();
        if *start > bytes.len() / 2 {
            bytes.drain(..*start);
            *start = 0;
        }
        bytes
    }

    /// Exchanges memory with `other`, where both are empty: how a queue borrows a buffer, and gives it back.
    pub fn swap_memory(&mut self, other: &mut Buf) {
        if self.is_empty() && other.is_empty() {
            std::mem::swap(self, other);
        }
    }

    /// Replaces borrowed memory by memory of its own that holds just what is queued; returns the borrowed
    /// memory, emptied.
    pub fn give_back(&mut self) -> Buf {
        let own = match self.as_slice() {
            [] => Buf::default(),
            rest => Buf::from(rest.to_vec()),
        };
        let mut borrowed = std::mem::replace(self, own);
        borrowed.clear();
        borrowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_a_queue() {
        let mut buf = Buf::default();
        buf.push(b"abc");
        buf.consume(1);
        buf.push(b"d");
        assert_eq!(buf.as_slice(), b"bcd");
        buf.consume(9);
        assert!(buf.is_empty());
        assert_eq!(buf.as_slice(), b"");
    }

    #[test]
    fn lent_memory_comes_back_and_the_rest_stays() {
        let mut scratch = Buf::from(Vec::with_capacity(1000));
        let mut buf = Buf::default();
        buf.swap_memory(&mut scratch);
        assert_eq!(scratch.capacity(), 0);
        buf.push(b"hello");
        buf.consume(2);
        let scratch = buf.give_back();
        assert!(scratch.is_empty() && scratch.capacity() == 1000);
        assert_eq!(buf.as_slice(), b"llo");
        assert!(buf.capacity() < 10);
    }

    #[test]
    fn a_queue_that_is_never_empty_grows_no_larger_than_what_was_in_it() {
        let mut buf = Buf::from(b"x".to_vec());
        let mut bytes = (0..=250).cycle();
        let mut expected = std::collections::VecDeque::from(b"x".to_vec());
        for n in 0..10_000 {
            let piece: Vec<u8> = bytes.by_ref().take(n % 70).collect();
            buf.push(&piece);
            expected.extend(&piece);
            buf.consume(expected.len() - 1);
            expected.drain(..expected.len() - 1);
            assert_eq!(buf.as_slice(), expected.make_contiguous());
        }
        assert!(buf.capacity() <= 512, "{}", buf.capacity());
    }

    #[test]
    fn memory_of_a_full_queue_is_not_swapped_away() {
        let mut buf = Buf::default();
        buf.push(b"x");
        let mut scratch = Buf::from(Vec::with_capacity(10));
        buf.swap_memory(&mut scratch);
        assert_eq!(buf.as_slice(), b"x");
    }
}
