//! Whole numbers as digits, appended to a buffer without `core::fmt`, whose machinery costs a line or a head several
//! times what its bytes do. Reads no numbers.

use super::slices::within;

/// The digits of a number in hexadecimal.
pub(crate) const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

/// `00` to `99`: two digits cost one division.
static PAIRS: [[u8; 2]; 100] = pairs();

const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0u8;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
}

/// Is a number, read from this, written in decimal without a sign and without leading zeros, as those of addresses are? An
/// empty text is no number, which reading it says.
pub(crate) fn is_plain(text: &str) -> bool {
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    !has_leading_zero && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Appends a number in decimal, without leading zeros.
pub(crate) fn decimal(out: &mut Vec<u8>, number: u64) {
    match u32::try_from(number) {
        Ok(digit @ 0..10) => out.push(b'0' | digit.to_le_bytes()[0]),
        // Most have few digits. All eight are appended and those that are too many taken off: a length that is known costs
        // less than a call.
        Ok(number @ 0..100_000_000) => {
            let digits = u64::from_le_bytes(eight(number));
            // The last digit stays, be it a zero.
            let zeros = (digits | 1 << 56).trailing_zeros() / u8::BITS;
            let text = (digits | u64::from_le_bytes([b'0'; 8])) >> (zeros * u8::BITS);
            out.extend_from_slice(&text.to_le_bytes());
            out.truncate(out.len() - zeros as usize);
        }
        _ => {
            decimal(out, number / 100_000_000);
            let last = u32::try_from(number % 100_000_000).unwrap_or_default();
            out.extend_from_slice(&padded::<8>(last));
        }
    }
}

/// The digits of a number below 100,000,000, each as a number. They are parted in the middle, the halves in their middles,
/// and so are the quarters, all parts of one size at a time: a quotient is a product, shifted, and exact for numbers that small.
fn eight(number: u32) -> [u8; 8] {
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = (halves * 10_486) >> 20 & 0x0000_007f_0000_007f;
    let quarters = hundreds | (halves - 100 * hundreds) << 16;
    let tens = (quarters * 103) >> 10 & 0x000f_000f_000f_000f;
    (tens | (quarters - 10 * tens) << 8).to_le_bytes()
}

/// Appends a number in lower-case hexadecimal, without leading zeros.
pub(crate) fn hexadecimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 16];
    let mut start = digits.len();
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit = HEXADECIMAL[usize::from(rest.to_le_bytes()[0] & 15)];
        rest >>= 4;
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(within(&digits, start..));
}

/// The last `N` decimal digits of a number, with leading zeros.
pub(crate) fn padded<const N: usize>(number: u32) -> [u8; N] {
    let mut digits = [b'0'; N];
    let mut rest = number;
    let (first, pairs) = digits.as_rchunks_mut();
    for pair in pairs.iter_mut().rev() {
        *pair = last_pair(rest);
        rest /= 100;
    }
    if let [digit] = first {
        *digit = last_pair(rest)[1];
    }
    digits
}

/// The last two decimal digits.
fn last_pair(number: u32) -> [u8; 2] {
    PAIRS[usize::from((number % 100).to_le_bytes()[0])]
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

    /// Quotients by products: each that there is.
    #[test]
    fn every_number_of_four_digits_in_either_half() {
        for number in 0..10_000 {
            let digits = padded::<4>(number).map(|digit| digit - b'0');
            assert_eq!(eight(number)[4..], digits);
            assert_eq!(eight(number * 10_000)[..4], digits);
            assert_eq!(eight(number * 10_001), [digits, digits].concat()[..]);
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
