//! Where a rule is written, so that who reads about it finds it. Reads no files.

use std::fmt;
use std::sync::Arc;

use crate::yaml::Line;

/// A line of a file, or what else a rule comes from. Of the file's name there is one copy for all its lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    source: Arc<str>,
    /// 0 where the source has no lines.
    line: Line,
}

impl Place {
    /// A line of the file that people call so.
    pub fn in_file(name: Arc<str>, line: Line) -> Place {
        Place { source: name, line }
    }

    /// An option or variable, as it is spelled.
    pub fn option(spelling: &str) -> Place {
        Place {
            source: spelling.into(),
            line: 0,
        }
    }
}

/// `FILE:LINE`, or the option.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}:{line}", self.source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_as_editors_take_it() {
        assert_eq!(Place::in_file("a b.yaml".into(), 7).to_string(), "a b.yaml:7");
        assert_eq!(Place::option("--deny-range").to_string(), "--deny-range");
    }
}
