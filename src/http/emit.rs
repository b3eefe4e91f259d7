//! Appends the small pieces of a head to a buffer: fields and numbers. Allocates nothing but the buffer's growth.

/// Appends `name: value` and CRLF. Neither may hold a line break: names and values come out of parsed heads or are
/// our own constants.
pub(super) fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends `name: n` and CRLF.
pub(super) fn number_field(out: &mut Vec<u8>, name: &str, n: u64) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    number::<10>(out, n);
    out.extend_from_slice(b"\r\n");
}

/// Appends `n` in the given base (10 or 16, lower case), without leading zeros.
pub(super) fn number<const BASE: u64>(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0; 20];
    let mut count = 0;
    for slot in digits.iter_mut().rev() {
        *slot = (n % BASE).to_le_bytes()[0];
        *slot += if *slot < 10 { b'0' } else { b'a' - 10 };
        n /= BASE;
        count += 1;
        if n == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(digits.len() - count));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_bases() {
        for n in [0, 1, 9, 10, 15, 16, 255, 4096, 0xdead_beef, u64::MAX] {
            let (mut decimal, mut hex) = (Vec::new(), Vec::new());
            number::<10>(&mut decimal, n);
            number::<16>(&mut hex, n);
            assert_eq!(
                (decimal, hex),
                (n.to_string().into_bytes(), format!("{n:x}").into_bytes())
            );
        }
    }

    #[test]
    fn fields_are_one_line() {
        let mut out = b"x".to_vec();
        field(&mut out, "A", b"");
        number_field(&mut out, "B", 7);
        assert_eq!(out, b"xA: \r\nB: 7\r\n");
    }
}
