//! Request ids in the form of xids (rs/xid): sortable by second, unique per machine, process and count.
//! Reads no clock and no randomness: whoever makes an [`Ids`] brings the machine part, the process part and
//! the first count, and every id takes the time from its caller.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// The 32 digits of base32hex (RFC 4648 section 7), lower case: ids sort like their bytes.
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// Counts have 24 bits, then start again.
const COUNT_MASK: u32 = (1 << 24) - 1;

/// A request's id in the form of an xid: 12 bytes, shown as 20 characters of lower-case base32hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Id(pub [u8; 12]);

/// Makes the ids of one loop.
#[derive(Clone, Debug)]
pub struct Ids {
    machine: [u8; 3],
    process: u16,
    count: u32,
}

impl Ids {
    /// `machine` and `count` should be random, so that two machines, or one machine's restarts within a second,
    /// don't repeat each other's ids. Only the low 24 bits of `count` matter.
    pub fn new(machine: [u8; 3], process: u16, count: u32) -> Ids {
        Ids {
            machine,
            process,
            count,
        }
    }

    /// The same for the loop of this number, whose ids are no other loop's.
    #[must_use]
    pub fn of_loop(self, number: u8) -> Ids {
        let [m0, m1, m2] = self.machine;
        let machine = u32::from_be_bytes([0, m0, m1, m2]).wrapping_add(number.into());
        let [_, m0, m1, m2] = machine.to_be_bytes();
        Ids {
            machine: [m0, m1, m2],
            ..self
        }
    }

    /// The next id. A time before 1970 counts as 1970; the seconds have 32 bits and wrap in 2106, as an xid's do.
    pub fn next(&mut self, now: SystemTime) -> Id {
        self.count = self.count.wrapping_add(1) & COUNT_MASK;
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let [.., s0, s1, s2, s3] = seconds.to_be_bytes();
        let [m0, m1, m2] = self.machine;
        let [p0, p1] = self.process.to_be_bytes();
        let [_, c0, c1, c2] = self.count.to_be_bytes();
        Id([s0, s1, s2, s3, m0, m1, m2, p0, p1, c0, c1, c2])
    }
}

impl Id {
    /// Its twenty characters: lower-case base32hex without padding, all ASCII.
    pub fn digits(&self) -> [u8; 20] {
        // Five bytes are eight digits; the two left over are four, with zeros at the end.
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.0;
        let groups = [[a, b, c, d, e], [f, g, h, i, j], [k, l, 0, 0, 0]]
            .map(|[a, b, c, d, e]| u64::from_be_bytes([0, 0, 0, a, b, c, d, e]));
        std::array::from_fn(|nth| DIGITS[(groups[nth / 8] >> (35 - 5 * (nth % 8)) & 31) as usize])
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let text = str::from_utf8(&digits);
        debug_assert!(text.is_ok(), "base32hex is ASCII");
        f.write_str(text.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_example_of_the_xid_specification() {
        let id = Id([
            0x4d, 0x88, 0xe1, 0x5b, 0x60, 0xf4, 0x86, 0xe4, 0x28, 0x41, 0x2d, 0xc9,
        ]);
        assert_eq!(id.to_string(), "9m4e2mr0ui3e8a215n4g");
    }

    #[test]
    fn extremes() {
        assert_eq!(Id([0; 12]).to_string(), "00000000000000000000");
        assert_eq!(Id([0xff; 12]).to_string(), "vvvvvvvvvvvvvvvvvvvg");
    }

    #[test]
    fn parts_are_where_an_xid_has_them() {
        let mut ids = Ids::new([1, 2, 3], 0x0405, 0x0006_0708);
        assert_eq!(
            ids.next(at(0x4d88_e15b)).0,
            [0x4d, 0x88, 0xe1, 0x5b, 1, 2, 3, 4, 5, 6, 7, 9]
        );
    }

    #[test]
    fn counts_wrap_at_24_bits() {
        let mut ids = Ids::new([0; 3], 0, u32::MAX - 1);
        assert_eq!(ids.next(at(0)).0[9..], [0xff, 0xff, 0xff]);
        assert_eq!(ids.next(at(0)).0[9..], [0, 0, 0]);
    }

    #[test]
    fn loops_have_machine_parts_of_their_own() {
        let ids = Ids::new([0xff, 0xff, 0xff], 7, 0);
        let [first, second] = [0, 1].map(|number| ids.clone().of_loop(number).next(at(0)).0);
        assert_eq!((&first[4..7], &second[4..7]), (&[0xff; 3][..], &[0; 3][..]));
    }

    #[test]
    fn ids_sort_by_second_and_never_repeat_within_one() {
        let mut ids = Ids::new([9; 3], 7, 0);
        let mut seen: Vec<String> = (0..1000)
            .map(|n| ids.next(at(1_700_000_000 + n / 100)).to_string())
            .collect();
        let made = seen.clone();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, made);
    }

    #[test]
    fn a_clock_before_1970_is_no_panic() {
        let mut ids = Ids::new([0; 3], 0, 0);
        assert_eq!(ids.next(UNIX_EPOCH - Duration::from_secs(5)).0[..4], [0, 0, 0, 0]);
    }
}
