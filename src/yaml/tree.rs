//! A document as it was read: mappings, lists and single values, each with its place. Asks nothing of their meaning.
//!
//! All nodes stand in one table in the order of the text, a list or mapping before what is in it: so a document of
//! 100,000 entries is two allocations, and nothing that goes through it or drops it recurses.

use super::{Position, small};

/// One step on the way from the root of a document to a value in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// The value of this key.
    Key(&'a str),
    /// The item with this index, from 0.
    Index(usize),
}

/// A text that was understood: a mapping, with everything in it.
#[derive(Debug)]
pub struct Document {
    /// The mapping first. An empty document is an empty mapping.
    rows: Vec<Row>,
    /// All single values, one behind the other.
    text: String,
}

/// A node as it is kept. In a mapping keys and values take turns.
#[derive(Clone, Copy, Debug)]
struct Row {
    at: Position,
    kind: Kind,
}

/// Ends of lists and mappings are indices of rows, the others offsets in the text; all fit in 32 bits, since no text is
/// longer than [`super::Limits`] allow.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Scalar { start: u32, end: u32, is_plain: bool },
    List { end: u32 },
    Mapping { end: u32 },
}

/// A value, borrowed from its document.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    document: &'a Document,
    index: usize,
    row: Row,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// A single value.
    Scalar {
        /// Its text, without quotes and escapes.
        text: &'a str,
        /// It was written without quotes: it may be a number, a truth value or nothing.
        is_plain: bool,
    },
    /// A list.
    List(Items<'a>),
    /// A mapping.
    Mapping(Entries<'a>),
}

/// A key of a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// Its text, without quotes and escapes.
    pub text: &'a str,
    /// Where it stands.
    pub at: Position,
}

/// The values of a list, in its order.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a>(Rows<'a>);

/// The keys of a mapping with their values, in its order.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a>(Rows<'a>);

/// Nodes that stand beside each other.
#[derive(Clone, Copy, Debug)]
struct Rows<'a> {
    document: &'a Document,
    next: usize,
    end: usize,
}

impl Document {
    /// The mapping that it is.
    pub(super) fn root(&self) -> Node<'_> {
        let row = self.rows.first().copied().unwrap_or(Row {
            at: Position::START,
            kind: Kind::Mapping { end: 0 },
        });
        Node {
            document: self,
            index: 0,
            row,
        }
    }

    /// Its keys with their values, in its order.
    pub fn entries(&self) -> Entries<'_> {
        match self.root().shape() {
            Shape::Mapping(entries) => entries,
            // The reader takes no other documents.
            Shape::Scalar { .. } | Shape::List(_) => Entries(Rows {
                document: self,
                next: 0,
                end: 0,
            }),
        }
    }

    /// Where a value stands: for errors that are found only after reading. The nearest parent that exists is taken when
    /// the value itself does not.
    pub fn locate(&self, path: &[Step<'_>]) -> Position {
        let mut node = self.root();
        for step in path {
            match node.at_step(*step) {
                Some(next) => node = next,
                None => break,
            }
        }
        node.at()
    }
}

impl<'a> Node<'a> {
    /// Where it begins.
    pub fn at(&self) -> Position {
        self.row.at
    }

    /// What it is.
    pub fn shape(&self) -> Shape<'a> {
        let rows = |end: u32| Rows {
            document: self.document,
            next: self.index + 1,
            end: end as usize,
        };
        match self.row.kind {
            Kind::Scalar { is_plain, .. } => Shape::Scalar {
                text: self.text(),
                is_plain,
            },
            Kind::List { end } => Shape::List(Items(rows(end))),
            Kind::Mapping { end } => Shape::Mapping(Entries(rows(end))),
        }
    }

    /// Is nothing there: no value, `~` or `null`, unquoted?
    pub fn is_null(&self) -> bool {
        matches!(self.shape(), Shape::Scalar { text, is_plain: true } if is_null(text))
    }

    /// Of a single value; empty for all others.
    pub(super) fn text(&self) -> &'a str {
        let text = match self.row.kind {
            Kind::Scalar { start, end, .. } => self.document.text.get(start as usize..end as usize),
            Kind::List { .. } | Kind::Mapping { .. } => None,
        };
        text.unwrap_or_default()
    }

    fn at_step(&self, step: Step<'_>) -> Option<Node<'a>> {
        match (self.shape(), step) {
            (Shape::List(mut items), Step::Index(index)) => items.nth(index),
            (Shape::Mapping(mut entries), Step::Key(key)) => {
                entries.find_map(|(found, value)| (found.text == key).then_some(value))
            }
            _ => None,
        }
    }

    /// The index behind it and everything in it.
    fn end(&self) -> usize {
        match self.row.kind {
            Kind::Scalar { .. } => self.index + 1,
            Kind::List { end } | Kind::Mapping { end } => end as usize,
        }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let index = self.next;
        if index >= self.end {
            return None;
        }
        let node = Node {
            document: self.document,
            index,
            row: *self.document.rows.get(index)?,
        };
        self.next = node.end();
        Some(node)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        self.0.next()
    }
}

impl<'a> Entries<'a> {
    /// The next key and its value. A key is a single value, as the reader takes no others.
    pub(super) fn next_pair(&mut self) -> Option<(Node<'a>, Node<'a>)> {
        self.0.next().zip(self.0.next())
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Key<'a>, Node<'a>);

    fn next(&mut self) -> Option<(Key<'a>, Node<'a>)> {
        let (key, value) = self.next_pair()?;
        let (text, at) = (key.text(), key.at());
        Some((Key { text, at }, value))
    }
}

/// Does an unquoted value stand for nothing?
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A document that is being read. Whoever fills it closes what it opened, innermost first.
pub(super) struct Builder(Document);

/// A list or mapping that is not closed yet.
pub(super) struct Opened(usize);

impl Builder {
    /// Room for what a text of so many bytes may hold at least.
    pub(super) fn for_text_of(bytes: usize) -> Builder {
        Builder(Document {
            rows: Vec::new(),
            text: String::with_capacity(bytes / 2),
        })
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.0.rows.len()
    }

    /// A single value or a key.
    pub(super) fn scalar(&mut self, text: &str, is_plain: bool, at: Position) {
        let start = small(self.0.text.len());
        self.0.text.push_str(text);
        let end = small(self.0.text.len());
        self.0.rows.push(Row {
            at,
            kind: Kind::Scalar { start, end, is_plain },
        });
    }

    pub(super) fn open_list(&mut self, at: Position) -> Opened {
        self.open(at, Kind::List { end: 0 })
    }

    pub(super) fn open_mapping(&mut self, at: Position) -> Opened {
        self.open(at, Kind::Mapping { end: 0 })
    }

    fn open(&mut self, at: Position, kind: Kind) -> Opened {
        self.0.rows.push(Row { at, kind });
        Opened(self.0.rows.len() - 1)
    }

    pub(super) fn close(&mut self, opened: Opened) {
        let behind = small(self.0.rows.len());
        match self.0.rows.get_mut(opened.0).map(|row| &mut row.kind) {
            Some(Kind::List { end } | Kind::Mapping { end }) => *end = behind,
            Some(Kind::Scalar { .. }) | None => {}
        }
    }

    pub(super) fn finish(self) -> Document {
        self.0
    }
}
