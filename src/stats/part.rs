//! A part of a page, and a JSON list that comes in parts. What stands on pages is not known here.

/// A part of a page, which ends when it is large enough.
#[derive(Debug)]
pub struct Part<'a> {
    pub(super) out: &'a mut Vec<u8>,
    bytes_max: usize,
}

impl<'a> Part<'a> {
    /// Appended to `out`, which is empty; with so many bytes it is large enough.
    pub fn new(out: &'a mut Vec<u8>, bytes_max: usize) -> Part<'a> {
        Part { out, bytes_max }
    }

    /// With so many bytes it is large enough.
    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Is it large enough?
    pub fn is_full(&self) -> bool {
        self.out.len() >= self.bytes_max
    }

    /// A JSON list, or a further part of it. `start` is 0 or what [`List::next`] gave; with the list comes the position
    /// that stands in it.
    pub fn list(self, start: u64) -> (List<'a>, u64) {
        let list = List {
            part: self,
            has_items: start & 1 == 1,
        };
        if start == 0 {
            list.part.out.push(b'[');
        }
        (list, start >> 1)
    }
}

/// A JSON list that comes in parts.
#[derive(Debug)]
pub struct List<'a> {
    part: Part<'a>,
    has_items: bool,
}

impl List<'_> {
    /// Where the next item is to be appended.
    pub(super) fn item(&mut self) -> &mut Vec<u8> {
        self.part.out.extend_from_slice(match self.has_items {
            true => b",\n",
            false => b"\n",
        });
        self.has_items = true;
        self.part.out
    }

    /// Is the part large enough?
    pub fn is_full(&self) -> bool {
        self.part.is_full()
    }

    /// The start of the next part, which has the items from this position on.
    pub fn next(self, position: u64) -> u64 {
        position << 1 | u64::from(self.has_items)
    }

    /// There are no more items.
    pub fn end(self) {
        self.part.out.extend_from_slice(b"\n]\n");
    }
}
