//! A logarithmic axis: where a value stands, which values get a line, and how they are written. Draws nothing.

/// An axis from `low` to `high`, both of them 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// One on which all these values, which are above zero, have their place, and the largest `headroom` times over.
    pub(crate) fn around(values: impl Iterator<Item = f64> + Clone, headroom: f64) -> Axis {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(0.0, f64::max);
        // Below the least there is room for its figure.
        let low = steps().filter(|step| *step < 0.8 * least).last().unwrap_or(least);
        // A decade at least: else noise looks like growth.
        let high = steps().find(|step| *step > headroom * most && *step >= 10.0 * low);
        Axis {
            low,
            high: high.unwrap_or(most),
        }
    }

    /// From 0, at the lower end, to 1.
    pub(crate) fn place(self, value: f64) -> f64 {
        (value / self.low).ln() / (self.high / self.low).ln()
    }

    /// The values that get a line.
    pub(crate) fn ticks(self) -> impl Iterator<Item = f64> {
        let decades = (self.high / self.low).log10();
        steps().filter(move |step| {
            let is_power = step.log10().fract() == 0.0;
            (self.low..=self.high).contains(step) && (is_power || decades < 2.5)
        })
    }
}

/// 0.1, 0.2, 0.5, 1, ... up to 5 * 10^9.
fn steps() -> impl Iterator<Item = f64> + Clone {
    (-1..10).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
}

/// Three digits, thousands by a comma.
pub(crate) fn short(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    whole(value)
}

/// Without a fraction where it is 1 or more, thousands by a comma.
pub(crate) fn whole(value: f64) -> String {
    if value < 1.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let (thousands, rest) = digits.split_at(digits.len().saturating_sub(3));
    if thousands.is_empty() {
        rest.to_owned()
    } else {
        format!("{thousands},{rest}")
    }
}
