//! Medians of the rounds, and the table in Markdown. Measures nothing.

use crate::measure::Figures;
use crate::rows::{Kind, Row, Unit};

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

/// One line of it. `first` is the key figure that others are compared with.
pub(crate) fn line(row: &Row, name: &str, figures: &Figures, first: Option<f64>) -> String {
    let ratio = match (figures.key, first) {
        (Some(key), Some(first)) if first > 0.0 => format!("{:.2}", key / first),
        _ => String::new(),
    };
    let cells = [
        row.title.clone(),
        name.to_owned(),
        figures.rate.map_or_else(String::new, |rate| rate_text(row, rate)),
        figures.p50.map_or_else(String::new, time_text),
        p99_text(figures),
        figures.cpu.map_or_else(String::new, |cpu| cpu_text(row, cpu)),
        memory_text(row, &figures.memory),
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
        p99_alone: of(&|figures| figures.p99_alone),
        cpu: of(&|figures| figures.cpu),
        memory: (0..width)
            .filter_map(|n| of(&|figures| figures.memory.get(n).copied()))
            .collect(),
        errors: rounds.iter().map(|figures| figures.errors).sum(),
        first_error: rounds.iter().find_map(|figures| figures.first_error.clone()),
        key: of(&|figures| figures.key),
    }
}

fn rate_text(row: &Row, rate: f64) -> String {
    match row.unit() {
        Unit::Gigabyte => format!("{rate:.2} GB/s"),
        Unit::Unit => format!("{rate:.0}/s"),
    }
}

fn cpu_text(row: &Row, cpu: f64) -> String {
    match row.unit() {
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

fn p99_text(figures: &Figures) -> String {
    match (figures.p99, figures.p99_alone) {
        (Some(p99), Some(alone)) => {
            format!(
                "{}, alone {}: {:.1} x",
                time_text(p99),
                time_text(alone),
                p99 / alone
            )
        }
        (Some(p99), None) => time_text(p99),
        (None, _) => String::new(),
    }
}

fn memory_text(row: &Row, memory: &[f64]) -> String {
    let (one, unit, between) = match row.kind {
        Kind::Idle { .. } => (1024.0, "KiB", ""),
        Kind::Start => (1_048_576.0, "MiB", ", "),
        _ => (1_048_576.0, "MiB", " → "),
    };
    let places = if unit == "KiB" { 2 } else { 1 };
    let numbers: Vec<String> = memory
        .iter()
        .map(|bytes| format!("{:.places$}", bytes / one))
        .collect();
    if numbers.is_empty() {
        String::new()
    } else {
        format!("{} {unit}", numbers.join(between))
    }
}
