//! A DNS name that was parsed, and where its last labels begin: every list of every decision asks for the names above it,
//! and all of them are found once. What is a valid name is `host`'s to say.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Of so many last labels the place is kept; few names have more, and lists with longer names are fewer still.
const KEPT: u8 = 5;

/// A DNS name in normalised form: UTS-46 mapped, punycode, lower case, without a trailing dot.
#[derive(Clone, Debug)]
pub struct Name {
    text: Arc<str>,
    /// Where the last label begins, the last two, and so on; 0 where there are no more.
    begins: [u8; KEPT as usize],
    /// How many labels there are, 1 to 127.
    labels: u8,
    /// There are more than `begins` has. What a flag leaves of its byte has room for what `Host` is: without it that had 32
    /// bytes, not 24.
    is_longer: bool,
}

impl Name {
    /// A name in normalised form, of 253 bytes at most.
    pub(super) fn new(text: &str) -> Name {
        let mut begins = [0; KEPT as usize];
        let mut labels = 1;
        for dot in memchr::memrchr_iter(b'.', text.as_bytes()) {
            if let Some(begin) = begins.get_mut(usize::from(labels - 1)) {
                *begin = u8::try_from(dot + 1).unwrap_or_default();
            }
            labels = u8::saturating_add(labels, 1);
        }
        Name {
            text: text.into(),
            begins,
            labels,
            is_longer: labels > KEPT,
        }
    }

    /// The normalised name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many labels it has, 1 to 127.
    pub fn labels(&self) -> u32 {
        self.labels.into()
    }

    /// The name of its last labels, which is a name above this one where they are fewer than all; none where there are not so
    /// many, or for 0.
    pub fn last(&self, labels: u32) -> Option<&str> {
        if labels >= self.labels() {
            return (labels == self.labels()).then_some(&*self.text);
        }
        let number = usize::try_from(labels).ok()?.checked_sub(1)?;
        let begin = match self.begins.get(number) {
            Some(begin) => usize::from(*begin),
            None if self.is_longer => memchr::memrchr_iter(b'.', self.text.as_bytes()).nth(number)? + 1,
            None => return None,
        };
        self.text.get(begin..)
    }
}

/// By the text, which the rest follows from.
impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.text == other.text
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Host;
    use super::*;

    const _: () = assert!(size_of::<Host>() == 24);

    #[test]
    fn the_names_above_are_found_by_their_number_of_labels() {
        let longest = ["a"; 127].join(".");
        for text in [
            "test",
            "a.test",
            "a.bc.def.g",
            "1.2.3.4.5.6.7",
            "1.2.3.4.5.6.7.8.9",
            &longest,
        ] {
            let name = Name::new(text);
            let labels: Vec<&str> = text.split('.').collect();
            assert_eq!(name.labels() as usize, labels.len());
            assert_eq!((name.last(0), name.last(name.labels() + 1)), (None, None));
            for (count, first) in (1..).zip((0..labels.len()).rev()) {
                let above = labels[first..].join(".");
                assert_eq!(name.last(count), Some(above.as_str()), "{count} of {text}");
            }
        }
    }
}
