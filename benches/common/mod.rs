//! What the benches of parts have in common: how long each is measured.

use std::time::Duration;

use criterion::Criterion;

/// A part takes microseconds at most: a second gives samples enough.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(700))
        .configure_from_args()
}
