//! Finds control characters in text that should have few: eight bytes at a time, with plain arithmetic. What each of them
//! means is its finder's affair.

use std::slice::Iter;

/// Where the control characters of a text are, in order: 0x00 to 0x1f and 0x7f, but not HTAB, which is white space where
/// text is judged.
pub(crate) struct Controls<'b> {
    words: Iter<'b, [u8; 8]>,
    /// The bytes behind the last whole word.
    rest: &'b [u8],
    /// Where the word begins that `found` is of,
    word: usize,
    /// and where the next one does.
    next_word: usize,
    /// The high bit of each byte that is still to be told.
    found: u64,
}

impl<'b> Controls<'b> {
    pub(crate) fn of(text: &'b [u8]) -> Controls<'b> {
        let (words, rest) = text.as_chunks();
        Controls {
            words: words.iter(),
            rest,
            word: 0,
            next_word: 0,
            found: 0,
        }
    }
}

impl Iterator for Controls<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            let word = match self.words.next() {
                Some(word) => *word,
                None => last_word(std::mem::take(&mut self.rest))?,
            };
            self.found = controls(word);
            self.word = self.next_word;
            self.next_word += word.len();
        }
        let byte = self.found.trailing_zeros() / u8::BITS;
        self.found &= self.found - 1;
        Some(self.word + byte as usize)
    }
}

/// What is less than a word, with blanks behind it; none where nothing is left.
fn last_word(rest: &[u8]) -> Option<[u8; 8]> {
    let mut word = [b' '; 8];
    word.get_mut(..rest.len())?.copy_from_slice(rest);
    (!rest.is_empty()).then_some(word)
}

/// The high bit of each byte that is a control character. No sum carries into the next byte: each is of seven bits and
/// less than 0x80.
fn controls(word: [u8; 8]) -> u64 {
    const HIGH: u64 = each(0x80);
    let word = u64::from_le_bytes(word);
    let low = word & !HIGH;
    let from_blank = low + each(0x80 - b' ');
    let not_tab = (low ^ each(b'\t')) + each(0x7f);
    let delete = low + each(0x80 - 0x7f);
    ((!from_blank & not_tab) | delete) & !word & HIGH
}

/// A word of which each byte is this.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    /// Any bytes, most of them of the kinds that are told apart.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop_oneof![
            any::<u8>(),
            proptest::sample::select(b"\0\t\n\r\x1f !~\x7f\x80\x89\x8a\xff".as_slice())
        ];
        proptest::collection::vec(bytes, 0..40)
    }

    fn is_control(byte: u8) -> bool {
        byte.is_ascii_control() && byte != b'\t'
    }

    #[test]
    fn each_byte_in_each_place() {
        for byte in 0..=u8::MAX {
            for place in 0..17 {
                let mut text = [b'a'; 17];
                text[place] = byte;
                let found: Vec<usize> = Controls::of(&text).collect();
                let expected: &[usize] = if is_control(byte) { &[place] } else { &[] };
                assert_eq!(found, expected, "{byte} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn as_a_look_at_each_byte_finds_them(text in texts()) {
            let expected: Vec<usize> = (0..text.len()).filter(|&n| is_control(text[n])).collect();
            let found: Vec<usize> = Controls::of(&text).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
