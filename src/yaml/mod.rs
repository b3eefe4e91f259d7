//! The strict reader of the YAML files that people write for us: text becomes a tree in which everything knows its
//! line and column, or one error that has them too.
//!
//! A text is gone through once, by the parser of `saphyr-parser` ([`parse`], in `reader`), which tells where things
//! stand. What a mapping or list of the tree is to become, [`Document::read`] asks serde (`typed`); what a bare word
//! means, number, truth value or text, is for `serde_yaml` to say. No other room names these two crates. This one opens
//! no files and knows nothing of what one means.

mod error;
mod reader;
mod tree;
mod typed;

pub use self::error::YamlError;
pub use self::reader::{parse, parse_list};
pub use self::tree::{Document, Entries, Items, Key, Node, Shape, Step};
pub use self::typed::{Placed, given};

/// A line of a file, from 1; 0 where it is not known.
pub type Line = u32;

/// Where something stands in a text; both count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Position {
    /// The line.
    pub line: Line,
    /// The column.
    pub column: u32,
}

impl Position {
    /// Where a text begins.
    pub const START: Position = Position { line: 1, column: 1 };
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// How much of a text is taken on.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest text, in bytes; at most 1 GiB.
    pub bytes_max: usize,
    /// How deep lists and mappings may be nested, the outermost mapping included.
    pub depth_max: usize,
    /// Most values, keys, lists and mappings in all.
    pub nodes_max: usize,
}

/// A count or offset, which [`Limits`] keep below 32 bits.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
