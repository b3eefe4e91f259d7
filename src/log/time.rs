//! Wall-clock time as text: UTC only, in the three spellings the log lines have. Reads no clock.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::text::digits::padded;

const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_PER_ERA: i64 = 146_097;
const DAYS_PER_CENTURY: i64 = 36_524;
const DAYS_PER_QUAD: i64 = 1_461;
const DAYS_PER_YEAR: i64 = 365;
/// From 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: i64 = 719_468;
/// Days before each month of a year that begins with March, so that the leap day is its last.
const MONTH_STARTS: [i64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

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

/// Appends a moment so spelled.
pub(crate) fn moment(out: &mut Vec<u8>, time: SystemTime, spelling: Spelling) {
    let (seconds, nanoseconds) = since_1970(time);
    day(out, seconds.div_euclid(SECONDS_PER_DAY));
    // Less than a day has.
    let second = u32::try_from(seconds.rem_euclid(SECONDS_PER_DAY)).unwrap_or_default();
    let ([h1, h2], [m1, m2], [s1, s2]) = (
        padded(second / 3600),
        padded(second / 60 % 60),
        padded(second % 60),
    );
    let separator = if spelling == Spelling::Go { b' ' } else { b'T' };
    out.extend_from_slice(&[separator, h1, h2, b':', m1, m2, b':', s1, s2]);
    if spelling != Spelling::Seconds {
        out.push(b'.');
        out.extend_from_slice(&padded::<9>(nanoseconds));
    }
    out.extend_from_slice(match spelling {
        Spelling::Seconds | Spelling::Nanoseconds => b"Z",
        Spelling::Go => b" +0000 UTC",
    });
}

/// Appends a day counted from 1970-01-01 as `2026-11-22`.
fn day(out: &mut Vec<u8>, count: i64) {
    let (year, month, day) = date(count);
    let (Ok(four_digits @ 0..10_000), Ok(month), Ok(day)) =
        (u32::try_from(year), u32::try_from(month), u32::try_from(day))
    else {
        // A clock that is thousands of years off. Writing to a Vec can't fail.
        let _ = write!(out, "{year:04}-{month:02}-{day:02}");
        return;
    };
    let ([y1, y2, y3, y4], [m1, m2], [d1, d2]) = (padded(four_digits), padded(month), padded(day));
    out.extend_from_slice(&[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]);
}

/// Whole seconds since 1970, rounded down, and the nanoseconds above them.
fn since_1970(time: SystemTime) -> (i64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (
            i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            after.subsec_nanos(),
        ),
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => (-seconds, 0),
                nanoseconds => ((-seconds).saturating_sub(1), 1_000_000_000 - nanoseconds),
            }
        }
    }
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March on, so that a leap day ends its year, its four years, its century and its era
/// of 400 years: each of those is divided off in turn.
fn date(day: i64) -> (i64, i64, i64) {
    let day = day.saturating_add(DAYS_BEFORE_1970);
    let era = day.div_euclid(DAYS_PER_ERA);
    let day = day.rem_euclid(DAYS_PER_ERA);
    // The last day of an era or of four years is the one leap day more: it belongs to the part before it.
    let century = (day / DAYS_PER_CENTURY).min(3);
    let day = day - century * DAYS_PER_CENTURY;
    let quad = day / DAYS_PER_QUAD;
    let day = day - quad * DAYS_PER_QUAD;
    let year = (day / DAYS_PER_YEAR).min(3);
    let day = day - year * DAYS_PER_YEAR;

    let year = era * 400 + century * 100 + quad * 4 + year;
    // A month is 31 days or less, so that this is the month or the one before it.
    let month = day / 32;
    let month = month + i64::from(month_start(month + 1) <= day);
    let day = day - month_start(month) + 1;
    let month = month + 3;
    if month > 12 {
        (year + 1, month - 12, day)
    } else {
        (year, month, day)
    }
}

/// Days before a month, counted from March as 0; more than a year has, from the twelfth on.
fn month_start(month: i64) -> i64 {
    let start = usize::try_from(month)
        .ok()
        .and_then(|month| MONTH_STARTS.get(month));
    start.copied().unwrap_or(i64::MAX)
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
            (253_402_300_800, "10000-01-01T00:00:00Z"),
        ] {
            assert_eq!(seconds(since_1970), text);
        }
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1599, 12, 31);
        for count in -135_140..=157_054 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(leap),
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
    fn before_1970() {
        let time = UNIX_EPOCH - Duration::from_millis(250);
        assert_eq!(
            shown(time, Spelling::Nanoseconds),
            "1969-12-31T23:59:59.750000000Z"
        );
        let time = UNIX_EPOCH - Duration::from_secs(86_400);
        assert_eq!(shown(time, Spelling::Seconds), "1969-12-31T00:00:00Z");
    }
}
