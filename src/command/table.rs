//! Tunnels and roles as a table for a terminal. What comes from the network is escaped: no name can move the cursor.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Tunnels in a table; the others are counted.
const SHOWN_MAX: usize = 40;

/// Characters of a name.
const NAME_MAX: usize = 48;

/// A tunnel.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Shown<'t> {
    pub(super) role: &'t str,
    pub(super) host: &'t str,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// Bytes a second, both ways.
    pub(super) rate: f64,
}

/// The whole table, the fastest first.
pub(super) fn text(tunnels: &[Shown<'_>]) -> String {
    let mut sorted = tunnels.to_vec();
    sorted.sort_by(|a, b| b.rate.total_cmp(&a.rate).then_with(|| a.host.cmp(b.host)));
    let mut out = String::new();
    // Not sum(): that of nothing is -0.
    let total = tunnels.iter().fold(0.0, |sum, tunnel| sum + tunnel.rate);
    let _ = writeln!(out, "{} tunnels, {}/s\n", tunnels.len(), size(total));
    roles(&mut out, tunnels);
    let _ = writeln!(
        out,
        "\n{:>12} {:>10} {:>10}  {:<16} HOST",
        "RATE", "IN", "OUT", "ROLE"
    );
    for tunnel in sorted.iter().take(SHOWN_MAX) {
        let _ = writeln!(
            out,
            "{:>10}/s {:>10} {:>10}  {:<16} {}",
            size(tunnel.rate),
            size(tunnel.bytes_in as f64),
            size(tunnel.bytes_out as f64),
            name(tunnel.role),
            name(tunnel.host)
        );
    }
    if let Some(more @ 1..) = sorted.len().checked_sub(SHOWN_MAX) {
        let _ = writeln!(out, "and {more} more");
    }
    out
}

fn roles(out: &mut String, tunnels: &[Shown<'_>]) {
    let mut roles: BTreeMap<&str, (usize, f64, f64)> = BTreeMap::new();
    for tunnel in tunnels {
        let (count, rate, bytes) = roles.entry(tunnel.role).or_default();
        *count += 1;
        *rate += tunnel.rate;
        *bytes += tunnel.bytes_in as f64 + tunnel.bytes_out as f64;
    }
    let _ = writeln!(out, "{:>12} {:>10} {:>10}  ROLE", "RATE", "BYTES", "TUNNELS");
    for (role, (count, rate, bytes)) in roles {
        let _ = writeln!(
            out,
            "{:>10}/s {:>10} {count:>10}  {}",
            size(rate),
            size(bytes),
            name(role)
        );
    }
}

fn name(text: &str) -> String {
    if text.is_empty() {
        return "(none)".into();
    }
    text.escape_default().take(NAME_MAX).collect()
}

fn size(bytes: f64) -> String {
    let mut rest = bytes;
    for unit in ["B", "kB", "MB", "GB"] {
        if rest < 1000.0 {
            let digits = usize::from(unit != "B");
            return format!("{rest:.digits$} {unit}");
        }
        rest /= 1000.0;
    }
    format!("{rest:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_come_first_and_names_are_only_names() {
        let tunnel = |host, rate| Shown {
            role: "ci",
            host,
            bytes_in: 2_500_000,
            bytes_out: 10,
            rate,
        };
        let text = text(&[tunnel("slow:443", 1.0), tunnel("\u{1b}[2Jfast:443", 12_345.0)]);
        assert!(text.starts_with("2 tunnels, 12.3 kB/s\n"), "{text}");
        let (fast, slow) = (text.find("fast").unwrap(), text.find("slow").unwrap());
        assert!(fast < slow && !text.contains('\u{1b}'), "{text}");
        assert!(
            text.contains("   2.5 MB       10 B  ci               slow:443\n"),
            "{text}"
        );
        assert!(text.contains("12.3 kB/s     5.0 MB          2  ci\n"), "{text}");
    }

    #[test]
    fn a_crowd_is_counted() {
        let tunnel = Shown {
            role: "",
            host: "a:1",
            bytes_in: 0,
            bytes_out: 0,
            rate: 0.0,
        };
        let text = text(&vec![tunnel; SHOWN_MAX + 7]);
        assert!(text.ends_with("and 7 more\n") && text.contains("(none)"));
        assert!(super::text(&[]).starts_with("0 tunnels, 0 B/s\n"));
        assert_eq!(size(999_950_000_000_000.0), "1000.0 TB");
    }
}
