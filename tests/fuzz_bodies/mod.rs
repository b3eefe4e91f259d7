//! What the fuzz targets do with an input: shared by libFuzzer (`fuzz/`) and the replay on the stable toolchain
//! (`tests/smoke_fuzz.rs`). A body panics where a promise is broken, and judges by code of its own: nothing here
//! may ask the code under test whether it is right.

mod acl;
mod dns;
mod framing;
mod head;
mod hello;
mod host;
mod inside;
pub(crate) mod literals;
mod proxy_header;
pub(crate) mod reader;
mod session;
mod upstream_answer;

/// What takes an input.
pub(crate) type Body = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub(crate) const TARGETS: [(&str, Body); 11] = [
    ("head", head::run),
    ("request_framing", framing::request),
    ("response_framing", framing::response),
    ("host", host::run),
    ("acl", acl::run),
    ("dns", dns::run),
    ("proxy_header", proxy_header::run),
    ("hello", hello::run),
    ("session", session::run),
    ("inside", inside::run),
    ("upstream_answer", upstream_answer::run),
];

/// Takes an input apart from its front; past its end everything is zero.
#[derive(Clone, Copy)]
pub(crate) struct Script<'i>(pub(crate) &'i [u8]);

impl<'i> Script<'i> {
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    pub(crate) fn bytes(&mut self, n: usize) -> &'i [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }
}

/// Cuts `bytes` into pieces whose sizes follow from `seed`; hands each growing prefix to `take` until that is done.
pub(crate) fn in_pieces<R>(bytes: &[u8], seed: u8, mut take: impl FnMut(&[u8]) -> Option<R>) -> Option<R> {
    let mut state = u32::from(seed) | 0x100;
    let mut end = 0;
    loop {
        if let Some(done) = take(&bytes[..end]) {
            return Some(done);
        }
        if end == bytes.len() {
            return None;
        }
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = 1 + (state >> 24) as usize % if seed.is_multiple_of(2) { 3 } else { 40 };
        end = bytes.len().min(end + size);
    }
}
