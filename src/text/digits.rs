//! Whole numbers as digits, appended to a buffer without `core::fmt`, whose machinery costs a line or a head several
//! times what its bytes do. Reads no numbers.

use super::slices::within;

/// Appends a number in decimal, without leading zeros.
pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    in_base::<10>(out, number);
}

/// Appends a number in lower-case hexadecimal, without leading zeros.
pub(crate) fn hexadecimal(out: &mut Vec<u8>, number: u64) {
    in_base::<16>(out, number);
}

/// The last `N` decimal digits of a number, with leading zeros.
pub(crate) fn padded<const N: usize>(number: u32) -> [u8; N] {
    let mut digits = [b'0'; N];
    let mut rest = u64::from(number);
    for digit in digits.iter_mut().rev() {
        *digit = last_digit::<10>(rest);
        rest /= 10;
    }
    digits
}

fn in_base<const BASE: u64>(out: &mut Vec<u8>, number: u64) {
    // u64::MAX has twenty decimal digits.
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = last_digit::<BASE>(rest);
        rest /= BASE;
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(within(&digits, start..));
}

/// The last digit in a base of at most 16.
fn last_digit<const BASE: u64>(number: u64) -> u8 {
    match (number % BASE).to_le_bytes()[0] {
        digit @ 0..10 => b'0' + digit,
        digit => b'a' - 10 + digit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn shown(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn assert_as_display_spells_it(number: u64) {
        assert_eq!(shown(|out| decimal(out, number)), number.to_string());
        assert_eq!(shown(|out| hexadecimal(out, number)), format!("{number:x}"));
    }

    #[test]
    fn the_ends_of_every_length() {
        for power in 0..20 {
            let power = 10u64.pow(power);
            for each in [power - 1, power, power + 1, u64::MAX] {
                assert_as_display_spells_it(each);
            }
        }
        for power in 0..16 {
            let power = 16u64.pow(power);
            for each in [power - 1, power, power + 1, 15 * power] {
                assert_as_display_spells_it(each);
            }
        }
    }

    #[test]
    fn padding() {
        assert_eq!(padded::<9>(7), *b"000000007");
        assert_eq!(padded::<9>(999_999_999), *b"999999999");
        assert_eq!(padded::<2>(59), *b"59");
        assert_eq!(padded::<4>(2026), *b"2026");
    }

    proptest! {
        #[test]
        fn as_display_spells_them(number in any::<u64>()) {
            assert_as_display_spells_it(number);
        }
    }
}
