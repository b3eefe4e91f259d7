//! Parts of a byte string that are there: where the caller knows so, a mistake fails in a debug build, and gives an empty
//! part in a release build, which must not stop for what came from outside. Reads nothing of what is in them.

use std::slice::SliceIndex;

/// A part whose bounds are within `bytes`, as the caller made sure.
#[inline]
#[track_caller]
pub(crate) fn within<R: SliceIndex<[u8], Output = [u8]>>(bytes: &[u8], part: R) -> &[u8] {
    let found = bytes.get(part);
    debug_assert!(found.is_some(), "a part beyond {} bytes", bytes.len());
    found.unwrap_or_default()
}

/// What stands before the first byte that ends it; all of it where none does.
#[inline]
pub(crate) fn until(bytes: &[u8], ends: impl FnMut(&u8) -> bool) -> &[u8] {
    match bytes.iter().position(ends) {
        Some(end) => within(bytes, ..end),
        None => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_reach_to_their_bounds() {
        assert_eq!(within(b"abc", 1..), b"bc");
        assert_eq!(within(b"abc", 3..), b"");
        assert_eq!(until(b"a/b/c", |byte| *byte == b'/'), b"a");
        assert_eq!(until(b"/b", |byte| *byte == b'/'), b"");
        assert_eq!(until(b"abc", |byte| *byte == b'/'), b"abc");
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "a part beyond 3 bytes")]
    fn a_part_that_is_not_there_is_a_mistake() {
        within(b"abc", ..4);
    }
}
