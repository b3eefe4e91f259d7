//! Medians of the rounds, and the table in Markdown. Measures nothing.

use std::fmt::Write as _;

use crate::rows::{Figures, Kind, Row, Unit};

/// The table's first two lines.
pub(crate) fn head() -> String {
    let columns = [
        "work",
        "proxy",
        "rate",
        "p50",
        "p99",
        "CPU per unit",
        "memory",
        "errors",
        "ratio",
    ];
    format!("| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()))
}

/// One line of it. `first` is the key figure of the row's first proxy.
pub(crate) fn line(row: &Row, name: &str, figures: &Figures, first: Option<f64>) -> String {
    let ratio = match (figures.key, first) {
        (Some(key), Some(first)) if first > 0.0 => format!("{:.2}", key / first),
        _ => String::new(),
    };
    let cells = [
        row.title.to_owned(),
        name.to_owned(),
        figures.rate.map_or_else(String::new, |rate| rate_text(row, rate)),
        figures.p50.map_or_else(String::new, time_text),
        figures.p99.map_or_else(String::new, time_text),
        figures.cpu.map_or_else(String::new, |cpu| cpu_text(row, cpu)),
        memory_text(&figures.memory),
        figures.errors.to_string(),
        ratio,
    ];
    format!("| {} |", cells.join(" | "))
}

/// Figure by figure, the median of all rounds; errors are added up.
pub(crate) fn median(rounds: &[Figures]) -> Figures {
    let of = |get: &dyn Fn(&Figures) -> Option<f64>| {
        let mut values: Vec<f64> = rounds.iter().filter_map(get).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let width = rounds
        .iter()
        .map(|figures| figures.memory.len())
        .min()
        .unwrap_or(0);
    Figures {
        rate: of(&|figures| figures.rate),
        p50: of(&|figures| figures.p50),
        p99: of(&|figures| figures.p99),
        cpu: of(&|figures| figures.cpu),
        memory: (0..width)
            .filter_map(|n| of(&|figures| figures.memory.get(n).copied()))
            .collect(),
        errors: rounds.iter().map(|figures| figures.errors).sum(),
        first_error: rounds.iter().find_map(|figures| figures.first_error.clone()),
        key: of(&|figures| figures.key),
    }
}

fn unit(row: &Row) -> Unit {
    match row.kind {
        Kind::Load { unit, .. } => unit,
    }
}

fn rate_text(row: &Row, rate: f64) -> String {
    match unit(row) {
        Unit::Gigabyte => format!("{rate:.2} GB/s"),
        Unit::Unit => format!("{rate:.0}/s"),
    }
}

fn cpu_text(row: &Row, cpu: f64) -> String {
    match unit(row) {
        Unit::Gigabyte => format!("{cpu:.3} s/GB"),
        Unit::Unit => format!("{:.1} µs", cpu * 1e6),
    }
}

fn time_text(seconds: f64) -> String {
    if seconds < 1e-3 {
        return format!("{:.0} µs", seconds * 1e6);
    }
    format!("{:.2} ms", seconds * 1e3)
}

fn memory_text(memory: &[f64]) -> String {
    let mut text = String::new();
    for (n, bytes) in memory.iter().enumerate() {
        let between = if n == 0 { "" } else { " → " };
        write!(text, "{between}{:.1}", bytes / 1_048_576.0).expect("a String takes everything");
    }
    if text.is_empty() { text } else { text + " MiB" }
}
