//! The buffers that all engines of a loop work in: one for what comes in sealed, one for what goes out. An engine has them
//! for the length of one call; between calls it keeps only what could not be opened or did not leave.

use std::cell::Cell;

use crate::text::slices::within;

use super::outbox::Outbox;

/// So much is read from the wire below at a time, and so much sealed. A record has 16 KiB at most.
pub(super) const ROOM_BYTES: usize = 64 * 1024;

/// The text of a full record (RFC 8446, 5.1).
pub(super) const RECORD_TEXT_BYTES: usize = 16 * 1024;

/// A record as it travels has at most so much beside its text, header included (RFC 8446, 5.2; RFC 5246, 6.2.3).
pub(super) const RECORD_OVERHEAD_BYTES_MAX: usize = 5 + 2048;

/// The buffers. Who takes one while another has it, as an engine over an engine does, gets an empty one that grows.
#[derive(Default)]
pub(in crate::io::wire) struct Room {
    inbound: Cell<Vec<u8>>,
    outbound: Cell<Outbox>,
}

impl Room {
    /// The buffer for what comes in: empty, with room for a record beyond [`ROOM_BYTES`].
    pub(super) fn take_inbound(&self) -> Vec<u8> {
        let mut buffer = self.inbound.take();
        buffer.reserve_exact(ROOM_BYTES + RECORD_TEXT_BYTES + RECORD_OVERHEAD_BYTES_MAX);
        buffer
    }

    pub(super) fn put_inbound(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        // One that had to hold more goes.
        if buffer.capacity() <= 2 * ROOM_BYTES {
            self.inbound.set(buffer);
        }
    }

    /// The buffer for what goes out: empty.
    pub(super) fn take_outbound(&self) -> Outbox {
        self.outbound.take()
    }

    pub(super) fn put_outbound(&self, mut buffer: Outbox) {
        buffer.clear();
        if buffer.held_bytes() <= 2 * ROOM_BYTES {
            self.outbound.set(buffer);
        }
    }
}

/// As much of it as is sealed at a time.
pub(super) fn roomful(text: &[u8]) -> &[u8] {
    within(text, ..text.len().min(ROOM_BYTES))
}

/// Keeps what is left in a buffer that goes back, in memory just as large.
pub(super) fn keep(own: &mut Vec<u8>, left: &[u8]) {
    if own.capacity() > 2 * left.len() {
        *own = Vec::new();
    }
    own.clear();
    own.extend_from_slice(left);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_a_large_one_is_not_kept() {
        let room = Room::default();
        let mut buffer = room.take_inbound();
        buffer.extend([1; 100]);
        room.put_inbound(buffer);
        let again = room.take_inbound();
        assert!(again.is_empty() && again.capacity() >= 100);
        let mut large = room.take_outbound();
        large.room(3 * ROOM_BYTES);
        room.put_outbound(large);
        assert_eq!(room.take_outbound().held_bytes(), 0);
    }
}
