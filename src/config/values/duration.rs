//! Durations in the syntax of Go's `time.ParseDuration`: `1m30s`, `1.5s`, `500ms`, `0`. Negative ones, which Go
//! knows, are refused: no limit here can lie in the past.

use std::time::Duration;

/// What is accepted, for error messages.
pub(super) const ACCEPTED: &str =
    "a duration with units (ns, us, ms, s, m, h) such as 500ms or 1m30s, at most 876000h";

/// 100 years: a time of the clock plus this is one that the clock can tell.
const LONGEST: Duration = Duration::from_secs(876_000 * 3600);

/// Digits of a fraction that are looked at; more would be below a nanosecond for every unit.
const FRACTION_DIGITS_MAX: usize = 15;

/// Reads a duration; `None` if it is none, or longer than 100 years.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total_nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let (nanoseconds, after) = term(rest)?;
        total_nanoseconds = total_nanoseconds.checked_add(nanoseconds)?;
        rest = after;
    }
    let seconds = u64::try_from(total_nanoseconds / 1_000_000_000).ok()?;
    let below = u32::try_from(total_nanoseconds % 1_000_000_000).ok()?;
    // Compared before it is made: Duration::new would panic on no value that gets here, but a limit is a limit.
    Some(Duration::new(seconds, below)).filter(|duration| *duration <= LONGEST)
}

/// One number with its unit, in nanoseconds, and what follows it.
fn term(text: &str) -> Option<(u128, &str)> {
    let (whole, after_whole) = digits(text);
    let (fraction, after) = match after_whole.strip_prefix('.') {
        Some(after_point) => digits(after_point),
        None => ("", after_whole),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = unit(after)?;
    // Twenty digits are more than 100 years of any unit; u128 holds the product easily.
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanoseconds = u128::from(whole) * unit;
    let fraction = fraction.get(..FRACTION_DIGITS_MAX).unwrap_or(fraction);
    if let (Ok(numerator), Ok(places)) = (fraction.parse::<u128>(), u32::try_from(fraction.len())) {
        nanoseconds += numerator * unit / 10u128.pow(places);
    }
    Some((nanoseconds, rest))
}

/// The leading decimal digits, and what follows.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The leading unit in nanoseconds, and what follows. All letters up to the next number belong to the unit.
fn unit(text: &str) -> Option<(u128, &str)> {
    let end = text
        .find(|c: char| c.is_ascii_digit() || c == '.')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let nanoseconds = match name {
        "ns" => 1,
        // Micro sign and Greek mu, both of which Go knows.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    Some((nanoseconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_accepts() {
        let cases: &[(&str, u64)] = &[
            ("0", 0),
            ("+0", 0),
            ("0s", 0),
            ("1m30s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            ("1500ms", 1_500_000_000),
            ("500ms", 500_000_000),
            ("100000000ns", 100_000_000),
            ("250us", 250_000),
            ("250\u{b5}s", 250_000),
            ("250\u{3bc}s", 250_000),
            ("2h45m", 9_900_000_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("1h1h", 7_200_000_000_000),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("0.000000001s", 1),
        ];
        for (text, nanoseconds) in cases {
            assert_eq!(parse(text), Some(Duration::from_nanos(*nanoseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in [
            "",
            "+",
            "5",
            "soon",
            ".",
            ".s",
            "s",
            "-1s",
            "-0",
            "1",
            "1 s",
            " 1s",
            "1s ",
            "1d",
            "1S",
            "1m30",
            "1e3s",
            "++1s",
            "1..5s",
            "0x1s",
            "\u{661}s",
            "999999999999999999999h",
            "876001h",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_longest_can_be_added_to_an_instant() {
        let longest = parse("876000h").unwrap();
        assert!(crate::clock::Instant::now() + longest < crate::clock::Instant::LAST);
    }

    proptest::proptest! {
        #[test]
        fn the_terms_add_up(terms in proptest::collection::vec((0..1000_u64, 0..6_usize), 1..6)) {
            const UNITS: [(&str, u64); 6] = [
                ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
                ("h", 3_600_000_000_000),
            ];
            let text: String = terms.iter().map(|(n, unit)| format!("{n}{}", UNITS[*unit].0)).collect();
            let nanoseconds = terms.iter().map(|(n, unit)| n * UNITS[*unit].1).sum();
            proptest::prop_assert_eq!(parse(&text), Some(Duration::from_nanos(nanoseconds)));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,20}|[+.0-9nuµmsh]{0,40}") {
            if let Some(duration) = parse(&text) {
                proptest::prop_assert!(duration <= LONGEST);
                proptest::prop_assert_eq!(parse(&format!("+{}", text.trim_start_matches('+'))), Some(duration));
            }
        }
    }
}
