//! How often a value was how large: counts between bounds, and the sum. Knows no names and no units.

/// Milliseconds of lookups and connects: most are below one, and the longest end with their limit of 10 s.
pub(super) const MILLISECONDS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0,
];

/// Seconds of tunnels: from a fetch to a day.
pub(super) const SECONDS: &[f64] = &[
    0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
];

/// Bytes of tunnels, by tens: from a handshake to 10 GB.
pub(super) const BYTES: &[f64] = &[1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// More bounds than any of these has.
const BOUNDS_MAX: usize = 14;

/// Counts between bounds.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    counts: [u64; BOUNDS_MAX],
    sum: f64,
}

impl Histogram {
    /// Nothing was observed.
    pub(super) fn new(bounds: &'static [f64]) -> Histogram {
        debug_assert!(
            bounds.len() < BOUNDS_MAX,
            "the last count is for what is beyond all bounds"
        );
        Histogram {
            bounds,
            counts: [0; BOUNDS_MAX],
            sum: 0.0,
        }
    }

    /// One more value.
    pub(super) fn observe(&mut self, value: f64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum += value;
    }

    /// Each bound, and how many values are not above it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            below += count;
            (*bound, below)
        })
    }

    /// How many values there were.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_for_each_bound_that_it_is_not_above() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        for value in [0.0, 1.0, 1.5, 2.0, 3.0, 1e300] {
            histogram.observe(value);
        }
        let cumulative: Vec<_> = histogram.cumulative().collect();
        assert_eq!(cumulative, [(1.0, 2), (2.0, 4)]);
        assert_eq!(histogram.count(), 6);
        assert!(histogram.sum() >= 1e300);
    }

    #[test]
    fn bounds_rise_and_fit() {
        for bounds in [MILLISECONDS, SECONDS, BYTES] {
            assert!(bounds.len() < BOUNDS_MAX && bounds.is_sorted());
        }
    }
}
