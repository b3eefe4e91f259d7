//! Globs and patterns out of a file: one, and a list of them, each with the line it stands on. What is none is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::policy::ports::Seen;
use crate::yaml::Placed;

use super::{Glob, GlobSet, Pattern};

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Glob, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Glob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a domain glob such as example.com or *.example.com")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Glob, E> {
                Glob::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Pattern;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a domain glob such as example.com, *.example.com or example.com:443")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Pattern, E> {
                Pattern::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for GlobSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GlobSet, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = GlobSet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<GlobSet, A::Error> {
                let (mut set, mut seen) = (GlobSet::default(), Seen::default());
                while let Some(Placed { at, value }) = list.next_element::<Placed<Pattern>>()? {
                    let Pattern { glob, ports } = value;
                    let ports = ports.map(|ports| seen.like(ports));
                    set.insert(Pattern { glob, ports }, at.line);
                }
                Ok(set)
            }
        }
        deserializer.deserialize_seq(List)
    }
}
