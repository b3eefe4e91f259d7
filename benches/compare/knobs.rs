//! What can be set from outside, by environment variables. Reads nothing else.

use std::time::Duration;

/// The settings.
pub(crate) struct Knobs {
    /// `COMPARE_ROWS`: only rows whose names are one of these words, separated by commas, or go on behind it with a hyphen.
    rows: Vec<String>,
    /// `COMPARE_PEERS`: only proxies whose names contain one of these.
    peers: Vec<String>,
    /// `COMPARE_ROUNDS`: how often all take their turn; what is printed is the median. 3 unless set.
    pub(crate) rounds: usize,
    /// `COMPARE_SECONDS`: for one measurement. 1.5 unless set.
    pub(crate) measure: Duration,
    /// `COMPARE_ARRIVALS`: tunnels a second where the load is equal; every proxy must be able to carry it. 1,000 unless
    /// set.
    pub(crate) arrivals: f64,
    /// `COMPARE_SLEEP`: the generator sleeps when it has nothing to do, and waking it is left to the proxies.
    pub(crate) sleeps: bool,
}

impl Knobs {
    /// What the environment says. Nonsense is as good as nothing.
    pub(crate) fn read() -> Knobs {
        let text = |name: &str| std::env::var(name).unwrap_or_default();
        let words = |name: &str| {
            let list = text(name);
            list.split(',')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let seconds = text("COMPARE_SECONDS")
            .parse()
            .ok()
            .filter(|seconds| (0.05..600.0).contains(seconds));
        Knobs {
            rows: words("COMPARE_ROWS"),
            peers: words("COMPARE_PEERS"),
            rounds: text("COMPARE_ROUNDS").parse().unwrap_or(3).clamp(1, 99),
            arrivals: text("COMPARE_ARRIVALS")
                .parse()
                .unwrap_or(1000.0_f64)
                .clamp(1.0, 1e6),
            sleeps: std::env::var_os("COMPARE_SLEEP").is_some(),
            measure: Duration::from_secs_f64(seconds.unwrap_or(1.5)),
        }
    }

    /// Whether this row is wanted.
    pub(crate) fn wants_row(&self, name: &str) -> bool {
        let is_meant = |word: &String| {
            let rest = name.strip_prefix(word.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.rows.is_empty() || self.rows.iter().any(is_meant)
    }

    /// Whether this proxy is.
    pub(crate) fn wants_peer(&self, name: &str) -> bool {
        let contains = |word: &String| name.contains(word.as_str());
        self.peers.is_empty() || self.peers.iter().any(contains)
    }
}
