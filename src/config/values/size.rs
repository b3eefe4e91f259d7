//! Whole numbers and numbers of bytes. Decimal digits only: no sign, space, `0x` or `_`.

const UNITS: &[(&str, u64)] = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];

/// The least and the greatest number of bytes an option takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SizeRange {
    /// The least, in bytes.
    pub min: u64,
    /// The greatest, in bytes.
    pub max: u64,
}

impl SizeRange {
    /// Reads a number of bytes, with or without a unit (`B`, `KiB`, `MiB`, `GiB`).
    pub(super) fn parse(self, text: &str) -> Option<u64> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes)))
            .unwrap_or((text, 1));
        let bytes = whole(number, 0, u64::MAX)?.checked_mul(unit)?;
        (self.min..=self.max).contains(&bytes).then_some(bytes)
    }

    pub(super) fn accepts(self) -> String {
        format!(
            "a number of bytes such as 131072 or 128KiB, from {} to {}",
            self.min, self.max
        )
    }
}

/// Reads a whole number within the limits.
pub(super) fn whole(text: &str, min: u64, max: u64) -> Option<u64> {
    // Rust's parser would take a leading `+`.
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: SizeRange = SizeRange {
        min: 1024,
        max: 1 << 24,
    };

    #[test]
    fn sizes_with_and_without_unit() {
        for (text, bytes) in [
            ("131072", 131_072),
            ("128KiB", 131_072),
            ("2048B", 2048),
            ("16MiB", 1 << 24),
        ] {
            assert_eq!(RANGE.parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size() {
        for text in [
            "",
            "KiB",
            "1",
            "1GiB",
            "-1",
            "+4096",
            "4 KiB",
            "4kb",
            "4096.5",
            "18446744073709551615KiB",
        ] {
            assert_eq!(RANGE.parse(text), None, "{text:?}");
        }
    }
}
