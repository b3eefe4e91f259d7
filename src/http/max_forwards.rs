//! Max-Forwards (RFC 9110, 7.6.2): how many more recipients an OPTIONS or TRACE request may be forwarded by. Other
//! methods carry the field for nobody, and unchanged.

use super::Fault;
use super::fields::field;
use super::head::RequestHead;

/// What a request says of being forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forwards {
    /// Nothing.
    Unbounded,
    /// It may be, and the next hop is told this number.
    Left(u64),
    /// It may not: who reads it is meant.
    None,
}

/// Reads the field of a request.
///
/// # Errors
/// More than one field, and what is no number of 64 bits in digits: as a bound it says nothing, and dropping it would
/// lift the bound.
pub fn forwards(head: &RequestHead<'_>) -> Result<Forwards, Fault> {
    const MALFORMED: Fault = Fault::Malformed("a malformed Max-Forwards");
    if !is_bounded(head.method) {
        return Ok(Forwards::Unbounded);
    }
    let mut values = field(head.fields, "max-forwards");
    let Some(value) = values.next() else {
        return Ok(Forwards::Unbounded);
    };
    if values.next().is_some() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(MALFORMED);
    }
    let number = value.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    Ok(match number.ok_or(MALFORMED)?.checked_sub(1) {
        Some(left) => Forwards::Left(left),
        None => Forwards::None,
    })
}

/// Does the field mean anything with this method?
fn is_bounded(method: &str) -> bool {
    matches!(method, "OPTIONS" | "TRACE")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, with_lines};
    use super::*;

    fn of(method: &str, lines: &[&str]) -> Result<Forwards, Fault> {
        let head = with_lines(&format!("{method} http://h/ HTTP/1.1"), lines);
        testing::request(head, forwards).unwrap()
    }

    #[test]
    fn a_number_is_counted_down() {
        for method in ["OPTIONS", "TRACE"] {
            assert_eq!(of(method, &[]), Ok(Forwards::Unbounded));
            for (value, want) in [
                ("0", Forwards::None),
                ("000", Forwards::None),
                ("1", Forwards::Left(0)),
                ("5", Forwards::Left(4)),
                ("0010", Forwards::Left(9)),
                ("18446744073709551615", Forwards::Left(u64::MAX - 1)),
            ] {
                assert_eq!(
                    of(method, &[&format!("max-Forwards: {value}\t")]),
                    Ok(want),
                    "{value}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let several: [&[&str]; 2] = [
            &["Max-Forwards: 1", "Max-Forwards: 1"],
            &["Max-Forwards: 0", "max-forwards: 9"],
        ];
        let ones = [
            "",
            "-1",
            "+1",
            "1,1",
            "1.0",
            "0x1",
            "one",
            "1 1",
            "\u{661}",
            "18446744073709551616",
            "99999999999999999999999999999999999999",
        ];
        for value in ones {
            assert!(
                of("OPTIONS", &[&format!("Max-Forwards: {value}")]).is_err(),
                "{value}"
            );
        }
        for lines in several {
            assert!(of("TRACE", lines).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn other_methods_are_not_bounded() {
        for method in ["GET", "POST", "HEAD", "options", "Trace", "PROPFIND"] {
            for value in ["0", "3", "x"] {
                assert_eq!(
                    of(method, &[&format!("Max-Forwards: {value}")]),
                    Ok(Forwards::Unbounded)
                );
            }
        }
    }
}
