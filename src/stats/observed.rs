//! Values that are sent one by one: kept until the next time that something is sent. Formats nothing.

/// Values kept at most; further ones are lost.
const KEPT_MAX: usize = 4096;

/// A time that is not taken apart further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timing {
    Connect,
    Lookup,
    Proxy,
}

/// How many there are.
pub(super) const TIMINGS: usize = Timing::Proxy as usize + 1;

/// What a value was observed of; the latter three by the row of a role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Observed {
    Timing(Timing),
    Duration(usize),
    BytesIn(usize),
    BytesOut(usize),
}

/// The values.
#[derive(Debug)]
pub(super) struct Samples(Vec<(Observed, f64)>);

impl Samples {
    /// Room for all there may be, so that keeping one allocates nothing.
    pub(super) fn new() -> Samples {
        Samples(Vec::with_capacity(KEPT_MAX))
    }

    pub(super) fn keep(&mut self, of: Observed, value: f64) {
        if self.0.len() < KEPT_MAX {
            self.0.push((of, value));
        }
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = (Observed, f64)> {
        self.0.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bounded_and_taken_once() {
        let mut samples = Samples::new();
        (0..2 * KEPT_MAX).for_each(|row| samples.keep(Observed::Duration(row), 1.5));
        assert_eq!(samples.take().count(), KEPT_MAX);
        assert_eq!(samples.take().count(), 0);
    }
}
