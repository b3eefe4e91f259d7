//! Wall-clock time as text: UTC only, in the three spellings the log lines have. Reads no clock.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::text::digits::padded;

const SECONDS_PER_DAY: u64 = 86_400;
/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u32 = 719_468;
/// 9999-12-31T23:59:59: years have four digits here.
const SECONDS_MAX: u64 = 253_402_300_799;

/// How a moment is spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spelling {
    /// `2026-11-22T17:30:33Z` (RFC 3339).
    Seconds,
    /// `2026-11-22T17:30:33.123456789Z` (RFC 3339).
    Nanoseconds,
    /// `2026-11-22 17:30:33.123456789 +0000 UTC`, as Go prints a `time.Time`; but always nine digits, where Go
    /// drops trailing zeros: what reads Go's form reads this one, and columns stay aligned.
    Go,
}

/// Appends a moment so spelled. A clock that is before 1970 or behind the year 9999 is shown as the nearest moment that isn't.
pub(crate) fn moment(out: &mut Vec<u8>, time: SystemTime, spelling: Spelling) {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since_1970.as_secs().min(SECONDS_MAX);
    let (before, mut text) = LATEST.get();
    if seconds != before {
        text = spelled(seconds);
        LATEST.set((seconds, text));
    }
    if spelling == Spelling::Go {
        text[10] = b' ';
    }
    out.extend_from_slice(&text);
    if spelling != Spelling::Seconds {
        let [n1, n2, n3, n4, n5, n6, n7, n8, n9] = padded(since_1970.subsec_nanos());
        out.extend_from_slice(&[b'.', n1, n2, n3, n4, n5, n6, n7, n8, n9]);
    }
    match spelling {
        Spelling::Seconds | Spelling::Nanoseconds => out.push(b'Z'),
        Spelling::Go => out.extend_from_slice(b" +0000 UTC"),
    }
}

/// `2026-11-22T17:30:33`.
type ToTheSecond = [u8; 19];

thread_local! {
    /// The second that was spelled last, counted from 1970, and how: a second has many lines, and a line many moments.
    static LATEST: Cell<(u64, ToTheSecond)> = const { Cell::new((0, *b"1970-01-01T00:00:00")) };
}

fn spelled(seconds: u64) -> ToTheSecond {
    // What a day has, and the days of so many years, fit.
    let day = u32::try_from(seconds / SECONDS_PER_DAY).unwrap_or_default();
    let second = u32::try_from(seconds % SECONDS_PER_DAY).unwrap_or_default();
    let (year, month, day) = date(day);
    let ([y1, y2, y3, y4], [o1, o2], [d1, d2]) = (padded(year), padded(month), padded(day));
    let ([h1, h2], [m1, m2], [s1, s2]) = (
        padded(second / 3600),
        padded(second / 60 % 60),
        padded(second % 60),
    );
    [
        y1, y2, y3, y4, b'-', o1, o2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2,
    ]
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March on, so that a leap day ends its year, its four years, its century and its 400 years. In
/// quarters of a day a century has 146,097 and a year 1,461; five months from March or August on have 153 days.
fn date(day: u32) -> (u32, u32, u32) {
    let quarters = 4 * (day + DAYS_BEFORE_1970) + 3;
    let (century, rest) = (quarters / 146_097, quarters % 146_097);
    let quarters = rest | 3;
    let (year, day) = (100 * century + quarters / 1_461, quarters % 1_461 / 4);
    let fifths = 5 * day + 461;
    let (month, day) = (fifths / 153, fifths % 153 / 5 + 1);
    match month > 12 {
        true => (year + 1, month - 12, day),
        false => (year, month, day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn shown(time: SystemTime, spelling: Spelling) -> String {
        let mut out = Vec::new();
        moment(&mut out, time, spelling);
        String::from_utf8(out).unwrap()
    }

    fn seconds(since_1970: u64) -> String {
        shown(UNIX_EPOCH + Duration::from_secs(since_1970), Spelling::Seconds)
    }

    #[test]
    fn known_moments() {
        for (since_1970, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (86_399, "1970-01-01T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_000_000_000, "2001-09-09T01:46:40Z"),
            (1_078_012_800, "2004-02-29T00:00:00Z"),
            (1_230_768_000, "2009-01-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_368_633, "2026-11-22T17:30:33Z"),
            (2_147_483_648, "2038-01-19T03:14:08Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_107_456_000, "2100-02-28T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(seconds(since_1970), text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1969, 12, 31);
        let last = u32::try_from(SECONDS_MAX / SECONDS_PER_DAY).unwrap();
        for count in 0..=last {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u32::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, last) if last == length => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
            assert_eq!(date(count), (year, month, day), "day {count}");
        }
        assert_eq!((year, month, day), (9999, 12, 31));
    }

    #[test]
    fn spellings() {
        let time = UNIX_EPOCH + Duration::new(1_795_368_633, 120_456_000);
        assert_eq!(shown(time, Spelling::Seconds), "2026-11-22T17:30:33Z");
        assert_eq!(
            shown(time, Spelling::Nanoseconds),
            "2026-11-22T17:30:33.120456000Z"
        );
        assert_eq!(
            shown(time, Spelling::Go),
            "2026-11-22 17:30:33.120456000 +0000 UTC"
        );
    }

    #[test]
    fn a_clock_before_1970_shows_its_beginning() {
        let time = UNIX_EPOCH - Duration::from_millis(250);
        assert_eq!(
            shown(time, Spelling::Nanoseconds),
            "1970-01-01T00:00:00.000000000Z"
        );
    }
}
