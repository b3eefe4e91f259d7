//! Names and what is listed for each, searched by hash: one hash at most for a name, none where no listed name has as
//! many labels. Knows no wildcards; that a set asks for a host's parents too is its own affair.

use foldhash::HashMap;

use super::listed::Listed;

/// Names that are listed. Equal are those of the same names with the same entries.
#[derive(Clone, Default, Debug)]
pub(super) struct Names {
    listed: HashMap<Box<str>, Listed>,
    /// Bit n: one of them has n labels. The names of a list have few different numbers of labels, and a host with its
    /// parents has one of each: most questions end here, however long a name a stranger asks for.
    labels: u128,
}

impl Names {
    /// What is listed for a name, to be added to.
    pub(super) fn entry(&mut self, name: Box<str>) -> &mut Listed {
        self.labels |= bit(labels(&name));
        self.listed.entry(name).or_default()
    }

    /// What is listed for this name.
    pub(super) fn get(&self, name: &str) -> Option<&Listed> {
        self.get_of(labels(name), name)
    }

    /// The same, for whoever knows how many labels it has.
    pub(super) fn get_of(&self, labels: u32, name: &str) -> Option<&Listed> {
        match self.labels & bit(labels) {
            0 => None,
            _ => self.listed.get(name),
        }
    }

    /// The most labels that one of them has; 0 where there is none.
    pub(super) fn labels_max(&self) -> u32 {
        self.labels.checked_ilog2().unwrap_or(0)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Listed)> {
        self.listed.iter().map(|(name, listed)| (&**name, listed))
    }

    /// Is there none?
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Names) -> bool {
        self.listed.len() == other.listed.len()
            && self.iter().all(|(name, listed)| other.get(name) == Some(listed))
    }
}

impl Eq for Names {}

/// How many labels a name has; a valid one has 127 at most. Counted in bytes, sixteen of which the processor adds at once: of a
/// name of more than 255 labels, which is none, it would be too few.
pub(super) fn labels(name: &str) -> u32 {
    let dots = name.bytes().map(|byte| u8::from(byte == b'.'));
    u32::from(dots.fold(0, u8::wrapping_add)) + 1
}

/// What can't be a name's number of labels has none.
fn bit(labels: u32) -> u128 {
    1u128.checked_shl(labels).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_found_whatever_their_number_of_labels() {
        let longest = ["a"; 127].join(".");
        let listed = ["test", "a.test", "a.b.c.d.test", &longest];
        let mut names = Names::default();
        assert!(names.is_empty() && names.get("test").is_none() && names.labels_max() == 0);
        for name in listed {
            names.entry(name.into()).add(None, 1);
        }
        assert!(listed.iter().all(|name| names.get(name).is_some()));
        assert_eq!((labels(&longest), names.labels_max()), (127, 127));
        let longer = ["a"; 300].join(".");
        for other in [
            "tesu",
            "b.test",
            "b.c.test",
            "c.d.test",
            &longest[2..],
            &longer,
            "",
        ] {
            assert!(names.get(other).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_number_of_labels_hides_no_name(names in proptest::collection::vec("[ab]{1,2}(\\.[ab]{1,2}){0,5}", 0..12), asked in "[ab]{1,2}(\\.[ab]{1,2}){0,5}") {
            let mut listed = Names::default();
            for name in &names {
                listed.entry(name.as_str().into());
            }
            prop_assert_eq!(listed.get(&asked).is_some(), names.contains(&asked));
            prop_assert!(names.iter().all(|name| listed.get(name).is_some()));
        }
    }
}
